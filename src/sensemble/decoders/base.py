"""What a decoder is: fused tokens and the text so far -> scores of what comes next.

Legend: B rows, W hypotheses a row, N = B·W hypotheses, T tokens, V ids that can be written, D width of fused tokens.

A decoder reads in two ways that must agree: `forward` takes whole texts at once, for learning; `start` and `read`
take one token after another and remember what they have seen, for writing. A row whose fused tokens are all masked
is written from the language alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..registry import Registry
from ..tokens import Tokens

END = 0
"""The id that ends a text. It is the tokenizer's blank, which stands in no text."""


@dataclass(frozen=True)
class State:
    """What a decoder remembers while it writes. A state is used up by the `read` that takes it.

    Args:
        memory: tensors with a slice a row, `(B, ...)`: the fused tokens, made ready to be looked at.
        cache: tensors with a slice a hypothesis, `(N, ...)`, the hypotheses of a row after each other.
        length: tokens read.
    """

    memory: tuple[Tensor, ...]
    cache: tuple[Tensor, ...]
    length: int = 0

    def reorder(self, places: Tensor) -> State:
        """Other hypotheses instead: `(N',)` places among the present ones; each stays within its row."""
        return replace(self, cache=tuple(each.index_select(0, places) for each in self.cache))

    def keep(self, rows: Tensor) -> State:
        """Some of the rows, `(B',)` places, with their hypotheses: the others cost nothing more."""
        memory = tuple(each[rows] for each in self.memory)
        num_rows = len(self.memory[0])
        cache = tuple(each.view(num_rows, -1, *each.shape[1:])[rows].flatten(0, 1) for each in self.cache)
        return replace(self, memory=memory, cache=cache)


class Decoder(nn.Module, ABC):
    """Writes texts, given fused tokens `(B, T', D)`.

    Args:
        width: D, of the fused tokens.
        num_tokens: V. Ids go from 0, which is `END`, to V - 1. The id V is `begin`: it is read, never written.

    Keyword-only arguments of a subclass are its options. `sensemble.testing.check_decoder` is its battery.

    Attributes:
        bias: `(V,)`, part of the scores. A task may start it at the tokens' log shares, so that learning begins with
            what the language alone suggests.
    """

    def __init__(self, width: int, num_tokens: int) -> None:
        super().__init__()
        self.width = width
        self.num_tokens = num_tokens
        self.bias = nn.Parameter(torch.zeros(num_tokens))

    @property
    def begin(self) -> int:
        """The id that stands before a text."""
        return self.num_tokens

    @abstractmethod
    def forward(self, fused: Tokens, ids: Tensor) -> Tensor:
        """Whole texts at once: ids `(B, T)` from `begin` on -> features `(B, T, ...)` of what follows each."""

    @abstractmethod
    def start(self, fused: Tokens) -> State:
        """The state before the first token, with one hypothesis a row."""

    @abstractmethod
    def read(self, state: State, ids: Tensor) -> tuple[Tensor, State]:
        """Reads one more token of each hypothesis, `(N,)` -> features `(N, ...)` of what follows. Without gradients."""

    @abstractmethod
    def scores(self, features: Tensor) -> Tensor:
        """Features `(..., E)` -> unnormalised log-probabilities `(..., V)` of the next token."""


DECODERS: Registry[Decoder] = Registry("decoder", package="sensemble.decoders")
