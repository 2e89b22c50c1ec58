"""A recurrent decoder that looks at the fused tokens after every step.

Legend: B rows, W hypotheses a row, N = B·W, T tokens, K fused tokens, E width within, L layers.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn.attention import Attention, AttentionPool
from ..tokens import Tokens
from .base import DECODERS, Decoder, State
from .transformer import TABLE_STD


@DECODERS.register("recurrent")
class RecurrentDecoder(Decoder):
    """An LSTM or GRU over the text; its states attend to the fused tokens, and both together say what follows.

    Global attention without input feeding (Luong et al. 2015), so that texts are learned from in one go. The first
    state is made from the pooled fused tokens. Choose it for short texts and few data; it keeps one state whatever
    the length, and it writes longer texts than it has seen. Cost of a text: T · E² a layer + T · K · E.

    Args:
        cell: `lstm` (Hochreiter & Schmidhuber 1997) or `gru` (Cho et al. 2014), a quarter smaller.
        dim: E; 0 takes the network's width.
        depth: layers of cells.
        heads: attention heads; they divide E.
        dropout: on the embeddings, between layers and before the scores.
    """

    def __init__(
        self,
        width: int,
        num_tokens: int,
        *,
        cell: Literal["lstm", "gru"] = "lstm",
        dim: int = 0,
        depth: int = 1,
        heads: int = 1,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(width, num_tokens)
        dim = self.dim = dim or width
        self.bridge = nn.Linear(width, dim) if dim != width else nn.Identity()
        self.table = nn.Embedding(num_tokens + 1, dim)
        nn.init.normal_(self.table.weight, std=TABLE_STD)
        kind = {"lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.parts = 2 if cell == "lstm" else 1  # an LSTM's state has two parts
        self.body = kind(dim, dim, depth, batch_first=True, dropout=dropout if depth > 1 else 0.0)
        self.pool = AttentionPool(dim)
        self.first = nn.Linear(dim, self.parts * depth * dim)
        self.attention = Attention(dim, heads=heads)
        self.join = nn.Sequential(nn.Linear(2 * dim, dim), nn.GELU(), nn.LayerNorm(dim))
        self.dropout = nn.Dropout(dropout)

    def forward(self, fused: Tokens, ids: Tensor) -> Tensor:
        context = self._bridged(fused)
        states = self._run(ids, self._first(context))[0]  # (B, T, E)
        return self._joined(states, self.attention(states, context))

    @torch.no_grad()
    def start(self, fused: Tokens) -> State:
        context = self._bridged(fused)
        masks = () if bool(context.mask.all()) else (context.mask,)
        return State((*self.attention.keys(context.values), *masks), (self._first(context),))

    @torch.no_grad()
    def read(self, state: State, ids: Tensor) -> tuple[Tensor, State]:
        key, value, *masks = state.memory
        states, cache = self._run(ids.unsqueeze(1), state.cache[0])  # (N, 1, E)
        states = states.squeeze(1)
        query = self.attention.query(states)
        found = self.attention.glance(query, key.flatten(0, 1), value.flatten(0, 1), masks[0] if masks else None)
        return self._joined(states, found), State(state.memory, (cache,), state.length + 1)

    def scores(self, features: Tensor) -> Tensor:
        return F.linear(features, self.table.weight[: self.num_tokens]) + self.bias

    def _bridged(self, fused: Tokens) -> Tokens:
        fused = fused.clean()
        return fused.with_values(self.bridge(fused.values))

    def _first(self, context: Tokens) -> Tensor:
        """The cells' state before the text, `(B, parts, L, E)`."""
        first: Tensor = self.first(self.pool(context)).tanh()
        return first.view(len(first), self.parts, -1, self.dim)

    def _run(self, ids: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Ids `(N, T)` and state `(N, parts, L, E)` -> states of the last layer `(N, T, E)`, and the state after."""
        parts = [each.contiguous() for each in state.permute(1, 2, 0, 3)]  # (L, N, E) each
        states, after = self.body(self.dropout(self.table(ids)), tuple(parts) if self.parts == 2 else parts[0])
        return states, torch.stack(list(after) if self.parts == 2 else [after]).permute(2, 0, 1, 3)

    def _joined(self, states: Tensor, found: Tensor) -> Tensor:
        joined: Tensor = self.dropout(self.join(torch.cat([states, found], -1)))
        return joined
