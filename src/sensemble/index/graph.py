"""A graph of near neighbours (HNSW; Malkov and Yashunin, 2018), by the library `faiss`.

Legend: n rows, q queries, D dimensions.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from ..errors import ConfigError
from .base import Vectors
from .first_pass import FirstPass
from .nearest import Rows
from .where import Flags

CHUNK = 20_000
"""Rows added at once."""
SAMPLE = 50_000
"""Rows from which the ranges of int8 are learned."""
WIDEN = 4
"""How much more effort is made where a filter leaves too few."""
Precision = Literal["float32", "float16", "int8"]
"""Of the vectors inside the graph, which are a copy."""
FILE = "graph.faiss"


class Graph(FirstPass):
    """Neighbours found by walking a graph. It is the same again only if one thread makes it.

    Args:
        index: of faiss; its ids are the rows.
        covered: n.
        generation: of the store.
        effort: neighbours that a walk keeps in mind (ef): more find more, and take longer.
    """

    name: ClassVar[str] = "graph"

    def __init__(self, index: Any, covered: int, generation: int, *, effort: int) -> None:
        super().__init__(covered, generation)
        self._index, self._effort = index, effort

    @classmethod
    def make(
        cls, dim: int, generation: int, *, connections: int, build_effort: int, effort: int, precision: Precision
    ) -> Graph:
        """An empty graph."""
        faiss = import_faiss()
        kinds = {"float16": faiss.ScalarQuantizer.QT_fp16, "int8": faiss.ScalarQuantizer.QT_8bit}
        if precision == "float32":
            index = faiss.IndexHNSWFlat(dim, connections, faiss.METRIC_INNER_PRODUCT)
        else:
            index = faiss.IndexHNSWSQ(dim, kinds[precision], connections, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = build_effort
        return cls(index, 0, generation, effort=effort)

    @classmethod
    def read(cls, folder: Path, covered: int, generation: int, *, effort: int) -> Graph:
        """What `save` kept."""
        return cls(import_faiss().read_index(str(folder / FILE)), covered, generation, effort=effort)

    def write(self, folder: Path) -> None:
        import_faiss().write_index(self._index, str(folder / FILE))

    def grow(self, matrix: Vectors) -> None:
        """Adds the rows of `(n, D)` that it does not cover yet."""
        if not self._index.is_trained:
            step = -(-len(matrix) // SAMPLE)
            self._index.train(np.ascontiguousarray(matrix[::step]))
        for start in range(self.covered, len(matrix), CHUNK):
            self._index.add(np.ascontiguousarray(matrix[start : start + CHUNK]))
        self.covered = len(matrix)

    def candidates(self, queries: Vectors, count: int, allowed: Flags | None) -> list[Rows]:
        """Queries that find too few allowed rows are asked once more, with more effort."""
        count = min(count, self.covered)
        effort = max(self._effort, count)
        found = self._walk(queries, count, effort, allowed)
        short = [place for place, rows in enumerate(found) if len(rows) < count]
        if short:
            again = self._walk(queries[short], count, effort * WIDEN, allowed)
            for place, rows in zip(short, again, strict=True):
                found[place] = rows
        return found

    def _walk(self, queries: Vectors, count: int, effort: int, allowed: Flags | None) -> list[Rows]:
        faiss = import_faiss()
        options = {"efSearch": effort}
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")
            options["sel"] = faiss.IDSelectorBitmap(bits)
        found = self._index.search(queries, count, params=faiss.SearchParametersHNSW(**options))[1]  # (q, count)
        return [rows[rows >= 0] for rows in found]


def import_faiss() -> Any:
    """The library.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        with warnings.catch_warnings():  # its wrappers are older than some Pythons
            warnings.simplefilter("ignore", DeprecationWarning)
            import faiss
    except ImportError as error:
        raise ConfigError("an approximate index needs faiss: pip install 'sensemble[search]'") from error
    return faiss
