"""Encoders of single table cells: numbers and categories.

Legend: B batch, D the encoder's own width, K bins.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..modalities.base import Modality
from ..modalities.number import Number
from ..tokens import Tokens
from .base import Encoder, register


@register("piecewise", "number")
class PiecewiseLinear(Encoder):
    """Piecewise-linear encoding over the quantiles of the training values, then a linear map.

    Lets a network bend at the quantiles as trees split there (Gorishniy et al. 2022, "On Embeddings for
    Numerical Features in Tabular Deep Learning"). Better than `linear` wherever the effect is not a straight
    line; same cost.

    Args:
        dim: D.
    """

    edges: Tensor

    def __init__(self, modality: Number, *, dim: int = 32) -> None:
        super().__init__()
        self.dim = dim
        edges = modality.edges_
        self.register_buffer("edges", edges.clone())
        self.body = nn.Linear(len(edges) - 1, dim)

    def forward(self, tokens: Tokens) -> Tokens:
        low, high = self.edges[:-1], self.edges[1:]
        share = (tokens.values - low) / (high - low)  # (B, 1, K): how far through each bin
        # Inside a bin the share is between 0 and 1; the outer bins go on, so that no value is out of range.
        first = torch.arange(len(low), device=low.device) == 0
        share = torch.where(first, share.clamp(max=1), share.clamp(min=0))
        last = torch.arange(len(low), device=low.device) == len(low) - 1
        share = torch.where(last, share, share.clamp(max=1))
        return tokens.with_values(self.body(share))


@register("embedding", "category")
class Embedding(Encoder):
    """A learned vector for each label.

    Args:
        dim: D.
        dropout: chance that a label is read as "other" in training, so that unseen labels have a meaning.
    """

    def __init__(self, modality: Modality, *, dim: int = 32, dropout: float = 0.02) -> None:
        super().__init__()
        self.dim, self.drop = dim, dropout
        self.table = nn.Embedding(modality.num_tokens, dim)

    def forward(self, tokens: Tokens) -> Tokens:
        ids = tokens.values
        if self.training and self.drop:
            ids = ids.masked_fill(torch.rand(ids.shape, device=ids.device) < self.drop, 0)
        return tokens.with_values(self.table(ids))
