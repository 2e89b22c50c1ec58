"""How well one input tells the target by itself: quick scores, so that the audit can spot a leak.

Two scores of each input:

- *full*: a quick cross-validated model of this input alone (number: decision tree; category: logistic
  regression on its values; text: the same on TF-IDF of words; image, audio, video, vector: the same on small dense
  features);
- *single*: the best single thing in it. For a number or a category that is the input itself, for a text one
  word, for an image or a video one cell of a thumbnail, for a sound its length or one band's level, for a vector one
  dimension.

An honest text or picture may predict very well, through many words or cells together; a leak sits in one thing.

Legend: n rows, m rows with usable values, d features, K classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from .shallow import FEATURES, Array, Look

DENSE_STEPS = 25
"""Of the linear model of dense features: half converged, it ranks rows nearly as well, in a quarter of the time."""
FOLDS = 3
FEWEST = 60
"""Labelled rows with the input below which nothing is concluded."""
FEWEST_OF_CLASS = 10
MOST_CLASSES = 20
"""Classes that the quick models tell apart: the commonest."""
PROMISING = 5
"""Cells or dimensions looked at closely for each class."""


@dataclass(frozen=True)
class Score:
    """How well one input tells a target: ROC-AUC, or Spearman correlation for a number.

    With more than two classes it is the mean over classes of each one's ROC-AUC against the class hardest to tell
    from it.

    Args:
        full: of the quick model.
        single: of the best single thing in it.
        rows: rows that it was measured on, which all have the input.
        what: that single thing, for messages; empty where it is the input itself.
    """

    full: float
    single: float
    rows: int
    what: str = ""


def score_alone(
    kind: str, values: Sequence[Any], labels: Array, *, classes: bool, look: Look, seed: int = 0
) -> Score | None:
    """One input's scores on the rows that have it and a label; `None` where nothing can be said.

    Args:
        kind: the input's modality.
        values: its raw values, `None` where missing.
        labels: `(n,)` class numbers, the commonest class first, or numbers; NaN where missing.
        classes: which of the two.
        look: reads pictures.
        seed: of the folds.
    """
    if kind not in FEATURES:
        return None
    rows = np.flatnonzero(~np.isnan(labels) & np.array([value is not None for value in values], dtype=bool))
    features = FEATURES[kind]([values[int(row)] for row in rows], look) if len(rows) >= FEWEST else None
    if features is None:
        return None
    labels, matrix = labels[rows][features.usable], features.matrix
    if classes:
        numbers, counts = np.unique(labels, return_counts=True)
        kept = np.isin(labels, numbers[counts >= FEWEST_OF_CLASS][:MOST_CLASSES])
        labels, matrix = labels[kept], matrix[kept]
    if len(labels) < FEWEST or len(np.unique(labels)) < 2:
        return None
    quick = matrix.astype(np.float32) if isinstance(matrix, np.ndarray) and matrix.shape[1] > 1 else matrix
    full = _cross_validate(_model(quick, classes), quick, labels, classes, seed)
    if features.single == "whole":
        return Score(full, full, len(labels))
    single, column = _best_single(matrix, labels, classes)
    return Score(full, single, len(labels), features.names[int(column)] if features.names else features.single)


def _model(matrix: Any, classes: bool) -> Any:
    """A quick model that suits the features: a tree for one number, else a linear one."""
    if matrix.shape[1] == 1:
        shape = {"max_leaf_nodes": 64, "min_samples_leaf": max(5, matrix.shape[0] // 200), "random_state": 0}
        return DecisionTreeClassifier(**shape) if classes else DecisionTreeRegressor(**shape)
    if isinstance(matrix, np.ndarray):
        linear = LogisticRegression(C=0.1, max_iter=DENSE_STEPS) if classes else Ridge(alpha=10)
        return make_pipeline(StandardScaler(), linear)
    return LogisticRegression(C=4, max_iter=100) if classes else Ridge(alpha=1)


def _cross_validate(model: Any, matrix: Any, labels: Array, classes: bool, seed: int) -> float:
    """The score of predictions for held-out rows."""
    folds = (StratifiedKFold if classes else KFold)(FOLDS, shuffle=True, random_state=seed)
    answers = np.zeros((len(labels), len(np.unique(labels)) if classes else 1))  # (n, K), or (n, 1)
    for train, test in folds.split(matrix, labels):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a model half converged is good enough here
            fitted = clone(model).fit(matrix[train], labels[train])
        answers[test] = fitted.predict_proba(matrix[test]) if classes else fitted.predict(matrix[test])[:, None]
    if not classes:
        return float(_correlations(answers, labels)[0])
    return float(np.mean([_nearest(answers[:, place], labels, each) for place, each in enumerate(np.unique(labels))]))


def _best_single(matrix: Any, labels: Array, classes: bool) -> tuple[float, int]:
    """The best score of one column of `matrix (n, d)`, each class by its own best; and the column best of all."""
    dense = isinstance(matrix, np.ndarray)
    if not classes:
        scores = np.abs(_correlations(matrix, labels) if dense else _presence_correlations(matrix, labels))
        return float(scores.max()), int(scores.argmax())
    areas = _column_areas(matrix, labels) if dense else _presence_areas(matrix, labels)  # (d, K)
    return float(areas.max(0).mean()), int(areas.max(1).argmax())


def _nearest(scores: Array, labels: Array, which: float, *, signed: bool = True) -> float:
    """ROC-AUC of one class against that other class from which the scores `(n,)` tell it worst.

    Not against the rest: a question's kind tells colours from shapes well, and no colour from another.

    Args:
        scores: higher for the class, if signed.
        labels: `(n,)` class numbers.
        which: the class.
        signed: else a class may lie on either side.
    """
    own, areas = scores[labels == which], []
    for other in np.unique(labels[labels != which]):
        ranks = stats.rankdata(np.concatenate([own, scores[labels == other]]))
        area = (ranks[: len(own)].sum() / len(own) - (len(own) + 1) / 2) / (len(ranks) - len(own))
        areas.append(area if signed else max(area, 1 - area))
    return float(min(areas))


def _column_areas(matrix: Array, labels: Array) -> Array:
    """`(d, K)`: the same for each dense column, worked out for the most promising ones and 0 elsewhere."""
    numbers = np.unique(labels)
    ranks = _standard(stats.rankdata(matrix, axis=0))
    promise = np.abs(ranks.T @ _standard((labels[:, None] == numbers).astype(float)))  # (d, K)
    areas = np.zeros_like(promise)
    for place, number in enumerate(numbers):
        for column in np.argsort(-promise[:, place])[:PROMISING]:
            areas[column, place] = _nearest(matrix[:, column], labels, number, signed=False)
    return areas


def _presence_areas(matrix: Any, labels: Array) -> Array:
    """`(d, K)`: the same where a column only says whether a word is there, which is one point on the curve."""
    answers = (labels[:, None] == np.unique(labels)).astype(float)  # (n, K)
    rates = (matrix > 0).astype(float).T @ (answers / answers.sum(0))  # (d, K) share of a class's texts with the word
    areas: Array = np.zeros(rates.shape)
    for place in range(rates.shape[1]):
        own, others = rates[:, place], np.delete(rates, place, axis=1)
        areas[:, place] = 0.5 + np.maximum(own - others.max(1), others.min(1) - own) / 2
    return areas


def _correlations(matrix: Array, labels: Array) -> Array:
    """Spearman correlation of each column `(n, d)` with the labels -> `(d,)`; 0 for a constant column."""
    ranks = _standard(stats.rankdata(matrix, axis=0))
    correlation: Array = ranks.T @ _standard(stats.rankdata(labels)) / len(labels)
    return correlation


def _presence_correlations(matrix: Any, labels: Array) -> Array:
    here = (matrix > 0).astype(float)
    share = np.asarray(here.mean(0)).ravel()
    covariance = here.T @ _standard(stats.rankdata(labels)) / len(labels)
    correlation: Array = covariance / np.sqrt(np.maximum(share * (1 - share), 1e-12))
    return correlation


def _standard(values: Array) -> Array:
    spread = values.std(0)
    standard: Array = (values - values.mean(0)) / np.where(spread > 0, spread, 1)
    return standard
