"""Raw sounds -> mono samples at a rate, in one piece or window by window, never more of them than was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import Unreadable
from .sound_file import Samples, Sound, open_sound, package
from .sound_kind import CUT_OFF

MAX_SECONDS = 600.0
"""Longest sound that is read in one piece."""
LOUDEST = 1e6
"""Of a sample, where full scale is 1."""
CUT = (0.01, 0.1)
"""A sound is cut off if more is gone than this share of it, and than so many seconds."""


def read_sound(
    raw: Any, rate: int, *, start: float = 0.0, seconds: float | None = None, max_seconds: float = MAX_SECONDS
) -> Samples:
    """Any raw value -> mono samples `(n,)`, n >= 1, full scale from -1 to 1.

    Channels are averaged. Files are read only as far as needed, so their size does not matter.

    Args:
        raw: a path, the bytes of a file, a mapping `{"array": ..., "sampling_rate": ...}`, or one with `bytes` or
            `path`; `sound_file` says which formats and arrays.
        rate: of the result, in samples a second.
        start: where to begin, in seconds.
        seconds: how much to read at most; `None` reads all.
        max_seconds: longest sound that is read whole.

    Raises:
        Unreadable: no such file, no sound, damaged, over a limit, or cut off before all that is wanted was there.
        ConfigError: a package that decodes it is missing; names the command that installs it.

    >>> read_sound({"array": np.ones((2, 480), np.int16), "sampling_rate": 48_000}, 16_000).shape
    (160,)
    """
    with open_sound(raw) as sound:
        if seconds is None and sound.frames is not None:
            _check_length(sound.frames / sound.rate - start, max_seconds)
        wanted = max(1, round((max_seconds if seconds is None else seconds) * rate))
        parts, count = [], 0
        for part in _samples(sound, rate, start):
            parts.append(part)
            count += len(part)
            if count > wanted or (count == wanted and seconds is not None):
                break
        if seconds is None:
            _check_length(count / rate, max_seconds)
    return np.concatenate(parts)[:wanted]


def windows(raw: Any, rate: int, seconds: float, *, start: float = 0.0) -> Iterator[Samples]:
    """A sound of any length in pieces of `seconds`, one after the other, the last one shorter.

    Held is little more than one piece.

    Args:
        raw: as for `read_sound`.
        rate: of the result, in samples a second.
        seconds: of a piece.
        start: where to begin, in seconds.

    Raises:
        Unreadable: as `read_sound` says, maybe after some pieces.
    """
    size = max(1, round(seconds * rate))
    with open_sound(raw) as sound:
        held = np.zeros(0, np.float32)
        for part in _samples(sound, rate, start):
            held = np.concatenate([held, part])
            while len(held) >= size:
                yield held[:size]
                held = held[size:]
        if len(held):
            yield held


def duration(raw: Any) -> float | None:
    """Seconds of a sound as its header says; `None` where it does not.

    Raises:
        Unreadable: no such file, or no sound.
    """
    with open_sound(raw) as sound:
        return None if sound.frames is None else sound.frames / sound.rate


def _samples(sound: Sound, rate: int, start: float) -> Iterator[Samples]:
    """Mono blocks at a rate, at least one sample in all."""
    blocks = _mono(sound, round(start * sound.rate))
    if sound.rate == rate:
        yield from blocks
        return
    stream = package("soxr", "audio").ResampleStream(sound.rate, rate, 1, dtype="float32")
    made, block = 0, np.zeros(0, np.float32)
    for block in blocks:
        part = stream.resample_chunk(block)
        made += len(part)
        yield part
    part = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    yield part if made + len(part) else block[-1:]  # shorter than one sample at the new rate


def _mono(sound: Sound, start: int) -> Iterator[Samples]:
    """Checked blocks with their channels averaged.

    Raises:
        Unreadable: nothing there, not finite, or it ends clearly before its header says.
    """
    end = start
    for block in sound.blocks(start):
        with np.errstate(over="ignore", invalid="ignore"):
            channels = block.shape[1]  # a product with a vector: several times as fast as `mean(1)`
            mono = block[:, 0] if channels == 1 else block @ np.full(channels, 1 / channels, np.float32)
            peak = max(mono.max(initial=0), -mono.min(initial=0))  # NaN where any sample is
        if not peak <= LOUDEST:
            if not np.isfinite(mono).all():
                raise Unreadable("holds samples that are not finite (NaN or infinity)")
            raise Unreadable("holds samples far beyond full scale, which is 1")
        end += len(mono)
        yield mono
    if sound.frames is not None and sound.frames - end > max(CUT[0] * sound.frames, CUT[1] * sound.rate):
        raise Unreadable(f"{CUT_OFF}: it ends after {end / sound.rate:.1f} of {sound.frames / sound.rate:.1f} s")
    if end == start:
        raise Unreadable(f"ends before {start / sound.rate:g} s" if start else "has no samples")


def _check_length(seconds: float, max_seconds: float) -> None:
    if seconds > max_seconds:
        raise Unreadable(f"is longer than {max_seconds:,.0f} s ({seconds:,.0f} or more)")
