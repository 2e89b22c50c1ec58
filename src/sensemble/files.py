"""Writing that survives a kill: whole files and whole folders appear at once or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def home() -> Path:
    """The folder for what is fetched or made once and kept: `$SENSEMBLE_HOME`, else `~/.cache/sensemble`."""
    return Path(os.environ.get("SENSEMBLE_HOME") or "~/.cache/sensemble").expanduser()


def write(path: Path, content: str | bytes) -> None:
    """Writes a file beside its place, flushes it to disk, then renames it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.new")
    with aside.open("wb") as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Writes plain values as JSON in UTF-8."""
    write(path, to_json(value, indent=2) + "\n")


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Plain values as JSON; NaN and infinity, which JSON does not know, become null."""
    return json.dumps(_finite(value), ensure_ascii=False, indent=indent)


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Gives an empty folder to fill; at the end it takes the place of `folder`.

    A kill in between leaves the old folder, or both under other names; `recover` then mends it.
    """
    new, old = _beside(folder)
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    yield new
    write(new / "complete", "")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def recover(folder: Path) -> bool:
    """Finishes a replacement that a kill interrupted. Returns whether `folder` is there and whole."""
    new, old = _beside(folder)
    if not folder.exists():
        if (new / "complete").exists():
            new.rename(folder)
        elif old.exists():
            old.rename(folder)
    return (folder / "complete").exists()


def remove_folder(folder: Path) -> None:
    """Removes a folder and what an interrupted replacement left beside it."""
    for each in (folder, *_beside(folder)):
        shutil.rmtree(each, ignore_errors=True)


def _beside(folder: Path) -> tuple[Path, Path]:
    return folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return _finite(value.item())
    return value
