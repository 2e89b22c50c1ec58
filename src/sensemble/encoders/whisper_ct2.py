"""Whisper's encoder as CTranslate2 runs it: frozen features of speech on a CPU, without transformers.

Legend: B batch, n samples, T hops of 10 ms, T' features of 20 ms, F mel bands, D width.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .. import weights
from ..errors import ConfigError, DataError
from ..media.sound import read_sound
from ..modalities.base import Modality
from ..tokens import Tokens
from .backbone import Backbone, register_backbone

RATE = 16_000
HOP, WINDOW = 160, 400
"""Samples from one spectrum to the next, and samples that each looks at."""
SECONDS = 30
HOPS = SECONDS * RATE // HOP
BANDS = 80
FILES = ("config.json", "model.bin")


class Sound(Modality):
    """The first 30 seconds of a sound at 16 kHz, in tokens of 10 ms: `(T, 160)` samples.

    The last token is filled up with silence.
    """

    encoder = "pretrained"
    reads_files = True

    @property
    def shape(self) -> tuple[int, ...]:
        return (HOP,)

    def load(self, raw: Any) -> Tensor:
        """One sound -> `(T, 160)` float32.

        Raises:
            Unreadable: as `media.sound.read_sound` says.
        """
        samples = torch.from_numpy(read_sound(raw, RATE, seconds=SECONDS))
        return functional.pad(samples, (0, -len(samples) % HOP)).view(-1, HOP)  # (n,) -> (T, 160)

    def fingerprint(self) -> str:
        return f"sound 1 {RATE} {HOP} {SECONDS}"

    def describe(self, raw: Any) -> list[str]:
        return [f"{hop * HOP / RATE:.2f} s" for hop in range(len(self.load(raw)))]

    def show(self, raw: Any) -> dict[str, str]:
        return {"kind": "text", "text": Path(raw).name if isinstance(raw, str | Path) else "sound"}


class WhisperCT2(Backbone):
    """The encoder of Whisper (Radford et al. 2022) from a folder in CTranslate2's form, on the CPU in float32.

    Features come every 20 ms, up to the end of the sound. Each sound costs the work of 30 seconds, for which Whisper
    was trained. It has no gradients and so cannot be tuned; the transformers form of Whisper can.

    Args:
        folder: holds `model.bin` and `config.json`.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        try:
            import ctranslate2
        except ImportError as error:
            raise ConfigError(
                "Whisper in this form needs the package 'ctranslate2'; install it: pip install 'sensemble[whisper]'"
            ) from error
        self._storage = ctranslate2.StorageView
        try:
            self._whisper = ctranslate2.models.Whisper(
                str(folder), device="cpu", compute_type="float32", intra_threads=torch.get_num_threads()
            )
        except (RuntimeError, ValueError) as error:
            raise DataError(f"{folder} holds no Whisper in CTranslate2's form ({error})") from error
        if self._whisper.n_mels != BANDS:
            raise DataError(f"{folder} wants {self._whisper.n_mels} mel bands; only Whispers of {BANDS} are read")
        self.source = Sound()
        self.digest = f"whisper_ct2 1 {weights.digest(*(folder / name for name in FILES))}"
        self.dim = self._encode(torch.zeros(1, BANDS, 2)).shape[-1]

    def forward(self, tokens: Tokens) -> Tokens:
        """`(B, T, 160)` samples -> `(B, T', D)`, T' half of T rounded up."""
        wanted = (tokens.mask.shape[1] + 1) // 2
        mask = tokens.mask[:, ::2]  # (B, T')
        values = torch.zeros(len(tokens), wanted, self.dim)
        real = tokens.present.cpu()
        if bool(real.any()):
            waves = tokens.clean().values.cpu()[real].flatten(1)  # (b, T, 160) -> (b, n)
            values[real] = self._encode(log_mel(waves))[:, :wanted]
        return Tokens(values.to(tokens.values.device), mask).clean()

    def _encode(self, features: Tensor) -> Tensor:
        """`(b, F, T)` -> `(b, T', D)`."""
        found = self._whisper.encode(self._storage.from_array(features.contiguous().numpy()), to_cpu=True)
        return torch.from_numpy(np.array(found))


def log_mel(waves: Tensor) -> Tensor:
    """What Whisper hears: `(B, n)` samples at 16 kHz -> `(B, 80, 3000)`, filled up with silence to 30 seconds.

    Logarithms of the power in mel bands, at most eight decades below the loudest, scaled to about -1..1 (section 2.2
    of the paper, and the code that was published with it).
    """
    waves = functional.pad(waves, (0, SECONDS * RATE - waves.shape[1]))
    window = torch.hann_window(WINDOW, dtype=waves.dtype, device=waves.device)
    spectrum = torch.stft(waves, WINDOW, HOP, window=window, return_complex=True)[..., :-1]  # (B, 201, 3000)
    power = torch.from_numpy(mel_filters()).to(waves) @ spectrum.abs().square()  # (B, 80, 3000)
    decades = power.clamp(min=1e-10).log10()
    return (torch.maximum(decades, decades.amax((1, 2), keepdim=True) - 8) + 4) / 4


@cache
def mel_filters() -> np.ndarray[Any, np.dtype[np.float32]]:
    """`(80, 201)` triangles over the frequencies of a spectrum, of equal area each (Slaney's Auditory Toolbox, 1998).

    His mel scale is linear up to 1 kHz, with 15 mel there, and logarithmic above: 27 mel are a factor of 6.4.
    """
    step = np.log(6.4) / 27
    top = 15 + np.log(RATE / 2 / 1000) / step
    mels = np.linspace(0, top, BANDS + 2)
    edges = np.where(mels < 15, mels * 1000 / 15, 1000 * np.exp((mels - 15) * step))  # (82,) Hz
    bins = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    rise = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]  # (80, 201)
    fall = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0, np.minimum(rise, fall))
    return np.asarray(triangles * 2 / (edges[2:] - edges[:-2])[:, None], np.float32)


@register_backbone("whisper_tiny_en", "audio")
def load_whisper_tiny_en() -> WhisperCT2:
    """English, 384 numbers a feature."""
    return WhisperCT2(weights.find("whisper_tiny_en"))


@register_backbone("whisper_base", "audio")
def load_whisper_base() -> WhisperCT2:
    """About a hundred languages, 512 numbers a feature."""
    return WhisperCT2(weights.find("whisper_base"))
