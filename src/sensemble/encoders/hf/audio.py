"""Sound bodies: the encoder of Whisper, wav2vec 2.0 and its kin, the sound half of CLAP.

Legend: B batch, T tokens, b rows with a sound, t tokens of the longest, H samples of a token, G CLAP's tokens, D width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from ...errors import ConfigError, unknown
from ...modalities.wave import Wave, waveform
from ...tokens import Tokens
from .bundle import Bundle, need
from .model import HubBody, build, layers, make_config, quiet, to_left, to_places

CHOSEN = ("seconds", "crop")
"""Options of the modality that are the user's; the model decides the others."""
USUAL_SECONDS = 10.0
"""Heard of a sound by models without a limit, unless told otherwise."""
CLAP_STEP = 0.01
"""Seconds of a token that CLAP is given; it makes others of them."""


class SoundBody(HubBody):
    """What all sound bodies share: waves at the model's rate, rows without a sound left out.

    Args:
        bundle: the model's files.
        options: of the modality: `seconds` and `crop`.
        where: the config key, for messages.
    """

    source: Wave

    def __init__(self, bundle: Bundle, options: Mapping[str, Any], *, where: str = "") -> None:
        super().__init__(bundle)
        self.where = where
        for key in options:
            if key not in CHOSEN:
                raise ConfigError(f"{where}: the pretrained model listens in its own way; leave {key!r} out")
        if options.get("crop") == "whole":
            raise ConfigError(f"{where}: crop is 'start' or 'middle' for pretrained models; raise seconds to hear more")
        self.settings = bundle.json("preprocessor_config.json")
        if "sampling_rate" not in self.settings:
            self.settings = bundle.json("processor_config.json").get("feature_extractor", self.settings)
        self.rate = int(self.settings.get("sampling_rate", 16_000))
        self.options = dict(options)

    def listen(self, hop: int, most: float, **further: Any) -> Wave:
        """The modality: at most so many seconds of a sound, in tokens of so many samples."""
        seconds = self.options.get("seconds", most if math.isfinite(most) else USUAL_SECONDS)
        if seconds > most:
            raise ConfigError(f"{self.where}: this model hears at most {most:g} seconds; seconds cannot be {seconds:g}")
        return Wave(rate=self.rate, hop=hop, seconds=seconds, crop=self.options.get("crop", "start"), **further)

    def extractor(self, name: str) -> Any:
        """The class of that name in transformers that makes spectra, as the model's settings say."""
        with quiet():
            return getattr(need("transformers"), name).from_dict(dict(self.settings))

    def forward(self, tokens: Tokens) -> Tokens:
        """`(B, T, H)` samples -> `(B, T', D)`."""
        if not bool(tokens.mask.any()):
            return Tokens(torch.zeros(*tokens.mask.shape, self.dim, device=tokens.mask.device), tokens.mask)
        found, order = to_left(tokens)
        return to_places(self.hear(found), order, tokens)

    def hear(self, tokens: Tokens) -> Tensor:
        """`(b, t, H)`, real ones first -> `(b, t, D)`."""
        raise NotImplementedError

    def summary(self, encoded: Tokens) -> Tensor:
        """None of them has a token of the whole sound: their mean."""
        return encoded.mean()

    def blocks(self) -> Sequence[nn.Module]:
        return layers(self.body)  # type: ignore[arg-type]


class WhisperBody(SoundBody):
    """Whisper's encoder (Radford et al. 2022): a token for every 20 ms, up to the end of the sound.

    Each sound costs the work of 30 seconds, for which it was trained.
    """

    def __init__(self, bundle: Bundle, options: Mapping[str, Any], *, where: str = "") -> None:
        super().__init__(bundle, options, where=where)
        config = make_config(bundle, {"apply_spec_augment": False, "encoder_layerdrop": 0.0}, where=where)
        whole = build(bundle, "WhisperModel", config, drop=("decoder",), where=where)
        self.body: nn.Module = whole.encoder
        self.spectra = self.extractor("WhisperFeatureExtractor")
        self.dim, hop = int(config.d_model), 2 * self.spectra.hop_length
        self.samples = config.max_source_positions * hop
        self.source = self.listen(hop, self.samples / self.rate)

    def hear(self, tokens: Tokens) -> Tensor:
        waves = list(waveform(tokens).values.float().cpu().numpy())  # zeros, where a sound has ended
        settings = {"sampling_rate": self.rate, "max_length": self.samples, "return_tensors": "pt"}
        spectra = self.spectra(waves, **settings)["input_features"].to(tokens.values.device)  # (b, F, 2 * positions)
        hidden: Tensor = self.body(input_features=spectra).last_hidden_state
        return hidden[:, : tokens.mask.shape[1]]


