"""From the name of a pretrained model to its body: registered, in a folder, or on the hub; the last ones are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import ConfigError
from ...modalities.base import MODALITIES
from ...registry import check
from ..backbone import BACKBONES, Backbone
from .audio import make_audio
from .bundle import Bundle, find
from .image import ImageBody
from .text import TextBody
from .video import PerFrame, make_video, of_pictures

KEPT = 2
"""Bodies of folders and of the hub that stay in memory for whoever asks for them again."""
_kept: OrderedDict[tuple[Any, ...], Backbone] = OrderedDict()

FAMILIES: dict[str, Callable[..., Backbone]] = {
    "text": TextBody,
    "image": ImageBody,
    "audio": make_audio,
    "video": make_video,
}
"""By modality: what makes a body from a bundle and the modality's options."""


def load_backbone(kind: str, model: str, options: Mapping[str, Any], *, where: str = "") -> Backbone:
    """A pretrained body by its name. Whoever trains it copies it first: others may hold the same one.

    Args:
        kind: the modality's registered name.
        model: a folder, a registered name, or the ID of a model on the hub.
        options: of the modality.
        where: the config key of the input, for messages.

    Raises:
        ConfigError: no such model, one that cannot be read, or an option that does not suit it.
    """
    if kind in MODALITIES:
        options = check(MODALITIES[kind], options, where=f"{where} ({kind})")
    if (kind, model) in BACKBONES:
        return _registered(kind, model, options, where)
    if kind == "video" and ("image", model) in BACKBONES:
        return PerFrame(load_backbone("image", model, of_pictures(options), where=where), options)
    names = [name for modality, name in BACKBONES if modality == kind or (modality, kind) == ("image", "video")]
    bundle = find(model, names=names, where=where)
    settings = tuple(sorted((key, repr(value)) for key, value in options.items()))
    return _keep((kind, bundle.folder, bundle.digest, settings), lambda: make(kind, bundle, options, where=where))


def make(kind: str, bundle: Bundle, options: Mapping[str, Any], *, where: str = "") -> Backbone:
    """The body that reads a modality, from a model's files."""
    if kind not in FAMILIES:
        raise ConfigError(f"{where}: there are no pretrained encoders of {kind}; there are of {', '.join(FAMILIES)}")
    return FAMILIES[kind](bundle, options, where=where)


def _registered(kind: str, model: str, options: Mapping[str, Any], where: str) -> Backbone:
    try:
        return BACKBONES[kind, model](**options)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _keep(key: tuple[Any, ...], load: Callable[[], Backbone]) -> Backbone:
    if key not in _kept:
        _kept[key] = load()
    _kept.move_to_end(key)
    while len(_kept) > KEPT:
        _kept.popitem(last=False)
    return _kept[key]
