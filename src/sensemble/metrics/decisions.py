"""What scores of classes are made of: counts of hard decisions, areas under curves, and means of what is defined.

Legend: n rows, C classes, K labels of a set, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from .base import Array, Statistic, check_finite, chunked, ratio, tally
from .curves import Truths

Integers = NDArray[np.integer]


class Counts:
    """`(R, C)` weighted rows by class: `real` have it, `said` were predicted it, `hits` both."""

    def __init__(self, weights: Array, labels: Integers, predicted: Integers, num: int) -> None:
        right = labels == predicted
        self.real = tally(weights, labels, num)
        self.said = tally(weights, predicted, num)
        self.hits = tally(weights[:, right], labels[right], num)


class SetCounts:
    """The same for sets: `(R, K)` weighted rows by label."""

    def __init__(self, weights: Array, truths: Truths, predicted: Truths) -> None:
        self.real, self.said, self.hits = (
            weights @ each.astype(np.float64) for each in (truths, predicted, truths & predicted)
        )


def decided(labels: Integers, predicted: Integers, num: int, score: Callable[[Counts], Array]) -> Statistic:
    """A score of the counts, undefined where a resample has no row."""
    return chunked(lambda weights: defined_where(weights.sum(1) > 0, score(Counts(weights, labels, predicted, num))))


def precision(counts: Counts | SetCounts) -> Array:
    """`(R, C)`: the share of what was said that is so."""
    return ratio(counts.hits, counts.said, empty=0)


def recall(counts: Counts | SetCounts) -> Array:
    """`(R, C)`: the share of what is so that was said."""
    return ratio(counts.hits, counts.real, empty=0)


def f1(counts: Counts | SetCounts) -> Array:
    """`(R, C)`: their harmonic mean."""
    return ratio(2 * counts.hits, counts.real + counts.said, empty=0)


def of_class(score: Callable[[Counts], Array], index: int) -> Callable[[Counts], Array]:
    """The score of one class."""
    return lambda counts: score(counts)[:, index]


def macro(score: Callable[[Counts], Array]) -> Callable[[Counts], Array]:
    """The mean score of the classes that occur, as label or as prediction."""
    return lambda counts: mean_of_defined(defined_where(counts.real + counts.said > 0, score(counts)))


def balanced_accuracy(counts: Counts) -> Array:
    """`(R,)`: the mean recall of the classes that occur as labels."""
    return mean_of_defined(defined_where(counts.real > 0, recall(counts)))


def f1_weighted(counts: Counts) -> Array:
    """`(R,)`: the mean F1, each class weighing as it occurs."""
    return ratio((counts.real * f1(counts)).sum(1), counts.real.sum(1))


def ranked(
    scores: Array, truths: Truths, mask: Truths, columns: Sequence[int], curve: Callable[[Array, Truths], Statistic]
) -> Statistic:
    """The mean over columns of the area under a curve, each over its known rows."""

    def statistic(weights: Array) -> Array:
        areas = []
        for column in columns:  # outside the chunks, so that a column is sorted once and not kept
            known = mask[:, column]
            area = curve(scores[known, column], truths[known, column])
            areas.append(chunked(area, None if known.all() else known)(weights))
        return mean_of_defined(np.stack(areas, 1))  # (R, K) -> (R,)

    return statistic


def mean_of_defined(values: Array) -> Array:
    """`(R, K) -> (R,)`: the mean over what is not NaN."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0).sum(1), defined.sum(1))


def defined_where(condition: Truths, values: Array) -> Array:
    """The values where the condition holds, NaN elsewhere."""
    return np.where(condition, values, np.nan)


def checked(probabilities: Array, labels: Integers, num: int) -> Array:
    """`(n, C)` probabilities in double precision, with labels that fit them."""
    probabilities = np.asarray(probabilities, dtype=np.float64)
    assert probabilities.shape == (len(labels), num), f"{probabilities.shape} for {len(labels)} rows, {num} classes"
    assert not len(labels) or (labels.min() >= 0 and labels.max() < num), "labels are indices of classes"
    check_finite(probabilities)
    return probabilities
