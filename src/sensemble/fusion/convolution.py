"""Fusion by convolution over the inputs' vectors, stacked like the rows of a picture.

Legend: B batch, N inputs, D width, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from .base import FUSIONS
from .pooled import PooledFusion


@FUSIONS.register("conv")
class Convolution(PooledFusion):
    """Filters slide along the features of all inputs at once, then a linear map reads what they found.

    The vectors are stacked as N rows, as ConvE stacks two embeddings (Dettmers et al. 2018). Each filter spans all
    inputs and `kernel` neighbouring features, so it mixes them with far fewer weights than `concat` has; the map
    before it learns which features should be neighbours. Cost: N·D·C·kernel + C·D².

    Args:
        channels: C, number of filters.
        kernel: features that a filter spans; odd.
        dropout: on what the filters found.
    """

    def __init__(
        self, names: Sequence[str], width: int, *, channels: int = 8, kernel: int = 3, dropout: float = 0.1
    ) -> None:
        super().__init__(names, width)
        if kernel < 1 or kernel % 2 == 0:
            raise ConfigError(f"fusion.kernel: must be odd and at least 1, not {kernel}")
        self.own = nn.ModuleList(nn.Linear(width, width) for _ in self.names)
        self.filters = nn.Conv1d(len(self.names), channels, kernel, padding=kernel // 2)
        self.body = nn.Sequential(nn.GELU(), nn.Dropout(dropout), nn.Flatten(), nn.Linear(channels * width, width))

    def mix(self, vectors: Tensor, present: Tensor) -> Tensor:
        stacked = torch.stack([own(vectors[:, index]) for index, own in enumerate(self.own)], 1)  # (B, N, D)
        mixed: Tensor = self.body(self.filters(stacked))  # (B, N, D) -> (B, C, D) -> (B, D)
        return mixed
