"""Encoded sounds and arrays, opened: rate, length, and blocks of samples. Decoding trusts nothing.

Legend: n samples, C channels.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Absent, ConfigError, Unreadable
from .container import refuse
from .sound_kind import KNOWN, Kind, kind_of, promised_share
from .source import check_file, check_length

Samples = NDArray[np.float32]

MAX_CHANNELS = 64
RATES = (1_000, 768_000)
"""Lowest and highest sample rate."""
BLOCK = 2**18
"""Samples of each channel decoded at once, which bounds the memory."""
UNKNOWN = 2**48
"""Samples that no file holds: what decoders say where they do not know."""
DAMAGED = "sound is damaged or cut off"


@dataclass(frozen=True)
class Sound:
    """An open sound.

    Args:
        rate: samples a second.
        frames: samples of each channel that the header promises; `None` where it does not.
        blocks: from a sample on, `(n, C)` float32 one after the other, full scale from -1 to 1. To be used once.
    """

    rate: int
    frames: int | None
    blocks: Callable[[int], Iterator[Samples]]


@contextmanager
def open_sound(raw: Any) -> Iterator[Sound]:
    """Opens any raw value; files stay on disk.

    Args:
        raw: a path, the bytes of a file, a mapping with `bytes` or `path`, or a mapping with `array` and
            `sampling_rate`. WAV, AIFF, AU, FLAC, Ogg, MP3 and AAC are read, and the first sound track of MP4, MOV,
            MKV, WebM and AVI; the content says which it is, not the name. An array is `(n,)`, `(C, n)` or `(n, C)`,
            the shorter axis being the channels; whole numbers are scaled by their type.

    Raises:
        Unreadable: no such file, no sound, damaged, or over a limit.
        ConfigError: a package that decodes it is missing; names the command that installs it.
    """
    if isinstance(raw, Mapping):
        if raw.get("array") is not None:
            yield _from_array(raw["array"], raw.get("sampling_rate"))
            return
        raw = raw.get("path") if raw.get("bytes") is None else raw["bytes"]
    with ExitStack() as stack:
        file = stack.enter_context(_file(raw))
        head = file.read(512)
        kind = kind_of(head)
        if kind is None:
            raise Unreadable("not a sound (text file?)" if b"\0" not in head else f"not a sound ({KNOWN})")
        share = promised_share(file, kind)
        file.seek(0)
        sound = _by_soundfile(file, kind, share, stack) if kind.sound else None
        if sound is None:
            file.seek(0)
            sound = _by_av(file, kind, stack)
        yield sound


def _file(raw: Any) -> IO[bytes]:
    """A raw value as an open file of some bytes."""
    if isinstance(raw, bytes | bytearray | memoryview):
        data = bytes(raw)
        check_length(data)
        return _Bytes(data)
    if isinstance(raw, str | Path):
        if not check_file(Path(raw), "sound"):
            raise Unreadable("file is empty")
        try:
            return Path(raw).open("rb", buffering=0)  # libsndfile goes on where the file stands
        except OSError as error:
            raise Unreadable(f"file cannot be opened ({error.strerror})") from error
    hint = '; give {"array": ..., "sampling_rate": ...}' if hasattr(raw, "__array__") else ""
    raise Unreadable(f"not a sound but {type(raw).__name__}{hint}")


class _Bytes(io.BytesIO):
    """Bytes in which a damaged header may send the decoder before their start; its callback must not raise."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return super().seek(max(0, offset) if whence == 0 else offset, whence)


def _by_soundfile(file: IO[bytes], kind: Kind, share: float | None, stack: ExitStack) -> Sound | None:
    """A sound that libsndfile opens; `None` where it cannot."""
    soundfile = package("soundfile", "audio")
    # a plain file by its number: its name would decide the format
    target = file if isinstance(file, io.BytesIO) else file.fileno()
    try:
        sound = stack.enter_context(soundfile.SoundFile(target, closefd=False))
    except soundfile.SoundFileError:
        return None
    if not sound.frames and kind.name == "ogg":  # its last page is gone, which libsndfile wants
        return None
    _check_form(sound.samplerate, sound.channels)

    def blocks(start: int) -> Iterator[Samples]:
        done = start
        try:
            sound.seek(min(start, sound.frames))
            while len(block := sound.read(BLOCK, dtype="float32", always_2d=True)):
                done += len(block)
                yield block
        except soundfile.SoundFileError as error:
            raise Unreadable(f"{DAMAGED} after {done / sound.samplerate:.1f} s") from error

    known = share is not None and sound.frames < UNKNOWN
    return Sound(sound.samplerate, round(sound.frames * share) if known else None, blocks)


