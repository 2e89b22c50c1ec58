"""Scores of ranked candidates: where the right one comes, and how well the order fits graded relevance.

Candidates of equal score have no order. All scores are then the mean over their possible orders, so that a model
that scores all alike gets what chance gives, neither the best nor the worst.

Legend: n rows, C candidates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from .base import Array, Metric, quotient, ratio

CUTS = (1, 5, 10)


def ranking_metrics(
    scores: Sequence[Array] | Array,
    right: Sequence[int] | NDArray[np.integer],
    relevance: Sequence[Array | None] | None = None,
) -> dict[str, Metric]:
    """Metrics of ranked answers, as in visual dialogue: `mrr`, `recall_1`, `recall_5`, `recall_10`, `mean_rank`.

    Ranks count from 1. `recall_K` is the share of rows whose right candidate is among the first K; `mrr` the mean
    of 1 / rank; for `mean_rank` less is better. `ndcg`, only with `relevance`: the relevance found among the first
    k, each divided by log2(rank + 1), over the most that could be found, where k is how many candidates are
    relevant at all (Das et al., "Visual Dialog", 2017, and its 2018 challenge). Rows without graded relevance, or
    without a relevant candidate, are left out of it alone.

    Args:
        scores: of each row's candidates, more is better; `(n, C)`, or rows of different lengths.
        right: `(n,)`, which candidate is the right one; -1 where it is not known, which leaves the row out of all
            but `ndcg`.
        relevance: how well each candidate would do, from 0; `None` for rows without.

    Raises:
        UserError: a score is NaN.

    >>> ranking_metrics(np.array([[0.1, 0.9, 0.4]]), [2])["mrr"].statistic(np.ones((1, 1)))
    array([0.5])
    """
    rows = [np.asarray(each, dtype=np.float64) for each in scores]
    assert len(rows) == len(right), f"{len(rows)} rows of scores for {len(right)} rows"
    wrong = [place for place, each in enumerate(rows) if np.isnan(each).any()]
    if wrong:
        raise UserError(f"row {wrong[0]} holds a score that is NaN: training has diverged; try a smaller train.lr")
    places = np.array([_place(each, int(index)) for each, index in zip(rows, right, strict=True)]).reshape(-1, 2)
    known = (np.asarray(right) >= 0).astype(np.float64)
    above, tied = places[:, 0], places[:, 1]
    metrics = {"mrr": Metric(quotient(_reciprocal(above, tied) * known, known))}
    for cut in CUTS:
        found = np.clip((cut - above) / tied, 0, 1)
        metrics[f"recall_{cut}"] = Metric(quotient(found * known, known))
    metrics["mean_rank"] = Metric(quotient((above + (tied + 1) / 2) * known, known), higher=False)
    if relevance is not None:
        gains = np.array([_ndcg(each, grades) for each, grades in zip(rows, relevance, strict=True)])
        graded = ~np.isnan(gains)
        metrics["ndcg"] = Metric(quotient(np.where(graded, gains, 0), graded))
    return metrics


def _place(scores: Array, right: int) -> tuple[float, float]:
    """How many candidates come before the right one, and how many share its score, itself among them."""
    if right < 0:
        return 0.0, 1.0
    assert right < len(scores), f"candidate {right} of {len(scores)}"
    return float((scores > scores[right]).sum()), float((scores == scores[right]).sum())


def _reciprocal(above: Array, tied: Array) -> Array:
    """The mean of 1 / rank over the places that tied candidates share."""
    sums = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, (above + tied).max(initial=0) + 1))])
    return ratio(sums[(above + tied).astype(int)] - sums[above.astype(int)], tied)


def _ndcg(scores: Array, relevance: Array | None) -> float:
    if relevance is None:
        return np.nan
    grades = np.asarray(relevance, dtype=np.float64)
    assert grades.shape == scores.shape, f"{len(grades)} grades for {len(scores)} candidates"
    num = int((grades > 0).sum())
    if not num:
        return np.nan
    discounts = np.where(np.arange(len(grades)) < num, 1 / np.log2(np.arange(len(grades)) + 2), 0)
    best = float((np.sort(grades)[::-1] * discounts).sum())
    _, ties = np.unique(-scores, return_inverse=True)  # groups of equal scores, the best first
    sizes = np.bincount(ties)
    mean_grades = np.bincount(ties, grades) / sizes
    return float((np.repeat(mean_grades, sizes) * discounts).sum()) / best
