"""What a sample is: where it comes from, whose it is, and how its carriers become tables."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..carriers import Carrier


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One data set and where it comes from.

    Args:
        name: what users call it; also the name of its folder.
        title: one line for listings.
        carriers: the published packages that happen to hold it.
        licence: whose the data is and what may be done with it, for people to read.
        rows: in all its tables together.
        purpose: what it is good for, and what to beware of.
        tables: its files by their key under `data:` in a config (`train`, `test`).
        unpack: reads the carriers' files (first argument, in their order) and writes the prepared files to a
            folder (second).
    """

    name: str
    title: str
    carriers: tuple[Carrier, ...]
    licence: str
    rows: int
    purpose: str
    tables: Mapping[str, str]
    unpack: Callable[[Sequence[Path], Path], None]

    @property
    def megabytes(self) -> float:
        """To download in all."""
        return round(sum(carrier.megabytes for carrier in self.carriers), 1)

    def readme(self) -> str:
        """What stands in README.txt beside the tables."""
        taken = "".join(
            f"Taken from: {each.registry} {each.package}, {each.file}, sha256 {each.sha256}\n" for each in self.carriers
        )
        return f"{self.title}\n\n{self.purpose}\n\nRows: {self.rows:,}\nLicence: {self.licence}\n{taken}"


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes a table in UTF-8."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
