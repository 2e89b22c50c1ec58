"""What a sample is: where it comes from, whose it is, and how its carriers become tables."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import DataError
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


def write_parquet(path: Path, rows: Sequence[Mapping[str, str | int | None]]) -> None:
    """Writes rows that have the same keys. A column is whole numbers where its first value is, else text."""
    import pyarrow  # not at the top: listing samples starts without it
    import pyarrow.parquet

    columns = {}
    for name in rows[0]:
        cells = [row[name] for row in rows]
        number = isinstance(next((cell for cell in cells if cell is not None), ""), int)
        columns[name] = pyarrow.array(cells, pyarrow.int64() if number else pyarrow.string())
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def write_file(path: Path, content: bytes) -> None:
    """Writes a file of an archive, and the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def read_json(content: bytes, *, where: str) -> Any:
    """JSON from an archive.

    Raises:
        DataError: it is none; also where the text is not UTF-8.
    """
    try:
        return json.loads(content)
    except ValueError as error:
        raise DataError(f"{where} is no JSON ({error})") from error


def read_text(content: bytes, *, where: str) -> str:
    """Text from an archive.

    Raises:
        DataError: it is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not UTF-8 ({error})") from error
