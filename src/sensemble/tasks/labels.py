"""Cells of a table as labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.table import Table
from ..errors import DataError


def label_text(value: Any) -> str:
    """A label as text: 1, 1.0 and "1" are the same label; so are True and "True"."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return str(value).strip()


def label_order(label: str) -> tuple[int, float, str]:
    """Numbers by value first, then texts by alphabet."""
    try:
        return (0, float(label), label)
    except ValueError:
        return (1, 0.0, label)


def yes_or_no(value: Any, table: Table, index: int, column: str) -> bool | None:
    """A yes-or-no cell."""
    if value is None:
        return None
    text = label_text(value).lower()
    if text in ("1", "true", "yes"):
        return True
    if text in ("0", "false", "no"):
        return False
    raise DataError(
        f"{table.name}, row {table.row(index)}, column {column!r}: {value!r} is neither yes nor no; several target "
        "columns need 0/1, true/false or yes/no"
    )