class WaveBody(SoundBody):
    """wav2vec 2.0 (Baevski et al. 2020), HuBERT, WavLM: convolutions over the wave itself, then a Transformer.

    Rows of one length are run together and those of others apart: the norms of some look along a whole row, so that
    padding would change it.
    """

    def __init__(self, bundle: Bundle, options: Mapping[str, Any], *, where: str = "") -> None:
        super().__init__(bundle, options, where=where)
        changes = {
            "apply_spec_augment": False, "mask_time_prob": 0.0, "mask_feature_prob": 0.0, "layerdrop": 0.0,
            "add_adapter": False,
        }  # fmt: skip
        config = make_config(bundle, changes, where=where)
        self.body: nn.Module = build(bundle, "AutoModel", config, where=where)
        hop, seen = 1, 1
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            seen += (kernel - 1) * hop
            hop *= stride
        self.more = seen - hop  # samples that the last token sees beyond its own
        self.dim = int(config.hidden_size)
        self.source = self.listen(hop, math.inf, normalise=bool(self.settings.get("do_normalize", True)))

    def hear(self, tokens: Tokens) -> Tensor:
        lengths = tokens.mask.sum(1)
        hidden = tokens.values.new_zeros(*tokens.mask.shape, self.dim)
        for length in sorted(set(lengths.tolist())):
            rows = lengths == length
            waves = nn.functional.pad(tokens.values[rows, :length].flatten(1), (0, self.more))
            found = self.body(input_values=waves).last_hidden_state  # (rows, length, D)
            hidden = hidden.to(found.dtype)
            hidden[rows] = nn.functional.pad(found, (0, 0, 0, hidden.shape[1] - length))
        return hidden

    def blocks(self) -> Sequence[nn.Module]:
        return layers(self.body.encoder)  # type: ignore[arg-type]


class ClapBody(SoundBody):
    """The sound half of CLAP (Wu et al. 2023): sounds of all kinds, ten seconds at most, as a grid of pitch and time.

    A shorter sound is repeated until ten seconds are full, as in its training.
    """

    def __init__(self, bundle: Bundle, options: Mapping[str, Any], *, where: str = "") -> None:
        super().__init__(bundle, options, where=where)
        config = make_config(bundle, {}, part="audio_config", where=where)
        self.body: nn.Module = build(bundle, "ClapAudioModel", config, where=where)
        self.spectra = self.extractor("ClapFeatureExtractor")
        self.source = self.listen(round(CLAP_STEP * self.rate), self.spectra.nb_max_samples / self.rate)
        with torch.no_grad():
            _, self.places, self.dim = self.hear(Tokens.full(torch.zeros(1, 1, *self.source.shape))).shape

    def forward(self, tokens: Tokens) -> Tokens:
        """`(B, T, H)` samples -> `(B, G, D)`."""
        rows = tokens.present
        values = torch.zeros(len(rows), self.places, self.dim, device=rows.device)
        if bool(rows.any()):
            found = self.hear(to_left(tokens)[0])
            values = values.to(found.dtype)
            values[rows] = found
        return Tokens(values, rows.unsqueeze(1).expand(-1, self.places))

    def hear(self, tokens: Tokens) -> Tensor:
        """`(b, t, H)` -> `(b, G, D)`."""
        waves = waveform(tokens)
        alone = [wave[mask].double().cpu().numpy() for wave, mask in zip(waves.values, waves.mask, strict=True)]
        # one by one: of several the extractor picks one at random, to be treated as long
        spectra = [self.spectra(wave, sampling_rate=self.rate)["input_features"][0] for wave in alone]
        features = torch.stack([torch.as_tensor(each, dtype=torch.float32) for each in spectra]).to(waves.values.device)
        longer = torch.zeros(len(features), 1, dtype=torch.bool, device=features.device)
        hidden = self.body(input_features=features, is_longer=longer).last_hidden_state  # (b, D, pitch, time)
        places: Tensor = rearrange(hidden, "b d h w -> b (h w) d")
        return places

    def blocks(self) -> Sequence[nn.Module]:
        return layers(self.body)


KINDS: dict[str, type[SoundBody]] = {
    "clap": ClapBody,
    "clap_audio_model": ClapBody,
    "data2vec-audio": WaveBody,
    "hubert": WaveBody,
    "wav2vec2": WaveBody,
    "wavlm": WaveBody,
    "whisper": WhisperBody,
}
"""Kinds of model, and what runs them."""


def make_audio(bundle: Bundle, options: Mapping[str, Any], *, where: str = "") -> SoundBody:
    """The body that hears, from a model's files.

    Raises:
        ConfigError: a kind of model that is not known here.
    """
    if bundle.kind not in KINDS:
        raise ConfigError(f"{where}: {bundle.folder}: {unknown('kind of sound model', bundle.kind, KINDS)}")
    return KINDS[bundle.kind](bundle, options, where=where)
