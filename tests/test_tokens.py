"""The one shape: padding, masks, and what a missing row is."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sensemble.tokens import Batch, Tokens

rows = st.lists(st.one_of(st.none(), st.integers(1, 5)), min_size=1, max_size=6)


def make(lengths: list[int | None], width: int = 3) -> Tokens:
    generator = torch.Generator().manual_seed(0)
    given = [None if n is None else torch.randn(n, width, generator=generator) for n in lengths]
    return Tokens.stack(given, shape=(width,))


@given(rows)
def test_stack_keeps_every_value_and_masks_the_rest(lengths: list[int | None]) -> None:
    tokens = make(lengths)
    assert tokens.mask.sum(1).tolist() == [n or 0 for n in lengths]
    assert tokens.present.tolist() == [n is not None for n in lengths]
    assert bool((tokens.values[~tokens.mask] == 0).all())


@given(rows)
def test_clean_forgets_what_masked_slots_held(lengths: list[int | None]) -> None:
    tokens = make(lengths)
    dirty = tokens.values.clone()
    dirty[~tokens.mask] = float("nan")
    assert torch.equal(Tokens(dirty, tokens.mask).clean().values, tokens.values)


@given(rows)
def test_mean_is_that_of_the_real_tokens(lengths: list[int | None]) -> None:
    tokens = make(lengths)
    for row, (values, mask) in enumerate(zip(tokens.values, tokens.mask, strict=True)):
        expected = values[mask].mean(0) if mask.any() else torch.zeros(3)
        assert torch.allclose(tokens.mean()[row], expected, atol=1e-6)


@given(rows)
def test_apply_runs_on_real_tokens_alone(lengths: list[int | None]) -> None:
    tokens = make(lengths)
    seen = []

    def body(values: torch.Tensor) -> torch.Tensor:
        seen.append(len(values))
        return values.sum(1, keepdim=True).expand(-1, 2)

    result = tokens.apply(body, out=(2,))
    real = sum(n or 0 for n in lengths)
    assert sum(seen) == real
    expected = tokens.values.sum(-1, keepdim=True).expand(-1, -1, 2)
    assert torch.allclose(result.values, expected)


def test_cat_and_hide() -> None:
    first, second = make([2, None]), make([1, 3])
    both = Tokens.cat([first, second])
    assert both.mask.sum(1).tolist() == [3, 3]
    hidden = both.hide(torch.tensor([True, False]))
    assert hidden.present.tolist() == [False, True]


def test_values_and_mask_must_fit() -> None:
    with pytest.raises(AssertionError, match="do not fit"):
        Tokens(torch.zeros(2, 3), torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(AssertionError, match="bool"):
        Tokens(torch.zeros(2, 3), torch.ones(2, 3))


def test_batch_counts_rows() -> None:
    assert len(Batch({"a": make([1, None, 2])})) == 3


def test_twins_are_computed_once() -> None:
    values, sizes = torch.tensor([[1.0], [2.0], [1.0], [1.0], [2.0], [9.0]]), []

    def double(tokens: Tokens) -> Tokens:
        sizes.append(len(tokens))
        return tokens.with_values(2 * tokens.values)

    tokens = Tokens(values, torch.ones(6, 1, dtype=torch.bool), torch.tensor([4, 7, 4, 4, 7, -1]))
    tokens = tokens.hide(torch.tensor([True, False, False, False, False, True]))
    assert tokens.once(double).values.tolist() == [[0.0], [4.0], [2.0], [2.0], [4.0], [0.0]]
    assert tokens.once(double).mask.squeeze(1).tolist() == [False, True, True, True, True, False]
    assert tokens[torch.tensor([1, 2, 3])].once(double).values.tolist() == [[4.0], [2.0], [2.0]]  # little to spare
    assert sizes == [3, 3, 3]
