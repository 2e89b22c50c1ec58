"""Encoders of videos: pictures looked at one by one and then over time, or space and time together.

Legend: B batch, T frames, n pieces in all, G tokens of a piece, L looks, C H W channels, height, width, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from ..errors import ConfigError
from ..modalities.base import Modality
from ..nn.transformer import Transformer, sinusoids
from ..tokens import Tokens
from .base import Encoder, Pace, create, register

SHARPNESS = 2.0
"""Of the looks at first: each at a few places, for a mean over many says little about where something is."""

Spec = str | Mapping[str, Any]
"""A component's name, or a mapping with `name` and its options."""


class _Steps(Modality):
    """What an encoder of sequences is told about the vectors it gets: how wide they are."""

    def __init__(self, dim: int) -> None:
        self.shape_ = (dim,)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.shape_

    def load(self, raw: Any) -> Tensor:
        raise NotImplementedError


class _Looks(nn.Module):
    """The G tokens of each picture -> one: L weighted means over places, each with weights of its own, joined.

    A plain mean would forget where things are; these weights depend on the place and on what is there.

    Args:
        places: G.
        before: width of the tokens.
        after: D.
        looks: L.
    """

    def __init__(self, places: int, before: int, after: int, *, looks: int) -> None:
        super().__init__()
        self.place = nn.Parameter(SHARPNESS * torch.randn(looks, places))
        self.query = nn.Linear(before, looks, bias=False)
        self.join = nn.Sequential(nn.Linear(looks * before, after), nn.LayerNorm(after))

    def forward(self, tokens: Tensor) -> Tensor:
        """`(n, G, before) -> (n, D)`."""
        weights = (self.query(tokens).transpose(1, 2) + self.place).softmax(-1)  # (n, L, G)
        joined: Tensor = self.join((weights @ tokens).flatten(1))  # (n, L * before) -> (n, D)
        return joined


@register("frames", "video")
class Frames(Encoder):
    """Each frame through a picture's encoder, then the frames in their order through a sequence's encoder.

    The one to begin with: it takes what is known of pictures, costs little, and with `lstm` or `transformer` knows
    the order of frames. One token a frame; with `mean`, one a clip.

    Args:
        frame: the encoder of a frame: the name of any image encoder that is trained from scratch, or a mapping with
            `name` and its options. `pretrained` stands on the video input itself, where it runs on each frame.
        over_time: `mean`, which knows no order, or the encoder of the frames' sequence: the name of any vector
            encoder (`lstm`, `transformer`), or a mapping with `name` and its options; its `dim` is D if not given.
        dim: D.
        looks: weighted means over a frame's places that make its token.
    """

    def __init__(
        self,
        modality: Modality,
        *,
        frame: str | Mapping[str, Any] = "cnn",
        over_time: str | Mapping[str, Any] = "lstm",
        dim: int = 64,
        looks: int = 8,
    ) -> None:
        super().__init__()
        if looks < 1:
            raise ConfigError(f"looks must be at least 1, not {looks}")
        if _spec(frame).get("name") == "pretrained":
            raise ConfigError(
                "frame: a pretrained picture model does not go inside `frames`; name it on the video input itself, "
                "`encoder: {name: pretrained, model: ...}`, which runs it on each frame"
            )
        self.frame = create("image", modality, _spec(frame), where="frame")
        with torch.no_grad():
            (places,) = self.frame.eval()(Tokens.full(torch.zeros(1, 1, *modality.shape))).values.shape[1:2]
        self.frame.train()
        self.looks = _Looks(places, self.frame.dim, dim, looks=looks)
        self.places, self.width = places, dim
        after = _spec(over_time)
        if after == {"name": "mean"}:
            self.over_time, self.dim = None, dim
        else:
            self.over_time = create("vector", _Steps(dim), {"dim": dim, **after}, where="over_time")
            self.dim = self.over_time.dim

    def paces(self) -> dict[str, Pace]:
        parts = {"frame": self.frame} | ({"over_time": self.over_time} if self.over_time is not None else {})
        return {f"{part}.{name}": pace for part, encoder in parts.items() for name, pace in encoder.paces().items()}

    def forward(self, tokens: Tokens) -> Tokens:
        steps = tokens.clean().apply(self._look, out=(self.width,))  # (B, T, D)
        if self.over_time is None:
            return Tokens(steps.mean().unsqueeze(1), steps.present.unsqueeze(1))
        encoded: Tokens = self.over_time(steps)
        return encoded

    def _look(self, pictures: Tensor) -> Tensor:
        """`(n, C, H, W) -> (n, D)`."""
        seen: Tokens = self.frame(Tokens.full(pictures.unsqueeze(1)))  # (n, G, width of the frame's encoder)
        looked: Tensor = self.looks(seen.values)
        return looked


