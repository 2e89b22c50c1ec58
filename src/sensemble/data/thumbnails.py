"""Interim."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class Thumbnails:
    def __init__(self) -> None:
        self._known: dict[Any, NDArray[np.uint8] | None] = {}

    def __call__(self, raw: Any) -> NDArray[np.uint8] | None:
        if raw not in self._known:
            try:
                with Image.open(raw) as image:
                    image.draft("RGB", (64, 64))
                    self._known[raw] = np.asarray(image.convert("RGB").resize((16, 16), Image.Resampling.BOX))
            except Exception:
                self._known[raw] = None
        return self._known[raw]
