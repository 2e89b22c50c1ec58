"""An n-gram language model: the baseline that a decoder without inputs must beat, over the same tokens."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from ..errors import ConfigError
from .base import END

Counts = dict[tuple[int, ...], dict[int, int]]
"""How often each token follows a context."""


class NGram:
    """Interpolated Kneser-Ney smoothing (Kneser & Ney 1995; Chen & Goodman 1999), one discount an order.

    What follows the last n - 1 tokens is counted. A discount is taken off each count, and what it frees goes to the
    model of one token less; there a token counts by how many different tokens it follows, not by how often. The
    last model stands on all tokens being alike, so nothing is impossible.

    Args:
        num_tokens: ids go from 0, which is `END`, to this less one.
        order: n.

    >>> model = NGram(5, order=2).fit([[1, 2], [1, 3], [1, 2]])
    >>> model.probability([1], 2) > model.probability([1], 3) > model.probability([1], 4) > 0
    True
    """

    def __init__(self, num_tokens: int, *, order: int = 4) -> None:
        if order < 1:
            raise ConfigError(f"an n-gram model needs an order of at least 1, not {order}")
        self.num_tokens = num_tokens
        self.order = order
        self.begin = num_tokens
        self.counts: list[Counts] = []
        """By length of the context."""
        self.totals: list[dict[tuple[int, ...], int]] = []
        """How often anything follows it."""
        self.discounts: list[float] = []

    def fit(self, texts: Sequence[Sequence[int]]) -> NGram:
        """Counts the texts' tokens and their ends. Returns self."""
        raw: list[Counts] = [defaultdict(lambda: defaultdict(int)) for _ in range(self.order)]
        before: list[dict[tuple[int, ...], set[int]]] = [defaultdict(set) for _ in range(self.order)]
        for text in texts:
            ids = (self.begin, *text, END)
            for place in range(1, len(ids)):
                for size in range(min(self.order, place + 1)):
                    raw[size][ids[place - size : place]][ids[place]] += 1
                    if place - size > 0:
                        before[size][ids[place - size : place + 1]].add(ids[place - size - 1])
        self.counts, self.totals, self.discounts = [], [], []
        for size, table in enumerate(raw):
            counts = {
                # nothing stands before a text's beginning, and the longest contexts are given up to nobody
                context: dict(after) if size == self.order - 1 or context[:1] == (self.begin,)
                else {token: len(before[size][(*context, token)]) for token in after}
                for context, after in table.items()
            }  # fmt: skip
            once, twice = (sum(count == n for after in counts.values() for count in after.values()) for n in (1, 2))
            self.counts.append(counts)
            self.totals.append({context: sum(after.values()) for context, after in counts.items()})
            self.discounts.append(once / (once + 2 * twice) if once and twice else 0.5)
        return self

    def probability(self, before: Sequence[int], token: int) -> float:
        """How likely a token is after a text's first tokens; `before` starts at the text's beginning."""
        history = (self.begin, *before)
        result = 1 / self.num_tokens
        for size in range(min(self.order, len(history) + 1)):
            context = history[len(history) - size :]
            after = self.counts[size].get(context)
            if after is None:
                break
            discount, total = self.discounts[size], self.totals[size][context]
            result = (max(after.get(token, 0) - discount, 0) + discount * len(after) * result) / total
        return result

    def log_probability(self, text: Sequence[int], *, ends: bool = True) -> float:
        """The natural logarithm of a text's probability.

        Args:
            text: ids.
            ends: whether the text's end is part of it.
        """
        ids = [*text, END] if ends else list(text)
        return sum(math.log(self.probability(ids[:place], token)) for place, token in enumerate(ids))
