"""Encoders of sounds: convolutions over time and pitch that keep to the mask.

Legend: B batch, T frames, F bands, C channels, T' and F' what strides leave of them, D the encoder's own width.

After every layer what is masked is zero, as it is beyond the edge, and norms see one frame at a time: so neither
padding nor the other rows change anything.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from ..errors import ConfigError
from ..modalities.base import Modality
from ..nn.transformer import Transformer, sinusoids
from ..tokens import Tokens
from .base import Encoder, register


@register("cnn", "audio")
class AudioCNN(Encoder):
    """Convolutions over time and pitch, each stage halving both: small and quick to train from scratch.

    The first choice, for words, voices and noises alike. A token is what `2^stages` frames say.

    Args:
        channels: of each stage.
        dim: D.
        dropout: on the tokens.
    """

    def __init__(
        self,
        modality: Modality,
        *,
        channels: tuple[int, ...] = (16, 32, 64, 64),
        dim: int = 64,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.front = _Front(modality.shape[0], channels, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tokens) -> Tokens:
        found: Tokens = self.front(tokens)
        return found.with_values(self.dropout(found.values))


@register("transformer", "audio")
class AudioTransformer(Encoder):
    """Two halving convolutions, then a Transformer (as in Speech-Transformer, Dong et al. 2018).

    Every token, four frames or more, hears the whole sound: for speech, and what depends on order. Wants more data
    than `cnn`; cost grows with the square of the length.

    Args:
        dim: D.
        depth: layers.
        heads: attention heads; they divide `dim`.
        channels: of each convolution.
        dropout: on the tokens and in the layers.
    """

    def __init__(
        self,
        modality: Modality,
        *,
        dim: int = 64,
        depth: int = 2,
        heads: int = 4,
        channels: tuple[int, ...] = (16, 32),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.front = _Front(modality.shape[0], channels, dim)
        self.order = nn.Parameter(torch.tensor(1.0))  # how loud positions are beside the tokens
        self.dropout = nn.Dropout(dropout)
        self.body = Transformer(dim, depth=depth, heads=heads, dropout=dropout)

    def forward(self, tokens: Tokens) -> Tokens:
        found: Tokens = self.front(tokens)
        values = found.values + self.order * sinusoids(found.values.shape[1], self.dim, like=found.values)
        encoded: Tokens = self.body(found.with_values(self.dropout(values)))
        return encoded


class _Front(nn.Module):
    """`(B, T, F)` -> `(B, T', D)`: strided convolutions, then one linear map of what stands in a frame."""

    def __init__(self, bands: int, channels: tuple[int, ...], dim: int) -> None:
        super().__init__()
        if not channels or bands >> len(channels) < 1:
            raise ConfigError(f"{len(channels)} stages do not fit {bands} bands: each halves them; take 1 or more")
        self.stages = nn.ModuleList()
        for stage, (before, after) in enumerate(zip((1, *channels), channels, strict=False)):
            bands = (bands + 1) // 2
            # No norm at the entry: it would make loud and soft alike.
            self.stages.append(_Stage(before, after, bands if stage else None))
        self.out = nn.Linear(channels[-1] * bands, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Tokens) -> Tokens:
        tokens = tokens.clean()
        values, mask = tokens.values.unsqueeze(1), tokens.mask  # (B, 1, T, F)
        for stage in self.stages:
            mask = _halve(mask)
            values = stage(values).masked_fill(~mask[:, None, :, None], 0)  # (B, C, T', F')
        values = self.norm(self.out(rearrange(values, "b c t f -> b t (c f)")))
        return Tokens(values, mask).clean()


class _Stage(nn.Module):
    """A 3 x 3 convolution of stride 2, a norm over each frame, a rectifier: `(B, C, T, F)` -> `(B, C', T/2, F/2)`."""

    def __init__(self, before: int, after: int, bands: int | None) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(before, after, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm((after, bands)) if bands else None

    def forward(self, values: Tensor) -> Tensor:
        values = self.convolution(values)
        if self.norm is not None:
            values = rearrange(self.norm(rearrange(values, "b c t f -> b t c f")), "b t c f -> b c t f")
        return values.relu()


def _halve(mask: Tensor) -> Tensor:
    """`(B, T)` -> `(B, T')`: a token is real where one of its two frames is, T' half of T rounded up."""
    return functional.pad(mask, (0, mask.shape[1] % 2)).view(len(mask), -1, 2).any(2)
