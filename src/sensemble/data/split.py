"""Train, valid and test rows. Groups and exact duplicates stay on one side, so that no test row was seen before."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, DataError
from .infer import MEDIA, NEARLY, RICH, guess, media_kind, names_id
from .table import Table

Positions = np.ndarray[Any, np.dtype[np.int64]]

SPLITS = ("train", "valid", "test")
_SAID = {"train": 0, "valid": 1, "val": 1, "validation": 1, "dev": 1, "test": 2}
_MOST_CLASSES = 1000
_TRIALS = 16
"""Random orders tried where units are few and the shares hard to meet; the nearest wins."""


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
        units = _units(rows, [*target, *([column] if column else [])], group, files=files)
        classes = None if group else _classes(rows, target)
        needed = None if labels is None else [labels[row] for row in free.tolist()]
        side[free] = _assign(units, classes, needed, shares, seed, f"{table.name}: cannot split {len(free):,} rows")
    return {name: np.flatnonzero(side == place) for place, name in enumerate(SPLITS)}


def duplicate_keys(table: Table, columns: Sequence[str], *, files: bool = True) -> Positions:
    """Numbers that are equal for rows which are equal in some columns. Missing equals missing.

    Args:
        table: the rows, n of them.
        columns: which columns to compare; at least one.
        files: compare media files by content: the same picture under two names is a duplicate. Only files of equal
            size are read.

    Returns:
        `(n,)` int64.

    Raises:
        DataError: no such column.
    """
    assert columns, "rows are compared by at least one column"
    keys = np.zeros(len(table), dtype=np.int64)
    for name in columns:
        values = table.column(name)
        content = _contents(values, table.root) if files else {}
        codes: dict[Any, int] = {}
        column = [codes.setdefault(_key(value, content), len(codes)) for value in values]
        keys = np.unique(keys * len(codes) + np.array(column, dtype=np.int64), return_inverse=True)[1].astype(np.int64)
    return keys


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


def _units(table: Table, left_out: Sequence[str], group: str | None, *, files: bool) -> Positions:
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


def _classes(table: Table, target: Sequence[str]) -> Positions | None:
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


def _assign(
    units: Positions,
    classes: Positions | None,
    labels: Sequence[Collection[str]] | None,
    shares: Any,
    seed: int,
    where: str,
    *,
    cover: bool = True,
) -> Positions:
    """`(n,)` which of the splits, counted from 0, each row goes to, its unit whole.

    Args:
        cover: put a unit of every class and label into the first split, which trains.
    """
    sizes = np.bincount(units)
    wanted = np.flatnonzero(shares)
    forced, strata = _cover(units, classes, np.random.default_rng(seed % 2**63))
    forced = forced if cover else set()
    if len(sizes) < len(wanted):
        raise DataError(
            f"{where} into {len(wanted)}: groups and duplicates leave {len(sizes)} that may be parted; "
            "give more rows, or files of their own for valid and test"
        )

    def best() -> Positions:
        best, least = np.zeros(0, dtype=np.int64), np.inf
        for trial in range(_TRIALS if int(sizes.max()) > 1 and len(sizes) <= 2000 else 1):
            chosen = _fill(sizes, strata, forced, shares, np.random.default_rng([seed % 2**63, trial]))
            counts = np.bincount(chosen, minlength=len(shares))
            for empty in wanted[counts[wanted] == 0]:
                _give_one(chosen, sizes, forced, int(empty), where)
            off = float(np.abs(np.bincount(chosen, weights=sizes, minlength=len(shares)) - shares * sizes.sum()).sum())
            if off < least - 1e-9:
                best, least = chosen, off
        return best

    chosen = best()
    holders = _holders(units, labels or [])
    if not cover or all((chosen[sorted(each)] == 0).any() for each in holders.values()):
        return chosen[units]
    _force(forced, holders, _rank(units, np.random.default_rng(seed % 2**63)))
    return best()[units]


def _cover(units: Positions, classes: Positions | None, random: np.random.Generator) -> tuple[set[int], Positions]:
    """Units that must train so that every class does, small ones first, and `(u,)` each unit's rarest class."""
    strata = np.zeros(int(units.max()) + 1, dtype=np.int64)
    forced: set[int] = set()
    if classes is None:
        return forced, strata
    holders = _holders(units, [(key,) for key in classes.tolist()])
    for key in np.argsort(-np.bincount(classes), kind="stable").tolist():
        strata[sorted(holders[key])] = key
    _force(forced, holders, _rank(units, random))
    return forced, strata


def _holders(units: Positions, labels: Sequence[Collection[Any]]) -> dict[Any, set[int]]:
    """The units that hold each label, the commonest label first."""
    counts = Counter(label for row in labels for label in set(row))
    holders: dict[Any, set[int]] = {label: set() for label, _ in counts.most_common()}
    for unit, row in zip(units.tolist(), labels, strict=False):
        for label in row:
            holders[label].add(unit)
    return holders


