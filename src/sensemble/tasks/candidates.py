"""A row's candidates as labels: which one is right, how well each would do, and what they say.

Legend: n rows, C candidates of a row, G grades that the table's longest row has, K numbers of a row, S candidates of
all rows, T tokens of a candidate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.table import Table
from ..errors import DataError
from ..metrics.base import Array
from ..tokens import Tokens
from .references import References

UNKNOWN = -1
"""Place of the right candidate where it is not known."""
FRONT = 2
"""Numbers before a row's grades: the right candidate's place, and G."""


class Candidates:
    """Reads the columns of candidates, and turns them into labels and back.

    A row of labels `(K,)` holds the right candidate's place, how many grades follow, these grades (the bits of floats;
    masked where there are none), and the candidates' ids, each with `END` after it. So a task needs nothing else to
    rank and to be scored.

    Args:
        target: column of the right candidate: its text, or its place counted from 0.
        candidates: column of candidates: lists of texts, or texts parted by `separator`.
        relevance: column of lists of grades, one a candidate; `None` for none. A table may lack it.
        separator: between candidates in one text.
        vocab: most ids there may be.
        length: most tokens of a candidate; what is beyond is cut.
    """

    def __init__(
        self, target: str, candidates: str, relevance: str | None, *, separator: str, vocab: int, length: int
    ) -> None:
        self.target = target
        self.candidates = candidates
        self.relevance = relevance
        self.separator = separator
        self.references = References([candidates], vocab=vocab, length=length)

    def fit(self, table: Table) -> None:
        """Learns the vocabulary.

        Raises:
            DataError: nothing to learn.
        """
        self.references.fit(self._split(table))
        target = self.collate(table)
        if target is None or not bool(target.present.any()):
            raise DataError(f"{table.name}, column {self.target!r}: no training row says which candidate is right")

    def read(self, table: Table) -> list[list[str]]:
        """Each row's candidates.

        Raises:
            DataError: an empty candidate, or one that is no text.
        """
        return self.references.read(self._split(table))

    def collate(self, table: Table) -> Tokens | None:
        """Labels `(n, K)`; `None` where the table lacks the columns."""
        if self.target not in table.columns or self.candidates not in table.columns:
            return None
        rows = self.read(table)
        places = torch.tensor([self._place(table, row, texts) for row, texts in enumerate(rows)], dtype=torch.int32)
        grades = Tokens.stack(self._grades(table, rows), shape=(), dtype=torch.int32)
        return self._pack(table, places, grades, places != UNKNOWN)

    def given(self, table: Table) -> Tokens:
        """As `collate`, but all that is said of a row are its candidates."""
        unknown = torch.full((len(table),), UNKNOWN, dtype=torch.int32)
        return self._pack(table, unknown, Tokens.stack([None] * len(table), shape=(), dtype=torch.int32), unknown < 0)

    def places(self, labels: Tokens) -> Tensor:
        """`(n,)` which candidate is the right one."""
        return labels.values[:, 0].long()

    def grades(self, labels: Tokens) -> list[Array | None]:
        """Each row's grades, `None` where it has none."""
        block = labels.values[:, FRONT : self._start(labels)].contiguous().view(torch.float32).double().numpy()
        mask = labels.mask[:, FRONT : self._start(labels)].numpy()
        return [row[real] if real.any() else None for row, real in zip(block, mask, strict=True)]

    def texts(self, labels: Tokens) -> list[list[str]]:
        """Each row's candidates."""
        return self.references.texts(self._ids(labels))

    def every(self, labels: Tokens) -> tuple[Tokens, Tensor]:
        """All candidates' ids `(S, T)`, and which row each belongs to, `(S,)`."""
        return self.references.every(self._ids(labels))

    def sizes(self, labels: Tokens) -> Tensor:
        """`(n,)` how many candidates each row has."""
        return torch.bincount(self.every(labels)[1], minlength=len(labels))

    def _pack(self, table: Table, places: Tensor, grades: Tokens, known: Tensor) -> Tokens:
        ids = self.references.collate(self._split(table))
        assert ids is not None
        known = (known & ids.present).unsqueeze(1)
        count = torch.full((len(table), 1), grades.values.shape[1], dtype=torch.int32)
        values = torch.cat([places.unsqueeze(1), count, grades.values, ids.values], 1)
        return Tokens(values, torch.cat([known, known, grades.mask & known, ids.mask & known], 1))

    def _start(self, labels: Tokens) -> int:
        """Where the candidates' ids begin."""
        return FRONT + (int(labels.values[0, 1]) if len(labels) else 1)

    def _ids(self, labels: Tokens) -> Tokens:
        start = self._start(labels)
        return Tokens(labels.values[:, start:], labels.mask[:, start:])

    def _split(self, table: Table) -> Table:
        """The table with its candidates as lists.

        Raises:
            DataError: an empty candidate, which would shift the places of those after it.
        """
        cells = []
        for row, cell in enumerate(table.column(self.candidates)):
            texts = [part.strip() for part in cell.split(self.separator)] if isinstance(cell, str) else cell
            if texts is not None and any(text is None or not str(text).strip() for text in texts):
                raise DataError(
                    f"{table.name}, row {table.row(row)}, column {self.candidates!r}: candidate "
                    f"{[bool(text and str(text).strip()) for text in texts].index(False)} is empty"
                )
            cells.append(texts)
        frame = table.frame.copy(deep=False)
        frame[self.candidates] = np.array([*cells, None], dtype=object)[:-1]
        return Table(frame, table.root, table.name)

    def _place(self, table: Table, row: int, texts: list[str]) -> int:
        """Where a row's right candidate stands."""
        cell = table.column(self.target)[row]
        if cell is None or not texts:
            return UNKNOWN
        if isinstance(cell, str) and cell.strip() in texts:
            return texts.index(cell.strip())
        try:
            place = int(float(cell))
        except (TypeError, ValueError):
            place = UNKNOWN
        if not 0 <= place < len(texts):
            raise DataError(
                f"{table.name}, row {table.row(row)}, column {self.target!r}: {str(cell)!r} is neither one of the "
                f"row's {len(texts)} candidates nor the place of one, counted from 0"
            )
        return place

    def _grades(self, table: Table, rows: list[list[str]]) -> list[Tensor | None]:
        """Each row's grades as the bits of floats."""
        if self.relevance is None or self.relevance not in table.columns:
            return [None] * len(table)
        result: list[Tensor | None] = []
        for row, (cell, texts) in enumerate(zip(table.column(self.relevance), rows, strict=True)):
            if cell is None or not texts:
                result.append(None)
                continue
            where = f"{table.name}, row {table.row(row)}, column {self.relevance!r}"
            parts: Any = cell.split(self.separator) if isinstance(cell, str) else cell
            try:
                grades = np.asarray([float(each) for each in parts])
            except (TypeError, ValueError):
                raise DataError(f"{where}: {cell!r} is no list of numbers, one a candidate") from None
            if len(grades) != len(texts):
                raise DataError(f"{where}: {len(grades)} grades for {len(texts)} candidates")
            if not (np.isfinite(grades) & (grades >= 0)).all():
                raise DataError(f"{where}: grades are numbers from 0, not {cell!r}")
            result.append(torch.tensor(grades, dtype=torch.float32).view(torch.int32))
        return result
