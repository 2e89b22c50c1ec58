"""How well one input tells the target by itself: quick scores, so that the audit can spot a leak.

Two scores of each input:

- *full*: a quick cross-validated model of this input alone (number: decision tree; category: logistic
  regression on its values; text: the same on TF-IDF of words; image, vector: the same on small dense features);
- *single*: the best single thing in it. For a number or a category that is the input itself, for a text one
  word, for an image one cell of a thumbnail, for a vector one dimension.

An honest text or picture may predict very well, through many words or cells together; a leak sits in one thing.
Audio and video are not decoded for this, so they have no scores.

Legend: n rows, m rows with usable values, d features, K classes.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

Array = NDArray[np.float64]
Look = Callable[[Any], NDArray[np.uint8] | None]
"""A raw picture -> a square thumbnail `(side, side, 3)`, or `None` where it cannot be read."""

FOLDS = 3
FEWEST = 60
"""Labelled rows with the input below which nothing is concluded."""
FEWEST_OF_CLASS = 10
MOST_CLASSES = 20
"""Classes that the quick models tell apart: the commonest."""
MOST_DIMENSIONS = 256
"""Dimensions of a vector that are looked at: the first."""
LONGEST = 2_000
"""Characters of a text that are looked at."""
WORD = r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
"""A word; each Chinese or Japanese character counts as one."""


@dataclass(frozen=True)
class Score:
    """How well one input tells a target: ROC-AUC (macro, one against the rest) or Spearman correlation.

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
    if kind not in _FEATURES:
        return None
    rows = np.flatnonzero(~np.isnan(labels) & np.array([value is not None for value in values], dtype=bool))
    features = _FEATURES[kind]([values[int(row)] for row in rows], look) if len(rows) >= FEWEST else None
    if features is None:
        return None
    labels, matrix = labels[rows][features.usable], features.matrix
    if classes:
        numbers, counts = np.unique(labels, return_counts=True)
        kept = np.isin(labels, numbers[counts >= FEWEST_OF_CLASS][:MOST_CLASSES])
        labels, matrix = labels[kept], matrix[kept]
    if len(labels) < FEWEST or len(np.unique(labels)) < 2:
        return None
    full = _cross_validate(_model(matrix, classes), matrix, labels, classes, seed)
    if features.single == "whole":
        return Score(full, full, len(labels))
    single, column = _best_single(matrix, labels, classes)
    return Score(full, single, len(labels), features.names[int(column)] if features.names else features.single)


@dataclass(frozen=True)
class _Features:
    """One input's features: `matrix (m, d)` for the `usable (n,)` rows, and what a single column is."""

    matrix: Any
    usable: NDArray[np.bool_]
    single: str
    names: Sequence[str] = ()


def _numbers(values: Sequence[Any], look: Look) -> _Features | None:
    floats = np.array([_float(value) for value in values])
    usable = np.isfinite(floats)
    return _Features(floats[usable, None], usable, "whole")


def _categories(values: Sequence[Any], look: Look) -> _Features | None:
    column = np.array([str(value) for value in values], dtype=object)[:, None]
    matrix = OneHotEncoder(max_categories=200, handle_unknown="infrequent_if_exist").fit_transform(column)
    return _Features(matrix, np.ones(len(values), dtype=bool), "whole")


def _words(values: Sequence[Any], look: Look) -> _Features | None:
    texts = [str(value)[:LONGEST] for value in values]
    vectorizer = TfidfVectorizer(token_pattern=WORD, ngram_range=(1, 2), min_df=2, max_features=20_000)
    try:
        matrix = vectorizer.fit_transform(texts)
    except ValueError:  # not one word stands in two texts
        return None
    names = [f"the word {name!r}" for name in vectorizer.get_feature_names_out()]
    return _Features(matrix, np.ones(len(texts), dtype=bool), "one word", names)


def _cells(values: Sequence[Any], look: Look) -> _Features | None:
    pictures = [look(value) for value in values]
    small = [_shrink(picture, 8).ravel() for picture in pictures if picture is not None]
    usable = np.array([picture is not None for picture in pictures], dtype=bool)
    return _Features(np.array(small), usable, "one cell of an 8 x 8 thumbnail") if small else None