@register("tubelet", "video")
class Tubelet(Encoder):
    """Blocks of a few frames by some pixels as words of a Transformer (Arnab et al. 2021, ViViT, "tubelets").

    Every block sees every other one, in space and time: for thousands of clips; from scratch, take `frames` first.
    Costs grow with the square of T. A block that is partly beyond the clip's end sees zeros there.

    Args:
        dim: D.
        patch: side of a block in pixels; it divides the size.
        tube: frames of a block.
        depth: layers.
        heads: attention heads; they divide `dim`.
        dropout: in the layers.
    """

    def __init__(
        self,
        modality: Modality,
        *,
        dim: int = 64,
        patch: int = 16,
        tube: int = 2,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        channels, size, _ = modality.shape
        if patch < 1 or size % patch:
            raise ConfigError(f"a patch of {patch} does not divide frames of {size} pixels; choose one that does")
        if tube < 1:
            raise ConfigError(f"tube must be at least 1 frame, not {tube}")
        self.dim, self.patch, self.tube, self.places = dim, patch, tube, (size // patch) ** 2
        self.cut = nn.Linear(channels * tube * patch * patch, dim)
        self.place = nn.Parameter(torch.randn(self.places, dim) * 0.02)
        self.order = nn.Parameter(torch.tensor(1.0))  # how loud times are beside what is seen
        self.transformer = Transformer(dim, depth=depth, heads=heads, dropout=dropout)

    def forward(self, tokens: Tokens) -> Tokens:
        tokens = tokens.clean()
        lacking = -tokens.mask.shape[1] % self.tube
        values = functional.pad(tokens.values, (0, 0, 0, 0, 0, 0, 0, lacking))
        mask = functional.pad(tokens.mask, (0, lacking))
        tubes = Tokens(
            rearrange(values, "b (t k) c h w -> b t k c h w", k=self.tube),
            rearrange(mask, "b (t k) -> b t k", k=self.tube).any(2),
        )
        blocks = tubes.apply(self._cut, out=(self.places, self.dim))  # (B, T', G, D)
        times = sinusoids(blocks.values.shape[1], self.dim, like=blocks.values)
        values = blocks.values + self.place + self.order * times.unsqueeze(1)
        words = Tokens(values.flatten(1, 2), blocks.mask.repeat_interleave(self.places, 1))
        encoded: Tokens = self.transformer(words)
        return encoded

    def _cut(self, tubes: Tensor) -> Tensor:
        """`(n, tube, C, H, W) -> (n, G, D)`."""
        side = self.patch
        blocks = rearrange(tubes, "n k c (h p) (w q) -> n (h w) (k c p q)", p=side, q=side)
        cut: Tensor = self.cut(blocks)
        return cut


@register("conv3d", "video")
class Conv3d(Encoder):
    """A few 3-D convolutions, each halving height and width: small, and sees motion between neighbouring frames.

    One token a frame, which knows as many frames on either side as there are stages. For short movements; take
    `frames` with `lstm` where the whole clip counts.

    Args:
        channels: of each stage.
        dim: D.
        looks: weighted means over a frame's places that make its token.
    """

    def __init__(
        self, modality: Modality, *, channels: tuple[int, ...] = (16, 32, 64, 64), dim: int = 64, looks: int = 8
    ) -> None:
        super().__init__()
        if not channels or looks < 1:
            raise ConfigError("channels and looks must be at least one")
        if modality.shape[1] >> len(channels) < 1:
            raise ConfigError(f"{len(channels)} stages are too many for frames of {modality.shape[1]} pixels")
        stages: list[nn.Module] = []
        norms: list[nn.Module] = []
        side = modality.shape[1]
        for stage, (before, after) in enumerate(zip((modality.shape[0], *channels), channels, strict=False)):
            stages.append(nn.Conv3d(before, after, 3, stride=(1, 2, 2), padding=1, bias=not stage))
            # as in the CNN of pictures: no norm at the entry, which would make bright and dark alike
            norms.append(nn.Sequential(_norm(after), nn.ReLU()) if stage else nn.ReLU())
            side = (side + 1) // 2
        self.dim = dim
        self.stages, self.norms = nn.ModuleList(stages), nn.ModuleList(norms)
        self.looks = _Looks(side * side, channels[-1], dim, looks=looks)

    def forward(self, tokens: Tokens) -> Tokens:
        steps = tokens.clean()
        for convolve, norm in zip(self.stages, self.norms, strict=True):
            values = convolve(rearrange(steps.values, "b t c h w -> b c t h w"))
            # Each frame is normed alone, and what is no frame is zero again before the next stage.
            frames = Tokens(rearrange(values, "b c t h w -> b t c h w"), steps.mask)
            steps = frames.apply(norm, out=frames.values.shape[2:])
        places = steps.with_values(steps.values.flatten(3).transpose(2, 3))  # (B, T, C, H, W) -> (B, T, G, C)
        return places.apply(self.looks, out=(self.dim,))


def _spec(component: Spec) -> dict[str, Any]:
    return {"name": component} if isinstance(component, str) else dict(component)


def _norm(channels: int) -> nn.GroupNorm:
    """Groups of two channels or more, as the last stage may have one place alone."""
    groups = next((groups for groups in (8, 4, 2) if channels % groups == 0 and channels > groups), 1)
    return nn.GroupNorm(groups, channels)
