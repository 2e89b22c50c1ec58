"""From cells to a leaderboard: means, intervals, and paired tests over folds.

Folds share training rows, so their scores are not independent, and a plain t-test finds differences that are not
there. The corrected resampled t-test (Nadeau & Bengio 2003, "Inference for the generalization error") widens the
variance by the share of test to training rows; p-values of several comparisons are adjusted by Holm's method.

Legend: J cells of a variant, folds times repeats.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from ..metrics.base import Array
from .plan import Variant

ALPHA = 0.05


def board(variants: Sequence[Variant], cells: Mapping[int, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """What `compare.json` holds.

    Args:
        variants: all of them, single inputs' models last.
        cells: by variant number, its results in one order of repeats and folds for all.
    """
    first = cells[0][0]
    metric, higher = str(first["metric"]), bool(first["higher"])
    ratio = float(np.mean([cell["rows"] / cell["train_rows"] for cell in cells[0]]))
    scores = {number: _scores(found, metric) for number, found in cells.items()}
    rows = [
        {
            "name": variant.name,
            "single": bool(variant.only),
            **summary(scores[number], ratio),
            "folds": scores[number].tolist(),
            "scores": {name: summary(_scores(cells[number], name), ratio) for name in first["scores"]},
            **{
                name: float(np.mean([cell[name] for cell in cells[number]]))
                for name in ("seconds", "processor_seconds", "parameters", "flops")
            },
        }
        for number, variant in enumerate(variants)
    ]
    sign = 1 if higher else -1
    full = [number for number, variant in enumerate(variants) if not variant.only]
    alone = [number for number, variant in enumerate(variants) if variant.only]
    best = max(full, key=lambda number: _rank(rows[number]["mean"], sign))
    best_single = max(alone, key=lambda number: _rank(rows[number]["mean"], sign)) if alone else None
    _compare(rows, scores, full, best, "against_best", ratio, sign)
    if best_single is not None:
        _compare(rows, scores, [*full, best_single], best_single, "against_single", ratio, sign)
    trivial = [cell["trivial"][metric] for cell in cells[0]]
    return {
        "format": 1,
        "metric": metric,
        "higher": higher,
        "rows": sum(cell["rows"] for cell in cells[0] if cell["repeat"] == 0),
        "folds": len({cell["fold"] for cell in cells[0]}),
        "repeats": len({cell["repeat"] for cell in cells[0]}),
        "trivial": float(np.mean(trivial)),
        "best": rows[best]["name"],
        "best_single": None if best_single is None else rows[best_single]["name"],
        "variants": rows,
        "sentences": _sentences(rows, full, best, best_single, metric),
    }


def summary(scores: Array, ratio: float) -> dict[str, float]:
    """Mean and 95 % interval of J scores: `mean`, `low`, `high`."""
    mean, half = float(scores.mean()), _half(scores, ratio)
    return {"mean": mean, "low": mean - half, "high": mean + half}


def corrected(first: Array, second: Array, ratio: float) -> dict[str, float]:
    """The corrected resampled t-test of two models' scores on the same folds.

    Args:
        first: `(J,)` scores.
        second: likewise, in the same order.
        ratio: test rows over training rows.

    Returns:
        `value`, the mean of first minus second; `low` and `high` of its 95 % interval; `p`, two-sided. NaN ends and
        p where J is 1.

    >>> corrected(np.array([0.8, 0.9, 0.8]), np.array([0.8, 0.9, 0.8]), 0.5)["p"]
    1.0
    """
    difference = first - second
    count, value = len(difference), float(difference.mean())
    half = _half(difference, ratio)
    error = half / stats.t.ppf(1 - ALPHA / 2, count - 1) if count > 1 else math.nan
    if error == 0:
        p = 1.0 if value == 0 else 0.0
    else:
        p = float(2 * stats.t.sf(abs(value) / error, count - 1)) if count > 1 else math.nan
    return {"value": value, "low": value - half, "high": value + half, "p": p}


def holm(values: Sequence[float]) -> list[float]:
    """p-values adjusted for being several (Holm 1979): the chance of any false finding among them stays in bounds.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(values)
    adjusted, highest = [0.0] * len(values), 0.0
    for rank, place in enumerate(order.tolist()):
        highest = max(highest, min(1.0, values[place] * (len(values) - rank)))
        adjusted[place] = highest
    return adjusted


def _compare(
    rows: list[dict[str, Any]],
    scores: Mapping[int, Array],
    chosen: Sequence[int],
    rival: int,
    key: str,
    ratio: float,
    sign: int,
) -> None:
    """Writes under `key` how each of the chosen does against a rival; positive means better than it."""
    others = [number for number in chosen if number != rival]
    found = [corrected(sign * scores[number], sign * scores[rival], ratio) for number in others]
    for number, test, p in zip(others, found, holm([test["p"] for test in found]), strict=True):
        rows[number][key] = {**test, "p_holm": p}


def _sentences(
    rows: Sequence[Mapping[str, Any]], full: Sequence[int], best: int, single: int | None, metric: str
) -> list[str]:
    """The conclusions in plain words."""
    said = [f"{rows[best]['name']} has the best mean {metric.replace('_', ' ')}: {_shown(rows[best])}."]
    others = [rows[number] for number in full if number != best]
    worse = [row["name"] for row in others if row["against_best"]["p_holm"] < ALPHA]
    level = [row["name"] for row in others if not row["against_best"]["p_holm"] < ALPHA]
    if level:
        said.append(f"Not shown to be worse than it: {', '.join(level)}. Choose among these by cost.")
    if worse:
        said.append(f"Shown to be worse (p < .05, Holm): {', '.join(worse)}.")
    if single is not None:
        helped = [rows[n]["name"] for n in full if _better(rows[n]["against_single"])]
        if helped:
            said.append(f"Better than the best single input ({rows[single]['name']}): {', '.join(helped)}.")
        else:
            said.append(f"No fusion is shown to be better than the best single input ({rows[single]['name']}).")
    if math.isnan(rows[best]["low"]):
        said.append("One fold and one repeat show no spread: take more before you conclude anything.")
    return said


def _better(test: Mapping[str, float]) -> bool:
    return test["value"] > 0 and test["p_holm"] < ALPHA


def _shown(row: Mapping[str, Any]) -> str:
    return f"{row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def _scores(cells: Sequence[Mapping[str, Any]], metric: str) -> Array:
    values = [cell["scores"].get(metric) for cell in cells]
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _half(scores: Array, ratio: float) -> float:
    """Half the width of the interval of the mean of J scores from overlapping training sets."""
    count = len(scores)
    if count < 2:
        return math.nan
    variance = float(scores.var(ddof=1)) * (1 / count + ratio)
    return float(stats.t.ppf(1 - ALPHA / 2, count - 1)) * math.sqrt(variance)


def _rank(value: float, sign: int) -> float:
    return -math.inf if math.isnan(value) else sign * value
