"""What a fusion is: the tokens of several inputs -> one sequence of fused tokens.

Legend: B batch, N inputs, T tokens, D width.

A fusion is written for complete rows. Absence is handled here, once: each absent input gets a learned token
in its first slot, so that absence itself can inform; and a row with no input at all comes out masked, so that
heads and decoders fall back on the prior.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ..registry import Registry
from ..tokens import Tokens


class Fusion(nn.Module, ABC):
    """Joins inputs of one width.

    Args:
        names: the inputs, in the order of the config.
        width: D, of tokens in and out.

    A subclass implements `fuse`. `forward` takes any subset of the names: what is not given is absent.
    """

    def __init__(self, names: Sequence[str], width: int) -> None:
        super().__init__()
        self.names = tuple(names)
        self.width = width
        self.absent = nn.Parameter(torch.randn(len(self.names), width) * 0.02)

    def forward(self, inputs: Mapping[str, Tokens]) -> Tokens:
        """`{name: (B, T_i, D)} -> (B, T', D)`; a row without any input is masked throughout."""
        some = next(iter(inputs.values()))
        filled, present = {}, []
        for index, name in enumerate(self.names):
            tokens = inputs.get(name)
            if tokens is None:
                tokens = Tokens(some.values.new_zeros(len(some), 1, self.width), some.mask.new_zeros(len(some), 1))
            present.append(tokens.present)
            filled[name] = self._fill(tokens, self.absent[index])
        here = torch.stack(present, 1)  # (B, N)
        fused = self.fuse(filled, here)
        return Tokens(fused.values, fused.mask & here.any(1, keepdim=True))

    @abstractmethod
    def fuse(self, inputs: dict[str, Tokens], present: Tensor) -> Tokens:
        """The fusion itself.

        Args:
            inputs: every name's tokens `(B, T_i, D)`; each row has at least one real token, the learned
                absent one where the input is missing.
            present: `(B, N)` bool, which inputs are really there, in the order of `names`.
        """

    @staticmethod
    def _fill(tokens: Tokens, absent: Tensor) -> Tokens:
        gone = ~tokens.present
        if not bool(gone.any()):
            return tokens
        first = torch.zeros_like(tokens.mask)  # (B, T)
        first[:, 0] = gone
        values = torch.where(first.unsqueeze(-1), absent.to(tokens.values.dtype), tokens.values)
        return Tokens(values, tokens.mask | first)


class NoFusion(Fusion):
    """Stands where a model has no inputs: one masked token a row, so that heads and decoders give the prior."""

    def __init__(self, width: int) -> None:
        super().__init__((), width)

    def forward(self, inputs: Mapping[str, Tokens]) -> Tokens:
        rows = next(iter(inputs.values())).mask  # (B, 1)
        return Tokens(self.absent.new_zeros(len(rows), 1, self.width), rows.new_zeros(len(rows), 1))

    def fuse(self, inputs: dict[str, Tokens], present: Tensor) -> Tokens:
        raise NotImplementedError("there is nothing to fuse")


FUSIONS: Registry[Fusion] = Registry("fusion", package="sensemble.fusion")
