"""MiniLM by its name: a sentence encoder in the form of transformers, with weights that are kept here."""

from __future__ import annotations

from typing import Any

from .. import weights
from .backbone import Backbone, register_backbone
from .hf.load import load_backbone


@register_backbone("minilm", "text")
def load_minilm(**options: Any) -> Backbone:
    """all-MiniLM-L6-v2 (Reimers & Gurevych 2019; Wang et al. 2020): English, 384 numbers a token.

    Raises:
        ConfigError: its weights are not here; names the command.
    """
    return load_backbone("text", str(weights.find("minilm")), options, where="minilm")
