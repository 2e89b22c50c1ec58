"""Videos as a few frames each, spread over the clip.

Legend: T frames, C channels, H height, W width.
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

from ..corrupt import Corruption, clips
from ..errors import ConfigError
from ..media.film import MAX_PIXELS, MAX_SECONDS, Film, read_film
from .base import MODALITIES
from .pixels import Pixels

SHOWN = (6, 120)
"""Frames that a report shows of a clip, and their longest side."""


@MODALITIES.register("video")
class Video(Pixels):
    """A clip's frames as tokens `(T, 3, size, size)`: bytes in storage, standardised floats for the encoder.

    A value is a path, the bytes of a file, a uint8 array `(T, H, W, 3)`, or a mapping with `bytes` or `path`. MP4,
    MOV, MKV, WebM, AVI, MPEG, FLV and GIF are read. Frames are taken at even steps of time, whatever the clip's
    rate; a clip of fewer gives what it has, and one that breaks off those before the break. The camera's turn is
    applied. Its sound is another input of the same column, of the modality `audio`.

    Args:
        frames: the most that are taken, T.
        rate: frames a second, for clips so short that these are fewer than `frames`; longer ones give `frames`.
        size: side of the square, in pixels.
        fit: how a frame becomes square: `crop` its middle, `pad` its shorter side, or `stretch` it.
        flip: mirror half of the training clips left to right; not where left and right differ (motion, text).
        shift: move training clips at random, by up to this share of their side, all frames alike.
        zoom: scale training clips at random, by up to this share, all frames alike.
        jitter: change brightness and contrast of training clips at random, by up to this share, all frames alike.
        scale: standardise channels by their mean and deviation over training clips (`data`), or by ImageNet's
            (`imagenet`).
        max_pixels: width times height of the largest frame that is decoded.
        max_seconds: of the longest clip that is read.

    Fitted: as `Pixels`.

    >>> clip = Video(frames=4, size=32).load(np.zeros((30, 48, 64, 3), dtype=np.uint8))
    >>> clip.shape, clip.dtype
    (torch.Size([4, 3, 32, 32]), torch.uint8)
    """

    encoder = "frames"
    fit_sample = 64

    def __init__(
        self,
        *,
        frames: int = 8,
        rate: float | None = None,
        size: int = 64,
        fit: Literal["crop", "pad", "stretch"] = "crop",
        flip: bool = False,
        shift: float = 0.0,
        zoom: float = 0.0,
        jitter: float = 0.0,
        scale: Literal["data", "imagenet"] = "data",
        max_pixels: int = MAX_PIXELS,
        max_seconds: float = MAX_SECONDS,
    ) -> None:
        super().__init__(
            size=size, fit=fit, flip=flip, shift=shift, zoom=zoom, jitter=jitter, scale=scale, max_pixels=max_pixels
        )
        if frames < 1:
            raise ConfigError(f"video: frames must be at least 1, not {frames}")
        for key, number in (("rate", rate), ("max_seconds", max_seconds)):
            if number is not None and not number > 0:
                raise ConfigError(f"video: {key} must be above 0, not {number:g}")
        self.frames = frames
        self.rate = rate
        self.max_seconds = max_seconds

    def load(self, raw: Any) -> Tensor:
        """One clip -> `(T, 3, size, size)` uint8. May run in several threads at once.

        Raises:
            Unreadable: no such file, no video, damaged before its first frame, or over a limit.
            ConfigError: PyAV is not installed.
        """
        return torch.from_numpy(self.open(raw)).permute(0, 3, 1, 2).contiguous()  # (T, H, W, C) -> (T, C, H, W)

    def corruptions(self) -> dict[str, Corruption]:
        return clips(self.size)

    def open(self, raw: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The frames that are loaded, `(T, size, size, 3)`, so that amounts are in their pixels."""
        return self._read(raw, self.frames, self.size, self.framing).frames

    def fingerprint(self) -> str:
        return f"video 1 {self.frames} {self.rate} {self.size} {self.framing} {self.max_pixels} {self.max_seconds}"

    def describe(self, raw: Any) -> list[str]:
        """When each frame is shown; of an array, its number."""
        times = self._read(raw, self.frames, 1, "stretch").times
        return [f"frame {time:.0f}" if isinstance(raw, np.ndarray) else f"{time:.2f} s" for time in times]

    def show(self, raw: Any) -> dict[str, str]:
        """Up to six frames; four and six stand in two lines, so that more is to be seen on a narrow card."""
        frames = self._read(raw, *SHOWN, "whole").frames
        lines = np.split(frames, 2 if len(frames) in (4, 6) else 1)
        strip = np.vstack([np.hstack(line) for line in lines])  # (T, H, W, 3) -> (lines * H, T / lines * W, 3)
        file = io.BytesIO()
        Pillow.fromarray(strip).save(file, "JPEG", quality=80)
        data = base64.b64encode(file.getvalue()).decode("ascii")
        name = Path(raw).name if isinstance(raw, str | Path) else ""
        return {"kind": "image", "text": name, "data": f"data:image/jpeg;base64,{data}"}

    def _read(self, raw: Any, frames: int, size: int, framing: Literal["crop", "pad", "stretch", "whole"]) -> Film:
        return read_film(
            raw,
            frames=frames,
            size=size,
            framing=framing,
            rate=self.rate,
            max_pixels=self.max_pixels,
            max_seconds=self.max_seconds,
        )
