"""Scores of a gallery's ranking: whether, where and in which order a query's right entries come.

Entries of equal score have no order. All scores are then the mean over their possible orders, so that a model that
scores all alike gets what chance gives, neither the best nor the worst.

Legend: n queries, b queries of a block, G entries of the gallery, R right entries of a query.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from ..errors import UserError
from .base import Array, Metric, Statistic, quotient, ratio

CUTS = (1, 5, 10)
NDCG_CUT = 10
NAMES = (*(f"recall_{cut}" for cut in CUTS), "mrr", f"ndcg_{NDCG_CUT}", "map", "median_rank")
"""What `retrieval_metrics` gives, without a prefix."""
LOWER = ("median_rank",)
"""Where less is better."""

Block = tuple[Array, NDArray[np.bool_]]
"""Scores `(b, G)`, more is better, and which entries are right, `(b, G)`."""


def retrieval_metrics(blocks: Iterable[Block], share: Array | None = None, *, prefix: str = "") -> dict[str, Metric]:
    """Metrics over a whole gallery: `recall_1`, `recall_5`, `recall_10`, `mrr`, `ndcg_10`, `map`, `median_rank`.

    Ranks count from 1. `recall_K` is the share of queries with a right entry among the first K, as the field
    counts it; `mrr` the mean of 1 / rank of the first right entry, and `median_rank` the median of that rank. `map`
    and `ndcg_10` are about all right entries: the mean over them of the share of right ones down to each, and the
    sum of 1 / log2(rank + 1) of those among the first ten over the most that it could be. A query without a right
    entry counts nowhere. Resampling draws queries; the gallery stays.

    Args:
        blocks: the queries a few at a time, so that a large gallery needs no `(n, G)` at once.
        share: `(n,)` how much each query counts, such as 1 / 3 where it stands three times; else all alike.
        prefix: before each name.

    Raises:
        UserError: a score is NaN.

    >>> scores, right = np.array([[0.1, 0.9, 0.4]]), np.array([[False, False, True]])
    >>> retrieval_metrics([(scores, right)])["mrr"].statistic(np.ones((1, 1)))
    array([0.5])
    """
    parts = [rank_scores(scores, right) for scores, right in blocks]
    values = np.concatenate(parts) if parts else np.empty((0, len(NAMES)))
    share = np.ones(len(values)) if share is None else np.asarray(share, dtype=np.float64)
    assert share.shape == (len(values),), f"{len(share)} shares for {len(values)} queries"
    known = ~np.isnan(values[:, 0])
    share = np.where(known, share, 0)
    values = np.where(known[:, None], values, 0)
    metrics = {}
    for place, name in enumerate(NAMES):
        if name == "median_rank":
            statistic = weighted_median(values[:, place], share)
        else:
            statistic = quotient(values[:, place] * share, share)
        metrics[prefix + name] = Metric(statistic, higher=name not in LOWER)
    return metrics


def rank_scores(scores: Array, right: NDArray[np.bool_]) -> Array:
    """Each query's own scores, `(b, len(NAMES))` in the order of `NAMES`; NaN where no entry is right.

    Where the first right entry ties with others, its rank is the mean over their orders.
    """
    scores = np.asarray(scores, dtype=np.float64)
    assert scores.shape == right.shape, f"scores {scores.shape} do not fit {right.shape}"
    wrong = np.flatnonzero(np.isnan(scores).any(1))
    if len(wrong):
        raise UserError(f"query {wrong[0]} has a score that is NaN: training has diverged; try a smaller train.lr")
    result = np.full((len(scores), len(NAMES)), np.nan)
    known = right.any(1)
    if not known.any():
        return result
    ties = _Ties(scores[known], right[known])
    first = ties.first()
    found = np.stack(
        [*(_found(cut, *first) for cut in CUTS), _reciprocal(*first), ties.ndcg(NDCG_CUT), ties.precision(),
         first[0] + (first[1] + 1) / (first[2] + 1)], 1,
    )  # fmt: skip
    result[known] = found
    return result


class _Ties:
    """Rankings as groups of equal score. Each array is `(b, G)`, by place in the ranking.

    Args:
        scores: `(b, G)`.
        right: `(b, G)`; each row has a right entry.
    """

    def __init__(self, scores: Array, right: NDArray[np.bool_]) -> None:
        rows, size = scores.shape
        order = np.argsort(-scores, axis=1, kind="stable")
        scores, hits = np.take_along_axis(scores, order, 1), np.take_along_axis(right, order, 1)
        opens = np.ones((rows, size), dtype=bool)
        opens[:, 1:] = scores[:, 1:] != scores[:, :-1]
        group = opens.ravel().cumsum() - 1  # groups are numbered through all rows
        sizes, rights = np.bincount(group), np.bincount(group, hits.ravel())
        place = np.tile(np.arange(size), rows)
        self.start = place[opens.ravel()][group].reshape(rows, size)  # entries before the group
        self.size = sizes[group].reshape(rows, size)
        self.right = rights[group].reshape(rows, size)
        self.total = hits.sum(1)  # (b,)
        place = place.reshape(rows, size)
        self.inside = place - self.start  # place within the group, from 0
        before = hits.cumsum(1) - hits
        self.before = np.take_along_axis(before, self.start, 1)  # right entries in better groups
        self.place = place

    def first(self) -> tuple[Array, Array, Array]:
        """Of the first group with a right entry, `(b,)` each: entries before it, its size, its right entries."""
        at = (self.right > 0).argmax(1)[:, None]
        start, size, right = (np.take_along_axis(each, at, 1)[:, 0] for each in (self.start, self.size, self.right))
        return start.astype(float), size.astype(float), right.astype(float)

    def ndcg(self, cut: int) -> Array:
        discounts = 1 / np.log2(np.arange(min(cut, self.place.shape[1])) + 2)
        gains = (self.right / self.size)[:, : len(discounts)] @ discounts  # the chance that each place is a right one
        best = np.concatenate([[0.0], discounts.cumsum()])
        return ratio(gains, best[np.minimum(self.total, len(discounts))])

    def precision(self) -> Array:
        """Average precision. If a place holds a right entry, of the others each before it in its group is right with
        chance (right - 1) / (size - 1)."""
        others = ratio(self.right - 1.0, self.size - 1.0, empty=0)
        hits = self.before + 1 + self.inside * others
        return np.asarray((self.right / self.size * hits / (self.place + 1)).sum(1) / self.total)


def _found(cut: int, start: Array, size: Array, right: Array) -> Array:
    """The chance that a right entry is among the first `cut`: one minus that all drawn from the group are others."""
    drawn = np.clip(cut - start, 0, size)
    left = size - drawn
    some = np.maximum(left, right)  # where too few are left for all right ones, the chance is 1 anyway
    missed = np.exp(_choose(some, right) - _choose(size, right))
    return np.where(left < right, 1.0, np.where(drawn == 0, 0.0, 1 - missed))


def _reciprocal(start: Array, size: Array, right: Array) -> Array:
    """The mean of 1 / rank of the first right entry."""
    result = 1 / (start + 1)
    for row in np.flatnonzero(size > right):  # else the group's first entry is right
        first = np.arange(1, size[row] - right[row] + 2)
        chance = np.exp(_choose(size[row] - first, right[row] - 1) - _choose(size[row], right[row]))
        result[row] = (chance / (start[row] + first)).sum()
    return result


def _choose(many: Array, few: Array) -> Array:
    """The logarithm of the binomial coefficient."""
    return np.asarray(gammaln(many + 1) - gammaln(few + 1) - gammaln(many - few + 1))


def weighted_median(values: Array, share: Array) -> Statistic:
    """The median of values `(n,)` that count by weight times share; between two values, their mean.

    >>> weighted_median(np.array([1.0, 2.0, 9.0]), np.ones(3))(np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]]))
    array([2. , 1.5])
    """
    order = np.argsort(values, kind="stable")
    ranked, part = values[order], share[order]

    def run(weights: Array) -> Array:
        result = np.full(len(weights), np.nan)
        for row, weight in enumerate(weights):
            sums = np.cumsum(weight[order] * part)
            if len(sums) and sums[-1] > 0:
                half = sums[-1] / 2
                near = 1e-9 * sums[-1]  # sums of thirds meet the half but for rounding
                low, high = np.searchsorted(sums, [half - near, half + near], side="left")
                result[row] = (ranked[low] + ranked[min(high, len(sums) - 1)]) / 2
        return result

    return run
