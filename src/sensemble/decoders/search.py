"""How texts are chosen: greedily, by beam search, or by sampling; always in batches, and no row waits for another.

Legend: B rows, W hypotheses a row, N = B·W, V ids, t tokens written, P tokens of a forced beginning.

A row that has ended costs nothing more: as soon as an eighth of the rows have, the batch is made smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from ..errors import ConfigError
from ..tokens import Tokens
from .base import END, Decoder
from .beam import LOWEST, Beams, Written
from .rules import Rules, Trie

ENDED = 8
"""One part in so many of the rows must have ended for the batch to be made smaller: copying costs as well."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """How texts are written.

    Args:
        beam: hypotheses a row; 1 takes the likeliest token each time (greedy).
        length_penalty: finished hypotheses are compared by log-probability / tokens ** this: 0 favours short texts,
            1 compares means.
        min_length: tokens before which no text ends.
        no_repeat: n, such that no n tokens in a row stand twice in a text; 0 lets them.
        temperature: 0 searches for likely texts; above, tokens are drawn: 1 from the model's own distribution,
            less from a sharper one.
        top_k: draw among so many likeliest tokens; 0 from all.
        top_p: draw among the likeliest tokens that together have this probability (Holtzman et al. 2020).
        seed: of the draws; a row's draws depend on it and on the row's place in the batch.
    """

    beam: int = 1
    length_penalty: float = 1.0
    min_length: int = 0
    no_repeat: int = 0
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise ConfigError(f"search.beam: must be at least 1, not {self.beam}")
        for key in ("min_length", "no_repeat", "temperature", "top_k", "length_penalty"):
            if getattr(self, key) < 0:
                raise ConfigError(f"search.{key}: cannot be negative, as {getattr(self, key):g} is")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"search.top_p: is a share above 0 and up to 1, not {self.top_p:g}")
        if self.beam > 1 and self.temperature > 0:
            raise ConfigError("search: a beam looks for the likeliest text, a temperature draws one; choose either")
        if self.temperature == 0 and (self.top_k or self.top_p < 1):
            raise ConfigError("search: top_k and top_p are about drawing; give a temperature above 0, such as 1")


@torch.no_grad()
def write(
    decoder: Decoder,
    fused: Tokens,
    *,
    length: int,
    search: Search | None = None,
    prefix: Sequence[Sequence[int]] | None = None,
    allowed: Trie | None = None,
) -> list[Written]:
    """A text for each row of fused tokens.

    Args:
        decoder: in evaluation mode.
        fused: `(B, K, D)`; a row that is masked throughout is written from the language alone.
        length: most tokens of a text.
        search: greedy if not given.
        prefix: ids with which each row's text begins.
        allowed: the texts that may be written.

    Raises:
        ConfigError: allowed texts, or beginnings, that are too long, or that contradict each other.
    """
    search = search or Search()
    if not len(fused):
        return []
    device = fused.values.device
    if allowed is not None:
        if allowed.depth > length:
            raise ConfigError(f"an allowed text has {allowed.depth} tokens, more than the length of {length}")
        for ids in prefix or ():
            if not allowed.begins(ids):
                raise ConfigError(f"no allowed text begins with the tokens {list(ids)}")
        length = allowed.depth + 1  # with its end
    rules = Rules(
        min_length=search.min_length,
        no_repeat=search.no_repeat,
        prefix=None if prefix is None else _padded(prefix, len(fused), length, device),
        trie=allowed,
    )
    if search.beam > 1:
        return _beam(decoder, fused, length, search, rules)
    return _one(decoder, fused, length, search, rules)


def _one(decoder: Decoder, fused: Tokens, length: int, search: Search, rules: Rules) -> list[Written]:
    """One hypothesis a row: the likeliest token each time, or a drawn one."""
    device, num_rows = fused.values.device, len(fused)
    draw = _Draw(search, num_rows, decoder.num_tokens) if search.temperature > 0 else None
    written = torch.zeros(num_rows, length, dtype=torch.long, device=device)
    total = torch.zeros(num_rows, device=device)
    size = torch.full((num_rows,), length, device=device)
    rows = torch.arange(num_rows, device=device)  # which are still in the batch
    alive = torch.ones(num_rows, dtype=torch.bool, device=device)  # of these, which go on
    nodes = torch.zeros(num_rows, dtype=torch.long, device=device)
    state, last = decoder.start(fused), torch.full((num_rows,), decoder.begin, device=device)
    for step in range(length):
        features, state = decoder.read(state, last)
        scores = decoder.scores(features).float()  # (N, V)
        forced = rules.forced(rows, step)
        fit = scores if rules.idle else rules.apply(scores, written[rows, :step], nodes, forced)
        last = fit.argmax(1) if draw is None else draw(fit, rows)
        gain = -F.cross_entropy(scores, last, reduction="none")
        total[rows] += gain * (alive if forced is None else alive & ~forced[1])
        written[rows, step] = last * alive
        stops = alive & (last == END)
        size[rows[stops]] = step
        alive = alive & ~stops
        left = int(alive.sum())
        if not left:
            break
        if rules.trie is not None:
            nodes = rules.trie.step(nodes, last)
        if (len(rows) - left) * ENDED >= len(rows):
            places = alive.nonzero().squeeze(1)
            state, rows, last, nodes, alive = (
                state.keep(places),
                rows[places],
                last[places],
                nodes[places],
                alive[places],
            )
    chosen = (size + 1).clamp(max=length) - rules.num_forced(num_rows).to(device)
    means = (total / chosen.clamp(min=1)).tolist()
    return [Written(ids[:end], mean) for ids, end, mean in zip(written.tolist(), size.tolist(), means, strict=True)]


def _beam(decoder: Decoder, fused: Tokens, length: int, search: Search, rules: Rules) -> list[Written]:
    """W hypotheses a row. A row is done when W of them have ended; the best of these is its text.

    A hypothesis ends only where `END` is among the row's W best continuations, so that W = 1 would be greedy.
    """
    device, beam = fused.values.device, search.beam
    results: dict[int, Written] = {}
    beams = Beams.start(len(fused), beam, length, rules, device)
    state = decoder.start(fused)
    state = state.reorder(torch.arange(len(fused), device=device).repeat_interleave(beam))
    last = torch.full((len(fused) * beam,), decoder.begin, device=device)
    for step in range(length):
        features, state = decoder.read(state, last)
        scores = decoder.scores(features).float().log_softmax(-1)  # (N, V)
        forced = rules.forced(beams.row.repeat_interleave(beam), step)
        fit = rules.apply(scores, beams.written.flatten(0, 1)[:, :step], beams.nodes.flatten(), forced)
        if forced is not None:
            fit = torch.where(forced[1].unsqueeze(1) & ~fit.isneginf(), 0.0, fit)  # a forced token costs nothing
        parent = beams.advance(fit, step, search.length_penalty, rules.trie)  # (B, W)
        last = beams.written[:, :, step].flatten()
        if step + 1 == length:
            beams.cut(length)
        left = int((~beams.done).sum())
        shrinks = (len(beams.row) - left) * ENDED >= len(beams.row)
        if shrinks or not left:
            results |= beams.results()
            if not left:
                break
        offsets = torch.arange(len(parent), device=device).unsqueeze(1) * beam
        state = state.reorder((parent + offsets).flatten())
        if shrinks:
            places = (~beams.done).nonzero().squeeze(1)
            state, beams = state.keep(places), beams.keep(places)
            last = last.view(-1, beam)[places].flatten()
    return [results[row] for row in range(len(fused))]


class _Draw:
    """Draws tokens: the largest of scores with Gumbel noise, which is a draw from their softmax.

    Every row of the batch gets its noise at every step, so that a draw does not hang on which others have ended.
    """

    def __init__(self, search: Search, num_rows: int, num_tokens: int) -> None:
        self.search, self.shape = search, (num_rows, num_tokens)
        self.generator = torch.Generator().manual_seed(search.seed)

    def __call__(self, scores: Tensor, rows: Tensor) -> Tensor:
        """Scores `(N, V)`, and which rows these are, `(N,)` -> tokens `(N,)`."""
        scores = scores / self.search.temperature
        if self.search.top_k:
            least = scores.topk(min(self.search.top_k, scores.shape[1])).values[:, -1:]
            scores = scores.masked_fill(scores < least, LOWEST)
        if self.search.top_p < 1:
            ranked, order = scores.sort(descending=True)
            shares = ranked.softmax(1)
            beyond = shares.cumsum(1) - shares >= self.search.top_p  # what comes before is enough
            scores = scores.masked_fill(beyond.gather(1, order.argsort(1)), LOWEST)
        noise = torch.empty(self.shape).exponential_(generator=self.generator).clamp(min=1e-30).log()
        return (scores - noise.to(scores.device)[rows]).argmax(1)


def _padded(prefix: Sequence[Sequence[int]], num_rows: int, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Forced beginnings as `(B, P)` ids and which are real."""
    assert len(prefix) == num_rows, f"{len(prefix)} beginnings do not fit {num_rows} rows"
    longest = max(len(ids) for ids in prefix)
    if longest >= length:
        raise ConfigError(f"a forced beginning of {longest} tokens leaves no room in a length of {length}")
    ids = pad_sequence([torch.tensor(each, dtype=torch.long) for each in prefix], batch_first=True)
    sizes = torch.tensor([len(each) for each in prefix])
    return ids.to(device), (torch.arange(longest) < sizes.unsqueeze(1)).to(device)
