"""The hypotheses of a beam search, and what has ended of them.

Legend: B rows, W hypotheses a row, N = B·W, V ids, t tokens written.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .base import END
from .rules import Rules, Trie

LOWEST = float("-inf")


@dataclass(frozen=True)
class Written:
    """One text.

    Args:
        ids: its tokens, a forced beginning included, `END` not.
        score: mean log-probability of the tokens that were chosen, of `END` too; a forced token was not chosen.
    """

    ids: list[int]
    score: float


@dataclass
class Beams:
    """The rows of a beam search that are not yet out of the batch."""

    row: Tensor
    """`(B,)` which row of the whole batch."""
    written: Tensor
    """`(B, W, length)` tokens of the hypotheses that go on."""
    total: Tensor
    """`(B, W)` their log-probability, minus infinity for what is no hypothesis."""
    nodes: Tensor
    """`(B, W)` where they stand in the trie."""
    forced: Tensor
    """`(B,)` tokens of the forced beginning."""
    ended: Tensor
    """`(B,)` hypotheses that have ended."""
    best: Tensor
    """`(B,)` the best of those, by length penalty."""
    mean: Tensor
    """`(B,)` its mean log-probability."""
    text: Tensor
    """`(B, length)` its tokens."""
    size: Tensor
    """`(B,)` how many."""
    done: Tensor
    """`(B,)` bool."""

    @classmethod
    def start(cls, num_rows: int, beam: int, length: int, rules: Rules, device: torch.device) -> Beams:
        zeros = torch.zeros(num_rows, dtype=torch.long, device=device)
        total = torch.full((num_rows, beam), LOWEST, device=device)
        total[:, 0] = 0.0  # at first all hypotheses are one
        return cls(
            row=torch.arange(num_rows, device=device),
            written=zeros.new_zeros(num_rows, beam, length),
            total=total,
            nodes=zeros.new_zeros(num_rows, beam),
            forced=rules.num_forced(num_rows).to(device),
            ended=zeros,
            best=total.new_full((num_rows,), LOWEST),
            mean=total.new_zeros(num_rows),
            text=zeros.new_zeros(num_rows, length),
            size=zeros.clone(),
            done=zeros.bool(),
        )

    def advance(self, scores: Tensor, step: int, penalty: float, trie: Trie | None) -> Tensor:
        """Takes a step: scores `(N, V)` of the continuations -> `(B, W)` whose continuations the new hypotheses are."""
        (num_rows, beam), num_tokens = self.total.shape, scores.shape[1]
        pool = (self.total.unsqueeze(2) + scores.view(num_rows, beam, num_tokens)).flatten(1)  # (B, W·V)
        top, place = pool.topk(min(2 * beam, pool.shape[1]))  # (B, 2W): at most W of them end
        parent, token = place // num_tokens, place % num_tokens
        ends = (token == END) & ~top.isneginf()

        count = (step + 1 - self.forced).clamp(min=1)
        first = torch.arange(top.shape[1], device=top.device) < beam
        final = ends & first & ~self.done.unsqueeze(1)
        value, which = (top / count.unsqueeze(1) ** penalty).masked_fill(~final, LOWEST).max(1)
        better, which = value > self.best, which.unsqueeze(1)
        self.text = torch.where(better.unsqueeze(1), _pick(self.written, parent.gather(1, which)).squeeze(1), self.text)
        self.mean = torch.where(better, top.gather(1, which).squeeze(1) / count, self.mean)
        self.best, self.size = torch.where(better, value, self.best), torch.where(better, step, self.size)
        self.ended = self.ended + final.sum(1)

        order = ends.int().argsort(dim=1, stable=True)[:, :beam]  # the best of those that go on
        self.total = top.masked_fill(ends, LOWEST).gather(1, order)
        parent, token = parent.gather(1, order), token.gather(1, order)
        order = _in_place(parent)
        self.total, parent, token = (each.gather(1, order) for each in (self.total, parent, token))
        self.written = _pick(self.written, parent)
        self.written[:, :, step] = token
        if trie is not None:
            self.nodes = trie.step(self.nodes.gather(1, parent).flatten(), token.flatten()).view(num_rows, beam)
        self.done = self.done | (self.ended >= beam) | self.total.isneginf().all(1)
        return parent

    def cut(self, length: int) -> None:
        """There is no more room: where no hypothesis has ended, the likeliest beginning stands for the text."""
        none, likeliest = self.best.isneginf(), self.total.argmax(1, keepdim=True)
        self.text = torch.where(none.unsqueeze(1), _pick(self.written, likeliest).squeeze(1), self.text)
        count = (length - self.forced).clamp(min=1)
        self.mean = torch.where(none, self.total.gather(1, likeliest).squeeze(1) / count, self.mean)
        self.size = torch.where(none, length, self.size)
        self.done = torch.ones_like(self.done)

    def results(self) -> dict[int, Written]:
        """The texts of the rows that are done, by row."""
        parts = (each[self.done].tolist() for each in (self.row, self.text, self.size, self.mean))
        return {row: Written(ids[:size], mean) for row, ids, size, mean in zip(*parts, strict=True)}

    def keep(self, places: Tensor) -> Beams:
        """Some of the rows."""
        return Beams(**{name: tensor[places] for name, tensor in vars(self).items()})


def _in_place(parent: Tensor) -> Tensor:
    """An order of new hypotheses in which as many as can be stand where their parents stood: `(B, W)` -> `(B, W)`.

    Their order has no meaning, and what does not move need not be copied.
    """
    beam = parent.shape[1]
    same = parent.unsqueeze(2) == parent.unsqueeze(1)  # (B, W, W)
    second = same.tril(-1).any(2)  # another one stands where the parent stood
    place = torch.where(second, beam, parent)
    owner = torch.full_like(parent, -1)
    owner = F.pad(owner, (0, 1)).scatter(1, place, torch.arange(beam, device=parent.device).expand_as(parent))[:, :beam]
    free = owner < 0
    left = second.int().argsort(dim=1, descending=True, stable=True)  # those without a place, in order
    return torch.where(free, left.gather(1, (free.cumsum(1) - 1).clamp(min=0)), owner)


def _pick(written: Tensor, hypotheses: Tensor) -> Tensor:
    """The tokens of some hypotheses: `(B, W, t)`, `(B, n)` -> `(B, n, t)`."""
    return written.gather(1, hypotheses.unsqueeze(2).expand(-1, -1, written.shape[2]))
