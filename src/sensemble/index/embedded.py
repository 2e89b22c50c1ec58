"""An index in a folder: the store, a first pass where there is one, and scores by the float vectors.

Legend: n rows, q queries, D dimensions, c candidates.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from .base import Hit, Index, Vectors, Where
from .check import check_entries, check_vectors
from .first_pass import FirstPass, latest
from .nearest import Cosine, Rows, cosines, nearest
from .store import Store
from .view import View
from .where import Flags, conditions

NARROW = 0.05
"""Share of the rows below which those that are allowed are compared one by one."""
DEAD = 0.25
"""Share of dead rows from which `finish` leaves them out of the files."""


class Embedded(Index):
    """Entries in a folder, no server needed.

    Args:
        place: the folder.
        run: digest of the run that makes the vectors.
        dim: D.

    Raises:
        DataError: the folder holds another run's vectors, or cannot be used.
    """

    def __init__(self, place: str, run: str, dim: int) -> None:
        self.run, self.dim, self.folder = run, dim, Path(place)
        self._store = Store(self.folder, run, dim)
        self._pass: FirstPass | None = None

    def add(self, ids: Sequence[str], vectors: Vectors, columns: Sequence[Mapping[str, Any]]) -> None:
        ids, rows, cells = check_entries(ids, vectors, columns, self.dim)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)  # (n, 1), near 1 already
        self._store.add(ids, rows / lengths, cells)

    def delete(self, ids: Sequence[str]) -> int:
        return self._store.delete(ids)

    def get(self, ids: Sequence[str]) -> list[dict[str, Any] | None]:
        with self._store.reading() as view:
            rows = view.find(ids)
            found = iter(view.entries([row for row in rows if row is not None]))
            return [None if row is None else next(found)[1] for row in rows]

    def ids(self) -> list[str]:
        with self._store.reading() as view:
            return view.ids()

    def __len__(self) -> int:
        with self._store.reading() as view:
            return len(view)

    def search(self, queries: Vectors, *, k: int = 10, where: Where | None = None) -> list[list[Hit]]:
        if k < 1:
            raise ConfigError(f"k: needs a whole number from 1, not {k}")
        queries, wanted = check_vectors(queries, self.dim), conditions(where)
        with self._store.reading() as view:
            allowed = view.fits(wanted)
            count = int(np.count_nonzero(allowed))
            k = min(k, count)
            found = self._candidates(view, queries, k, None if count == len(allowed) else allowed, count)
            return [_hits(view, rows, query, k) for rows, query in zip(found, queries, strict=True)]

    def finish(self) -> None:
        with self._store.reading() as view:
            many = view.state.dead > DEAD * view.state.rows
        if many:
            self._store.compact()
        with self._store.reading() as view:
            made = self.make_pass(view)
        if made is not None:
            made.save(self.folder)
            self._pass = None

    def close(self) -> None:
        self._pass = None
        self._store.close()

    @property
    @abstractmethod
    def pass_name(self) -> str | None:
        """Of the folders of its structures; `None` where it uses none."""

    @abstractmethod
    def read_pass(self, folder: Path, covered: int, generation: int) -> FirstPass:
        """A kept structure."""

    @abstractmethod
    def make_pass(self, view: View) -> FirstPass | None:
        """A structure that covers all rows; `None` where there is one, or none is wanted."""

    def widened(self, k: int) -> int:
        """How many candidates are wanted for k hits."""
        return k

    def _candidates(self, view: View, queries: Vectors, k: int, allowed: Flags | None, count: int) -> list[Rows]:
        rows = view.state.rows
        first = self._first(view) if count > NARROW * rows else None
        if first is None:
            return nearest(Cosine(view.matrix, queries), rows, len(queries), k, allowed)
        mask = None if allowed is None else allowed[: first.covered]
        found = first.candidates(queries, self.widened(k), mask)
        enough = min(k, first.covered if mask is None else int(np.count_nonzero(mask)))
        short = [place for place, some in enumerate(found) if len(some) < enough]
        if short:
            exact = nearest(Cosine(view.matrix, queries[short]), first.covered, len(short), k, mask)
            for place, better in zip(short, exact, strict=True):
                found[place] = better
        tail = np.arange(first.covered, rows)
        tail = tail if allowed is None else tail[allowed[first.covered :]]
        if not len(tail):
            return found
        late = nearest(Cosine(view.matrix, queries), rows, len(queries), k, tail)
        return [np.concatenate(pair) for pair in zip(found, late, strict=True)]

    def _first(self, view: View) -> FirstPass | None:
        """The first pass for this view; another process may have made a better one meanwhile."""
        generation = view.state.generation
        found = latest(self.folder, self.pass_name, generation) if self.pass_name else None
        if found is None or found[1] > view.state.rows:
            return None
        known = self._pass
        if known is None or (known.generation, known.covered) != (generation, found[1]):
            try:
                self._pass = self.read_pass(*found, generation)
            except (OSError, RuntimeError, ValueError):  # replaced just now, or damaged: the store is the truth
                return None
        return self._pass


def _hits(view: View, rows: Rows, query: Vectors, k: int) -> list[Hit]:
    """The k best of some rows, scored by the float vectors; equal scores in the order of their ids."""
    scores = np.clip(cosines(view.matrix, rows, query), -1.0, 1.0)
    if k < len(rows):
        least = np.partition(scores, len(rows) - k)[len(rows) - k]
        rows, scores = rows[scores >= least], scores[scores >= least]
    entries = view.entries(rows.tolist())
    hits = [Hit(name, score, cells) for (name, cells), score in zip(entries, scores.tolist(), strict=True)]
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))[:k]
