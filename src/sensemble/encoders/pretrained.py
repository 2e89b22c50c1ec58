"""Encoders trained elsewhere: frozen, with LoRA, or tuned in part or whole.

Legend: B batch, T tokens, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from torch import nn

from ..errors import ConfigError
from ..modalities.base import Modality
from ..tokens import Tokens
from .backbone import Backbone, Pool, pool
from .base import Encoder, Pace, register
from .frozen import Frozen
from .hf import bundle, load
from .lora import add_lora
from .tuned import Tuned

Tune = Literal["frozen", "lora", "full", "last_k"]


@register("pretrained", "text", "image", "audio", "video")
class Pretrained(Encoder):
    """A pretrained model, with its own tokenizer, picture size or sample rate. The way to go with few rows.

    Frozen, its features are computed once a value and kept on disk: as cheap as ready-made vectors, but what the
    modality changes at random in training (`flip`, `shift`) is left out. The other ways run it in every step and pay
    only where the data differ from what it was trained on, and there are enough of them.

    Args:
        model: a folder with `config.json` and `model.safetensors`, a name that `sensemble weights` brought, or the ID
            of a model on the Hugging Face hub.
        tune: `frozen` leaves it as it is; `lora` trains small matrices beside its attention layers; `last_k` trains
            its last layers; `full` all of it.
        pool: which of its tokens are used: all `tokens`, for what attends to words or places; one a value, their
            `mean` or its own summary (`cls`; of a decoder, its last token), at a fraction of the memory.
        last: layers that learn, for `last_k`.
        rank: inner width of LoRA's matrices.
        alpha: weight of LoRA's matrices, times `rank`.
        rate: factor of the learning rate for its own weights: they need small steps.
        decay: factor of that rate from each layer to the one below (ULMFiT, Howard & Ruder 2018); 1 for all alike.
        thaw: share of the training over which layers join in, the highest first; 0 trains all from the start.
    """

    backbone: Backbone | None

    @classmethod
    def modality(
        cls, kind: str, options: Mapping[str, Any], encoder: Mapping[str, Any], *, where: str = ""
    ) -> Modality:
        """Features where the model stays frozen, else what the model reads."""
        make = partial(load.load_backbone, kind, encoder["model"], options, where=where)
        tune: Tune = encoder.get("tune", "frozen")
        if tune == "frozen":
            return Frozen(make(), pool=encoder.get("pool", "tokens"))
        if tune != "full":
            return Tuned(make)
        return Tuned(
            make,
            rebuild=lambda files, digest: load.make(kind, bundle.Bundle(files, None, digest), options, where=where),
        )

    def __init__(
        self,
        modality: Modality,
        *,
        model: str,
        tune: Tune = "frozen",
        pool: Pool = "tokens",
        last: int = 2,
        rank: int = 8,
        alpha: float = 16.0,
        rate: float = 0.05,
        decay: float = 1.0,
        thaw: float = 0.0,
    ) -> None:
        super().__init__()
        for key, number in (("last", last), ("rank", rank)):
            if number < 1:
                raise ConfigError(f"pretrained: {key} must be at least 1, not {number}")
        for key, factor in (("alpha", alpha), ("rate", rate), ("decay", decay)):
            if not factor > 0:
                raise ConfigError(f"pretrained: {key} must be above 0, not {factor:g}")
        if not 0 <= thaw < 1:
            raise ConfigError(f"pretrained: thaw is a share, from 0 to below 1, not {thaw:g}")
        self.pool, self.rate, self.decay, self.thaw = pool, 1.0 if tune == "lora" else rate, decay, thaw
        self._given: set[str] = set()
        if isinstance(modality, Frozen):
            self.backbone = None
            self.dim = modality.shape[0]
            return
        assert isinstance(modality, Tuned), "a pretrained encoder chooses its modality"
        self.backbone = body = modality.body()
        self.dim = body.dim
        if tune == "lora":
            add_lora(body, rank=rank, alpha=alpha)
        elif tune == "last_k":
            depth = len(body.blocks())
            if last > depth:
                raise ConfigError(f"pretrained: last must be at most {depth}, the model's layers, not {last}")
            for name, level in levels(body).items():
                if level <= depth - last:
                    body.get_parameter(name).requires_grad_(False)
        if pool != "cls":
            for parameter in body.summary_parameters():
                parameter.requires_grad_(False)
        if tune != "full":
            learning = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
            self._given = set(self.state_dict()) - learning

    def forward(self, tokens: Tokens) -> Tokens:
        """What the modality prepared -> `(B, T, D)`; T is 1 unless all tokens are wanted."""
        if self.backbone is None:
            return tokens.clean()
        return pool(self.backbone, self.backbone(tokens.clean()), self.pool)

    def paces(self) -> dict[str, Pace]:
        """Smaller steps and a later start the lower a layer lies."""
        if self.backbone is None:
            return {}
        found = {
            name: level
            for name, level in levels(self.backbone).items()
            if self.backbone.get_parameter(name).requires_grad
        }
        top, bottom = max(found.values(), default=0), min(found.values(), default=0)
        return {
            f"backbone.{name}": Pace(
                rate=self.rate * self.decay ** (top - level),
                start=self.thaw * (top - level) / max(top - bottom, 1),
            )
            for name, level in found.items()
        }

    def given(self) -> set[str]:
        """All but what learns; nothing where the whole body does."""
        return self._given

    def train(self, mode: bool = True) -> Pretrained:
        """Batch norms stay as they were pretrained: else the other rows of a batch would change a row's result."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self


def levels(body: Backbone) -> dict[str, int]:
    """How high each parameter lies: 0 below the first layer, then by layer; what stands behind them, with the last."""
    height = {id(p): level for level, block in enumerate(body.blocks(), 1) for p in block.parameters()}
    top = max(height.values(), default=0)
    result, begun = {}, not height
    for name, parameter in body.named_parameters():
        begun = begun or id(parameter) in height
        result[name] = height.get(id(parameter), top if begun else 0)
    return result
