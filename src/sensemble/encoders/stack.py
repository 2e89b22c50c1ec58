"""An encoder of short clips: the maps of all frames at once, as the channels of one picture.

Legend: B batch, T frames, F frames that the modality takes at most, n frames or clips in all, C H W channels, height,
width, G places of the grid, D width.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from ..errors import ConfigError
from ..modalities.base import Modality
from ..tokens import Tokens
from .base import Encoder, register
from .image import QUIET, channels_last, halved, halving


@register("stack", "video")
class Stack(Encoder):
    """Convolutions over each frame, then over all frames' maps stacked as channels.

    Karpathy et al. 2014, "slow fusion" in two steps.

    The tokens are a grid's places, as of a picture, and each knows what was seen near it in every frame: what stands
    there, when it leaves and which way. So what something is and what it does are found in one place, and `film` can
    ask about it. Choose it for clips of a few frames in which things move by about a place of the grid; `frames` for
    longer ones, for this one tells frames apart by their number alone. Frames that a clip lacks are zeros.

    Args:
        channels: of each stage, which halves height and width; the last is D.
        apart: stages that see each frame by itself, with the same weights for all.
    """

    def __init__(self, modality: Modality, *, channels: tuple[int, ...] = (16, 32, 64, 64), apart: int = 2) -> None:
        super().__init__()
        if not 0 <= apart < len(channels):
            raise ConfigError(f"apart: from 0 to {len(channels) - 1}, one less than there are channels, not {apart}")
        side = modality.shape[1]
        if side >> len(channels) < 1:
            raise ConfigError(f"{len(channels)} stages are too many for frames of {side} pixels")
        self.frames = int(getattr(modality, "frames", 1))
        own = (modality.shape[0], *channels[:apart])
        self.look = halving(own)
        self.join = halving((self.frames * own[-1], *channels[apart:]), entry=not apart)
        self.map = (own[-1], *[halved(side, apart)] * 2)
        self.dim, self.places = channels[-1], halved(side, len(channels)) ** 2
        self.place = nn.Parameter(torch.randn(self.places, self.dim) * QUIET)

    def forward(self, tokens: Tokens) -> Tokens:
        maps = tokens.clean().apply(lambda frames: self.look(channels_last(frames)).contiguous(), out=self.map)
        lacking = self.frames - maps.mask.shape[1]  # negative where there is padding beyond all frames
        values = functional.pad(maps.values, (0, 0, 0, 0, 0, 0, 0, lacking))
        stacked = Tokens(rearrange(values, "b t c h w -> b 1 (t c) h w"), tokens.present.unsqueeze(1))
        grid = stacked.apply(self._grid, out=(self.places, self.dim))  # (B, 1, G, D)
        return Tokens(grid.values.squeeze(1), grid.mask.expand(-1, self.places))

    def _grid(self, stacked: Tensor) -> Tensor:
        """`(n, F·C, H, W) -> (n, G, D)`."""
        places: Tensor = rearrange(self.join(channels_last(stacked)), "n d h w -> n (h w) d")
        return places + self.place
