"""The command that searches options."""

from __future__ import annotations

import argparse
from pathlib import Path

from .base import argument, command, print_json, show_events
from .runs import SOURCE, mapping_of, new_folder


@command(
    "search options by their score on validation rows",
    *SOURCE,
    argument(
        "--search", action="append", default=[], metavar="KEY[=RANGE]",
        help="a key and its choices [a,b] or numbers range(low,high), log(low,high); alone: every choice of its type",
    ),
    argument("--trials", type=int, default=20, metavar="N", help="how many in all (default: 20)"),
    argument("--minutes", type=float, default=0.0, metavar="M", help="begin no trial after so long"),
    argument(
        "--folds", type=int, default=0, metavar="K",
        help="nested cross-validation: a search in each of K folds, tested on rows it never saw",
    ),
    argument("-o", "--output", metavar="DIR", help="its folder; run again, it goes on (default: a new one)"),
    examples=[
        "config.yaml --search 'train.lr=log(1e-4,1e-2)' --search 'fusion=[gate,concat]' -o runs/search",
        "train.csv --target label --search 'width=[32,64]' --search task.loss --trials 30 --minutes 20",
        "config.yaml --search 'fusion=[gate,concat]' --search 'train.lr=log(1e-4,1e-2)' --folds 5",
    ],
)  # fmt: skip
def tune(options: argparse.Namespace) -> int:
    """Searches options; trials that were finished before are not run again."""
    from ..errors import ConfigError
    from ..files import read_json
    from ..nested import nested
    from ..tune import tune as run

    mapping = mapping_of(options)
    data = dict(mapping.get("data") or {})
    for key in ("train", "valid", "test"):  # best.yaml lies elsewhere, and must find them
        if isinstance(data.get(key), str) and "://" not in data[key]:
            data[key] = str(Path(data[key]).expanduser().absolute())
    mapping["data"] = data
    stem = Path(options.source or "run").absolute().stem
    folder = Path(options.output) if options.output else new_folder(Path("runs"), f"tune-{stem}")
    asked = {"search": options.search, "trials": options.trials, "minutes": options.minutes}
    if options.folds and data.get("train") is None:
        raise ConfigError("tune: name a table, or set data.train in the config")
    nest = bool(options.folds)
    events = (
        nested(mapping, data["train"], folder, folds=options.folds, **asked) if nest else run(mapping, folder, **asked)
    )
    show_events(events, quiet=options.json)
    if options.json:
        print_json(read_json(folder / ("nested.json" if nest else "tune.json")))
    return 0
