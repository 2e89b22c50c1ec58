"""Which kind of file a sound is, told by its first bytes, and how much of it the header promises."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO

from ..errors import Unreadable

CUT_OFF = "sound is cut off"
KNOWN = "read are WAV, AIFF, AU, FLAC, Ogg, MP3 and AAC, and the sound of MP4, MOV, MKV, WebM and AVI"
MOST_CHUNKS = 256
UNKNOWN_SIZE = 0x7FFF0000
"""Bytes from which a size is what programs write that do not know it yet."""


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Args:
        name: for telling kinds apart.
        ffmpeg: FFmpeg's name of its demuxer. Named, as FFmpeg's own guess may be a playlist, which opens other files.
        sound: whether libsndfile reads it, which is faster.
    """

    name: str
    ffmpeg: str
    sound: bool = True


_STARTS = {
    b"fLaC": Kind("flac", "flac"),
    b"OggS": Kind("ogg", "ogg"),
    b"ID3": Kind("mp3", "mp3"),
    b".snd": Kind("au", "au"),
    b"\x1a\x45\xdf\xa3": Kind("matroska", "matroska", sound=False),
}
_INNER = {
    (b"RIFF", b"WAVE"): Kind("wav", "wav"),
    (b"RF64", b"WAVE"): Kind("rf64", "wav"),
    (b"RIFF", b"AVI "): Kind("avi", "avi", sound=False),
    (b"FORM", b"AIFF"): Kind("aiff", "aiff"),
    (b"FORM", b"AIFC"): Kind("aiff", "aiff"),
}
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def kind_of(head: bytes) -> Kind | None:
    """The kind of file that starts with these bytes; `None` where it is no known one."""
    for start, kind in _STARTS.items():
        if head.startswith(start):
            return kind
    if (head[:4], head[8:12]) in _INNER:
        return _INNER[head[:4], head[8:12]]
    if head[4:8] in _BOXES:
        return Kind("mov", "mov", sound=False)
    if len(head) > 3 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:  # a frame of MPEG audio
        layer = head[1] >> 1 & 3
        if layer == 0 and head[1] & 0xF0 == 0xF0:
            return Kind("aac", "aac", sound=False)
        if layer in (1, 2):  # III and II; I would also be the mark of UTF-16 text
            return Kind("mp3", "mp3")
    return None


def promised_share(file: IO[bytes], kind: Kind) -> float | None:
    """How many times what is there the header promises, 1 or more; `None` where it promises nothing.

    Decoders count the samples of WAV and AIFF files by what is there, and guess those of an MP3 file without a count.

    Raises:
        Unreadable: the samples have no channels, or the file ends before them.
    """
    if kind.name in ("wav", "aiff"):
        return _chunks(file, kind.name == "wav")
    if kind.name != "mp3":
        return 1.0
    file.seek(0)
    head = file.read(10)
    if head.startswith(b"ID3") and len(head) == 10:
        file.seek(10 + sum((byte & 0x7F) << 7 * (3 - place) for place, byte in enumerate(head[6:])))
    first = head + file.read(200)
    return 1.0 if any(mark in first for mark in (b"Xing", b"Info", b"VBRI")) else None


def _chunks(file: IO[bytes], wav: bool) -> float | None:
    order, form, data, channels = ("<", b"fmt ", b"data", 1) if wav else (">", b"COMM", b"SSND", 0)
    end, place = file.seek(0, 2), 12
    for _ in range(MOST_CHUNKS):
        file.seek(place)
        head = file.read(12)
        if len(head) < 8:
            break
        name, size = struct.unpack(f"{order}4sI", head[:8])
        if name == form and len(head) == 12 and not struct.unpack(f"{order}HH", head[8:])[channels]:
            raise Unreadable("has no channels")
        if name == data:
            there = end - place - 8
            if size <= there or there <= 0:
                return 1.0
            return None if size >= UNKNOWN_SIZE else size / there
        place += 8 + size + size % 2
    if place > end:
        raise Unreadable(f"{CUT_OFF}: its samples are gone")
    return 1.0
