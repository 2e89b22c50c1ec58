"""Packages made by the tests: wheels, Debian packages and npm tarballs of a few files."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow

Content = bytes | str | tarfile.TarInfo
PACK: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": lambda content: pyarrow.compress(content, "zstd", asbytes=True),
}


def tar(members: Mapping[str, Content]) -> bytes:
    """A tar archive; a member may be a `TarInfo` of a link or a device instead of a content."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                content.name = name
                archive.addfile(content)
                continue
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return written.getvalue()


def ar(members: Mapping[str, bytes]) -> bytes:
    """An `ar` archive, its parts at even places."""
    written = b"!<arch>\n"
    for name, content in members.items():
        written += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        written += content + b"\n" * (len(content) % 2)
    return written


def write_wheel(path: Path, members: Mapping[str, Content]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            assert not isinstance(content, tarfile.TarInfo)
            archive.writestr(name, content)
    return path


def write_deb(path: Path, members: Mapping[str, Content], *, suffix: str = ".xz") -> Path:
    """A Debian package; names get the leading `./` that they have in real ones."""
    data = PACK[suffix](tar({f"./{name}": content for name, content in members.items()}))
    control = gzip.compress(tar({"./control": "Package: x\n"}))
    path.write_bytes(ar({"debian-binary": b"2.0\n", "control.tar.gz": control, f"data.tar{suffix}": data}))
    return path


def write_npm(path: Path, members: Mapping[str, Content]) -> Path:
    path.write_bytes(gzip.compress(tar({f"package/{name}": content for name, content in members.items()})))
    return path


def link(target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo()
    member.type, member.linkname = kind, target
    return member
