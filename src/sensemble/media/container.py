"""Opens encoded videos and sounds with PyAV: what the first bytes say that they are, and no other file or address."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from ..errors import ConfigError, Unreadable
from .source import check_file, check_length

MAX_FILE = 64 * 2**30
"""Bytes of the largest file; it is read piece by piece."""
BUFFER = 2**16
PROBED = 2**25
"""Pixels of a frame that may always be looked into: with less, its size would not be known, and not be told."""
KNOWN = "read are MP4, MOV, MKV, WebM, AVI, MPEG, FLV and GIF"

# Named one by one: each is one more decoder that strangers' bytes reach.
CODECS = (
    *("h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg4", "msmpeg4v2", "msmpeg4", "mpeg1video", "mpeg2video"),
    *("h263", "flv", "vp6f", "mjpeg", "gif", "ffv1", "prores", "rawvideo"),
)
"""Of pictures."""
SOUND = ("aac", "mp3", "mp2", "opus", "vorbis", "flac", "ac3", "eac3", "pcm_s16le", "pcm_s16be", "pcm_u8", "adpcm_ms")
"""Of sound, which the container may look into where it stands beside pictures."""


def import_av() -> Any:
    """The PyAV module.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise ConfigError("videos are decoded by PyAV, which is missing: pip install 'sensemble[video]'") from error
    return av


@contextmanager
def opened(raw: Any, *, max_pixels: int) -> Iterator[tuple[Any, str]]:
    """An open PyAV container and its demuxer's name. A file is read as it is needed, never whole.

    Playlists and the like, which name other files or addresses, are no kind that is known here; and whatever a
    container names is not opened.

    Args:
        raw: a path, or the bytes of a file.
        max_pixels: of a frame that the container may look into.

    Raises:
        Unreadable: no such file, not a plain file, too large, or not a video.
        ConfigError: PyAV is not installed.
    """
    av = import_av()
    with ExitStack() as stack:
        source = _source(raw, stack)
        kind = _kind(source.read(1024))
        source.seek(0)
        options = {
            "codec_whitelist": ",".join(CODECS + SOUND),
            "protocol_whitelist": "none",
            "max_pixels": str(max(max_pixels, PROBED)),
        }
        container = stack.enter_context(
            av.open(source, format=kind, options=options, metadata_errors="replace", buffer_size=BUFFER, io_open=refuse)
        )
        yield container, kind


def _source(raw: Any, stack: ExitStack) -> IO[bytes]:
    """A raw value as a file that is open for reading; the decoder never learns its name."""
    if isinstance(raw, bytes | bytearray | memoryview):
        data = bytes(raw)
        check_length(data)
        return io.BytesIO(data)
    if not isinstance(raw, str | Path):
        raise Unreadable(f"not a video but {type(raw).__name__}")
    size = check_file(Path(raw), "video")
    if not size:
        raise Unreadable("file is empty")
    if size > MAX_FILE:
        raise Unreadable(f"file is larger than {MAX_FILE // 2**30} GiB")
    try:
        return stack.enter_context(Path(raw).open("rb"))
    except OSError as error:
        raise Unreadable(f"file cannot be opened ({error.strerror})") from error


def _kind(head: bytes) -> str:
    """The demuxer for a file that starts so."""
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
        return "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    if head.startswith(b"FLV\x01"):
        return "flv"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if head.startswith(b"\0\0\1\xba"):
        return "mpeg"
    if any(head[start : start + 1] == head[start + step : start + step + 1] == b"G" for start, step in _PACKETS):
        return "mpegts"
    raise Unreadable("not a video (text file?)" if b"\0" not in head[:512] else f"not a video ({KNOWN})")


_PACKETS = ((0, 188), (4, 192))
"""Where the first packet of a transport stream starts, and its bytes."""


def refuse(url: str, flags: int, options: Any) -> Any:
    """What opens other files that a container names: nothing does."""
    raise Unreadable("refers to another file")
