"""Which rows are equal: numbers that are the same for rows with the same cells, media files by what they hold."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .assign import Positions
from .infer import media_kind
from .table import Table


def duplicate_keys(table: Table, columns: Sequence[str], *, files: bool = True) -> Positions:
    """Numbers that are equal for rows which are equal in some columns. Missing equals missing.

    Args:
        table: the rows, n of them.
        columns: which columns to compare; at least one.
        files: compare media files by content: the same picture under two names is a duplicate. Only files of equal
            size are read.

    Returns:
        `(n,)` int64.

    Raises:
        DataError: no such column.
    """
    assert columns, "rows are compared by at least one column"
    keys = np.zeros(len(table), dtype=np.int64)
    for name in columns:
        values = table.column(name)
        content = _contents(values, table.root) if files else {}
        codes: dict[Any, int] = {}
        column = [codes.setdefault(_key(value, content), len(codes)) for value in values]
        keys = np.unique(keys * len(codes) + np.array(column, dtype=np.int64), return_inverse=True)[1].astype(np.int64)
    return keys


def _contents(values: Sequence[Any], root: Path | None) -> Mapping[Any, Any]:
    """By path, the digest of each media file that has the size of another one."""
    sizes: dict[int, list[Any]] = defaultdict(list)
    for value in dict.fromkeys(each for each in values if isinstance(each, str | Path) and media_kind(each)):
        try:
            sizes[((root or Path()) / value).stat().st_size].append(value)
        except (OSError, ValueError):  # not there: its name tells it apart, the loader will name it
            continue
    digests: dict[Any, Any] = {}
    for value in (value for alike in sizes.values() if len(alike) > 1 for value in alike):
        try:
            with ((root or Path()) / value).open("rb") as file:
                digests[value] = ("file", hashlib.file_digest(file, _digest).digest())
        except OSError:
            continue
    return digests


def _digest(data: bytes = b"") -> Any:
    return hashlib.blake2b(data, digest_size=16)


def _key(value: Any, content: Mapping[Any, Any]) -> Any:
    """Something hashable that is equal for equal cells."""
    if isinstance(value, str | Path):
        return content.get(value, str(value))
    if isinstance(value, list | tuple | np.ndarray):
        try:
            array = np.asarray(value)
        except ValueError:  # ragged
            return tuple(_key(item, content) for item in value)
        if array.dtype.kind not in "iufb":
            return tuple(_key(item, content) for item in value)
        array = array.astype(np.float64) + 0.0  # a list of whole numbers equals one of floats, and -0 equals 0
        return array.shape, _digest(array.tobytes()).digest()
    if isinstance(value, dict):
        return tuple(sorted((str(key), repr(_key(item, content))) for key, item in value.items()))
    if media_kind(value) == "image" and hasattr(value, "tobytes"):  # a Pillow picture
        try:
            return value.mode, value.size, _digest(value.tobytes()).digest()
        except (OSError, SyntaxError, ValueError):  # cannot be decoded; the loader will name it
            return "object", id(value)
    try:
        hash(value)
    except TypeError:
        return "object", id(value)
    return value
