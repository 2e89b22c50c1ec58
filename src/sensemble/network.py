"""The whole model: encode each input, project to one width, fuse. The head belongs to the task.

Reading order for the system: `tokens.py`, this file, `tasks/base.py`, `train.py`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .encoders.base import Encoder, Pace
from .fusion.base import Fusion
from .impute import Imputer
from .modalities.base import Modality
from .tokens import NOTHING, Tokens


class Network(nn.Module):
    """Encoders, projections, a fusion and a head.

    Args:
        modalities: the fitted modality of each input.
        encoders: one encoder an input, under the same names.
        fusion: joins the projected tokens; its width is the network's.
        head: reads the fused tokens; made by the task.
        imputers: for inputs whose absent values are guessed.
    """

    def __init__(
        self,
        modalities: Mapping[str, Modality],
        encoders: Mapping[str, Encoder],
        fusion: Fusion,
        head: nn.Module,
        imputers: Mapping[str, Imputer] | None = None,
    ) -> None:
        super().__init__()
        assert set(modalities) == set(encoders) == set(fusion.names)
        self.modalities = dict(modalities)
        self.encoders = nn.ModuleDict({_key(name): encoder for name, encoder in encoders.items()})
        self.project = nn.ModuleDict(
            {
                _key(name): nn.Sequential(nn.Linear(encoder.dim, fusion.width), nn.LayerNorm(fusion.width))
                for name, encoder in encoders.items()
            }
        )
        self.fusion = fusion
        self.head = head
        self.imputers = nn.ModuleDict({_key(name): imputer for name, imputer in (imputers or {}).items()})

    def encode(self, inputs: Mapping[str, Tokens]) -> dict[str, Tokens]:
        """Raw tokens of any subset of the inputs -> tokens `(B, T_i, D)` of the common width.

        Where inputs are imputed, what a row lacks is guessed from what it has, also an input that is not given; a row
        that has none at all stays as it is.
        """
        encoded = {}
        inputs, guessed = self._imputed(inputs)
        for name, tokens in inputs.items():
            if name == NOTHING:
                encoded[name] = tokens
                continue
            encoded[name] = tokens.once(lambda distinct, name=name: self._encode(name, distinct))  # type: ignore[misc]
            if name in guessed:
                flag = self._imputer(name).flag * guessed[name].view(-1, 1, 1)
                encoded[name] = encoded[name].with_values(encoded[name].values + flag)
        return encoded

    def fit_imputers(self, inputs: Mapping[str, Tokens]) -> None:
        """Fits what guesses absent inputs, on training rows' raw tokens."""
        for name in self.modalities:
            if _key(name) in self.imputers:
                others = {other: tokens for other, tokens in inputs.items() if other != name}
                self._imputer(name).fit(inputs[name], others)

    def _imputer(self, name: str) -> Imputer:
        found = self.imputers[_key(name)]
        assert isinstance(found, Imputer)
        return found

    def _imputed(self, inputs: Mapping[str, Tokens]) -> tuple[dict[str, Tokens], dict[str, Tensor]]:
        """The inputs with absent ones filled, and which rows of which were, `(B,)` bool."""
        filled: dict[str, Tokens] = dict(inputs)
        guessed: dict[str, Tensor] = {}
        if not self.imputers:
            return filled, guessed
        some = next(iter(inputs.values()))
        bare = ~torch.stack([tokens.present for tokens in inputs.values()]).any(0)
        for name, modality in self.modalities.items():
            if _key(name) not in self.imputers:
                continue
            own = inputs.get(name)
            if own is None:
                own = modality.collate([None] * len(some)).to(some.mask.device)
            others = {other: tokens for other, tokens in inputs.items() if other != name}
            tokens, rows = self._imputer(name)(own, others)
            filled[name], guessed[name] = tokens.hide(bare), rows & ~bare
        return {name: filled[name] for name in self.modalities if name in filled}, guessed

    def _encode(self, name: str, tokens: Tokens) -> Tokens:
        tokens = self.modalities[name].prepare(tokens.clean(), training=self.training)
        tokens = self.encoders[_key(name)](tokens)
        return tokens.with_values(self.project[_key(name)](tokens.values))

    def forward(self, inputs: Mapping[str, Tokens]) -> Tokens:
        """Raw tokens by input name -> fused tokens `(B, T, D)`."""
        fused: Tokens = self.fusion(self.encode(inputs))
        return fused

    def projection(self, name: str) -> nn.Module:
        """What brings an input's encoded tokens to the common width: a linear map, then a norm."""
        return self.project[_key(name)]

    def parts(self, name: str) -> tuple[nn.Module, ...]:
        """What belongs to one input alone: its encoder and its projection."""
        return self.encoders[_key(name)], self.projection(name)

    def prefixes(self, name: str) -> tuple[str, ...]:
        """What the names of these parts' state begin with."""
        return f"encoders.{_key(name)}.", f"project.{_key(name)}."

    def drop(self, name: str, rate: float) -> None:
        """Sets features of an input's encoder to zero at random in training, before they come to the common width."""
        parts = dict(self.project[_key(name)].named_children())
        self.project[_key(name)] = nn.Sequential(OrderedDict({"drop": nn.Dropout(rate), **parts}))

    def paces(self) -> dict[str, Pace]:
        """Which parameters, by name, do not learn at the config's rate from the first step."""
        return {
            f"encoders.{key}.{name}": pace
            for key, encoder in self.encoders.items()
            for name, pace in encoder.paces().items()  # type: ignore[operator]
        }

    def passing(self) -> set[str]:
        """Names of the state that only a training needs that is to be resumed: modules name it in `passing_state`."""
        found: set[str] = set()
        for place, module in self.named_modules():
            found |= {f"{place}.{name}" for name in getattr(module, "passing_state", ())}
        return found

    def given(self) -> set[str]:
        """Names of the state that pretrained bodies bring and training leaves alone: it is saved nowhere."""
        return {
            f"encoders.{key}.{name}"
            for key, encoder in self.encoders.items()
            for name in encoder.given()  # type: ignore[operator]
        }


def _key(name: str) -> str:
    """An input's name as a module key: modules may not hold dots, nor be called like their attributes."""
    return "input_" + name.replace(".", "_dot_")
