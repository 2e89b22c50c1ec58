"""Sounds as pictures of time and pitch: short-time power spectra and log-mel frames.

Legend: n samples, T frames, K frequencies, F bands.

A frame i holds the samples from i * hop on, as many as the window is long; the last frame is filled with zeros.
The mel scale is that of HTK, 2595 log10(1 + f / 700) (Young et al., The HTK Book, 2002, 5.4), its filters are
triangles of height 1 from 0 to half the sample rate.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

FLOOR = 1e-10
"""Least power of a band, where a sine of full scale has about 1: 100 dB below it."""


def num_frames(samples: int, window: int, hop: int) -> int:
    """T, how many frames cover n samples: at least one."""
    return 1 + max(0, math.ceil((samples - window) / hop))


def power(wave: Tensor, window: int, hop: int, size: int) -> Tensor:
    """`(n,)` -> `(T, K)`: the power of each frequency under a Hann window; a sine of full scale has 1 at its own.

    Args:
        wave: the samples.
        window: samples of a frame.
        hop: samples between the starts of two frames.
        size: of the Fourier transform, at least the window; K = size / 2 + 1.
    """
    count = num_frames(len(wave), window, hop)
    padded = functional.pad(wave, (0, (count - 1) * hop + window - len(wave)))
    hann = torch.hann_window(window, periodic=True)
    frames = padded.unfold(0, window, hop) * (hann * (2 / hann.sum()))  # (T, window)
    return torch.view_as_real(torch.fft.rfft(frames, n=size)).square().sum(-1)


def log_mel(wave: Tensor, rate: int, *, window: int, hop: int, bands: int) -> Tensor:
    """`(n,)` float32 -> `(T, F)`: the natural logarithm of the power in each mel band, floored 100 dB below full scale.

    Args:
        wave: the samples, n >= 1.
        rate: samples a second.
        window: samples of a frame.
        hop: samples between the starts of two frames.
        bands: F.
    """
    size = transform_size(rate, window, bands)
    return (power(wave, window, hop, size) @ filters(rate, size, bands)).clamp(min=FLOOR).log()


@lru_cache(maxsize=16)
def filters(rate: int, size: int, bands: int) -> Tensor:
    """`(K, F)`: how much of each frequency belongs to each mel band."""
    edges = _hertz(torch.linspace(0, _mel(rate / 2), bands + 2, dtype=torch.float64))  # (F + 2,)
    places = torch.arange(size // 2 + 1, dtype=torch.float64).unsqueeze(1) * rate / size  # (K, 1)
    rising = (places - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - places) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp(min=0).float()


@lru_cache(maxsize=16)
def transform_size(rate: int, window: int, bands: int) -> int:
    """The least power of two that holds the window and gives every band a frequency."""
    size = 1 << (window - 1).bit_length()
    while not bool((filters(rate, size, bands) > 0).any(0).all()):
        size *= 2
    return size


def _mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


def _hertz(mel: Tensor) -> Tensor:
    return 700 * (10 ** (mel / 2595) - 1)
