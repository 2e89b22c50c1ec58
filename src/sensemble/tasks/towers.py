"""Two towers: the inputs of each side are fused on their own, and land as one unit vector in a common space.

Legend: B batch, T tokens, D width, E width of the common space.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ConfigError
from ..fusion.base import Fusion
from ..nn.attention import AttentionPool
from ..tokens import Tokens
from .memory import Memory

MOST_SCALE = 100.0
"""Beyond it, learning becomes unstable (Radford et al. 2021)."""


class Sides(Fusion):
    """A fusion for each side, each over inputs of its own: one token a side.

    So no input of the candidates can reach the queries, nor the reverse. It takes any subset of the inputs; a side
    that has none in a row is masked there.

    Args:
        fusions: of the sides, in their order; of one width.
        cross: reads both sides at once, where pairs get a second look; it takes no part in `forward`.
    """

    def __init__(self, fusions: Sequence[Fusion], cross: nn.Module | None = None) -> None:
        nn.Module.__init__(self)  # absent inputs are the affair of each side's own fusion
        self.names = tuple(name for fusion in fusions for name in fusion.names)
        self.width = fusions[0].width
        self.fusions = nn.ModuleList(fusions)
        self.pools = nn.ModuleList(AttentionPool(self.width) for _ in fusions)
        self.cross = cross

    def forward(self, inputs: Mapping[str, Tokens]) -> Tokens:
        """`{name: (B, T_i, D)} -> (B, sides, D)`."""
        some = next(iter(inputs.values()))
        vectors, present = [], []
        for fusion, pool in zip(self.fusions, self.pools, strict=True):
            own = {name: inputs[name] for name in fusion.names if name in inputs}  # type: ignore[union-attr]
            if own:
                fused = fusion(own)
                vectors.append(pool(fused))  # (B, D)
                present.append(fused.present)
            else:
                vectors.append(some.values.new_zeros(len(some), self.width))
                present.append(some.mask.new_zeros(len(some)))
        return Tokens(torch.stack(vectors, 1), torch.stack(present, 1)).clean()

    def fuse(self, inputs: dict[str, Tokens], present: Tensor) -> Tokens:
        raise NotImplementedError("each side has a fusion of its own")


class Towers(nn.Module):
    """One token a side -> one unit vector a side, and what makes scores of their cosines.

    Args:
        width: D.
        dim: E.
        temperature: at the start; cosines are divided by it. It is learned.
        bias: added to scores, at the start; learned too, where it is given.
        project: without it, the tokens as they are take the place of projections.
        memory: what training remembers of earlier batches, if it does.
    """

    def __init__(
        self,
        width: int,
        dim: int,
        *,
        temperature: float = 0.07,
        bias: float | None = None,
        project: bool = True,
        memory: Memory | None = None,
    ) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(width, dim) if project else nn.Identity() for _ in range(2))
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.bias = None if bias is None else nn.Parameter(torch.tensor(bias))
        self.memory = memory

    def forward(self, fused: Tokens) -> Tokens:
        """`(B, 2, D) -> (B, 2, E)`; zeros where a side is missing."""
        found = [self.project(side, fused.values[:, side]) for side in range(2)]
        return fused.with_values(torch.stack(found, 1))

    def project(self, side: int, vectors: Tensor) -> Tensor:
        """`(B, D) -> (B, E)`, of length 1."""
        return F.normalize(self.projections[side](vectors).float(), dim=-1)

    @staticmethod
    def lock(projection: nn.Module, name: str) -> None:
        """Makes an input's way to the common width an identity that does not learn; what is beyond its own is zero.

        Args:
            projection: a linear map, then a norm.
            name: of the input, for the error.

        Raises:
            ConfigError: the width is smaller than the encoder's.
        """
        linear = next(part for part in projection.children() if isinstance(part, nn.Linear))
        if linear.out_features < linear.in_features:
            raise ConfigError(f"task.lock: to lock {name!r}, set width to {linear.in_features} or more")
        nn.init.eye_(linear.weight)
        nn.init.zeros_(linear.bias)
        projection.requires_grad_(False)

    def scores(self, queries: Tensor, candidates: Tensor) -> Tensor:
        """`(Q, E), (C, E) -> (Q, C)`: scaled cosines."""
        scores = queries @ candidates.T * self.log_scale.exp().clamp(max=MOST_SCALE)
        return scores if self.bias is None else scores + self.bias
