"""What an encoder is: tokens of one modality -> tokens of a width of its own.

An encoder must keep to the mask: a masked slot's content, the amount of padding and the other rows of the
batch change nothing for a row, and a missing row gives zeros. `sensemble.testing.check_encoder` checks it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import nn

from ..errors import ConfigError
from ..modalities.base import MODALITIES, Modality
from ..registry import Registry, check
from ..tokens import Tokens


@dataclass(frozen=True)
class Pace:
    """How fast and from when on a parameter learns.

    Args:
        rate: factor of the learning rate.
        start: share of the training, 0 to 1, before which it stands still.
    """

    rate: float = 1.0
    start: float = 0.0


class Encoder(nn.Module, ABC):
    """Turns `Tokens (B, T, *modality.shape)` into `Tokens (B, T', dim)`.

    The first argument is the fitted modality; keyword-only arguments are options. `T'` may differ from `T`
    (an image of one token becomes a grid of many).
    """

    dim: int

    @classmethod
    def modality(
        cls, kind: str, options: Mapping[str, Any], encoder: Mapping[str, Any], *, where: str = ""
    ) -> Modality:
        """The modality, not yet fitted, of an input that this encoder reads.

        Most encoders take what the config says. One that was trained elsewhere brings its own tokenizer, picture
        size or sample rate; a frozen one does all its work here, once a value (see `frozen.py`).

        Args:
            kind: the modality's registered name.
            options: of the modality, from the config.
            encoder: the encoder's own options.
            where: the config key, for messages.
        """
        return MODALITIES.create(kind, where=where, **options)

    def paces(self) -> dict[str, Pace]:
        """How parameters learn that do not learn at the config's rate from the first step, by their name in here."""
        return {}

    def given(self) -> set[str]:
        """Names of the state in here that a pretrained body brings and training leaves alone: never saved."""
        return set()

    @abstractmethod
    def forward(self, tokens: Tokens) -> Tokens: ...


_ENCODERS: dict[str, Registry[Encoder]] = {}
Class = TypeVar("Class", bound=type[Encoder])


def encoders(modality: str) -> Registry[Encoder]:
    """The encoders that read a modality, by name."""
    if modality not in _ENCODERS:
        _ENCODERS[modality] = Registry(f"{modality} encoder", package="sensemble.encoders")
    return _ENCODERS[modality]


def register(name: str, *modalities: str) -> Callable[[Class], Class]:
    """Makes a class known as an encoder of the given modalities: `@register("lstm", "text", "vector")`."""

    def add(cls: Class) -> Class:
        for modality in modalities:
            encoders(modality).register(name)(cls)
        return cls

    return add


def create(kind: str, modality: Modality, spec: Mapping[str, Any], *, where: str) -> Encoder:
    """Builds the encoder that `spec` (name and options) asks for, or the modality's default one."""
    name, options = _named(kind, spec, where)
    return encoders(kind).create(name, modality, where=where, **options)


def create_modality(kind: str, options: Mapping[str, Any], spec: Mapping[str, Any], *, where: str) -> Modality:
    """The modality, not yet fitted, of an input whose encoder `spec` asks for.

    Args:
        kind: the modality's registered name.
        options: of the modality.
        spec: the encoder's name and options.
        where: the input's config key, for messages.
    """
    name, own = _named(kind, spec, f"{where}.encoder")
    try:
        cls = encoders(kind)[name]
    except ConfigError as error:
        raise ConfigError(f"{where}.encoder: {error}") from None
    return cls.modality(kind, options, check(cls, own, where=f"{where}.encoder ({name})"), where=where)


def _named(kind: str, spec: Mapping[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    """An encoder's name, by default the modality's, and its options."""
    if kind not in MODALITIES:
        raise ConfigError(f"{where}: {MODALITIES.unknown(kind)}")
    return spec.get("name", MODALITIES[kind].encoder), {key: value for key, value in spec.items() if key != "name"}
