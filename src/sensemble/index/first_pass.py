"""A first pass: finds candidates quickly, which the float vectors then score. Made from the store, kept beside it.

Whatever is lost or left over is made again: the store is the truth. A structure knows how many rows it covers, and of
which generation; rows that came later are searched exactly.

Legend: n rows, q queries, D dimensions.
"""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from ..files import replace_folder
from .base import Vectors
from .nearest import Rows
from .where import Flags


class FirstPass(ABC):
    """Candidates of the rows it covers.

    Attributes:
        name: of its folder beside the store.
        covered: the first so many rows.
        generation: of the store when it was made.
    """

    name: ClassVar[str]

    def __init__(self, covered: int, generation: int) -> None:
        self.covered, self.generation = covered, generation

    @abstractmethod
    def candidates(self, queries: Vectors, count: int, allowed: Flags | None) -> list[Rows]:
        """For each query `(q, D)`, about so many rows that are likely the nearest, in any order. Where fewer than k
        come back, the caller searches exactly.

        Args:
            allowed: which rows may be found; `None` allows all.
        """

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Writes its files."""

    def save(self, store: Path) -> None:
        """Puts it beside the store, all at once, in the place of older ones."""
        name = f"{self.name}-{self.generation}-{self.covered}"
        with replace_folder(store / name) as new:
            self.write(new)
            for file in new.iterdir():
                with file.open("rb") as written:
                    os.fsync(written.fileno())
        for other in store.glob(f"{self.name}-*"):
            if other.name != name:
                shutil.rmtree(other, ignore_errors=True)


def latest(store: Path, name: str, generation: int) -> tuple[Path, int] | None:
    """Folder and covered rows of the structure of that name that covers most."""
    found = []
    for folder in store.glob(f"{name}-{generation}-*"):
        covered = folder.name.rpartition("-")[2]
        if covered.isdecimal() and (folder / "complete").exists():
            found.append((int(covered), folder))
    if not found:
        return None
    covered_rows, folder = max(found)
    return folder, covered_rows
