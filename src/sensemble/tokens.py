"""The one shape: everything between raw data and answers is `Tokens`, values with a mask of what is real.

Legend: B batch, T tokens, D width, K labels.

    text ids (B, T)   image (B, 1, C, H, W)   vectors (B, T, D)   numbers (B, 1, 1)   labels (B, K)

A missing input is a row whose mask is all False; so is a missing label. What a masked slot holds must never
change an answer, which is why `Tokens.clean` stands at the entry of every network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NOTHING = ""
"""The name under which a batch without any input says how many rows it has: one masked token a row."""


@dataclass(frozen=True)
class Tokens:
    """A batch of token sequences and which of the tokens are real.

    Args:
        values: `(B, T, ...)`, any dtype.
        mask: `(B, T)` bool, True where the token is real.
        twins: `(B,)` numbers, where it is known which rows hold the same: rows with one number do, unless they are
            missing. What is costly is then computed once for them (see `once`).

    >>> tokens = Tokens.stack([torch.ones(2, 3), None])
    >>> tokens.values.shape, tokens.mask.tolist(), tokens.present.tolist()
    (torch.Size([2, 2, 3]), [[True, True], [False, False]], [True, False])
    """

    values: Tensor
    mask: Tensor
    twins: Tensor | None = None

    def __post_init__(self) -> None:
        assert self.mask.dtype == torch.bool, f"a mask is bool, not {self.mask.dtype}"
        assert self.values.shape[:2] == self.mask.shape, (
            f"values {tuple(self.values.shape)} do not fit mask {tuple(self.mask.shape)}"
        )

    def __len__(self) -> int:
        return len(self.mask)

    @property
    def present(self) -> Tensor:
        """`(B,)` bool: whether the row has any real token."""
        return self.mask.any(1)

    @classmethod
    def full(cls, values: Tensor) -> Tokens:
        """Tokens that are all real."""
        return cls(values, values.new_ones(values.shape[:2], dtype=torch.bool))

    @classmethod
    def stack(
        cls,
        rows: Sequence[Tensor | None],
        *,
        shape: Sequence[int] | None = None,
        dtype: torch.dtype | None = None,
    ) -> Tokens:
        """Pads rows of `(T_i, ...)` to one batch; `None` is a missing row.

        Args:
            rows: one tensor a row, alike in all but their length.
            shape: the trailing shape, needed only where every row may be missing.
            dtype: likewise.
        """
        known = [row for row in rows if row is not None]
        if known:
            shape, dtype = known[0].shape[1:], known[0].dtype
        longest = max([len(row) for row in known], default=1) or 1
        values = torch.zeros(len(rows), longest, *(shape or ()), dtype=dtype or torch.float32)
        mask = torch.zeros(len(rows), longest, dtype=torch.bool)
        for index, row in enumerate(rows):
            if row is not None:
                values[index, : len(row)] = row
                mask[index, : len(row)] = True
        return cls(values, mask)

    @classmethod
    def cat(cls, many: Iterable[Tokens]) -> Tokens:
        """Puts sequences of one width after each other: `(B, T1, D), (B, T2, D) -> (B, T1+T2, D)`."""
        parts = list(many)
        return cls(torch.cat([part.values for part in parts], 1), torch.cat([part.mask for part in parts], 1))

    def clean(self) -> Tokens:
        """Zeros in every masked slot, so that what it held (even NaN) is gone."""
        if bool(self.mask.all()):
            return self
        shape = (*self.mask.shape, *[1] * (self.values.dim() - 2))
        return Tokens(self.values.masked_fill(~self.mask.view(shape), 0), self.mask, self.twins)

    def with_values(self, values: Tensor) -> Tokens:
        """Other values under the same mask, masked slots set to zero."""
        return Tokens(values, self.mask).clean()

    def mean(self) -> Tensor:
        """`(B, T, D) -> (B, D)`: the mean of the real tokens; zeros for a missing row."""
        weight = self.mask.to(self.values.dtype).unsqueeze(-1)  # (B, T, 1)
        total = (self.values.masked_fill(~self.mask.unsqueeze(-1), 0)).sum(1)  # (B, D)
        return total / weight.sum(1).clamp(min=1)

    def apply(self, body: Callable[[Tensor], Tensor], *, out: Sequence[int]) -> Tokens:
        """Runs `body` on the real tokens alone, `(n, ...) -> (n, *out)`, and puts the results back in place.

        What is missing costs nothing and can influence nothing: for heavy bodies, such as image networks.
        """
        if bool(self.mask.all()):
            values = body(self.values.flatten(0, 1))
            return Tokens(values.view(*self.mask.shape, *out), self.mask)
        real = self.values[self.mask]  # (n, ...)
        values = self.values.new_zeros(*self.mask.shape, *out, dtype=torch.float32)
        if len(real):
            result = body(real)
            values = values.to(result.dtype).masked_scatter(self.mask.view(*self.mask.shape, *[1] * len(out)), result)
        return Tokens(values, self.mask)

    def once(self, body: Callable[[Tokens], Tokens]) -> Tokens:
        """What `body` makes of the rows, computed once for rows that hold the same, where half or more are spared.

        It is what `body(self)` gives, as long as `body` treats rows alike, each by itself; twins share its chances.
        """
        if self.twins is None:
            return body(self)
        numbers, which = torch.unique(self.twins, return_inverse=True)  # (U,), (B,)
        if 2 * len(numbers) > len(self):
            return body(self)
        here = self.present.nonzero().squeeze(1)
        first = torch.zeros_like(numbers).scatter(0, which[here].flip(0), here.flip(0))  # (U,) a row that has it
        made = body(Tokens(self.values.index_select(0, first), self.mask[first]))
        values = made.values.index_select(0, which)  # copies and learns faster than indexing does
        return Tokens(values, made.mask[which], self.twins).hide(~self.present).clean()

    def hide(self, rows: Tensor) -> Tokens:
        """The same tokens with the given rows, `(B,)` bool, made missing."""
        return Tokens(self.values, self.mask & ~rows.unsqueeze(1), self.twins)

    def to(self, device: torch.device | str) -> Tokens:
        twins = None if self.twins is None else self.twins.to(device, non_blocking=True)
        return Tokens(self.values.to(device, non_blocking=True), self.mask.to(device, non_blocking=True), twins)

    def pin(self) -> Tokens:
        """The same tokens in page-locked memory, from which a GPU copies while it computes."""
        twins = None if self.twins is None else self.twins.pin_memory()
        return Tokens(self.values.pin_memory(), self.mask.pin_memory(), twins)

    def __getitem__(self, rows: Tensor | slice) -> Tokens:
        return Tokens(self.values[rows], self.mask[rows], None if self.twins is None else self.twins[rows])


@dataclass(frozen=True)
class Batch:
    """Rows ready for a network.

    Args:
        inputs: `Tokens` by input name, at least `NOTHING`.
        target: labels `(B, K)`, `None` when predicting.
        weight: `(B,)` float, how much each row counts in the loss; `None` counts all alike.
    """

    inputs: Mapping[str, Tokens]
    target: Tokens | None = None
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def to(self, device: torch.device | str) -> Batch:
        return Batch(
            {name: tokens.to(device) for name, tokens in self.inputs.items()},
            None if self.target is None else self.target.to(device),
            None if self.weight is None else self.weight.to(device, non_blocking=True),
        )

    def pin(self) -> Batch:
        return Batch(
            {name: tokens.pin() for name, tokens in self.inputs.items()},
            None if self.target is None else self.target.pin(),
            None if self.weight is None else self.weight.pin_memory(),
        )
