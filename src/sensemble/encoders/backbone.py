"""What a pretrained body is, wherever it comes from: fed by a modality of its own, giving tokens, cut in blocks.

Legend: B batch, T tokens in, T' tokens out, D width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from ..modalities.base import Modality
from ..tokens import Tokens

Pool = Literal["tokens", "cls", "mean"]
"""Which tokens of a body are used: all of them, its summary alone, or their mean."""


class Backbone(nn.Module, ABC):
    """A body trained elsewhere.

    Attributes:
        dim: D, width of its tokens.
        source: what it must be fed with: a modality that holds its tokenizer, picture size or sample rate.
        digest: tells its weights and settings; equal digests give equal features.
        files: small text files by name that rebuild it without its weights; none where only its name does.
    """

    dim: int
    source: Modality
    digest: str
    files: Mapping[str, str] | None = None

    @abstractmethod
    def forward(self, tokens: Tokens) -> Tokens:
        """Tokens as `source.prepare` gives them -> all tokens of the body, `(B, T', D)`; masked slots are zero.

        Padding and the other rows of the batch change nothing; a missing row stays missing.
        """

    def summary(self, encoded: Tokens) -> Tensor:
        """`(B, D)`: the body's own summary of a row; by default its first token."""
        return encoded.values[:, 0]

    def blocks(self) -> Sequence[nn.Module]:
        """The body's layers from the bottom up: for tuning the last few, for learning rates and for thawing.

        Parameters registered before the first layer (embeddings) lie below it, all others outside go with the last.
        """
        return []

    def summary_parameters(self) -> Iterable[nn.Parameter]:
        """What only the summary needs."""
        return []

    def copy(self, folder: Path) -> bool:
        """Writes its files and weights to a folder that can take its name's place. Returns whether it has any."""
        return False


def pool(backbone: Backbone, encoded: Tokens, how: Pool) -> Tokens:
    """A body's tokens as its encoder gives them: all of them, or one a row."""
    if how == "tokens":
        return encoded
    vectors = encoded.mean() if how == "mean" else backbone.summary(encoded)
    return Tokens(vectors.unsqueeze(1), encoded.present.unsqueeze(1)).clean()  # (B, 1, D)


def encode(backbone: Backbone, tokens: Tokens, how: Pool) -> Tokens:
    """Raw tokens of `backbone.source` -> pooled features, without gradients."""
    with torch.inference_mode():
        prepared = backbone.source.prepare(tokens.clean(), training=False)
        return pool(backbone.eval(), backbone(prepared), how)


def copy_body(backbone: Backbone, folder: Path) -> Path:
    """Copies a body's files to `pretrained/DIGEST` in a folder. Returns that place.

    Raises:
        ConfigError: it has none.
    """
    target = folder / "pretrained" / backbone.digest
    if not backbone.copy(target):
        raise ConfigError("this pretrained model has no folder to copy: it is there wherever its name is known")
    return target


Made = TypeVar("Made", bound=Callable[..., Backbone])
BACKBONES: dict[tuple[str, str], Callable[..., Backbone]] = {}
"""By modality and name: what makes a body that is no model of the hub; its options are the modality's."""


def register_backbone(name: str, kind: str) -> Callable[[Made], Made]:
    """Makes a body known: `@register_backbone("efficientnet_lite0", "image")` before the function that loads it."""

    def add(make: Made) -> Made:
        BACKBONES[kind, name] = make
        return make

    return add
