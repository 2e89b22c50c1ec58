"""What an index is: unit vectors with ids and columns, kept so that the nearest are found again.

Legend: n entries, q queries, D dimensions, k hits a query.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..registry import Registry

Vectors = NDArray[np.float32]
"""`(n, D)`, each of length 1, so that a product is the cosine."""
Where = Mapping[str, Any]
"""Which entries may be found, by column: a value, a list of values (any of them), or `{"min": a, "max": b}` with
either bound left out. All conditions must hold; an entry without the column never fits."""


class Hit(NamedTuple):
    """An entry that was found.

    Args:
        id: the entry's.
        score: cosine of query and entry, from -1 to 1; the higher the nearer.
        columns: what was added with it.
    """

    id: str
    score: float
    columns: dict[str, Any]


class Index(ABC):
    """Entries that may be searched, added and deleted. What `add` and `delete` have returned from is not lost.

    Each kind is made as `cls(place, run, dim)`, with a folder or a URL as place; an index that is there is opened,
    else an empty one is made. Its options are keyword-only.

    Attributes:
        run: digest of the run that made the vectors; those of another run are refused (`DataError` when opened).
        dim: D.
    """

    run: str
    dim: int

    @abstractmethod
    def add(self, ids: Sequence[str], vectors: Vectors, columns: Sequence[Mapping[str, Any]]) -> None:
        """Adds entries; one whose id is there already is replaced.

        Args:
            ids: n texts.
            vectors: `(n, D)`.
            columns: of each entry, what is shown of it and filtered by: texts, numbers and truth values.

        Raises:
            DataError: vectors of another dimension, not of length 1 or not finite; ids given twice.
        """

    @abstractmethod
    def delete(self, ids: Sequence[str]) -> int:
        """Removes entries; returns how many were there."""

    @abstractmethod
    def search(self, queries: Vectors, *, k: int = 10, where: Where | None = None) -> list[list[Hit]]:
        """The k nearest entries of each query `(q, D)`, the nearest first; equal scores in the order of their ids."""

    @abstractmethod
    def ids(self) -> list[str]:
        """The ids of all entries, sorted."""

    @abstractmethod
    def __len__(self) -> int: ...

    def get(self, ids: Sequence[str]) -> list[dict[str, Any] | None]:
        """The columns of some entries, `None` for an id that is not there. A kind that can look ids up overrides it."""
        if not len(self):
            return [None] * len(ids)
        some = np.eye(1, self.dim, dtype=np.float32)
        found = {hit.id: hit.columns for hit in self.search(some, k=len(self))[0]}
        return [found.get(each) for each in ids]

    def finish(self) -> None:
        """Called after many changes: makes what lets searches be fast. Right answers do not wait for it."""
        return

    def close(self) -> None:
        """Gives back files and connections."""
        return

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


INDEXES: Registry[Index] = Registry("index", package="sensemble.index")
