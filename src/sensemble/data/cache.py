"""Encode once: decoded values and frozen encoders' features, kept by what they were made from.

A key is the content of the source (not its name), with everything that decides the result: the modality's
options, the weights' digest, the version of our code. So a changed file, weight or option simply is another key, and
nothing is ever stale. The store is LMDB: memory-mapped, one writer at a time, readers never wait, and a process
killed at any moment leaves what was committed before.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache as remember
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import torch
from torch import Tensor

from ..errors import DataError, Unreadable
from ..files import home
from ..media.source import digest
from ..modalities.base import Modality

FORMAT = 1
"""Part of every key: raised when entries are written differently."""
LIMIT = 10.0
"""GiB kept, unless told otherwise."""
MAP = 2**38
"""Bytes of address space; disk is used only for what is there. The same for all, as processes must agree."""
PAGE = 4096
KEPT = 0.8
"""Share of the limit that is left after the least recently used entries went."""
FRESH = 3600.0
"""Seconds within which another use of an entry is not written down again."""
READERS = 512
_USE = struct.Struct("<dQ")  # when an entry was last used, and its bytes on disk
_TOTAL = b"bytes"


class Cache:
    """Tensors by key, on disk, shared by all processes of this machine.

    Args:
        folder: where; made when first needed.
        limit: GiB; beyond it the least recently used entries go.

    Methods raise `DataError` where the folder cannot be used: no right to write, a full disk, a damaged file.
    """

    def __init__(self, folder: Path, *, limit: float = LIMIT) -> None:
        self.folder = folder
        self.limit = int(limit * 2**30)
        self.hits = self.misses = 0
        self.failed = False

    def get(self, keys: Sequence[bytes | None]) -> list[Tensor | None]:
        """The tensors of some keys, `None` where there is none."""
        found: list[Tensor | None] = []
        stale, now = [], time.time()
        with self._begin(write=False) as (txn, data, used):
            for key in keys:
                content = None if key is None else txn.get(key, db=data)
                found.append(None if content is None else _unpack(content))
                about = txn.get(key, db=used) if content is not None else None
                if about is not None and now - _USE.unpack(about)[0] > FRESH:
                    stale.append((key, _USE.pack(now, _USE.unpack(about)[1])))
        if stale:
            with self._begin(write=True) as (txn, _, used):
                for key, about in stale:
                    if txn.get(key, db=used) is not None:  # it may have gone meanwhile
                        txn.put(key, about, db=used)
        self.hits += sum(each is not None for each in found)
        self.misses += sum(each is None for each in found)
        return found

    def put(self, keys: Sequence[bytes], tensors: Sequence[Tensor]) -> None:
        """Keeps tensors: all of them, or none if killed. One of over half the limit is not kept."""
        entries = {key: _pack(tensor) for key, tensor in zip(keys, tensors, strict=True)}
        entries = {key: content for key, content in entries.items() if _on_disk(content) <= self.limit / 2}
        with self._begin(write=True) as (txn, data, used):
            for key, content in entries.items():
                size = _on_disk(content)
                total = self._total(txn) - self._drop(txn, data, used, key)
                if total + size > self.limit:
                    total -= self._evict(txn, data, used, total + size - KEPT * self.limit)
                txn.put(key, content, db=data)
                txn.put(key, _USE.pack(time.time(), size), db=used)
                txn.put(_TOTAL, struct.pack("<Q", total + size))

    def info(self) -> dict[str, Any]:
        """Where it is, how many entries of how many bytes on disk it holds, and its limit."""
        entries = size = 0
        if (self.folder / "data.mdb").exists():
            with self._begin(write=False) as (txn, data, _):
                entries, size = txn.stat(data)["entries"], self._total(txn)
        return {"folder": str(self.folder), "entries": entries, "bytes": size, "limit": self.limit}

    def clear(self) -> int:
        """Removes every entry; processes that read meanwhile go on unharmed. Returns how many there were."""
        entries = int(self.info()["entries"])
        if entries:
            with self._begin(write=True) as (txn, data, used):
                txn.drop(data, delete=False)
                txn.drop(used, delete=False)
                txn.delete(_TOTAL)
        return entries

    @contextmanager
    def spared(self) -> Iterator[None]:
        """Goes on without the cache where it cannot be used, and says so once: no run should die of it."""
        try:
            yield
        except DataError as error:
            if not self.failed:
                warnings.warn(f"{error}; going on without it", RuntimeWarning, stacklevel=2)
            self.failed = True

    def _evict(self, txn: Any, data: Any, used: Any, wanted: float) -> int:
        """Drops the least recently used entries until so many bytes are free. Returns how many that were."""
        freed = 0
        for _, key in sorted((_USE.unpack(about)[0], bytes(key)) for key, about in txn.cursor(db=used)):
            if freed >= wanted:
                break
            freed += self._drop(txn, data, used, key)
        return freed

    @staticmethod
    def _drop(txn: Any, data: Any, used: Any, key: bytes) -> int:
        about = txn.pop(key, db=used)
        txn.delete(key, db=data)
        return 0 if about is None else int(_USE.unpack(about)[1])

    @staticmethod
    def _total(txn: Any) -> int:
        found = txn.get(_TOTAL)
        return 0 if found is None else int(struct.unpack("<Q", found)[0])

    @contextmanager
    def _begin(self, *, write: bool) -> Iterator[tuple[Any, Any, Any]]:
        try:
            environment, data, used = _opened(self.folder, os.getpid())
            with environment.begin(write=write, buffers=not write) as txn:
                yield txn, data, used
        except (lmdb.Error, OSError) as error:
            raise DataError(
                f"the cache in {self.folder} cannot be used ({error}): remove that folder, or set data.cache=false"
            ) from error


def user_cache(*, limit: float = LIMIT) -> Cache:
    """The cache of this user: `home() / "cache"`."""
    return Cache(home() / "cache", limit=limit)


def load_many(modality: Modality, raws: Sequence[Any], cache: Cache | None) -> list[Tensor | Unreadable]:
    """`modality.load_many`, each value looked up first and kept afterwards where that pays.

    Args:
        modality: fitted; its fingerprint says whether, and under which key, its values may be kept.
        raws: present raw values, paths complete.
        cache: where; `None` decodes everything.
    """
    settings = modality.fingerprint() if cache is not None else None
    if cache is None or settings is None:
        return modality.load_many(raws)
    keys = [make_key(digest(raw, is_file=modality.reads_files), settings) for raw in raws]
    result: list[Any] = [None] * len(raws)
    with cache.spared():
        result = list(cache.get(keys))
    wanted: dict[bytes | int, list[int]] = {}  # equal contents are made once
    for place, key in enumerate(keys):
        if result[place] is None:
            wanted.setdefault(place if key is None else key, []).append(place)
    made = modality.load_many([raws[places[0]] for places in wanted.values()])
    for places, value in zip(wanted.values(), made, strict=True):
        for place in places:
            result[place] = value
    keep = {
        key: value
        for key, value in zip(wanted, made, strict=True)
        if isinstance(key, bytes) and isinstance(value, Tensor)
    }
    if keep:
        with cache.spared():
            cache.put(list(keep), list(keep.values()))
    return result


def make_key(content: bytes | None, settings: str) -> bytes | None:
    """The key of a source's content under some settings; `None` where the content is not known."""
    if content is None:
        return None
    return hashlib.blake2b(content + f"\0{FORMAT}\0{settings}".encode(), digest_size=20).digest()


def _on_disk(content: bytes) -> int:
    """Bytes of whole pages that an entry takes, about."""
    return (len(content) // PAGE + 1) * PAGE


def _pack(tensor: Tensor) -> bytes:
    array = tensor.detach().cpu().contiguous().numpy()
    head = json.dumps([array.dtype.str, array.shape]).encode()
    return struct.pack("<I", len(head)) + head + array.tobytes()


def _unpack(content: Any) -> Tensor:
    (length,) = struct.unpack_from("<I", content)
    kind, shape = json.loads(bytes(content[4 : 4 + length]))
    return torch.from_numpy(np.frombuffer(content, dtype=kind, offset=4 + length).reshape(shape).copy())


@remember
def _opened(folder: Path, process: int) -> tuple[Any, Any, Any]:
    """One environment a folder and process: LMDB forbids a second, and one that was inherited by a fork."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = lmdb.open(str(folder), map_size=MAP, max_dbs=2, max_readers=READERS, readahead=False)
    environment.reader_check()  # slots of processes that were killed
    return environment, environment.open_db(b"data"), environment.open_db(b"used")
