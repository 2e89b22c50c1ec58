"""Ranks against plain sorting, ties against all orders, NDCG against scikit-learn."""

from __future__ import annotations

import doctest
import itertools

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from sensemble.errors import UserError
from sensemble.metrics import ranking
from sensemble.metrics.base import resample
from sensemble.metrics.ranking import ranking_metrics

NAMES = ["mrr", "recall_1", "recall_5", "recall_10", "mean_rank"]


def by_sorting(scores: np.ndarray, right: int) -> list[float]:
    rank = 1 + sorted(range(len(scores)), key=lambda place: -scores[place]).index(right)
    return [1 / rank, rank <= 1, rank <= 5, rank <= 10, rank]


def test_docstring_examples_hold() -> None:
    assert doctest.testmod(ranking).failed == 0


def test_equals_sorting_also_on_resamples() -> None:
    random = np.random.default_rng(0)
    scores, right = random.normal(size=(60, 20)), random.integers(20, size=60)
    expected = np.array([by_sorting(row, index) for row, index in zip(scores, right, strict=True)])
    metrics = ranking_metrics(scores, right)
    weights = np.concatenate([np.eye(60), resample(60, resamples=3)])
    assert list(metrics) == NAMES
    for column, name in enumerate(NAMES):
        assert metrics[name].statistic(weights) == pytest.approx(weights @ expected[:, column] / weights.sum(1))
        assert metrics[name].higher == (name != "mean_rank")


def test_ties_are_the_mean_over_all_orders() -> None:
    random = np.random.default_rng(1)
    for _ in range(60):
        num = int(random.integers(1, 7))
        scores, right = random.integers(0, 3, size=num).astype(float), int(random.integers(num))
        relevance = random.integers(0, 3, size=num) / 2
        orders = [
            order for order in itertools.permutations(range(num)) if all(np.diff(scores[list(order)]) <= 0)
        ]  # every way to sort
        ranks = np.array([order.index(right) + 1 for order in orders])
        found = ranking_metrics([scores], [right], [relevance])
        values = {name: float(metric.statistic(np.ones((1, 1)))[0]) for name, metric in found.items()}
        assert values["mrr"] == pytest.approx((1 / ranks).mean())
        assert values["mean_rank"] == pytest.approx(ranks.mean())
        assert values["recall_1"] == pytest.approx((ranks <= 1).mean())
        assert values["recall_5"] == pytest.approx((ranks <= 5).mean())
        k = int((relevance > 0).sum())
        if not k:
            assert np.isnan(values["ndcg"])
            continue
        discounts = 1 / np.log2(np.arange(2, k + 2))
        best = (np.sort(relevance)[::-1][:k] * discounts).sum()
        gains = [(relevance[list(order)][:k] * discounts).sum() / best for order in orders]
        assert values["ndcg"] == pytest.approx(np.mean(gains))


def test_ndcg_equals_scikit_learns() -> None:
    random = np.random.default_rng(2)
    for _ in range(60):
        scores, relevance = random.integers(0, 9, size=12) / 3, random.integers(0, 4, size=12) / 4
        relevance[0] = 1.0
        found = ranking_metrics([scores], [0], [relevance])["ndcg"].statistic(np.ones((1, 1)))[0]
        assert found == pytest.approx(ndcg_score([relevance], [scores], k=int((relevance > 0).sum())))


def test_a_model_that_scores_all_alike_gets_what_chance_gives() -> None:
    metrics = ranking_metrics(np.zeros((3, 100)), [0, 50, 99])
    values = [float(metrics[name].statistic(np.ones((1, 3)))[0]) for name in NAMES]
    assert values == pytest.approx([(1 / np.arange(1, 101)).mean(), 0.01, 0.05, 0.1, 50.5])


def test_rows_may_differ_in_length_and_lack_labels() -> None:
    scores = [np.array([3.0, 1.0]), np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0])]
    metrics = ranking_metrics(scores, [0, 0, -1], [None, np.array([0.5, 0.0, 1.0]), np.array([0.0, 1.0])])
    ones = np.ones((1, 3))
    assert metrics["mean_rank"].statistic(ones)[0] == 2  # of ranks 1 and 3
    assert metrics["mrr"].statistic(ones)[0] == pytest.approx((1 + 1 / 3) / 2)
    assert metrics["ndcg"].statistic(np.array([[1.0, 0.0, 1.0]]))[0] == 1
    assert np.isnan(metrics["ndcg"].statistic(np.array([[1.0, 0.0, 0.0]]))[0])
    assert np.isnan(metrics["mrr"].statistic(np.array([[0.0, 0.0, 1.0]]))[0])


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(UserError, match="row 1 holds a score that is NaN"):
        ranking_metrics(np.array([[1.0, 2.0], [np.nan, 1.0]]), [0, 0])


def test_no_rows_are_undefined() -> None:
    assert all(np.isnan(each.statistic(np.ones((2, 0)))).all() for each in ranking_metrics([], [], []).values())
