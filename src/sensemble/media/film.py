"""Encoded videos -> a few RGB frames of a size. Decoding trusts nothing: limits first, and a broken file has a reason.

Legend: T frames, H height, W width.

A clip is never read whole: of long ones, only what lies between a key frame and a wanted frame is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ConfigError, Unreadable
from .container import CODECS, import_av, opened
from .picture import Framing, read_picture
from .still import Stills

MAX_PIXELS = 2**25
"""Of one frame: a little more than 8K."""
MAX_SECONDS = 4 * 3600.0
MOST_DECODED = 100 * 10**9
"""Pixels decoded for one clip: some minutes of work, for three hours of 640 x 480 without a key frame."""
TIE = 1e-3
"""Seconds to which some containers round times: a frame that begins so soon after a wanted time is shown at it."""
LAST = 1.0
"""Seconds that the last frame is on display, at most: some containers guess as much as they like."""
SEEK_GAP = 0.5
"""Seconds of clip that a jump to a key frame must save."""
BLIND_GAP = 10.0
"""Seconds to a wanted frame from which a jump is tried where it is not known where key frames are."""
BACK = (0.0, 2.0, 20.0, 200.0, float("inf"))
"""Seconds before a wanted frame where a jump is aimed at, one after the other, until it lands before that frame."""


@dataclass(frozen=True)
class Film:
    """Some frames of a clip.

    Args:
        frames: `(T, H, W, 3)` uint8.
        times: `(T,)` seconds from the clip's start; of an array, the frames' numbers.
    """

    frames: np.ndarray[Any, np.dtype[np.uint8]]
    times: tuple[float, ...]


def read_film(
    raw: Any,
    *,
    frames: int,
    size: int,
    framing: Framing,
    rate: float | None = None,
    max_pixels: int = MAX_PIXELS,
    max_seconds: float = MAX_SECONDS,
) -> Film:
    """Any raw value -> some of its frames as RGB pictures of that size, as the camera was held.

    The clip's time is cut in equal parts, and what is on display in the middle of each is taken, once: a clip of
    fewer frames gives what it has. Of a clip that breaks off, the frames before the break are taken.

    Args:
        raw: a path, the bytes of a file, a uint8 array `(T, H, W, 3)`, or a mapping with `bytes` or `path`.
        frames: the most that are taken.
        size: in pixels.
        framing: how a frame gets that size.
        rate: frames a second of clip, for clips that are so short that these are fewer than `frames`; an array has
            no seconds.
        max_pixels: width times height of the largest frame that is decoded.
        max_seconds: of the longest clip.

    Raises:
        Unreadable: no such file, no video, damaged before the first frame, or over a limit.
        ConfigError: PyAV is not installed.
    """
    if isinstance(raw, Mapping):
        raw = raw.get("path") if raw.get("bytes") is None else raw["bytes"]
    if isinstance(raw, np.ndarray):
        return _from_array(raw, frames, size, framing, max_pixels)
    av = import_av()
    try:
        with opened(raw, max_pixels=max_pixels) as (container, kind):
            clip = _Clip(av, container, kind, max_pixels)
            if clip.seconds > max_seconds:
                raise Unreadable(f"video lasts {clip.seconds:,.0f} s, more than max_seconds allows ({max_seconds:,g})")
            count = frames if rate is None else max(1, min(frames, round(clip.seconds * rate)))
            targets = [(place + 0.5) * clip.seconds / count for place in range(count)]
            return clip.read(targets, size, framing)
    except (Unreadable, ConfigError):
        raise
    except Exception as error:  # decoders of damaged bytes raise whatever they like
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Unreadable(f"video is damaged or cut off ({' '.join(str(reason).split())[:120]})") from error


def _from_array(raw: np.ndarray[Any, Any], frames: int, size: int, framing: Framing, max_pixels: int) -> Film:
    if raw.dtype != np.uint8 or raw.ndim != 4 or raw.shape[3] not in (1, 3, 4):
        shape = " x ".join(map(str, raw.shape))
        raise Unreadable(f"an array of {raw.dtype}, {shape}: needs uint8, frames x height x width x 3")
    if not len(raw):
        raise Unreadable("video has no frames")
    places = sorted({int((place + 0.5) * len(raw) / frames) for place in range(frames)})
    pictures = [read_picture(raw[place], size, framing, max_pixels=max_pixels) for place in places]
    return Film(np.stack([np.asarray(picture) for picture in pictures]), tuple(map(float, places)))


class _Clip:
    """The first moving picture of an open container, read forwards and by jumps.

    Args:
        av: the PyAV module.
        container: open.
        kind: its demuxer.
        max_pixels: of a frame.
    """

    def __init__(self, av: Any, container: Any, kind: str, max_pixels: int) -> None:
        covers = av.stream.Disposition.attached_pic
        streams = [each for each in container.streams.video if not each.disposition & covers]
        if not streams:
            raise Unreadable("file has sound but no video" if container.streams.audio else "video has no frames")
        self.container, self.stream, self.error = container, streams[0], av.FFmpegError
        context = self.stream.codec_context
        if context is None or context.name not in CODECS:
            raise Unreadable(f"video of a codec that is not read ({getattr(context, 'name', 'unknown')})")
        context.options = {"max_pixels": str(max_pixels)}
        context.thread_count = 1  # clips are decoded side by side already
        self.stills = Stills(av, self.stream, clear=kind == "gif", max_pixels=max_pixels)
        self.stills.check(context.width, context.height)
        self.kind = kind
        self.base: float = float(self.stream.time_base)
        self.start: float = (self.stream.start_time or 0) * self.base
        self.seconds = self._length()
        self.left = MOST_DECODED // max(1, context.width * context.height)  # frames
        self.now = 0.0
        self.broken = False  # a packet could not be decoded
        self.over = False  # nothing comes after `shown`
        self.shown: Any = None  # the last frame up to a wanted time, and the one after it
        self.ahead: Any = None
        self.frames = self._decode()

    def read(self, targets: Sequence[float], size: int, framing: Framing) -> Film:
        """What is on display at some times, in their order, each frame once."""
        pictures: list[np.ndarray[Any, Any]] = []
        times: list[float] = []
        for target in targets:
            if self._worth_a_jump(target):
                self._jump(target)
            self._advance(target)
            found = self.shown or self.ahead
            if found is None or (times and found[1] <= times[-1]):
                continue
            picture = self.stills.picture(found[0], size, framing)
            if not pictures or picture.shape == pictures[0].shape:  # `whole` keeps proportions, which may change
                times.append(found[1])
                pictures.append(picture)
        if not pictures:
            raise Unreadable("none of the video's frames can be decoded" if self.broken else "video has no frames")
        return Film(np.stack(pictures), tuple(max(time, 0.0) for time in times))

    def _length(self) -> float:
        """Seconds up to the end of the last packet. What the container states serves to find that packet alone."""
        stated = 0.0
        if self.container.duration and self.kind != "mpeg":
            stated = ((self.container.start_time or 0) + self.container.duration) / 1e6 - self.start
        end = 0.0
        for place in (stated, 0.0):
            self._seek(place)
            for packet in self.container.demux(self.stream):
                if packet.pts is not None and not packet.is_discard:
                    lasts = min(LAST, (packet.duration or 0) * self.base)
                    end = max(end, packet.pts * self.base + lasts - self.start)
            if end:
                break
        self._seek(0.0)
        return end

    def _seek(self, time: float) -> None:
        """Goes to the last key frame before a time, if the container knows one, else stays."""
        place = self.start + time if time > 0 else min(self.start, 0.0)
        with suppress(self.error):
            self.container.seek(round(place / self.base), stream=self.stream)

    def _advance(self, target: float) -> None:
        """Decodes until `shown` is the last frame up to a time and `ahead` the first one after it, or none."""
        while not self.over and (self.ahead is None or self.ahead[1] <= target + TIE):
            self.shown = self.ahead or self.shown
            self.ahead = next(self.frames, None)
            self.over = self.ahead is None

    def _decode(self, *, jumped: bool = False) -> Iterator[tuple[Any, float]]:
        """Frames and their times from where the container is; after a jump, from the first key frame on.

        A packet that cannot be decoded is passed over.
        """
        step = 1 / float(self.stream.average_rate or 25)
        base, start = self.base, self.start
        packets = iter(self.container.demux(self.stream))
        while True:
            try:
                found = next(packets).decode()
            except StopIteration:
                return
            except self.error:
                self.broken, found = True, []
            self.left -= len(found)
            if self.left < 0:
                raise Unreadable("video is long and has too few key frames to jump to; cut it, or encode it anew")
            for frame in found:
                jumped = jumped and not frame.key_frame
                if jumped or frame.is_corrupt:
                    continue
                stamp = frame.pts
                self.now = self.now + step if stamp is None else stamp * base - start
                yield frame, self.now

    def _worth_a_jump(self, target: float) -> bool:
        """Whether a key frame lies well between the last frame read and the wanted one."""
        if self.over or target - self.now < SEEK_GAP or self.kind == "mpeg":  # whose times differ after a jump
            return False
        if self.kind == "mpegts":
            return target - self.now > BLIND_GAP
        index = self.stream.index_entries
        place = index.search_timestamp(round((target + self.start) / self.base)) if len(index) else -1
        return place >= 0 and index[place].timestamp * self.base - self.start > self.now + SEEK_GAP

    def _jump(self, target: float) -> None:
        """Goes on from a key frame before a time."""
        for back in BACK:
            place = max(0.0, target - back)
            self._seek(place)
            self.frames = self._decode(jumped=place > 0)
            self.shown, self.ahead = None, next(self.frames, None)
            if self.ahead is not None and self.ahead[1] <= target + TIE:
                return
