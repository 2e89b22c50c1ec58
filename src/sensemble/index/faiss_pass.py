"""First passes by the library `faiss`: lists of what is near the same centre, or a graph of near neighbours.

Legend: n rows, q queries, D dimensions.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from math import isqrt
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
EACH = 64
"""Rows a list from which its centre is learned, and of int8 the range of each dimension."""
LISTS = 2
"""Lists for each square root of the rows."""
MOST = 8.0
"""How many times the effort is raised where a filter leaves few."""
WIDEN = 4
"""How much it is raised once more where too few were found."""
Precision = Literal["float32", "float16", "int8"]
"""Of the vectors inside, which are a copy."""
FILE = "index.faiss"


class FaissPass(FirstPass):
    """Candidates of a faiss index, whose ids are the rows. It is the same again only if one thread makes it.

    Args:
        index: of faiss.
        covered: n.
        generation: of the store.
        effort: how much of it is looked at.
    """

    def __init__(self, index: Any, covered: int, generation: int, *, effort: int) -> None:
        super().__init__(covered, generation)
        self._index, self._effort = index, effort

    @classmethod
    def read(cls, folder: Path, covered: int, generation: int, *, effort: int) -> FaissPass:
        """What `save` kept."""
        return cls(import_faiss().read_index(str(folder / FILE)), covered, generation, effort=effort)

    @classmethod
    @abstractmethod
    def make(
        cls, matrix: Vectors, generation: int, *, effort: int, build_effort: int, connections: int, precision: Precision
    ) -> FaissPass:
        """One of all rows `(n, D)`."""

    @abstractmethod
    def fits(self, rows: int) -> bool:
        """Whether it may grow to so many rows, or should be made anew."""

    @abstractmethod
    def parameters(self, effort: int, options: dict[str, Any]) -> Any:
        """What faiss calls the parameters of a search."""

    def write(self, folder: Path) -> None:
        import_faiss().write_index(self._index, str(folder / FILE))

    def grow(self, matrix: Vectors) -> None:
        """Adds the rows of `(n, D)` that it does not cover yet."""
        for start in range(self.covered, len(matrix), CHUNK):
            self._index.add(np.ascontiguousarray(matrix[start : start + CHUNK]))
        self.covered = len(matrix)

    def candidates(self, queries: Vectors, count: int, allowed: Flags | None) -> list[Rows]:
        """With a filter more is looked at; queries that find too few are asked once more, with more effort still."""
        count, effort = min(count, self.covered), self._effort
        if allowed is not None:
            effort = int(effort * min(MOST, len(allowed) / max(1, int(np.count_nonzero(allowed)))))
        found = self._search(queries, count, effort, allowed)
        short = [place for place, rows in enumerate(found) if len(rows) < count]
        if short:
            again = self._search(queries[short], count, effort * WIDEN, allowed)
            for place, rows in zip(short, again, strict=True):
                found[place] = rows
        return found

    def _search(self, queries: Vectors, count: int, effort: int, allowed: Flags | None) -> list[Rows]:
        options = {}
        if allowed is not None:
            options["sel"] = import_faiss().IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        found = self._index.search(queries, count, params=self.parameters(max(effort, 1), options))[1]  # (q, count)
        return [rows[rows >= 0] for rows in found]


class Lists(FaissPass):
    """Rows by the nearest of some centres (k-means); the lists of the centres nearest to a query are looked through.

    Made in a tenth of the time of a graph and in little more memory than the vectors take.
    """

    name: ClassVar[str] = "lists"

    @classmethod
    def make(
        cls, matrix: Vectors, generation: int, *, effort: int, build_effort: int, connections: int, precision: Precision
    ) -> FaissPass:
        faiss = import_faiss()
        dim, lists = matrix.shape[1], max(1, min(LISTS * isqrt(len(matrix)), len(matrix) // 8))
        centres, metric = faiss.IndexFlatIP(dim), faiss.METRIC_INNER_PRODUCT
        if precision == "float32":
            index = faiss.IndexIVFFlat(centres, dim, lists, metric)
        else:
            index = faiss.IndexIVFScalarQuantizer(centres, dim, lists, _quantizer(precision), metric)
        index.cp.niter, index.cp.max_points_per_centroid, index.cp.min_points_per_centroid = 10, EACH, 1
        index.cp.spherical = True
        index.train(_sample(matrix, EACH * lists))
        made = cls(index, 0, generation, effort=effort)
        made.grow(matrix)
        return made

    def fits(self, rows: int) -> bool:
        return bool(self._index.nlist * 2 >= LISTS * isqrt(rows))

    def parameters(self, effort: int, options: dict[str, Any]) -> Any:
        return import_faiss().SearchParametersIVF(nprobe=min(effort, self._index.nlist), **options)


class Graph(FaissPass):
    """Neighbours found by walking a graph (HNSW; Malkov and Yashunin, 2018)."""

    name: ClassVar[str] = "graph"

    @classmethod
    def make(
        cls, matrix: Vectors, generation: int, *, effort: int, build_effort: int, connections: int, precision: Precision
    ) -> FaissPass:
        faiss = import_faiss()
        dim, metric = matrix.shape[1], faiss.METRIC_INNER_PRODUCT
        if precision == "float32":
            index = faiss.IndexHNSWFlat(dim, connections, metric)
        else:
            index = faiss.IndexHNSWSQ(dim, _quantizer(precision), connections, metric)
            index.train(_sample(matrix, EACH * 1_000))
        index.hnsw.efConstruction = build_effort
        made = cls(index, 0, generation, effort=effort)
        made.grow(matrix)
        return made

    def fits(self, rows: int) -> bool:
        return True

    def parameters(self, effort: int, options: dict[str, Any]) -> Any:
        return import_faiss().SearchParametersHNSW(efSearch=effort, **options)


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


def _quantizer(precision: Precision) -> Any:
    kinds = import_faiss().ScalarQuantizer
    return kinds.QT_fp16 if precision == "float16" else kinds.QT_8bit


def _sample(matrix: Vectors, most: int) -> Vectors:
    """At most so many rows, evenly spread."""
    return np.ascontiguousarray(matrix[:: max(1, -(-len(matrix) // most))])
