"""Fusions by tensor products: every feature of one input meets every feature of the others.

Legend: B batch, N inputs, D width, d factors of an input, R rank.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from .base import FUSIONS
from .pooled import PooledFusion

MOST_PRODUCTS = 20_000
"""Beyond so many products a row, the layer that reads them has millions of weights."""


@FUSIONS.register("tensor")
class TensorProduct(PooledFusion):
    """The outer product of all inputs' vectors, each with a constant one beside it (Zadeh et al. 2017, TFN).

    The ones keep every smaller product as well: single features, pairs, and so on up to all inputs at once.
    Choose it for two or three inputs with few rows a feature; `low_rank` for more. The products number (d+1)^N.
    Cost: N·D·d + (d+1)^N·D.

    Args:
        dim: d, features that an input keeps for the product; 0 takes the most that keep the products few, at most 32.
        dropout: on the products.

    Raises:
        ConfigError: too many products.
    """

    def __init__(self, names: Sequence[str], width: int, *, dim: int = 0, dropout: float = 0.1) -> None:
        super().__init__(names, width)
        dim = dim or max(1, min(32, width, int(MOST_PRODUCTS ** (1 / len(self.names)) - 1 + 1e-9)))
        products = (dim + 1) ** len(self.names)
        if products > MOST_PRODUCTS:
            raise ConfigError(
                f"fusion.dim: {len(self.names)} inputs of {dim} features have {products:,} products, more than "
                f"{MOST_PRODUCTS:,}; take fewer, or the fusion low_rank"
            )
        self.factors = nn.ModuleList(nn.Sequential(nn.Linear(width, dim), nn.Tanh()) for _ in self.names)
        self.body = nn.Sequential(nn.Dropout(dropout), nn.Linear(products, width), nn.GELU(), nn.Linear(width, width))

    def mix(self, vectors: Tensor, present: Tensor) -> Tensor:
        one = vectors.new_ones(len(vectors), 1)
        product = one
        for index, factor in enumerate(self.factors):
            features = torch.cat([one, factor(vectors[:, index])], 1)  # (B, d+1)
            product = torch.einsum("bp,bf->bpf", product, features).flatten(1)  # (B, P) -> (B, P·(d+1))
        mixed: Tensor = self.body(product)
        return mixed


@FUSIONS.register("low_rank")
class LowRank(PooledFusion):
    """The tensor product without the tensor: R products of maps of each input, summed (Liu et al. 2018, LMF).

    Equal to `tensor` with a weight of rank R, at a cost that grows with the inputs' number and not exponentially.
    Choose it where all inputs at once matter; `bilinear` where pairs do. Cost: N·D²·R.

    Args:
        rank: R, how many products are summed.
        dropout: on the sum.
    """

    def __init__(self, names: Sequence[str], width: int, *, rank: int = 4, dropout: float = 0.1) -> None:
        super().__init__(names, width)
        if rank < 1:
            raise ConfigError(f"fusion.rank: must be at least 1, not {rank}")
        self.rank = rank
        self.factors = nn.ModuleList(_near_one(width, rank * width) for _ in self.names)
        self.weights = nn.Parameter(torch.randn(rank) * rank**-0.5)
        self.norm = nn.LayerNorm(width)
        self.body = nn.Sequential(nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width))

    def mix(self, vectors: Tensor, present: Tensor) -> Tensor:
        product = vectors.new_ones(len(vectors), self.rank, self.width)
        for index, factor in enumerate(self.factors):
            product = product * factor(vectors[:, index]).unflatten(1, (self.rank, -1))  # (B, R·D) -> (B, R, D)
        mixed: Tensor = self.body(self.norm(torch.einsum("r,brd->bd", self.weights, product)))
        return mixed


def _near_one(width: int, dim: int) -> nn.Linear:
    """A map whose results start near one, the constant of the product, so that no input silences the others."""
    factor = nn.Linear(width, dim)
    nn.init.ones_(factor.bias)
    return factor
