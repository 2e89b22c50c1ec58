"""Steady background noise taken out of a sound.

A Wiener filter over short-time spectra, its signal-to-noise ratios followed over time by the decision-directed rule
(Ephraim & Malah 1984, "Speech enhancement using a minimum mean-square error short-time spectral amplitude estimator",
equation 51; with the Wiener gain: Scalart & Filho 1996). The noise is estimated from low quantiles over time (Stahl
et al. 2000), then by a median over neighbouring frequencies, so that a lasting tone is not taken for noise.

Legend: n samples, T frames, K frequencies.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from .sound_file import Samples

FRAME = 0.032
"""Seconds of a frame; a quarter of it lies between two."""
QUANTILE = 0.3
"""Share of the frames below whose power the noise is looked for."""
NEIGHBOURS = 200.0
"""Hertz on either side over which the noise is alike."""
MEMORY = 0.98
"""How much the last frame's ratio counts."""
FEWEST = 8
"""Frames that it takes to know the noise."""
LEAST = 0.1
"""Gain left to noise, 20 dB down: what is let through covers the filter's own traces."""


def denoise(wave: Samples, rate: int) -> Samples:
    """`(n,)` -> `(n,)` with steady noise 20 dB down and what stands out of it kept.

    For hiss and fans; not for hum, which is tones, nor for voices or music behind. The faintest parts of the sound
    go with the noise. What is too short to tell noise from sound stays as it is.

    Args:
        wave: the samples.
        rate: samples a second.
    """
    size = 2 ** max(4, round(math.log2(FRAME * rate)))
    hann = torch.hann_window(size)
    spectrum = torch.stft(
        torch.from_numpy(np.ascontiguousarray(wave)),
        size, size // 4, window=hann, center=True, pad_mode="constant", return_complex=True,
    )  # fmt: skip
    power = spectrum.abs().square().numpy().T  # (T, K)
    noise = _noise(power, max(1, round(NEIGHBOURS * size / rate)))
    if len(power) < FEWEST or not noise.any():
        return wave
    gains = torch.from_numpy(_gains(power / np.maximum(noise, noise.max() * 1e-10)).T)
    clean: Samples = torch.istft(spectrum * gains, size, size // 4, window=hann, length=len(wave)).numpy()
    return clean


def _noise(power: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """`(T, K)` -> `(K,)`: the mean power of the noise alone."""
    # of noise, the power is exponentially distributed: its mean follows from any quantile
    quiet = np.quantile(power, QUANTILE, axis=0) / -math.log1p(-QUANTILE)
    around = np.pad(quiet, reach, mode="reflect" if len(quiet) > reach else "edge")
    smooth: NDArray[np.float32] = np.median(np.lib.stride_tricks.sliding_window_view(around, 2 * reach + 1), axis=1)
    return smooth


def _gains(ratio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Power over noise `(T, K)` -> how much of each place is kept, from LEAST to 1."""
    gains = np.empty_like(ratio, dtype=np.float32)
    before = np.maximum(ratio[0] - 1, 0)
    for frame, now in enumerate(ratio):
        prior = MEMORY * before + (1 - MEMORY) * np.maximum(now - 1, 0)
        gains[frame] = np.maximum(prior / (1 + prior), LEAST)
        before = np.square(gains[frame]) * now
    return gains
