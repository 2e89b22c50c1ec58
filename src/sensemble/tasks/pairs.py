"""Which rows belong together: labels of retrieval, as numbers that are equal where rows show the same.

Legend: n rows, G entries of a gallery, K = 3 numbers a row: of its query, of its candidate, and of the column `same`;
a fourth may follow, the candidate's share of all rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from ..data.equal import duplicate_keys
from ..data.table import Table
from ..metrics.base import Array
from ..tokens import Tokens

SIDES = ("query", "candidate")
BLOCK = 1 << 22
"""Scores that are held at once."""
WHOLE = 1 << 40
"""The share of all rows, as labels are whole numbers."""


def collate(table: Table, columns: Sequence[Sequence[str]], same: str | None) -> Tokens:
    """The labels `(n, 3)`; a side is masked in rows that lack it, and all is in rows that lack both.

    Args:
        table: the rows.
        columns: of queries, and of candidates. Equal files are one value, whatever their names.
        same: column whose equal values make rows belong together.
    """
    values, masks = [], []
    for names in columns:
        known = [name for name in names if name in table.columns]
        cells = [table.column(name) for name in known]
        masks.append(
            [any(cell is not None for cell in row) for row in zip(*cells, strict=True)] or [False] * len(table)
        )
        values.append(duplicate_keys(table, known) if known else np.zeros(len(table), dtype=np.int64))
    if same is not None and same in table.columns:
        masks.append([value is not None for value in table.column(same)])
        values.append(duplicate_keys(table, [same], files=False))
    else:
        masks.append([False] * len(table))
        values.append(np.zeros(len(table), dtype=np.int64))
    mask = torch.tensor(masks, dtype=torch.bool).view(3, len(table)).T.contiguous()
    mask = mask & mask[:, :2].any(1, keepdim=True)
    return Tokens(torch.from_numpy(np.stack(values, 1)), mask)


def with_shares(target: Tokens) -> Tokens:
    """`(n, 3) -> (n, 4)`: adds the share of the rows that show the row's candidate, in parts of `WHOLE`."""
    values, here = target.values[:, 1], target.mask[:, 1]
    _, codes, counts = np.unique(values[here].numpy(), return_inverse=True, return_counts=True)
    share = torch.zeros_like(values)
    share[here] = torch.from_numpy(counts[codes] * WHOLE // max(1, len(codes)))
    return Tokens(torch.cat([target.values, share.unsqueeze(1)], 1), torch.cat([target.mask, here.unsqueeze(1)], 1))


def shares(target: Tokens) -> Tensor:
    """`(B,)` the share of all rows that show each row's candidate, as `with_shares` wrote it; 1 without a candidate."""
    return (target.values[:, 3].double() / WHOLE).float().masked_fill(~target.mask[:, 3], 1)


def alike(target: Tokens, more: Tokens | None = None) -> Tensor:
    """`(B, B)` bool: which rows of a batch are right for each other, each for itself among them.

    Args:
        target: labels `(B, 3)`.
        more: labels `(C, 3)` that begin with the batch's own: then `(B, C)`.
    """
    more = target if more is None else more
    equal = target.values[:, None, :3] == more.values[None, :, :3]  # (B, C, K)
    known = target.mask[:, None, :3] & more.mask[None, :, :3]
    return (equal & known).any(2) | torch.eye(len(target), len(more), dtype=torch.bool, device=equal.device)


@dataclass(frozen=True)
class Ranked(Sequence[Array]):
    """Vectors, and what a second look at the nearest rows says of these: they come first, in its order.

    Where vectors are all that is asked for, it is an array of these.

    Args:
        vectors: `(n, 2, E)`.
        rows: `(n, 2, N)` whole numbers, the rows nearest to each row's query and to its candidate; -1 where none is.
        odds: `(n, 2, N)` log odds that they belong together.
    """

    vectors: NDArray[np.float32]
    rows: NDArray[np.int64]
    odds: Array

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, place: Any) -> Any:
        return self.vectors[place]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.vectors, dtype=dtype) if copy else np.asarray(self.vectors, dtype=dtype)

    def lift(self, scores: Array, row: int, ask: int, places: NDArray[np.int64]) -> None:
        """Puts what was looked at again above all others, in place.

        Args:
            scores: `(G,)` of the entries, for the query of a row.
            row: the row.
            ask: side of the query.
            places: `(n,)` the entry that each row shows.
        """
        seen = self.rows[row, ask] >= 0
        entries, odds = places[self.rows[row, ask, seen]], self.odds[row, ask, seen]
        if len(entries):
            over = np.max(scores, initial=0.0, where=np.isfinite(scores)) + 1
            scores[entries] = -np.inf
            np.maximum.at(scores, entries, over + odds - odds.min())


