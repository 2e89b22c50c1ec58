"""What an index refuses: vectors that are not unit vectors of its size, ids given twice, columns of other kinds.

Legend: n entries, q queries, D dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import DataError
from .base import Vectors

OFF = 1e-3
"""How far from 1 the length of a unit vector may be: half-precision networks round."""


def check_entries(
    ids: Sequence[str], vectors: Any, columns: Sequence[Mapping[str, Any]], dim: int
) -> tuple[list[str], Vectors, list[dict[str, Any]]]:
    """What `Index.add` was given, in plain types; missing cells (None, NaN) are left out.

    Raises:
        DataError: says what is wrong, and with which entry.
    """
    ids = list(ids)
    rows = check_vectors(vectors, dim, [f"the vector of {each!r}" for each in ids])
    if len(columns) != len(ids):
        raise DataError(f"an index got {len(ids)} ids, but columns of {len(columns)} entries")
    seen: set[str] = set()
    for each in ids:
        if not isinstance(each, str) or not each:
            raise DataError(f"an id is a text of one letter or more, not {each!r}")
        if each in seen:
            raise DataError(f"the id {each!r} is given twice; ids tell entries apart")
        seen.add(each)
    return ids, rows, [_plain(each, cells) for each, cells in zip(ids, columns, strict=True)]


def check_vectors(vectors: Any, dim: int, names: Sequence[str] | None = None) -> Vectors:
    """`(n, D)` finite float32 of length 1.

    Args:
        names: of the vectors, for messages.

    Raises:
        DataError: names the first vector that is something else.
    """
    rows: Vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    count = len(rows) if names is None else len(names)
    if rows.ndim != 2 or len(rows) != count or (rows.shape[1] != dim and count):
        shape = " x ".join(map(str, rows.shape))
        raise DataError(f"an index of {dim} dimensions needs vectors of {count} x {dim}, not {shape}")
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
        bad = np.flatnonzero(~(np.abs(lengths - 1) <= OFF))
    if len(bad):
        name = f"vector {bad[0]}" if names is None else names[bad[0]]
        what = f"has length {lengths[bad[0]]:.4g}" if math.isfinite(lengths[bad[0]]) else "is not finite"
        raise DataError(f"{name} {what}: an index takes unit vectors (divide each by its length)")
    return rows


def _plain(name: str, cells: Mapping[str, Any]) -> dict[str, Any]:
    plain = {}
    for key, value in cells.items():
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or (isinstance(value, float) and math.isnan(value)):
            continue
        if not isinstance(value, str | int | float) or (isinstance(value, float) and math.isinf(value)):
            raise DataError(f"{name!r}, column {key!r}: an index keeps texts, finite numbers and truth values")
        plain[str(key)] = value
    return plain
