"""Where in a sound something is to be heard: voice activity by energy.

Legend: n samples, T frames.
"""

from __future__ import annotations

import numpy as np

from .sound_file import Samples

FRAME = 0.01
"""Seconds of a frame."""
MARGIN = 0.05
"""Seconds kept before and after."""
ABOVE = 10.0
"""Decibels above the background from which a frame counts."""
RANGE = 40.0
"""Decibels below the loud frames down to which one counts, however quiet the background."""
FAINTEST = -100.0
"""Decibels of full scale that silence is taken for."""


def sounding(wave: Samples, rate: int) -> tuple[int, int]:
    """From which sample to which a sound is more than background: `(start, stop)`; all of it where nothing stands out.

    The background is the level that a tenth of the frames stay below, the loud frames those above which a twentieth
    lies. A steady sound, noise or tone, stands out from nothing and is kept whole.

    Args:
        wave: `(n,)`.
        rate: samples a second.

    >>> sounding(np.concatenate([np.zeros(8000), np.ones(8000)]).astype(np.float32), 8000)
    (7600, 16000)
    """
    size = max(1, round(FRAME * rate))
    frames = np.resize(wave[: len(wave) // size * size], (len(wave) // size, size))  # (T, size)
    if len(frames) < 2:
        return 0, len(wave)
    with np.errstate(divide="ignore"):
        levels = np.maximum(10 * np.log10(np.square(frames, dtype=np.float64).mean(1)), FAINTEST)  # (T,)
    background, loud = np.percentile(levels, [10, 95])
    active = np.flatnonzero(levels >= max(loud - RANGE, min(background + ABOVE, loud - ABOVE)))
    margin = round(MARGIN * rate)
    start = max(0, int(active[0]) * size - margin)
    stop = (int(active[-1]) + 1) * size + margin
    return start, len(wave) if stop >= len(frames) * size else stop
