"""Writes scenes as clips: 16 frames, 8 a second, with a sound track."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .cutouts import Cutout
from .render import SIDE, Painter
from .scene import FRAMES, RATE, Scene
from .sounds import SAMPLE_RATE, load_av, track

ENCODERS = {"libx264": {"qp": "20", "preset": "veryfast"}, "mpeg4": {"qmin": "2", "qmax": "3"}}
"""Video encoders in order of choice, with options: H.264 where the library has it, as browsers play it."""


def save_clip(scene: Scene, path: Path, cutouts: Mapping[str, Cutout] | None = None) -> None:
    """Writes a scene as MP4: H.264 (or MPEG-4) of 96 x 96 pixels, and FLAC, mono, 16 kHz, without loss.

    One thread, a fixed quantiser and no dates: the same scene gives the same bytes under one version of PyAV and its
    FFmpeg; other versions show the same frames, but for rounding.

    Raises:
        ConfigError: PyAV is missing.
    """
    av = load_av()
    painter = Painter(scene, side=SIDE, cutouts=cutouts, wrap=True)
    encoder = next(name for name in ENCODERS if name in av.codecs_available)
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as file:
        video = file.add_stream(encoder, rate=RATE, options=ENCODERS[encoder])
        video.width = video.height = SIDE
        video.pix_fmt = "yuv420p"
        audio = file.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        for stream in (video, audio):
            stream.codec_context.thread_count = 1
            stream.codec_context.flags |= av.codec.context.Flags.bitexact
        for number in range(FRAMES):
            frame = av.VideoFrame.from_image(painter.frame(number))
            frame.pts = number
            file.mux(video.encode(frame))
        sound = av.AudioFrame.from_ndarray(track(scene, cutouts)[None], format="s16", layout="mono")
        sound.sample_rate, sound.pts = SAMPLE_RATE, 0
        file.mux(audio.encode(sound))
        file.mux(video.encode(None))
        file.mux(audio.encode(None))
