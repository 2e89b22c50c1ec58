"""Spectra and mel bands against direct formulas, written another way."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import signal

from sensemble.media.spectrum import FLOOR, filters, log_mel, num_frames, power, transform_size


def direct_filters(rate: int, size: int, bands: int) -> np.ndarray:
    """Triangles over the HTK mel scale, one number at a time."""
    top = 2595 * math.log10(1 + rate / 2 / 700)
    edges = [700 * (10 ** (top * place / (bands + 1) / 2595) - 1) for place in range(bands + 2)]
    matrix = np.zeros((size // 2 + 1, bands))
    for row in range(size // 2 + 1):
        hertz = row * rate / size
        for band in range(bands):
            low, middle, high = edges[band : band + 3]
            if low < hertz <= middle:
                matrix[row, band] = (hertz - low) / (middle - low)
            elif middle < hertz < high:
                matrix[row, band] = (high - hertz) / (high - middle)
    return matrix


@pytest.mark.parametrize(("rate", "window", "hop", "bands"), [(16_000, 400, 160, 64), (8_000, 200, 80, 40)])
def test_log_mel_is_what_the_formulas_say(rate: int, window: int, hop: int, bands: int) -> None:
    wave = np.random.default_rng(0).normal(size=window + 30 * hop) * 0.1
    size = transform_size(rate, window, bands)
    _, _, spectrum = signal.stft(
        wave, rate, "hann", window, window - hop, size, boundary=None, padded=False, scaling="spectrum"
    )  # a sine of full scale has 1/2 there, on each side
    expected = np.log(np.maximum((4 * np.abs(spectrum.T) ** 2) @ direct_filters(rate, size, bands), FLOOR))
    found = log_mel(torch.from_numpy(wave).float(), rate, window=window, hop=hop, bands=bands)
    assert found.shape == (31, bands) and found.dtype == torch.float32
    assert np.abs(found.numpy() - expected).max() < 1e-4


@pytest.mark.parametrize(("rate", "window", "bands"), [(16_000, 400, 64), (16_000, 400, 256), (8_000, 16, 40)])
def test_every_band_hears_something(rate: int, window: int, bands: int) -> None:
    size = transform_size(rate, window, bands)
    matrix = filters(rate, size, bands)
    assert size >= window and matrix.shape == (size // 2 + 1, bands)
    assert bool((matrix.sum(0) > 0).all()) and float(matrix.min()) >= 0 and float(matrix.max()) <= 1
    assert np.allclose(matrix.numpy(), direct_filters(rate, size, bands), atol=1e-6)


def test_a_full_sine_has_power_one_and_silence_the_floor() -> None:
    wave = torch.sin(2 * math.pi * 1000 * torch.arange(16_000) / 16_000)
    spectrum = power(wave, 400, 160, 512)
    assert spectrum[10].argmax() == 32  # 1000 Hz in steps of 31.25
    assert float(spectrum[10].max()) == pytest.approx(1, abs=0.01)
    silent = log_mel(torch.zeros(500), 16_000, window=400, hop=160, bands=8)
    assert torch.allclose(silent, torch.tensor(math.log(FLOOR)))


def test_frames_cover_every_sample() -> None:
    assert [num_frames(n, 400, 160) for n in (1, 400, 401, 560, 561)] == [1, 1, 2, 2, 3]
    late = torch.zeros(1000)
    late[-1] = 1.0
    for length in (1000, 999, 1001):
        wave = torch.nn.functional.pad(late, (length - 1000, 0)) if length > 1000 else late[-length:]
        assert float(power(wave, 400, 160, 512)[-1].max()) > 0
    assert power(torch.ones(1), 400, 160, 512).shape == (1, 257)
