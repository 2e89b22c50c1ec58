"""Fusions of pooled vectors: each input becomes one vector, the vectors become one token.

Legend: B batch, N inputs, T tokens, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..nn.attention import AttentionPool
from ..tokens import Tokens
from .base import FUSIONS, Fusion


class PooledFusion(Fusion):
    """Pools each input with a learned query, then leaves the rest to `mix`."""

    def __init__(self, names: Sequence[str], width: int) -> None:
        super().__init__(names, width)
        self.pools = nn.ModuleList(AttentionPool(width) for _ in self.names)

    def fuse(self, inputs: dict[str, Tokens], present: Tensor) -> Tokens:
        pooled = [pool(inputs[name]) for pool, name in zip(self.pools, self.names, strict=True)]
        mixed = self.mix(torch.stack(pooled, 1), present)  # (B, N, D) -> (B, D)
        return Tokens.full(mixed.unsqueeze(1))

    def mix(self, vectors: Tensor, present: Tensor) -> Tensor:
        """`(B, N, D)` vectors, those of absent inputs learned, and `(B, N)` presence -> `(B, D)`."""
        raise NotImplementedError

    @staticmethod
    def shares(scores: Tensor, present: Tensor) -> Tensor:
        """Softmax over the inputs that are present; uniform where none is (such rows are masked anyway).

        Args:
            scores: `(B, N, ...)`.
            present: `(B, N)`.
        """
        here = present | ~present.any(1, keepdim=True)
        here = here.view(*here.shape, *[1] * (scores.dim() - 2))
        return scores.masked_fill(~here, float("-inf")).softmax(1)


@FUSIONS.register("concat")
class Concat(PooledFusion):
    """Early fusion: all vectors side by side, then a perceptron (Ngiam et al. 2011, multimodal deep learning).

    The plain and strong first choice. An absent input is filled by its learned vector. Cost: N·D·hidden.

    Args:
        hidden: width of the hidden layer; 0 takes 2·D.
        dropout: on the hidden layer.
    """

    def __init__(self, names: Sequence[str], width: int, *, hidden: int = 0, dropout: float = 0.1) -> None:
        super().__init__(names, width)
        hidden = hidden or 2 * width
        self.body = nn.Sequential(
            nn.Linear(len(self.names) * width, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
        )

    def mix(self, vectors: Tensor, present: Tensor) -> Tensor:
        mixed: Tensor = self.body(vectors.flatten(1))  # (B, N, D) -> (B, N·D) -> (B, D)
        return mixed


@FUSIONS.register("sum")
class WeightedSum(PooledFusion):
    """Weighted sum, F = α·I + (1−α)·T for two inputs: one learned weight an input, shared by all rows.

    The cheapest, and its weights can be read. With a linear head the evidence of the inputs only adds up, so it
    cannot learn what needs both at once; take `gate` or `concat` there. The weights of absent inputs go to
    those present. Cost: N·D.
    """

    def __init__(self, names: Sequence[str], width: int) -> None:
        super().__init__(names, width)
        self.alpha = nn.Parameter(torch.zeros(len(self.names)))

    def mix(self, vectors: Tensor, present: Tensor) -> Tensor:
        weights = self.shares(self.alpha.expand(present.shape), present)  # (B, N)
        return torch.einsum("bn,bnd->bd", weights, vectors)


@FUSIONS.register("gate")
class Gate(PooledFusion):
    """Gated sum, F = A·I + (1−A)·T with A computed from all inputs, per row and feature.

    A gated multimodal unit (Arevalo et al. 2017) for any number of inputs: the gates are a softmax over the
    inputs present. It multiplies features of one input by those of another, hence learns interactions.
    Cost: (N·D)².

    Args:
        dropout: on the gated sum.
    """

    def __init__(self, names: Sequence[str], width: int, *, dropout: float = 0.1) -> None:
        super().__init__(names, width)
        total = len(self.names) * width
        self.features = nn.ModuleList(nn.Sequential(nn.Linear(width, width), nn.Tanh()) for _ in self.names)
        self.gates = nn.Linear(total, total)
        self.dropout = nn.Dropout(dropout)

    def mix(self, vectors: Tensor, present: Tensor) -> Tensor:
        features = torch.stack([body(vectors[:, i]) for i, body in enumerate(self.features)], 1)  # (B, N, D)
        gates = self.shares(self.gates(vectors.flatten(1)).view_as(vectors), present)  # (B, N, D)
        mixed: Tensor = self.dropout((gates * features).sum(1) * len(self.names) ** 0.5)
        return mixed


@FUSIONS.register("bilinear")
class Bilinear(PooledFusion):
    """Products of features: each pair of inputs is multiplied feature by feature, beside each input's own map.

    Low-rank bilinear pooling (Kim et al. 2017, MLB) for any number of inputs, with first-order terms. Choose it
    where the answer is in a match between inputs, such as a question about a picture: a product learns in few
    steps what a perceptron finds slowly. Cost: N·D² + N²·D.

    Args:
        dropout: on the result.
    """

    def __init__(self, names: Sequence[str], width: int, *, dropout: float = 0.1) -> None:
        super().__init__(names, width)
        self.own = nn.ModuleList(nn.Linear(width, width) for _ in self.names)
        self.factors = nn.ModuleList(nn.Sequential(nn.Linear(width, width), nn.Tanh()) for _ in self.names)
        self.norm = nn.LayerNorm(width)
        self.body = nn.Sequential(nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width))

    def mix(self, vectors: Tensor, present: Tensor) -> Tensor:
        own = torch.stack([body(vectors[:, i]) for i, body in enumerate(self.own)], 1).sum(1)  # (B, D)
        factors = torch.stack([body(vectors[:, i]) for i, body in enumerate(self.factors)], 1)  # (B, N, D)
        # The sum over pairs i < j of f_i * f_j is half of (sum of all)^2 - sum of squares.
        pairs = (factors.sum(1) ** 2 - (factors**2).sum(1)) / 2
        mixed: Tensor = self.body(self.norm(own + pairs))
        return mixed
