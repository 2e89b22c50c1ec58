"""Pictures as small squares of bytes. Decoding trusts nothing: limits first, and a broken file has a reason.

Legend: B batch, T pictures of a row (one), N = B x T, C channels, H height, W width.
"""

from __future__ import annotations

import base64
import io
import math
import stat
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import torch
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
from torch import Tensor
from torch.nn import functional

from ..errors import ConfigError, Unreadable
from ..tokens import Tokens
from .base import MODALITIES, Modality

MAX_BYTES = 256 * 2**20
"""Largest file."""
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Of ImageNet's channels: what most pretrained encoders expect."""
FIT_PICTURES = 256
"""Training pictures from which the channels' scale is learned."""
SMALLEST_STD = 0.02
"""So that nearly uniform pictures are not blown up."""
CUT_OFF = "image is cut off (truncated)"
KNOWN = "read are JPEG, PNG, WebP, GIF, BMP, TIFF, PGM and PPM"
SHOWN = 160
"""Longest side of a picture in a report."""


@MODALITIES.register("image")
class Image(Modality):
    """A picture as one token `(1, 3, size, size)`: bytes in storage, standardised floats for the encoder.

    A value is a path, the bytes of a file, a Pillow image, a uint8 array `(H, W)`, `(H, W, 3)` or
    `(H, W, 4)`, or a mapping with `bytes` or `path`. JPEG, PNG, WebP, GIF, BMP, TIFF, PGM and PPM are read; of
    an animation or a document, the first picture. The camera's orientation is applied, transparency becomes
    white.

    Args:
        size: side of the square, in pixels.
        fit: how a picture becomes square: `crop` its middle, `pad` its shorter side, or `stretch` it.
        flip: mirror half of the training pictures left to right; not where left and right differ (text, maps).
        shift: move training pictures at random, by up to this share of their side.
        zoom: scale training pictures at random, by up to this share.
        jitter: change brightness and contrast of training pictures at random, by up to this share.
        scale: standardise channels by their mean and deviation over training pictures (`data`), which trains from
            scratch in about half the steps where pictures are unlike photos, or by ImageNet's (`imagenet`).
        max_pixels: width times height of the largest picture that is decoded.

    Fitted: `mean_` and `std_`, of each channel, in 0..1.

    >>> picture = Image(size=32).load(np.zeros((480, 640, 3), dtype=np.uint8))
    >>> picture.shape, picture.dtype
    (torch.Size([1, 3, 32, 32]), torch.uint8)
    """

    encoder = "cnn"
    mean_: tuple[float, ...]
    std_: tuple[float, ...]
    reads_files = True
    dtype = torch.uint8

    def __init__(
        self,
        *,
        size: int = 64,
        fit: Literal["crop", "pad", "stretch"] = "crop",
        flip: bool = False,
        shift: float = 0.0,
        zoom: float = 0.0,
        jitter: float = 0.0,
        scale: Literal["data", "imagenet"] = "data",
        max_pixels: int = 64_000_000,
    ) -> None:
        for key, number in (("size", size), ("max_pixels", max_pixels)):
            if number < 1:
                raise ConfigError(f"image: {key} must be at least 1, not {number}")
        for key, share in (("shift", shift), ("zoom", zoom), ("jitter", jitter)):
            if not 0 <= share < 1:
                raise ConfigError(f"image: {key} is a share, from 0 to below 1, not {share:g}")
        self.size = size
        self.framing = fit  # `fit` is the contract's method
        self.flip = flip
        self.shift = shift
        self.zoom = zoom
        self.jitter = jitter
        self.scale = scale
        self.max_pixels = max_pixels
        self.mean_, self.std_ = MEAN, STD

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, self.size, self.size)

    def fit(self, values: Sequence[Any]) -> Image:
        """Learns the channels' mean and deviation from some training pictures, passing over unreadable ones."""
        if self.scale == "imagenet":
            return self
        pictures = []
        for value in values[:: max(1, len(values) // FIT_PICTURES)]:
            try:
                pictures.append(self.load(value))
            except Unreadable:
                continue
        if pictures:
            channels = torch.cat(pictures).double().div(255).transpose(0, 1).flatten(1)  # (C, N * H * W)
            self.mean_ = tuple(channels.mean(1).tolist())
            self.std_ = tuple(channels.std(1).clamp(min=SMALLEST_STD).tolist())
        return self

    def state(self) -> dict[str, Any]:
        return {"mean": list(self.mean_), "std": list(self.std_)}

    def restore(self, state: dict[str, Any]) -> Image:
        self.mean_, self.std_ = tuple(state["mean"]), tuple(state["std"])
        return self

    def load(self, raw: Any) -> Tensor:
        """One picture -> `(1, 3, size, size)` uint8. May run in several threads at once.

        Raises:
            Unreadable: no such file, no picture, damaged, cut off, or over a limit.
        """
        square = self._read(raw, self.size, self.framing)
        return torch.from_numpy(np.array(square)).permute(2, 0, 1).unsqueeze(0).contiguous()  # (1, C, H, W)

    def prepare(self, tokens: Tokens, *, training: bool) -> Tokens:
        """Bytes -> standardised floats, `(B, T, C, H, W)`; in training, each picture changed on its own.

        Chance comes from torch's global generator of the tokens' device.
        """
        values = tokens.values.float() / 255
        if training and (self.flip or self.shift or self.zoom or self.jitter):
            values = self._augment(values.flatten(0, 1)).view_as(values)
        mean, std = (values.new_tensor(each).view(3, 1, 1) for each in (self.mean_, self.std_))
        return tokens.with_values((values - mean) / std)

    def describe(self, raw: Any) -> list[str]:
        return ["picture"]

    def show(self, raw: Any) -> dict[str, str]:
        file = io.BytesIO()
        self._read(raw, SHOWN, "whole").save(file, "JPEG", quality=80)
        data = base64.b64encode(file.getvalue()).decode("ascii")
        name = Path(raw).name if isinstance(raw, str | Path) else ""
        return {"kind": "image", "text": name, "data": f"data:image/jpeg;base64,{data}"}

    def _augment(self, images: Tensor) -> Tensor:
        """`(N, C, H, W)` in 0..1 -> the same, each picture drawn its own change."""

        def draw(limit: float) -> Tensor:
            return (torch.rand(len(images), device=images.device) * 2 - 1) * limit  # (N,)

        if self.flip:
            images = torch.where((draw(1) < 0).view(-1, 1, 1, 1), images.flip(-1), images)
        if self.shift or self.zoom:
            place = images.new_zeros(len(images), 2, 3)
            place[:, 0, 0] = place[:, 1, 1] = 1 / (1 + draw(self.zoom))
            place[:, 0, 2], place[:, 1, 2] = draw(2 * self.shift), draw(2 * self.shift)  # a side is 2 long here
            grid = functional.affine_grid(place, list(images.shape), align_corners=False)
            images = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
        if self.jitter:
            light, contrast = (1 + draw(self.jitter).view(-1, 1, 1, 1) for _ in range(2))
            middle = images.mean((1, 2, 3), keepdim=True)
            images = (((images - middle) * contrast + middle) * light).clamp(0, 1)
        return images

    def _read(self, raw: Any, size: int, framing: str) -> Pillow.Image:
        """Any raw value -> an RGB picture of that size."""
        try:
            image, extent = self._decode(raw, size, framing)
            image.load()
            framed = _frame(_colour(image), extent or image.size, size, framing)
            return _turn(framed, image.info.get("exif"))
        except Unreadable:
            raise
        except Exception as error:  # decoders of damaged bytes raise whatever they like
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            if "truncated" in reason.lower():
                raise Unreadable(CUT_OFF) from error
            raise Unreadable(f"image is damaged ({reason})") from error

    def _decode(self, raw: Any, size: int, framing: str) -> tuple[Pillow.Image, tuple[float, float] | None]:
        """Any raw value -> a picture that is not too large, its pixels not yet read.

        With it comes the exact size of a JPEG that will be decoded smaller; its last pixels reach beyond.
        """
        if isinstance(raw, Mapping):
            raw = raw.get("path") if raw.get("bytes") is None else raw["bytes"]
        if isinstance(raw, str | Path):
            raw = _file(Path(raw))
        if isinstance(raw, bytes | bytearray | memoryview):
            image = _open(bytes(raw), self.max_pixels)
            width, height = image.size
            side = {"crop": min(width, height), "stretch": 0}.get(framing, max(width, height))
            least = (math.ceil(size * width / (side or width)), math.ceil(size * height / (side or height)))
            drafted = image.draft(None, least)  # at a half, a quarter or an eighth, but not below `least`
            return image, drafted[1][2:] if drafted else None
        if isinstance(raw, np.ndarray):
            if raw.dtype != np.uint8 or not (raw.ndim == 2 or (raw.ndim == 3 and raw.shape[2] in (1, 3, 4))):
                shape = " x ".join(map(str, raw.shape))
                raise Unreadable(f"an array of {raw.dtype}, {shape}: needs uint8, height x width (x 3 or 4)")
            _check(raw.shape[1::-1], self.max_pixels)
            raw = Pillow.fromarray(raw.squeeze(2) if raw.shape[2:] == (1,) else raw)
        if not isinstance(raw, Pillow.Image):
            raise Unreadable(f"not a picture but {type(raw).__name__}")
        _check(raw.size, self.max_pixels)
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


def _file(path: Path) -> bytes:
    """A plain file's bytes; never a pipe or a device, which might not end."""
    if {"http:", "https:"} & set(path.parts):
        raise Unreadable("is a web address; download the picture and give its path")
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise Unreadable("is a folder" if stat.S_ISDIR(mode) else "not a plain file")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise Unreadable("file does not exist") from error
    except OSError as error:
        raise Unreadable(f"file cannot be opened ({error.strerror})") from error


def _open(data: bytes, max_pixels: int) -> Pillow.Image:
    """The header of an encoded picture, its size checked before anything of that size is made."""
    if not data:
        raise Unreadable("file is empty")
    if len(data) > MAX_BYTES:
        raise Unreadable(f"file is larger than {MAX_BYTES // 2**20} MiB")
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


def _frame(image: Pillow.Image, extent: tuple[float, float], size: int, framing: str) -> Pillow.Image:
    """The upper left `extent` of an RGB or RGBA picture -> an RGB square; `whole` keeps the proportions instead."""
    width, height = extent
    if framing == "stretch":
        return _resize(image, (size, size), (0, 0, width, height))
    if framing == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return _resize(image, (size, size), (left, top, left + side, top + side))
    scale = size / max(width, height)
    shape = max(1, round(width * scale)), max(1, round(height * scale))
    small = _resize(image, shape, (0, 0, width, height))
    if framing == "whole":
        return small
    square = Pillow.new("RGB", (size, size), tuple(round(255 * each) for each in MEAN))  # near 0 once standardised
    square.paste(small, ((size - shape[0]) // 2, (size - shape[1]) // 2))
    return square


def _resize(image: Pillow.Image, shape: tuple[int, int], box: tuple[float, float, float, float]) -> Pillow.Image:
    """A part of a picture at another size, on white."""
    small = image.resize(shape, Pillow.Resampling.BILINEAR, box, reducing_gap=2.0)
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
