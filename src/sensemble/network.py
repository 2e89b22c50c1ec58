"""The whole model: encode each input, project to one width, fuse. The head belongs to the task.

Reading order for the system: `tokens.py`, this file, `tasks/base.py`, `train.py`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from torch import nn

from .encoders.base import Encoder, Pace
from .fusion.base import Fusion
from .modalities.base import Modality
from .tokens import NOTHING, Tokens


class Network(nn.Module):
    """Encoders, projections, a fusion and a head.

    Args:
        modalities: the fitted modality of each input.
        encoders: one encoder an input, under the same names.
        fusion: joins the projected tokens; its width is the network's.
        head: reads the fused tokens; made by the task.
    """

    def __init__(
        self,
        modalities: Mapping[str, Modality],
        encoders: Mapping[str, Encoder],
        fusion: Fusion,
        head: nn.Module,
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

    def encode(self, inputs: Mapping[str, Tokens]) -> dict[str, Tokens]:
        """Raw tokens of any subset of the inputs -> tokens `(B, T_i, D)` of the common width."""
        encoded = {}
        for name, tokens in inputs.items():
            if name == NOTHING:
                encoded[name] = tokens
                continue
            tokens = self.modalities[name].prepare(tokens.clean(), training=self.training)
            tokens = self.encoders[_key(name)](tokens)
            encoded[name] = tokens.with_values(self.project[_key(name)](tokens.values))
        return encoded

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
