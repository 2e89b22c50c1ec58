"""Masked attention: nothing masked is seen, nothing is NaN."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sensemble.errors import ConfigError
from sensemble.nn.attention import Attention, AttentionPool
from sensemble.tokens import Tokens

masks = st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=4)


def make(mask: list[list[bool]]) -> Tokens:
    generator = torch.Generator().manual_seed(0)
    return Tokens(torch.randn(len(mask), 4, 8, generator=generator), torch.tensor(mask))


@settings(deadline=None)
@given(masks)
def test_attention_sees_only_real_tokens(mask: list[list[bool]]) -> None:
    torch.manual_seed(0)
    attention, context = Attention(8, heads=2).eval(), make(mask)
    queries = torch.randn(len(mask), 3, 8)
    found = attention(queries, context)
    for row, keep in enumerate(torch.tensor(mask)):
        if keep.any():
            alone = Tokens.full(context.values[row : row + 1, keep])
            assert torch.allclose(found[row], attention(queries[row : row + 1], alone)[0], atol=1e-5)
        else:
            assert bool((found[row] == 0).all())


@settings(deadline=None)
@given(masks)
def test_gradients_stay_finite(mask: list[list[bool]]) -> None:
    attention, context = Attention(8, heads=2), make(mask)
    values = context.values.clone().requires_grad_()
    attention(torch.randn(len(mask), 3, 8), Tokens(values, context.mask)).square().sum().backward()
    assert values.grad is not None and bool(values.grad.isfinite().all())
    assert bool((values.grad[~context.mask] == 0).all())


@settings(deadline=None)
@given(masks)
def test_pool_weighs_real_tokens(mask: list[list[bool]]) -> None:
    pool, tokens = AttentionPool(8), make(mask)
    assert torch.allclose(pool(tokens), tokens.mean(), atol=1e-6)  # before training, the mean
    with torch.no_grad():
        pool.query.normal_()
    sums = pool.weights(tokens).sum(1)
    assert torch.allclose(sums, tokens.present.float(), atol=1e-6)


@settings(deadline=None)
@given(masks)
def test_causal_attention_sees_real_tokens_up_to_its_own(mask: list[list[bool]]) -> None:
    torch.manual_seed(0)
    attention, context = Attention(8, heads=2).eval(), make(mask)
    found = attention(context.values, context, causal=True)
    for place in range(4):
        seen = Tokens(context.values[:, : place + 1], context.mask[:, : place + 1])
        alone = attention(context.values[:, place : place + 1], seen)
        assert torch.allclose(found[:, place], alone[:, 0], atol=1e-5)


@settings(deadline=None)
@given(masks)
def test_nan_behind_the_mask_changes_nothing(mask: list[list[bool]]) -> None:
    context, queries = make(mask), torch.ones(len(mask), 3, 8)
    dirty = Tokens(context.values.masked_fill(~context.mask.unsqueeze(-1), float("nan")), context.mask)
    attention, pool = Attention(8), AttentionPool(8)
    assert torch.equal(attention(queries, context), attention(queries, dirty))
    assert torch.equal(pool(context), pool(dirty))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ConfigError, match="10 cannot have 4 heads"):
        Attention(10, heads=4)
