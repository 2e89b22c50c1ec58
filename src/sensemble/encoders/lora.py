"""LoRA: a pretrained body stays as it is, and small matrices beside its attention layers learn (Hu et al. 2021)."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..errors import ConfigError
from .backbone import Backbone


def add_lora(backbone: Backbone, *, rank: int, alpha: float) -> None:
    """Puts a product of two small matrices beside each linear map in the attention layers; only these learn.

    They give nothing at first, so the body starts as it was.

    Args:
        backbone: changed in place.
        rank: inner width of a product.
        alpha: its weight, times `rank`.

    Raises:
        ConfigError: no attention layers, or `peft` is not installed.
    """
    try:
        import peft
        from transformers.pytorch_utils import Conv1D
    except ImportError as error:
        raise ConfigError(
            "tune: lora needs the package 'peft'; install it: pip install 'sensemble[pretrained]'"
        ) from error
    targets = [
        name
        for name, module in backbone.named_modules()
        if type(module) in (nn.Linear, Conv1D) and any("att" in part.lower() for part in name.split(".")[:-1])
    ]
    if not targets:
        raise ConfigError("tune: lora needs a model with attention layers; take `last_k` or `full` for this one")
    turned = any(isinstance(backbone.get_submodule(name), Conv1D) for name in targets)
    backbone.requires_grad_(False)
    scale: Any = alpha  # a fraction is fine, whatever the library's types say
    settings = peft.LoraConfig(r=rank, lora_alpha=scale, target_modules=targets, fan_in_fan_out=turned)
    peft.inject_adapter_in_model(settings, backbone)
