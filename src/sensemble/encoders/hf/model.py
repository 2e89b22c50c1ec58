"""Building transformers models from a bundle: quietly, in float32, whole or not at all; and what their bodies share.

Legend: B batch, T tokens, b rows with a token, t the most real tokens of a row, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ...tokens import Tokens
from ..backbone import Backbone
from .bundle import Bundle, need

SPARE = ("mask_token", "masked_spec_embed", "mel_conv2d", "fusion_model")
"""Parameters and parts that only pretraining uses, or only what is never asked of a model here."""


class HubBody(Backbone):
    """A body made from a bundle.

    Args:
        bundle: the model's files.
    """

    def __init__(self, bundle: Bundle) -> None:
        super().__init__()
        self.bundle = bundle
        self.digest, self.files = bundle.digest, bundle.files

    def copy(self, folder: Path) -> bool:
        self.bundle.copy(folder)
        return True


def make_config(bundle: Bundle, changes: Mapping[str, Any], *, part: str = "", where: str = "") -> Any:
    """The model's config.

    Args:
        bundle: whose config.
        changes: settings of our own on top.
        part: of a model of several, such as `vision_config`; taken where there is one.
        where: the config key, for messages.

    Raises:
        ConfigError: an architecture that is not known here, or settings that cannot be.
    """
    transformers = need("transformers")
    if bundle.kind not in transformers.CONFIG_MAPPING:
        raise ConfigError(
            f"{where}: {bundle.folder} is of the kind {bundle.kind!r}, which this transformers "
            f"({transformers.__version__}) does not know; code that comes with a model is never run"
        )
    given = bundle.config
    if "quantization_config" in given:
        raise ConfigError(f"{where}: {bundle.folder} holds quantised weights; give the model in its full precision")
    try:
        with quiet():
            config = transformers.CONFIG_MAPPING[bundle.kind].from_dict(given)
            config = getattr(config, part, config) if part else config
            for key, value in {"return_dict": True, "use_cache": False, **changes}.items():
                if hasattr(config, key):
                    setattr(config, key, value)
    except Exception as error:  # each config checks its values in its own way
        raise ConfigError(f"{where}: {bundle.folder}: config.json cannot be ({_first(error)})") from error
    return config


def build(bundle: Bundle, name: str, config: Any, *, drop: Sequence[str] = ("pooler",), where: str = "") -> Any:
    """A model in evaluation, with its weights, or untrained where the bundle has none.

    Chance is left as it was.

    Args:
        bundle: whose weights.
        name: of the class in transformers.
        config: of the model.
        drop: parts that are not used, by attribute; they are left out.
        where: the config key, for messages.

    Raises:
        ConfigError: the weights are damaged, or not this model's.
    """
    transformers = need("transformers")
    cls = getattr(transformers, name)
    with quiet(), torch.random.fork_rng(devices=[]):
        if bundle.folder is None:
            model = cls.from_config(config) if name == "AutoModel" else cls(config)
        else:
            try:
                model, info = cls.from_pretrained(
                    bundle.folder,
                    config=config,
                    use_safetensors=True,
                    local_files_only=True,
                    trust_remote_code=False,
                    dtype=torch.float32,
                    output_loading_info=True,
                )
            except Exception as error:  # damaged files raise whatever they like
                raise ConfigError(f"{where}: {bundle.folder} cannot be loaded as {name} ({_first(error)})") from error
            lacking = sorted(key for key in info["missing_keys"] if not _spare(key, drop))
            if lacking:
                raise ConfigError(
                    f"{where}: the weights in {bundle.folder} are not those of a {type(model).__name__}: "
                    f"{len(lacking)} are missing, such as {lacking[0]}"
                )
    for part in drop:
        if next(iter((getattr(model, part, None) and getattr(model, part).parameters()) or ()), None) is not None:
            setattr(model, part, None)
    for key, parameter in model.named_parameters():
        if _spare(key, ()):
            parameter.requires_grad_(False)
    return model.float().eval()


def to_left(tokens: Tokens) -> tuple[Tokens, Tensor]:
    """The rows that have a token, their real tokens first; and where those came from.

    Returns:
        `(b, t, ...)`, t the most real tokens of a row, and their places `(b, t)`.
    """
    rows = tokens.present
    values, mask = tokens.values[rows], tokens.mask[rows]
    order = (~mask).long().argsort(dim=1, stable=True)[:, : int(mask.sum(1).max()) if len(mask) else 0]  # (b, t)
    moved = values[torch.arange(len(order), device=order.device).unsqueeze(1), order]
    return Tokens(moved, mask.gather(1, order)).clean(), order


def to_places(hidden: Tensor, order: Tensor, tokens: Tokens) -> Tokens:
    """Undoes `to_left` for what was made of its tokens: `(b, t, D) -> (B, T, D)` in their places."""
    rows = tokens.present
    back = hidden.new_zeros(len(hidden), tokens.mask.shape[1], hidden.shape[2])  # (b, T, D)
    back = back.scatter(1, order.unsqueeze(-1).expand_as(hidden), hidden)
    values = hidden.new_zeros(len(rows), *back.shape[1:])
    values[rows] = back
    return tokens.with_values(values)


def layers(model: nn.Module) -> Sequence[nn.Module]:
    """A model's layers from the bottom up: the list of modules that holds most of its parameters."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    sizes = [sum(parameter.numel() for parameter in each.parameters()) for each in lists]
    return list(lists[sizes.index(max(sizes))]) if lists else []


@contextmanager
def quiet() -> Iterator[None]:
    """Without the library's notices and bars: what matters of them is raised."""
    logging = need("transformers").utils.logging
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _spare(key: str, drop: Sequence[str]) -> bool:
    return any(part in drop or part in SPARE for part in key.split("."))


def _first(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
