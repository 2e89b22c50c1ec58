"""A table: rows with named columns, whatever they were read from. Missing is None, and only None."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, unknown


@dataclass(frozen=True)
class Table:
    """Rows of raw values.

    Args:
        frame: the values. Its index is each row's number in the source, counted from 0: messages name it, and
            `take` keeps it.
        root: the folder where relative paths in the cells start; `None` where there is none.
        name: what messages call the table, usually its file.
    """

    frame: pd.DataFrame
    root: Path | None = None
    name: str = "the table"
    _cache: dict[str, list[Any]] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def columns(self) -> list[str]:
        return [str(column) for column in self.frame.columns]

    def column(self, name: str) -> list[Any]:
        """A column's values, `None` where missing (None, NaN, NaT, or text of blanks alone).

        Raises:
            DataError: no such column; says which is nearest.
        """
        if name not in self._cache:
            if name not in self.columns:
                raise DataError(f"{self.name}: {unknown('column', name, self.columns)}")
            self._cache[name] = [None if is_missing(value) else value for value in self.frame[name].tolist()]
        return self._cache[name]

    def row(self, position: int) -> int:
        """The source's number of the row at a position."""
        return int(self.frame.index[position])

    def take(self, positions: Sequence[int] | np.ndarray[Any, Any]) -> Table:
        """The table of the rows at some positions."""
        return Table(self.frame.iloc[np.asarray(positions, dtype=np.int64)], self.root, self.name)


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing. An array or list is never missing, however it looks inside."""
    if value is None:
        return True
    if isinstance(value, str):
        return not value.strip()
    if isinstance(value, float | np.floating):
        return bool(np.isnan(value))
    return value is pd.NaT or value is pd.NA
