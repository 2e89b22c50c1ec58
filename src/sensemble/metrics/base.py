"""Evidence: every score with an interval.

A metric is a function of row weights: given weights `(R, n)` it returns R values, one for each row of weights.
All weights one gives the score; R bootstrap resamples, as counts, give its distribution in one go; and two
models scored under the same resamples give a paired comparison.

Legend: n rows scored, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""Weights `(R, n)` -> R values; NaN where the metric is undefined (one class only, say)."""

CELLS = 1 << 18
"""How many weights a chunk holds: its working arrays then stay in the processor's cache, at a few MB."""


@dataclass(frozen=True)
class Metric:
    """One metric of one set of answers.

    Args:
        statistic: the metric as a function of row weights.
        higher: whether more is better.
    """

    statistic: Statistic
    higher: bool = True


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval and the number of rows behind it."""

    value: float
    low: float
    high: float
    rows: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def resample(
    rows: int, *, resamples: int = 1000, seed: int = 0, groups: NDArray[np.integer] | None = None
) -> NDArray[np.float64]:
    """Bootstrap resamples, as how often each row was drawn.

    Rows are drawn with replacement. Where rows come in groups (a user's, a patient's), they are not independent:
    then whole groups are drawn, as many as there are, so that the interval tells how the score would vary with
    other users, not only with other rows (the cluster bootstrap: Davison & Hinkley, "Bootstrap Methods and their
    Application", 1997, section 3.8).

    Args:
        rows: n.
        resamples: R; 1000 settle the ends of a 95 % interval to about a tenth of its width.
        seed: the same seed gives the same resamples.
        groups: `(n,)` ints, the group of each row.

    Returns:
        `(R, n)` counts. With fewer than two rows (or groups) to draw from, nothing can be known of the spread:
        then `(0, n)`, which makes the ends of every interval NaN.

    >>> resample(4, resamples=2).sum(1)
    array([4., 4.])
    """
    if groups is None:
        units, place = rows, np.arange(rows)
    else:
        assert groups.shape == (rows,), f"{groups.shape} groups do not fit {rows} rows"
        names, place = np.unique(groups, return_inverse=True)
        units = len(names)
    if units < 2:
        return np.empty((0, rows))
    random = np.random.default_rng(seed)
    weights = np.empty((resamples, rows))
    for row in weights:
        row[:] = np.bincount(random.integers(units, size=units), minlength=units)[place]
    return weights


def estimate(metric: Metric, rows: int, weights: Array) -> Estimate:
    """A metric's value with its 95 % interval.

    The interval is the percentile bootstrap's: the 2.5th and the 97.5th percentile, interpolated linearly, of the
    metric over the resamples (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13). Resamples
    in which the metric is undefined are left out. With few rows (some 30 or less) it is a little too narrow. It may
    lie above the value for metrics that resampling itself raises: a positive row drawn twice ties with its copy, which
    lifts the average precision of rare classes, and noise in small bins lifts the calibration error. A `difference`
    is hardly touched by that.

    Args:
        metric: what to measure.
        rows: n.
        weights: `(R, n)`, from `resample`.

    Returns:
        The estimate: its value is NaN where the metric is undefined for these rows; its ends are NaN where no
        resample gives a value.
    """
    _check(rows, weights)
    value = metric.statistic(np.ones((1, rows)))
    return Estimate(float(value[0]), *_interval(metric.statistic(weights)), rows)


def difference(first: Metric, second: Metric, rows: int, weights: Array) -> Estimate:
    """By how much the first is better than the second, with its 95 % interval.

    Both are measured under the same resamples, and the interval is that of their difference. What is common to
    both, such as hard rows, so cancels: far sharper than comparing two intervals. Percentiles as in `estimate`
    (Efron & Tibshirani 1993, chapter 13).

    Args:
        first: one model's metric.
        second: the same metric of another model, on the same rows in the same order.
        rows: n.
        weights: `(R, n)`, from `resample`.

    Returns:
        First minus second; the sign turned where less is better, so that positive means that the first is better.
    """
    assert first.higher == second.higher, "two different metrics cannot be compared"
    _check(rows, weights)
    sign = 1 if first.higher else -1
    both = [
        sign * (first.statistic(each) - second.statistic(each))  # (1,), (R,)
        for each in (np.ones((1, rows)), weights)
    ]
    return Estimate(float(both[0][0]), *_interval(both[1]), rows)


def _check(rows: int, weights: Array) -> None:
    assert weights.ndim == 2 and weights.shape[1] == rows, f"weights {weights.shape} do not fit {rows} rows"


def _interval(values: Array) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


# What metrics are built from.


def quotient(above: NDArray[Any], below: NDArray[Any] | None = None) -> Statistic:
    """The weighted sum of `above` over that of `below`, each `(n,)`; of ones without `below`: the weighted mean.

    For any score that is a mean over rows, or over the parts of rows: errors over words, hits over labels.

    >>> quotient(np.array([1.0, 0.0, 0.0]))(np.array([[1.0, 1.0, 0.0]]))
    array([0.5])
    """
    above = np.asarray(above, dtype=np.float64)
    divisor = np.ones(len(above)) if below is None else np.asarray(below, dtype=np.float64)

    return lambda weights: ratio(weights @ above, weights @ divisor)


def ratio(above: Array, below: Array, *, empty: float = np.nan) -> Array:
    """`above / below`, of one shape, and `empty` where `below` is zero."""
    result = np.full(above.shape, empty, dtype=np.float64)
    np.divide(above, below, out=result, where=below != 0)
    return result


def tally(weights: Array, codes: NDArray[np.integer], num: int) -> Array:
    """Sums the weights of the rows of each code: weights `(R, n)`, codes `(n,)` in `[0, num)` -> `(R, num)`.

    >>> tally(np.array([[1.0, 2.0, 4.0]]), np.array([0, 1, 0]), 3)
    array([[5., 2., 0.]])
    """
    places: NDArray[np.integer] = np.arange(len(weights))[:, None] * num + codes  # (R, n): a bin by resample and code
    sums = np.bincount(places.ravel(), weights.ravel(), minlength=len(weights) * num)
    return np.asarray(sums, dtype=np.float64).reshape(len(weights), num)


def chunked(statistic: Statistic, known: NDArray[np.bool_] | None = None) -> Statistic:
    """The same statistic a few resamples at a time, so that its working arrays stay small.

    Args:
        statistic: of all rows, or of the known ones.
        known: `(n,)`, which rows the statistic is about: it is given their weights alone.
    """

    def run(weights: Array) -> Array:
        step = max(1, CELLS // max(1, weights.shape[1]))
        chunks = (weights[start : start + step] for start in range(0, len(weights), step))
        parts = [statistic(chunk if known is None else chunk[:, known]) for chunk in chunks]
        return np.concatenate(parts) if parts else np.empty(0)

    return run


def check_finite(answers: Array) -> None:
    """Refuses answers that are no numbers, which would make some scores undefined and others plainly wrong.

    Args:
        answers: `(n, K)`.

    Raises:
        UserError: some are NaN or infinite; says how many and which is the first.
    """
    wrong = np.flatnonzero(~np.isfinite(answers).all(1))
    if len(wrong):
        raise UserError(
            f"{len(wrong)} of {len(answers)} answers hold NaN or infinity (answer {wrong[0]}, counted from 0, is the "
            "first): training has diverged; try a smaller train.lr"
        )