def _rank(units: Positions, random: np.random.Generator) -> Positions:
    """`(u,)` each unit's place by size, small ones first, at random among equals."""
    sizes = np.bincount(units)
    return np.lexsort((random.permutation(len(sizes)), sizes)).argsort()


def _force(forced: set[int], holders: dict[Any, set[int]], rank: Positions) -> None:
    """Adds to the units that must train, so that every label does, the rarest label first."""
    for held in reversed(holders.values()):
        if not forced & held:
            forced.add(min(held, key=lambda unit: int(rank[unit])))


def _fill(sizes: Positions, strata: Positions, forced: set[int], shares: Any, random: np.random.Generator) -> Positions:
    """`(u,)` which split each unit goes to: stratum by stratum, what one leaves open is carried to the next.

    Larger units go first, by powers of two and at random within one, so that each split gets units of all sizes.
    """
    chosen = np.zeros(len(sizes), dtype=np.int64)
    order = random.permutation(len(sizes))
    order = order[np.argsort(-np.log2(sizes[order]).astype(np.int64), kind="stable")]
    members: dict[int, list[int]] = defaultdict(list)
    for unit in order.tolist():
        members[int(strata[unit])].append(unit)
    share = shares.tolist()
    splits = [place for place in range(len(share)) if share[place] > 0]
    left = [0.0] * len(share)  # rows that each split still wants
    for stratum in random.permutation(list(members)).tolist():
        inside = members[stratum]
        rows = int(sizes[inside].sum())
        left = [open_ + part * rows for open_, part in zip(left, share, strict=True)]
        for unit in sorted(inside, key=lambda each: each not in forced):
            size = int(sizes[unit])
            fits = [place for place in splits if left[place] >= size - 1e-6]
            if unit in forced:
                place = 0
            elif fits:
                place = max(fits, key=lambda each: left[each] / share[each])
            else:
                place = max(splits, key=lambda each: left[each])
            chosen[unit] = place
            left[place] -= size
    return chosen


def _give_one(chosen: Positions, sizes: Positions, forced: set[int], empty: int, where: str) -> None:
    """Moves the smallest unit that may go into an empty split."""
    counts = Counter(chosen.tolist())
    free = [unit for unit in range(len(sizes)) if counts[int(chosen[unit])] > 1 and unit not in forced]
    if not free:
        raise DataError(
            f"{where}: no row is left for {SPLITS[empty]}, as every class needs one to train; "
            "give more rows, or files of their own for valid and test"
        )
    chosen[min(free, key=lambda unit: int(sizes[unit]))] = empty


def _contents(values: Sequence[Any], root: Path | None) -> Mapping[Any, Any]:
    """By path, the digest of each media file that has the size of another one."""
    sizes: dict[int, list[Any]] = defaultdict(list)
    for value in dict.fromkeys(each for each in values if isinstance(each, str | Path) and media_kind(each)):
        try:
            sizes[((root or Path()) / value).stat().st_size].append(value)
        except (OSError, ValueError):  # not there: its name tells it apart, the loader will name it
            continue
    digests: dict[Any, Any] = {}
    for value in (value for alike in sizes.values() if len(alike) > 1 for value in alike):
        try:
            with ((root or Path()) / value).open("rb") as file:
                digests[value] = ("file", hashlib.file_digest(file, _digest).digest())
        except OSError:
            continue
    return digests


def _digest(data: bytes = b"") -> Any:
    return hashlib.blake2b(data, digest_size=16)


def _key(value: Any, content: Mapping[Any, Any]) -> Any:
    """Something hashable that is equal for equal cells."""
    if isinstance(value, str | Path):
        return content.get(value, str(value))
    if isinstance(value, list | tuple | np.ndarray):
        try:
            array = np.asarray(value)
        except ValueError:  # ragged
            return tuple(_key(item, content) for item in value)
        if array.dtype.kind not in "iufb":
            return tuple(_key(item, content) for item in value)
        array = array.astype(np.float64) + 0.0  # a list of whole numbers equals one of floats, and -0 equals 0
        return array.shape, _digest(array.tobytes()).digest()
    if isinstance(value, dict):
        return tuple(sorted((str(key), repr(_key(item, content))) for key, item in value.items()))
    if media_kind(value) == "image" and hasattr(value, "tobytes"):  # a Pillow picture
        try:
            return value.mode, value.size, _digest(value.tobytes()).digest()
        except (OSError, SyntaxError, ValueError):  # cannot be decoded; the loader will name it
            return "object", id(value)
    try:
        hash(value)
    except TypeError:
        return "object", id(value)
    return value
