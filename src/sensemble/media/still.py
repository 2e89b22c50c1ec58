"""Decoded frames of a video -> RGB pictures of a size, as the camera was held.

Legend: H height, W width, C channels.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from PIL import Image as Pillow

from ..errors import Unreadable
from .picture import Framing, frame_picture


class Stills:
    """Makes pictures of one stream's frames; what scales them is set up once.

    Args:
        av: the PyAV module.
        stream: which the frames come from.
        clear: whether frames may be transparent, which becomes white.
        max_pixels: width times height of the largest frame.
    """

    def __init__(self, av: Any, stream: Any, *, clear: bool, max_pixels: int) -> None:
        self._scaler = av.video.reformatter.VideoReformatter()
        self._format = "rgba" if clear else "rgb24"
        self._max_pixels = max_pixels
        ratio = stream.sample_aspect_ratio  # width over height of a stored pixel
        self._aspect = min(4.0, max(0.25, float(ratio))) if ratio else 1.0

    def check(self, width: int, height: int) -> None:
        """Refuses frames that are too large.

        Raises:
            Unreadable: they are.
        """
        if width * height > self._max_pixels:
            raise Unreadable(
                f"video has frames of {width:,} x {height:,} pixels, more than max_pixels allows ({self._max_pixels:,})"
            )

    def picture(self, frame: Any, size: int, framing: Framing) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """A decoded frame -> `(H, W, 3)`, scaled while its colours are converted, then framed and turned."""
        self.check(frame.width, frame.height)
        shape = _shape(frame.width * self._aspect, frame.height, size, framing)
        small = self._scaler.reformat(frame, *shape, self._format, threads=1).to_ndarray()  # (H, W, C)
        if framing == "crop" and min(shape) == size and self._format == "rgb24":
            left, top = ((length - size) // 2 for length in shape)
            square = small[top : top + size, left : left + size]  # what frame_picture gives, in half the time
        else:
            square = np.asarray(frame_picture(Pillow.fromarray(small), shape, size, framing))
        turn = _turn(frame)
        return square if turn is None else np.asarray(Pillow.fromarray(square).transpose(turn))


def _shape(width: float, height: int, size: int, framing: Framing) -> tuple[int, int]:
    """The size at which a frame is converted: what its framing needs, but no larger than it is."""
    if framing == "stretch":
        return min(size, max(1, round(width))), min(size, height)
    side = min(width, height) if framing == "crop" else max(width, height)
    if side <= size:
        return max(1, round(width)), height

    def scaled(length: float) -> int:
        if framing == "crop":  # as much to cut on either side, so that no pixel is torn
            return size + 2 * round((length * size / side - size) / 2)
        return max(1, round(length * size / side))

    return scaled(width), scaled(height)


_TURNS = {
    (0, 1, -1, 0): Pillow.Transpose.ROTATE_270,
    (-1, 0, 0, -1): Pillow.Transpose.ROTATE_180,
    (0, -1, 1, 0): Pillow.Transpose.ROTATE_90,
    (-1, 0, 0, 1): Pillow.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Pillow.Transpose.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): Pillow.Transpose.TRANSPOSE,
    (0, -1, -1, 0): Pillow.Transpose.TRANSVERSE,
}
"""By the signs of a display matrix (a, b; c, d): a stored point (x, y) is shown at (ax + cy, bx + dy)."""


def _turn(frame: Any) -> Pillow.Transpose | None:
    """How a frame's display matrix, if it has one, turns or mirrors it."""
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data)[:36])
            most = max(abs(each) for each in (a, b, c, d)) or 1
            return _TURNS.get((round(a / most), round(b / most), round(c / most), round(d / most)))
    return None
