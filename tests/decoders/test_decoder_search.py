"""Searches: cached equals uncached, rows do not touch each other, every rule holds."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from sensemble.decoders.base import DECODERS, END, Decoder, State
from sensemble.decoders.rules import Trie
from sensemble.decoders.search import Search, Written, write
from sensemble.errors import ConfigError
from sensemble.tokens import Tokens

V, LENGTH = 12, 10
HOWS = {
    "greedy": Search(),
    "beam": Search(beam=4),
    "short beam": Search(beam=3, length_penalty=0.0),
    "ruled": Search(beam=2, no_repeat=2, min_length=3),
    "drawn": Search(temperature=0.8, top_k=6, top_p=0.9, seed=3),
}


class Uncached(Decoder):
    """Reads everything anew at each step: what a cache must agree with."""

    def __init__(self, inner: Decoder) -> None:
        super().__init__(inner.width, inner.num_tokens)
        self.inner = inner
        self.rows_read = 0

    def forward(self, fused: Tokens, ids: Tensor) -> Tensor:
        features: Tensor = self.inner(fused, ids)
        return features

    def start(self, fused: Tokens) -> State:
        return State((fused.values, fused.mask), (torch.zeros(len(fused), 0, dtype=torch.long),))

    def read(self, state: State, ids: Tensor) -> tuple[Tensor, State]:
        seen = torch.cat([state.cache[0], ids.unsqueeze(1)], 1)
        several = len(ids) // len(state.memory[0])
        fused = Tokens(*(each.repeat_interleave(several, 0) for each in state.memory))
        self.rows_read += len(ids)
        return self.inner(fused, seen)[:, -1], State(state.memory, (seen,), state.length + 1)

    def scores(self, features: Tensor) -> Tensor:
        return self.inner.scores(features)


class Table(Decoder):
    """The next token hangs on the last one alone, by a table of log-probabilities `(V + 1, V)`."""

    def __init__(self, scores: Tensor) -> None:
        super().__init__(4, scores.shape[1])
        self.table = scores
        self.rows_read = 0

    def forward(self, fused: Tokens, ids: Tensor) -> Tensor:
        return self.table[ids]

    def start(self, fused: Tokens) -> State:
        return State((fused.values,), (fused.values[:, 0],))

    def read(self, state: State, ids: Tensor) -> tuple[Tensor, State]:
        self.rows_read += len(ids)
        return self.table[ids], state

    def scores(self, features: Tensor) -> Tensor:
        return features


def make(name: str) -> Decoder:
    """A decoder with random weights, loud enough that texts differ and end."""
    torch.manual_seed(0)
    decoder = DECODERS.create(name, 16, V).eval()
    with torch.no_grad():
        for parameter in decoder.parameters():
            if parameter.dim() > 1:
                parameter.mul_(2.0)
        decoder.bias[END] = 1.5
    return decoder


def make_fused(rows: int = 7) -> Tokens:
    generator = torch.Generator().manual_seed(1)
    mask = torch.rand(rows, 3, generator=generator) < 0.7
    mask[0] = False
    return Tokens(2 * torch.randn(rows, 3, 16, generator=generator), mask).clean()


def same(first: list[Written], second: list[Written]) -> bool:
    return all(
        one.ids == other.ids and one.score == pytest.approx(other.score, abs=1e-4)
        for one, other in zip(first, second, strict=True)
    )


def chain() -> Tensor:
    """Three words 1, 2, 3; greedy takes 1 and pays later."""
    probabilities = torch.full((5, 4), 0.01)
    probabilities[4] = torch.tensor([0.02, 0.5, 0.4, 0.08])  # at first
    probabilities[1] = torch.tensor([0.3, 0.05, 0.25, 0.4])
    probabilities[2] = torch.tensor([0.9, 0.03, 0.03, 0.04])
    probabilities[3] = torch.tensor([0.32, 0.28, 0.2, 0.2])
    return (probabilities / probabilities.sum(1, keepdim=True)).log()


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", list(DECODERS))
def test_cached_is_uncached(name: str, how: str) -> None:
    decoder, fused = make(name), make_fused()
    found = write(decoder, fused, length=LENGTH, search=HOWS[how])
    assert same(found, write(Uncached(decoder), fused, length=LENGTH, search=HOWS[how]))
    assert len({tuple(each.ids) for each in found}) > 1
    assert len({len(each.ids) for each in found}) > 1


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", list(DECODERS))
def test_rows_and_padding_change_nothing(name: str, how: str) -> None:
    decoder, fused = make(name), make_fused()
    found = write(decoder, fused, length=LENGTH, search=HOWS[how])
    padded = Tokens.cat([fused, Tokens(torch.ones(len(fused), 2, 16), torch.zeros(len(fused), 2, dtype=torch.bool))])
    assert same(write(decoder, padded, length=LENGTH, search=HOWS[how]), found)
    if how != "drawn":  # a draw hangs on the row's place
        alone = [write(decoder, fused[row : row + 1], length=LENGTH, search=HOWS[how])[0] for row in range(len(fused))]
        assert same(alone, found)
    first = write(decoder, fused[:3], length=LENGTH, search=HOWS[how])
    assert how == "drawn" or same(first, found[:3])


@pytest.mark.parametrize("name", list(DECODERS))
def test_a_beam_of_one_is_greedy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sensemble.decoders import search

    decoder, fused = make(name), make_fused()
    greedy = write(decoder, fused, length=LENGTH)
    monkeypatch.setattr(search, "_one", search._beam)
    assert same(write(decoder, fused, length=LENGTH), greedy)


def test_the_score_is_the_mean_log_probability() -> None:
    decoder, fused = make("transformer"), make_fused()
    for search in HOWS.values():
        for row, each in enumerate(write(decoder, fused, length=LENGTH, search=search)):
            ids = torch.tensor([*each.ids, END][:LENGTH])
            before = torch.tensor([[decoder.begin, *ids[:-1].tolist()]])
            with torch.no_grad():
                scores = decoder.scores(decoder(fused[row : row + 1], before))[0].log_softmax(-1)
            assert each.score == pytest.approx(float(scores.gather(1, ids.unsqueeze(1)).mean()), abs=1e-4)


def test_a_wide_beam_finds_the_likeliest_text() -> None:
    table = chain()
    every = [
        (tuple(ids), sum(float(table[a, b]) for a, b in zip((4, *ids), (*ids, END), strict=True)))
        for size in range(4)
        for ids in product((1, 2, 3), repeat=size)
    ]
    best = max(every, key=lambda pair: pair[1])
    greedy = write(Table(table), _dot(1), length=4)[0]
    wide = write(Table(table), _dot(1), length=4, search=Search(beam=40, length_penalty=0.0))[0]
    assert greedy.ids != list(best[0]) and wide.ids == list(best[0]) == [2]
    assert wide.score == pytest.approx(best[1] / 2, abs=1e-5)


def test_the_length_penalty_prefers_longer_texts() -> None:
    probabilities = torch.tensor([[0.25] * 4, [0.9, 0.03, 0.03, 0.04], [0.1, 0.1, 0.1, 0.7], [0.9, 0.05, 0.03, 0.02]])
    first = torch.tensor([[0.01, 0.5, 0.48, 0.01]])
    table = torch.cat([probabilities, first]).log()
    sizes = [
        len(write(Table(table), _dot(1), length=5, search=Search(beam=8, length_penalty=penalty))[0].ids)
        for penalty in (0.0, 2.0)
    ]
    assert sizes == [1, 2]


def test_a_row_that_has_ended_costs_nothing_more() -> None:
    """Row by row, tokens are read once each; a batch that is never made smaller would read rows x longest."""
    decoder, fused = Uncached(make("transformer")), make_fused(40)
    found = write(decoder, fused, length=LENGTH)
    needed = sum(min(len(each.ids) + 1, LENGTH) for each in found)
    longest = max(min(len(each.ids) + 1, LENGTH) for each in found)
    assert needed <= decoder.rows_read < 1.15 * needed < 0.8 * len(fused) * longest


def test_blocked_n_grams_never_stand_twice() -> None:
    decoder, fused = make("transformer"), make_fused()
    with torch.no_grad():
        decoder.bias[END] = -9

    def repeats(size: int, **options: Any) -> int:
        count = 0
        for each in write(decoder, fused, length=LENGTH, search=Search(**options)):
            grams = [tuple(each.ids[i : i + size]) for i in range(len(each.ids) - size + 1)]
            count += len(grams) - len(set(grams))
        return count

    for size, beam in product((1, 2, 3), (1, 3)):
        assert repeats(size, beam=beam) > 0
        assert repeats(size, beam=beam, no_repeat=size) == 0
    assert repeats(2, temperature=0.5, no_repeat=2) == 0


def test_min_length() -> None:
    decoder, fused = make("transformer"), make_fused()
    with torch.no_grad():
        decoder.bias[END] = 8
    for beam in (1, 3):
        assert {len(e.ids) for e in write(decoder, fused, length=LENGTH, search=Search(beam=beam))} == {0}
        texts = write(decoder, fused, length=LENGTH, search=Search(beam=beam, min_length=4))
        assert {len(each.ids) for each in texts} == {4}


@pytest.mark.parametrize("how", HOWS)
def test_a_forced_beginning(how: str) -> None:
    decoder, fused = make("recurrent"), make_fused(4)
    prefix = [[3, 4, 5], [], [7], [7, 7, 7, 7]]
    found = write(decoder, fused, length=LENGTH, search=HOWS[how], prefix=prefix)
    for each, ids in zip(found, prefix, strict=True):
        assert each.ids[: len(ids)] == ids
    free = write(decoder, fused, length=LENGTH, search=HOWS[how])
    assert same(found[1:2], free[1:2])
    for row, ids in enumerate(prefix):  # what was forced is not in the score
        whole = torch.tensor([*found[row].ids, END][:LENGTH])
        with torch.no_grad():
            before = torch.tensor([[decoder.begin, *whole[:-1].tolist()]])
            scores = decoder.scores(decoder(fused[row : row + 1], before))[0].log_softmax(-1)
        chosen = scores.gather(1, whole.unsqueeze(1))[len(ids) :]
        assert found[row].score == pytest.approx(float(chosen.mean()), abs=1e-4)
    with pytest.raises(ConfigError, match="leaves no room in a length of 10"):
        write(decoder, fused, length=LENGTH, prefix=[[1] * 10] * 4)


@pytest.mark.parametrize("how", HOWS)
def test_only_allowed_texts_are_written(how: str) -> None:
    decoder, fused = make("transformer"), make_fused(30)
    allowed = [[3], [3, 4], [5, 6, 7], [5, 6, 5, 6, 5, 6], [9, 9, 9, 9, 9, 9, 9, 9, 9, 9]]
    trie = Trie(allowed, V)
    found = write(decoder, fused, length=LENGTH, search=HOWS[how], allowed=trie)
    assert all(each.ids in allowed for each in found)
    assert len({tuple(each.ids) for each in found}) > (how != "short beam")
    begun = write(decoder, fused, length=LENGTH, search=HOWS[how], allowed=trie, prefix=[[5, 6]] * 30)
    assert all(each.ids in allowed[2:4] for each in begun)


def test_among_allowed_texts_a_wide_beam_takes_the_likeliest() -> None:
    allowed = [[3], [1, 3], [2, 1], [3, 3]]
    table = chain()
    scores = [sum(float(table[a, b]) for a, b in zip((4, *ids), (*ids, END), strict=True)) for ids in allowed]
    found = write(Table(table), _dot(1), length=4, search=Search(beam=8, length_penalty=0.0), allowed=Trie(allowed, 4))
    assert found[0].ids == allowed[scores.index(max(scores))]


def test_draws_follow_the_distribution_and_the_seed() -> None:
    table = chain()

    def draw(rows: int, **options: Any) -> list[list[int]]:
        search = Search(temperature=options.pop("temperature", 1.0), **options)
        return [each.ids for each in write(Table(table), _dot(rows), length=6, search=search)]

    firsts = torch.bincount(torch.tensor([(ids or [END])[0] for ids in draw(4000)]), minlength=4) / 4000
    assert torch.allclose(firsts, table[4].exp(), atol=0.03)
    assert draw(50) == draw(50) != draw(50, seed=1)
    assert {(ids or [END])[0] for ids in draw(500, top_k=2)} == {1, 2}
    assert {(ids or [END])[0] for ids in draw(500, top_p=0.85)} == {1, 2}
    assert {(ids or [END])[0] for ids in draw(500, top_p=0.95)} == {1, 2, 3}
    greedy = write(Table(table), _dot(1), length=6)[0].ids
    assert draw(20, temperature=1e-3) == [greedy] * 20 == draw(20, top_k=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": 0}, "search.beam: must be at least 1"),
        ({"top_p": 0.0, "temperature": 1.0}, "search.top_p"),
        ({"beam": 2, "temperature": 1.0}, "choose either"),
        ({"top_k": 3}, "give a temperature above 0"),
        ({"no_repeat": -1}, "search.no_repeat: cannot be negative"),
    ],
)
def test_wrong_searches(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Search(**options)


def test_wrong_tries() -> None:
    with pytest.raises(ConfigError, match="there must be one or more"):
        Trie([], V)
    with pytest.raises(ConfigError, match="none may be empty"):
        Trie([[1], []], V)
    decoder = make("recurrent")
    with pytest.raises(ConfigError, match="an allowed text has 3 tokens, more than the length of 2"):
        write(decoder, make_fused(1), length=2, allowed=Trie([[1, 2, 3]], V))
    with pytest.raises(ConfigError, match=r"no allowed text begins with the tokens \[2\]"):
        write(decoder, make_fused(1), length=5, allowed=Trie([[1, 2, 3]], V), prefix=[[2]])


def test_no_rows_give_no_texts() -> None:
    assert write(make("recurrent"), make_fused(3)[:0], length=3) == []


def _dot(rows: int) -> Tokens:
    return Tokens.full(torch.zeros(rows, 1, 4))
