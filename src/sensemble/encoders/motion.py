"""An encoder of moves: what each frame shows, and how that differs from the next one.

Legend: B batch, T frames, n frames in all, C H W channels, height, width, D width.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from ..errors import ConfigError
from ..modalities.base import Modality
from ..tokens import Tokens
from .base import Encoder, register
from .image import channels_last, halved, halving


@register("motion", "video")
class Motion(Encoder):
    """Convolutions that find things in each frame; the last one sees where they are in this frame and in the next.

    One token a frame: the strongest answer of each feature, wherever in the frame it is. So "something red that goes
    left" is one feature and costs one convolution, where `conv3d` compares bare pixels in every stage. Choose it for
    things that move by about a place of the last grid from frame to frame; a fusion that looks over the tokens, such as
    `film`, joins them over time. Places are forgotten: take `frames` where it matters where something is.

    Args:
        channels: of each stage, which halves height and width; the last is D. Two stages or more.
    """

    def __init__(self, modality: Modality, *, channels: tuple[int, ...] = (16, 32, 64)) -> None:
        super().__init__()
        if len(channels) < 2:
            raise ConfigError("channels must be two or more: the first stages see frames, the last one sees moves")
        if modality.shape[1] >> len(channels) < 1:
            raise ConfigError(f"{len(channels)} stages are too many for frames of {modality.shape[1]} pixels")
        self.dim, self.before = channels[-1], channels[-2]
        self.look = halving((modality.shape[0], *channels[:-1]))
        self.move = nn.Sequential(
            nn.Conv2d(2 * channels[-2], channels[-1], 3, stride=2, padding=1, bias=False),
            _norm(channels[-1]),
            nn.ReLU(),
        )
        self.side = halved(modality.shape[1], len(channels) - 1)

    def forward(self, tokens: Tokens) -> Tokens:
        maps = tokens.clean().apply(self._look, out=(self.before, self.side, self.side))  # (B, T, C, H, W)
        both = maps.mask[:, :-1] & maps.mask[:, 1:]
        change = (maps.values[:, 1:] - maps.values[:, :-1]).masked_fill(~both[:, :, None, None, None], 0)
        change = torch.cat([change, torch.zeros_like(maps.values[:, :1])], 1)  # the last frame has no next one
        pairs = Tokens(torch.cat([maps.values, change], 2), maps.mask)  # (B, T, 2·C, H, W)
        return pairs.apply(self._move, out=(self.dim,))

    def _look(self, frames: Tensor) -> Tensor:
        """`(n, 3, H, W) -> (n, C, H', W')`."""
        seen: Tensor = self.look(channels_last(frames))
        return seen.contiguous()

    def _move(self, pairs: Tensor) -> Tensor:
        """`(n, 2·C, H, W) -> (n, D)`: the strongest answer over all places."""
        found: Tensor = self.move(channels_last(pairs))
        return rearrange(found, "n d h w -> n d (h w)").amax(2)


def _norm(channels: int) -> nn.GroupNorm:
    """Groups of two channels or more, as the last stage may have one place alone."""
    groups = next((groups for groups in (8, 4, 2) if channels % groups == 0 and channels > groups), 1)
    return nn.GroupNorm(groups, channels)
