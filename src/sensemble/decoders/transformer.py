"""A Transformer decoder with a cache of keys and values.

Legend: B rows, W hypotheses a row, N = B·W, T tokens, K fused tokens, E width within, H heads, C places in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn.attention import Attention
from ..nn.transformer import Layer, Transformer, sinusoids
from ..tokens import Tokens
from .base import DECODERS, Decoder, State

TABLE_STD = 0.1
"""Of the first random vectors of ids, as in the encoders of text."""
ROOM = 32
"""Places of the first cache; a full one doubles."""


@dataclass(frozen=True)
class KeyValues(State):
    """A state whose cache is `(N, H, L, 2, C, E/H)`: keys and values of each layer, with room to grow.

    Args:
        weights: of each layer's self-attention, in one.
    """

    weights: tuple[tuple[Tensor, Tensor], ...] = ()

    def reorder(self, places: Tensor) -> State:
        """Copies only what moves, and only what has been written."""
        (cache,) = self.cache
        if len(places) != len(cache):
            return super().reorder(places)
        moved = (places != torch.arange(len(places), device=places.device)).nonzero().squeeze(1)
        if len(moved):
            written = cache[..., : self.length, :]
            written[moved] = written.index_select(0, places[moved])
        return self


@DECODERS.register("transformer")
class TransformerDecoder(Decoder):
    """Causal self-attention over the text, cross-attention to all fused tokens, in each layer.

    Vaswani et al. 2017, pre-norm (Xiong et al. 2020); one table serves for reading and writing (Press & Wolf 2017).
    The first choice. Cost of a text: T² · E + T · K · E + T · E² a layer.

    Args:
        dim: E; 0 takes the network's width.
        depth: number of layers.
        heads: attention heads; they divide E.
        dropout: on the embeddings and in the layers.
    """

    def __init__(
        self, width: int, num_tokens: int, *, dim: int = 0, depth: int = 2, heads: int = 4, dropout: float = 0.1
    ) -> None:
        super().__init__(width, num_tokens)
        dim = self.dim = dim or width
        self.bridge = nn.Linear(width, dim) if dim != width else nn.Identity()
        self.table = nn.Embedding(num_tokens + 1, dim)
        nn.init.normal_(self.table.weight, std=TABLE_STD)
        self.order = nn.Parameter(torch.tensor(TABLE_STD))  # how loud positions are beside the tokens
        self.dropout = nn.Dropout(dropout)
        self.body = Transformer(dim, depth=depth, heads=heads, dropout=dropout, cross=True)
        self._marks = torch.empty(0)

    def forward(self, fused: Tokens, ids: Tensor) -> Tensor:
        values = self.table(ids) + self.order * self._places(ids.shape[1])
        features: Tensor = self.body(Tokens.full(self.dropout(values)), self._bridged(fused), causal=True).values
        return features

    @torch.no_grad()
    def start(self, fused: Tokens) -> State:
        context = self._bridged(fused)
        memory = [torch.stack(_cross(layer)[1].keys(context.values), 2) for layer in self.layers]  # (B, H, 2, K, E/H)
        masks = () if bool(context.mask.all()) else (context.mask,)
        heads, part = memory[0].shape[1], memory[0].shape[4]
        empty = memory[0].new_empty(len(context), heads, len(memory), 2, 0, part)
        return KeyValues((*memory, *masks), (empty,), weights=tuple(layer.attention.whole() for layer in self.layers))

    @torch.no_grad()
    def read(self, state: State, ids: Tensor) -> tuple[Tensor, State]:
        assert isinstance(state, KeyValues)
        (cache,), past = state.cache, state.length  # (N, H, L, 2, C, E/H)
        if past == cache.shape[4]:
            grown = cache.new_empty(*cache.shape[:4], max(2 * past, ROOM), cache.shape[5])
            grown[..., :past, :] = cache
            cache = grown
        num, heads, part = len(cache), cache.shape[1], cache.shape[5]
        mask = state.memory[-1] if len(state.memory) > len(self.layers) else None
        known = cache.flatten(0, 1)[..., : past + 1, :]  # (N·H, L, 2, T, E/H)
        values = self.table(ids) + self.order * self._places(past + 1)[past]  # (N, E)
        for number, (layer, weights) in enumerate(zip(self.layers, state.weights, strict=True)):
            parts = F.linear(layer.norm(values), *weights)  # (N, 3·E)
            cache[:, :, number, :, past] = parts[:, self.dim :].view(num, 2, heads, part).transpose(1, 2)
            values = values + layer.attention.glance(parts[:, : self.dim], *known[:, number].unbind(1))
            norm, cross = _cross(layer)
            key, value = state.memory[number].flatten(0, 1).unbind(1)  # (B·H, K, E/H)
            values = values + cross.glance(cross.query(norm(values)), key, value, mask)
            values = values + layer.perceptron(values)
        return self.body.norm(values), replace(state, cache=(cache,), length=past + 1)

    def scores(self, features: Tensor) -> Tensor:
        return F.linear(features, self.table.weight[: self.num_tokens], self.bias)

    @property
    def layers(self) -> list[Layer]:
        """The body's layers."""
        return list(self.body.layers)  # type: ignore[arg-type]

    def _bridged(self, fused: Tokens) -> Tokens:
        """Fused tokens of this decoder's width, zeros where masked."""
        fused = fused.clean()
        return fused.with_values(self.bridge(fused.values))

    def _places(self, length: int) -> Tensor:
        """Marks of position `(length, E)`, computed once."""
        like = self.table.weight
        if len(self._marks) < length or self._marks.device != like.device:
            self._marks = sinusoids(max(length, 128), self.dim, like=like.detach())
        return self._marks[:length]


def _cross(layer: Layer) -> tuple[nn.Module, Attention]:
    """The norm and the attention by which a layer looks at the fused tokens."""
    assert layer.cross is not None and layer.cross_norm is not None
    return layer.cross_norm, layer.cross
