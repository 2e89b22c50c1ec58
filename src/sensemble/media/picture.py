"""Encoded pictures -> RGB pictures of a size. Decoding trusts nothing: limits first, and a broken file has a reason."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL import Image as Pillow

from ..errors import Unreadable
from .source import check_length, read_file

Framing = Literal["crop", "pad", "stretch", "whole"]
"""How a picture meets its size: `crop` its middle to a square, `pad` its shorter side, `stretch` it, or keep it
`whole` with its longest side at that size."""
MARGIN = (124, 116, 104)
"""What `pad` adds: ImageNet's mean colour, near 0 once standardised."""
Resample = Pillow.Resampling
BILINEAR = Resample.BILINEAR
MAX_PIXELS = 64_000_000
CUT_OFF = "image is cut off (truncated)"
KNOWN = "read are JPEG, PNG, WebP, GIF, BMP, TIFF, PGM and PPM"


def read_picture(
    raw: Any, size: int, framing: Framing, *, max_pixels: int = MAX_PIXELS, resample: Resample = BILINEAR
) -> Pillow.Image:
    """Any raw value -> an RGB picture of that size, as the camera was held.

    Args:
        raw: a path, the bytes of a file, a Pillow image, a uint8 array, or a mapping with `bytes` or `path`.
        size: in pixels.
        framing: how it gets that size.
        max_pixels: width times height of the largest picture that is decoded.
        resample: how its pixels are made from the old ones.

    Raises:
        Unreadable: no such file, no picture, damaged, cut off, or over a limit.
    """
    try:
        image, extent = _decode(raw, size, framing, max_pixels)
        image.load()
        framed = frame_picture(_colour(image), extent or image.size, size, framing, resample=resample)
        return _turn(framed, image.info.get("exif"))
    except Unreadable:
        raise
    except Exception as error:  # decoders of damaged bytes raise whatever they like
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        if "truncated" in reason.lower():
            raise Unreadable(CUT_OFF) from error
        raise Unreadable(f"image is damaged ({reason})") from error


def _decode(raw: Any, size: int, framing: Framing, max_pixels: int) -> tuple[Pillow.Image, tuple[float, float] | None]:
    """Any raw value -> a picture that is not too large, its pixels not yet read.

    With it comes the exact size of a JPEG that will be decoded smaller; its last pixels reach beyond.
    """
    if isinstance(raw, Mapping):
        raw = raw.get("path") if raw.get("bytes") is None else raw["bytes"]
    if isinstance(raw, str | Path):
        raw = read_file(Path(raw), "picture")
    if isinstance(raw, bytes | bytearray | memoryview):
        image = _open(bytes(raw), max_pixels)
        width, height = image.size
        side = {"crop": min(width, height), "stretch": 0}.get(framing, max(width, height))
        least = (math.ceil(size * width / (side or width)), math.ceil(size * height / (side or height)))
        drafted = image.draft(None, least)  # at a half, a quarter or an eighth, but not below `least`
        return image, drafted[1][2:] if drafted else None
    if isinstance(raw, np.ndarray):
        if raw.dtype != np.uint8 or not (raw.ndim == 2 or (raw.ndim == 3 and raw.shape[2] in (1, 3, 4))):
            shape = " x ".join(map(str, raw.shape))
            raise Unreadable(f"an array of {raw.dtype}, {shape}: needs uint8, height x width (x 3 or 4)")
        _check(raw.shape[1::-1], max_pixels)
        raw = Pillow.fromarray(raw.squeeze(2) if raw.shape[2:] == (1,) else raw)
    if not isinstance(raw, Pillow.Image):
        raise Unreadable(f"not a picture but {type(raw).__name__}")
    _check(raw.size, max_pixels)
    return raw, None


class _Jpeg(JpegImagePlugin.JpegImageFile):
    """A JPEG whose Exif block is not looked through for its resolution: a damaged block would warn."""

    def _read_dpi_from_exif(self) -> None:
        return


# Named one by one: each format is one more decoder that strangers' bytes reach.
_KINDS: dict[bytes, Callable[[IO[bytes]], Pillow.Image]] = {
    b"\xff\xd8\xff": _Jpeg,
    b"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile,
    b"RIFF": WebPImagePlugin.WebPImageFile,
    b"GIF8": GifImagePlugin.GifImageFile,
    b"BM": BmpImagePlugin.BmpImageFile,
    b"II*\0": TiffImagePlugin.TiffImageFile,
    b"MM\0*": TiffImagePlugin.TiffImageFile,
    b"P5": PpmImagePlugin.PpmImageFile,
    b"P6": PpmImagePlugin.PpmImageFile,
}
_TYPE_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}  # of TIFF's types; the others take 1
_ORIENTATION = 0x0112
_TURNS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}


