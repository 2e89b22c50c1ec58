"""Feature-wise modulation: some inputs say how the tokens of the others are to be read.

Legend: B batch, T tokens, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ConfigError, unknown
from ..nn.attention import Attention, AttentionPool
from ..nn.transformer import sinusoids
from ..tokens import Tokens
from .base import FUSIONS, Fusion

LOUD = 0.5
"""How loud marks of place are beside normalised tokens at first."""
QUIET = 0.01
"""Of the first random weights by which further inputs that ask are heard."""


@FUSIONS.register("film")
class FiLM(Fusion):
    """Inputs that ask scale and shift each feature of the tokens of those that are asked about, block by block.

    FiLM (Perez et al. 2018) with self-attention instead of convolution, so that it reads grids, clips and texts of any
    length. Choose it where a question is put to many tokens, such as a picture's places: it is far cheaper than
    `transformer`, as the question's words are pooled, anew for each block, and never stand in the long sequence. Where
    several inputs ask, the first is the question, whose words look at what the others say (a dialogue's history). The
    first token out is the answer so far, what the question attends to and the strongest features; the read tokens
    follow. Cost: (T² · D + T · D²) · depth, T being the tokens that are asked about.

    Args:
        by: the inputs that ask, the question first in the order of inputs; all but the first input where none is named.
        depth: blocks.
        heads: attention heads; they divide the width.
        dropout: on what each block adds.

    Raises:
        ConfigError: `by` names no input, or leaves none to be asked about.
    """

    def __init__(
        self,
        names: Sequence[str],
        width: int,
        *,
        by: tuple[str, ...] = (),
        depth: int = 3,
        heads: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(names, width)
        for name in by:
            if name not in self.names and len(self.names) > 1:
                raise ConfigError(f"fusion.by: {unknown('input', name, self.names)}")
        asking = [name for name in self.names if name in by] if by else list(self.names[1:])
        if len(self.names) == 1:  # an input by itself is read unasked, whatever it is in the whole
            asking = []
        if len(asking) == len(self.names):
            raise ConfigError("fusion.by: names every input; leave out the one that is asked about")
        self.asking = asking
        self.read = [name for name in self.names if name not in asking]
        self.which = nn.Parameter(torch.randn(len(self.read), width) * 0.02)
        self.order = nn.Parameter(torch.tensor(LOUD))
        self.recall = nn.ModuleList(_Recall(width, heads=heads, dropout=dropout) for _ in asking[1:])
        self.blocks = nn.ModuleList(_Block(width, bool(asking), heads=heads, dropout=dropout) for _ in range(depth))
        self.question = _Question(width, bool(asking))
        self.norm = nn.LayerNorm(width)
        self.look = Attention(width, heads=heads, dropout=dropout)
        self.answer = nn.Sequential(nn.Linear(3 * width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def fuse(self, inputs: dict[str, Tokens], present: Tensor) -> Tokens:
        asked = self._asked([inputs[name] for name in self.asking])
        tokens = Tokens.cat(self._marked(inputs[name], place) for place, name in enumerate(self.read)).clean()
        tokens = replace(tokens, twins=_alike([inputs[name] for name in self.read]))
        for block in self.blocks:
            tokens = block(tokens, asked)
        tokens = tokens.with_values(self.norm(tokens.values))  # (B, T, D)
        question = self.question(asked, tokens)  # (B, D)
        found = self.look(question.unsqueeze(1), tokens).squeeze(1)  # each head may look at another place
        most = tokens.values.masked_fill(~tokens.mask.unsqueeze(-1), float("-inf")).amax(1)  # (B, D)
        answer: Tensor = self.answer(torch.cat([found, most, question], 1)).unsqueeze(1)
        return Tokens.cat([Tokens.full(answer), tokens])

    def _asked(self, asking: Sequence[Tokens]) -> Tokens | None:
        """The words of the first input that asks, with what they find in the others."""
        if not asking:
            return None
        first = asking[0]
        for recall, other in zip(self.recall, asking[1:], strict=True):
            first = recall(first, other)
        return first

    def _marked(self, tokens: Tokens, place: int) -> Tokens:
        """Tokens that show which input they are of, and where in it they stand."""
        marks = self.order * sinusoids(tokens.values.shape[1], self.width, like=tokens.values)
        return tokens.with_values(tokens.values + marks + self.which[place])


def _alike(many: Sequence[Tokens]) -> Tensor | None:
    """Numbers that are equal for rows which hold the same in all of some inputs, if that is known of each.

    No row lacks one of these: where an input is absent from any row, its tokens have no twins here.
    """
    joint: Tensor | None = None
    for tokens in many:
        if tokens.twins is None:
            return None
        joint = tokens.twins if joint is None else joint * (tokens.twins.max() + 1) + tokens.twins
    return joint


class _Recall(nn.Module):
    """Each word of a question looks at what another input says, as "it" at what was named before.

    It hears hardly anything until that is learned: looking at what is asked about is learned first.
    """

    def __init__(self, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads=heads, dropout=dropout)
        nn.init.normal_(self.attention.out.weight, std=QUIET)
        nn.init.zeros_(self.attention.out.bias)

    def forward(self, question: Tokens, other: Tokens) -> Tokens:
        return question.with_values(question.values + self.attention(self.norm(question.values), other))


class _Question(nn.Module):
    """What asks as one vector of about unit features; a learned one where nothing asks."""

    def __init__(self, width: int, asks: bool) -> None:
        super().__init__()
        self.pools = nn.ModuleList(AttentionPool(width) for _ in range(int(asks)))
        self.norm = nn.LayerNorm(width)
        self.alone = None if asks else nn.Parameter(torch.randn(width) * 0.02)

    def forward(self, asked: Tokens | None, like: Tokens) -> Tensor:
        if self.alone is not None:
            return self.alone.expand(len(like), -1)
        question: Tensor = self.norm(self.pools[0](asked))
        return question


class _Block(nn.Module):
    """Self-attention, then a perceptron whose hidden features the question scales and shifts; each adds."""

    def __init__(self, width: int, asks: bool, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.question = _Question(width, asks)
        self.film = nn.Linear(width, 4 * width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.attention = Attention(width, heads=heads, dropout=dropout)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tokens, asked: Tokens | None) -> Tokens:
        scale, shift = self.film(self.question(asked, tokens)).unsqueeze(1).chunk(2, -1)  # (B, 1, 2·D)
        both, width = tokens.once(self._unasked).values, tokens.values.shape[2]
        values, hidden = both[..., :width], F.relu(both[..., width:] * (1 + scale) + shift)
        return Tokens(values + self.dropout(self.down(hidden)), tokens.mask)

    def _unasked(self, tokens: Tokens) -> Tokens:
        """What is the same for all questions about equal tokens: `(B, T, D)` -> the stream and the hidden features."""
        normed = Tokens(self.norms[0](tokens.values), tokens.mask)
        values = tokens.values + self.attention(normed.values, normed)
        return Tokens(torch.cat([values, self.up(self.norms[1](values))], 2), tokens.mask)  # (B, T, 3·D)
