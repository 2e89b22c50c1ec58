"""Categories: one id a label, whichever way it is written; unseen labels share the id 0."""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sensemble.errors import ConfigError, Unreadable
from sensemble.modalities.category import Category


def test_labels_stand_by_count_and_then_by_name() -> None:
    category = Category().fit(["b", "c", "a", "c", "红", "红", "红"])
    assert category.labels_ == ["红", "c", "a", "b"]
    assert [int(category.load(label)) for label in category.labels_] == [1, 2, 3, 4]
    assert category.num_tokens == 5
    assert category.load("红").shape == (1,) and category.load("红").dtype == torch.int64


def test_unseen_labels_are_other() -> None:
    category = Category().fit(["a", "b"])
    assert int(category.load("c")) == 0
    assert category.describe("a") == ["a"]
    assert category.describe("c") == ["c (other)"]


def test_rare_labels_are_other() -> None:
    category = Category(min_count=2).fit(["a", "a", "b"])
    assert category.labels_ == ["a"] and int(category.load("b")) == 0
    with pytest.raises(Unreadable, match="none of its 2 labels occurs 3 times"):
        Category(min_count=3).fit(["a", "a", "b"])


def test_the_commonest_labels_are_kept() -> None:
    category = Category(max_labels=2).fit(["a", "b", "b", "c", "c"])
    assert category.labels_ == ["b", "c"] and int(category.load("a")) == 0


@pytest.mark.parametrize(
    "alike",
    [
        (3, 3.0, "3", np.int64(3), np.float32(3), " 3 ", Decimal("3.0")),
        (0, -0.0, "0"),
        (True, "True", np.True_),
        (0.1, np.float32(0.1), "0.1"),
        ("caf\u00e9", "cafe\u0301", b"caf\xc3\xa9"),
        (10**20, "100000000000000000000"),
    ],
)
def test_one_label_written_in_several_ways(alike: tuple[object, ...]) -> None:
    category = Category().fit(alike)
    assert len(category.labels_) == 1
    assert {int(category.load(value)) for value in alike} == {1}


def test_labels_that_differ_stay_apart() -> None:
    assert len(Category().fit([1, True, "1.5", 1.25, "one", "One", float("inf"), 2.0**60]).labels_) == 8


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text(max_size=5) | st.integers() | st.floats() | st.booleans(), min_size=1, max_size=20))
def test_state_survives_json_for_any_labels(values: list[object]) -> None:
    category = Category().fit(values)
    again = Category().restore(json.loads(json.dumps(category.state())))
    assert again.num_tokens == category.num_tokens
    for value in values:
        assert int(category.load(value)) > 0
        assert torch.equal(again.load(value), category.load(value))


def test_batches_hold_missing_rows() -> None:
    category = Category().fit(["a"])
    tokens = category.collate([category.load("a"), None])
    assert tokens.values.shape == (2, 1) and tokens.values.dtype == torch.int64
    assert tokens.mask.tolist() == [[True], [False]]


def test_impossible_options_are_named() -> None:
    for key in ("min_count", "max_labels"):
        with pytest.raises(ConfigError, match=f"{key} must be at least 1"):
            Category(**{key: 0})
