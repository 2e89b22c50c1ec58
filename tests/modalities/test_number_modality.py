"""Numbers: standardised, clipped, with strictly rising edges; text that is no number is named."""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sensemble.errors import ConfigError, Unreadable
from sensemble.modalities.number import Number

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def test_training_values_have_mean_0_and_deviation_1() -> None:
    values = np.random.default_rng(0).normal(40, 7, 500).tolist()
    number = Number().fit(values)
    loaded = torch.cat([number.load(value) for value in values])
    assert loaded.shape == (500, 1) and loaded.dtype == torch.float32
    assert float(loaded.mean()) == pytest.approx(0, abs=1e-5)
    assert float(loaded.std(correction=0)) == pytest.approx(1, abs=1e-5)
    assert float(number.load(number.mean_ + 2 * number.std_)) == pytest.approx(2)


def test_edges_part_the_values_into_equal_shares() -> None:
    values = np.random.default_rng(1).exponential(3, 3200)
    number = Number(bins=32).fit(values)
    loaded = torch.cat([number.load(value) for value in values]).flatten()
    assert len(number.edges_) == 33
    shares = torch.histogram(loaded, bins=number.edges_).hist / len(values)
    assert float(shares.min()) > 0.025 and float(shares.max()) < 0.04


@settings(deadline=None, max_examples=200)
@given(st.lists(FINITE, min_size=1, max_size=30), FINITE, st.integers(1, 40))
def test_any_finite_numbers_give_finite_values_and_rising_edges(values: list[float], one: float, bins: int) -> None:
    number = Number(bins=bins).fit(values)
    assert 2 <= len(number.edges_) <= bins + 1
    assert bool((number.edges_.diff() > 0).all()) and bool(number.edges_.isfinite().all())
    assert abs(float(number.load(one))) <= number.clip
    again = Number(bins=bins).restore(json.loads(json.dumps(number.state())))
    assert torch.equal(again.load(one), number.load(one))
    assert torch.equal(again.edges_, number.edges_)


def test_repeated_values_make_fewer_edges() -> None:
    number = Number().fit([0, 1] * 50)
    assert number.edges_.tolist() == [-1, 1]


def test_a_constant_is_zero_and_another_value_is_not() -> None:
    number = Number().fit([0.1] * 7)
    assert float(number.load(0.1)) == 0
    assert float(number.load(1.1)) == pytest.approx(1)
    assert number.edges_.tolist() == [-0.5, 0.5]


@pytest.mark.parametrize(
    ("raw", "value"),
    [(3, 3), ("3.5", 3.5), (" -1e2 ", -100), (True, 1), (np.float32(2.5), 2.5), (np.int8(4), 4), (Decimal("1.5"), 1.5),
     (np.True_, 1), ("３", 3)],
)  # fmt: skip
def test_what_counts_as_a_number(raw: object, value: float) -> None:
    number = Number(clip=1000).fit([0, 2])
    assert float(number.load(raw)) == pytest.approx(value - 1)


@pytest.mark.parametrize(
    "raw", ["abc", "", "nan", "inf", float("inf"), float("nan"), "1_000", 10**400, None, [1], b"1"]
)
def test_what_does_not(raw: object) -> None:
    with pytest.raises(Unreadable, match="not a number"):
        Number().fit([0, 2]).load(raw)


def test_the_reason_names_the_value_briefly() -> None:
    number = Number().fit([1, 2])
    with pytest.raises(Unreadable, match=r"^not a number: 'abc'$"):
        number.load("abc")
    with pytest.raises(Unreadable) as caught:
        number.load("很" * 500)
    assert len(str(caught.value)) < 80


def test_fit_passes_over_what_is_no_number() -> None:
    assert Number().fit([1, "x", 3]).state() == Number().fit([1, 3]).state()
    with pytest.raises(Unreadable, match="none of the 2 training values is a number: not a number: 'y'"):
        Number().fit(["x", "y"])


def test_far_values_are_clipped() -> None:
    number = Number(clip=3).fit([0, 1, 2])
    assert float(number.load(1e300)) == 3
    assert float(number.load(-1e300)) == -3


def test_impossible_options_are_named() -> None:
    for wrong in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="clip must be above 0"):
            Number(clip=wrong)
    with pytest.raises(ConfigError, match="bins must be at least 1"):
        Number(bins=0)


def test_batches_hold_missing_rows() -> None:
    number = Number().fit([1, 2])
    tokens = number.collate([number.load(1), None])
    assert tokens.values.shape == (2, 1, 1)
    assert tokens.present.tolist() == [True, False]
    assert number.describe(1) == ["1"]
