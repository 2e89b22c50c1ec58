from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sensemble.errors import UserError
from sensemble.metrics import base
from sensemble.metrics.base import (
    Estimate,
    Metric,
    check_finite,
    chunked,
    difference,
    estimate,
    quotient,
    ratio,
    resample,
    tally,
)


def width(found: Estimate) -> float:
    return found.high - found.low


def test_resamples_draw_as_many_rows_as_there_are() -> None:
    weights = resample(30, resamples=200, seed=1)
    assert weights.shape == (200, 30) and weights.dtype == np.float64
    assert (weights.sum(1) == 30).all() and (weights >= 0).all() and (weights == np.round(weights)).all()
    # A row stays away from a resample with probability (1 - 1/n)^n.
    assert abs((weights == 0).mean() - (1 - 1 / 30) ** 30) < 0.02


def test_resamples_follow_the_seed_and_begin_alike() -> None:
    assert (resample(9, resamples=5, seed=3) == resample(9, resamples=5, seed=3)).all()
    assert (resample(9, resamples=5, seed=3) != resample(9, resamples=5, seed=4)).any()
    assert (resample(9, resamples=50, seed=3)[:5] == resample(9, resamples=5, seed=3)).all()


def test_groups_are_drawn_whole() -> None:
    groups = np.array([7, -2, 7, 40, -2, 7])
    weights = resample(6, resamples=300, groups=groups)
    for group in (7, -2, 40):
        members = weights[:, groups == group]
        assert (members == members[:, :1]).all()
    drawn = weights[:, [0, 1, 3]]  # one row of each group
    assert (drawn.sum(1) == 3).all()
    assert len(np.unique(weights.sum(1))) > 1


def test_groups_of_one_row_are_plain_rows() -> None:
    assert (resample(12, groups=np.arange(12)[::-1].copy()) == resample(12)[:, ::-1]).all()


@pytest.mark.parametrize(("rows", "groups"), [(0, None), (1, None), (5, np.zeros(5, int))])
def test_one_unit_tells_nothing_of_the_spread(rows: int, groups: np.ndarray | None) -> None:
    weights = resample(rows, groups=groups)
    assert weights.shape == (0, rows)
    found = estimate(Metric(quotient(np.ones(rows))), rows, weights)
    assert np.isnan([found.low, found.high]).all()
    assert found.rows == rows and (np.isnan(found.value) if rows == 0 else found.value == 1)


def test_estimate_agrees_with_scipys_percentile_bootstrap() -> None:
    values = np.random.default_rng(0).exponential(size=60)
    found = estimate(Metric(quotient(values)), 60, resample(60, resamples=8000))
    other = stats.bootstrap((values,), np.mean, n_resamples=8000, method="percentile", rng=np.random.default_rng(1))
    assert found.value == pytest.approx(values.mean(), abs=1e-12)
    error = other.standard_error
    assert abs(found.low - other.confidence_interval.low) < 0.1 * error
    assert abs(found.high - other.confidence_interval.high) < 0.1 * error


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for seed in range(400):
        found = estimate(Metric(quotient(random.normal(size=100))), 100, resample(100, resamples=300, seed=seed))
        covered += found.low <= 0 <= found.high
    assert 0.91 <= covered / 400 <= 0.98


def test_cluster_interval_covers_where_the_plain_one_fails() -> None:
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 8)
    plain = clustered = 0
    ratios = []
    for seed in range(200):
        metric = Metric(quotient(np.repeat(random.normal(size=40), 8)))  # rows of a group are copies
        by_row = estimate(metric, 320, resample(320, resamples=200, seed=seed))
        by_group = estimate(metric, 320, resample(320, resamples=200, seed=seed, groups=groups))
        plain += by_row.low <= 0 <= by_row.high
        clustered += by_group.low <= 0 <= by_group.high
        ratios.append(width(by_group) / width(by_row))
    assert np.median(ratios) == pytest.approx(np.sqrt(8), rel=0.1)
    assert plain / 200 < 0.65 and clustered / 200 > 0.88


