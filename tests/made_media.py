"""Pictures, sounds and clips that tests write: small, and good unless a name says otherwise.

Frame i of a clip has the brightness 5 i, by which it is told; from the fifty-first on, they repeat.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from PIL import Image as Pillow

RED, GREEN, BLUE, GREY = (230, 20, 20), (20, 200, 30), (20, 30, 220), (128, 128, 128)


def grey(level: int, size: tuple[int, int] = (64, 48)) -> np.ndarray[Any, Any]:
    return np.full((size[1], size[0], 3), level, np.uint8)


def levels(count: int, size: tuple[int, int] = (64, 48)) -> list[np.ndarray[Any, Any]]:
    return [grey(5 * (place % 50), size) for place in range(count)]


def noisy(count: int, size: tuple[int, int] = (64, 48)) -> list[np.ndarray[Any, Any]]:
    """The same, with noise, so that a clip's frames fill its file."""
    noise = np.random.default_rng(0)
    return [
        (np.clip(picture.astype(int), 30, 220) + noise.integers(-30, 30, picture.shape)).astype(np.uint8)
        for picture in levels(count, size)
    ]


def write_clip(
    target: Any,
    pictures: Sequence[np.ndarray[Any, Any]],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    times: Sequence[int] | None = None,
    rate: int = 25,
    gop: int = 12,
    turn: tuple[float, bool, bool] | None = None,
    container_options: dict[str, str] | None = None,
    kind: str | None = None,
) -> None:
    """Writes a clip; `times` are milliseconds, by default the frame rate's."""
    import av

    with av.open(target, "w", format=kind, options=container_options or {}) as out:
        stream = out.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.gop_size = pix_fmt, gop
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if turn:
            stream.set_display_rotation(*turn)
        for place, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = place, Fraction(1, rate)
            if times is not None:
                frame.pts, frame.time_base = times[place], Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())


def clip(count: int = 50, size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    file = io.BytesIO()
    write_clip(file, levels(count, size), **{"kind": "mp4", **options})
    return file.getvalue()


def no_frames() -> bytes:
    """An MP4 with a video stream in which nothing is."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        out.start_encoding()
    return file.getvalue()


def sound_alone(kind: str = "mp4", codec: str = "aac") -> bytes:
    """A second of silence in a container that could hold a video."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=kind) as out:
        stream = out.add_stream(codec, rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.rate, frame.pts = 8000, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return file.getvalue()


def tone(seconds: float = 1.0, rate: int = 16_000, hertz: float = 440.0, loud: float = 0.5) -> np.ndarray[Any, Any]:
    return (loud * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def sound_bytes(samples: np.ndarray[Any, Any], rate: int = 16_000, kind: str = "WAV", subtype: str = "PCM_16") -> bytes:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def quarters(side: int = 80) -> Pillow.Image:
    """Red and green above blue and grey."""
    image = Pillow.new("RGB", (side, side), RED)
    image.paste(GREEN, (side // 2, 0, side, side // 2))
    image.paste(BLUE, (0, side // 2, side // 2, side))
    image.paste(GREY, (side // 2, side // 2, side, side))
    return image


def picture_bytes(image: Pillow.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG of unfiltered rows, each starting with its filter's byte 0."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    more = b"".join(chunk(kind, content) for kind, content in extra)
    return b"\x89PNG\r\n\x1a\n" + header + more + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def png_bomb(side: int = 20_000) -> bytes:
    """A small file, true to its header, of 400 million black pixels."""
    return png(side, side, 1, 0, bytes(side * (1 + side // 8)))
