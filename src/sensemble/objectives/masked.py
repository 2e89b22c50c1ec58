"""Masked modelling: parts of each input are hidden, and told from what is left of all inputs.

Legend: B batch, T tokens, P hidden places, D width, F numbers a place holds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ConfigError
from ..modalities.base import Modality
from ..network import Network
from ..nn.attention import Attention
from ..nn.transformer import sinusoids
from ..stages.view import view
from ..tokens import Batch, Tokens
from .base import OBJECTIVES, Objective

HIDDEN = 0
"""The id that stands in place of a hidden one: a blank text's, an unknown category's."""


@OBJECTIVES.register("masked")
class Masked(Objective):
    """Hides words, patches of pictures, frames of sound, steps of features, and learns to tell them.

    Words as in BERT (Devlin et al. 2019), patches as in masked autoencoders (He et al. 2022), their values
    normalised. A small decoder asks for each hidden place: it attends to the encoded tokens of all inputs, so that one
    input may tell what is hidden in another. An input of a single token (a number, a frozen encoder's summary) is
    told from the others alone. Encoders learn; the fusion takes no part.

    Args:
        share: of ids that are hidden.
        patches: share of patches, frames and steps that are hidden.
        grid: patches along each side of a picture.
    """

    def __init__(self, *, share: float = 0.15, patches: float = 0.5, grid: int = 4) -> None:
        for key, value in (("share", share), ("patches", patches)):
            if not 0 < value < 1:
                raise ConfigError(f"masked: {key} is a share, above 0 and below 1, not {value:g}")
        if grid < 1:
            raise ConfigError(f"masked: grid must be at least 1, not {grid}")
        self.share, self.patches, self.grid = share, patches, grid

    def head(self, network: Network, names: Sequence[str]) -> nn.Module:
        places = {name: self._veil(network.modalities[name]) for name in names}
        return Teller({name: veil.outputs for name, veil in places.items()}, network.fusion.width)

    def loss(self, network: Network, batch: Batch) -> Tensor:
        veils = {name: self._veil(network.modalities[name]) for name in batch.inputs}
        inputs = {
            name: Tokens(tokens.values, tokens.mask) for name, tokens in batch.inputs.items()
        }  # each row by itself
        encoded = view(network, modalities=cast(dict[str, Modality], veils)).encode(inputs)
        teller = network.head
        assert isinstance(teller, Teller)
        context = Tokens.cat(encoded.values())
        losses = [
            veil.error(told, wanted)
            for name, veil in veils.items()
            for told, wanted in [teller(name, encoded[name], context, veil.hidden, veil.wanted)]
            if len(told)
        ]
        return torch.stack(losses).mean() if losses else context.values.sum() * 0

    def _veil(self, modality: Modality) -> Veil:
        return Veil(modality, self.patches if modality.dtype.is_floating_point else self.share, self.grid)


class Veil:
    """A modality that hides part of what it prepares, and remembers what it hid.

    Args:
        modality: the modality itself.
        share: of places that are hidden.
        grid: patches along each side of a picture.

    Attributes:
        hidden: `(B, P)` bool, of the last batch, a place being a token or a patch of one.
        wanted: `(B, P)` ids, or `(B, P, F)` values.
    """

    hidden: Tensor
    wanted: Tensor

    def __init__(self, modality: Modality, share: float, grid: int) -> None:
        self.modality, self.share = modality, share
        shape = modality.shape
        self.ids = not shape and not modality.dtype.is_floating_point
        self.grid = min(grid, *shape[-2:]) if len(shape) == 3 else 0
        if self.ids:
            self.outputs = modality.num_tokens
        elif self.grid:
            self.outputs = shape[0] * (shape[1] // self.grid) * (shape[2] // self.grid)
        else:
            self.outputs = math.prod(shape)

    def prepare(self, tokens: Tokens, *, training: bool) -> Tokens:
        tokens = self.modality.prepare(tokens, training=training)
        mask = tokens.mask
        self.wanted, values = (self._cut(tokens.values), tokens.values) if self.grid else (tokens.values, tokens.values)
        if self.grid:
            mask = mask.repeat_interleave(self.grid**2, 1)  # (B, T) -> (B, T·G·G)
        elif not self.ids:
            self.wanted = values.flatten(2)
        self.hidden = mask & (torch.rand(mask.shape) < self.share).to(mask.device)
        if self.ids:
            return Tokens(values.masked_fill(self.hidden, HIDDEN), tokens.mask)
        if not self.grid:
            return Tokens(values.masked_fill(self.hidden.view(*mask.shape, *[1] * (values.dim() - 2)), 0), tokens.mask)
        high, wide = values.shape[-2] // self.grid, values.shape[-1] // self.grid
        tiles = rearrange(self.hidden, "b (t y x) -> b t 1 y x", y=self.grid, x=self.grid)
        tiles = tiles.repeat_interleave(high, -2).repeat_interleave(wide, -1)  # (B, T, 1, G·h, G·w)
        rest = (0, values.shape[-1] - tiles.shape[-1], 0, values.shape[-2] - tiles.shape[-2])
        return Tokens(values.masked_fill(F.pad(tiles, rest, value=False), 0), tokens.mask)

    def _cut(self, values: Tensor) -> Tensor:
        """`(B, T, C, H, W)` -> `(B, T·G·G, F)`; a rest at the edges is never hidden."""
        high, wide = values.shape[-2] // self.grid, values.shape[-1] // self.grid
        whole = values[..., : high * self.grid, : wide * self.grid]
        return rearrange(whole, "b t c (y h) (x w) -> b (t y x) (c h w)", y=self.grid, x=self.grid)

    def error(self, told: Tensor, wanted: Tensor) -> Tensor:
        """The mean loss of hidden places; about 1 for who knows nothing, whatever they hold.

        Args:
            told: `(P, F)` what the decoder says.
            wanted: `(P,)` ids or `(P, F)` values.
        """
        if self.ids:
            return F.cross_entropy(told.float(), wanted) / math.log(max(self.outputs, 2))
        if self.outputs > 1:
            wanted = F.layer_norm(wanted.float(), wanted.shape[-1:])
        return F.mse_loss(told.float(), wanted.float())


class Teller(nn.Module):
    """The decoder: says what stood at hidden places, by attention to encoded tokens.

    Args:
        outputs: numbers that it says of a place, by input.
        width: D.
    """

    def __init__(self, outputs: dict[str, int], width: int) -> None:
        super().__init__()
        self.names = list(outputs)
        self.which = nn.Parameter(torch.randn(len(outputs), width) * 0.02)
        self.attention = Attention(width, heads=4 if width % 4 == 0 else 1)
        self.body = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.out = nn.ModuleList(nn.Linear(width, count) for count in outputs.values())

    def forward(self, name: str, own: Tokens, context: Tokens, hidden: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """What it says of the hidden places of an input, `(n, F)`, and what stood there.

        Args:
            name: of the input.
            own: its encoded tokens.
            context: those of all inputs, `(B, T, D)`.
            hidden: `(B, P)`.
            wanted: `(B, P, ...)`.
        """
        place = self.names.index(name)
        marks = sinusoids(hidden.shape[1], context.values.shape[-1], like=context.values)
        queries = (marks + self.which[place]).expand(len(hidden), -1, -1)  # (B, P, D)
        if own.mask.shape == hidden.shape and hidden.shape[1] > 1:
            queries = queries + own.values  # the encoder kept the places: its token there knows most
        found = queries + self.attention(queries, context)
        found = found[hidden]  # (n, D)
        return self.out[place](found + self.body(found)), wanted[hidden]
