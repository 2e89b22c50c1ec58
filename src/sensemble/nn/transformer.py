"""Transformer layers over tokens, and marks of order for them.

Legend: B batch, T tokens, K tokens of the context, D width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..tokens import Tokens
from .attention import Attention


class Transformer(nn.Module):
    """A stack of pre-norm Transformer layers (Vaswani et al. 2017; pre-norm: Xiong et al. 2020).

    It knows no order: add `sinusoids` or learned positions where order matters. Cost: T² · D + T · D² a layer.

    Args:
        width: D; `heads` must divide it.
        depth: number of layers.
        heads: attention heads.
        dropout: on what each sublayer adds, in training.
        cross: each layer also attends to a context, as in a decoder.

    >>> tokens = Tokens.stack([torch.ones(3, 8), torch.ones(1, 8)])
    >>> Transformer(8, depth=1, heads=2)(tokens).values.shape
    torch.Size([2, 3, 8])
    """

    def __init__(
        self, width: int, *, depth: int = 2, heads: int = 4, dropout: float = 0.1, cross: bool = False
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(width, heads=heads, dropout=dropout, cross=cross) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tokens, context: Tokens | None = None, *, causal: bool = False) -> Tokens:
        """`(B, T, D) -> (B, T, D)`, masked slots zero.

        Args:
            tokens: the sequence itself.
            context: `(B, K, D)`, only with `cross=True`; `None` there means that nothing is to be seen.
            causal: each token sees only itself and those before it.
        """
        tokens = tokens.clean()
        for layer in self.layers:
            tokens = layer(tokens, context, causal=causal)
        return tokens.with_values(self.norm(tokens.values))


class Layer(nn.Module):
    """One layer: self-attention, cross-attention where asked for, a perceptron of 4·D; each adds to the stream."""

    def __init__(self, width: int, *, heads: int, dropout: float, cross: bool = False) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads=heads, dropout=dropout)
        self.cross_norm = nn.LayerNorm(width) if cross else None
        self.cross = Attention(width, heads=heads, dropout=dropout) if cross else None
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, tokens: Tokens, context: Tokens | None = None, *, causal: bool = False) -> Tokens:
        values = tokens.values
        normed = Tokens(self.norm(values), tokens.mask)
        values = values + self.attention(normed.values, normed, causal=causal)
        if self.cross is not None and self.cross_norm is not None and context is not None:
            values = values + self.cross(self.cross_norm(values), context)
        return Tokens(values + self.perceptron(values), tokens.mask)


def sinusoids(length: int, width: int, *, like: Tensor) -> Tensor:
    """Marks of position for any length: `(length, width)`, sines and cosines (Vaswani et al. 2017, 3.5).

    Args:
        length: number of positions.
        width: D.
        like: gives device and dtype.

    >>> sinusoids(2, 4, like=torch.zeros(1))[0].tolist()
    [0.0, 0.0, 1.0, 1.0]
    """
    half = (width + 1) // 2
    rates = torch.exp(torch.arange(half, device=like.device) * (-math.log(10_000.0) / max(half - 1, 1)))
    angles = torch.arange(length, device=like.device).unsqueeze(1) * rates  # (length, half)
    return torch.cat([angles.sin(), angles.cos()], 1)[:, :width].to(like.dtype)
