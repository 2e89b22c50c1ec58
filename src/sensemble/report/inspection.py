"""How the run learned and where it errs, as the template wants it.

Each function takes the whole run and returns a view, or None where the run has nothing to show for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .charts import curve, reliability, scatter
from .context import Run, View, chosen_metric, higher_is_better, strings
from .formats import finite

MOST_CLASSES = 20
"""Above this many classes, a matrix of them cannot be read; the commonest confusions are listed instead."""
MOST_BINS = 16
"""Bars of the lengths of texts, for each of wanted and written."""
_LENGTHS = ("tokens", "wanted", "written")


def curves(run: Run) -> list[View]:
    """Training loss and validation score over the run, or over each of its stages, which `stage` names.

    Each epoch counts once, as it ended; a training of one or two epochs shows every record instead. A step seen twice
    (a resumed run) counts once.
    """
    steps = {record.get("step", place): record for place, record in enumerate(run.get("history") or [])}
    stages: dict[Any, list[Mapping[str, Any]]] = {}
    for record in steps.values():
        stages.setdefault(record.get("stage"), []).append(record)
    return [view for stage, records in stages.items() if (view := _curves(run, stage, records))]


def _curves(run: Run, stage: Any, records: list[Mapping[str, Any]]) -> View | None:
    epochs = {record.get("epoch"): record for record in records}
    unit = "step"
    if None not in epochs and (len(epochs) > 2 or len(epochs) == len(records)):
        records, unit = list(epochs.values()), "epoch"
    scored = [record for record in records if record.get("valid")]
    main = chosen_metric(run)
    if scored and main not in scored[0]["valid"]:
        main = next(iter(scored[0]["valid"]))
    higher = higher_is_better(run) if main == chosen_metric(run) else None
    best = _best(scored, main, higher)
    loss = curve([(record.get(unit), record.get("loss")) for record in records])
    at = best.get(unit) if best else None
    valid = curve([(record.get(unit), record["valid"].get(main)) for record in scored], best=at)
    if not loss and not valid:
        return None
    return {
        "stage": stage, "loss": loss, "valid": valid, "metric": main, "unit": unit, "best": best, "higher": higher
    }  # fmt: skip


def confusion(run: Run) -> View | None:
    """The matrix, or the commonest confusions where classes are many."""
    given = _details(run).get("confusion")
    if not given or not given.get("labels"):
        return None
    labels, counts = strings(given["labels"]), given.get("counts") or []
    rows: list[View] = []
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


def texts(run: Run) -> View | None:
    """Some texts that were written beside those wanted, and how long all of them are.

    Neighbouring lengths are shown together where there are many. A bar's share is that of the longest bar.
    """
    details = _details(run)
    keys = ("truth", "prediction", "score")
    examples = [{key: each.get(key) for key in keys} for each in details.get("examples") or []]
    counts = [{key: finite(each.get(key)) or 0 for key in _LENGTHS} for each in details.get("lengths") or []]
    if not examples and not counts:
        return None
    step = math.ceil((max((each["tokens"] for each in counts), default=0) + 1) / MOST_BINS)
    bins: dict[int, View] = {}
    for each in sorted(counts, key=lambda each: each["tokens"]):
        first = int(each["tokens"]) // step * step
        row = bins.setdefault(first, {"low": first, "high": first + step - 1, "wanted": 0, "written": 0})
        row["wanted"], row["written"] = (int(row[key] + each[key]) for key in ("wanted", "written"))
    most = max((row[key] for row in bins.values() for key in ("wanted", "written")), default=0) or 1
    lengths = [{**row, **{f"{key}_share": row[key] / most for key in ("wanted", "written")}} for row in bins.values()]
    return {"examples": examples, "lengths": lengths}


def per_class(run: Run) -> View | None:
    """Scores of each class; where classes are many, the hardest stand open."""
    keys = ("label", "rows", "precision", "recall", "f1")
    given = _details(run).get("per_class") or []
    rows = [{**{key: row.get(key) for key in keys}, "intervals": row.get("intervals") or {}} for row in given]
    if not rows:
        return None
    cuts = _details(run).get("thresholds") or {}
    chosen = {"rule": cuts.get("rule"), "from": list((cuts.get("from") or {}).items())} if cuts else None
    if len(rows) <= MOST_CLASSES:
        return {"rows": rows, "rest": [], "thresholds": chosen}
    rows.sort(key=lambda row: (finite(row["f1"]) is None, finite(row["f1"])))
    return {"rows": rows[: MOST_CLASSES // 2], "rest": rows[MOST_CLASSES // 2 :], "thresholds": chosen}


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


def _best(scored: Sequence[Mapping[str, Any]], main: Any, higher: bool | None) -> Mapping[str, Any] | None:
    """The record of the best epoch: the one the training chose, else the best by its score."""
    chosen = [record for record in scored if record.get("best") is True]
    known = [record for record in scored if finite(record["valid"].get(main)) is not None]
    if chosen or higher is None or not known:
        return chosen[-1] if chosen else None
    return (max if higher else min)(known, key=lambda record: finite(record["valid"].get(main)) or 0.0)


def _details(run: Run) -> Mapping[str, Any]:
    return run.get("details") or {}
