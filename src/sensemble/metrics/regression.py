"""Scores of numbers: errors, explained variance and correlations, for one target or several.

Legend: n rows, K targets, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from .base import Array, Metric, Statistic, check_finite, chunked, quotient, ratio, tally


def regression_metrics(
    predictions: Array, values: Array, mask: NDArray[np.bool_], names: Sequence[str]
) -> dict[str, Metric]:
    """Metrics of predicted numbers: `mae`, `rmse` (both in the target's unit, less is better), `r2`, `pearson`,
    `spearman`.

    With several targets these are means over targets, and `NAME:TARGET` is a single one. The mean leaves out
    targets for which the labels themselves leave a metric undefined: none known, or, for `r2` and the
    correlations, all alike. It does not leave out a target for which the model predicts a constant: correlations
    are then undefined (NaN), for else a model would gain by giving up on its worst target.

    `r2` where the labels are all alike is undefined too (scikit-learn says 0 or 1 there).

    Args:
        predictions: `(n, K)`.
        values: `(n, K)` labels; what stands in masked ones is ignored.
        mask: `(n, K)`, true = known.
        names: of the K targets.

    Raises:
        UserError: a prediction is NaN or infinite.

    >>> scores = regression_metrics(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]]), np.ones((2, 1), bool), ["y"])
    >>> scores["mae"].statistic(np.ones((1, 2)))
    array([1.])
    """
    predictions = np.asarray(predictions, dtype=np.float64)
    values, mask = np.asarray(values, dtype=np.float64), np.asarray(mask, dtype=np.bool_)
    assert predictions.shape == values.shape == mask.shape == (len(values), len(names))
    check_finite(predictions)

    metrics = {}
    for metric, (build, higher, needed) in _METRICS.items():
        single: list[Statistic] = []
        usable: list[Statistic] = []
        for target in range(len(names)):
            known = mask[:, target]
            wanted = values[known, target]
            if not len(wanted):
                single.append(_undefined)
                continue
            score = build(predictions[known, target], wanted)
            single.append(chunked(score, None if known.all() else known))
            if len(np.unique(wanted)) >= needed:
                usable.append(single[-1])
        metrics[metric] = Metric(_mean(usable or [_undefined]), higher)
        if len(names) > 1:
            metrics |= {f"{metric}:{name}": Metric(each, higher) for name, each in zip(names, single, strict=True)}
    return metrics


def _undefined(weights: Array) -> Array:
    return np.full(len(weights), np.nan)


def _mean(statistics: Sequence[Statistic]) -> Statistic:
    return lambda weights: np.asarray(np.mean([each(weights) for each in statistics], axis=0))  # (K, R) -> (R,)


# Each takes predictions and labels, both (m,), of the rows with a label; m >= 1.


def _mae(predicted: Array, wanted: Array) -> Statistic:
    return quotient(np.abs(predicted - wanted))


def _rmse(predicted: Array, wanted: Array) -> Statistic:
    squared = quotient((predicted - wanted) ** 2)
    return lambda weights: np.sqrt(squared(weights))


def _r2(predicted: Array, wanted: Array) -> Statistic:
    squares = (predicted - wanted) ** 2

    def statistic(weights: Array) -> Array:
        spread = _deviations(weights, wanted)
        return 1 - ratio(weights @ squares, _product(weights, spread, spread))

    return statistic


def _pearson(predicted: Array, wanted: Array) -> Statistic:
    def statistic(weights: Array) -> Array:
        return _correlation(weights, _deviations(weights, predicted), _deviations(weights, wanted))

    return statistic


def _spearman(predicted: Array, wanted: Array) -> Statistic:
    """Pearson's correlation of mid-ranks, ranked anew in each resample: a row drawn twice ties with itself."""
    coded = [np.unique(each, return_inverse=True) for each in (predicted, wanted)]

    def statistic(weights: Array) -> Array:
        middle = (weights.sum(1, keepdims=True) + 1) / 2  # the mean of ranks 1..N is (N + 1) / 2, whatever the ties
        first, second = [_ranks(weights, codes, len(levels)) - middle for levels, codes in coded]
        return _correlation(weights, first, second)

    return statistic


_METRICS: dict[str, tuple[Callable[[Array, Array], Statistic], bool, int]] = {
    "mae": (_mae, False, 1),
    "rmse": (_rmse, False, 1),
    "r2": (_r2, True, 2),
    "pearson": (_pearson, True, 2),
    "spearman": (_spearman, True, 2),
}
"""What builds it; whether more is better; how many different labels it needs to be defined."""


def _ranks(weights: Array, codes: NDArray[np.integer], num: int) -> Array:
    """`(R, m)` mid-ranks of the rows when each stands there as often as its weight, a count, says.

    Args:
        weights: `(R, m)` counts.
        codes: `(m,)` dense ranks of the distinct values, from 0.
        num: how many distinct values there are.
    """
    tied = tally(weights, codes, num)
    # The copies before, and half of those tied: before + (tied + 1) / 2.
    ranks: Array = (tied.cumsum(1) - (tied - 1) / 2)[:, codes]
    return ranks


def _deviations(weights: Array, values: Array) -> Array:
    """`(R, m)` values less their weighted mean; exactly zero where all values that count are alike.

    The values are first taken relative to one of them. Else rounding the mean of equal values such as 0.1 would
    leave a tiny variance that looks real.
    """
    anchor: Array = values[(weights > 0).argmax(1)]  # (R,): the first value that counts
    shifted: Array = values - anchor[:, None]
    mean = ratio(np.einsum("rm,rm->r", weights, shifted), weights.sum(1))
    shifted -= mean[:, None]
    return shifted


def _product(weights: Array, first: Array, second: Array) -> Array:
    result: Array = np.einsum("rm,rm->r", weights * first, second)
    return result


def _correlation(weights: Array, first: Array, second: Array) -> Array:
    scale = np.sqrt(_product(weights, first, first)) * np.sqrt(_product(weights, second, second))
    return np.clip(ratio(_product(weights, first, second), scale), -1, 1)
