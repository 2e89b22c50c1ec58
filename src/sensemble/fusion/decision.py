"""Decision-level fusion: every input decides alone, then the decisions are weighed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..nn.attention import AttentionPool
from ..tokens import Tokens
from .base import FUSIONS, Fusion


@FUSIONS.register("late")
class Late(Fusion):
    """Late fusion: one token an input, made from that input alone; the head weighs their votes.

    The head's pooling gives each present input a weight, learned and depending on that input's own confidence
    (a mixture of experts with a linear vote); absent inputs have no vote. Robust to missing inputs, blind to
    interactions between them. Cost: N·D².

    Args:
        dropout: on each input's hidden layer.
    """

    def __init__(self, names: Sequence[str], width: int, *, dropout: float = 0.1) -> None:
        super().__init__(names, width)
        self.pools = nn.ModuleList(AttentionPool(width) for _ in self.names)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width))
            for _ in self.names
        )

    def fuse(self, inputs: dict[str, Tokens], present: Tensor) -> Tokens:
        votes = [
            expert(pool(inputs[name]))  # (B, D)
            for name, pool, expert in zip(self.names, self.pools, self.experts, strict=True)
        ]
        return Tokens(torch.stack(votes, 1), present)  # (B, N, D)