def _open(data: bytes, max_pixels: int) -> Pillow.Image:
    """The header of an encoded picture, its size checked before anything of that size is made."""
    check_length(data)
    kind = next((kind for magic, kind in _KINDS.items() if data.startswith(magic)), None)
    if kind is None or (data.startswith(b"RIFF") and data[8:12] != b"WEBP"):
        raise Unreadable("not an image (text file?)" if b"\0" not in data[:512] else f"not an image ({KNOWN})")
    if kind is WebPImagePlugin.WebPImageFile:
        _check(_webp_size(data), max_pixels)  # its decoder makes room for all pixels at once
    if kind is TiffImagePlugin.TiffImageFile:
        _tags(data, whole=True)
    image = kind(io.BytesIO(data))
    _check(image.size, max_pixels)
    return image


def _check(size: tuple[int, ...], max_pixels: int) -> None:
    width, height = size
    if not width * height:
        raise Unreadable("image has no pixels")
    if width * height > max_pixels:
        raise Unreadable(f"image has {width:,} x {height:,} pixels, more than max_pixels allows ({max_pixels:,})")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height as the first chunk of a WebP file states them."""
    if len(data) < 30 or len(data) < 8 + int.from_bytes(data[4:8], "little"):
        raise Unreadable(CUT_OFF)
    if data[12:16] == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if data[12:16] == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _tags(data: bytes, *, whole: bool) -> dict[int, int]:
    """The plain 16-bit tags in the first directory of a TIFF, or of an Exif block, which is one.

    Raises:
        Unreadable: the directory or, if it must be `whole`, what it points at, lies beyond the end. (Pillow
            would only warn.)
    """
    order = ">" if data.startswith(b"MM") else "<"
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        tags = {}
        for place in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, number, value = struct.unpack_from(f"{order}HHII", data, place)
            size = number * _TYPE_BYTES.get(kind, 1)
            if whole and size > 4 and value + size > len(data):
                raise Unreadable(CUT_OFF)
            if kind == 3 and number == 1:
                (tags[tag],) = struct.unpack_from(f"{order}H", data, place + 8)
    except struct.error as error:
        raise Unreadable(CUT_OFF) from error
    return tags


def _colour(image: Pillow.Image) -> Pillow.Image:
    """Any mode -> RGB, or RGBA where something is transparent."""
    if image.mode == "F":
        raise Unreadable("image of decimal numbers; save it with 8 or 16 bits a channel")
    if image.mode.startswith("I"):  # 16 bits, or 32 that hold 16
        deep = np.asarray(image)
        if deep.min() < 0 or deep.max() > 65535:
            raise Unreadable("image of 32-bit numbers; save it with 8 or 16 bits a channel")
        image = Pillow.fromarray(((deep.astype(np.uint32) + 128) // 257).astype(np.uint8))
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def frame_picture(
    image: Pillow.Image,
    extent: tuple[float, float],
    size: int,
    framing: Framing,
    *,
    resample: Resample = BILINEAR,
) -> Pillow.Image:
    """The upper left `extent` of an RGB or RGBA picture -> an RGB square; `whole` keeps the proportions instead."""
    width, height = extent
    if framing == "stretch":
        return _resize(image, (size, size), (0, 0, width, height), resample)
    if framing == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return _resize(image, (size, size), (left, top, left + side, top + side), resample)
    scale = size / max(width, height)
    shape = max(1, round(width * scale)), max(1, round(height * scale))
    small = _resize(image, shape, (0, 0, width, height), resample)
    if framing == "whole":
        return small
    square = Pillow.new("RGB", (size, size), MARGIN)
    square.paste(small, ((size - shape[0]) // 2, (size - shape[1]) // 2))
    return square


def _resize(
    image: Pillow.Image, shape: tuple[int, int], box: tuple[float, float, float, float], resample: Resample
) -> Pillow.Image:
    """A part of a picture at another size, on white."""
    small = image.resize(shape, resample, box, reducing_gap=2.0)
    if small.mode == "RGB":
        return small
    white = Pillow.new("RGB", shape, "white")
    white.paste(small, mask=small.getchannel("A"))
    return white


def _turn(image: Pillow.Image, exif: Any) -> Pillow.Image:
    """The picture as the camera was held, if an Exif block says so. A damaged block says nothing."""
    try:
        tags = _tags(exif.removeprefix(b"Exif\0\0"), whole=False) if isinstance(exif, bytes) else {}
    except Unreadable:
        return image
    turn = _TURNS.get(tags.get(_ORIENTATION, 1))
    return image if turn is None else image.transpose(turn)
