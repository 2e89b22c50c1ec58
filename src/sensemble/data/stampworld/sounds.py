"""Sounds of things: one generated effect a kind, or a cut-out's own; and the track of a clip."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigError, DataError, Unreadable
from ...media.source import check_length, read_file
from .cutouts import Cutout
from .scene import FRAMES, RATE, Scene, number

Wave = NDArray[np.int16]
SAMPLE_RATE = 16_000
LENGTH = SAMPLE_RATE // 4
"""Samples of a generated effect."""
LONGEST = SAMPLE_RATE // 2
"""Samples of a cut-out's own sound that are heard."""
LOUD = 9001
"""Highest amplitude."""
EFFECTS = ("low beep", "high beep", "chirp up", "chirp down", "noise", "clicks", "buzz", "warble")


def track(scene: Scene, cutouts: Mapping[str, Cutout] | None = None) -> Wave:
    """The sound of a clip, mono, 16 bits, 16 kHz: silence, and each thing's sound from its frame on."""
    step = SAMPLE_RATE // RATE
    wave = np.zeros(FRAMES * step, dtype=np.int16)
    for thing in scene.things:
        if thing.sound is not None:
            start = thing.sound * step
            heard = voice(thing.kind, cutouts)[: len(wave) - start]
            wave[start : start + len(heard)] += heard
    return wave


def voice(kind: str, cutouts: Mapping[str, Cutout] | None = None) -> Wave:
    """What a kind of thing sounds like."""
    cutout = (cutouts or {}).get(kind)
    heard = None if cutout is None or cutout.sound is None else own(cutout.sound)
    return effect(number(kind) % len(EFFECTS)) if heard is None else heard


@lru_cache(maxsize=len(EFFECTS))
def effect(index: int) -> Wave:
    """One of the generated effects, a quarter of a second."""
    time = np.arange(LENGTH) / SAMPLE_RATE  # seconds
    name = EFFECTS[index]
    if name == "noise":
        noise: Wave = np.random.default_rng(4).integers(-LOUD // 2, LOUD // 2 + 1, LENGTH, dtype=np.int16)
        return noise
    if name == "clicks":
        wave = np.zeros(LENGTH, dtype=np.int16)
        for place in range(0, LENGTH, SAMPLE_RATE // 40):
            wave[place : place + 8] = LOUD
        return wave
    if name == "buzz":
        high = (np.arange(LENGTH) // 80 % 2).astype(np.int16)  # a square wave of 100 Hz
        return np.int16(2 * (LOUD // 3)) * high - np.int16(LOUD // 3)
    turns = {  # the number of periods at each moment
        "low beep": 330 * time,
        "high beep": 1760 * time,
        "chirp up": 400 * time + 4800 * time**2,
        "chirp down": 2800 * time - 4800 * time**2,
        "warble": 800 * time + 8 * np.sin(2 * np.pi * 12 * time) / (2 * np.pi),
    }[name]
    fade = np.minimum(1, np.minimum(time, time[::-1]) * 100)  # 10 ms at each end
    tone: Wave = np.round(LOUD * fade * np.sin(2 * np.pi * turns + 0.3)).astype(np.int16)
    return tone


@lru_cache(maxsize=256)
def own(path: Path) -> Wave | None:
    """A cut-out's own sound: half a second from where it begins, as loud as the effects; `None` where it is silent.

    Raises:
        ConfigError: PyAV is missing.
        DataError: the file cannot be read.
    """
    av = load_av()
    parts: list[NDArray[np.float64]] = []
    try:
        data = read_file(path, "sound")
        check_length(data)
        kind = {b"OggS": "ogg", b"RIFF": "wav"}.get(data[:4])
        if kind is None:
            raise Unreadable("neither Ogg nor WAV")
        with av.open(io.BytesIO(data), format=kind) as file:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
            for frame in file.decode(audio=0):
                parts += [each.to_ndarray().reshape(-1).astype(np.float64) for each in resampler.resample(frame)]
                if sum(map(len, parts)) > 10 * SAMPLE_RATE:  # what comes later is not heard
                    break
    except (OSError, ValueError, IndexError, av.FFmpegError) as error:
        raise DataError(f"{path}: the sound cannot be read ({' '.join(str(error).split())[:120]})") from error
    wave: NDArray[np.float64] = np.concatenate(parts) if parts else np.zeros(0)
    loud = np.abs(wave).max(initial=0)
    if loud < 1:
        return None
    begin = int(np.argmax(np.abs(wave) > loud / 20))
    heard: Wave = np.round(wave[begin : begin + LONGEST] * (LOUD / loud)).astype(np.int16)
    return heard


def load_av() -> Any:
    """PyAV, which clips need.

    Raises:
        ConfigError: it is missing; names the command that installs it.
    """
    try:
        import av
    except ImportError:
        raise ConfigError("clips need PyAV: pip install 'sensemble[video]'") from None
    return av
