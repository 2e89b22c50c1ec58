"""Decoded rows: packed and lazy stores agree; batches are a function of seed and epoch, read a little ahead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_letters import load_one, samples_of, table_of

from sensemble.data.rows import Samples
from sensemble.errors import DataError, Unreadable
from sensemble.tokens import Tokens

CELLS = st.one_of(st.none(), st.text(alphabet="ab好!", min_size=1, max_size=5))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.lists(CELLS, min_size=1, max_size=12), st.sampled_from([0.0, 4.0]))
def test_tokens_equal_the_collated_values(data: Any, values: list[Any], memory: float) -> None:
    store, _, modality = load_one(values, memory=memory)
    readable = [value is not None and not value.startswith("!") for value in values]
    rows = data.draw(st.lists(st.integers(0, len(values) - 1), min_size=1, max_size=8))
    wanted = modality.collate([modality.load(values[row]) if readable[row] else None for row in rows])
    found = store.tokens(torch.tensor(rows))
    assert torch.equal(found.mask, wanted.mask)
    assert torch.equal(found.values, wanted.values)
    assert store.present.tolist() == readable
    lengths = [len(values[row]) if readable[row] else 0 for row in rows]
    assert store.size(torch.tensor(rows)).tolist() == lengths


def test_shuffled_is_a_permutation_and_a_pure_function_of_seed_and_epoch() -> None:
    samples = samples_of(["a" * (1 + number % 7) for number in range(100)])
    batches = samples.shuffled(8, seed=3, epoch=2)
    assert sorted(torch.cat(batches).tolist()) == list(range(100))
    again = samples.shuffled(8, seed=3, epoch=2)
    assert all(torch.equal(one, two) for one, two in zip(batches, again, strict=True))
    for other in (samples.shuffled(8, seed=3, epoch=3), samples.shuffled(8, seed=4, epoch=2)):
        assert torch.cat(other).tolist() != torch.cat(batches).tolist()


def test_shuffled_puts_rows_of_like_length_together() -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(1, 60, 512)
    samples = samples_of(["a" * int(length) for length in lengths])
    batches = samples.shuffled(16, seed=0, epoch=0)
    padded = sum(int(lengths[rows].max()) * len(rows) for rows in batches)
    assert padded < 1.1 * lengths.sum()
    plain = np.array_split(random.permutation(512), 32)
    assert sum(int(lengths[rows].max()) * len(rows) for rows in plain) > 1.5 * lengths.sum()


def test_shuffled_leaves_nearly_even_lengths_to_chance() -> None:
    lengths = np.random.default_rng(0).integers(6, 11, 256)
    batches = samples_of(["a" * int(length) for length in lengths]).shuffled(16, seed=0, epoch=0)
    assert sum(len(set(lengths[rows].tolist())) > 2 for rows in batches) > 12


def test_rows_that_share_a_value_come_together_where_asked_for() -> None:
    values = [None if number % 9 == 8 else f"picture {number % 9}" for number in range(72)]
    samples = samples_of(values)
    batches = samples.shuffled(16, seed=1, epoch=0, together="words")
    assert sorted(torch.cat(batches).tolist()) == list(range(72))
    assert [len({values[row] for row in rows.tolist()}) for rows in batches if len(rows) == 16] == [2] * 4
    again, other = (samples.shuffled(16, seed=1, epoch=epoch, together="words") for epoch in (0, 1))
    assert all(torch.equal(one, two) for one, two in zip(batches, again, strict=True))
    assert torch.cat(other).tolist() != torch.cat(batches).tolist()


def test_tokens_say_which_rows_are_twins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_one(["tea", "tea"])[0].tokens(torch.arange(2)).twins is None  # words: not worth it
    assert load_one(["tea" * 90, "tea"])[0].tokens(torch.arange(2)).twins is not None  # many of them
    monkeypatch.setattr("sensemble.data.rows.COSTLY", 1)
    for memory in (4.0, 0.0):
        twins = load_one(["tea", "好", None, "tea"], memory=memory)[0].tokens(torch.arange(4)).twins
        assert twins is not None and twins.tolist() == [0, 1, -1, 0]


def test_take_only_and_labelled() -> None:
    values = ["a", "bb", None, "dddd"]
    target = Tokens(torch.tensor([[0], [1], [0], [1]]), torch.tensor([[True], [False], [True], [True]]))
    samples = samples_of(values, target=target, weight=torch.arange(4.0), groups=np.array([5, 5, 6, 7]))
    taken = samples.take(np.array([3, 1]))
    batch = taken.batch(torch.tensor([0, 1]))
    assert batch.inputs["words"].values.tolist() == [[100] * 4, [98, 98, 0, 0]]
    assert batch.target is not None and batch.target.values.tolist() == [[1], [1]]
    assert batch.weight is not None and batch.weight.tolist() == [3.0, 1.0]
    assert taken.groups is not None and taken.groups.tolist() == [7, 5]
    assert [taken.table.row(place) for place in range(2)] == [3, 1]
    assert taken.stores["words"].flat is samples.stores["words"].flat
    known = samples.labelled()
    assert known.table.column("text") == ["a", None, "dddd"]
    assert known.labelled() is known
    both = Samples(samples.table, {**samples.stores, "more": samples.stores["words"]})
    assert list(both.only(["more"]).stores) == ["more"]


def test_batches_follow_the_order() -> None:
    samples = samples_of(["a", "b", "c"])
    assert [rows.tolist() for rows in samples.batches(2)] == [[0, 1], [2]]
    assert [rows.tolist() for rows in samples.batches(2, torch.tensor([2, 0]))] == [[2, 0]]


def test_a_column_without_values() -> None:
    store, problems, _ = load_one([None, None])
    assert not problems
    assert not store.tokens(torch.tensor([0, 1])).mask.any()
    assert store.size(torch.tensor([0, 1])).tolist() == [0, 0]


@pytest.mark.parametrize("memory", [4.0, 0.0])
def test_a_stream_gives_the_batches_in_order_whether_or_not_values_are_in_memory(memory: float) -> None:
    values = [None if number % 5 == 0 else "ab" * (number % 4 + 1) for number in range(40)]
    store, _, _ = load_one(values, memory=memory)
    assert (store.flat is None) == (memory == 0.0)
    samples = Samples(table_of(text=values), {"words": store})
    batches = samples.shuffled(7, seed=0, epoch=0)
    streamed = list(samples.stream(batches))
    assert len(streamed) == len(batches)
    for batch, rows in zip(streamed, batches, strict=True):
        expected = samples.batch(rows).inputs["words"]
        assert torch.equal(batch.inputs["words"].values, expected.values)
        assert torch.equal(batch.inputs["words"].mask, expected.mask)


def test_a_stream_reads_little_ahead_and_can_be_left() -> None:
    values = [f"text {number}" for number in range(64)]
    store, _, modality = load_one(values, memory=0.0)
    modality.loads.clear()
    stream = Samples(table_of(text=values), {"words": store}).stream(torch.arange(64).split(4))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert 4 <= modality.loads.total() <= 16


def test_a_file_that_vanishes_after_loading_is_an_error_and_not_a_missing_value() -> None:
    store, _, modality = load_one(["here", "gone"], memory=0.0)
    modality.load = lambda raw: (_ for _ in ()).throw(Unreadable("file does not exist"))  # type: ignore[method-assign]
    samples = Samples(table_of(text=["here", "gone"]), {"words": store})
    with pytest.raises(DataError, match="was readable before"):
        list(samples.stream([torch.arange(2)]))
