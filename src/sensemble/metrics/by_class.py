"""Scores class by class, and what was taken for what. Definitions as in `classification.py`.

Legend: n rows, C classes, K labels of a set, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import CELLS, Array
from .curves import Truths, at_name, recall_at
from .decisions import Counts, Integers, SetCounts, checked, defined_where, f1, precision, ranked, recall


def confusion(labels: Integers, predicted: Integers, num_classes: int) -> NDArray[np.int64]:
    """`(C, C)` counts: row i, column j holds how many rows of class i were predicted as class j.

    >>> confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
    [[1, 0], [1, 1]]
    """
    counts = np.bincount(labels * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


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
    probabilities = checked(probabilities, labels, len(classes))
    predicted = probabilities.argmax(1) if chosen is None else chosen

    def count(weights: Array) -> Counts:
        return Counts(weights, labels, predicted, len(classes))

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
    rows = _class_rows(names, lambda weights: SetCounts(weights, truths, predicted), len(labels), draws)
    name, ones = at_name(at_precision), np.ones((1, len(labels)))
    for place, row in enumerate(rows):
        statistic = ranked(probabilities, truths, mask, [place], recall_at(at_precision))
        row[name] = float(statistic(ones)[0])
        if draws is not None:
            row["intervals"][name] = _ends(statistic(draws))
    return rows


def _class_rows(
    names: Sequence[str], count: Callable[[Array], Counts | SetCounts], num: int, draws: Array | None
) -> list[dict[str, Any]]:
    scores: dict[str, Callable[[Any], Array]] = {"precision": precision, "recall": recall, "f1": f1}
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
                defined_where(each.real > 0 if key == "recall" else each.real + each.said > 0, score(each))
                for each in drawn
            ]
            values = np.concatenate(parts) if parts else np.empty((0, len(names)))
            for place, row in enumerate(rows):
                row.setdefault("intervals", {})[key] = _ends(values[:, place])
    return rows


def _ends(values: Array) -> list[float]:
    """The 2.5th and 97.5th percentile of what is known."""
    known = values[~np.isnan(values)]
    return [float(end) for end in np.percentile(known, [2.5, 97.5])] if len(known) else [float("nan")] * 2
