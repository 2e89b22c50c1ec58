"""Units of rows to splits of given shares: whole units, each split with its share of every class."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from ..errors import DataError

Positions = np.ndarray[Any, np.dtype[np.int64]]

SPLITS = ("train", "valid", "test")
_TRIALS = 16
"""Random orders tried where units are few and the shares hard to meet; the nearest wins."""


def assign(
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
