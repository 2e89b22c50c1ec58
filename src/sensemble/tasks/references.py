"""Target texts as labels: one or more references a row, as ids after each other.

Legend: n rows, B batch, K ids of a row's references, T ids of one reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.table import Table, is_missing
from ..decoders.base import END
from ..errors import DataError, Unreadable
from ..modalities.text import Text
from ..tokens import Tokens
from .labels import label_text

LONGEST = 4096
"""Tokens of a reference that are kept: scores see it whole up to here, learning sees its first `length`."""
FIT_SAMPLE = 50_000
"""Texts from which the vocabulary is learned."""


class References:
    """Reads target columns, and turns them into ids and back.

    A row of labels `(K,)` holds the ids of its references, each with `END` after it. So the texts can be had from the
    labels again, whole, and a task needs nothing else to be scored.

    Args:
        columns: of texts; a cell may be a list of texts. All of a row's texts are its references.
        vocab: most ids there may be.
        length: most tokens of a text to learn; what is beyond is cut, and then has no `END`.

    >>> from sensemble.data.read import read
    >>> table = read([{"a": "red", "b": ["rouge", "Red"]}, {"a": "blue", "b": None}])
    >>> references = References(["a", "b"], vocab=300, length=8).fit(table)
    >>> references.texts(references.collate(table))
    [['red', 'rouge', 'Red'], ['blue']]
    """

    def __init__(self, columns: Sequence[str], *, vocab: int, length: int) -> None:
        self.columns = list(columns)
        self.also: list[str] = []
        self.length = length
        self.text = Text(vocab=vocab, length=LONGEST)
        self._last: tuple[Tokens, list[list[str]]] | None = None

    @property
    def num_tokens(self) -> int:
        """How many ids there are, `END` included."""
        return self.text.num_tokens

    def toward(self, columns: Sequence[str]) -> References:
        """References in other columns, with the same vocabulary."""
        other = References(columns, vocab=self.text.vocab, length=self.length)
        other.text = self.text
        return other

    def fit(self, table: Table) -> References:
        """Learns the vocabulary from the training rows, and from the columns `also` of theirs. Returns self.

        Raises:
            DataError: no row has a text.
        """
        texts = [text for row in self.read(table) for text in row]
        if not texts:
            raise DataError(f"{table.name}, column {self.columns[0]!r}: no training row has a text to learn")
        texts += [text for row in self.toward(self.also).read(table) for text in row]
        if len(texts) > FIT_SAMPLE:
            texts = [texts[place] for place in np.linspace(0, len(texts) - 1, FIT_SAMPLE).astype(int)]
        self.text.fit(texts)
        return self

    def read(self, table: Table) -> list[list[str]]:
        """Every row's references; none where all its cells are empty.

        Raises:
            DataError: a cell that holds no text; names row and column.
        """
        rows: list[list[str]] = [[] for _ in range(len(table))]
        for name in self.columns:
            for index, cell in enumerate(table.column(name)):
                several = isinstance(cell, list | tuple | set | np.ndarray)
                for value in cell if several else [cell]:
                    if isinstance(value, str):  # nearly all are, and there are many
                        if text := value.strip():
                            rows[index].append(text)
                        continue
                    if is_missing(value):
                        continue
                    if isinstance(value, bytes | Mapping) or (hasattr(value, "__array__") and np.ndim(value)):
                        raise DataError(
                            f"{table.name}, row {table.row(index)}, column {name!r}: a {type(value).__name__} is no "
                            "text to learn; name a column of texts or of lists of texts"
                        )
                    rows[index].append(label_text(value))
        return rows

    def collate(self, table: Table) -> Tokens | None:
        """The labels `(n, K)`; `None` where the table has no target."""
        if any(name not in table.columns for name in self.columns):
            return None
        rows = [tuple(row) for row in self.read(table)]
        places = {row: place for place, row in enumerate(dict.fromkeys(rows))}  # answers repeat
        ids = iter(self.encode(text for row in places for text in row))
        flat = [torch.tensor([token for _ in row for token in (*next(ids), END)], dtype=torch.int32) for row in places]
        distinct = Tokens.stack([row if len(row) else None for row in flat], shape=(), dtype=torch.int32)
        return distinct[torch.tensor([places[row] for row in rows], dtype=torch.long)]

    def own(self, target: Tokens) -> Tokens:
        """The labels without what a task may have packed beside them."""
        return target

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """Texts -> their ids, `END` not among them."""
        texts = list(texts)
        distinct = list(dict.fromkeys(texts))  # answers and candidates repeat
        found = self.text.load_many(distinct)
        ids = [[] if isinstance(each, Unreadable) else each[each != END].tolist() for each in found]
        known = dict(zip(distinct, ids, strict=True))
        return [known[text] for text in texts]

    def decode(self, ids: Iterable[int] | Tensor) -> str:
        """Ids -> text."""
        return self.text.decode(ids)

    def texts(self, target: Tokens) -> list[list[str]]:
        """Every row's references again; the last target's are kept at hand, as it is scored many times."""
        if self._last is None or self._last[0] is not target:
            self._last = target, [[self.decode(ids) for ids in row] for row in self.ids(target)]
        return self._last[1]

    def ids(self, target: Tokens) -> list[list[list[int]]]:
        """Every row's references as ids, `END` not among them."""
        result = []
        for row, mask in zip(target.values.tolist(), target.mask.sum(1).tolist(), strict=True):
            references: list[list[int]] = [[]]
            for token in row[:mask]:
                if token == END:
                    references.append([])
                else:
                    references[-1].append(token)
            result.append(references[:-1])
        return result

    def one(self, target: Tokens, *, draw: bool) -> Tokens:
        """One reference a row to learn: `(B, K)` -> `(B, T)` ids with `END`, at most `length` of them.

        Args:
            target: labels.
            draw: one of a row's references at random; else its first.
        """
        stops = (target.values == END) & target.mask  # (B, K)
        which = stops.cumsum(1) - stops.long()  # which reference each id belongs to
        chosen = torch.zeros(len(target), dtype=torch.long, device=which.device)
        if draw:
            many = stops.sum(1)
            chosen = (torch.rand(len(target)).to(which.device) * many).long().clamp(max=(many - 1).clamp(min=0))
        own = target.mask & (which == chosen.unsqueeze(1))
        sizes = own.sum(1).clamp(max=self.length)  # (B,)
        steps = torch.arange(max(int(sizes.max()), 1), device=which.device)
        mask = steps < sizes.unsqueeze(1)  # (B, T)
        places = own.long().argmax(1, keepdim=True) + steps
        values = target.values.gather(1, torch.where(mask, places, 0)).long()
        return Tokens(values, mask).clean()

    def every(self, target: Tokens) -> tuple[Tokens, Tensor]:
        """All references of all rows: `(B, K)` -> ids `(S, T)`, cut, without `END`; and which row's each is, `(S,)`."""
        stops = (target.values == END) & target.mask  # (B, K)
        which = stops.flatten().cumsum(0).view_as(stops) - stops.long()  # which of all references each id belongs to
        rows = torch.arange(len(stops), device=stops.device)
        owners = rows.repeat_interleave(stops.sum(1))  # (S,)
        own = target.mask & ~stops
        numbers, ids = which[own], target.values[own].long()
        sizes = torch.bincount(numbers, minlength=len(owners))
        steps = torch.arange(len(ids), device=ids.device) - (sizes.cumsum(0) - sizes)[numbers]
        kept = steps < self.length
        longest = max(int(sizes.clamp(max=self.length).max()) if len(sizes) else 1, 1)
        values = ids.new_zeros(len(owners), longest)
        mask = torch.zeros_like(values, dtype=torch.bool)
        values[numbers[kept], steps[kept]], mask[numbers[kept], steps[kept]] = ids[kept], True
        return Tokens(values, mask), owners

    def state(self) -> dict[str, Any]:
        return self.text.state()

    def restore(self, state: dict[str, Any]) -> References:
        self.text.restore(state)
        return self
