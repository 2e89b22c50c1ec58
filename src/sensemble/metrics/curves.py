"""Scores of a ranking by thresholds: areas under curves, and what the best threshold of a kind finds.

Legend: n rows, R resamples, m distinct scores of positive rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .base import Array, Statistic, ratio, tally

Truths = NDArray[np.bool_]


def _levels(scores: Array, positive: Truths) -> Callable[[Array], tuple[Array, Array, Array]]:
    """What both curves need at each distinct score of a positive row, in rising order.

    Only those m levels matter: negative rows between two of them are one step of the curve.

    Returns:
        A function of weights: `(R, m)` positives at the level, all rows at it, and all rows below it.
    """
    levels, codes = np.unique(scores[positive], return_inverse=True)
    # Twice a row's place among the levels: odd if it ties with one, even if it lies between two.
    places = np.searchsorted(levels, scores, "left") + np.searchsorted(levels, scores, "right")

    def at(weights: Array) -> tuple[Array, Array, Array]:
        cells = tally(weights, places, 2 * len(levels) + 1)
        return tally(weights[:, positive], codes, len(levels)), cells[:, 1::2], cells.cumsum(1)[:, :-1:2]

    return at


def roc_auc(scores: Array, positive: Truths) -> Statistic:
    """The chance that a positive row scores above a negative one, ties counting half (Mann & Whitney 1947)."""
    at = _levels(scores, positive)

    def statistic(weights: Array) -> Array:
        hits, tied, below = at(weights)
        negatives_below = below - (hits.cumsum(1) - hits)
        wins = (hits * (negatives_below + (tied - hits) / 2)).sum(1)
        positives = hits.sum(1)
        return ratio(wins, positives * (weights.sum(1) - positives))

    return statistic


def average_precision(scores: Array, positive: Truths) -> Statistic:
    """The mean, over positive rows, of the precision among all that score at least as high; no interpolation."""
    at = _levels(scores, positive)

    def statistic(weights: Array) -> Array:
        hits, _, precision = _listed(*at(weights), weights)
        return ratio((hits * precision).sum(1), hits.sum(1))

    return statistic


def recall_at(precision: float) -> Callable[[Array, Truths], Statistic]:
    """The most positive rows that a threshold finds among those right in so large a share of what they list.

    The threshold is chosen on the very rows, so the score is that of the best choice, as with any curve; 0 where none
    is so precise.
    """

    def curve(scores: Array, positive: Truths) -> Statistic:
        at = _levels(scores, positive)

        def statistic(weights: Array) -> Array:
            hits, found, reached = _listed(*at(weights), weights)
            good = reached >= precision - 1e-12
            return ratio(np.where(good, found, 0).max(1, initial=0), hits.sum(1))

        return statistic

    return curve


def _listed(hits: Array, _: Array, below: Array, weights: Array) -> tuple[Array, Array, Array]:
    """`(R, m)` positives at each level, those that a threshold there finds, and how precise it is."""
    found = hits.sum(1)[:, None] - (hits.cumsum(1) - hits)
    return hits, found, ratio(found, weights.sum(1)[:, None] - below, empty=0)


def at_name(precision: float) -> str:
    """The name of the recall at a precision.

    >>> at_name(0.9)
    'recall_at_precision_90'
    """
    return f"recall_at_precision_{100 * precision:g}"


def curves(at_precision: float) -> dict[str, Callable[[Array, Truths], Statistic]]:
    return {"roc_auc": roc_auc, "pr_auc": average_precision, at_name(at_precision): recall_at(at_precision)}
