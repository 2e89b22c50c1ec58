"""Scores of classes: one label a row, or sets of labels; from hard decisions, from ranks, and from probabilities.

All follow scikit-learn's definitions, on rows repeated as often as their weight says. Where they leave room:

- The predicted class is the most probable one, the first among equals. A label of a set is predicted from 0.5 on.
- Precision, recall and F1 are 0 where they would divide by nothing.
- A mean over classes takes in those that occur in the resample, as label or as prediction. A mean over the labels
  of sets takes in all that are known for some row.
- ROC-AUC needs a positive and a negative row, average precision a positive one: undefined (NaN) without, and left
  out of means.
- Log loss takes no probability for less than 1e-7, about the rounding of a 32-bit number near 1.

Legend: n rows, C classes, K labels of a set, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import CELLS, Array, Metric, Statistic, check_finite, chunked, quotient, ratio, tally
from .curves import Truths, at_name, curves, recall_at

Integers = NDArray[np.integer]

CLIP = 1e-7
"""The least probability that log loss counts with."""

THRESHOLD = 0.5
"""From which probability on a label of a set is predicted."""


def classification_metrics(
    probabilities: Array,
    labels: Integers,
    classes: Sequence[str],
    positive: int | None,
    chosen: Integers | None = None,
    at_precision: float = 0.9,
) -> dict[str, Metric]:
    """Metrics for one label a row.

    Always: `accuracy`, `balanced_accuracy`, `f1_macro`, `f1_weighted`, `log_loss`, `brier`, and `ece`, the
    calibration error over 15 bins (`calibration`). Two classes: `precision`, `recall`, `f1`, `roc_auc`,
    `pr_auc` (average precision) and `recall_at_precision_90` of the positive one. Otherwise: `f1_micro`,
    `precision_macro`, `recall_macro`, and `roc_auc` and `pr_auc` as means of each class against the rest.

    `brier` is the mean squared error of the probabilities, summed over classes, and for two classes of the
    positive one alone (Brier 1950): 0 to 1 for two, 0 to 2 for more.

    Args:
        probabilities: `(n, C)`, each row adding up to 1.
        labels: `(n,)` indices of classes.
        classes: the C labels.
        positive: which of two classes is the positive one; the second if `None`.
        chosen: `(n,)` the classes answered, where they are not the most probable ones. Calibration is about those.
        at_precision: that of `recall_at_precision_*`, a share.

    Raises:
        UserError: a probability is NaN.

    >>> answers = np.array([[0.9, 0.1], [0.2, 0.8]])
    >>> classification_metrics(answers, np.array([0, 0]), ["no", "yes"], 1)["accuracy"].statistic(np.ones((1, 2)))
    array([0.5])
    """
    num = len(classes)
    probabilities = _check(probabilities, labels, num)
    predicted = probabilities.argmax(1) if chosen is None else chosen
    truths = labels[:, None] == np.arange(num)  # (n, C)

    accuracy = Metric(quotient(predicted == labels))
    metrics = {"accuracy": accuracy, "balanced_accuracy": Metric(_decided(labels, predicted, num, _balanced_accuracy))}
    if num == 2:
        wanted = 1 if positive is None else positive
        for name, score in (("precision", _precision), ("recall", _recall), ("f1", _f1)):
            metrics[name] = Metric(_decided(labels, predicted, num, _of_class(score, wanted)))
    else:
        metrics["f1_micro"] = accuracy  # every miss is one false positive and one false negative
        metrics["precision_macro"] = Metric(_decided(labels, predicted, num, _macro(_precision)))
        metrics["recall_macro"] = Metric(_decided(labels, predicted, num, _macro(_recall)))
    metrics["f1_macro"] = Metric(_decided(labels, predicted, num, _macro(_f1)))
    metrics["f1_weighted"] = Metric(_decided(labels, predicted, num, _f1_weighted))
    against_rest = [wanted] if num == 2 else range(num)
    for name, curve in curves(at_precision).items():
        if name in ("roc_auc", "pr_auc") or num == 2:
            metrics[name] = Metric(_ranked(probabilities, truths, np.ones_like(truths), against_rest, curve))
    metrics["log_loss"] = Metric(quotient(-np.log(np.maximum(probabilities[truths], CLIP))), higher=False)
    squares = ((probabilities - truths) ** 2)[:, against_rest].sum(1)
    metrics["brier"] = Metric(quotient(squares), higher=False)
    metrics["ece"] = Metric(_calibration_error(probabilities, probabilities.argmax(1) == labels), higher=False)
    return metrics


def multilabel_metrics(
    probabilities: Array,
    labels: Integers,
    mask: Truths,
    names: Sequence[str],
    chosen: Truths | None = None,
    at_precision: float = 0.9,
) -> dict[str, Metric]:
    """Metrics for sets of labels, some of which may be unknown.

    `accuracy` (all known labels of a row right), `hamming_loss` (share of known labels that are wrong),
    `f1_micro`, `f1_macro`, `f1_samples` (mean over rows), `roc_auc`, `pr_auc` and `recall_at_precision_90` (means over
    labels; the second is known as mAP), `log_loss` (mean over known labels), and `f1:NAME` for each label. An unknown
    label counts nowhere, and a row of which none is known is left out.

    Args:
        probabilities: `(n, K)`, one probability a label.
        labels: `(n, K)` of 0 and 1; what stands in masked ones is ignored.
        mask: `(n, K)`, true = known.
        names: of the K labels.
        chosen: `(n, K)` the labels answered, where they are not those from a probability of 0.5 on.
        at_precision: that of `recall_at_precision_*`, a share.

    Raises:
        UserError: a probability is NaN.
    """
    probabilities, mask = np.asarray(probabilities, dtype=np.float64), np.asarray(mask, dtype=np.bool_)
    assert probabilities.shape == labels.shape == mask.shape == (len(labels), len(names))
    check_finite(probabilities)
    truths = (labels == 1) & mask
    predicted = (probabilities >= THRESHOLD if chosen is None else chosen) & mask
    wrong = truths ^ predicted
    known = mask.sum(1)  # (n,)
    scored = known > 0
    right = np.where(truths, probabilities, 1 - probabilities)
    surprise = np.where(mask, -np.log(np.maximum(right, CLIP)), 0)

    # F1 is 2 hits / (real + said), whether summed over rows, labels or both.
    above = 2.0 * (truths & predicted)  # (n, K)
    below = truths + predicted.astype(np.float64)

    def f1_micro(weights: Array) -> Array:
        score = ratio(weights @ above.sum(1), weights @ below.sum(1), empty=0)
        return _where(weights @ scored > 0, score)

    def f1_each(weights: Array) -> Array:  # (R, K)
        return _where(weights @ mask.astype(np.float64) > 0, ratio(weights @ above, weights @ below, empty=0))

    def f1_of(index: int) -> Statistic:
        return lambda weights: f1_each(weights)[:, index]

    columns = range(len(names))
    metrics = {
        "accuracy": Metric(quotient(scored & ~wrong.any(1), scored)),
        "f1_micro": Metric(f1_micro),
        "f1_macro": Metric(lambda weights: _mean_of_defined(f1_each(weights))),
        "f1_samples": Metric(quotient(ratio(above.sum(1), below.sum(1), empty=0), scored)),
        **{
            name: Metric(_ranked(probabilities, truths, mask, columns, curve))
            for name, curve in curves(at_precision).items()
        },
        "hamming_loss": Metric(quotient(wrong.sum(1), known), higher=False),
        "log_loss": Metric(quotient(surprise.sum(1), known), higher=False),
    }
    return metrics | {f"f1:{name}": Metric(f1_of(index)) for index, name in enumerate(names)}


def confusion(labels: Integers, predicted: Integers, num_classes: int) -> NDArray[np.int64]:
    """`(C, C)` counts: row i, column j holds how many rows of class i were predicted as class j.

    >>> confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
    [[1, 0], [1, 1]]
    """
    counts = np.bincount(labels * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def calibration(probabilities: Array, labels: Integers, bins: int = 15) -> list[dict[str, Any]]:
    """Whether probabilities can be believed: confidence against accuracy, in bins of confidence.

    A row's confidence is the probability of its predicted class. A model is calibrated where both agree. The mean
    of their distance, by rows, is the expected calibration error (Guo et al., "On Calibration of Modern Neural
    Networks", 2017, equation 3).

    Args:
        probabilities: `(n, C)`.
        labels: `(n,)` indices of classes.
        bins: how many equal parts of [0, 1]; each holds its upper end, and the first also 0.

    Returns:
        For each bin that holds rows: `low`, `high`, the mean `confidence`, the `accuracy`, and `rows`.
    """
    probabilities = _check(probabilities, labels, probabilities.shape[1])
    confidence, hits = probabilities.max(1), probabilities.argmax(1) == labels
    edges, places = _bins(confidence, bins)
    return [
        {
            "low": float(edges[place]),
            "high": float(edges[place + 1]),
            "confidence": float(confidence[places == place].mean()),
            "accuracy": float(hits[places == place].mean()),
            "rows": int((places == place).sum()),
        }
        for place in np.unique(places)
    ]


def per_class(
    probabilities: Array,
    labels: Integers,
    classes: Sequence[str],
    chosen: Integers | None = None,
    draws: Array | None = None,
) -> list[dict[str, Any]]:
    """For each class its `label`, how many `rows` have it, and its `precision`, `recall` and `f1`.

    Args:
        probabilities: `(n, C)`.
        labels: `(n,)` indices of classes.
        classes: the C labels.
        chosen: `(n,)` the classes answered, where they are not the most probable ones.
        draws: `(R, n)` bootstrap resamples: then `intervals`, by score `[low, high]`, from those in which the class
            occurs.
    """
    probabilities = _check(probabilities, labels, len(classes))
    predicted = probabilities.argmax(1) if chosen is None else chosen

    def count(weights: Array) -> _Counts:
        return _Counts(weights, labels, predicted, len(classes))

    return _class_rows(classes, count, len(labels), draws)


def per_label(
    probabilities: Array,
    labels: Integers,
    mask: Truths,
    names: Sequence[str],
    chosen: Truths,
    draws: Array | None = None,
    at_precision: float = 0.9,
) -> list[dict[str, Any]]:
    """As `per_class`, for sets of labels, over the rows where the label is known; and `recall_at_precision_*`.

    Args:
        probabilities: `(n, K)`, one a label.
        labels: `(n, K)` of 0 and 1.
        mask: `(n, K)`, true = known.
        names: of the K labels.
        chosen: `(n, K)` the labels answered.
        draws: `(R, n)` bootstrap resamples, for `intervals`.
        at_precision: a share.
    """
    truths, predicted = (labels == 1) & mask, chosen & mask
    rows = _class_rows(names, lambda weights: _SetCounts(weights, truths, predicted), len(labels), draws)
    name, ones = at_name(at_precision), np.ones((1, len(labels)))
    for place, row in enumerate(rows):
        statistic = _ranked(probabilities, truths, mask, [place], recall_at(at_precision))
        row[name] = float(statistic(ones)[0])
        if draws is not None:
            row["intervals"][name] = _ends(statistic(draws))
    return rows


def _class_rows(
    names: Sequence[str], count: Callable[[Array], _Counts | _SetCounts], num: int, draws: Array | None
) -> list[dict[str, Any]]:
    scores: dict[str, Callable[[Any], Array]] = {"precision": _precision, "recall": _recall, "f1": _f1}
    counts = count(np.ones((1, num)))
    rows: list[dict[str, Any]] = [
        {"label": name, "rows": int(counts.real[0, place])}
        | {key: float(score(counts)[0, place]) for key, score in scores.items()}
        for place, name in enumerate(names)
    ]
    if draws is not None:
        step = max(1, CELLS // max(1, num))
        drawn = [count(draws[start : start + step]) for start in range(0, len(draws), step)]
        for key, score in scores.items():
            # (R, C): recall needs a row of the class, precision and F1 one that has it or is said to
            parts = [
                _where(each.real > 0 if key == "recall" else each.real + each.said > 0, score(each)) for each in drawn
            ]
            values = np.concatenate(parts) if parts else np.empty((0, len(names)))
            for place, row in enumerate(rows):
                row.setdefault("intervals", {})[key] = _ends(values[:, place])
    return rows


def _ends(values: Array) -> list[float]:
    """The 2.5th and 97.5th percentile of what is known."""
    known = values[~np.isnan(values)]
    return [float(end) for end in np.percentile(known, [2.5, 97.5])] if len(known) else [float("nan")] * 2


def _check(probabilities: Array, labels: Integers, num: int) -> Array:
    probabilities = np.asarray(probabilities, dtype=np.float64)
    assert probabilities.shape == (len(labels), num), f"{probabilities.shape} for {len(labels)} rows, {num} classes"
    assert not len(labels) or (labels.min() >= 0 and labels.max() < num), "labels are indices of classes"
    check_finite(probabilities)
    return probabilities


# Hard decisions.


class _Counts:
    """`(R, C)` weighted rows by class: `real` have it, `said` were predicted it, `hits` both."""

    def __init__(self, weights: Array, labels: Integers, predicted: Integers, num: int) -> None:
        right = labels == predicted
        self.real = tally(weights, labels, num)
        self.said = tally(weights, predicted, num)
        self.hits = tally(weights[:, right], labels[right], num)


class _SetCounts:
    """The same for sets: `(R, K)` weighted rows by label."""

    def __init__(self, weights: Array, truths: Truths, predicted: Truths) -> None:
        self.real, self.said, self.hits = (
            weights @ each.astype(np.float64) for each in (truths, predicted, truths & predicted)
        )


def _decided(labels: Integers, predicted: Integers, num: int, score: Callable[[_Counts], Array]) -> Statistic:
    return chunked(lambda weights: _where(weights.sum(1) > 0, score(_Counts(weights, labels, predicted, num))))


def _precision(counts: _Counts | _SetCounts) -> Array:
    return ratio(counts.hits, counts.said, empty=0)


def _recall(counts: _Counts | _SetCounts) -> Array:
    return ratio(counts.hits, counts.real, empty=0)


def _f1(counts: _Counts | _SetCounts) -> Array:
    return ratio(2 * counts.hits, counts.real + counts.said, empty=0)


def _of_class(score: Callable[[_Counts], Array], index: int) -> Callable[[_Counts], Array]:
    return lambda counts: score(counts)[:, index]


def _macro(score: Callable[[_Counts], Array]) -> Callable[[_Counts], Array]:
    return lambda counts: _mean_of_defined(_where(counts.real + counts.said > 0, score(counts)))


def _balanced_accuracy(counts: _Counts) -> Array:
    return _mean_of_defined(_where(counts.real > 0, _recall(counts)))


def _f1_weighted(counts: _Counts) -> Array:
    return ratio((counts.real * _f1(counts)).sum(1), counts.real.sum(1))


# Ranks.


def _ranked(
    scores: Array, truths: Truths, mask: Truths, columns: Sequence[int], curve: Callable[[Array, Truths], Statistic]
) -> Statistic:
    """The mean over columns of the area under a curve, each over its known rows."""

    def statistic(weights: Array) -> Array:
        areas = []
        for column in columns:  # outside the chunks, so that a column is sorted once and not kept
            known = mask[:, column]
            area = curve(scores[known, column], truths[known, column])
            areas.append(chunked(area, None if known.all() else known)(weights))
        return _mean_of_defined(np.stack(areas, 1))  # (R, K) -> (R,)

    return statistic


# Probabilities.


def _bins(confidence: Array, bins: int) -> tuple[Array, Integers]:
    """The ends of equal bins of [0, 1], `(bins + 1,)`, and in which one each confidence lies."""
    edges = np.linspace(0, 1, bins + 1)
    return edges, np.searchsorted(edges[1:-1], confidence, "left")


def _calibration_error(probabilities: Array, hits: Truths, bins: int = 15) -> Statistic:
    confidence = probabilities.max(1)
    gaps, places = hits - confidence, _bins(confidence, bins)[1]
    return chunked(lambda weights: ratio(np.abs(tally(weights * gaps, places, bins)).sum(1), weights.sum(1)))


def _mean_of_defined(values: Array) -> Array:
    """`(R, K) -> (R,)`: the mean over what is not NaN."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0).sum(1), defined.sum(1))


def _where(condition: Truths, values: Array) -> Array:
    """The values where the condition holds, NaN elsewhere."""
    return np.where(condition, values, np.nan)
