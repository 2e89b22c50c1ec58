"""Fusions in which tokens of one input look at tokens of another.

Legend: B batch, N inputs, T tokens (of all inputs together), D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..nn.attention import Attention
from ..nn.transformer import Transformer
from ..tokens import Tokens
from .base import FUSIONS, Fusion


@FUSIONS.register("transformer")
class TransformerFusion(Fusion):
    """All tokens in one sequence, each marked by its input, through self-attention.

    A single-stream multimodal Transformer (as in VisualBERT, Li et al. 2019). Choose it where single words or
    places matter to each other and there are data enough. A learned summary token comes first. Cost: T² · depth.

    Args:
        depth: number of layers.
        heads: attention heads; they divide the width.
        dropout: in the layers.
    """

    def __init__(
        self, names: Sequence[str], width: int, *, depth: int = 2, heads: int = 4, dropout: float = 0.1
    ) -> None:
        super().__init__(names, width)
        self.which = nn.Parameter(torch.randn(len(self.names), width) * 0.02)
        self.summary = nn.Parameter(torch.randn(width) * 0.02)
        self.body = Transformer(width, depth=depth, heads=heads, dropout=dropout)

    def fuse(self, inputs: dict[str, Tokens], present: Tensor) -> Tokens:
        marked = [inputs[name].with_values(inputs[name].values + self.which[i]) for i, name in enumerate(self.names)]
        summary = Tokens.full(self.summary.expand(len(present), 1, -1))
        fused: Tokens = self.body(Tokens.cat([summary, *marked]))
        return fused


@FUSIONS.register("cross")
class CrossAttention(Fusion):
    """Cross-modal attention: the tokens of each input query those of all the others.

    After Tsai et al. 2019 (MulT), with the others taken together. Choose it where one input asks and another
    holds the answer (a question and a picture). Each input then gives one token, pooled by its attention
    result, so that an input of many tokens does not outweigh one of few. Cost: T² at most.

    Args:
        heads: attention heads; they divide the width.
        dropout: in attention and perceptron.
    """

    def __init__(self, names: Sequence[str], width: int, *, heads: int = 4, dropout: float = 0.1) -> None:
        super().__init__(names, width)
        self.which = nn.Parameter(torch.randn(len(self.names), width) * 0.02)
        self.attention = nn.ModuleList(Attention(width, heads=heads, dropout=dropout) for _ in self.names)
        self.body = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(2 * width), nn.Linear(2 * width, 2 * width), nn.GELU(),
                nn.Dropout(dropout), nn.Linear(2 * width, width),
            )
            for _ in self.names
        )  # fmt: skip

    def fuse(self, inputs: dict[str, Tokens], present: Tensor) -> Tokens:
        marked = {
            name: inputs[name].with_values(inputs[name].values + self.which[i]) for i, name in enumerate(self.names)
        }
        results = []
        for index, name in enumerate(self.names):
            own = marked[name]
            others = Tokens.cat(tokens for other, tokens in marked.items() if other != name or len(marked) == 1)
            found = self.attention[index](own.values, others)  # (B, T_i, D)
            both = torch.cat([own.values, found], -1)  # (B, T_i, 2·D)
            results.append(own.with_values(self.body[index](both)).mean())  # (B, D)
        return Tokens.full(torch.stack(results, 1))  # (B, N, D)
