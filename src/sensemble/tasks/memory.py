"""Candidates of earlier batches as further negatives.

Legend: B batch, M remembered rows, K label columns, E width of the common space.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from ..tokens import Tokens


class Memory(nn.Module):
    """A ring of the vectors that training met last, each with the labels of its row.

    A batch then has M negatives more than its size gives, at the cost of M more products a query. They are as they
    were when they were met, without a gradient, which does as long as the model changes slowly (Wang et al. 2020,
    "Cross-Batch Memory for Embedding Learning"). He et al. 2020 (MoCo) have a second, slower encoder for them; here
    there is none. What a training that is resumed needs of it is kept in `last/`, and nowhere else.

    Args:
        rows: M.
        dim: E.
        columns: K.
    """

    passing_state: ClassVar[tuple[str, ...]] = ("vectors", "labels", "known", "place")
    vectors: Tensor
    labels: Tensor
    known: Tensor
    place: Tensor

    def __init__(self, rows: int, dim: int, columns: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.zeros(rows, dim))
        self.register_buffer("labels", torch.zeros(rows, columns, dtype=torch.int64))
        self.register_buffer("known", torch.zeros(rows, columns, dtype=torch.bool))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))  # where the next row goes

    def rows(self) -> tuple[Tensor, Tokens]:
        """The vectors `(M, E)` and their labels `(M, K)`, all masked where nothing is remembered yet.

        Copies, as a step that is accumulated remembers more before its gradient is computed.
        """
        return self.vectors.clone(), Tokens(self.labels.clone(), self.known.clone())

    @torch.no_grad()
    def keep(self, vectors: Tensor, target: Tokens) -> None:
        """Remembers rows, in place of the oldest ones.

        Args:
            vectors: `(B, E)`.
            target: their labels `(B, K)`.
        """
        size = len(self.vectors)
        vectors, target = vectors[-size:], target[slice(-size, None)]
        places = (self.place + torch.arange(len(vectors), device=vectors.device)) % size
        self.vectors[places] = vectors.detach().to(self.vectors.dtype)
        self.labels[places] = target.values
        self.known[places] = target.mask
        self.place.copy_((self.place + len(vectors)) % size)
