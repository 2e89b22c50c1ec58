"""Sounds as log-mel frames: pictures of pitch over time.

Legend: B batch, T frames, F bands.
"""

from __future__ import annotations

import base64
import io
import math
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..corrupt import Corruption, sounds
from ..errors import ConfigError
from ..media.denoise import denoise
from ..media.silence import sounding
from ..media.sound import MAX_SECONDS, duration, read_sound
from ..media.sound_file import RATES, Samples
from ..media.spectrum import log_mel, num_frames
from ..tokens import Tokens
from .base import MODALITIES, Modality
from .frames import draw, hide, standardise, stretch

FIT_SOUNDS, FIT_CHUNK = 256, 32
"""Training sounds from which the bands' scale is learned, and how many are held at once."""
SMALLEST_STD = 0.1
"""So that a band that hardly changes is not blown up."""
SHOWN_SECONDS, SHOWN_RATE = 6, 8_000
"""Of a sound in a report: 128 kB."""


@MODALITIES.register("audio")
class Audio(Modality):
    """A sound as frames `(T, bands)`: the logarithm of the power in each mel band, standardised for the encoder.

    A value is a path, the bytes of a file, a mapping with `bytes` or `path`, or `{"array": ..., "sampling_rate": ...}`.
    WAV, AIFF, AU, FLAC, Ogg, MP3, M4A and AAC are read, and the sound track of MP4, MOV, MKV, WebM and AVI. Any rate
    and any number of channels will do; channels are averaged. The mel scale is that of HTK; `media/spectrum.py` has
    the formulas.

    A sound longer than `seconds` is heard in part: in training a stretch at random, anew each time; afterwards the
    one that `crop` says. At most `max_seconds` of a sound are read and kept.

    Args:
        rate: samples a second that every sound is brought to.
        bands: mel bands from 0 to half the rate.
        window: seconds of a frame.
        hop: seconds from one frame to the next.
        seconds: longest stretch that the encoder is given.
        max_seconds: longest stretch that is kept of a sound.
        crop: what is heard of a longer sound outside training: its `start`, its `middle`, or the `whole` of what is
            kept. With `middle`, the middle is kept, too, where the file says how long it is.
        trim: leave out what is silent or mere background at both ends.
        denoise: take steady noise out first; for noisy recordings of speech.
        scale: standardise bands by mean and deviation over training sounds (`data`), or over each sound by itself
            (`clip`), which makes loudness and microphones alike.
        time_mask: hide two stretches of a training sound, each up to this share of its time (SpecAugment, Park et
            al. 2019).
        band_mask: the same for neighbouring bands.
        noise: add noise to training sounds, of this deviation where the bands' own is 1.
        gain: make training sounds louder or softer at random, by up to so many decibels.
        speed: play training sounds faster or slower at random, by up to this share, their pitch kept.

    Fitted: `mean_` and `std_`, of each band.

    >>> sound = Audio().load({"array": np.zeros(8000, np.int16), "sampling_rate": 8000})
    >>> sound.shape, sound.dtype
    (torch.Size([99, 64]), torch.float32)
    """

    encoder = "cnn"
    mean_: tuple[float, ...]
    std_: tuple[float, ...]
    reads_files = True

    def __init__(
        self,
        *,
        rate: int = 16_000,
        bands: int = 64,
        window: float = 0.025,
        hop: float = 0.010,
        seconds: float = 10.0,
        max_seconds: float = 30.0,
        crop: Literal["start", "middle", "whole"] = "start",
        trim: bool = False,
        denoise: bool = False,
        scale: Literal["data", "clip"] = "data",
        time_mask: float = 0.0,
        band_mask: float = 0.0,
        noise: float = 0.0,
        gain: float = 0.0,
        speed: float = 0.0,
    ) -> None:
        if not RATES[0] <= rate <= RATES[1]:
            raise ConfigError(f"audio: rate must be from {RATES[0]} to {RATES[1]}, not {rate}")
        if not 1 <= bands <= 512:
            raise ConfigError(f"audio: bands must be from 1 to 512, not {bands}")
        if not 2 / rate <= hop <= window <= 1:
            raise ConfigError(f"audio: window and hop are seconds, hop <= window <= 1, not {hop:g} and {window:g}")
        if not window <= seconds <= max_seconds <= MAX_SECONDS:
            raise ConfigError(
                f"audio: seconds must be at most max_seconds, and that at most {MAX_SECONDS:g}, "
                f"not {seconds:g} and {max_seconds:g}"
            )
        for key, share in (("time_mask", time_mask), ("band_mask", band_mask), ("speed", speed)):
            if not 0 <= share < 1:
                raise ConfigError(f"audio: {key} is a share, from 0 to below 1, not {share:g}")
        for key, amount in (("noise", noise), ("gain", gain)):
            if not 0 <= amount < math.inf:
                raise ConfigError(f"audio: {key} must be a number from 0, not {amount:g}")
        self.rate = rate
        self.bands = bands
        self.window, self.hop = round(window * rate), round(hop * rate)
        self.seconds, self.max_seconds = seconds, max_seconds
        self.crop = crop
        self.trim = trim
        self.denoise = denoise
        self.scale = scale
        self.time_mask, self.band_mask = time_mask, band_mask
        self.noise, self.gain, self.speed = noise, gain, speed
        self.mean_, self.std_ = (math.log(1e-4),) * bands, (3.0,) * bands

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.bands,)

    def fit(self, values: Sequence[Any]) -> Audio:
        """Learns the bands' mean and deviation from some training sounds, passing over unreadable ones."""
        if self.scale == "clip":
            return self
        chosen = values[:: max(1, len(values) // FIT_SOUNDS)]
        count, total, square = 0, torch.zeros(self.bands).double(), torch.zeros(self.bands).double()
        for start in range(0, len(chosen), FIT_CHUNK):
            for frames in self.load_many(chosen[start : start + FIT_CHUNK]):
                if isinstance(frames, Tensor):
                    count += len(frames)
                    total += frames.double().sum(0)
                    square += frames.double().square().sum(0)
        if count:
            mean = total / count
            self.mean_ = tuple(mean.tolist())
            self.std_ = tuple((square / count - mean.square()).clamp(min=SMALLEST_STD**2).sqrt().tolist())
        return self

    def state(self) -> dict[str, Any]:
        return {"mean": list(self.mean_), "std": list(self.std_)}

    def restore(self, state: dict[str, Any]) -> Audio:
        self.mean_, self.std_ = tuple(state["mean"]), tuple(state["std"])
        return self

    def load(self, raw: Any) -> Tensor:
        """What is kept of one sound -> `(T, bands)`. May run in several threads at once.

        Raises:
            Unreadable: no such file, no sound, damaged, cut off, or over a limit.
        """
        samples, _ = self._read(raw)
        return log_mel(torch.from_numpy(samples), self.rate, window=self.window, hop=self.hop, bands=self.bands)

    def corruptions(self) -> dict[str, Corruption]:
        return sounds()

    def open(self, raw: Any) -> dict[str, Any]:
        """The samples that are read, before noise is reduced or silence trimmed."""
        samples = read_sound(raw, self.rate, start=self._start(raw), seconds=self.max_seconds)
        return {"array": samples, "sampling_rate": self.rate}

    def fingerprint(self) -> str:
        middle = self.crop == "middle"
        return (
            f"audio 1 {self.rate} {self.bands} {self.window} {self.hop} {self.max_seconds} {middle} {self.trim} "
            f"{self.denoise}"
        )

    def prepare(self, tokens: Tokens, *, training: bool) -> Tokens:
        """Frames as loaded -> the stretch that is heard, standardised; in training, each sound changed on its own.

        There are fewer frames where sounds were longer than `seconds`. Chance comes from torch's global generator of
        the tokens' device.
        """
        if training or self.crop != "whole":
            place = None if training else {"start": 0.0, "middle": 0.5}[self.crop]
            most = num_frames(round(self.seconds * self.rate), self.window, self.hop)
            tokens = stretch(tokens, most, place=place, speed=self.speed if training else 0.0)
        if training and self.gain:
            louder = draw(tokens.values, -self.gain, self.gain) * (math.log(10) / 10)
            tokens = tokens.with_values(tokens.values + louder.view(-1, 1, 1))
        if self.scale == "clip":
            tokens = standardise(tokens, SMALLEST_STD)
        else:
            mean, std = (tokens.values.new_tensor(each) for each in (self.mean_, self.std_))
            tokens = tokens.with_values((tokens.values - mean) / std)
        if training and self.noise:
            tokens = tokens.with_values(tokens.values + torch.randn_like(tokens.values) * self.noise)
        return hide(tokens, time=self.time_mask, bands=self.band_mask) if training else tokens

    def describe(self, raw: Any) -> list[str]:
        """The seconds of the file that each loaded frame covers."""
        samples, start = self._read(raw)
        places = range(num_frames(len(samples), self.window, self.hop))
        starts = [start + place * self.hop / self.rate for place in places]
        return [f"{each:.2f}-{each + self.window / self.rate:.2f} s" for each in starts]

    def show(self, raw: Any) -> dict[str, str]:
        """The first seconds of what is heard, to be played."""
        _, start = self._read(raw)
        return show_sound(raw, start)

    def _read(self, raw: Any) -> tuple[Samples, float]:
        """The samples that are kept of a sound, and the second of the file where they start."""
        start = self._start(raw)
        samples = read_sound(raw, self.rate, start=start, seconds=self.max_seconds)
        if self.denoise:
            samples = denoise(samples, self.rate)
        if self.trim:
            first, last = sounding(samples, self.rate)
            samples, start = samples[first:last], start + first / self.rate
        return np.ascontiguousarray(samples), start

    def _start(self, raw: Any) -> float:
        """The second of the file where what is kept of it starts."""
        return max(0.0, ((duration(raw) or 0.0) - self.max_seconds) / 2) if self.crop == "middle" else 0.0


def show_sound(raw: Any, start: float) -> dict[str, str]:
    """A sound for a report: some seconds of it, from `start` on, with its file's name."""
    samples = read_sound(raw, SHOWN_RATE, start=start, seconds=SHOWN_SECONDS)
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SHOWN_RATE)
        sound.writeframes((samples.clip(-1, 1) * 32_767).round().astype("<i2").tobytes())
    data = base64.b64encode(file.getvalue()).decode("ascii")
    path = raw.get("path") if isinstance(raw, Mapping) else raw
    name = Path(path).name if isinstance(path, str | Path) else ""
    return {"kind": "audio", "text": name, "data": f"data:audio/wav;base64,{data}"}
