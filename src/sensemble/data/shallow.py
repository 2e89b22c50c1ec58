"""Raw values -> a small table of plain features, for quick models that look at one input alone.

Legend: n values, m usable ones, d features.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import OneHotEncoder

Array = NDArray[np.float64]
Look = Callable[[Any], NDArray[np.uint8] | None]
"""A raw picture or video -> a square thumbnail `(side, side, 3)`, or `None` where it cannot be read."""

MOST_CATEGORIES = 200
"""Values of a category told apart: the commonest; the rest are one."""
MOST_DIMENSIONS = 256
"""Dimensions of a vector that are looked at: the first."""
LONGEST = 2_000
"""Characters of a text that are looked at."""
WORD = r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
"""A word; each Chinese or Japanese character counts as one."""


@dataclass(frozen=True)
class Features:
    """One input's features: `matrix (m, d)` for the `usable (n,)` rows, and what a single column is."""

    matrix: Any
    usable: NDArray[np.bool_]
    single: str
    names: Sequence[str] = ()


def _numbers(values: Sequence[Any], look: Look) -> Features | None:
    floats = np.array([_float(value) for value in values])
    usable = np.isfinite(floats)
    return Features(floats[usable, None], usable, "whole")


def _categories(values: Sequence[Any], look: Look) -> Features | None:
    column = np.array([str(value) for value in values], dtype=object)[:, None]
    matrix = OneHotEncoder(max_categories=MOST_CATEGORIES, handle_unknown="infrequent_if_exist").fit_transform(column)
    return Features(matrix, np.ones(len(values), dtype=bool), "whole")


def _words(values: Sequence[Any], look: Look) -> Features | None:
    texts = [str(value)[:LONGEST] for value in values]
    vectorizer = TfidfVectorizer(token_pattern=WORD, ngram_range=(1, 2), min_df=2, max_features=20_000)
    try:
        matrix = vectorizer.fit_transform(texts)
    except ValueError:  # not one word stands in two texts
        return None
    names = [f"the word{'s' if ' ' in name else ''} {name!r}" for name in vectorizer.get_feature_names_out()]
    return Features(matrix, np.ones(len(texts), dtype=bool), "one word", names)


def _cells(values: Sequence[Any], look: Look) -> Features | None:
    pictures = [look(value) for value in values]
    small = [shrink(picture, 8).ravel() for picture in pictures if picture is not None]
    usable = np.array([picture is not None for picture in pictures], dtype=bool)
    return Features(np.array(small), usable, "one cell of an 8 x 8 thumbnail") if small else None


def _dimensions(values: Sequence[Any], look: Look) -> Features | None:
    rows = [_vector(value) for value in values]
    lengths = Counter(len(row) for row in rows if row is not None)
    if not lengths:
        return None
    usual = lengths.most_common(1)[0][0]
    usable = np.array([row is not None and len(row) == usual for row in rows], dtype=bool)
    kept = [row for row in rows if row is not None and len(row) == usual]
    return Features(np.nan_to_num(np.array(kept)), usable, "one dimension")


def shrink(picture: NDArray[Any], side: int) -> Array:
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
        array = np.asarray(json.loads(value) if isinstance(value, str) else value, dtype=float)
    except (TypeError, ValueError):
        return None
    if array.ndim == 0 or array.size == 0:
        return None
    mean: Array = array.reshape(-1, array.shape[-1]).mean(0)
    return mean[:MOST_DIMENSIONS]


FEATURES: dict[str, Callable[[Sequence[Any], Look], Features | None]] = {
    "number": _numbers,
    "category": _categories,
    "text": _words,
    "image": _cells,
    "vector": _dimensions,
    "video": _cells,
}
"""How each kind of input is turned into features; kinds that are not here have none."""
