"""The rows of all splits after each other, as the audit looks at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .equal import duplicate_keys
from .table import Table

Finding = dict[str, Any]
"""One warning of the audit: `{"kind", "columns", "message"}`."""
Inputs = Mapping[str, tuple[str, str]]
"""(kind, column) by input name."""
Places = NDArray[np.int64]
"""Positions in the joined rows."""
Flags = NDArray[np.bool_]
"""`(n,)` something true or false of each joined row."""


@dataclass(frozen=True)
class Joined:
    """All rows.

    Args:
        parts: tables by split; the first is the one that the others are compared with.
        files: columns whose texts are paths.

    >>> rows = Joined({"train": Table(pd.DataFrame({"a": [1, 2]})), "test": Table(pd.DataFrame({"a": [3]}))})
    >>> len(rows), rows.column("a"), rows.name(2)
    (3, [1, 2, 3], 'test row 0')
    """

    parts: Mapping[str, Table]
    files: frozenset[str] = frozenset()
    _cache: dict[str, list[Any]] = field(default_factory=dict, repr=False, compare=False)
    _keys: dict[tuple[str, ...], Places] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts.values())

    @property
    def first(self) -> str:
        """The split that the others are compared with."""
        return next(iter(self.parts))

    @property
    def others(self) -> list[str]:
        return list(self.parts)[1:]

    @cached_property
    def spans(self) -> dict[str, slice]:
        """Where each split's rows stand."""
        ends = np.cumsum([len(part) for part in self.parts.values()]).tolist()
        return {name: slice(end - len(self.parts[name]), end) for name, end in zip(self.parts, ends, strict=True)}

    @cached_property
    def columns(self) -> list[str]:
        """Columns that every split has."""
        return [name for name in self.parts[self.first].columns if all(name in p.columns for p in self.parts.values())]

    def column(self, name: str) -> list[Any]:
        """A column's values, `None` where missing, paths in full; a split that lacks the column misses it.

        Raises:
            DataError: no split has the column; says which is nearest.
        """
        if name not in self._cache:
            tables = list(self.parts.values())
            if not any(name in table.columns for table in tables):
                return tables[0].column(name)
            values: list[Any] = []
            for table in tables:
                own = table.column(name) if name in table.columns else [None] * len(table)
                if name in self.files and table.root is not None:
                    named = {value for value in own if isinstance(value, str | Path)}  # rows share files
                    full = {value: str(table.root / value) for value in named}
                    own = [full[value] if isinstance(value, str | Path) else value for value in own]
                values += own
            self._cache[name] = values
        return self._cache[name]

    def present(self, name: str) -> Flags:
        """Whether each row has a value."""
        return np.array([value is not None for value in self.column(name)], dtype=bool)

    def keys(self, columns: Sequence[str]) -> Places:
        """`(n,)` numbers that are equal for rows which are equal in some columns."""
        if tuple(columns) not in self._keys:
            frame = pd.DataFrame({name: pd.Series(self.column(name), dtype=object) for name in columns})
            self._keys[tuple(columns)] = duplicate_keys(Table(frame), columns)
        return self._keys[tuple(columns)]

    def name(self, place: int) -> str:
        """What messages call a row."""
        split = next(split for split, span in self.spans.items() if place < span.stop)
        row = self.parts[split].row(place - self.spans[split].start)
        return f"row {row}" if len(self.parts) == 1 else f"{split} row {row}"

    def pairs(self, left: Places, right: Places, most: int = 3) -> str:
        """The first few of some pairs of rows, for messages."""
        shown = [f"{self.name(one)} ~ {self.name(two)}" for one, two in zip(left[:most], right[:most], strict=True)]
        return ", ".join([*shown, *(["…"] if len(left) > most else [])])

    def sample(self, split: str, most: int, seed: int, among: Flags | None = None) -> Places:
        """At most so many of a split's rows, in order; a smaller sample is part of a larger one.

        Args:
            split: whose rows.
            most: how many.
            seed: of the choice.
            among: rows that may be taken; all if not given.
        """
        span = self.spans[split]
        places = np.random.default_rng(seed).permutation(np.arange(span.start, span.stop))
        if among is not None:
            places = places[among[places]]
        return np.sort(places[:most])
