"""Noise goes, sounds stay; what is silent at both ends is found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from sensemble.media.denoise import denoise
from sensemble.media.silence import sounding

RATE = 16_000
TIME = np.arange(2 * RATE) / RATE


def ratio(sound: np.ndarray, heard: np.ndarray) -> float:
    """Signal to noise, in decibels."""
    return float(10 * np.log10((sound**2).mean() / ((heard - sound) ** 2).mean()))


def noisy(sound: np.ndarray, decibels: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=len(sound))
    noise *= np.sqrt((sound**2).mean() / (noise**2).mean()) * 10 ** (-decibels / 20)
    return (sound + noise).astype(np.float32)


SOUNDS = {
    "tone": 0.3 * np.sin(2 * np.pi * 440 * TIME),
    "beeps": 0.3 * np.sin(2 * np.pi * 440 * TIME) * (TIME % 1 < 0.5),
    "chirp": 0.3 * np.sin(2 * np.pi * (200 * TIME + 400 * TIME**2)),
}


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize(("before", "gain"), [(20, 10), (5, 12), (-5, 12)])
def test_noise_falls_by_ten_decibels_or_more(name: str, before: float, gain: float) -> None:
    heard = noisy(SOUNDS[name], before)
    assert ratio(SOUNDS[name], heard) == pytest.approx(before, abs=0.1)
    clean = denoise(heard, RATE)
    assert clean.shape == heard.shape and clean.dtype == np.float32
    assert ratio(SOUNDS[name], clean) > before + gain


@pytest.mark.parametrize("name", SOUNDS)
def test_low_rumble_falls_too(name: str) -> None:
    white = np.random.default_rng(1).normal(size=len(TIME))
    rumble = signal.lfilter([0.05], [1, -0.95], white)
    heard = SOUNDS[name] + rumble
    assert ratio(SOUNDS[name], denoise(heard.astype(np.float32), RATE)) > ratio(SOUNDS[name], heard) + 7


def test_a_clean_sound_is_left_alone() -> None:
    for sound in SOUNDS.values():
        assert ratio(sound, denoise(sound.astype(np.float32), RATE)) > 30


@pytest.mark.parametrize("rate", [8_000, RATE, 44_100])
def test_any_rate_and_length(rate: int) -> None:
    for length in (1, 2, 100, 1000, rate):
        for level in (0.0, 0.5):
            found = denoise(np.full(length, level, np.float32), rate)
            assert found.shape == (length,) and np.isfinite(found).all()
    one = np.array([0.5], np.float32)
    assert np.array_equal(denoise(one, rate), one)


def test_ends_without_sound_are_found() -> None:
    quiet = np.random.default_rng(2).normal(size=3 * RATE).astype(np.float32) * 0.001
    for background in (np.zeros(3 * RATE, np.float32), quiet):
        heard = background.copy()
        heard[RATE : RATE + 8000] += SOUNDS["tone"][:8000].astype(np.float32)
        start, stop = sounding(heard, RATE)
        assert RATE - 1000 <= start < RATE and RATE + 8000 < stop <= RATE + 9000


def test_what_is_steady_or_short_is_kept_whole() -> None:
    noise = np.random.default_rng(3).normal(size=RATE).astype(np.float32)
    for sound in (np.zeros(RATE, np.float32), noise, SOUNDS["tone"].astype(np.float32), noise[:1], noise[:170]):
        assert sounding(sound, RATE) == (0, len(sound))


def test_pauses_within_are_kept() -> None:
    sound = np.zeros(3 * RATE, np.float32)
    sound[8000:12_000] = sound[30_000:34_000] = 0.5
    start, stop = sounding(sound, RATE)
    assert start <= 8000 and stop >= 34_000
