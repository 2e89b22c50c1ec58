"""Cross-validation: every row is tested once, by a model that saw neither it, nor its twins, nor its group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import ConfigError
from .assign import Positions, assign
from .split import classes_of, split, units_of
from .table import Table


def folds(
    table: Table,
    count: int,
    *,
    target: Sequence[str] = (),
    group: str | None = None,
    valid: float = 0.1,
    seed: int = 0,
    files: bool = True,
) -> list[dict[str, Positions]]:
    """Parts the rows into folds of like size; each is the test rows of one split.

    What belongs together stays together as in `split`: equal rows, and the rows of a group. Without a group, folds
    hold equal shares of each label, where it has few values.

    Args:
        table: n rows.
        count: number of folds, from 2.
        target: columns of the label.
        group: column whose groups stay whole.
        valid: share of the rows that are not tested which validate; 0 for none.
        seed: another seed gives other folds: repeated cross-validation.
        files: compare media files by what they hold.

    Returns:
        For each fold the positions of its "train", "valid" and "test" rows.

    Raises:
        ConfigError: fewer than 2 folds.
        DataError: too few rows, or groups, for so many folds.
    """
    if count < 2:
        raise ConfigError(f"folds: needs at least 2, not {count}")
    units = units_of(table, list(target), group, files=files)
    classes = None if group else classes_of(table, target)
    where = f"{table.name}: cannot part {len(table):,} rows"
    fold = assign(units, classes, None, np.full(count, 1 / count), seed, where, cover=False)
    result = []
    for number in range(count):
        rest = np.flatnonzero(fold != number)
        inner = split(
            table.take(rest), valid=valid, test=0, target=target, group=group, seed=seed * 1009 + number, files=files
        )
        result.append(
            {"train": rest[inner["train"]], "valid": rest[inner["valid"]], "test": np.flatnonzero(fold == number)}
        )
    return result