def _dimensions(values: Sequence[Any], look: Look) -> _Features | None:
    rows = [_vector(value) for value in values]
    lengths = Counter(len(row) for row in rows if row is not None)
    if not lengths:
        return None
    usual = lengths.most_common(1)[0][0]
    usable = np.array([row is not None and len(row) == usual for row in rows], dtype=bool)
    kept = [row for row in rows if row is not None and len(row) == usual]
    return _Features(np.nan_to_num(np.array(kept)), usable, "one dimension")


_FEATURES: dict[str, Callable[[Sequence[Any], Look], _Features | None]] = {
    "number": _numbers,
    "category": _categories,
    "text": _words,
    "image": _cells,
    "vector": _dimensions,
}


def _model(matrix: Any, classes: bool) -> Any:
    """A quick model that suits the features: a tree for one number, else a linear one."""
    if matrix.shape[1] == 1:
        shape = {"max_leaf_nodes": 64, "min_samples_leaf": max(5, matrix.shape[0] // 200), "random_state": 0}
        return DecisionTreeClassifier(**shape) if classes else DecisionTreeRegressor(**shape)
    if isinstance(matrix, np.ndarray):
        linear = LogisticRegression(C=0.1, max_iter=100) if classes else Ridge(alpha=10)
        return make_pipeline(StandardScaler(), linear)
    return LogisticRegression(C=4, max_iter=100) if classes else Ridge(alpha=1)


def _cross_validate(model: Any, matrix: Any, labels: Array, classes: bool, seed: int) -> float:
    """The mean over folds of macro ROC-AUC, or of Spearman correlation."""
    folds = (StratifiedKFold if classes else KFold)(FOLDS, shuffle=True, random_state=seed)
    scores = []
    for train, test in folds.split(matrix, labels):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a model half converged is good enough here
            fitted = clone(model).fit(matrix[train], labels[train])
        if classes:
            areas = _areas(fitted.predict_proba(matrix[test]), _one_hot(labels[test]))  # (K, K)
            scores.append(float(areas.diagonal().mean()))
        else:
            scores.append(float(_correlations(fitted.predict(matrix[test])[:, None], labels[test])[0]))
    return float(np.mean(scores))


def _best_single(matrix: Any, labels: Array, classes: bool) -> tuple[float, int]:
    """The best score of one column of `matrix (n, d)`, and that column; for classes, each its best column."""
    dense = isinstance(matrix, np.ndarray)
    if not classes:
        scores = np.abs(_correlations(matrix, labels) if dense else _presence_correlations(matrix, labels))
        return float(scores.max()), int(scores.argmax())
    answers = _one_hot(labels)  # (n, K)
    areas = _areas(matrix, answers) if dense else _presence_areas(matrix, answers)  # (d, K)
    areas = np.maximum(areas, 1 - areas)
    return float(areas.max(0).mean()), int(areas.max(1).argmax())


def _areas(scores: Array, answers: Array) -> Array:
    """ROC-AUC of each column `(n, d)` for each class `(n, K)`, by ranks -> `(d, K)`."""
    positives = answers.sum(0)  # (K,)
    ranks = stats.rankdata(scores, axis=0)
    area: Array = (ranks.T @ answers - positives * (positives + 1) / 2) / (positives * (len(answers) - positives))
    return area


def _presence_areas(matrix: Any, answers: Array) -> Array:
    """The same where a column only says whether a word is there: one point on the curve."""
    here = (matrix > 0).astype(float).T  # (d, n)
    positives = answers.sum(0)
    area: Array = 0.5 + (here @ answers / positives - here @ (1 - answers) / (len(answers) - positives)) / 2
    return area


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


def _one_hot(labels: Array) -> Array:
    return (labels[:, None] == np.unique(labels)).astype(float)


def _shrink(picture: NDArray[np.uint8], side: int) -> Array:
    """A square thumbnail to a smaller one by averaging: `(s, s, 3) -> (side, side, 3)`."""
    step = len(picture) // side
    small: Array = picture.reshape(side, step, side, step, -1).mean((1, 3))
    return small


def _float(value: Any) -> float:
    try:
        return pd.Timestamp(value).timestamp() if isinstance(value, date) else float(value)
    except (TypeError, ValueError):
        return float("nan")


def _vector(value: Any) -> Array | None:
    """One vector, the mean over the leading axes of a sequence; `None` where the cell holds no numbers."""
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return None
    if array.ndim == 0 or array.size == 0:
        return None
    mean: Array = array.reshape(-1, array.shape[-1]).mean(0)
    return mean[:MOST_DIMENSIONS]
