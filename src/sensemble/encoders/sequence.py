"""Encoders of sequences: words of a text, steps of ready-made features, frames of a sound.

Legend: B batch, T tokens, D the encoder's own width, H heads.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from ..errors import ConfigError
from ..modalities.base import Modality
from ..nn.attention import masked_softmax
from ..nn.transformer import Transformer, sinusoids
from ..tokens import Tokens
from .base import Encoder, register

TABLE_STD = 0.1
"""Of the first random vectors of ids: torch's 1 would drown what Adam's small steps write into them."""


def front(modality: Modality, dim: int) -> nn.Module:
    """What turns a modality's tokens into vectors: a table for ids `(B, T)`, a linear map for vectors `(B, T, F)`."""
    if modality.dtype.is_floating_point:
        return nn.Linear(modality.shape[0], dim)
    return _table(modality.num_tokens, dim)


def _table(rows: int, dim: int) -> nn.Embedding:
    table = nn.Embedding(rows, dim)
    nn.init.normal_(table.weight, std=TABLE_STD)
    return table


class _Recurrent(Encoder):
    """A recurrent network in both directions; one state a token.

    Each direction reads a row's real tokens first, in its order, and the masked ones after them, where they
    can influence nothing. That gives what packed sequences give, two to three times as fast on a CPU.
    """

    kind: type[nn.LSTM] | type[nn.GRU]

    def __init__(self, modality: Modality, *, dim: int = 64, depth: int = 1, dropout: float = 0.1) -> None:
        super().__init__()
        if dim % 2:
            raise ConfigError(f"dim must be even, half for each direction, not {dim}")
        self.dim = dim
        self.front = front(modality, dim)
        self.dropout = nn.Dropout(dropout)
        self.forth, self.back = (
            nn.ModuleList(self.kind(dim, dim // 2, batch_first=True) for _ in range(depth)) for _ in range(2)
        )

    def forward(self, tokens: Tokens) -> Tokens:
        here = tokens.present
        if not 0 < 2 * int(here.sum()) <= len(tokens):
            return self._read(tokens)
        found = self._read(tokens[here])  # most rows lack the text: they need no steps
        values = found.values.new_zeros(*tokens.mask.shape, self.dim)
        return Tokens(values.masked_scatter(here.view(-1, 1, 1), found.values), tokens.mask)

    def _read(self, tokens: Tokens) -> Tokens:
        tokens = tokens.clean()
        length = tokens.mask.shape[1]
        steps = torch.arange(length, device=tokens.mask.device)
        forth = torch.where(tokens.mask, steps, steps + length).argsort(1)  # (B, T)
        back = torch.where(tokens.mask, -steps, steps).argsort(1)
        values = self.front(tokens.values)  # (B, T, D)
        for one, other in zip(self.forth, self.back, strict=True):
            values = self.dropout(values)
            values = torch.cat([_in_order(one, values, forth), _in_order(other, values, back)], 2)
        return tokens.with_values(values)


def _in_order(body: nn.Module, values: Tensor, order: Tensor) -> Tensor:
    """Runs a body over tokens in another order, `(B, T)`, and puts its states back in their places."""
    states = body(values.gather(1, order.unsqueeze(-1).expand_as(values)))[0]
    return torch.zeros_like(states).scatter(1, order.unsqueeze(-1).expand_as(states), states)


@register("lstm", "text", "vector", "audio", "items")
class LSTM(_Recurrent):
    """A bidirectional LSTM (Hochreiter & Schmidhuber 1997; Schuster & Paliwal 1997).

    Knows the order of words with few data; slow on long texts, as steps wait for each other.

    Args:
        dim: D, half of it for each direction.
        depth: layers.
        dropout: on the embeddings and between layers.
    """

    kind = nn.LSTM


@register("gru", "text", "vector", "audio", "items")
class GRU(_Recurrent):
    """A bidirectional GRU (Cho et al. 2014): like `lstm` with a quarter fewer weights, often as good.

    On CPUs it takes more than twice as long to train, as torch has a fused kernel for LSTMs there alone.

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


@register("transformer", "text", "vector", "items")
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
        # how loud positions are beside the tokens: at first about as loud
        self.order = nn.Parameter(torch.tensor(1.0 if modality.dtype.is_floating_point else TABLE_STD))
        self.dropout = nn.Dropout(dropout)
        self.body = Transformer(dim, depth=depth, heads=heads, dropout=dropout)

    def forward(self, tokens: Tokens) -> Tokens:
        values = self.front(tokens.values)
        values = self.dropout(values + self.order * sinusoids(values.shape[1], self.dim, like=values))
        encoded: Tokens = self.body(tokens.with_values(values))
        return encoded


@register("bag", "text", "items")
class Bag(Encoder):
    """The means of word and of word-pair vectors, weighted by learned importance; one token a text.

    Like fastText (Joulin et al. 2017): the fastest, and hard to beat for topic and sentiment of whole texts. It
    knows no order beyond pairs and gives attention nothing to look at: take `transformer` or `lstm` there. Lists of
    items are encoded likewise; where their order tells nothing, leave the pairs out.
    A pair is as important as its two words together, and has a quarter of the width: there are many of them,
    each rare. Cost: T · D.

    Args:
        dim: D.
        heads: parts of D that each weigh the words anew; they divide the width of words and of pairs. More than one
            where several questions are asked about a text: what tells a dress does not tell whether it was liked.
        pairs: rows of the hashed table of word pairs; 0 for words alone.
        dropout: on the result; much, as a table of words is quick to learn texts by heart.
        word_dropout: chance that a word is left out of the means.
    """

    def __init__(
        self,
        modality: Modality,
        *,
        dim: int = 64,
        heads: int = 1,
        pairs: int = 2**15,
        dropout: float = 0.3,
        word_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if dim < 4:
            raise ConfigError(f"dim must be at least 4, not {dim}")
        paired = dim // 4 if pairs else 0
        if heads < 1 or paired % heads or (dim - paired) % heads:
            raise ConfigError(
                f"{heads} heads divide not both the {dim - paired} numbers of words and the {paired} of pairs; "
                "choose a number that does"
            )
        self.dim, self.num_pairs = dim, pairs
        self.words = _table(modality.num_tokens, dim - paired)
        self.pairs = _table(pairs, paired) if pairs else None
        self.importance = nn.Embedding(modality.num_tokens, heads)
        nn.init.zeros_(self.importance.weight)
        self.dropout, self.word_dropout = nn.Dropout(dropout), nn.Dropout(word_dropout)

    def forward(self, tokens: Tokens) -> Tokens:
        tokens = tokens.clean()
        ids, mask = tokens.values, self.word_dropout(tokens.mask.float()) > 0  # (B, T)
        importance = self.importance(ids)  # (B, T, H)
        pooled = _weighted(self.words(ids), importance, mask)  # (B, D)
        if self.pairs is not None:
            left, right = ids[:, :-1], ids[:, 1:]
            vectors = self.pairs((left * 1_000_003 + right * 8_191) % self.num_pairs)
            both = _weighted(vectors, importance[:, :-1] + importance[:, 1:], mask[:, :-1] & mask[:, 1:])
            pooled = torch.cat([pooled, both], 1)
        return Tokens(self.dropout(pooled).unsqueeze(1), tokens.present.unsqueeze(1))


def _weighted(vectors: Tensor, importance: Tensor, mask: Tensor) -> Tensor:
    """The means of the parts of vectors `(B, T, D)`, weighted by importance `(B, T, H)`; zeros where all is masked."""
    shares = masked_softmax(importance.float().transpose(1, 2), mask.unsqueeze(1)).to(vectors.dtype)  # (B, H, T)
    parts = rearrange(vectors, "b t (h d) -> (b h) t d", h=shares.shape[1])
    return torch.bmm(shares.flatten(0, 1).unsqueeze(1), parts).view(len(vectors), -1)  # (B·H, 1, D/H) -> (B, D)


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
