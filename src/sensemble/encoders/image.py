"""Encoders of pictures: a grid of tokens each, so that attention can look at places.

Legend: B batch, T pictures a row, n pictures in all, C H W channels, height, width, G places of the grid, D width.

Norms are over each picture alone (GroupNorm, Wu & He 2018): no picture changes what another one gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn

from ..errors import ConfigError
from ..modalities.base import Modality
from ..nn.transformer import Transformer
from ..tokens import Tokens
from .base import Encoder, register

QUIET = 0.02
"""How loud the learned marks of places are at first."""


class _Grid(Encoder):
    """Runs a body on the pictures that are there and gives their grids' places as tokens."""

    def __init__(self, dim: int, places: int, *, marks: float = QUIET) -> None:
        super().__init__()
        self.dim, self.places = dim, places
        self.place = nn.Parameter(torch.randn(places, dim) * marks)

    def body(self, pictures: Tensor) -> Tensor:
        """`(n, C, H, W)` -> `(n, G, D)`."""
        raise NotImplementedError

    def forward(self, tokens: Tokens) -> Tokens:
        grids = tokens.apply(lambda pictures: self.body(pictures), out=(self.places, self.dim))  # (B, T, G, D)
        return Tokens(rearrange(grids.values, "b t g d -> b (t g) d"), grids.mask.repeat_interleave(self.places, 1))


@register("cnn", "image")
class ImageCNN(_Grid):
    """A few convolutions, each halving the picture: small and quick to train from scratch.

    Args:
        channels: of each stage; the last is D. The grid has size / 2^stages places a side.
        marks: how loud the marks of the grid's places, a vector of chance each, are at first; what is seen is about
            one. A few tenths where it matters what stands left of what.
    """

    def __init__(
        self, modality: Modality, *, channels: tuple[int, ...] = (16, 32, 64, 64), marks: float = QUIET
    ) -> None:
        side = modality.shape[1] >> len(channels)
        if side < 1:
            raise ConfigError(f"{len(channels)} stages are too many for pictures of {modality.shape[1]} pixels")
        super().__init__(channels[-1], side * side, marks=marks)
        self.stages = halving((modality.shape[0], *channels))
        self.side = side

    def body(self, pictures: Tensor) -> Tensor:
        grid = self.stages(channels_last(pictures))[:, :, : self.side, : self.side]
        places: Tensor = rearrange(grid, "n d h w -> n (h w) d")
        return places + self.place


@register("resnet", "image")
class ResNet(_Grid):
    """A residual network (He et al. 2016) with GroupNorm. For thousands of pictures and a GPU, or patience.

    Pictures up to 64 pixels keep their full size at the entry.

    Args:
        depth: 10, 18, 34 or 50 layers (50 with bottlenecks).
        channels: of the first stage; each further one has twice as many.
    """

    def __init__(self, modality: Modality, *, depth: Literal[10, 18, 34, 50] = 18, channels: int = 64) -> None:
        counts = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}[depth]
        size, expansion = modality.shape[1], 4 if depth == 50 else 1
        stride = 1 if size <= 64 else 4
        side = halved(size // stride, len(counts) - 1)
        super().__init__(channels * 8 * expansion, side * side)
        layers: list[nn.Module] = [nn.Conv2d(modality.shape[0], channels, 3, padding=1, bias=False)]
        if stride == 4:
            layers = [
                nn.Conv2d(modality.shape[0], channels, 7, stride=2, padding=3, bias=False),
                nn.MaxPool2d(3, stride=2, padding=1),
            ]
        layers += [_norm(channels), nn.ReLU()]
        width = channels
        for stage, count in enumerate(counts):
            for block in range(count):
                out = channels * 2**stage
                step = 2 if stage and not block else 1
                layers.append(_Residual(width, out, step, expansion))
                width = out * expansion
        self.layers = nn.Sequential(*layers)

    def body(self, pictures: Tensor) -> Tensor:
        places: Tensor = rearrange(self.layers(pictures), "n d h w -> n (h w) d")
        return places + self.place


class _Residual(nn.Module):
    """A residual block: two 3x3 convolutions, or 1x1, 3x3, 1x1 where there is an expansion."""

    def __init__(self, before: int, width: int, stride: int, expansion: int) -> None:
        super().__init__()
        after = width * expansion
        if expansion > 1:
            plan: Sequence[tuple[int, int, int, int]] = (
                (before, width, 1, 1), (width, width, 3, stride), (width, after, 1, 1)
            )  # fmt: skip
        else:
            plan = ((before, width, 3, stride), (width, after, 3, 1))
        layers: list[nn.Module] = []
        for index, (inner, outer, kernel, step) in enumerate(plan):
            layers += [nn.Conv2d(inner, outer, kernel, stride=step, padding=kernel // 2, bias=False), _norm(outer)]
            if index < len(plan) - 1:
                layers.append(nn.ReLU())
        self.body = nn.Sequential(*layers)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride=stride, bias=False), _norm(after))

    def forward(self, values: Tensor) -> Tensor:
        return torch.relu(self.shortcut(values) + self.body(values))


@register("vit", "image")
class ViT(_Grid):
    """A vision Transformer (Dosovitskiy et al. 2021): patches as words. From scratch it wants many pictures.

    Args:
        dim: D.
        patch: side of a patch in pixels; it divides the size.
        depth: layers.
        heads: attention heads; they divide `dim`.
        dropout: in the layers.
    """

    def __init__(
        self,
        modality: Modality,
        *,
        dim: int = 64,
        patch: int = 8,
        depth: int = 4,
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        channels, size, _ = modality.shape
        if size % patch:
            raise ConfigError(f"a patch of {patch} does not divide pictures of {size} pixels; choose one that does")
        super().__init__(dim, (size // patch) ** 2)
        self.cut = nn.Conv2d(channels, dim, patch, stride=patch)
        self.transformer = Transformer(dim, depth=depth, heads=heads, dropout=dropout)

    def body(self, pictures: Tensor) -> Tensor:
        patches = rearrange(self.cut(pictures), "n d h w -> n (h w) d") + self.place
        encoded: Tokens = self.transformer(Tokens.full(patches))
        return encoded.values


def halving(channels: Sequence[int], *, entry: bool = True) -> nn.Sequential:
    """Stages that each halve height and width: `(n, channels[0], H, W)` -> `(n, channels[-1], H', W')`.

    Args:
        channels: before the first stage and after each.
        entry: whether the first one sees pixels. It has no norm then, which would make a bright picture and a dark one
            alike, and is half of the norms' cost.
    """
    stages: list[nn.Module] = []
    for stage, (before, after) in enumerate(pairwise(channels)):
        bare = entry and not stage
        stages.append(nn.Conv2d(before, after, 3, stride=2, padding=1, bias=bare))
        stages += [nn.ReLU()] if bare else [_norm(after), nn.ReLU()]
    return nn.Sequential(*stages)


def halved(side: int, stages: int) -> int:
    """The side of what `halving` gives after so many stages."""
    return -(-side >> stages)


def channels_last(maps: Tensor) -> Tensor:
    """The same maps with channels last in memory, which is a fifth faster on CPUs."""
    return maps.contiguous(memory_format=torch.channels_last)


def _norm(channels: int) -> nn.GroupNorm:
    groups = next(groups for groups in (8, 4, 2, 1) if channels % groups == 0)
    return nn.GroupNorm(groups, channels)
