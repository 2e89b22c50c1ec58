"""Retrieval scores against scikit-learn, against counting by hand, and against the mean over all orders of ties."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, ndcg_score

from sensemble.errors import UserError
from sensemble.metrics.base import estimate, resample
from sensemble.metrics.retrieval import NAMES, rank_scores, retrieval_metrics, weighted_median


def by_hand(order: list[int], right: NDArray[np.bool_]) -> dict[str, float]:
    """Scores of one ranking, counted entry by entry."""
    hits = [bool(right[place]) for place in order]
    first = hits.index(True) + 1
    precisions = [sum(hits[: rank + 1]) / (rank + 1) for rank, hit in enumerate(hits) if hit]
    gain = sum(1 / np.log2(rank + 2) for rank, hit in enumerate(hits[:10]) if hit)
    most = sum(1 / np.log2(rank + 2) for rank in range(min(sum(hits), 10)))
    return {
        **{f"recall_{cut}": float(first <= cut) for cut in (1, 5, 10)},
        "mrr": 1 / first,
        "ndcg_10": gain / most,
        "map": float(np.mean(precisions)),
        "median_rank": float(first),
    }


@pytest.mark.parametrize("seed", range(60))
def test_against_independent_counts(seed: int) -> None:
    random = np.random.default_rng(seed)
    queries, size = int(random.integers(1, 9)), int(random.integers(2, 40))
    scores = random.normal(size=(queries, size))
    right = random.random((queries, size)) < random.choice([0.05, 0.3, 0.9])
    right[np.arange(queries), random.integers(size, size=queries)] = True
    found = rank_scores(scores, right)
    for row in range(queries):
        wanted = by_hand(np.argsort(-scores[row]).tolist(), right[row])
        assert dict(zip(NAMES, found[row].tolist(), strict=True)) == pytest.approx(wanted)
        assert found[row, NAMES.index("map")] == pytest.approx(average_precision_score(right[row], scores[row]))
    ndcg = ndcg_score(right.astype(float), scores, k=10)
    metrics = retrieval_metrics([(scores, right)])
    ones = np.ones((1, queries))
    assert metrics["ndcg_10"].statistic(ones)[0] == pytest.approx(ndcg)
    ranks = found[:, NAMES.index("median_rank")]
    assert metrics["median_rank"].statistic(ones)[0] == pytest.approx(np.median(ranks))
    assert not metrics["median_rank"].higher and metrics["map"].higher


@pytest.mark.parametrize("seed", range(20))
def test_ties_give_the_mean_over_all_orders(seed: int) -> None:
    random = np.random.default_rng(seed)
    size = int(random.integers(2, 7))
    scores = random.integers(0, 3, size).astype(float)
    right = random.random(size) < 0.5
    right[random.integers(size)] = True
    each = [
        by_hand(list(order), right)
        for order in permutations(range(size))
        if all(scores[one] >= scores[two] for one, two in pairwise(order))
    ]
    wanted = {name: np.mean([scored[name] for scored in each]) for name in NAMES}
    found = dict(zip(NAMES, rank_scores(scores[None], right[None])[0].tolist(), strict=True))
    assert found == pytest.approx(wanted)


def test_equal_scores_of_a_large_gallery_are_chance() -> None:
    right = np.zeros((1, 2000), dtype=bool)
    right[0, :3] = True
    found = dict(zip(NAMES, rank_scores(np.zeros((1, 2000)), right)[0].tolist(), strict=True))
    random = np.random.default_rng(0)
    firsts = np.array([random.permutation(2000)[:3].min() + 1 for _ in range(4000)])
    assert found["recall_10"] == pytest.approx(0.01493, abs=1e-4)  # 1 - C(1997, 10) / C(2000, 10)
    assert found["mrr"] == pytest.approx((1 / firsts).mean(), rel=0.15)
    assert found["median_rank"] == pytest.approx(2001 / 4)


def test_blocks_shares_and_queries_without_a_right_entry() -> None:
    scores = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    right = np.array([[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]], dtype=bool)
    share = np.array([1, 0.5, 0.5, 1])
    whole = retrieval_metrics([(scores, right)], share, prefix="reverse_")
    parts = retrieval_metrics([(scores[:1], right[:1]), (scores[1:], right[1:])], share, prefix="reverse_")
    ones = np.ones((1, 4))
    assert whole["reverse_recall_1"].statistic(ones).tolist() == [0.5]
    assert whole["reverse_mrr"].statistic(ones)[0] == pytest.approx((1 + 1 / 3) / 2)
    assert whole["reverse_median_rank"].statistic(ones).tolist() == [2.0]
    weights = resample(4, resamples=20, seed=1)
    for name, metric in whole.items():
        assert np.array_equal(metric.statistic(weights), parts[name].statistic(weights), equal_nan=True)
    without = np.array([[0.0, 0, 0, 5]])  # a resample of nothing but the query that has no right entry
    assert np.isnan(whole["reverse_recall_1"].statistic(without)).all()
    assert np.isnan(whole["reverse_median_rank"].statistic(without)).all()
    interval = estimate(whole["reverse_mrr"], 4, weights)
    assert interval.low <= interval.value <= interval.high


def test_the_median_of_weighted_values() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        values, counts = random.integers(1, 20, 8).astype(float), random.integers(0, 4, 8)
        counts[0] += 1
        wanted = np.median(np.repeat(values, counts))
        found = weighted_median(values, np.full(8, 1 / 3))(counts[None].astype(float))
        assert found[0] == pytest.approx(wanted)


def test_nan_is_refused() -> None:
    with pytest.raises(UserError, match="query 1 has a score that is NaN"):
        rank_scores(np.array([[1.0, 2.0], [np.nan, 1.0]]), np.ones((2, 2), dtype=bool))
