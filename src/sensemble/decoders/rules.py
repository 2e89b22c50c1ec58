"""What may be written next: a beginning to keep to, allowed texts, no repeats, no early end.

Legend: N hypotheses, V ids, t tokens written, M nodes of a trie, S sequences, P tokens of a prefix.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import ConfigError
from .base import END


class Trie:
    """A set of allowed texts, as a tree of their tokens: a hypothesis stands at a node, and may go to its children.

    Nodes and edges are tensors, so that any number of hypotheses take a step at once.

    Args:
        sequences: the texts' ids, without `END`.
        num_tokens: V.

    Raises:
        ConfigError: no sequence, or an empty one.

    >>> trie = Trie([[3, 4], [3, 5]], num_tokens=9)
    >>> trie.allowed(torch.tensor([0, 1])).nonzero().tolist()
    [[0, 3], [1, 4], [1, 5]]
    """

    def __init__(self, sequences: Sequence[Sequence[int]], num_tokens: int) -> None:
        if not sequences or not all(len(sequence) for sequence in sequences):
            raise ConfigError("allowed texts: there must be one or more, and none may be empty")
        self.num_tokens = num_tokens
        self.depth = max(len(sequence) for sequence in sequences)
        nodes: list[dict[int, int]] = [{}]
        for sequence in sequences:
            place = 0
            for token in sequence:
                if token not in nodes[place]:
                    nodes[place][token] = len(nodes)
                    nodes.append({})
                place = nodes[place][token]
            nodes[place].setdefault(END, 0)
        edges = sorted((place, token, child) for place, node in enumerate(nodes) for token, child in node.items())
        self.tokens = torch.tensor([token for _, token, _ in edges])
        self.children = torch.tensor([child for _, _, child in edges])
        self.codes = torch.tensor([place * num_tokens + token for place, token, _ in edges])  # rising
        counts = torch.tensor([len(node) for node in nodes])
        self.starts, self.counts = counts.cumsum(0) - counts, counts  # (M,) where each node's edges stand

    def allowed(self, nodes: Tensor) -> Tensor:
        """Which tokens may follow: nodes `(N,)` -> `(N, V)` bool."""
        result = torch.zeros(len(nodes), self.num_tokens, dtype=torch.bool, device=nodes.device)
        starts, counts = self.starts.to(nodes.device)[nodes], self.counts.to(nodes.device)[nodes]
        rows = torch.arange(len(nodes), device=nodes.device).repeat_interleave(counts)
        within = torch.arange(len(rows), device=nodes.device) - (counts.cumsum(0) - counts)[rows]
        result[rows, self.tokens.to(nodes.device)[starts[rows] + within]] = True
        return result

    def begins(self, ids: Sequence[int]) -> bool:
        """Whether an allowed text begins with these ids."""
        node = torch.zeros(1, dtype=torch.long)
        for token in ids:
            if not self.allowed(node)[0, token]:
                return False
            node = self.step(node, torch.tensor([token]))
        return True

    def step(self, nodes: Tensor, tokens: Tensor) -> Tensor:
        """The nodes after allowed tokens: `(N,)`, `(N,)` -> `(N,)`. A token that is not allowed leads anywhere."""
        codes = self.codes.to(nodes.device)
        place = torch.searchsorted(codes, nodes * self.num_tokens + tokens).clamp(max=len(codes) - 1)
        return self.children.to(nodes.device)[place]


class Rules:
    """Takes away the scores of what may not be written next.

    A forced beginning and the allowed texts hold always. The others yield where they would leave nothing to write.

    Args:
        min_length: tokens before which no text ends.
        no_repeat: n, such that no n tokens in a row stand twice in a text; 0 lets them.
        prefix: `(B, P)` ids with which rows must begin, and `(B, P)` bool, which of them are real.
        trie: the allowed texts; `None` allows all.
    """

    def __init__(
        self,
        *,
        min_length: int = 0,
        no_repeat: int = 0,
        prefix: tuple[Tensor, Tensor] | None = None,
        trie: Trie | None = None,
    ) -> None:
        self.min_length, self.no_repeat, self.prefix, self.trie = min_length, no_repeat, prefix, trie

    @property
    def idle(self) -> bool:
        """Whether anything may be written."""
        return not (self.min_length or self.no_repeat or self.prefix or self.trie)

    def forced(self, rows: Tensor, step: int) -> tuple[Tensor, Tensor] | None:
        """The tokens that rows must write at a step, counted from 0, `(N,)`, and which of the rows must, `(N,)`.

        Args:
            rows: `(N,)`, which row each hypothesis belongs to.
            step: tokens written so far.
        """
        if self.prefix is None or step >= self.prefix[0].shape[1]:
            return None
        ids, real = self.prefix
        return ids[rows, step], real[rows, step]

    def num_forced(self, num_rows: int) -> Tensor:
        """`(B,)` tokens that each row is forced to write."""
        return torch.zeros(num_rows, dtype=torch.long) if self.prefix is None else self.prefix[1].sum(1)

    def apply(self, scores: Tensor, written: Tensor, nodes: Tensor, forced: tuple[Tensor, Tensor] | None) -> Tensor:
        """Scores `(N, V)` with minus infinity for what may not follow.

        Args:
            scores: log-probabilities, or any other scores.
            written: `(N, t)`.
            nodes: `(N,)` places in the trie; of no meaning without one.
            forced: from `forced`.
        """
        lowest = float("-inf")
        strict = scores if self.trie is None else scores.masked_fill(~self.trie.allowed(nodes), lowest)
        result = strict
        if written.shape[1] < self.min_length or self.no_repeat:
            mild = strict.clone()
            if written.shape[1] < self.min_length:
                mild[:, END] = lowest
            if 0 < self.no_repeat <= written.shape[1]:
                mild = mild.masked_fill(self._repeats(written, scores.shape[1]), lowest)
            result = mild
            if self.trie is not None or written.shape[1] + 2 > scores.shape[1]:  # else something is always left
                result = torch.where(mild.isneginf().all(1, keepdim=True), strict, mild)
        if forced is not None:
            ids, must = forced
            others = torch.ones_like(scores, dtype=torch.bool).scatter(1, ids.unsqueeze(1), False)
            result = torch.where(must.unsqueeze(1), strict.masked_fill(others, lowest), result)
        return result

    def _repeats(self, written: Tensor, num_tokens: int) -> Tensor:
        """Which tokens would complete n tokens that a text holds already: `(N, t)` -> `(N, V)` bool."""
        size = self.no_repeat
        windows = written.unfold(1, size, 1)  # (N, t - n + 1, n)
        last = written[:, written.shape[1] - size + 1 :].unsqueeze(1)  # (N, 1, n - 1)
        same = (windows[:, :, : size - 1] == last).all(2)  # (N, t - n + 1)
        counts = torch.zeros(len(written), num_tokens, dtype=torch.long, device=written.device)
        counts.scatter_add_(1, windows[:, :, -1], same.long())
        counts[:, END] = 0
        return counts > 0
