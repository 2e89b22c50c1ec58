"""Pictures as small squares of bytes.

Legend: C channels, H height, W width.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor

from ..corrupt import Corruption, pictures
from ..media.picture import BILINEAR, MAX_PIXELS, Resample, read_picture
from .base import MODALITIES
from .pixels import Pixels

SHOWN = 160
"""Longest side of a picture in a report."""


@MODALITIES.register("image")
class Image(Pixels):
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

    Fitted: as `Pixels`.

    >>> picture = Image(size=32).load(np.zeros((480, 640, 3), dtype=np.uint8))
    >>> picture.shape, picture.dtype
    (torch.Size([1, 3, 32, 32]), torch.uint8)
    """

    encoder = "cnn"
    resample: Resample = BILINEAR
    """How its pixels are made from a picture's own."""

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
        super().__init__(
            size=size, fit=fit, flip=flip, shift=shift, zoom=zoom, jitter=jitter, scale=scale, max_pixels=max_pixels
        )

    def load(self, raw: Any) -> Tensor:
        """One picture -> `(1, 3, size, size)` uint8. May run in several threads at once.

        Raises:
            Unreadable: no such file, no picture, damaged, cut off, or over a limit.
        """
        square = self.open(raw)
        return torch.from_numpy(np.array(square)).permute(2, 0, 1).unsqueeze(0).contiguous()  # (1, C, H, W)

    def corruptions(self) -> dict[str, Corruption]:
        return pictures(self.size)

    def open(self, raw: Any) -> Pillow.Image:
        """The square that is loaded, so that amounts are in its pixels."""
        return read_picture(raw, self.size, self.framing, max_pixels=self.max_pixels, resample=self.resample)

    def fingerprint(self) -> str:
        return f"image 1 {self.size} {self.framing} {self.max_pixels}"

    def describe(self, raw: Any) -> list[str]:
        return ["picture"]

    def show(self, raw: Any) -> dict[str, str]:
        file = io.BytesIO()
        read_picture(raw, SHOWN, "whole", max_pixels=self.max_pixels).save(file, "JPEG", quality=80)
        data = base64.b64encode(file.getvalue()).decode("ascii")
        name = Path(raw).name if isinstance(raw, str | Path) else ""
        return {"kind": "image", "text": name, "data": f"data:image/jpeg;base64,{data}"}
