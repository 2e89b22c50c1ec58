"""Entries on disk: vectors in one flat file, ids and columns in LMDB beside it. The store is the truth.

An entry's row in the file never changes; a replaced or deleted one is marked dead until `compact`. Vectors are flushed
to disk before the transaction that counts them, so a process killed at any moment leaves whole batches, and whoever
reads meanwhile sees the entries of one moment.

Legend: n rows (dead ones included), D dimensions.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import lmdb
import numpy as np

from ..errors import DataError
from .base import Vectors
from .view import FORMAT, State, View, entry, key_of, number

MAP = 2**36
"""Bytes of address space for ids and columns; disk is used only for what is there."""
CHUNK = 8_192
"""Rows copied at once when dead ones are left out."""
CHANCES = 5
"""How often the file of vectors is looked for, as others may compact it."""
_STATE = b"state"


class Store:
    """Entries of one run in a folder; several processes may read and write it.

    Args:
        folder: where; made when it is not there.
        run: digest of the run whose vectors these are.
        dim: D.

    Raises:
        DataError: the folder holds vectors of another run or size, or cannot be used.
    """

    def __init__(self, folder: Path, run: str, dim: int) -> None:
        self.folder, self.run, self.dim = folder.absolute(), run, dim
        self._lock = threading.RLock()
        self._view: View | None = None
        self._process = os.getpid()
        with _spoken(self.folder):
            self._opened: Any = _take(self.folder)
        try:
            with self._begin(write=False) as (txn, _):
                found = _state(txn)
            if found is None:
                with self._begin(write=True) as (txn, _):
                    found = _state(txn) or State(run, dim)
                    _save(txn, found)
            if found.run != run:
                raise DataError(
                    f"{folder} holds vectors of another run ({found.run[:12]}, this one is {run[:12]}), which cannot "
                    "be compared: search it with that run, or make an index of this run in another folder"
                )
            if found.dim != dim or found.format != FORMAT:
                raise DataError(f"{folder} holds vectors of {found.dim} dimensions, not {dim}")
        except BaseException:
            self.close()
            raise

    def add(self, ids: Sequence[str], vectors: Vectors, columns: Sequence[Mapping[str, Any]]) -> None:
        """Adds or replaces checked entries: all of them, or none if killed."""
        with self._begin(write=True) as (txn, tables):
            state = _known(txn)
            _append(self._file(state), state.rows * self.dim * 4, vectors)
            for row, (name, cells) in enumerate(zip(ids, columns, strict=True), state.rows):
                key = key_of(name)
                self._kill(txn, tables, key, state)
                txn.put(key, number(row), db=tables["ids"])
                content = json.dumps([name, cells], ensure_ascii=False, separators=(",", ":"))
                txn.put(number(row), content.encode("utf-8", "surrogatepass"), db=tables["rows"], append=True)
            state.rows += len(ids)
            _save(txn, state)

    def delete(self, ids: Sequence[str]) -> int:
        """Removes entries; returns how many were there."""
        with self._begin(write=True) as (txn, tables):
            state = _known(txn)
            count = sum(self._kill(txn, tables, key_of(name), state) for name in ids)
            _save(txn, state)
        return count

    def compact(self) -> None:
        """Leaves dead rows out of the file; the others get other numbers, in the same order."""
        with self.reading() as view:
            live, old, seen = np.flatnonzero(view.alive), view.state, view.matrix
        new = State(self.run, self.dim, len(live), 0, old.generation + 1)
        with self._begin(write=True) as (txn, tables):
            now = _known(txn)
            if (now.rows, now.dead, now.generation) != (old.rows, old.dead, old.generation):
                return  # somebody wrote meanwhile; another time
            for start in range(0, len(live), CHUNK):
                _append(self._file(new), start * self.dim * 4, seen[live[start : start + CHUNK]])
            contents = [txn.get(number(row), db=tables["rows"]) for row in live.tolist()]
            for name in ("rows", "dead"):
                txn.drop(tables[name], delete=False)
            for row, content in enumerate(contents):
                txn.put(number(row), content, db=tables["rows"], append=True)
                txn.put(key_of(entry(content)[0]), number(row), db=tables["ids"])
            _save(txn, new)
        with suppress(OSError):  # who reads it still keeps it until done
            self._file(old).unlink()

    @contextmanager
    def reading(self) -> Iterator[View]:
        """The entries of this moment, whatever is written meanwhile."""
        with self._lock, ExitStack() as stack:
            for chance in range(CHANCES):
                txn, tables = stack.enter_context(self._begin(write=False))
                state = _known(txn)
                if self._view is None or self._view.state.generation != state.generation:
                    self._view = View(state)
                try:
                    self._view.refresh(txn, tables, state, self._file(state))
                    break
                except FileNotFoundError as error:  # compacted between the two looks
                    stack.close()
                    if chance == CHANCES - 1:
                        raise DataError(f"the index in {self.folder} lacks {error.filename}") from error
            view = self._view
            assert view is not None
            try:
                yield view
            finally:
                view.leave()

    def close(self) -> None:
        """Gives the files back."""
        opened, self._opened = self._opened, None
        self._view = None
        if opened is not None and self._process == os.getpid():
            _leave(self.folder)

    @staticmethod
    def _kill(txn: Any, tables: Mapping[str, Any], key: bytes, state: State) -> bool:
        row = txn.pop(key, db=tables["ids"])
        if row is None:
            return False
        txn.put(number(state.dead), row, db=tables["dead"], append=True)
        state.dead += 1
        return True

    def _file(self, state: State) -> Path:
        return self.folder / f"vectors-{state.generation}.f32"

    @contextmanager
    def _begin(self, *, write: bool) -> Iterator[tuple[Any, Mapping[str, Any]]]:
        if self._opened is None:
            raise DataError(f"the index in {self.folder} is closed")
        if self._process != os.getpid():  # LMDB's handles must not outlive a fork
            self._process, self._opened, self._view = os.getpid(), _take(self.folder), None
        environment, tables = self._opened
        with _spoken(self.folder), environment.begin(write=write) as txn:
            yield txn, tables


_OPENED: dict[tuple[Path, int], list[Any]] = {}
_GUARD = threading.Lock()


def _take(folder: Path) -> Any:
    """One environment a folder and process: LMDB forbids a second."""
    key = folder, os.getpid()
    with _GUARD:
        if key not in _OPENED:
            (folder / "entries").mkdir(parents=True, exist_ok=True)
            environment = lmdb.open(str(folder / "entries"), map_size=MAP, max_dbs=3, max_readers=512)
            environment.reader_check()  # slots of processes that were killed
            tables = {name: environment.open_db(name.encode()) for name in ("rows", "ids", "dead")}
            _OPENED[key] = [(environment, tables), 0]
        _OPENED[key][1] += 1
        return _OPENED[key][0]


def _leave(folder: Path) -> None:
    key = folder, os.getpid()
    with _GUARD:
        _OPENED[key][1] -= 1
        if not _OPENED[key][1]:
            _OPENED.pop(key)[0][0].close()


@contextmanager
def _spoken(folder: Path) -> Iterator[None]:
    try:
        yield
    except (lmdb.Error, OSError) as error:
        raise DataError(
            f"the index in {folder} cannot be used ({error}): is it writable, whole, the disk full?"
        ) from error


def _append(path: Path, place: int, vectors: Vectors) -> None:
    """Writes vectors at a place and flushes them to disk; what an interrupted write left there is overwritten."""
    if not vectors.size:
        return
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as file:
        file.seek(place)
        file.write(np.ascontiguousarray(vectors, dtype=np.float32).data)
        file.flush()
        os.fsync(file.fileno())


def _state(txn: Any) -> State | None:
    found = txn.get(_STATE)
    return None if found is None else State(**json.loads(found))


def _known(txn: Any) -> State:
    state = _state(txn)
    assert state is not None, "a store without a state"
    return state


def _save(txn: Any, state: State) -> None:
    txn.put(_STATE, json.dumps(vars(state)).encode())
