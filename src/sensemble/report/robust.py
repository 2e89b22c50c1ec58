"""What is left of the score as inputs get worse, as the template wants it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .charts import Axis, Plot, Point, Tick, axis
from .context import Run, View
from .formats import finite, number

_TITLES = {
    "hidden": "hidden",
    "blur": "blurred",
    "salt_and_pepper": "salt and pepper",
    "jpeg": "JPEG",
    "noise": "noise",
    "typos": "typos",
    "word_drop": "words dropped",
    "swap": "labels swapped",
}


def robustness(run: Run) -> View | None:
    """A chart a curve, by input, all on one scale of scores."""
    given = run.get("robustness") or {}
    curves = [each for each in given.get("curves") or [] if each and each.get("points")]
    if not curves:
        return None
    clean, trivial = given.get("clean") or {}, given.get("trivial")
    known = [point.get(key) for each in curves for point in each["points"] for key in ("value", "low", "high")]
    scale = axis([*known, clean.get("value"), trivial])
    inputs: dict[str, list[View]] = {}
    for each in curves:
        inputs.setdefault(str(each.get("input")), []).append(_curve(each, scale))
    return {
        "metric": given.get("metric"),
        "higher": given.get("higher"),
        "rows": given.get("rows"),
        "of": given.get("of"),
        "clean": clean,
        "trivial": trivial,
        "trivial_place": None if (place := scale.place(trivial)) is None else 100 - place,
        "inputs": list(inputs.items()),
    }


def _curve(given: Mapping[str, Any], scale: Axis) -> View:
    points, spreads = [], []
    for each in given["points"]:
        level, value, place = finite(each.get("level")), finite(each.get("value")), scale.place(each.get("value"))
        if level is None or value is None or place is None:
            continue
        points.append(Point(level * 100, 100 - place, level, value))
        low, high = scale.place(each.get("low")), scale.place(each.get("high"))
        if low is not None and high is not None:
            spreads.append((level * 100, 100 - low, 100 - high))
    how, unit = str(given.get("how")), str(given.get("unit") or "")
    ticks = [Tick(_amount(each, unit), (finite(each.get("level")) or 0.0) * 100) for each in given["points"]]
    line = " ".join(f"{point.x:.2f},{point.y:.2f}" for point in points)
    rows = [
        {"amount": tick.label, **{key: each.get(key) for key in ("value", "low", "high", "change")}}
        for tick, each in zip(ticks, given["points"], strict=True)
    ]
    return {
        "title": _TITLES.get(how, how.replace("_", " ")),
        "unit": unit,
        "area": given.get("area") or {},
        "plot": Plot(Axis(0.0, 1.0, tuple(ticks)), scale, tuple(points), (line,) if len(points) > 1 else ()),
        "spreads": spreads,
        "rows": rows,
        "spoken": ", ".join(f"{number(each['value'])} at {each['amount']}" for each in rows),
    }


def _amount(point: Mapping[str, Any], unit: str) -> str:
    """The amount of a point in a few letters: shares in per cent, others to two digits."""
    amount = finite(point.get("amount"))
    if amount is None:
        return "as it is"
    if unit.startswith("share"):
        return f"{amount:.0%}"
    return f"{amount:.2g}".replace("-", "−") if abs(amount) < 100 else f"{amount:.0f}"
