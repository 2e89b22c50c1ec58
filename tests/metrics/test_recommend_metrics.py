"""Lists against plain sorting, ties against all orders, NDCG and precision against scikit-learn, coverage by sets."""

from __future__ import annotations

import doctest
import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score
from sklearn.metrics.pairwise import cosine_similarity

from sensemble.errors import UserError
from sensemble.metrics import recommend
from sensemble.metrics.base import Metric, resample
from sensemble.metrics.recommend import recommend_metrics

ONE = np.ones((1, 1))


def by_sorting(order: list[int], right: set[int], k: int) -> dict[str, float]:
    """The scores of one list as they are told in words."""
    ranks = [rank for rank, item in enumerate(order, 1) if item in right]
    top = [rank for rank in ranks if rank <= k]
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(right)) + 1))
    return {
        f"recall_{k}": len(top) / len(right),
        f"ndcg_{k}": sum(1 / math.log2(rank + 1) for rank in top) / best,
        f"hit_{k}": float(bool(top)),
        f"map_{k}": sum((place + 1) / rank for place, rank in enumerate(top)) / min(k, len(right)),
        "mrr": 1 / ranks[0],
    }


def value(metric: Metric, weights: np.ndarray = ONE) -> float:
    return float(metric.statistic(weights)[0])


def test_docstring_examples_hold() -> None:
    assert doctest.testmod(recommend).failed == 0


def test_equals_sorting_also_on_resamples() -> None:
    random = np.random.default_rng(0)
    users, items, k = 60, 30, 5
    scores = random.normal(size=(users, items))
    seen = random.random((users, items)) < 0.3
    right = (random.random((users, items)) < 0.15) & ~seen
    right[:, 0] |= ~right.any(1) & ~seen[:, 0]
    rows = np.flatnonzero(right.any(1))
    expected = []
    for row in rows:
        order = [item for item in np.argsort(-scores[row]).tolist() if not seen[row, item]]
        expected.append(by_sorting(order, set(np.flatnonzero(right[row]).tolist()), k))
    metrics = recommend_metrics([(scores[:25], right[:25], seen[:25]), (scores[25:], right[25:], seen[25:])], k=k)
    weights = np.concatenate([np.eye(users)[rows], np.ones((1, users)), resample(users, resamples=3)])
    assert len(rows) > 50 and list(metrics)[:5] == [*expected[0]]
    for name in expected[0]:
        own = np.array([each[name] for each in expected])
        of = weights[:, rows]
        assert metrics[name].statistic(weights) == pytest.approx(of @ own / of.sum(1))


def test_ties_are_the_mean_over_all_orders() -> None:
    random = np.random.default_rng(1)
    for _ in range(80):
        num, k = int(random.integers(1, 7)), int(random.integers(1, 6))
        scores, right = random.integers(0, 3, size=num).astype(float), random.random(num) < 0.5
        right[random.integers(num)] = True
        orders = [each for each in itertools.permutations(range(num)) if all(np.diff(scores[list(each)]) <= 0)]
        parts = [by_sorting(list(order), set(np.flatnonzero(right).tolist()), k) for order in orders]
        found = recommend_metrics([(scores[None], right[None], np.zeros((1, num), bool))], k=k)
        for name in parts[0]:
            assert value(found[name]) == pytest.approx(np.mean([each[name] for each in parts])), name


def test_equals_scikit_learn() -> None:
    random = np.random.default_rng(2)
    for _ in range(60):
        scores, right = random.normal(size=12), random.random(12) < 0.3
        right[random.integers(12)] = True
        nothing = np.zeros((1, 12), bool)
        short = recommend_metrics([(scores[None], right[None], nothing)], k=4)
        assert value(short["ndcg_4"]) == pytest.approx(ndcg_score([right], [scores], k=4))
        whole = recommend_metrics([(scores[None], right[None], nothing)], k=12)
        assert value(whole["map_12"]) == pytest.approx(average_precision_score(right, scores))


def test_what_lists_are_like() -> None:
    random = np.random.default_rng(3)
    for _ in range(50):
        users, items, k = int(random.integers(2, 6)), 12, int(random.integers(2, 5))
        scores, features = random.normal(size=(users, items)), random.normal(size=(items, 3))
        popularity = random.integers(1, 50, size=items).astype(float)
        seen = random.random((users, items)) < 0.3
        right = np.zeros((users, items), bool)
        metrics = recommend_metrics([(scores, right, seen)], k=k, features=features, popularity=popularity)
        weights = random.integers(0, 3, size=(4, users)).astype(float)
        weights[:, 0] += 1
        lists = [
            [item for item in np.argsort(-row).tolist() if not had[item]][:k]
            for row, had in zip(scores, seen, strict=True)
        ]
        for place, row in enumerate(weights):
            shown = set().union(*(set(each) for each, weight in zip(lists, row, strict=True) if weight))
            assert metrics[f"coverage_{k}"].statistic(weights)[place] == pytest.approx(len(shown) / items)
        pairs = [
            [1 - cosine_similarity(features[[a]], features[[b]])[0, 0] for a, b in itertools.combinations(each, 2)]
            for each in lists
        ]
        own = np.array([np.mean(each) for each in pairs])
        assert metrics[f"diversity_{k}"].statistic(weights) == pytest.approx(weights @ own / weights.sum(1))
        own = np.array([np.mean([-math.log2(popularity[item] / popularity.sum()) for item in each]) for each in lists])
        assert metrics[f"novelty_{k}"].statistic(weights) == pytest.approx(weights @ own / weights.sum(1))


def test_users_without_right_items_count_in_no_score_of_them() -> None:
    scores = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    right = np.array([[True, False, False], [True, False, False]])
    seen = np.array([[False, False, False], [True, False, False]])  # the second has had the right one
    metrics = recommend_metrics([(scores, right, seen)], k=1)
    both = np.ones((1, 2))
    assert value(metrics["recall_1"], both) == 1 and value(metrics["coverage_1"], both) == pytest.approx(2 / 3)
    assert np.isnan(value(metrics["mrr"], np.array([[0.0, 1.0]])))


def test_a_model_that_scores_all_alike_gets_what_chance_gives() -> None:
    right = np.zeros((1, 1000), bool)
    right[0, :10] = True  # first in the catalogue
    metrics = recommend_metrics([(np.zeros((1, 1000)), right, np.zeros((1, 1000), bool))], k=20)
    assert value(metrics["recall_20"]) == pytest.approx(0.02)


def test_a_user_who_has_had_nearly_all() -> None:
    seen = np.array([[True, True, False]])
    scores, features = np.zeros((1, 3)), np.eye(3)
    metrics = recommend_metrics([(scores, ~seen, seen)], k=5, features=features, popularity=np.ones(3))
    assert value(metrics["hit_5"]) == value(metrics["ndcg_5"]) == 1
    assert np.isnan(value(metrics["diversity_5"]))


def test_scores_that_are_no_numbers_are_refused() -> None:
    scores = np.array([[0.0, 1.0], [np.nan, 1.0]])
    flags = np.zeros((2, 2), bool)
    with pytest.raises(UserError, match="user 1 has a score that is NaN"):
        recommend_metrics([(scores, flags, flags)])
    seen = np.array([[False, False], [True, False]])
    recommend_metrics([(scores, flags, seen)])  # what is not shown may have any
