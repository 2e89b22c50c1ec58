"""Train, valid and test rows. Groups and exact duplicates stay on one side, so that no test row was seen before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from ..errors import ConfigError, DataError
from .assign import SPLITS, Positions, assign
from .equal import duplicate_keys
from .infer import MEDIA, NEARLY, RICH, guess, names_id
from .table import Table

_SAID = {"train": 0, "valid": 1, "val": 1, "validation": 1, "dev": 1, "test": 2}
_MOST_CLASSES = 1000


def split(
    table: Table,
    *,
    valid: float,
    test: float,
    target: Sequence[str] = (),
    group: str | None = None,
    column: str | None = None,
    seed: int = 0,
    files: bool = True,
    labels: Sequence[Collection[str]] | None = None,
) -> dict[str, Positions]:
    """Splits the rows of a table.

    Rows that are equal in all columns but the target, the group and ids are one unit; so are the rows of a group.
    Units that share a row are joined. A unit is never cut. Codes count as ids where the other columns, too, tell
    most rows apart.

    Args:
        table: the rows.
        valid: share of the rows for validation, 0 for none.
        test: share of the rows for testing, 0 for none.
        target: columns of the label. Where it has few values and no group is named, each of them gets its share of
            every split, and every one appears in training.
        group: column whose groups stay whole; a row without one is a group of its own.
        column: column that says train, valid (val, validation, dev) or test, in any case. Duplicates then stay where
            it puts them. A split that it never names is taken from its train rows, by its share.
        seed: another seed gives another split, the same one the same.
        files: compare pictures, sounds and videos by what the files hold, not by their names.
        labels: each row's. Where a split would leave one to validation or test rows alone, the smallest unit that
            has it trains instead, groups or not.

    Returns:
        Positions in the table, rising, by "train", "valid" and "test". A split whose share is 0 is empty.

    Raises:
        ConfigError: shares that leave nothing for training.
        DataError: an unknown column, an unknown word in `column`, or too few units for all splits.
    """
    if not (0 <= valid < 1 and 0 <= test < 1 and valid + test < 1):
        raise ConfigError(f"valid_share {valid:g} and test_share {test:g}: need shares from 0 whose sum is below 1")
    side = np.zeros(len(table), dtype=np.int64)
    shares = np.array([1 - valid - test, valid, test])
    if column is not None:
        side = _said(table, column)
        shares[1:][[bool((side == place).any()) for place in (1, 2)]] = 0
        shares[0] = 1 - shares[1:].sum()
    free = np.flatnonzero(side == 0)  # rows still to be shared out
    if shares[1:].any():
        rows = table.take(free)
        units = units_of(rows, [*target, *([column] if column else [])], group, files=files)
        classes = None if group else classes_of(rows, target)
        needed = None if labels is None else [labels[row] for row in free.tolist()]
        side[free] = assign(units, classes, needed, shares, seed, f"{table.name}: cannot split {len(free):,} rows")
    return {name: np.flatnonzero(side == place) for place, name in enumerate(SPLITS)}


def _said(table: Table, column: str) -> Positions:
    """Which split a column says each row is in."""
    side = np.zeros(len(table), dtype=np.int64)
    for position, value in enumerate(table.column(column)):
        word = str(value).strip().lower()
        if word not in _SAID:
            what = "is empty" if value is None else f"says {value!r}"
            raise DataError(
                f"{table.name}, row {table.row(position)}, column {column!r}: {what}; a split is train, valid or test"
            )
        side[position] = _SAID[word]
    if not (side == 0).any():
        raise DataError(f"{table.name}, column {column!r}: no row says train; name another split column or none")
    return side


def units_of(table: Table, left_out: Sequence[str], group: str | None, *, files: bool) -> Positions:
    """`(n,)` the number of the unit that each row belongs to."""
    kinds = {name: guess(table, name).kind for name in table.columns} if group else {}
    # A group that is a file, a picture with many questions, is part of what its rows hold.
    columns = [name for name in table.columns if name not in left_out and (name != group or kinds[name] in MEDIA)]
    if group and not any(kinds[name] in RICH for name in columns):
        columns = []  # rows of few-valued columns are equal by chance, and would tie all groups together
    alone = np.arange(len(table))
    units = alone
    if columns:
        ids = [name for name in columns if _tells_rows_apart(table, name)]
        content = [name for name in columns if name not in ids] or columns
        keys = duplicate_keys(table, content, files=files)
        codes = [name for name in ids if _is_code(table, name)]
        if codes and content != columns and 2 * len(np.unique(keys)) < len(table):
            content += codes  # formulas or sequences may look like ids; here they tell most rows apart
            keys = duplicate_keys(table, content, files=files)
        bare = np.array([all(value is None for value in row) for row in zip(*map(table.column, content), strict=True)])
        units = np.where(bare, len(table) + alone, keys)  # rows without content do not repeat each other
    if group is None:
        return np.unique(units, return_inverse=True)[1]
    names = duplicate_keys(table, [group], files=False)
    missing = np.array([value is None for value in table.column(group)])
    return _join(units, np.where(missing, len(table) + alone, names))


def _tells_rows_apart(table: Table, name: str) -> bool:
    """Whether a column holds ids that hardly repeat."""
    if guess(table, name).kind != "id":
        return False
    present = [value for value in table.column(name) if value is not None]
    return len(set(map(str, present))) >= NEARLY * len(present)


def _is_code(table: Table, name: str) -> bool:
    """Whether an id column holds strings, and only they make it one."""
    return not names_id(name) and any(isinstance(value, str) for value in table.column(name))


def _join(left: Positions, right: Positions) -> Positions:
    """Units of rows that are linked through either number, over any chain of rows."""
    parents: dict[tuple[int, int], tuple[int, int]] = {}

    def root(node: tuple[int, int]) -> tuple[int, int]:
        while (parent := parents.setdefault(node, node)) != node:
            parents[node] = node = parents[parent]  # halves the path for the next look
        return node

    pairs = list(zip(left.tolist(), right.tolist(), strict=True))
    for one, other in pairs:
        parents[root((0, one))] = root((1, other))
    numbers: dict[tuple[int, int], int] = {}
    roots = (root((0, one)) for one, _ in pairs)
    return np.array([numbers.setdefault(each, len(numbers)) for each in roots], dtype=np.int64)


def classes_of(table: Table, target: Sequence[str]) -> Positions | None:
    """`(n,)` class numbers of the target, or of its first column with few values; `None` where there is none."""
    combinations = ([target] if len(target) > 1 else []) + [[name] for name in target]
    for names in combinations:
        values = [value for name in names for value in table.column(name)]
        if all(_is_label(value) for value in values):
            keys = duplicate_keys(table, names, files=False)
            classes = int(keys.max()) + 1
            if classes <= _MOST_CLASSES and 2 * classes <= len(table):
                return keys
    return None


def _is_label(value: Any) -> bool:
    """Whether a target's value may name a class: text, true or false, or a whole number."""
    return value is None or isinstance(value, str | int | np.integer) or (isinstance(value, float) and value % 1 == 0)
