"""The decoded rows of a table, ready for a network, and the batches that a training sees.

Legend: n rows, u unique values, B batch, T tokens.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError, Unreadable
from ..modalities.base import Modality
from ..tokens import NOTHING, Batch, Tokens
from .cache import Cache, load_many
from .table import Table

READ_AHEAD = 2
"""Batches read before they are needed."""
COSTLY = 256
"""Numbers in a value from which on it pays to encode equal ones once: pictures, clips and sounds, not a few words."""
UNEVEN = 1.75
"""How many times longer than the mean the longest row must be for rows of like length to be put together. Such batches
are less alike to each other (all of one kind of question), and teach more slowly."""


@dataclass(frozen=True)
class Store:
    """One input's values for all rows.

    Equal raw values are decoded and kept once. `flat` holds the tokens of all unique values after each other;
    where they do not fit in memory it is `None`, and `raws` are decoded again for each batch.

    Args:
        modality: how to decode.
        index: `(n,)` which unique value each row has; -1 where missing.
        lengths: `(u,)` tokens of each unique value.
        flat: `(sum of lengths, *shape)`, or `None`.
        raws: the unique raw values.
        cache: where decoded values are kept on disk.
    """

    modality: Modality
    index: Tensor
    lengths: Tensor
    flat: Tensor | None
    raws: Sequence[Any]
    cache: Cache | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "_starts", self.lengths.cumsum(0) - self.lengths)

    def tokens(self, rows: Tensor) -> Tokens:
        """The tokens of some rows, padded to the longest of them."""
        index = self.index[rows]  # (B,)
        real = index >= 0
        if self.flat is None:
            wanted = index[real].tolist()
            loaded = iter(load_many(self.modality, [self.raws[place] for place in wanted], self.cache))
            tokens = self.modality.collate([_readable(next(loaded)) if here else None for here in real.tolist()])
            return replace(tokens, twins=self._twins(index))
        if not len(self.flat):  # no value at all, or none that can be read
            return self.modality.collate([None] * len(rows))
        safe = index.clamp(min=0)
        lengths = self.lengths[safe] * real
        longest = max(int(lengths.max()), 1)
        steps = torch.arange(longest)
        mask = steps < lengths.unsqueeze(1)  # (B, T)
        places = self._starts[safe].unsqueeze(1) + steps  # type: ignore[attr-defined]
        places = torch.where(mask, places, 0)  # (B, T)
        values = self.flat.index_select(0, places.flatten()).view(*mask.shape, *self.flat.shape[1:])
        return Tokens(values, mask, self._twins(index)).clean()

    def _twins(self, index: Tensor) -> Tensor | None:
        """Which rows hold the same, where it pays to know."""
        return index if self._longest * math.prod(self.modality.shape) >= COSTLY else None

    @cached_property
    def _longest(self) -> int:
        """Most tokens of a value."""
        return int(self.lengths.max()) if len(self.lengths) else 0

    def size(self, rows: Tensor) -> Tensor:
        """`(B,)` tokens of some rows: what batches are bucketed by."""
        index = self.index[rows]
        if not len(self.lengths):
            return torch.zeros(len(rows), dtype=torch.long)
        return self.lengths[index.clamp(min=0)] * (index >= 0)

    @property
    def present(self) -> Tensor:
        """`(n,)` bool: whether each row has a value."""
        return self.index >= 0


@dataclass(frozen=True)
class Samples:
    """The rows of a table, ready for a network: a `Store` an input, and the labels.

    Args:
        table: the raw rows.
        stores: by input name.
        target: `(n, K)` labels, or `None`.
        weight: `(n,)` row weights, or `None`.
        groups: `(n,)` group numbers for the bootstrap, or `None`.
    """

    table: Table
    stores: Mapping[str, Store]
    target: Tokens | None = None
    weight: Tensor | None = None
    groups: np.ndarray[Any, np.dtype[np.int64]] | None = None

    def __len__(self) -> int:
        return len(self.table)

    def batch(self, rows: Tensor) -> Batch:
        return Batch(
            {name: store.tokens(rows) for name, store in self.stores.items()}
            or {NOTHING: Tokens.stack([None] * len(rows), shape=())},
            None if self.target is None else self.target[rows],
            None if self.weight is None else self.weight[rows],
        )

    def sizes(self, rows: Tensor) -> Tensor:
        """`(B,)` tokens of some rows, of all inputs together, or of the labels where there are no inputs."""
        if self.stores:
            return torch.stack([store.size(rows) for store in self.stores.values()]).sum(0)
        return torch.zeros(len(rows), dtype=torch.long) if self.target is None else self.target.mask[rows].sum(1)

    def stream(self, batches: Iterable[Tensor], *, pin: bool = False) -> Iterator[Batch]:
        """The batches of some row numbers, one after another, each read while its predecessor is used.

        Reading ahead is for inputs that are decoded again for each batch: a thread does it, as decoders and the
        feature cache release the interpreter's lock. What lies in memory is gathered at once, which costs less.

        Args:
            batches: row numbers, batch by batch.
            pin: put batches where a GPU can fetch them by itself.
        """

        def read(rows: Tensor) -> Batch:
            batch = self.batch(rows)
            return batch.pin() if pin else batch

        if all(store.flat is not None for store in self.stores.values()):
            yield from map(read, batches)
            return
        ahead: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(1) as pool:
            try:
                for rows in batches:
                    ahead.append(pool.submit(read, rows))
                    if len(ahead) > READ_AHEAD:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for each in ahead:
                    each.cancel()

    def only(self, names: Sequence[str]) -> Samples:
        """The same rows with some of the inputs."""
        return replace(self, stores={name: self.stores[name] for name in names})

    def take(self, positions: np.ndarray[Any, Any]) -> Samples:
        """Some of the rows; the decoded values are shared, not copied."""
        rows = torch.as_tensor(positions, dtype=torch.long)
        return Samples(
            self.table.take(positions),
            {name: replace(store, index=store.index[rows]) for name, store in self.stores.items()},
            None if self.target is None else self.target[rows],
            None if self.weight is None else self.weight[rows],
            None if self.groups is None else self.groups[positions],
        )

    def labelled(self) -> Samples:
        """The rows that have a label."""
        assert self.target is not None, "these rows have no target"
        present = self.target.present
        return self if bool(present.all()) else self.take(np.flatnonzero(present.numpy()))

    def batches(self, size: int, order: Tensor | None = None) -> Iterator[Tensor]:
        """Row numbers batch by batch, in the given order or the table's own."""
        rows = torch.arange(len(self)) if order is None else order
        yield from torch.split(rows, size)

    def shuffled(
        self,
        size: int,
        *,
        seed: int,
        epoch: int,
        together: str | None = None,
        strata: np.ndarray[Any, np.dtype[np.int64]] | None = None,
    ) -> list[Tensor]:
        """An epoch's batches: shuffled, and rows of like length together where lengths differ much.

        A pure function of seed and epoch, so that a resumed run sees the same batches.

        Args:
            size: rows of a batch.
            seed: of the order.
            epoch: likewise.
            together: an input; rows that share its value follow each other, the lengths notwithstanding.
            strata: `(n,)` the kind of each row: then rows of each kind come equally often, in as many rows as ever.
        """
        generator = torch.Generator().manual_seed(seed * 100_003 + epoch)
        if strata is None:
            order = torch.randperm(len(self), generator=generator)
        else:
            order = balanced(strata, generator)
        if together is not None:
            index = self.stores[together].index
            rank = torch.randperm(int(index.max()) + 2, generator=generator)  # of each value; the last one: missing
            order = order[rank[index[order]].argsort(stable=True)]
            batches = list(torch.split(order, size))
            return [batches[i] for i in torch.randperm(len(batches), generator=generator)]
        sizes = self.sizes(order)
        if float(sizes.max()) > UNEVEN * float(sizes.double().mean()):
            pools = torch.split(order, size * 32), torch.split(sizes, size * 32)
            order = torch.cat([rows[long.argsort(stable=True)] for rows, long in zip(*pools, strict=True)])
        batches = list(torch.split(order, size))
        return [batches[i] for i in torch.randperm(len(batches), generator=generator)]


