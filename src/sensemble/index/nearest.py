"""The k nearest of many vectors, in blocks: little more than the matrix product, in bounded memory.

Within a block, the largest score of each group of 16 rows is kept. The k best rows lie in the k best groups, so only
those are looked at again. The work does not depend on the order of the rows.

Legend: n rows, q queries, D dimensions, b rows of a block, g groups, c candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .base import Vectors
from .where import Flags

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]

BLOCK = 2_048
"""Rows whose scores are made at once, so that they stay in the processor's cache."""
GROUP = 16
MOST = 2**24
"""Group scores kept at once: 64 MiB. More queries are taken in turns."""
TOGETHER = 256
"""Queries taken at once."""
BLUR = 1e-5
"""What float32 products may differ by from the true cosine, or from each other in another order."""


class Scorer(Protocol):
    """Scores of rows for some queries, the higher the nearer."""

    def __call__(self, rows: slice | Rows, queries: slice, out: Scores) -> None:
        """Writes `(b, q)` scores."""


class Cosine:
    """Scores by float vectors.

    Args:
        matrix: `(n, D)`; narrower numbers are converted block by block.
        queries: `(q, D)`.
    """

    def __init__(self, matrix: NDArray[np.float32] | NDArray[np.int8], queries: Vectors) -> None:
        self._matrix, self._queries = matrix, queries

    def __call__(self, rows: slice | Rows, queries: slice, out: Scores) -> None:
        block = np.asarray(self._matrix[rows]).astype(np.float32, copy=False)
        np.matmul(block, self._queries[queries].T, out=out)  # (b, D) (D, q) -> (b, q)


def nearest(score: Scorer, num_rows: int, num_queries: int, k: int, allowed: Flags | Rows | None = None) -> list[Rows]:
    """For each query the rows of its k best scores, and all others within `BLUR` of the k-th.

    Args:
        score: gives the scores.
        num_rows: n.
        num_queries: q.
        k: how many are wanted; fewer come back where fewer are allowed.
        allowed: `(n,)` which rows may be found, or their numbers; `None` allows all.
    """
    mask: Flags | None = None
    chosen: Rows | None = None
    if allowed is not None and allowed.dtype == np.bool_:
        mask = allowed.astype(np.bool_, copy=False)
        if np.count_nonzero(mask) < num_rows / 4:  # gathering them costs less than scoring all
            mask, chosen = None, np.flatnonzero(allowed)
    elif allowed is not None:
        chosen = allowed.astype(np.int64, copy=False)
    count = num_rows if chosen is None else len(chosen)
    if not count or k < 1:
        return [np.zeros(0, dtype=np.int64)] * num_queries
    group = GROUP if k * GROUP * 2 < count else 1
    blocks = -(-count // BLOCK)
    together = max(1, min(TOGETHER, MOST // (blocks * BLOCK // group)))
    found: list[Rows] = []
    for start in range(0, num_queries, together):
        queries = slice(start, min(start + together, num_queries))
        found += _nearest(score, count, queries, k, mask, chosen, group)
    return found


def _nearest(
    score: Scorer, count: int, queries: slice, k: int, mask: Flags | None, chosen: Rows | None, group: int
) -> Iterator[Rows]:
    num = queries.stop - queries.start
    each = BLOCK // group  # groups of a block; a group's rows lie `each` apart
    blocks = -(-count // BLOCK)
    best: Scores = np.empty((blocks * each, num), dtype=np.float32)  # (g, q)
    scores: Scores = np.empty((BLOCK, num), dtype=np.float32)
    for number in range(blocks):
        start, end = number * BLOCK, min(number * BLOCK + BLOCK, count)
        score(slice(start, end) if chosen is None else chosen[start:end], queries, scores[: end - start])
        scores[end - start :] = -np.inf
        if mask is not None:
            scores[: end - start] += np.where(mask[start:end], np.float32(0), np.float32(-np.inf))[:, None]
        scores.reshape(group, each, num).max(0, out=best[number * each : (number + 1) * each])
    steps = np.arange(group, dtype=np.int64) * each
    for place, own in enumerate(np.ascontiguousarray(best.T)):  # (q, g)
        groups = np.flatnonzero(own >= _kth(own, k) - BLUR)
        rows = (groups // each * BLOCK + groups % each)[:, None] + steps  # (c / 16, 16)
        rows = rows.ravel()
        rows = rows[rows < count]
        if mask is not None:
            rows = rows[mask[rows]]
        rows = rows if chosen is None else chosen[rows]
        query = slice(queries.start + place, queries.start + place + 1)
        again: Scores = np.empty((len(rows), 1), dtype=np.float32)
        for start in range(0, len(rows), BLOCK):
            score(rows[start : start + BLOCK], query, again[start : start + BLOCK])
        yield rows[again[:, 0] >= _kth(again[:, 0], k) - BLUR]


def _kth(scores: Scores, k: int) -> float:
    """The k-th largest score; minus infinity where there are fewer."""
    if k >= len(scores):
        return -np.inf
    return float(np.partition(scores, len(scores) - k)[len(scores) - k])


def cosines(matrix: Vectors, rows: Rows, query: Vectors) -> NDArray[np.float64]:
    """`(c,)` cosines of some rows and one query, in double precision: equal vectors have equal scores, wherever."""
    exact: NDArray[np.float64] = np.empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        block = matrix[rows[start : start + BLOCK]].astype(np.float64)
        exact[start : start + BLOCK] = (block * query.astype(np.float64)).sum(1)
    return exact
