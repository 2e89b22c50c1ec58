from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from sensemble.errors import UserError
from sensemble.metrics import base
from sensemble.metrics.base import estimate, resample
from sensemble.metrics.regression import regression_metrics

Array = np.ndarray


def correlation(function: Callable[..., object]) -> Callable[[Array, Array], float]:
    def run(wanted: Array, predicted: Array) -> float:
        if len(wanted) < 2:
            return float("nan")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", stats.ConstantInputWarning)
            warnings.simplefilter("ignore", stats.NearConstantInputWarning)
            return float(function(wanted, predicted).statistic)  # type: ignore[attr-defined]

    return run


def r2(wanted: Array, predicted: Array) -> float:
    return float("nan") if len(np.unique(wanted)) < 2 else reference.r2_score(wanted, predicted)


REFERENCE = {
    "mae": reference.mean_absolute_error,
    "rmse": reference.root_mean_squared_error,
    "r2": r2,
    "pearson": correlation(stats.pearsonr),
    "spearman": correlation(stats.spearmanr),
}


def measure(name: str, predicted: Array, wanted: Array, weights: Array) -> Array:
    known = np.ones((len(wanted), 1), bool)
    return regression_metrics(predicted[:, None], wanted[:, None], known, ["y"])[name].statistic(weights)


def case(seed: int) -> tuple[Array, Array]:
    """Predictions and labels: smooth or with many ties, at many scales, sometimes constant, sometimes one row."""
    random = np.random.default_rng(seed)
    rows = int(random.integers(1, 30))
    wanted = random.normal(random.normal() * 10, 10.0 ** random.integers(-3, 4), size=rows)
    predicted = wanted * random.normal() + random.normal(size=rows)
    if seed % 3 == 0:
        wanted, predicted = random.integers(0, 4, rows) * 0.1, random.integers(0, 3, rows) * 0.7
    if seed % 7 == 0:
        predicted = np.full(rows, 0.1)
    if seed % 11 == 0:
        wanted = np.full(rows, 0.3)
    return predicted, wanted


@pytest.mark.parametrize("name", REFERENCE)
def test_equals_the_reference_on_repeated_rows(name: str) -> None:
    defined = 0
    for seed in range(90):
        predicted, wanted = case(seed)
        weights = np.concatenate([np.ones((1, len(wanted))), resample(len(wanted), resamples=3, seed=seed)])
        found = measure(name, predicted, wanted, weights)
        for row, value in zip(weights.astype(int), found, strict=True):
            expected = REFERENCE[name](np.repeat(wanted, row), np.repeat(predicted, row))
            assert value == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True), (seed, row)
            defined += not np.isnan(expected)
    assert defined > 200


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(0, 4)), min_size=1, max_size=12))
def test_weights_are_repeated_rows(rows: list[tuple[int, int, int]]) -> None:
    predicted, wanted, counts = np.array(rows, dtype=float).T
    weights = np.stack([counts, np.ones(len(rows))])
    again = counts.astype(int)
    for name in REFERENCE:
        weighted = measure(name, predicted * 0.1, wanted * 0.3, weights)[0]
        repeated = measure(
            name, np.repeat(predicted * 0.1, again), np.repeat(wanted * 0.3, again), np.ones((1, again.sum()))
        )[0]
        assert weighted == pytest.approx(repeated, abs=1e-9, nan_ok=True), name


