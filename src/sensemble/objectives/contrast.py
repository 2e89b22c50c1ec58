"""Contrast: the inputs of one row are alike, those of two rows are not, in a space that all inputs share.

Legend: B batch, D width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ConfigError
from ..network import Network
from ..tasks.contrastive import LOSSES
from ..tokens import Batch, Tokens
from .base import OBJECTIVES, Objective

MOST_SCALE = 100.0
"""Beyond it, learning becomes unstable (Radford et al. 2021)."""
BIAS = {"info_nce": 0.0, "sigmoid": -10.0}
SAME = 1e-5
"""Two values whose marks differ by less, as a share, are the same value."""


@OBJECTIVES.register("contrast")
class Contrast(Objective):
    """Each pair of a row's inputs is a pair of views: near in the common space, and far from other rows' views.

    A view is what the fusion makes of one input alone, its tokens averaged; encoders and fusion learn. After it, what
    is learned from one input holds for another (Radford et al. 2021, CLIP; for more than two inputs, the mean over
    all pairs, as in Tian et al. 2020, "Contrastive Multiview Coding"). Rows with an equal value are no negatives for
    each other. Wants large batches. A row with one input alone is a negative for others.

    Args:
        loss: `info_nce`, or `sigmoid` for small batches.
        temperature: at the start; it is learned.
        hard: how much more hard negatives count; 0 all alike.
    """

    def __init__(
        self,
        *,
        loss: Literal["info_nce", "sigmoid"] = "info_nce",
        temperature: float = 0.07,
        hard: float = 0.0,
    ) -> None:
        for key, value, least in (("temperature", temperature, 1 / MOST_SCALE), ("hard", hard, 0)):
            if value < least:
                raise ConfigError(f"contrast: {key} must be at least {least:g}, not {value:g}")
        self.loss_name, self.temperature, self.hard = loss, temperature, hard

    def head(self, network: Network, names: Sequence[str]) -> nn.Module:
        return _Scale(self.temperature, BIAS[self.loss_name])

    def loss(self, network: Network, batch: Batch) -> Tensor:
        assert isinstance(network.head, _Scale)
        encoded = network.encode(batch.inputs)
        views = {
            name: F.normalize(network.fusion({name: tokens}).mean().float(), dim=-1) for name, tokens in encoded.items()
        }
        marks = {name: mark(tokens) for name, tokens in batch.inputs.items()}
        losses = []
        for first, second in combinations(views, 2):
            here = [batch.inputs[name].present for name in (first, second)]
            valid = here[0].unsqueeze(1) & here[1]  # (B, B)
            alike = _alike(marks[first], here[0]) | _alike(marks[second], here[1])
            own = torch.eye(len(batch), dtype=torch.bool, device=valid.device) & valid
            scores = network.head(views[first] @ views[second].T)
            rows, columns = LOSSES[self.loss_name](scores, own, valid & ~alike, self.hard)
            losses.append((rows + columns).sum() / (2 * own.sum().clamp(min=1)))
        return torch.stack(losses).mean()


class _Scale(nn.Module):
    """Cosines -> scores: divided by a learned temperature, and for the sigmoid loss shifted."""

    def __init__(self, temperature: float, bias: float) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.bias = nn.Parameter(torch.tensor(bias)) if bias else None

    def forward(self, cosines: Tensor) -> Tensor:
        scores = cosines * self.log_scale.exp().clamp(max=MOST_SCALE)
        return scores if self.bias is None else scores + self.bias


@torch.no_grad()
def mark(tokens: Tokens) -> Tensor:
    """`(B,)` a number for each row's raw value: equal values have equal ones, different values hardly ever."""
    values = tokens.clean().values.flatten(1).float()  # (B, F)
    weights = 1 + torch.arange(values.shape[1], device=values.device).float().sin()
    return values @ weights + tokens.mask.sum(1)


def _alike(marks: Tensor, present: Tensor) -> Tensor:
    """`(B, B)` whether two rows hold the same value, the row itself included."""
    near = (marks.unsqueeze(1) - marks).abs() <= SAME * marks.abs().unsqueeze(1)
    return near & present.unsqueeze(1) & present
