"""Encoders of sequences: words of a text or steps of ready-made features.

Legend: B batch, T tokens, D the encoder's own width.

In a sequence the real tokens come first and the padding after them.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ..errors import ConfigError
from ..modalities.base import Modality
from ..nn.transformer import Transformer, sinusoids
from ..tokens import Tokens
from .base import Encoder, register


def front(modality: Modality, dim: int) -> nn.Module:
    """What turns a modality's tokens into vectors: a table for ids `(B, T)`, a linear map for vectors `(B, T, F)`."""
    if modality.dtype.is_floating_point:
        return nn.Linear(modality.shape[0], dim)
    table = nn.Embedding(modality.num_tokens, dim)
    nn.init.normal_(table.weight, std=0.1)
    return table


class _Recurrent(Encoder):
    """A recurrent network in both directions; one state a token."""

    kind: type[nn.LSTM] | type[nn.GRU]

    def __init__(self, modality: Modality, *, dim: int = 64, depth: int = 1, dropout: float = 0.1) -> None:
        super().__init__()
        if dim % 2:
            raise ConfigError(f"dim must be even, half for each direction, not {dim}")
        self.dim = dim
        self.front = front(modality, dim)
        self.dropout = nn.Dropout(dropout)
        self.body = self.kind(
            dim, dim // 2, num_layers=depth, batch_first=True, bidirectional=True, dropout=dropout if depth > 1 else 0.0
        )

    def forward(self, tokens: Tokens) -> Tokens:
        values = self.dropout(self.front(tokens.values))  # (B, T, D)
        lengths = tokens.mask.sum(1).clamp(min=1).cpu()  # a missing row runs one step that the mask hides
        packed = pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.body(packed)[0], batch_first=True, total_length=values.shape[1])
        return tokens.with_values(states)


@register("lstm", "text", "vector")
class LSTM(_Recurrent):
    """A bidirectional LSTM (Hochreiter & Schmidhuber 1997; Schuster & Paliwal 1997).

    Knows the order of words with few data; slow on long texts, as steps wait for each other.

    Args:
        dim: D, half of it for each direction.
        depth: layers.
        dropout: on the embeddings and between layers.
    """

    kind = nn.LSTM


@register("gru", "text", "vector")
class GRU(_Recurrent):
    """A bidirectional GRU (Cho et al. 2014): like `lstm` with a quarter fewer weights, often as good.

    Args:
        dim: D, half of it for each direction.
        depth: layers.
        dropout: on the embeddings and between layers.
    """

    kind = nn.GRU


@register("cnn", "text", "vector")
class SequenceCNN(Encoder):
    """Convolutions of several widths side by side (Kim 2014): finds phrases wherever they stand. Fast.

    Args:
        dim: D, shared among the kernels.
        kernels: widths, in tokens.
        dropout: on the embeddings.
    """

    def __init__(
        self, modality: Modality, *, dim: int = 64, kernels: tuple[int, ...] = (1, 3, 5), dropout: float = 0.1
    ) -> None:
        super().__init__()
        if any(kernel % 2 == 0 for kernel in kernels) or len(kernels) > dim:
            raise ConfigError(f"kernels must be odd and no more than dim, not {list(kernels)}")
        self.dim = dim
        self.front = front(modality, dim)
        self.dropout = nn.Dropout(dropout)
        shares = [dim // len(kernels) + (index < dim % len(kernels)) for index in range(len(kernels))]
        self.bodies = nn.ModuleList(
            nn.Conv1d(dim, share, kernel, padding=kernel // 2) for share, kernel in zip(shares, kernels, strict=True)
        )

    def forward(self, tokens: Tokens) -> Tokens:
        # Padding is zero, as it is beyond the edge: so its amount changes nothing.
        values = tokens.with_values(self.dropout(self.front(tokens.values))).values
        values = rearrange(values, "b t d -> b d t")
        found = torch.cat([body(values).relu() for body in self.bodies], 1)
        return tokens.with_values(rearrange(found, "b d t -> b t d"))


@register("transformer", "text", "vector")
class SequenceTransformer(Encoder):
    """A Transformer encoder (Vaswani et al. 2017): every token sees every other. Wants the most data; cost T².

    Args:
        dim: D.
        depth: layers.
        heads: attention heads; they divide `dim`.
        dropout: on the embeddings and in the layers.
    """

    def __init__(
        self, modality: Modality, *, dim: int = 64, depth: int = 2, heads: int = 4, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.dim = dim
        self.front = front(modality, dim)
        self.dropout = nn.Dropout(dropout)
        self.body = Transformer(dim, depth=depth, heads=heads, dropout=dropout)

    def forward(self, tokens: Tokens) -> Tokens:
        values = self.front(tokens.values)
        values = self.dropout(values + sinusoids(values.shape[1], self.dim, like=values))
        encoded: Tokens = self.body(tokens.with_values(values))
        return encoded


@register("bag", "text")
class Bag(Encoder):
    """The mean of word and word-pair vectors, each weighted by its learned importance; one token a text.

    Like fastText (Joulin et al. 2017): the fastest, and hard to beat for topic and sentiment of whole texts. It
    knows no order beyond pairs and gives attention nothing to look at: take `transformer` or `lstm` there.

    Args:
        dim: D.
        pairs: rows of the hashed table of word pairs; 0 for words alone.
        dropout: chance that a token is left out of the mean.
    """

    def __init__(self, modality: Modality, *, dim: int = 64, pairs: int = 20_000, dropout: float = 0.1) -> None:
        super().__init__()
        self.dim, self.pairs, self.drop = dim, pairs, dropout
        self.num_tokens = int(modality.num_tokens)
        self.table = nn.Embedding(self.num_tokens + pairs, dim)
        self.importance = nn.Embedding(self.num_tokens + pairs, 1)
        nn.init.normal_(self.table.weight, std=0.1)
        nn.init.zeros_(self.importance.weight)

    def forward(self, tokens: Tokens) -> Tokens:
        ids, mask = tokens.values, tokens.mask
        if self.pairs and ids.shape[1] > 1:
            left, right = ids[:, :-1], ids[:, 1:]
            ids = torch.cat([ids, self.num_tokens + (left * 1_000_003 + right * 8_191) % self.pairs], 1)
            mask = torch.cat([mask, mask[:, :-1] & mask[:, 1:]], 1)
        if self.training and self.drop:
            kept = mask & (torch.rand(mask.shape, device=mask.device) >= self.drop)
            mask = torch.where(kept.any(1, keepdim=True), kept, mask)
        weights = self.importance(ids).squeeze(-1).exp() * mask  # (B, T)
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-6)
        pooled = torch.einsum("bt,btd->bd", weights, self.table(ids))  # (B, D)
        return Tokens(pooled.unsqueeze(1), tokens.present.unsqueeze(1)).clean()


@register("linear", "vector", "number")
class Linear(Encoder):
    """One linear map a token: for features that were made to be used as they are.

    Args:
        dim: D.
    """

    def __init__(self, modality: Modality, *, dim: int = 64) -> None:
        super().__init__()
        self.dim = dim
        self.body = nn.Linear(modality.shape[0], dim)

    def forward(self, tokens: Tokens) -> Tokens:
        values: Tensor = self.body(tokens.values)
        return tokens.with_values(values)
