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

from collections.abc import Sequence
from typing import Any

import numpy as np

from .base import Array, Metric, Statistic, check_finite, chunked, quotient, ratio, tally
from .curves import Truths, curves
from .decisions import (
    Integers,
    balanced_accuracy,
    checked,
    decided,
    defined_where,
    f1,
    f1_weighted,
    macro,
    mean_of_defined,
    of_class,
    precision,
    ranked,
    recall,
)

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
    probabilities = checked(probabilities, labels, num)
    predicted = probabilities.argmax(1) if chosen is None else chosen
    truths = labels[:, None] == np.arange(num)  # (n, C)

    accuracy = Metric(quotient(predicted == labels))
    metrics = {"accuracy": accuracy, "balanced_accuracy": Metric(decided(labels, predicted, num, balanced_accuracy))}
    if num == 2:
        wanted = 1 if positive is None else positive
        for name, score in (("precision", precision), ("recall", recall), ("f1", f1)):
            metrics[name] = Metric(decided(labels, predicted, num, of_class(score, wanted)))
    else:
        metrics["f1_micro"] = accuracy  # every miss is one false positive and one false negative
        metrics["precision_macro"] = Metric(decided(labels, predicted, num, macro(precision)))
        metrics["recall_macro"] = Metric(decided(labels, predicted, num, macro(recall)))
    metrics["f1_macro"] = Metric(decided(labels, predicted, num, macro(f1)))
    metrics["f1_weighted"] = Metric(decided(labels, predicted, num, f1_weighted))
    against_rest = [wanted] if num == 2 else range(num)
    for name, curve in curves(at_precision).items():
        if name in ("roc_auc", "pr_auc") or num == 2:
            metrics[name] = Metric(ranked(probabilities, truths, np.ones_like(truths), against_rest, curve))
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
        return defined_where(weights @ scored > 0, score)

    def f1_each(weights: Array) -> Array:  # (R, K)
        return defined_where(weights @ mask.astype(np.float64) > 0, ratio(weights @ above, weights @ below, empty=0))

    def f1_of(index: int) -> Statistic:
        return lambda weights: f1_each(weights)[:, index]

    columns = range(len(names))
    metrics = {
        "accuracy": Metric(quotient(scored & ~wrong.any(1), scored)),
        "f1_micro": Metric(f1_micro),
        "f1_macro": Metric(lambda weights: mean_of_defined(f1_each(weights))),
        "f1_samples": Metric(quotient(ratio(above.sum(1), below.sum(1), empty=0), scored)),
        **{
            name: Metric(ranked(probabilities, truths, mask, columns, curve))
            for name, curve in curves(at_precision).items()
        },
        "hamming_loss": Metric(quotient(wrong.sum(1), known), higher=False),
        "log_loss": Metric(quotient(surprise.sum(1), known), higher=False),
    }
    return metrics | {f"f1:{name}": Metric(f1_of(index)) for index, name in enumerate(names)}


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
    probabilities = checked(probabilities, labels, probabilities.shape[1])
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


def _bins(confidence: Array, bins: int) -> tuple[Array, Integers]:
    """The ends of equal bins of [0, 1], `(bins + 1,)`, and in which one each confidence lies."""
    edges = np.linspace(0, 1, bins + 1)
    return edges, np.searchsorted(edges[1:-1], confidence, "left")


def _calibration_error(probabilities: Array, hits: Truths, bins: int = 15) -> Statistic:
    confidence = probabilities.max(1)
    gaps, places = hits - confidence, _bins(confidence, bins)[1]
    return chunked(lambda weights: ratio(np.abs(tally(weights * gaps, places, bins)).sum(1), weights.sum(1)))
