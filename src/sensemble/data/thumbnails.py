"""Pictures and videos as tiny squares for the audit's quick looks, each decoded once under its modality's limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import Unreadable
from ..modalities.base import MODALITIES
from .shallow import shrink

SIDE = 16
DECODED = 32
"""Side before averaging, so that other sizes and decoders of one picture end in the same pixels."""


FRAMES = 4


class Thumbnails:
    """Raw pictures -> `(16, 16, 3)` uint8, or `None` where a picture cannot be read.

    Args:
        kind: `image`, or `video`, whose thumbnail is the mean of a few frames.

    >>> Thumbnails()(np.zeros((480, 640, 3), dtype=np.uint8)).shape
    (16, 16, 3)
    >>> Thumbnails()("nowhere.png") is None
    True
    """

    def __init__(self, kind: Literal["image", "video"] = "image") -> None:
        more: dict[str, Any] = {"frames": FRAMES} if kind == "video" else {}
        self._modality = MODALITIES.create(kind, size=DECODED, fit="stretch", **more)
        self._known: dict[Any, tuple[Any, NDArray[np.uint8] | None]] = {}

    def __call__(self, raw: Any) -> NDArray[np.uint8] | None:
        key = raw if isinstance(raw, str | bytes | Path) else id(raw)
        if key not in self._known:
            self._known[key] = raw, self._read(raw)  # holding the object keeps its id its own
        return self._known[key][1]

    def _read(self, raw: Any) -> NDArray[np.uint8] | None:
        try:
            frames = self._modality.load(raw)  # (T, C, H, W), T = 1 for an image
        except Unreadable:
            return None
        return shrink(frames.double().mean(0).permute(1, 2, 0).numpy(), SIDE).round().astype(np.uint8)
