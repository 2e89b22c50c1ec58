"""Raw columns -> decoded ones. Every value is decoded once; what fits in memory stays, packed.

Legend: n rows.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..errors import Absent, DataError, Unreadable
from ..impute import How
from ..modalities.base import Modality
from .cache import Cache, load_many
from .rows import Store
from .table import Table

Missing = Literal["mask", "drop", "impute"]
CHUNK = 256
"""Values decoded between two looks at memory and progress."""


@dataclass(frozen=True)
class Input:
    """One input of a model.

    Args:
        name: what the config calls it.
        column: the table's column it reads.
        kind: the modality's registered name.
        modality: the modality itself.
        encoder: the encoder's name and options.
        missing: `mask` keeps rows that lack it; `drop` leaves them out, counted; `impute` fills it with a guess, and
            tells the model that it is one.
        impute: how to guess.
    """

    name: str
    column: str
    kind: str
    modality: Modality
    encoder: Mapping[str, Any]
    missing: Missing = "mask"
    impute: How = "most_frequent"


@dataclass(frozen=True)
class Problem:
    """One value that an input cannot read."""

    table: str
    row: int
    column: str
    value: str
    reason: str
    input: str
    """Its name: another input of the same column may be able to read the value."""
    absent: bool = False
    """Whether the value merely holds nothing for this input: then it counts as missing, not as unreadable."""

    def __str__(self) -> str:
        return f"{self.table}, row {self.row}, column {self.column!r}: {self.value}: {self.reason}"


Loaded = tuple[dict[str, Store], list[Problem]]


def load(table: Table, inputs: Sequence[Input], *, memory: float = 4.0, cache: Cache | None = None) -> Loaded:
    """Decodes every input's column.

    Args:
        table: the rows.
        inputs: what to read, their modalities fitted.
        memory: GiB that may be kept; inputs beyond it are decoded again for each batch.
        cache: where decoded values are kept on disk, if anywhere.

    Returns:
        A store by input name, and the values that could not be read (they count as missing).
    """
    steps = loading(table, inputs, memory=memory, cache=cache)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            loaded: Loaded = end.value
            return loaded


def loading(
    table: Table, inputs: Sequence[Input], *, memory: float = 4.0, cache: Cache | None = None
) -> Generator[tuple[str, int, int], None, Loaded]:
    """`load` as a generator of (input, values done, values in all), for whoever shows progress."""
    stores, problems, left = {}, [], memory * 2**30
    for item in inputs:
        store, bad = yield from _load_one(table, item, left, cache)
        stores[item.name] = store
        problems += bad
        left -= 0 if store.flat is None else store.flat.nbytes
    return stores, problems


def _load_one(
    table: Table, item: Input, memory: float, cache: Cache | None
) -> Generator[tuple[str, int, int], None, tuple[Store, list[Problem]]]:
    values = table.column(item.column)
    index, raws = _unique(values, item.modality, table.root)
    reasons: dict[int, Unreadable] = {}
    lengths = np.zeros(len(raws), dtype=np.int64)
    loaded: list[Tensor] | None = []
    used = 0
    for start in range(0, len(raws), CHUNK):
        for place, result in enumerate(load_many(item.modality, raws[start : start + CHUNK], cache), start):
            if isinstance(result, Unreadable):
                reasons[place] = result
                continue
            lengths[place] = len(result)
            used += result.nbytes
            if loaded is not None:
                loaded.append(result)
        if used > memory:
            loaded = None
        yield item.name, min(start + CHUNK, len(raws)), len(raws)

    problems = [
        Problem(
            table.name, table.row(position), item.column, shorten(values[position]), str(reason), item.name,
            absent=isinstance(reason, Absent),
        )
        for position, place in enumerate(index)
        if (reason := reasons.get(int(place))) is not None
    ]  # fmt: skip
    index[np.isin(index, list(reasons))] = -1
    flat = None
    if loaded is not None:
        empty = torch.zeros(0, *item.modality.shape, dtype=item.modality.dtype)
        flat = torch.cat(loaded) if loaded else empty
    return Store(item.modality, torch.from_numpy(index), torch.from_numpy(lengths), flat, raws, cache), problems


def _unique(
    values: Sequence[Any], modality: Modality, root: Path | None
) -> tuple[np.ndarray[Any, np.dtype[np.int64]], list[Any]]:
    """`(n,)` which unique value each row has, -1 where missing; and those values, their paths complete."""
    places: dict[Any, int] = {}
    raws: list[Any] = []
    index = np.full(len(values), -1, dtype=np.int64)
    for position, value in enumerate(values):
        if value is None:
            continue
        key = _key(value)
        if key not in places:
            places[key] = len(raws)
            raws.append(resolve(value, modality, root))
        index[position] = places[key]
    return index, raws


def check_unreadable(table: Table, problems: Sequence[Problem], share: float) -> None:
    """Stops where an input has more unreadable values than the stated share.

    Raises:
        DataError: names the column, the count, the first files and the remedy.
    """
    problems = [problem for problem in problems if not problem.absent]
    for column in sorted({problem.column for problem in problems}):
        rows = {problem.row: problem for problem in problems if problem.column == column}
        bad = [rows[row] for row in sorted(rows)]  # once each, though several inputs may read the column
        present = sum(value is not None for value in table.column(column))
        if len(bad) > share * present:
            first = "; ".join(f"row {problem.row}: {problem.value}: {problem.reason}" for problem in bad[:3])
            raise DataError(
                f"{table.name}, column {column!r}: {len(bad)} of {present} values cannot be read, more than the "
                f"{share:.0%} that data.max_unreadable allows ({first}); mend or empty these cells, or raise it"
            )


def resolve(value: Any, modality: Modality, root: Path | None) -> Any:
    """A cell's value with its path, if it is one, starting at the table's folder."""
    if modality.reads_files and isinstance(value, str | Path) and root is not None:
        return str(root / value)
    return value


def shorten(value: Any, longest: int = 80) -> str:
    """A raw value for messages."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = " ".join(str(value).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _key(value: Any) -> Any:
    """What tells equal raw values: the value itself, or the object where it cannot be hashed."""
    return (type(value), value) if isinstance(value, str | bytes | int | float | bool | Path) else id(value)
