"""Whisper's encoder as CTranslate2 runs it: frozen features of speech on a CPU, without transformers.

Legend: B batch, n samples, T tokens of 20 ms, F mel bands, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .. import weights
from ..errors import ConfigError, DataError
from ..modalities.wave import Wave, waveform
from ..registry import check
from ..tokens import Tokens
from .backbone import Backbone, register_backbone

RATE = 16_000
HOP, WINDOW = 160, 400
"""Samples from one spectrum to the next, and samples that each looks at."""
TOKEN = 2 * HOP
"""Samples of a token: the encoder joins two spectra into one feature."""
SECONDS = 30
BANDS = 80
FILES = ("config.json", "model.bin")


class WhisperCT2(Backbone):
    """The encoder of Whisper (Radford et al. 2022) from a folder in CTranslate2's form, on the CPU in float32.

    Features come every 20 ms, up to the end of the sound. Each sound costs the work of `seconds`: it is filled up with
    silence to them, as Whisper was trained with 30. It has no gradients and so cannot be tuned; the transformers form
    of Whisper can.

    Args:
        folder: holds `model.bin` and `config.json`.
        seconds: longest stretch that is heard, at most 30. For single words take 5: a tenth of the work, for features
            that are near those of 30 (their cosine is about .95), not equal.
        crop: which one of a longer sound: its `start`, or its `middle` where the file says how long it is.
    """

    def __init__(self, folder: Path, *, seconds: float = SECONDS, crop: Literal["start", "middle"] = "start") -> None:
        super().__init__()
        if not 0 < seconds <= SECONDS:
            raise ConfigError(f"Whisper hears at most {SECONDS} seconds; seconds cannot be {seconds:g}")
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
        self.source = Wave(rate=RATE, hop=TOKEN, seconds=seconds, crop=crop)
        self.length = ceil(seconds * RATE / TOKEN) * TOKEN
        self.digest = f"whisper_ct2 2 {self.length} {weights.digest(*(folder / name for name in FILES))}"
        self.dim = self._encode(torch.zeros(1, BANDS, 2)).shape[-1]

    def forward(self, tokens: Tokens) -> Tokens:
        """`(B, T, 320)` samples -> `(B, T, D)`."""
        real = tokens.present
        values = torch.zeros(*tokens.mask.shape, self.dim)
        if bool(real.any()):
            waves = waveform(tokens[real].clean()).values.cpu()  # (b, n)
            values[real.cpu()] = self._encode(log_mel(waves, self.length))[:, : values.shape[1]]
        return tokens.with_values(values.to(tokens.values.device))

    def summary(self, encoded: Tokens) -> Tensor:
        """The mean: none of its tokens stands for the whole."""
        return encoded.mean()

    def __deepcopy__(self, memo: dict[int, Any]) -> WhisperCT2:
        raise ConfigError(
            "this Whisper runs through CTranslate2 and cannot be tuned; leave `tune: frozen`, or take Whisper of the "
            "hub, such as openai/whisper-base"
        )

    def _encode(self, features: Tensor) -> Tensor:
        """Spectra `(b, F, 2 T)` -> `(b, T, D)`."""
        found = self._whisper.encode(self._storage.from_array(features.contiguous().numpy()), to_cpu=True)
        return torch.from_numpy(np.array(found))


def log_mel(waves: Tensor, length: int = SECONDS * RATE) -> Tensor:
    """What Whisper hears: `(B, n)` samples at 16 kHz -> `(B, 80, length / 160)`, filled up with silence to `length`.

    Logarithms of the power in mel bands, at most eight decades below the loudest, scaled to about -1..1 (section 2.2
    of the paper, and the code that was published with it).

    Args:
        waves: not longer than `length`.
        length: samples, a multiple of 320.
    """
    waves = functional.pad(waves, (0, length - waves.shape[1]))
    window = torch.hann_window(WINDOW, dtype=waves.dtype, device=waves.device)
    spectrum = torch.stft(waves, WINDOW, HOP, window=window, return_complex=True)[..., :-1]  # (B, 201, t)
    power = torch.from_numpy(mel_filters()).to(waves) @ spectrum.abs().square()  # (B, 80, t)
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
def load_whisper_tiny_en(**options: Any) -> WhisperCT2:
    """English, 384 numbers a token."""
    return _load("whisper_tiny_en", options)


@register_backbone("whisper_base", "audio")
def load_whisper_base(**options: Any) -> WhisperCT2:
    """About a hundred languages, 512 numbers a token."""
    return _load("whisper_base", options)


def _load(name: str, options: Mapping[str, Any]) -> WhisperCT2:
    checked = check(WhisperCT2, options, where=name)
    return WhisperCT2(weights.find(name), **checked)
