"""The files of published layouts: JSON whose errors name the entry, lines of text, and media by number or name."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, TypeVar

from ...errors import DataError, unknown
from ..infer import SUFFIXES

T = TypeVar("T")

MAX_BYTES = 4 * 2**30
"""Largest file that is read; of packed ones, when unpacked."""

Kind = type | tuple[type, ...]
_KINDS: dict[Any, str] = {
    str: "a text",
    int: "a whole number",
    list: "a list",
    dict: "an object",
    (int, str): "a number or a text",
    (int, float): "a number",
}
_NUMBER = re.compile(r"(\d{12})$")


class JsonFile:
    """A JSON file of a layout: every access is checked, and errors name the place and what the layout is.

    Args:
        folder: where relative paths start.
        path: of the file.
        layout: what such a file holds, for messages: `{"images": [{"id", "file_name"}]}`.
    """

    def __init__(self, folder: Path, path: str, layout: str) -> None:
        self.name = PurePath(path).name
        self.layout = layout
        text = read_text(folder, path)
        try:
            self.data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{self.name}: is not JSON ({error}); expected {layout}") from error

    def get(self, entry: Any, key: str, kind: Kind, *place: str | int, default: Any = None) -> Any:
        """What an object holds under a key.

        Args:
            entry: the object.
            key: of it.
            kind: what it must be. A whole number is never true or false.
            place: where the object stands, as keys and numbers from the top of the file.
            default: what to give where the key is absent or null; without one that is an error.

        Raises:
            DataError: no such key, or something else there; names the place, the entry's id and the layout.
        """
        value = entry.get(key) if isinstance(entry, dict) else None
        if isinstance(value, kind) and not isinstance(value, bool):
            return value
        if value is None and default is not None and isinstance(entry, dict):
            return default
        if not isinstance(entry, dict):
            raise self.wrong("is not an object", *place)
        if key not in entry:
            raise self.wrong(f"lacks {key!r}", *place, entry=entry)
        raise self.wrong(f"{key!r} needs {_KINDS[kind]}, not {_short(value)}", *place, entry=entry)

    def entries(self, key: str | None = None) -> list[Any]:
        """The list at the top of the file, or under a key of its top.

        Raises:
            DataError: there is none, or an empty one.
        """
        if key is None and not isinstance(self.data, list):
            raise self.wrong("is not a list")
        found: list[Any] = self.data if key is None else self.get(self.data, key, list)
        if not found:
            raise self.wrong("holds no entries", *([] if key is None else [key]))
        return found

    def pick(self, values: Sequence[T], index: Any, what: str, *place: str | int, entry: Any = None) -> T:
        """The value of a list that an entry points at by number.

        Raises:
            DataError: the list is too short.
        """
        if not isinstance(index, int) or not 0 <= index < len(values):
            raise self.wrong(f"points at {what} {_short(index)}, but there are {len(values)}", *place, entry=entry)
        return values[index]

    def pick_all(self, values: Sequence[T], indices: Sequence[Any], what: str, *place: str | int) -> list[T]:
        """The values of a list that an entry points at by numbers. Raises as `pick` does."""
        try:
            if min(indices, default=0) >= 0:
                return [values[index] for index in indices]
        except (IndexError, TypeError):
            pass  # to be told which
        return [self.pick(values, index, what, *place) for index in indices]

    def wrong(self, what: str, *place: str | int, entry: Any = None) -> DataError:
        """The error for something in the file."""
        steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).lstrip(".")
        keys = ("id", "question_id", "image_id") if isinstance(entry, dict) else ()
        known = next((f" ({key} {entry[key]})" for key in keys if isinstance(entry.get(key), int | str)), "")
        where = f"{self.name}, {steps}{known}" if steps else self.name
        return DataError(f"{where}: {what}; expected {self.layout}")


def read_text(folder: Path, path: str) -> str:
    """A UTF-8 file's text, unpacked if it ends in `.gz`.

    Raises:
        DataError: no such file (says which is nearest), too large, or other text than UTF-8.
    """
    whole = folder / Path(path).expanduser()
    try:
        with gzip.open(whole) if whole.suffix == ".gz" else whole.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise DataError(_nearest(whole)) from error
    except (OSError, EOFError) as error:
        raise DataError(f"{whole}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if len(data) > MAX_BYTES:
        raise DataError(f"{whole}: is larger than {MAX_BYTES // 2**30} GiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(f"{whole.name}, line {line}: the byte 0x{data[error.start]:02x} is not UTF-8") from error


def read_lines(folder: Path, path: str) -> list[str]:
    """A text file's lines, their ends cut off; the last may lack one. Raises as `read_text` does."""
    lines = [line.removesuffix("\r") for line in read_text(folder, path).split("\n")]
    return lines[:-1] if lines and not lines[-1] else lines


def check_folder(folder: Path, path: str, what: str) -> str:
    """The path of a folder of media, as cells begin with it.

    Raises:
        DataError: no such folder.
    """
    whole = folder / Path(path).expanduser()
    if not whole.is_dir():
        siblings = [each.name for each in whole.parent.iterdir() if each.is_dir()] if whole.parent.is_dir() else []
        raise DataError(f"no such folder of {what} {whole}: {unknown('folder', whole.name, siblings)}")
    return PurePath(os.path.normpath(Path(path).expanduser())).as_posix()


def under(start: str, path: str) -> str:
    """A path that starts at a folder, unless it is absolute."""
    return str(PurePosixPath(start) / path)


class MediaFiles:
    """The media files under some folders, however deep, by the number that ends their names, or by name.

    Args:
        folder: where relative paths start.
        paths: of the folders; the first has precedence.
        what: they hold, for messages ("images").
        by_number: COCO's way of naming: twelve digits at the end of the name. Else the name without its suffix.

    Raises:
        DataError: no such folder, or one without any such file.
    """

    def __init__(self, folder: Path, paths: str | Sequence[str], what: str, *, by_number: bool) -> None:
        paths = [paths] if isinstance(paths, str) else list(paths)
        self.first = check_folder(folder, paths[0], what) if paths else "."
        self.found: dict[int | str, str] = {}
        for path in paths:
            start = check_folder(folder, path, what)
            for inner, folders, names in os.walk(folder / start):
                folders.sort()
                for name in sorted(names):
                    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - many files
                    number = _NUMBER.search(stem)
                    if suffix.lower() in SUFFIXES and (number or not by_number):
                        inside = PurePath(os.path.relpath(Path(inner) / name, folder / start)).as_posix()
                        key = int(number[1]) if by_number and number else stem
                        self.found.setdefault(key, under(start, inside))
        if not self.found:
            ending = " whose name ends in twelve digits" if by_number else ""
            raise DataError(f"{folder / self.first}: holds no media file{ending}; it should hold the {what}")

    def path(self, key: int | str, usual: str) -> str:
        """The path of a file, or where one of its usual name should be."""
        return self.found.get(key) or under(self.first, usual)


def _nearest(path: Path) -> str:
    if not path.parent.is_dir():
        return f"{path}: no such file, nor its folder"
    return f"{path}: no such file; {unknown('file', path.name, [each.name for each in path.parent.iterdir()][:200])}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"
