"""What an encoder is: tokens of one modality -> tokens of a width of its own.

An encoder must keep to the mask: a masked slot's content, the amount of padding and the other rows of the
batch change nothing for a row, and a missing row gives zeros. `sensemble.testing.check_encoder` checks it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

from ..errors import ConfigError
from ..modalities.base import MODALITIES, Modality
from ..registry import Registry
from ..tokens import Tokens


class Encoder(nn.Module, ABC):
    """Turns `Tokens (B, T, *modality.shape)` into `Tokens (B, T', dim)`.

    The first argument is the fitted modality; keyword-only arguments are options. `T'` may differ from `T`
    (an image of one token becomes a grid of many).
    """

    dim: int

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


def create(kind: str, modality: Modality, spec: dict[str, Any], *, where: str) -> Encoder:
    """Builds the encoder that `spec` (name and options) asks for, or the modality's default one."""
    if kind not in MODALITIES:
        raise ConfigError(f"{where}: {MODALITIES.unknown(kind)}")
    name = spec.get("name", type(modality).encoder)
    options = {key: value for key, value in spec.items() if key != "name"}
    return encoders(kind).create(name, modality, where=where, **options)
