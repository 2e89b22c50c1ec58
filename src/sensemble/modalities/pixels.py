"""What pictures and videos share: squares of bytes, standardised on the device, changed at random in training.

Legend: B batch, T pictures of a row (one, or a clip's frames), N = B x T, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from ..errors import ConfigError
from ..tokens import Tokens
from .base import Modality

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Of ImageNet's channels: what most pretrained encoders expect."""
SMALLEST_STD = 0.02
"""So that nearly uniform pictures are not blown up."""


class Pixels(Modality):
    """Square RGB pictures: `(T, 3, size, size)` uint8 as loaded, floats as prepared.

    Args:
        size: side of the square, in pixels.
        fit: how a picture becomes square: `crop`, `pad` or `stretch`.
        flip: mirror half of the training rows left to right.
        shift: move training rows at random, by up to this share of their side.
        zoom: scale training rows at random, by up to this share.
        jitter: change brightness and contrast of training rows at random, by up to this share.
        scale: standardise channels by their mean and deviation over training rows (`data`), or by ImageNet's.
        max_pixels: width times height of the largest picture that is decoded.

    Fitted: `mean_` and `std_`, of each channel, in 0..1.
    """

    registered_name: ClassVar[str]
    mean_: tuple[float, ...]
    std_: tuple[float, ...]
    reads_files = True
    dtype = torch.uint8
    fit_sample: ClassVar[int] = 256
    """Training rows from which the channels' scale is learned, about."""

    def __init__(
        self,
        *,
        size: int,
        fit: Literal["crop", "pad", "stretch"],
        flip: bool,
        shift: float,
        zoom: float,
        jitter: float,
        scale: Literal["data", "imagenet"],
        max_pixels: int,
    ) -> None:
        for key, number in (("size", size), ("max_pixels", max_pixels)):
            if number < 1:
                raise ConfigError(f"{self.registered_name}: {key} must be at least 1, not {number}")
        for key, share in (("shift", shift), ("zoom", zoom), ("jitter", jitter)):
            if not 0 <= share < 1:
                raise ConfigError(f"{self.registered_name}: {key} is a share, from 0 to below 1, not {share:g}")
        self.size = size
        self.framing = fit  # `fit` is the contract's method
        self.flip = flip
        self.shift = shift
        self.zoom = zoom
        self.jitter = jitter
        self.scale = scale
        self.max_pixels = max_pixels
        self.mean_, self.std_ = MEAN, STD

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, self.size, self.size)

    def fit(self, values: Sequence[Any]) -> Pixels:
        """Learns the channels' mean and deviation from some training rows, passing over unreadable ones."""
        if self.scale == "imagenet":
            return self
        loaded = self.load_many(values[:: max(1, len(values) // self.fit_sample)])
        pictures = [each for each in loaded if isinstance(each, Tensor)]
        if pictures:
            channels = torch.cat(pictures).double().div(255).transpose(0, 1).flatten(1)  # (C, N * H * W)
            self.mean_ = tuple(channels.mean(1).tolist())
            self.std_ = tuple(channels.std(1).clamp(min=SMALLEST_STD).tolist())
        return self

    def state(self) -> dict[str, Any]:
        return {"mean": list(self.mean_), "std": list(self.std_)}

    def restore(self, state: dict[str, Any]) -> Pixels:
        self.mean_, self.std_ = tuple(state["mean"]), tuple(state["std"])
        return self

    def prepare(self, tokens: Tokens, *, training: bool) -> Tokens:
        """Bytes -> standardised floats, `(B, T, C, H, W)`; in training, each row changed on its own, as a whole.

        Chance comes from torch's global generator of the tokens' device.
        """
        values = tokens.values.float() / 255
        if training and (self.flip or self.shift or self.zoom or self.jitter):
            values = self._augment(values)
        mean, std = (values.new_tensor(each).view(3, 1, 1) for each in (self.mean_, self.std_))
        return tokens.with_values((values - mean) / std)

    def _augment(self, values: Tensor) -> Tensor:
        """`(B, T, C, H, W)` in 0..1 -> the same, each row drawn its own change, which all its pictures share."""
        rows, times = values.shape[:2]

        def draw(limit: float) -> Tensor:
            return ((torch.rand(rows, device=values.device) * 2 - 1) * limit).repeat_interleave(times)  # (N,)

        images = values.flatten(0, 1)  # (N, C, H, W)
        if self.flip:
            images = torch.where((draw(1) < 0).view(-1, 1, 1, 1), images.flip(-1), images)
        if self.shift or self.zoom:
            place = images.new_zeros(len(images), 2, 3)
            place[:, 0, 0] = place[:, 1, 1] = 1 / (1 + draw(self.zoom))
            place[:, 0, 2], place[:, 1, 2] = draw(2 * self.shift), draw(2 * self.shift)  # a side is 2 long here
            grid = functional.affine_grid(place, list(images.shape), align_corners=False)
            images = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
        if self.jitter:
            light, contrast = (1 + draw(self.jitter).view(-1, 1, 1, 1) for _ in range(2))
            middle = images.mean((1, 2, 3), keepdim=True)
            images = (((images - middle) * contrast + middle) * light).clamp(0, 1)
        return images.view_as(values)