def test_undefined_resamples_are_left_out() -> None:
    metric = Metric(lambda weights: np.where(weights[:, 0] > 0, weights[:, 0], np.nan))
    weights = np.array([[0.0, 2.0], [1.0, 1.0], [2.0, 0.0], [0.0, 2.0]])
    found = estimate(metric, 2, weights)
    assert (found.value, found.low, found.high) == (1, 1.025, 1.975)


def test_difference_is_paired_and_positive_where_the_first_is_better() -> None:
    random = np.random.default_rng(0)
    hard = random.exponential(5, size=200)
    better, worse = hard + random.normal(size=200) * 0.1, hard + 0.5 + random.normal(size=200) * 0.1
    weights = resample(200, resamples=500)
    for higher, first, second in ((False, better, worse), (True, worse, better)):
        one, two = Metric(quotient(first), higher), Metric(quotient(second), higher)
        found = difference(one, two, 200, weights)
        assert 0.45 < found.low < found.value < found.high < 0.55
        assert found.value == pytest.approx(abs(better.mean() - worse.mean()))
        assert width(found) < 0.1 * width(estimate(one, 200, weights))
        back = difference(two, one, 200, weights)
        assert (back.value, back.low, back.high) == pytest.approx((-found.value, -found.high, -found.low))
    same = difference(one, one, 200, weights)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_difference_leaves_out_resamples_that_either_lacks() -> None:
    first = Metric(lambda weights: np.where(weights[:, 0] > 0, 3.0, np.nan))
    second = Metric(lambda weights: np.where(weights[:, 1] > 0, 1.0, np.nan))
    found = difference(first, second, 2, np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]]))
    assert (found.value, found.low, found.high) == (2, 2, 2)


def test_two_kinds_of_metric_are_not_compared() -> None:
    with pytest.raises(AssertionError, match="two different metrics"):
        difference(Metric(quotient(np.ones(2)), True), Metric(quotient(np.ones(2)), False), 2, np.ones((1, 2)))


def test_weights_of_other_rows_are_refused() -> None:
    with pytest.raises(AssertionError, match="do not fit 3 rows"):
        estimate(Metric(quotient(np.ones(3))), 3, np.ones((1, 2)))


def test_quotient_ratio_and_tally() -> None:
    weights = np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]])
    assert quotient(np.array([1, 4, 9]), np.array([2, 2, 0]))(weights)[0] == 9 / 6
    assert np.isnan(quotient(np.array([1, 4, 9]), np.array([2, 2, 0]))(weights)[1:]).all()
    assert ratio(np.array([1.0, 2.0]), np.array([0.0, 4.0]), empty=7).tolist() == [7, 0.5]
    assert tally(weights, np.array([1, 1, 3]), 4).tolist() == [[0, 3, 0, 0], [0, 0, 0, 3], [0, 0, 0, 0]]
    assert tally(weights[:0], np.array([1, 1, 3]), 4).shape == (0, 4)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = resample(10, resamples=23)
    sizes = []

    def statistic(chunk: np.ndarray) -> np.ndarray:
        sizes.append(len(chunk))
        return chunk @ np.arange(chunk.shape[1])

    monkeypatch.setattr(base, "CELLS", 47)
    assert (chunked(statistic)(weights) == weights @ np.arange(10)).all()
    assert sizes == [4, 4, 4, 4, 4, 3]
    known = np.arange(10) % 2 == 0
    assert (chunked(statistic, known)(weights) == weights[:, known] @ np.arange(5)).all()
    assert chunked(statistic)(weights[:0]).shape == (0,)


def test_answers_that_are_no_numbers_are_refused() -> None:
    answers = np.ones((5, 2))
    check_finite(answers)
    answers[3, 1], answers[4, 0] = np.nan, -np.inf
    with pytest.raises(UserError, match=r"2 of 5 answers hold NaN or infinity \(answer 3, .* train\.lr"):
        check_finite(answers)
