"""Raw values as bytes: plain files within a size, and a digest that tells equal contents.

Imports nothing of ours but errors. Whatever decodes media reads its files here.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Unreadable

MAX_BYTES = 256 * 2**20
"""Largest file that is read whole."""


def check_file(path: Path, what: str) -> int:
    """The size of a plain file, in bytes; never a pipe or a device, which might not end.

    Args:
        path: where it is.
        what: what it should hold, for messages ("picture").

    Raises:
        Unreadable: no such file, a folder, a device, or a web address.
    """
    if {"http:", "https:"} & set(path.parts):
        raise Unreadable(f"is a web address; download the {what} and give its path")
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise Unreadable("file does not exist") from error
    except (OSError, ValueError) as error:
        raise Unreadable(f"file cannot be opened ({getattr(error, 'strerror', None) or error})") from error
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable("is a folder" if stat.S_ISDIR(found.st_mode) else "not a plain file")
    return found.st_size


def read_file(path: Path, what: str) -> bytes:
    """A plain file's bytes, at most one more than `MAX_BYTES`.

    Raises:
        Unreadable: as `check_file` says, or it may not be opened.
    """
    check_file(path, what)
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unreadable(f"file cannot be opened ({error.strerror})") from error


def check_length(data: bytes) -> None:
    """Refuses a file's bytes that are none, or too many.

    Raises:
        Unreadable: says which.
    """
    if not data:
        raise Unreadable("file is empty")
    if len(data) > MAX_BYTES:
        raise Unreadable(f"file is larger than {MAX_BYTES // 2**20} MiB")


def digest(raw: Any, *, is_file: bool) -> bytes | None:
    """What tells a raw value's content: 20 bytes, equal for equal contents whatever the file's name.

    Args:
        raw: a path, text, bytes, an array, a Pillow image, or a mapping with `bytes` or `path`, or with `array` and
            `sampling_rate`.
        is_file: whether a string is the path of a file.

    Returns:
        `None` where the value cannot be read, or is of a kind whose content is not known.
    """
    found = hashlib.blake2b(digest_size=20)
    if isinstance(raw, Mapping):
        if raw.get("array") is not None:  # decoded samples, whatever file they came from
            found.update(f"sound {raw.get('sampling_rate')}\0".encode())
            raw = _array(raw["array"])
        else:
            raw = raw.get("path") if raw.get("bytes") is None else raw["bytes"]
            is_file = True
    if isinstance(raw, Path) or (is_file and isinstance(raw, str)):
        try:
            check_file(Path(raw), "file")
            with Path(raw).open("rb") as file:
                return hashlib.file_digest(file, lambda: found).digest()
        except (Unreadable, OSError):
            return None
    if isinstance(raw, bytes | bytearray | memoryview):
        found.update(raw)
    elif isinstance(raw, str):
        found.update(b"text\0" + raw.encode("utf-8", "surrogatepass"))
    elif isinstance(raw, np.ndarray) and raw.dtype.kind in "iufb":
        found.update(f"array {raw.dtype.str} {raw.shape}\0".encode())
        found.update(np.ascontiguousarray(raw).data)
    elif hasattr(raw, "tobytes") and hasattr(raw, "mode") and hasattr(raw, "size"):  # a Pillow image
        found.update(f"image {raw.mode} {raw.size} {getattr(raw, 'info', {}).get('exif')!r}\0".encode())
        found.update(raw.tobytes())
    else:
        return None
    return found.digest()


def _array(values: Any) -> Any:
    """Nested lists as an array; ragged ones as they are."""
    try:
        return np.asarray(values)
    except ValueError:
        return values