def test_a_resample_of_equal_labels_is_undefined() -> None:
    predicted, wanted = np.array([1.0, 2.0, 4.0, 3.0]), np.array([0.1, 0.1, 0.1, 7e5])
    weights = np.array([[3.0, 1.0, 2.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    for name in ("r2", "pearson", "spearman"):
        assert np.isnan(measure(name, predicted, wanted, weights)).tolist() == [True, False]


def test_small_spread_beside_a_far_value_keeps_its_digits() -> None:
    wanted, predicted = np.array([1e6, 1e6 + 1, 1e6 + 3, -1e6]), np.array([1.0, 2.0, 3.0, 4.0])
    weights = np.array([[1.0, 1.0, 1.0, 0.0]])
    assert measure("pearson", predicted, wanted, weights)[0] == pytest.approx(
        stats.pearsonr(wanted[:3], predicted[:3]).statistic, abs=1e-9
    )


def test_targets_are_averaged_and_told_apart() -> None:
    random = np.random.default_rng(0)
    values, mask = random.normal(size=(40, 3)), random.random((40, 3)) < 0.7
    predictions = values + random.normal(size=(40, 3))
    hidden = np.where(mask, values, np.nan)
    metrics = regression_metrics(predictions, hidden, mask, ["a", "b", "年龄"])
    weights = resample(40, resamples=5)
    for name, function in REFERENCE.items():
        single = np.stack([metrics[f"{name}:{target}"].statistic(weights) for target in ("a", "b", "年龄")])
        assert metrics[name].statistic(weights) == pytest.approx(single.mean(0), abs=1e-12)
        for column in range(3):
            known = mask[:, column]
            again = weights[2, known].astype(int)
            expected = function(np.repeat(values[known, column], again), np.repeat(predictions[known, column], again))
            assert single[column, 2] == pytest.approx(expected, abs=1e-9)
    assert [metrics[name].higher for name in REFERENCE] == [False, False, True, True, True]
    assert metrics["rmse:b"].higher is False and len(metrics) == 20


def test_one_target_has_the_plain_names_alone() -> None:
    assert list(regression_metrics(np.ones((2, 1)), np.ones((2, 1)), np.ones((2, 1), bool), ["y"])) == list(REFERENCE)


def test_means_leave_out_what_labels_leave_undefined_but_not_what_models_do() -> None:
    values = np.array([[1.0, 5.0, 9.0], [2.0, 5.0, 9.0], [4.0, 5.0, 9.0]])
    mask = np.array([[True, True, False]] * 3)  # the third target is never known, the second never varies
    weights = np.ones((1, 3))

    def scores(predictions: Array) -> dict[str, float]:
        metrics = regression_metrics(predictions, values, mask, ["a", "b", "c"])
        return {name: float(metric.statistic(weights)[0]) for name, metric in metrics.items()}

    good = scores(values + 1)
    assert good["pearson"] == good["pearson:a"] == pytest.approx(1)
    assert np.isnan([good["pearson:b"], good["pearson:c"], good["mae:c"], good["r2:b"]]).all()
    assert good["mae"] == pytest.approx(1) and good["r2"] == good["r2:a"]
    given_up = scores(np.full((3, 3), 2.0))
    assert np.isnan([given_up["pearson"], given_up["spearman"]]).all() and np.isfinite(given_up["r2"])


def test_nothing_known_is_undefined() -> None:
    for rows in (0, 3):
        metrics = regression_metrics(np.ones((rows, 1)), np.ones((rows, 1)), np.zeros((rows, 1), bool), ["y"])
        assert all(np.isnan(metric.statistic(np.ones((2, rows)))).all() for metric in metrics.values())


def test_labels_missing_from_a_whole_resample_leave_it_undefined() -> None:
    mask = np.array([[True], [True], [False], [False]])
    metrics = regression_metrics(np.arange(4.0)[:, None], np.arange(4.0)[:, None] ** 2, mask, ["y"])
    weights = np.array([[0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 2.0, 0.0]])
    for metric in metrics.values():
        assert np.isnan(metric.statistic(weights)).tolist() == [True, False]


def test_predictions_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(UserError, match="1 of 2 answers"):
        regression_metrics(np.array([[1.0], [np.inf]]), np.ones((2, 1)), np.ones((2, 1), bool), ["y"])


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    predicted, wanted = case(4)
    weights = resample(len(wanted), resamples=40)
    whole = {name: measure(name, predicted, wanted, weights) for name in REFERENCE}
    monkeypatch.setattr(base, "CELLS", 3 * len(wanted))
    for name, expected in whole.items():
        assert measure(name, predicted, wanted, weights) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_spearman_interval_covers_the_truth() -> None:
    truth = 6 / np.pi * np.arcsin(0.6 / 2)  # Spearman's correlation of two normals with Pearson's 0.6
    random = np.random.default_rng(0)
    covered = 0
    for seed in range(150):
        first, noise = random.normal(size=(2, 120))
        second = 0.6 * first + 0.8 * noise
        mask = np.ones((120, 1), bool)
        metric = regression_metrics(first[:, None], second[:, None], mask, ["y"])["spearman"]
        found = estimate(metric, 120, resample(120, resamples=200, seed=seed))
        covered += found.low <= truth <= found.high
    assert 0.88 <= covered / 150 <= 0.99
