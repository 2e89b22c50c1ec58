"""What the run measured, as the template wants it: verdict, scores, subsets, learning curves, errors made.

Each function takes the whole run and returns a view, or None where the run has nothing to show for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .charts import Axis, axis, curve, reliability, scatter
from .context import configured, strings
from .formats import finite, listed

Run = Mapping[str, Any]
View = dict[str, Any]

MOST_SUBSETS = 31
"""Above this many subsets, only the telling ones stand open: all inputs, all but one, the best of each size, one."""
MOST_CLASSES = 20
"""Above this many classes, a matrix of them cannot be read; the commonest confusions are listed instead."""

_VERDICTS = {
    "fusion_helps": ("good", "Fusion helps"),
    "no_gain": ("plain", "No gain from fusion"),
    "fusion_hurts": ("bad", "Fusion hurts"),
}


@dataclass(frozen=True)
class Score:
    """One score with its interval, as a row of a chart."""

    label: str
    kind: str
    """How its dot is drawn: fused, stacking, single, trivial or subset."""
    value: Any
    low: Any
    high: Any
    rows: Any = None
    members: tuple[str, ...] = ()


def verdict(run: Run) -> View | None:
    """The sentence, the gain, and what stands behind them on one scale."""
    given = run.get("verdict")
    if not given:
        return None
    intervals, singles, gain = given.get("intervals") or {}, given.get("singles") or {}, given.get("gain") or {}

    def score(key: str, label: str, kind: str, value: Any) -> Score:
        low, high = _pair(intervals.get(key))
        return Score(label, kind, value, low, high)

    rows = [score("fused", "fused", "fused", given.get("fused"))]
    if "stacking" in given:
        rows.append(score("stacking", "late stacking", "stacking", given["stacking"]))
    rows += _sorted([score(name, name, "single", value) for name, value in singles.items()], run)
    if "trivial" in given:
        rows.append(score("trivial", "trivial", "trivial", given["trivial"]))
    tone, badge = _VERDICTS.get(str(given.get("verdict")), ("plain", str(given.get("verdict") or "Verdict")))
    return {
        "tone": tone,
        "badge": badge,
        "sentence": given.get("sentence") or badge,
        "metric": given.get("metric") or _metric(run),
        "rows": given.get("rows"),
        "gain": gain.get("value"),
        "gain_low": gain.get("low"),
        "gain_high": gain.get("high"),
        "best_single": given.get("best_single"),
        "guide": singles.get(given.get("best_single")),
        "synergy": given.get("synergy"),
        "notes": strings(given.get("notes")),
        "scores": rows,
        "axis": _axis(rows),
        "higher": _higher(run),
    }


def scores(run: Run) -> View | None:
    """Every test metric beside the trivial baseline; the one that models are chosen by comes first."""
    given = (run.get("metrics") or {}).get("test") or {}
    main = _metric(run)
    rows = [
        {**_estimate(entry), "name": name, "trivial": (entry or {}).get("trivial"), "main": name == main}
        for name, entry in sorted(given.items(), key=lambda pair: pair[0] != main)
    ]
    for row in rows:  # scores of 0 to 1 can share one scale; an error in the target's unit cannot
        known = [finite(row[key]) for key in ("value", "low", "high", "trivial")]
        row["drawn"] = row["value"] is not None and all(each is None or 0 <= each <= 1 for each in known)
    return {"rows": rows, "axis": axis([0.0, 1.0])} if rows else None


def subsets(run: Run) -> View | None:
    """Scores by which inputs are present, in groups: few subsets by size, many by what they tell."""
    metrics = run.get("metrics") or {}
    given: Mapping[str, Any] = metrics.get("subsets") or {}
    main = _metric(run)
    found = []
    for key, entries in given.items():
        if entries:
            entry = _estimate(entries[main] if main in entries else next(iter(entries.values())))
            members = tuple(key.split("+"))
            found.append(Score(listed(members), "subset", entry["value"], entry["low"], entry["high"], entry["rows"], members))
    if not found:
        return None
    names = _ordered({name: None for score in found for name in score.members}, configured(run)["inputs"])
    found = [_with_kind(score, len(names)) for score in _sorted(found, run)]
    full = next((score for score in found if len(score.members) == len(names)), None)
    groups, rest = _telling(found, len(names)) if len(found) > MOST_SUBSETS else (_by_size(found, len(names)), [])
    named = next(iter(next(entries for entries in given.values() if entries)))
    return {
        "metric": main if any(main in entries for entries in given.values() if entries) else named,
        "names": names,
        "groups": groups,
        "rest": rest,
        "num_rest": sum(len(members) for _, members in rest),
        "total": len(found),
        "axis": _axis(found),
        "guide": full.value if full else None,
        "higher": _higher(run),
        "with_rows": len({score.rows for score in found}) > 1,
    }


def curves(run: Run) -> View | None:
    """Training loss and validation score over the run; steps seen twice (a resumed run) count once."""
    records = list({record.get("step", place): record for place, record in enumerate(run.get("history") or [])}.values())
    scored = [record for record in records if record.get("valid")]
    main = _metric(run)
    if scored and main not in scored[0]["valid"]:
        main = next(iter(scored[0]["valid"]))
    epochs = [record.get("epoch") for record in records]
    by_epoch = None not in epochs and len(set(epochs)) == len(epochs)
    unit = "epoch" if by_epoch else "step"
    higher = _higher(run) if main == _metric(run) else None
    loss = curve([(record.get(unit), record.get("loss")) for record in records])
    valid = curve([(record.get(unit), record["valid"].get(main)) for record in scored], higher=higher)
    if not loss and not valid:
        return None
    last = records[-1]
    best_epoch = None
    if valid and valid.best:
        best_epoch = next(record.get("epoch") for record in scored if finite(record.get(unit)) == valid.best.at)
    return {"loss": loss, "valid": valid, "metric": main, "unit": unit, "last": last, "best_epoch": best_epoch, "higher": higher}


def confusion(run: Run) -> View | None:
    """The matrix, or the commonest confusions where classes are many."""
    given = _details(run).get("confusion")
    if not given or not given.get("labels"):
        return None
    labels, counts = strings(given["labels"]), given.get("counts") or []
    rows = []
    for place, (label, line) in enumerate(zip(labels, counts, strict=False)):
        total = sum(finite(count) or 0 for count in line)
        cells = [
            {"count": count, "share": (finite(count) or 0) / total if total else 0.0, "right": column == place}
            for column, count in enumerate(line[: len(labels)])
        ]
        rows.append({"label": label, "cells": cells})
    if len(labels) <= MOST_CLASSES:
        return {"labels": labels, "rows": rows, "top": [], "classes": len(labels)}
    wrong = [
        {"truth": row["label"], "prediction": labels[column], "count": cell["count"]}
        for row in rows
        for column, cell in enumerate(row["cells"])
        if not cell["right"] and finite(cell["count"])
    ]
    wrong.sort(key=lambda pair: -(finite(pair["count"]) or 0))
    return {"labels": labels, "rows": [], "top": wrong[:MOST_CLASSES], "classes": len(labels)}


def per_class(run: Run) -> View | None:
    """Scores of each class; where classes are many, the hardest stand open."""
    keys = ("label", "rows", "precision", "recall", "f1")
    rows = [{key: row.get(key) for key in keys} for row in _details(run).get("per_class") or []]
    if not rows:
        return None
    if len(rows) <= MOST_CLASSES:
        return {"rows": rows, "rest": []}
    rows.sort(key=lambda row: (finite(row["f1"]) is None, finite(row["f1"])))
    return {"rows": rows[: MOST_CLASSES // 2], "rest": rows[MOST_CLASSES // 2 :]}


def residuals(run: Run) -> list[View]:
    """Truth against prediction for each number predicted."""
    given = _details(run).get("residuals") or {}
    plots = [(name, scatter(pair.get("truth") or [], pair.get("predicted") or [])) for name, pair in given.items()]
    return [{"name": name, "plot": plot} for name, plot in plots if plot]


def calibration(run: Run) -> View | None:
    """Stated confidence against accuracy, by bins."""
    keys = ("low", "high", "confidence", "accuracy", "rows")
    bins = [{key: each.get(key) for key in keys} for each in _details(run).get("calibration") or []]
    plot = reliability([(each["confidence"], each["accuracy"], each["rows"]) for each in bins])
    return {"plot": plot, "bins": bins} if plot else None


def _by_size(found: Sequence[Score], num_inputs: int) -> list[tuple[str, list[Score]]]:
    sizes = sorted({len(score.members) for score in found}, reverse=True)
    return [
        (_size(size, num_inputs), [score for score in found if len(score.members) == size]) for size in sizes
    ]


def _telling(
    found: Sequence[Score], num_inputs: int
) -> tuple[list[tuple[str, list[Score]]], list[tuple[str, list[Score]]]]:
    """The subsets that tell most, and the rest by size. `found` is sorted best first."""
    sizes = {size: [score for score in found if len(score.members) == size] for size in range(num_inputs, 0, -1)}
    best = [sizes[size][0] for size in range(num_inputs - 2, 1, -1) if sizes[size]]
    groups = [
        ("all inputs", sizes[num_inputs]),
        ("all but one", sizes[num_inputs - 1]),
        ("the best of each size between", best),
        ("one input alone", sizes[1]),
    ]
    shown = {score.members for _, members in groups for score in members}
    rest = [score for score in found if score.members not in shown]
    return [group for group in groups if group[1]], _by_size(rest, num_inputs)


def _size(size: int, num_inputs: int) -> str:
    if size == num_inputs:
        return "all inputs"
    return "one input alone" if size == 1 else f"{size} inputs"


def _with_kind(score: Score, num_inputs: int) -> Score:
    kind = "fused" if len(score.members) == num_inputs else "single" if len(score.members) == 1 else "subset"
    return Score(score.label, kind, score.value, score.low, score.high, score.rows, score.members)


def _ordered(names: Iterable[str], first: Iterable[str]) -> list[str]:
    known = list(names)
    return [name for name in first if name in known] + [name for name in known if name not in set(first)]


def _sorted(found: Iterable[Score], run: Run) -> list[Score]:
    """Best first; those without a value last."""
    sign = 1 if _higher(run) is False else -1

    def key(score: Score) -> tuple[bool, float]:
        value = finite(score.value)
        return value is None, sign * (value or 0.0)

    return sorted(found, key=key)


def _axis(rows: Iterable[Score]) -> Axis:
    return axis(each for row in rows for each in (row.value, row.low, row.high))


def _estimate(entry: Any) -> View:
    return {key: (entry or {}).get(key) for key in ("value", "low", "high", "rows")}


def _pair(interval: Any) -> tuple[Any, Any]:
    return tuple(interval) if isinstance(interval, list | tuple) and len(interval) == 2 else (None, None)  # type: ignore[return-value]


def _metric(run: Run) -> Any:
    return (run.get("metrics") or {}).get("metric") or (run.get("verdict") or {}).get("metric")


def _higher(run: Run) -> bool | None:
    """Whether more is better; None where the run does not say."""
    told = (run.get("metrics") or {}).get("higher", (run.get("verdict") or {}).get("higher"))
    return told if isinstance(told, bool) else None


def _details(run: Run) -> Mapping[str, Any]:
    return run.get("details") or {}
