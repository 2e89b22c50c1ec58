"""Sounds as a few numbers each for the audit's quick looks, decoded under the audio modality's limits.

Legend: d numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..media.sound import duration
from ..modalities.base import MODALITIES

SOUNDS = 1_000
"""Rows whose sounds are looked at, each of which must be decoded."""
SECONDS = 10.0
"""Of each sound that are looked at."""
RATE, BANDS = 8_000, 8
NAMES = (
    "the length",
    *(f"the level of band {band} of {BANDS}" for band in range(1, BANDS + 1)),
    *(f"the variation of band {band} of {BANDS}" for band in range(1, BANDS + 1)),
)


def soundprints(raws: Sequence[Any]) -> list[NDArray[np.float64] | None]:
    """Raw sounds -> `(17,)` each: seconds, and of eight mel bands the mean level and its deviation over time.

    `None` where a sound cannot be read.

    >>> soundprints([{"array": np.zeros(4000, np.int16), "sampling_rate": 8000}, "nowhere.wav"])[1] is None
    True
    """
    modality = MODALITIES.create("audio", rate=RATE, bands=BANDS, seconds=SECONDS, max_seconds=SECONDS)
    found: list[NDArray[np.float64] | None] = []
    for raw, frames in zip(raws, modality.load_many(raws), strict=True):
        if not isinstance(frames, Tensor):
            found.append(None)
            continue
        values = frames.double().numpy()  # (T, F)
        found.append(np.array([duration(raw) or len(values) / 100, *values.mean(0), *values.std(0)]))
    return found
