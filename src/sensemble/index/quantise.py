"""Vectors as small codes for a first pass over all of them: int8, a quarter of the bytes, or one bit a dimension.

Legend: n rows, q queries, D dimensions, W words of 64 bits, b rows of a block.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from .base import Vectors
from .first_pass import FirstPass
from .nearest import BLOCK, Cosine, Rows, Scorer, Scores, nearest
from .where import Flags

WORD = 64


class Codes(FirstPass):
    """Codes of all rows, each compared with each query.

    Args:
        codes: of the rows.
        scale: `(D,)` what the kind needs of each dimension.
        covered: n.
        generation: of the store.
    """

    def __init__(self, codes: NDArray[Any], scale: Vectors, covered: int, generation: int) -> None:
        super().__init__(covered, generation)
        self._codes, self._scale = codes, scale

    def write(self, folder: Path) -> None:
        np.save(folder / "codes.npy", self._codes, allow_pickle=False)
        np.save(folder / "scale.npy", self._scale, allow_pickle=False)

    @classmethod
    def read(cls, folder: Path, covered: int, generation: int) -> Codes:
        """What `save` kept; codes stay on disk until they are read."""
        codes = np.load(folder / "codes.npy", mmap_mode="r", allow_pickle=False)
        return cls(codes, np.load(folder / "scale.npy", allow_pickle=False), covered, generation)

    @classmethod
    def make(cls, matrix: Vectors, generation: int) -> Codes:
        """Codes of all rows `(n, D)`."""
        raise NotImplementedError

    def scorer(self, queries: Vectors) -> Scorer:
        """Scores of rows and queries by their codes."""
        raise NotImplementedError

    def candidates(self, queries: Vectors, count: int, allowed: Flags | None) -> list[Rows]:
        return nearest(self.scorer(queries), self.covered, len(queries), count, allowed)


class Int8(Codes):
    """Each dimension as a whole number from -127 to 127; queries stay floats."""

    name: ClassVar[str] = "int8"

    @classmethod
    def make(cls, matrix: Vectors, generation: int) -> Codes:
        largest = np.full(matrix.shape[1], 1e-9, dtype=np.float32)
        for start in range(0, len(matrix), BLOCK):
            np.maximum(largest, np.abs(matrix[start : start + BLOCK]).max(0), out=largest)
        codes = np.empty(matrix.shape, dtype=np.int8)
        for start in range(0, len(matrix), BLOCK):
            codes[start : start + BLOCK] = np.rint(matrix[start : start + BLOCK] * (127 / largest))
        return cls(codes, largest / np.float32(127), len(matrix), generation)

    def scorer(self, queries: Vectors) -> Scorer:
        return Cosine(self._codes, queries * self._scale)


class Binary(Codes):
    """Whether each dimension is above the rows' mean; compared by counting the bits that differ.

    As x·q = (x - mean)·q + a constant, rows are centred and queries are not: so a query of another modality, whose
    mean is elsewhere, is served as well.
    """

    name: ClassVar[str] = "binary"

    @classmethod
    def make(cls, matrix: Vectors, generation: int) -> Codes:
        if not hasattr(np, "bitwise_count"):
            raise ConfigError("codes=binary needs NumPy 2: pip install -U 'numpy>=2'")
        total = np.zeros(matrix.shape[1])
        for start in range(0, len(matrix), BLOCK):
            total += matrix[start : start + BLOCK].sum(0, dtype=np.float64)
        mean = (total / max(1, len(matrix))).astype(np.float32)
        codes = np.empty((-(-matrix.shape[1] // WORD), len(matrix)), dtype=np.uint64)
        for start in range(0, len(matrix), BLOCK):
            codes[:, start : start + BLOCK] = _bits(matrix[start : start + BLOCK] - mean)
        return cls(codes, mean, len(matrix), generation)

    def scorer(self, queries: Vectors) -> Scorer:
        return _Hamming(self._codes, _bits(queries))


class _Hamming:
    """Minus the number of bits that differ.

    Args:
        codes: `(W, n)`.
        queries: `(W, q)`.
    """

    def __init__(self, codes: NDArray[np.uint64], queries: NDArray[np.uint64]) -> None:
        self._codes, self._queries = codes, queries

    def __call__(self, rows: slice | Rows, queries: slice, out: Scores) -> None:
        block = np.ascontiguousarray(self._codes[:, rows])  # (W, b)
        for place, query in enumerate(self._queries[:, queries].T):
            differ = np.bitwise_count(block ^ query[:, None]).sum(0, dtype=np.uint16)  # (W, b) -> (b,)
            np.negative(differ, out=out[:, place], dtype=np.float32)


def _bits(values: Vectors) -> NDArray[np.uint64]:
    """`(n, D)` -> `(W, n)` which are positive, D filled up to whole words."""
    wide = np.zeros((len(values), -(-values.shape[1] // WORD) * WORD), dtype=np.bool_)
    wide[:, : values.shape[1]] = values > 0
    packed = np.packbits(wide, axis=1).view(np.uint64)  # (n, W)
    return np.ascontiguousarray(packed.T)
