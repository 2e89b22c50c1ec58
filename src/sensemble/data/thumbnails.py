"""Pictures as tiny squares for the audit's quick looks, each decoded once under the image modality's limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Unreadable
from ..modalities.base import MODALITIES
from .shallow import shrink

SIDE = 16
DECODED = 32
"""Side before averaging, so that other sizes and decoders of one picture end in the same pixels."""


class Thumbnails:
    """Raw pictures -> `(16, 16, 3)` uint8, or `None` where a picture cannot be read.

    >>> Thumbnails()(np.zeros((480, 640, 3), dtype=np.uint8)).shape
    (16, 16, 3)
    >>> Thumbnails()("nowhere.png") is None
    True
    """

    def __init__(self) -> None:
        self._modality = MODALITIES.create("image", size=DECODED, fit="stretch")
        self._known: dict[Any, tuple[Any, NDArray[np.uint8] | None]] = {}

    def __call__(self, raw: Any) -> NDArray[np.uint8] | None:
        key = raw if isinstance(raw, str | bytes | Path) else id(raw)
        if key not in self._known:
            self._known[key] = raw, self._read(raw)  # holding the object keeps its id its own
        return self._known[key][1]

    def _read(self, raw: Any) -> NDArray[np.uint8] | None:
        try:
            picture = self._modality.load(raw)[0].permute(1, 2, 0).numpy()  # (C, H, W) -> (H, W, C)
        except Unreadable:
            return None
        return shrink(picture, SIDE).round().astype(np.uint8)
