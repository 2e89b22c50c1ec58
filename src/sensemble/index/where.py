"""Conditions on columns, looked up for all entries at once.

Legend: n entries, u different values of a column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, unknown
from .base import Where

BOUNDS = ("min", "max")
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Condition:
    """What one column must hold.

    Args:
        column: its name.
        values: any of these; `None` where bounds are given instead.
        least, most: bounds, included; `None` where there is none. Numbers bound numbers, texts bound texts.
    """

    column: str
    values: tuple[Any, ...] | None
    least: Any = None
    most: Any = None


def conditions(where: Where | None) -> list[Condition]:
    """The conditions of a `Where`, checked.

    Raises:
        ConfigError: a key beside `min` and `max`, bounds of two kinds, or a value that no column holds.
    """
    found = []
    for column, wanted in (where or {}).items():
        if isinstance(wanted, dict):
            for key in wanted:
                if key not in BOUNDS:
                    raise ConfigError(f"where, column {column!r}: {unknown('bound', key, BOUNDS)}")
            least, most = wanted.get("min"), wanted.get("max")
            for each in (least, most):
                if each is not None and (isinstance(each, bool) or not isinstance(each, str | int | float)):
                    raise ConfigError(f"where, column {column!r}: a bound is a number or a text, not {each!r}")
            if least is not None and most is not None and isinstance(least, str) != isinstance(most, str):
                raise ConfigError(f"where, column {column!r}: min and max are a number and a text")
            found.append(Condition(column, None, least, most))
            continue
        values = tuple(wanted) if isinstance(wanted, list | tuple | set) else (wanted,)
        for each in values:
            if not isinstance(each, str | int | float):
                raise ConfigError(f"where, column {column!r}: needs texts, numbers or truth values, not {each!r}")
        found.append(Condition(column, values))
    return found


class Column:
    """One column of all entries: which of its different values each entry has."""

    def __init__(self) -> None:
        self._places: dict[Any, int] = {}
        self._values: list[Any] = []
        self._codes = np.zeros(0, dtype=np.int32)  # (n,), -1 where absent

    def __len__(self) -> int:
        return len(self._codes)

    def extend(self, values: Sequence[Any]) -> None:
        """Adds the values of more entries, `None` where absent."""
        codes = np.full(len(values), -1, dtype=np.int32)
        for row, value in enumerate(values):
            if value is not None:
                key = _key(value)
                place = self._places.setdefault(key, len(self._values))
                if place == len(self._values):
                    self._values.append(value)
                codes[row] = place
        self._codes = np.concatenate([self._codes, codes])

    def fits(self, condition: Condition) -> Flags:
        """`(n,)` which entries meet a condition."""
        fits = np.zeros(len(self._values) + 1, dtype=np.bool_)  # (u + 1,), the last for absent ones
        if condition.values is not None:
            places = [self._places.get(_key(value)) for value in condition.values]
            fits[[place for place in places if place is not None]] = True
        else:
            fits[:-1] = list(_within(self._values, condition.least, condition.most))
        return fits[self._codes]


def _within(values: Sequence[Any], least: Any, most: Any) -> Iterable[bool]:
    bounds = [each for each in (least, most) if each is not None]
    kinds: tuple[type, ...] = (
        (str, int, float) if not bounds else (str,) if isinstance(bounds[0], str) else (int, float)
    )
    for value in values:
        yield (
            isinstance(value, kinds)
            and not isinstance(value, bool)
            and (least is None or value >= least)
            and (most is None or value <= most)
        )


def _key(value: Any) -> Any:
    """Tells true from 1, which are equal in Python; 1 and 1.0 are one number."""
    return (value,) if isinstance(value, bool) else value
