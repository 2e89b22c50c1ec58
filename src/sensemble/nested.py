"""Nested cross-validation: in each fold a search on the other rows, then one test on rows that no search saw.

A search flatters what it has chosen: the best of many validation scores is too good. Here the whole procedure, the
search included, is tested: every row once, by a model whose options were chosen without it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import config as configs
from .compare.board import summary
from .compare.cell import Bench
from .compare.plan import Cell, Variant, fingerprint, key
from .data.read import read
from .errors import ConfigError
from .files import read_json, to_json, write, write_json
from .pipeline import Event
from .plan import complete
from .tune import tune


def nested(
    mapping: Mapping[str, Any],
    source: Any,
    folder: Path,
    *,
    search: Sequence[str],
    folds: int = 5,
    trials: int = 20,
    minutes: float = 0.0,
) -> Iterator[Event]:
    """Searches and tests in every fold. What `folder` holds already is not run again.

    Args:
        mapping: the config, as plain values.
        source: all rows, as `data.read` reads them; folds are cut from them as `compare` does, by `data.group`.
        folder: gets `fold-1/` and so on, each with its search and the test's result, `nested.json`, and
            `answers.jsonl`, every row's answer out of fold.
        search: the keys and their ranges, as `ranges.parse` reads them.
        folds: number of outer folds. In each, the validation rows (`data.valid_share` of the rest) choose.
        trials: in each fold.
        minutes: after so long no further trial is begun in a fold; 0 sets no end.

    Yields:
        Events with a line for each trial and fold, and the conclusion at the end.

    Raises:
        UserError: a config, table or range that cannot be used, or Optuna is missing.
    """
    table = read(source)
    config, _, _ = complete(configs.from_dict(mapping), table)
    # What is searched, not which file holds it: each fold brings its own rows.
    config = config.replace(data=dataclasses.replace(config.data, train=None, valid=None, test=None))
    if not config.data.valid_share:
        raise ConfigError("tune: needs validation rows, which choose in each fold; give data.valid_share")
    digest, bench = fingerprint(table), Bench(table, [Variant("", config)], folds)
    cells: list[dict[str, Any]] = []
    for number in range(folds):
        place = folder / f"fold-{number + 1}"
        tables = bench.tables(Cell(0, 0, number))
        for event in tune(config.to_dict(), place, search=search, trials=trials, minutes=minutes, tables=tables):
            text = f"fold {number + 1}: {event.text}" if event.text else ""
            yield dataclasses.replace(event, text=text)
        found = read_json(place / "tune.json")
        chosen = next(trial for trial in found["trials"] if trial["number"] == found["best"])
        best, cell = Variant("chosen", configs.read(place / "best.yaml")), Cell(0, 0, number)
        file = place / f"test-{key(best, cell, folds, digest)}.json"
        if not file.exists():
            write_json(file, Bench(table, [best], folds).measure(cell))
        cells.append({**read_json(file), "validation": chosen["score"], "chosen": chosen["values"]})
        metric = cells[-1]["metric"]
        yield Event("tune", f"fold {number + 1}: {metric} {cells[-1]['scores'][metric]:.4f} on test rows.")
    result = _result(cells, found["searched"], trials)
    write_json(folder / "nested.json", result)
    lines = [to_json({"fold": cell["fold"], **answer}) for cell in cells for answer in cell["answers"]]
    write(folder / "answers.jsonl", "\n".join(lines) + "\n")
    yield Event("tune", result["sentence"])


def _result(cells: Sequence[Mapping[str, Any]], searched: Sequence[str], trials: int) -> dict[str, Any]:
    """What `nested.json` holds."""
    metric = cells[0]["metric"]
    scores = np.array([cell["scores"][metric] for cell in cells], dtype=np.float64)
    ratio = float(np.mean([cell["rows"] / cell["train_rows"] for cell in cells]))
    found = summary(scores, ratio)
    promised = float(np.mean([cell["validation"] for cell in cells]))
    counts = Counter(to_json(cell["chosen"]) for cell in cells)
    most = counts.most_common(1)[0][1]
    agreed = f"The same options were chosen in {most} of {len(cells)} folds" if most > 1 else "Each fold chose others"
    rows = sum(cell["rows"] for cell in cells)
    sentence = (
        f"With its options searched anew in each of {len(cells)} folds, {metric} is {found['mean']:.3f} "
        f"[{found['low']:.3f}, {found['high']:.3f}] on {rows:,} rows that no search saw; the searches' own "
        f"validation rows had said {promised:.3f}. {agreed}."
    )
    return {
        "format": 1,
        "metric": metric,
        "higher": cells[0]["higher"],
        "rows": rows,
        "trials": trials,
        "searched": list(searched),
        **found,
        "trivial": float(np.mean([cell["trivial"][metric] for cell in cells])),
        "validation": promised,
        "folds": [
            {name: cell[name] for name in ("fold", "rows", "train_rows", "chosen", "validation", "scores", "trivial")}
            for cell in cells
        ],
        "sentence": sentence,
    }
