"""Fusions that keep a stream of tokens for each input and let the streams exchange what they know.

Legend: B batch, N inputs, T tokens of an input, S tokens that are shared, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from ..nn.transformer import Layer, Transformer
from ..tokens import Tokens
from .base import FUSIONS, Fusion


@FUSIONS.register("bottleneck")
class Bottleneck(Fusion):
    """Streams that exchange through a few shared tokens only (Nagrani et al. 2021, MBT).

    In each layer every input's tokens and the shared ones attend to each other; what the inputs present made of the
    shared ones is averaged. The bottleneck forces each stream to condense what it passes on, at much less cost than
    `transformer` where inputs are long. Cost: N·(T+S)²·depth.

    Args:
        depth: number of layers.
        shared: S, number of shared tokens.
        heads: attention heads; they divide the width.
        dropout: in the layers.
    """

    def __init__(
        self,
        names: Sequence[str],
        width: int,
        *,
        depth: int = 2,
        shared: int = 4,
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(names, width)
        if shared < 1:
            raise ConfigError(f"fusion.shared: must be at least 1, not {shared}")
        self.shared = nn.Parameter(torch.randn(shared, width) * 0.02)
        self.layers = nn.ModuleList(
            nn.ModuleList(Layer(width, heads=heads, dropout=dropout) for _ in self.names) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)

    def fuse(self, inputs: dict[str, Tokens], present: Tensor) -> Tokens:
        streams = [inputs[name] for name in self.names]
        count = len(self.shared)
        shared = self.shared.expand(len(present), -1, -1)  # (B, S, D)
        share = present / present.sum(1, keepdim=True).clamp(min=1)  # (B, N); the absent say nothing
        for layers in self.layers:
            passed = torch.zeros_like(shared)
            assert isinstance(layers, nn.ModuleList)
            for index, layer in enumerate(layers):
                both = layer(Tokens.cat([Tokens.full(shared), streams[index]]))
                passed = passed + both.values[:, :count] * share[:, index, None, None].to(shared.dtype)
                streams[index] = Tokens(both.values[:, count:], streams[index].mask)
            shared = passed
        fused = Tokens.cat([Tokens.full(shared), *streams])
        return fused.with_values(self.norm(fused.values))


@FUSIONS.register("pairwise_cross")
class PairwiseCross(Fusion):
    """A stream for each ordered pair of inputs: the tokens of one look at those of the other (Tsai et al. 2019, MulT).

    Lengths need not match, nor be aligned in time. What an input found in each of the others stands side by side,
    is brought back to the width and passes through self-attention. Choose it where a token of one input points at
    tokens of another; `cross` takes the others together, which is cheaper for many inputs. Cost: N²·T²·depth.

    Args:
        depth: layers of each pair.
        heads: attention heads; they divide the width.
        dropout: in the layers.
    """

    def __init__(
        self, names: Sequence[str], width: int, *, depth: int = 1, heads: int = 4, dropout: float = 0.1
    ) -> None:
        super().__init__(names, width)
        count = len(self.names)
        self.pairs = [(i, j) for i in range(count) for j in range(count) if i != j or count == 1]
        self.streams = nn.ModuleList(
            Transformer(width, depth=depth, heads=heads, dropout=dropout, cross=True) for _ in self.pairs
        )
        self.join = nn.ModuleList(nn.Linear(max(1, count - 1) * width, width) for _ in self.names)
        self.which = nn.Parameter(torch.randn(count, width) * 0.02)
        self.body = Transformer(width, depth=1, heads=heads, dropout=dropout)

    def fuse(self, inputs: dict[str, Tokens], present: Tensor) -> Tokens:
        results = []
        for index, name in enumerate(self.names):
            found = [
                stream(inputs[name], inputs[self.names[other]]).values  # (B, T_i, D)
                for (own, other), stream in zip(self.pairs, self.streams, strict=True)
                if own == index
            ]
            joined = self.join[index](torch.cat(found, -1)) + self.which[index]
            results.append(inputs[name].with_values(joined))
        fused: Tokens = self.body(Tokens.cat(results))
        return fused


@FUSIONS.register("perceiver")
class Perceiver(Fusion):
    """A fixed number of latent tokens reads all inputs, whatever their length (Jaegle et al. 2021, Perceiver).

    Each layer lets the latents look at all tokens, each marked by its input, and then at each other. Choose it for
    long inputs, such as sound and video: the cost grows with their length and not with its square, and the fused
    tokens are few. Cost: (T·S + S²)·depth.

    Args:
        latents: S, number of latent tokens.
        depth: number of layers.
        heads: attention heads; they divide the width.
        dropout: in the layers.
    """

    def __init__(
        self,
        names: Sequence[str],
        width: int,
        *,
        latents: int = 8,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(names, width)
        if latents < 1:
            raise ConfigError(f"fusion.latents: must be at least 1, not {latents}")
        self.which = nn.Parameter(torch.randn(len(self.names), width) * 0.02)
        self.latents = nn.Parameter(torch.randn(latents, width) * 0.2)
        self.norm = nn.LayerNorm(width)
        self.body = Transformer(width, depth=depth, heads=heads, dropout=dropout, cross=True)

    def fuse(self, inputs: dict[str, Tokens], present: Tensor) -> Tokens:
        marked = Tokens.cat(
            inputs[name].with_values(self.norm(inputs[name].values) + self.which[index])
            for index, name in enumerate(self.names)
        )
        latents = Tokens.full(self.latents.expand(len(present), -1, -1))  # (B, S, D)
        fused: Tokens = self.body(latents, marked)
        return fused
