"""The rows of a store at one moment: vectors mapped from the file, ids and columns read from LMDB when asked for.

Legend: n rows (dead ones included), D dimensions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .base import Vectors
from .where import Column, Condition, Flags

FORMAT = 1
LONGEST = 480
"""Bytes of an id that serves as a key; longer ones are known by their digest."""


@dataclass
class State:
    """What a transaction changes.

    Args:
        run, dim: whose vectors these are, and D.
        rows: n.
        dead: how many of them are dead.
        generation: raised when rows get other numbers.
        format: of the store.
    """

    run: str
    dim: int
    rows: int = 0
    dead: int = 0
    generation: int = 0
    format: int = FORMAT


class View:
    """The entries of one moment, inside `Store.reading`.

    Attributes:
        state: of the store then.
        matrix: `(n, D)` of all rows, mapped from the file.
        alive: `(n,)` which rows are entries.
    """

    def __init__(self, state: State) -> None:
        self.state = State(state.run, state.dim, 0, 0, state.generation)
        self.matrix: Vectors = np.zeros((0, state.dim), dtype=np.float32)
        self.alive: Flags = np.zeros(0, dtype=np.bool_)
        self._columns: dict[str, Column] = {}
        self._reading: tuple[Any, Mapping[str, Any]] | None = None

    def __len__(self) -> int:
        return self.state.rows - self.state.dead

    def refresh(self, txn: Any, tables: Mapping[str, Any], state: State, file: Path) -> None:
        """Brings in what was written since the last look."""
        self._reading = txn, tables
        if state.rows > self.state.rows:
            self.matrix = np.memmap(file, dtype=np.float32, mode="r", shape=(state.rows, state.dim))
        if state.rows > self.state.rows or state.dead > self.state.dead:
            alive = np.ones(state.rows, dtype=np.bool_)
            alive[: self.state.rows] = self.alive
            for place in range(self.state.dead, state.dead):
                alive[int.from_bytes(txn.get(number(place), db=tables["dead"]), "big")] = False
            self.alive = alive
        self.state = state

    def leave(self) -> None:
        """The transaction ends."""
        self._reading = None

    def entries(self, rows: Sequence[int]) -> list[tuple[str, dict[str, Any]]]:
        """Id and columns of some rows."""
        txn, tables = self._current()
        return [entry(txn.get(number(row), db=tables["rows"])) for row in rows]

    def find(self, ids: Sequence[str]) -> list[int | None]:
        """The rows of some ids, `None` where there is none."""
        txn, tables = self._current()
        found = (txn.get(key_of(name), db=tables["ids"]) for name in ids)
        return [None if row is None else int.from_bytes(row, "big") for row in found]

    def ids(self) -> list[str]:
        """All ids, sorted."""
        txn, tables = self._current()
        rows = (int.from_bytes(row, "big") for _, row in txn.cursor(db=tables["ids"]))
        return sorted(name for name, _ in self.entries(list(rows)))

    def fits(self, wanted: Sequence[Condition]) -> Flags:
        """`(n,)` which rows are entries that meet all conditions."""
        fresh = {each.column for each in wanted} - self._columns.keys()
        self._columns |= {name: Column() for name in fresh}
        starts = {len(self._columns[each.column]) for each in wanted}
        for start in starts - {self.state.rows}:
            names = [each.column for each in wanted if len(self._columns[each.column]) == start]
            self._read(names, start)
        fits = self.alive
        for each in wanted:
            fits = fits & self._columns[each.column].fits(each)
        return fits

    def _read(self, names: Sequence[str], start: int) -> None:
        txn, tables = self._current()
        cursor = txn.cursor(db=tables["rows"])
        cursor.set_range(number(start))
        cells = [entry(content)[1] for content in cursor.iternext(keys=False)]
        for name in dict.fromkeys(names):
            self._columns[name].extend([each.get(name) for each in cells])

    def _current(self) -> tuple[Any, Mapping[str, Any]]:
        assert self._reading is not None, "a view lives inside Store.reading"
        return self._reading


def entry(content: bytes) -> tuple[str, dict[str, Any]]:
    """Id and columns, as they are written."""
    name, cells = json.loads(content.decode("utf-8", "surrogatepass"))
    return name, cells


def key_of(name: str) -> bytes:
    """An id as a key of LMDB."""
    key = name.encode("utf-8", "surrogatepass")
    return key if len(key) <= LONGEST else b"\xff" + hashlib.blake2b(key, digest_size=32).digest()


def number(row: int) -> bytes:
    """A row as a key that sorts."""
    return row.to_bytes(8, "big")
