"""Vectors: standardised by feature, of any length, of one width; every odd value is named."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sensemble.errors import ConfigError, Unreadable
from sensemble.modalities.vector import Vector


def test_features_are_standardised_over_all_steps() -> None:
    rng = np.random.default_rng(0)
    values = [rng.normal([5, -100], [2, 30], (rng.integers(1, 9), 2)) for _ in range(60)]
    vector = Vector().fit(values)
    steps = np.concatenate(values)
    np.testing.assert_allclose(vector.mean_, steps.mean(0))
    np.testing.assert_allclose(vector.std_, steps.std(0))
    loaded = torch.cat([vector.load(value) for value in values])
    assert loaded.dtype == torch.float32
    torch.testing.assert_close(loaded.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(loaded.std(0, correction=0), torch.ones(2))


def test_one_list_is_one_step() -> None:
    vector = Vector().fit([[1, 2, 3], [3, 2, 1]])
    assert vector.shape == (3,)
    assert vector.load([1, 2, 3]).shape == (1, 3)
    assert vector.load([[1, 2, 3]] * 4).shape == (4, 3)
    assert vector.describe([1, 2, 3]) == ["the features"]
    assert vector.describe([[1, 2, 3]] * 2) == ["step 1", "step 2"]


def nested(rows: list[list[float]]) -> np.ndarray:
    """As a nested column of a Parquet file comes: an array of arrays."""
    outer = np.empty(len(rows), dtype=object)
    outer[:] = [np.array(row) for row in rows]
    return outer


def test_every_way_to_write_a_sequence() -> None:
    rows = [[1.0, 2.0], [3.0, 5.0]]
    vector = Vector().fit([rows])
    expected = vector.load(rows)
    for same in (tuple(map(tuple, rows)), np.array(rows), torch.tensor(rows), nested(rows), json.dumps(rows),
                 np.array(rows, dtype=np.float32), np.array(rows, dtype=np.int16)):  # fmt: skip
        assert torch.equal(vector.load(same), expected)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ([1.0, float("nan")], "not finite"),
        ([1.0, float("inf")], "not finite"),
        ("[1, NaN]", "not finite"),
        ("[1e999, 1]", "not finite"),
        ([1.0, 2.0, 3.0], "has 3 features a step, the training values have 2"),
        ([[1.0, 2.0], [3.0]], "differ in their number of features"),
        (nested([[1.0, 2.0], [3.0]]), "differ in their number of features"),
        ([], "empty"),
        ([[]], "empty"),
        ("", "not a list of numbers"),
        ("[1, 2", "not a list of numbers"),
        ("clip.npy", "not a list of numbers"),
        ("[" * 100_000, "not a list of numbers"),
        ("3.5", "not a list of numbers"),
        ('{"a": 1}', "not a list of numbers"),
        (3.5, "not a list of numbers"),
        (None, "not a list of numbers"),
        (["a", "b"], "not a number"),
        ([1.0, None], "not a number"),
        ([10**400, 1], "not a number"),
        ([[[1.0, 2.0]]], "one or two levels"),
        (np.array(1.0), "one or two levels"),
        ([1e300, 1e300], "too large"),
    ],
)
def test_what_cannot_be_read_has_a_reason(raw: object, reason: str) -> None:
    vector = Vector().fit([[1.0, 2.0], [1.1, 2.1]])
    with pytest.raises(Unreadable, match=reason):
        vector.load(raw)


def test_training_values_must_agree_on_their_width() -> None:
    with pytest.raises(Unreadable) as caught:
        Vector().fit([[1, 2], [3, 4], [[5, 6, 7]], [8, 9]])
    message = str(caught.value)
    assert "3 training values have 2 features" in message
    assert "value 2 has 3" in message and "[[5 6 7]]" in message


def test_fit_passes_over_what_cannot_be_read() -> None:
    good = [[1.0, 2.0], [4.0, 8.0]]
    assert Vector().fit([good[0], "oops", [float("nan"), 1.0], good[1]]).state() == Vector().fit(good).state()
    with pytest.raises(Unreadable, match=r"none of the 2 training values.*not finite"):
        Vector().fit(["x", [float("nan")]])


def test_a_constant_feature_is_zero() -> None:
    vector = Vector().fit([[0.1, 1.0], [0.1, 2.0], [0.1, 4.0]])
    assert float(vector.load([0.1, 1.0])[0, 0]) == 0
    assert float(vector.load([1.1, 1.0])[0, 0]) == pytest.approx(1)


def test_long_sequences_are_cut() -> None:
    vector = Vector(length=3).fit([[[1.0], [2.0], [3.0], [99.0]]])
    assert float(vector.mean_[0]) == 2
    assert vector.load([[1.0], [2.0], [3.0], [99.0]]).shape == (3, 1)
    assert len(vector.describe([[0.0]] * 9)) == 3


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        arrays.arrays(np.float64, st.tuples(st.integers(1, 5), st.just(3)), elements=st.floats(-1e100, 1e100)),
        min_size=1,
        max_size=5,
    )
)
def test_any_numbers_load_as_finite_values_and_survive_json(values: list[np.ndarray]) -> None:
    vector = Vector().fit(values)
    again = Vector().restore(json.loads(json.dumps(vector.state())))
    for value in values:
        loaded = vector.load(value)
        assert loaded.shape == value.shape and bool(loaded.isfinite().all())
        assert torch.equal(again.load(value), loaded)


def test_numbers_beyond_reckoning_are_an_error_and_not_a_nan() -> None:
    with pytest.raises(Unreadable, match="too large"):
        Vector().fit([[1e300], [-1e300], [1e200]])


def test_ragged_batches_are_padded_and_masked() -> None:
    vector = Vector().fit([[[1.0, 2.0], [3.0, 4.0]]])
    tokens = vector.collate([vector.load([1, 2]), None, vector.load([[1, 2], [3, 4], [5, 6]])])
    assert tokens.values.shape == (3, 3, 2)
    assert tokens.mask.sum(1).tolist() == [1, 0, 3]
    assert vector.collate([None]).values.shape == (1, 1, 2)


def test_threads_agree() -> None:
    values = list(np.random.default_rng(0).normal(size=(200, 4)))
    vector = Vector().fit(values)
    with ThreadPoolExecutor(8) as pool:
        for found, value in zip(pool.map(vector.load, values), values, strict=True):
            assert torch.equal(found, vector.load(value))


def test_a_report_shows_a_short_text() -> None:
    shown = Vector().fit([[0.0]]).show(np.zeros((5000, 300)))
    assert shown["kind"] == "text" and len(shown["text"]) <= 80


def test_impossible_options_are_named() -> None:
    with pytest.raises(ConfigError, match="length must be at least 1"):
        Vector(length=0)