def _by_av(file: IO[bytes], kind: Kind, stack: ExitStack) -> Sound:
    """The first sound track that FFmpeg finds."""
    try:
        av = package("av", "video")
    except ConfigError:
        if kind.sound:  # libsndfile should have read it
            raise Unreadable(DAMAGED) from None
        raise
    try:
        safe = {"protocol_whitelist": "none"}
        container = stack.enter_context(av.open(file, format=kind.ffmpeg, options=safe, io_open=refuse))
    except Exception as error:  # decoders of damaged bytes raise whatever they like
        raise Unreadable(DAMAGED) from error
    if not container.streams.audio:
        raise Absent("has no sound track")
    track = container.streams.audio[0]
    if track.codec_context is None:
        raise Unreadable("has a sound track of an unknown kind")
    rate = track.codec_context.sample_rate
    _check_form(rate, track.codec_context.channels)
    frames = None
    if kind.name == "mov" and track.duration:
        frames = round(track.duration * track.time_base * rate)
    elif kind.name == "matroska" and len(container.streams) == 1 and container.duration:
        frames = round(container.duration * rate / 1_000_000)

    def blocks(start: int) -> Iterator[Samples]:
        done = start
        try:
            for block in _decoded(container, track, rate, start):
                if frames is not None:  # what lies beyond fills the last packet
                    block = block[: max(0, frames - done)]
                done += len(block)
                if len(block):
                    yield block
                elif done == frames:
                    return
        except Unreadable:
            raise
        except Exception as error:
            raise Unreadable(f"{DAMAGED} after {done / rate:.1f} s") from error

    return Sound(rate, frames, blocks)


def _decoded(container: Any, track: Any, rate: int, start: int) -> Iterator[Samples]:
    """A track's frames from a sample on."""
    origin = track.start_time or 0
    if start:
        container.seek(origin + int(start / rate / track.time_base), stream=track)
    behind = start > 0  # a seek lands somewhat earlier
    for frame in container.decode(track):
        if frame.sample_rate != rate:
            raise Unreadable("its sample rate changes on the way")
        values = _scaled(frame.to_ndarray())
        # (C, n) or (1, n * C) -> (n, C)
        block = values.T if frame.format.is_planar else values.reshape(frame.samples, -1)
        if behind:
            time = start / rate if frame.pts is None else frame.pts * frame.time_base - origin * track.time_base
            first = start - round(time * rate)
            behind = first >= len(block)
            block = block[max(0, first) :]
        yield block


def _from_array(array: Any, rate: Any) -> Sound:
    try:
        values, rate = np.asarray(array), int(rate)
    except (ValueError, TypeError, RuntimeError) as error:
        raise Unreadable("needs an array of numbers and its sampling_rate") from error
    if values.dtype.kind in "iu" and values.dtype.itemsize > 4:
        raise Unreadable(f"an array of {values.dtype}: its full scale is not known; give int16, or floats from -1 to 1")
    if values.dtype.kind not in "iuf" or values.ndim not in (1, 2):
        raise Unreadable(f"an array of {values.dtype} with {values.ndim} axes: needs numbers, (n,), (C, n) or (n, C)")
    if values.ndim == 1:
        values = values[:, None]
    elif values.shape[0] < values.shape[1]:
        values = values.T  # (C, n) -> (n, C)
    if not values.size:
        raise Unreadable("has no samples")
    _check_form(rate, values.shape[1])

    def blocks(start: int) -> Iterator[Samples]:
        for place in range(start, len(values), BLOCK):
            yield _scaled(values[place : place + BLOCK])

    return Sound(rate, len(values), blocks)


def _scaled(values: NDArray[Any]) -> Samples:
    """Samples of any type as float32, whole numbers by the range of their type."""
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return values.astype(np.float32, copy=False)
    middle = 2.0 ** (8 * values.dtype.itemsize - 1)
    scaled = (values.astype(np.float64) - (middle if values.dtype.kind == "u" else 0)) / middle
    return scaled.astype(np.float32)


def _check_form(rate: int, channels: int) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise Unreadable(f"has a sample rate of {rate:,} Hz; read are {RATES[0]:,} to {RATES[1]:,}")
    if not 1 <= channels <= MAX_CHANNELS:
        raise Unreadable(f"has {channels:,} channels; read are 1 to {MAX_CHANNELS}")


def package(name: str, extra: str) -> Any:
    """An optional package, imported.

    Raises:
        ConfigError: it is not installed; names the command.
    """
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:  # soundfile raises OSError where its library is missing
        raise ConfigError(
            f"reading this sound needs the package {name!r}; install it: pip install 'sensemble[{extra}]'"
        ) from error
