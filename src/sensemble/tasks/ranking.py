"""Candidates beside the texts to learn: a generating model ranks them by how likely it finds each.

Legend: n rows, B batch, K ids of a row, R ids of the row with the longest references, S candidates of all rows,
T tokens of a candidate, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from ..data.table import Table
from ..decoders.base import END, Decoder
from ..errors import ConfigError, DataError
from ..metrics.base import Array, Metric
from ..metrics.ranking import ranking_metrics
from ..tokens import Tokens
from .base import Answers
from .candidates import Candidates
from .language import log_probability
from .references import References
from .writing import Answer

RANKS = tuple(ranking_metrics(np.zeros((1, 2)), [0]))
"""Scores of rankings, by name."""
MOST = 1024
"""Candidates that are scored at a time."""


class Ranking(References):
    """References, and in the same labels each row's candidates; rows and whole tables may lack them.

    A row of labels `(K,)` holds R, then R ids of references, and then the candidates as `Candidates` packs them. A
    candidate's score is the logarithm of the probability that the model writes it, its end included, as generating
    models of dialogue are scored (Das et al., "Visual Dialog", 2017). Nothing is learned from the wrong ones.

    Args:
        columns: the one column of texts to learn.
        candidates: column of candidates: lists of texts, or texts parted by `separator`.
        separator: between candidates in one text.
        vocab: most ids there may be.
        length: most tokens of a text to learn, and of a candidate; what is beyond is cut.

    Raises:
        ConfigError: several columns of texts.
    """

    def __init__(
        self, columns: Sequence[str], candidates: str, *, separator: str = "|", vocab: int, length: int
    ) -> None:
        super().__init__(columns, vocab=vocab, length=length)
        if len(columns) != 1:
            raise ConfigError(f"task.candidates: one of them is the target, so name one target, not {len(columns)}")
        self.candidates = Candidates(columns[0], candidates, None, separator=separator, vocab=vocab, length=length)
        self.candidates.references.text = self.text  # one vocabulary
        self._seen: tuple[Tokens, list[list[str]]] | None = None

    def collate(self, table: Table) -> Tokens | None:
        """The labels `(n, K)`; `None` where the table has no target.

        Raises:
            DataError: a row's target is none of its candidates.
        """
        own = super().collate(table)
        if own is None:
            return None
        if self.candidates.candidates in table.columns:
            for row, (right, options) in enumerate(zip(self.read(table), self.candidates.read(table), strict=True)):
                if right and options and not set(right) & set(options):
                    raise DataError(
                        f"{table.name}, row {table.row(row)}, column {self.columns[0]!r}: {right[0]!r} is none of the "
                        f"row's {len(options)} candidates"
                    )
        return self._pack(table, own)

    def given(self, table: Table) -> Tokens | None:
        """As `collate`, but all that is said of a row are its candidates; `None` where the table has none."""
        if self.candidates.candidates not in table.columns:
            return None
        return self._pack(table, None)

    def own(self, target: Tokens) -> Tokens:
        """The labels without the candidates."""
        return Tokens(target.values[:, 1 : self._start(target)], target.mask[:, 1 : self._start(target)])

    def ids(self, target: Tokens) -> list[list[list[int]]]:
        return super().ids(self.own(target))

    def one(self, target: Tokens, *, draw: bool) -> Tokens:
        return super().one(self.own(target), draw=draw)

    def options(self, target: Tokens) -> list[list[str]]:
        """Each row's candidates; the last labels' are kept at hand, as they are scored many times."""
        if self._seen is None or self._seen[0] is not target:
            self._seen = target, self.candidates.texts(self._rest(target))
        return self._seen[1]

    def places(self, target: Tokens) -> NDArray[np.int64]:
        """`(n,)` which candidate is right: the first that is one of the row's references; -1 where none is."""
        pairs = zip(self.options(target), self.texts(target), strict=True)
        found = [[place for place, text in enumerate(row) if text in right] for row, right in pairs]
        return np.array([places[0] if places else -1 for places in found], dtype=np.int64)

    def scores(self, decoder: Decoder, fused: Tokens, target: Tokens) -> list[Array]:
        """The log-probability of each row's candidates: fused `(B, T', D)` -> B rows, empty where there are none."""
        ids, owners = self.candidates.every(self._rest(target))  # (S, T), (S,)
        wanted = self._ended(ids)
        found: list[float] = []
        for rows in torch.split(torch.arange(len(owners), device=owners.device), MOST):
            found += log_probability(decoder, fused[owners[rows]], wanted[rows])
        sizes = torch.bincount(owners, minlength=len(fused)).tolist()
        each = iter(found)
        return [np.array([next(each) for _ in range(size)], dtype=np.float64) for size in sizes]

    def metrics(self, answers: Answers, target: Tokens) -> dict[str, Metric]:
        """Where the right candidate comes. An answer without scores puts the candidate that it says first."""
        options = self.options(target)
        scores = [
            np.array([float(text == each.text) for text in row]) if each.scores is None else each.scores
            for each, row in zip(answers, options, strict=True)
        ]
        return ranking_metrics(scores, self.places(target))

    def _pack(self, table: Table, own: Tokens | None) -> Tokens:
        rows = len(table)
        own = own or Tokens(torch.zeros(rows, 0, dtype=torch.int32), torch.zeros(rows, 0, dtype=torch.bool))
        size = torch.full((rows, 1), own.mask.shape[1], dtype=torch.int32)
        if self.candidates.candidates not in table.columns:
            return Tokens(torch.cat([size, own.values], 1), torch.cat([own.present.unsqueeze(1), own.mask], 1))
        rest = self.candidates.given(table)
        known = own.present if own.mask.shape[1] else rest.present
        mask = torch.cat([known.unsqueeze(1), own.mask, rest.mask & known.unsqueeze(1)], 1)
        return Tokens(torch.cat([size, own.values, rest.values], 1), mask)

    def _start(self, target: Tokens) -> int:
        """Where the candidates begin."""
        return 1 + (int(target.values[:, 0].max()) if len(target) else 0)

    def _rest(self, target: Tokens) -> Tokens:
        """The candidates as `Candidates` packs them."""
        start = self._start(target)
        if target.mask.shape[1] == start:  # the table has none
            none = target.values.new_zeros(len(target), 3)
            return Tokens(none, torch.zeros_like(none, dtype=torch.bool))
        return Tokens(target.values[:, start:], target.mask[:, start:])

    def _ended(self, ids: Tokens) -> Tokens:
        """Candidates with `END` after those that were not cut, as texts are learned."""
        sizes = ids.mask.sum(1, keepdim=True)
        values, mask = (F.pad(each, (0, 1)) for each in (ids.values, ids.mask))
        values = values.scatter(1, sizes, END)
        mask = mask.scatter(1, sizes, True)
        return Tokens(values[:, : self.length], mask[:, : self.length]).clean()


def ranked(answer: Answer) -> dict[str, Any]:
    """What an answer's record says of candidates: `ranking`, their places, the likeliest first."""
    return {} if answer.scores is None else {"ranking": np.argsort(-answer.scores, kind="stable").tolist()}