class Gallery(NamedTuple):
    """What one side's rows are ranked against: the other side's distinct values.

    Args:
        rows: `(G,)` the first row that shows each entry.
        right: `(n, G)` sparse, which entries are right for each row's query.
        share: `(n,)` how much each row's query counts: equal ones share one count; 0 without a query.
        places: `(n,)` the entry that each row shows; -1 where it shows none.
    """

    rows: NDArray[np.int64]
    right: sparse.csr_matrix
    share: Array
    places: NDArray[np.int64]


def gallery(target: Tokens, side: str) -> Gallery:
    """The gallery for the queries of a side.

    An entry is right for a row that shows it, and for the rows that have the same query or the same `same` as such a
    row.

    Args:
        target: labels `(n, 3)`.
        side: `query` ranks candidates, `candidate` ranks queries.
    """
    ask, give = (0, 1) if side == SIDES[0] else (1, 0)
    values, mask = target.values.cpu().numpy(), target.mask.cpu().numpy()
    places, entries = np.full(len(values), -1), np.unique(values[mask[:, give], give], return_index=True)
    rows = np.flatnonzero(mask[:, give])[entries[1]]
    places[mask[:, give]] = np.searchsorted(entries[0], values[mask[:, give], give])
    shown = _incidence(places, len(rows))  # (n, G)
    right = shown
    for column in (ask, 2):
        codes = np.full(len(values), -1)
        codes[mask[:, column]] = np.unique(values[mask[:, column], column], return_inverse=True)[1]
        groups = _incidence(codes, int(codes.max(initial=-1)) + 1)  # (n, groups)
        right = right + groups @ (groups.T @ shown)
    here = mask[:, ask]
    counts = np.unique(values[here, ask], return_inverse=True, return_counts=True)
    share = np.zeros(len(values))
    share[here] = 1 / counts[2][counts[1]]
    return Gallery(rows, sparse.csr_matrix(right), share, places)


def blocks(answers: Sequence[Any] | Array, entries: Gallery, side: str) -> Iterator[tuple[Array, NDArray[np.bool_]]]:
    """Scores and right entries of a side's queries, a few rows at a time, against the whole gallery.

    A query without a vector scores all alike; an entry without one comes last.

    Args:
        answers: `(n, 2, D)`, NaN where a side is missing; or `Ranked`.
        entries: the gallery for the side's queries.
        side: of the queries.
    """
    again = answers if isinstance(answers, Ranked) else None
    answers = np.asarray(answers)
    ask, give = (0, 1) if side == SIDES[0] else (1, 0)
    keys = answers[entries.rows, give].astype(np.float64)  # (G, D)
    gone = np.asarray(np.isnan(keys).any(axis=1))
    keys = np.where(gone[:, None], 0, keys)
    step = max(1, BLOCK // max(1, len(keys)))
    for start in range(0, len(answers), step):
        rows = slice(start, start + step)
        queries = answers[rows, ask].astype(np.float64)
        blind = np.asarray(np.isnan(queries).any(axis=1))
        scores = np.where(blind[:, None], 0, queries) @ keys.T  # (b, G)
        scores[:, gone] = -np.inf
        if again is not None:
            for place, found in enumerate(scores, start):
                again.lift(found, place, ask, entries.places)
        scores[blind] = 0
        yield scores, _dense(entries.right, rows)


def _dense(matrix: sparse.csr_matrix, rows: slice) -> NDArray[np.bool_]:
    part: Any = matrix
    return np.asarray(part[rows].toarray(), dtype=bool)


def _incidence(codes: NDArray[np.integer], size: int) -> sparse.csr_matrix:
    """`(n, size)`: a one in each row at its code, none where that is negative."""
    rows = np.flatnonzero(codes >= 0)
    return sparse.csr_matrix((np.ones(len(rows)), (rows, codes[rows])), shape=(len(codes), size))
