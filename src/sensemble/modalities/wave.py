"""Sounds as raw samples, cut into tokens: for bodies that hear the wave itself.

Legend: B batch, T tokens, H samples of a token, n samples.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..corrupt import Corruption, sounds
from ..errors import ConfigError
from ..media.sound import MAX_SECONDS, duration, read_sound
from ..media.sound_file import RATES
from ..tokens import Tokens
from .audio import show_sound
from .base import Modality

SMALLEST_VARIANCE = 1e-7
"""Added to a sound's variance: what wav2vec 2.0 was trained with."""


class Wave(Modality):
    """A sound as its samples, `(T, hop)`: each token is `hop` of them, the last one filled up with zeros.

    It has no registered name: pretrained encoders make it, with the rate and the scale that they were trained with.
    `waveform` turns its batches back into waves.

    Args:
        rate: samples a second that every sound is brought to.
        hop: H, samples of a token.
        seconds: longest stretch that is read.
        crop: which one of a longer sound: its `start`, or its `middle` where the file says how long it is.
        normalise: bring each sound to mean 0 and variance 1, as wav2vec 2.0 and its kin want.

    >>> Wave(rate=8000, hop=160).load({"array": np.zeros(8001, np.int16), "sampling_rate": 8000}).shape
    torch.Size([51, 160])
    """

    encoder = ""
    reads_files = True

    def __init__(
        self,
        *,
        rate: int = 16_000,
        hop: int = 320,
        seconds: float = 30.0,
        crop: Literal["start", "middle"] = "start",
        normalise: bool = False,
    ) -> None:
        if not RATES[0] <= rate <= RATES[1]:
            raise ConfigError(f"wave: rate must be from {RATES[0]} to {RATES[1]}, not {rate}")
        if hop < 1:
            raise ConfigError(f"wave: hop must be at least 1, not {hop}")
        if not 0 < seconds <= MAX_SECONDS:
            raise ConfigError(f"wave: seconds must be above 0 and at most {MAX_SECONDS:g}, not {seconds:g}")
        self.rate, self.hop, self.seconds, self.crop, self.normalise = rate, hop, seconds, crop, normalise

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.hop,)

    def load(self, raw: Any) -> Tensor:
        """One sound -> `(T, hop)`. May run in several threads at once.

        Raises:
            Unreadable: no such file, no sound, damaged, cut off, or over a limit.
        """
        samples = self.open(raw)["array"]
        if self.normalise:
            exact = samples.astype(np.float64)
            samples = ((exact - exact.mean()) / np.sqrt(exact.var() + SMALLEST_VARIANCE)).astype(np.float32)
        return torch.from_numpy(np.pad(samples, (0, -len(samples) % self.hop))).view(-1, self.hop)

    def corruptions(self) -> dict[str, Corruption]:
        return sounds()

    def open(self, raw: Any) -> dict[str, Any]:
        """The samples that are read."""
        samples = read_sound(raw, self.rate, start=self._start(raw), seconds=self.seconds)
        return {"array": samples, "sampling_rate": self.rate}

    def fingerprint(self) -> str:
        return f"wave 1 {self.rate} {self.hop} {self.seconds} {self.crop} {self.normalise}"

    def describe(self, raw: Any) -> list[str]:
        """The seconds of the file that each token covers."""
        start, step = self._start(raw), self.hop / self.rate
        return [
            f"{start + place * step:.2f}-{start + (place + 1) * step:.2f} s" for place in range(len(self.load(raw)))
        ]

    def show(self, raw: Any) -> dict[str, str]:
        """The first seconds of what is heard, to be played."""
        return show_sound(raw, self._start(raw))

    def _start(self, raw: Any) -> float:
        if self.crop == "start":
            return 0.0
        return max(0.0, ((duration(raw) or 0.0) - self.seconds) / 2)


def waveform(tokens: Tokens) -> Tokens:
    """Tokens `(B, T, H)` of `Wave` -> the waves themselves, `(B, T * H)`, with a mask of what is real.

    A row's real samples are its real tokens one after the other. Of the last one up to H - 1 samples are filling,
    which the mask does not tell: they are zeros.

    >>> tokens = Tokens.stack([torch.ones(2, 3), torch.ones(1, 3)])
    >>> waveform(tokens).mask.long().tolist()
    [[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]]
    """
    return Tokens(tokens.values.flatten(1), tokens.mask.repeat_interleave(tokens.values.shape[2], 1))