def balanced(strata: np.ndarray[Any, np.dtype[np.int64]], generator: torch.Generator) -> Tensor:
    """`(n,)` row numbers in random order, those of each kind equally often up to the remainder.

    Of a frequent kind some rows are left out, others in each epoch; those of a rare one come again and again, each as
    often as the others up to once.

    Args:
        strata: `(n,)` the kind of each row.
        generator: of the draw.
    """
    kinds = [torch.from_numpy(np.flatnonzero(strata == kind)) for kind in np.unique(strata)]
    count, rest = divmod(len(strata), max(len(kinds), 1))
    lucky = set(torch.randperm(len(kinds), generator=generator)[:rest].tolist())
    drawn = []
    for number, rows in enumerate(kinds):
        wanted = count + (number in lucky)
        rounds = math.ceil(wanted / len(rows))
        drawn.append(
            torch.cat([rows[torch.randperm(len(rows), generator=generator)] for _ in range(rounds)])[:wanted]
            if rounds
            else rows[:0]
        )
    order = torch.cat(drawn)
    return order[torch.randperm(len(order), generator=generator)]


def _readable(value: Tensor | Unreadable) -> Tensor:
    """A value that could be read when the table was loaded, and should still be."""
    if isinstance(value, Unreadable):
        raise DataError(f"a file that was readable before is no longer ({value}); was it changed meanwhile?")
    return value
