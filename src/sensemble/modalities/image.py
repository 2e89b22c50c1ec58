"""Pictures as small squares of bytes.

Legend: B batch, T pictures of a row (one), N = B x T, C channels, H height, W width.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..errors import ConfigError, Unreadable
from ..media.picture import MAX_PIXELS, read_picture
from ..tokens import Tokens
from .base import MODALITIES, Modality

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Of ImageNet's channels: what most pretrained encoders expect."""
FIT_PICTURES = 256
"""Training pictures from which the channels' scale is learned."""
SMALLEST_STD = 0.02
"""So that nearly uniform pictures are not blown up."""
SHOWN = 160
"""Longest side of a picture in a report."""


@MODALITIES.register("image")
class Image(Modality):
    """A picture as one token `(1, 3, size, size)`: bytes in storage, standardised floats for the encoder.

    A value is a path, the bytes of a file, a Pillow image, a uint8 array `(H, W)`, `(H, W, 3)` or
    `(H, W, 4)`, or a mapping with `bytes` or `path`. JPEG, PNG, WebP, GIF, BMP, TIFF, PGM and PPM are read; of
    an animation or a document, the first picture. The camera's orientation is applied, transparency becomes
    white.

    Args:
        size: side of the square, in pixels.
        fit: how a picture becomes square: `crop` its middle, `pad` its shorter side, or `stretch` it.
        flip: mirror half of the training pictures left to right; not where left and right differ (text, maps).
        shift: move training pictures at random, by up to this share of their side.
        zoom: scale training pictures at random, by up to this share.
        jitter: change brightness and contrast of training pictures at random, by up to this share.
        scale: standardise channels by their mean and deviation over training pictures (`data`), which trains from
            scratch in about half the steps where pictures are unlike photos, or by ImageNet's (`imagenet`).
        max_pixels: width times height of the largest picture that is decoded.

    Fitted: `mean_` and `std_`, of each channel, in 0..1.

    >>> picture = Image(size=32).load(np.zeros((480, 640, 3), dtype=np.uint8))
    >>> picture.shape, picture.dtype
    (torch.Size([1, 3, 32, 32]), torch.uint8)
    """

    encoder = "cnn"
    mean_: tuple[float, ...]
    std_: tuple[float, ...]
    reads_files = True
    dtype = torch.uint8

    def __init__(
        self,
        *,
        size: int = 64,
        fit: Literal["crop", "pad", "stretch"] = "crop",
        flip: bool = False,
        shift: float = 0.0,
        zoom: float = 0.0,
        jitter: float = 0.0,
        scale: Literal["data", "imagenet"] = "data",
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        for key, number in (("size", size), ("max_pixels", max_pixels)):
            if number < 1:
                raise ConfigError(f"image: {key} must be at least 1, not {number}")
        for key, share in (("shift", shift), ("zoom", zoom), ("jitter", jitter)):
            if not 0 <= share < 1:
                raise ConfigError(f"image: {key} is a share, from 0 to below 1, not {share:g}")
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

    def fit(self, values: Sequence[Any]) -> Image:
        """Learns the channels' mean and deviation from some training pictures, passing over unreadable ones."""
        if self.scale == "imagenet":
            return self
        pictures = []
        for value in values[:: max(1, len(values) // FIT_PICTURES)]:
            try:
                pictures.append(self.load(value))
            except Unreadable:
                continue
        if pictures:
            channels = torch.cat(pictures).double().div(255).transpose(0, 1).flatten(1)  # (C, N * H * W)
            self.mean_ = tuple(channels.mean(1).tolist())
            self.std_ = tuple(channels.std(1).clamp(min=SMALLEST_STD).tolist())
        return self

    def state(self) -> dict[str, Any]:
        return {"mean": list(self.mean_), "std": list(self.std_)}

    def restore(self, state: dict[str, Any]) -> Image:
        self.mean_, self.std_ = tuple(state["mean"]), tuple(state["std"])
        return self

    def load(self, raw: Any) -> Tensor:
        """One picture -> `(1, 3, size, size)` uint8. May run in several threads at once.

        Raises:
            Unreadable: no such file, no picture, damaged, cut off, or over a limit.
        """
        square = read_picture(raw, self.size, self.framing, max_pixels=self.max_pixels)
        return torch.from_numpy(np.array(square)).permute(2, 0, 1).unsqueeze(0).contiguous()  # (1, C, H, W)

    def fingerprint(self) -> str:
        return f"image 1 {self.size} {self.framing} {self.max_pixels}"

    def prepare(self, tokens: Tokens, *, training: bool) -> Tokens:
        """Bytes -> standardised floats, `(B, T, C, H, W)`; in training, each picture changed on its own.

        Chance comes from torch's global generator of the tokens' device.
        """
        values = tokens.values.float() / 255
        if training and (self.flip or self.shift or self.zoom or self.jitter):
            values = self._augment(values.flatten(0, 1)).view_as(values)
        mean, std = (values.new_tensor(each).view(3, 1, 1) for each in (self.mean_, self.std_))
        return tokens.with_values((values - mean) / std)

    def describe(self, raw: Any) -> list[str]:
        return ["picture"]

    def show(self, raw: Any) -> dict[str, str]:
        file = io.BytesIO()
        read_picture(raw, SHOWN, "whole", max_pixels=self.max_pixels).save(file, "JPEG", quality=80)
        data = base64.b64encode(file.getvalue()).decode("ascii")
        name = Path(raw).name if isinstance(raw, str | Path) else ""
        return {"kind": "image", "text": name, "data": f"data:image/jpeg;base64,{data}"}

    def _augment(self, images: Tensor) -> Tensor:
        """`(N, C, H, W)` in 0..1 -> the same, each picture drawn its own change."""

        def draw(limit: float) -> Tensor:
            return (torch.rand(len(images), device=images.device) * 2 - 1) * limit  # (N,)

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
        return images
