"""Who had what when -> rows for recommendation: a user's history beside the next item, split by time.

Legend: n interactions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, unknown

Rows = NDArray[np.intp]
TRAIN, VALID, TEST, COLD = range(4)
PARTS = {"train": TRAIN, "valid": VALID, "test": TEST, "cold": COLD}


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the columns of a table of interactions are called.

    Args:
        user, item: who had what.
        time: when; any that can be sorted.
        same: of the table of items, equal for entries that are one item under two ids; they are held out together.
    """

    user: str = "user"
    item: str = "item"
    time: str = "time"
    same: str | None = None


def split_interactions(
    table: pd.DataFrame,
    *,
    columns: Columns,
    items: pd.DataFrame | None = None,
    valid: int | float = 1,
    test: int | float = 1,
    cold: float = 0.0,
    core: int = 1,
    longest: int = 50,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Tables `train`, `valid`, `test` and `cold`, a row for each interaction, with the user's `history` before it.

    Each user's last interactions are tested and those before validated: `1` and `1` is leave-one-out, shares such as
    `.1` and `.2` are a split by time within each user. Users with too few are all training. A training row's history
    is what its user had earlier; rows of equal time do not see each other. A row to be scored has all that its user
    had in training (for `test`, in validation as well), so that the rows of a user are one query.

    Some items can be held out of training altogether, histories included: rows of theirs are the table `cold`, and
    tell how well items are recommended that nobody has had yet.

    Args:
        table: one row an interaction.
        columns: what its columns are called.
        items: one row an item, by the same item column; its other columns join the tables.
        valid, test: interactions of each user, as a number or as a share of them.
        cold: share of the items to hold out.
        core: leave out users and items with fewer interactions, again and again until there is none.
        longest: items that a history has at most, the latest.
        seed: which items are held out.

    Raises:
        DataError: a column is missing, an item stands twice in `items` or is not there, or nothing is left.
    """
    _check(table, items, columns)
    table = table.sort_values(columns.time, kind="stable", ignore_index=True)
    table = table[in_core(table[columns.user].to_numpy(), table[columns.item].to_numpy(), core)].reset_index(drop=True)
    if not len(table):
        raise DataError(f"no user and item with {core} interactions each: lower `core`")
    users, _ = pd.factorize(table[columns.user])
    part = np.full(len(table), COLD)
    known = ~held_out(table, items, columns, share=cold, seed=seed)
    part[known] = last_ones(users[known], valid=valid, test=test)
    table = table.assign(history=pd.Series(_histories(table, users, part, columns, longest), dtype=object))
    if items is not None:
        table = table.merge(items, on=columns.item, how="left", validate="many_to_one")
    return {name: table[part == code].reset_index(drop=True) for name, code in PARTS.items()}


def in_core(users: NDArray[Any], items: NDArray[Any], least: int) -> NDArray[np.bool_]:
    """`(n,)` which interactions are left when users and items with fewer than `least` go, until there is none.

    >>> in_core(np.array([1, 1, 2, 2, 3]), np.array([7, 8, 7, 8, 8]), 2)
    array([ True,  True,  True,  True, False])
    """
    users, items = pd.factorize(users)[0], pd.factorize(items)[0]
    kept = np.ones(len(users), bool)
    while True:
        enough = [
            np.bincount(codes[kept], minlength=codes.max(initial=0) + 1)[codes] >= least for codes in (users, items)
        ]
        fewer = kept & enough[0] & enough[1]
        if fewer.sum() == kept.sum():
            return kept
        kept = fewer


def last_ones(users: NDArray[np.intp], *, valid: int | float, test: int | float) -> Rows:
    """`(n,)` the part of each interaction, which come in the order of time: each user's last ones are held out.

    A share of a user's interactions is rounded to the nearest whole number. Users who would keep nothing are training.

    >>> last_ones(np.array([0, 1, 0, 0, 1]), valid=1, test=1)
    array([0, 0, 1, 2, 0])
    """
    part = np.full(len(users), TRAIN)
    order = np.argsort(users, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(users[order])) + 1):
        tested, validated = (_num(each, len(rows)) for each in (test, valid))
        if tested + validated < len(rows):
            part[rows[len(rows) - tested - validated :]] = VALID
            part[rows[len(rows) - tested :]] = TEST
    return part


def held_out(
    table: pd.DataFrame, items: pd.DataFrame | None, columns: Columns, *, share: float, seed: int
) -> NDArray[np.bool_]:
    """`(n,)` which interactions are with the share of the items that is held out, drawn at random."""
    what = table[columns.item]
    if columns.same is not None and items is not None:
        what = what.map(items.set_index(columns.item)[columns.same])
    codes, names = pd.factorize(what, sort=True)
    drawn = np.random.default_rng(seed).permutation(len(names))[: round(share * len(names))]
    return np.isin(codes, drawn)


def _num(given: int | float, rows: int) -> int:
    return given if isinstance(given, int) else math.floor(given * rows + 0.5)


def _histories(
    table: pd.DataFrame, users: NDArray[np.intp], part: Rows, columns: Columns, longest: int
) -> list[list[Any]]:
    """What the user of each row had before it, the latest last."""
    items, times = table[columns.item].tolist(), table[columns.time].to_numpy()
    past: dict[str, dict[int, list[int]]] = {"train": {}, "test": {}}
    for row, (user, code) in enumerate(zip(users.tolist(), part.tolist(), strict=True)):
        for name, last in (("train", TRAIN), ("test", VALID)):
            if code <= last:
                past[name].setdefault(user, []).append(row)
    found: list[list[Any]] = []
    for row, (user, code) in enumerate(zip(users.tolist(), part.tolist(), strict=True)):
        rows = past["test" if code == TEST else "train"].get(user, [])
        if code == TRAIN:
            earlier = np.searchsorted(times[rows], times[row], side="left")
            rows = rows[:earlier]
        found.append([items[each] for each in rows[-longest:]])
    return found


def _check(table: pd.DataFrame, items: pd.DataFrame | None, columns: Columns) -> None:
    wanted: Mapping[str, Any] = {"user": columns.user, "item": columns.item, "time": columns.time}
    for name, column in wanted.items():
        if column not in table.columns:
            raise DataError(f"interactions, {name}: {unknown('column', column, map(str, table.columns))}")
        if table[column].isna().any():
            raise DataError(f"interactions, column {column!r}: row {int(table[column].isna().argmax())} is empty")
    if items is None:
        return
    for column in filter(None, (columns.item, columns.same)):
        if column not in items.columns:
            raise DataError(f"items: {unknown('column', column, map(str, items.columns))}")
    twice = items[columns.item][items[columns.item].duplicated()]
    if len(twice):
        raise DataError(f"items: {twice.iloc[0]} stands twice in column {columns.item!r}")
    strange = ~table[columns.item].isin(items[columns.item])
    if strange.any():
        row = int(strange.argmax())
        raise DataError(f"interactions, row {row}: {table[columns.item].iloc[row]} is no item")
