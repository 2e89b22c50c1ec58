from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from sensemble.errors import UserError
from sensemble.metrics import base
from sensemble.metrics.base import estimate, resample
from sensemble.metrics.by_class import confusion, per_class
from sensemble.metrics.classification import calibration, classification_metrics, multilabel_metrics

Array = np.ndarray


def names(num: int) -> list[str]:
    return [f"类{index}" for index in range(num)]


def case(seed: int, num: int) -> tuple[Array, Array]:
    """Probabilities and labels: smooth, or in tenths and so full of ties; some constant, of one class or one row."""
    random = np.random.default_rng(seed)
    rows = int(random.integers(1, 30))
    probabilities = random.dirichlet(np.ones(num), size=rows)
    if seed % 3 == 0:
        probabilities = random.multinomial(10, np.ones(num) / num, size=rows) / 10
    labels = np.array([random.choice(num, p=row) for row in probabilities])
    if seed % 7 == 0:
        probabilities = np.tile(probabilities[:1], (rows, 1))
    if seed % 11 == 0:
        labels = np.full(rows, random.integers(num))
    return probabilities, labels


def defined(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def roc_auc(truth: Array, scores: Array) -> float:
    return float("nan") if len(np.unique(truth)) < 2 else reference.roc_auc_score(truth, scores)


def pr_auc(truth: Array, scores: Array) -> float:
    return reference.average_precision_score(truth, scores) if truth.any() else float("nan")


def log_loss(labels: Array, probabilities: Array) -> float:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*do not sum to one")  # they do not, once clipped
        return reference.log_loss(labels, np.clip(probabilities, 1e-7, 1), labels=range(probabilities.shape[1]))


def calibration_error(labels: Array, probabilities: Array) -> float:
    total = 0.0
    edges = np.linspace(0, 1, 16)
    for low, high in itertools.pairwise(edges):
        inside = [row for row in range(len(labels)) if low < probabilities[row].max() <= high]
        if inside:
            confidence = np.mean([probabilities[row].max() for row in inside])
            accuracy = np.mean([probabilities[row].argmax() == labels[row] for row in inside])
            total += len(inside) / len(labels) * abs(confidence - accuracy)
    return total


def recall_at(truth: Array, scores: Array, precision: float = 0.9) -> float:
    """The recall of the best of all thresholds, one by one."""
    if not truth.any():
        return float("nan")
    said = [scores >= cut for cut in np.unique(scores)]
    return max(
        (truth & each).sum() / truth.sum() if (truth & each).sum() >= precision * each.sum() else 0 for each in said
    )


def expected(labels: Array, probabilities: Array, positive: int) -> dict[str, float]:
    """Every score, from scikit-learn, on plain rows."""
    num = probabilities.shape[1]
    predicted = probabilities.argmax(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = {
            "accuracy": reference.accuracy_score(labels, predicted),
            "balanced_accuracy": reference.balanced_accuracy_score(labels, predicted),
            "f1_macro": reference.f1_score(labels, predicted, average="macro"),
            "f1_weighted": reference.f1_score(labels, predicted, average="weighted"),
            "log_loss": log_loss(labels, probabilities),
            "ece": calibration_error(labels, probabilities),
        }
        if num == 2:
            truth, guess, chance = labels == positive, predicted == positive, probabilities[:, positive]
            scores |= {
                "precision": reference.precision_score(truth, guess),
                "recall": reference.recall_score(truth, guess),
                "f1": reference.f1_score(truth, guess),
                "roc_auc": roc_auc(truth, chance),
                "pr_auc": pr_auc(truth, chance),
                "recall_at_precision_90": recall_at(truth, chance),
                "brier": reference.brier_score_loss(truth, chance, pos_label=True),
            }
        else:
            truths = labels[:, None] == np.arange(num)
            scores |= {
                "f1_micro": reference.f1_score(labels, predicted, average="micro"),
                "precision_macro": reference.precision_score(labels, predicted, average="macro"),
                "recall_macro": reference.recall_score(labels, predicted, average="macro"),
                "roc_auc": defined([roc_auc(truths[:, c], probabilities[:, c]) for c in range(num)]),
                "pr_auc": defined([pr_auc(truths[:, c], probabilities[:, c]) for c in range(num)]),
                "brier": float(((probabilities - truths) ** 2).sum(1).mean()),
            }
    return scores


@pytest.mark.parametrize("num", [2, 4])
def test_every_metric_equals_the_reference_on_repeated_rows(num: int) -> None:
    counted: dict[str, int] = {}
    for seed in range(54):
        probabilities, labels = case(seed, num)
        positive = seed % 2
        metrics = classification_metrics(probabilities, labels, names(num), positive if num == 2 else None)
        weights = np.concatenate([np.ones((1, len(labels))), resample(len(labels), resamples=1, seed=seed)])
        found = {name: metric.statistic(weights) for name, metric in metrics.items()}
        index = seed // 2 % len(weights)  # plain rows and resampled ones take turns: the reference is slow
        row = weights[index].astype(int)
        scores = expected(np.repeat(labels, row), np.repeat(probabilities, row, axis=0), positive)
        assert scores.keys() == found.keys()
        for name, score in scores.items():
            assert found[name][index] == pytest.approx(score, abs=1e-9, nan_ok=True), (name, seed, row)
            counted[name] = counted.get(name, 0) + (not np.isnan(score))
    assert min(counted.values()) > 30


@pytest.mark.parametrize("num", [3, 5])
def test_macro_curves_equal_sklearns_own_where_every_class_occurs(num: int) -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        labels = np.concatenate([np.arange(num), random.integers(num, size=20)])
        probabilities = random.multinomial(8, np.ones(num) / num, size=len(labels)) / 8
        metrics = classification_metrics(probabilities, labels, names(num), None)
        ones = np.ones((1, len(labels)))
        area = reference.roc_auc_score(labels, probabilities, multi_class="ovr")
        assert metrics["roc_auc"].statistic(ones)[0] == pytest.approx(area, abs=1e-9)
        truths = np.eye(num)[labels]
        precision = reference.average_precision_score(truths, probabilities)
        assert metrics["pr_auc"].statistic(ones)[0] == pytest.approx(precision, abs=1e-9)
        brier = reference.brier_score_loss(labels, probabilities, scale_by_half=False)
        assert metrics["brier"].statistic(ones)[0] == pytest.approx(brier, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 4).flatmap(
        lambda num: st.lists(
            st.tuples(
                st.lists(st.integers(0, 3), min_size=num, max_size=num).filter(any),
                st.integers(0, num - 1),
                st.integers(0, 3),
            ),
            min_size=1,
            max_size=10,
        )
    )
)
def test_weights_are_repeated_rows(rows: list[tuple[list[int], int, int]]) -> None:
    probabilities = np.array([row[0] for row in rows], dtype=float)
    probabilities /= probabilities.sum(1, keepdims=True)
    labels, counts = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    num = probabilities.shape[1]
    weighted = classification_metrics(probabilities, labels, names(num), None)
    repeated = classification_metrics(
        np.repeat(probabilities, counts, axis=0), np.repeat(labels, counts), names(num), None
    )
    for name, metric in weighted.items():
        value = metric.statistic(np.stack([counts, np.ones(len(rows))]))[0]
        other = repeated[name].statistic(np.ones((1, counts.sum())))[0]
        assert value == pytest.approx(other, abs=1e-9, nan_ok=True), name


def test_less_is_better_for_losses_alone() -> None:
    one = np.full((3, 2), 0.5)
    metrics = classification_metrics(one, np.array([0, 1, 0]), names(2), 1)
    metrics |= multilabel_metrics(one, np.zeros((3, 2), int), np.ones((3, 2), bool), names(2))
    losses = {name for name, metric in metrics.items() if not metric.higher}
    assert losses == {"log_loss", "brier", "ece", "hamming_loss"}


def test_without_a_positive_the_second_class_is_it() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    labels, ones = np.array([0, 1, 1]), np.ones((1, 3))
    plain = classification_metrics(probabilities, labels, names(2), None)["precision"].statistic(ones)
    assert plain == classification_metrics(probabilities, labels, names(2), 1)["precision"].statistic(ones)
    assert plain != classification_metrics(probabilities, labels, names(2), 0)["precision"].statistic(ones)


def test_a_certain_mistake_costs_what_the_clip_says() -> None:
    metric = classification_metrics(np.array([[1.0, 0.0]]), np.array([1]), names(2), 1)["log_loss"]
    assert metric.statistic(np.ones((1, 1)))[0] == pytest.approx(-np.log(1e-7))


def test_calibration_error_by_hand() -> None:
    probabilities = np.array([[0.62, 0.38], [0.65, 0.35], [0.05, 0.95], [0.6, 0.4]])
    labels = np.array([0, 1, 1, 0])
    # Bins of a fifteenth: .62 and .65 share one (one of two right), .95 and .6 stand alone (both right).
    by_hand = (2 * abs(0.635 - 0.5) + abs(0.95 - 1) + abs(0.6 - 1)) / 4
    metric = classification_metrics(probabilities, labels, names(2), 1)["ece"]
    assert metric.statistic(np.ones((1, 4)))[0] == pytest.approx(by_hand)
    rows = calibration(probabilities, labels)
    assert [row["rows"] for row in rows] == [1, 2, 1]
    assert rows[1] == pytest.approx({"low": 0.6, "high": 10 / 15, "confidence": 0.635, "accuracy": 0.5, "rows": 2})
    assert sum(row["rows"] * abs(row["confidence"] - row["accuracy"]) for row in rows) / 4 == pytest.approx(by_hand)
    json.dumps(rows)


def test_calibration_bins_hold_all_of_zero_to_one() -> None:
    probabilities = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    rows = calibration(probabilities, np.array([0, 0, 0]), bins=2)
    found = [(row["low"], row["high"], row["rows"], row["accuracy"]) for row in rows]
    assert found == [(0, 0.5, 1, 1), (0.5, 1, 2, 0.5)]
    assert calibration(np.zeros((1, 2)), np.array([0]))[0]["low"] == 0
    assert calibration(np.zeros((0, 2)), np.zeros(0, int)) == []


def test_confusion_and_classes_equal_the_reference() -> None:
    for seed in range(50):
        probabilities, labels = case(seed, 4)
        predicted = probabilities.argmax(1)
        counts = confusion(labels, predicted, 4)
        assert (counts == reference.confusion_matrix(labels, predicted, labels=range(4))).all()
        assert np.issubdtype(counts.dtype, np.integer)
        rows = per_class(probabilities, labels, names(4))
        found = [[row[key] for row in rows] for key in ("precision", "recall", "f1", "rows")]
        scores = reference.precision_recall_fscore_support(labels, predicted, labels=range(4), zero_division=0)
        assert np.array(found) == pytest.approx(np.array(scores), abs=1e-12)
        assert [row["label"] for row in rows] == names(4)
        json.dumps(rows)


def label_sets(seed: int) -> tuple[Array, Array, Array]:
    random = np.random.default_rng(seed)
    rows, num = int(random.integers(1, 15)), int(random.integers(1, 5))
    probabilities = random.random((rows, num))
    if seed % 3 == 0:
        probabilities = random.integers(0, 5, (rows, num)) / 4
    if seed % 7 == 0:
        probabilities[:] = 0.5
    labels = (random.random((rows, num)) < (0 if seed % 11 == 0 else 0.4)).astype(int)
    mask = random.random((rows, num)) < 0.7 if seed % 2 else np.ones((rows, num), bool)
    return probabilities, labels, mask


def expected_sets(labels: Array, probabilities: Array, mask: Array) -> dict[str, float]:
    """Every score, row by row or label by label over what is known."""
    predicted = (probabilities >= 0.5).astype(int)
    rows, columns = range(len(labels)), range(labels.shape[1])

    def by_label(score: Callable[[Array, Array], float], guesses: Array) -> list[float]:
        known = [mask[:, k] for k in columns]
        return [score(labels[m, k], guesses[m, k]) if m.any() else np.nan for k, m in zip(columns, known, strict=True)]

    def by_row(score: Callable[[Array, Array], float]) -> float:
        return defined([score(labels[r, mask[r]], predicted[r, mask[r]]) if mask[r].any() else np.nan for r in rows])

    def f1(truth: Array, guess: Array) -> float:
        return 2 * float((truth * guess).sum()) / max(1, truth.sum() + guess.sum())  # Dice's coefficient

    truth, guess, chance = labels[mask], predicted[mask], probabilities[mask]
    each = by_label(f1, predicted)
    scores = {f"f1:类{index}": score for index, score in enumerate(each)}
    return scores | {
        "accuracy": by_row(lambda truth, guess: float((truth == guess).all())),
        "f1_micro": f1(truth, guess) if mask.any() else np.nan,
        "f1_macro": defined(each),
        "f1_samples": by_row(f1),
        "roc_auc": defined(by_label(roc_auc, probabilities)),
        "pr_auc": defined(by_label(pr_auc, probabilities)),
        "recall_at_precision_90": defined(by_label(recall_at, probabilities)),
        "hamming_loss": reference.hamming_loss(truth, guess) if mask.any() else np.nan,
        "log_loss": log_loss(truth, np.stack([1 - chance, chance], 1)) if mask.any() else np.nan,
    }


def test_label_sets_equal_the_reference_on_repeated_rows() -> None:
    counted: dict[str, int] = {}
    for seed in range(54):
        probabilities, labels, mask = label_sets(seed)
        metrics = multilabel_metrics(probabilities, np.where(mask, labels, 9), mask, names(labels.shape[1]))
        weights = np.concatenate([np.ones((1, len(labels))), resample(len(labels), resamples=1, seed=seed)])
        found = {name: metric.statistic(weights) for name, metric in metrics.items()}
        index = seed // 2 % len(weights)
        row = weights[index].astype(int)
        again = [np.repeat(each, row, axis=0) for each in (labels, probabilities, mask)]
        scores = expected_sets(*again)
        assert scores.keys() == found.keys()
        for name, score in scores.items():
            assert found[name][index] == pytest.approx(score, abs=1e-9, nan_ok=True), (name, seed, row)
            counted[name] = counted.get(name, 0) + (not np.isnan(score))
    assert min(counted.values()) > 10  # few cases have a fourth label


def test_label_sets_equal_sklearns_own_averages_where_all_is_known() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        labels = np.concatenate([np.zeros((1, 3), int), np.ones((1, 3), int), random.integers(0, 2, (15, 3))])
        probabilities = random.integers(0, 7, labels.shape) / 6
        predicted = (probabilities >= 0.5).astype(int)
        metrics = multilabel_metrics(probabilities, labels, np.ones(labels.shape, bool), names(3))
        scores = {
            "accuracy": reference.accuracy_score(labels, predicted),
            "f1_micro": reference.f1_score(labels, predicted, average="micro"),
            "f1_macro": reference.f1_score(labels, predicted, average="macro"),
            "f1_samples": reference.f1_score(labels, predicted, average="samples", zero_division=0),
            "hamming_loss": reference.hamming_loss(labels, predicted),
            "roc_auc": reference.roc_auc_score(labels, probabilities),
            "pr_auc": reference.average_precision_score(labels, probabilities),
        }
        for name, score in scores.items():
            assert metrics[name].statistic(np.ones((1, 17)))[0] == pytest.approx(score, abs=1e-9), name


def test_what_masked_labels_hold_changes_nothing() -> None:
    probabilities, labels, mask = label_sets(13)
    weights = resample(len(labels), resamples=20)
    assert not mask.all()
    label_names = names(labels.shape[1])
    first = multilabel_metrics(probabilities, labels, mask, label_names)
    other_probabilities, other_labels = np.where(mask, [probabilities, labels], [1 - probabilities, 1 - labels])
    second = multilabel_metrics(other_probabilities, other_labels, mask, label_names)
    for name, metric in first.items():
        assert np.array_equal(metric.statistic(weights), second[name].statistic(weights), equal_nan=True), name


def test_no_rows_leave_everything_undefined() -> None:
    metrics = classification_metrics(np.zeros((0, 2)), np.zeros(0, int), names(2), 1)
    metrics |= classification_metrics(np.zeros((0, 3)), np.zeros(0, int), names(3), None)
    metrics |= multilabel_metrics(np.zeros((0, 3)), np.zeros((0, 3), int), np.zeros((0, 3), bool), names(3))
    for name, metric in metrics.items():
        assert np.isnan(metric.statistic(np.ones((2, 0)))).all(), name
        assert metric.statistic(np.ones((0, 0))).shape == (0,), name


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for num in (2, 4):
        probabilities, labels = case(5, num)
        weights = resample(len(labels), resamples=40)
        metrics = classification_metrics(probabilities, labels, names(num), None)
        whole = {name: metric.statistic(weights) for name, metric in metrics.items()}
        with monkeypatch.context() as patch:
            patch.setattr(base, "CELLS", 3 * len(labels))
            for name, metric in metrics.items():
                assert np.array_equal(metric.statistic(weights), whole[name], equal_nan=True), name


def test_one_class_has_no_curve() -> None:
    metrics = classification_metrics(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 0]), names(2), 1)
    found = estimate(metrics["roc_auc"], 2, resample(2))
    assert np.isnan([found.value, found.low, found.high]).all()
    assert np.isnan(estimate(metrics["pr_auc"], 2, resample(2)).value)
    assert estimate(metrics["accuracy"], 2, resample(2)).value == 0.5


def test_area_interval_covers_the_truth() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for seed in range(150):
        labels = random.integers(0, 2, 150)
        chance = 1 / (1 + np.exp(-random.normal(labels * np.sqrt(2), 1)))  # two normals so far apart: area 0.8413
        metric = classification_metrics(np.stack([1 - chance, chance], 1), labels, names(2), 1)["roc_auc"]
        found = estimate(metric, 150, resample(150, resamples=200, seed=seed))
        covered += found.low <= 0.841345 <= found.high
    assert 0.88 <= covered / 150 <= 0.99


def test_probabilities_that_are_no_numbers_are_refused() -> None:
    broken = np.array([[0.5, 0.5], [np.nan, np.nan]])
    with pytest.raises(UserError, match="1 of 2 answers"):
        classification_metrics(broken, np.array([0, 1]), names(2), 1)
    with pytest.raises(UserError, match="1 of 2 answers"):
        multilabel_metrics(broken, np.zeros((2, 2), int), np.ones((2, 2), bool), names(2))


def test_labels_that_are_no_classes_are_refused() -> None:
    with pytest.raises(AssertionError, match="indices of classes"):
        classification_metrics(np.full((2, 2), 0.5), np.array([0, 2]), names(2), 1)
