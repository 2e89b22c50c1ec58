"""Transformer layers: masks, order, context."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sensemble.nn.transformer import Transformer, sinusoids
from sensemble.tokens import Tokens

lengths = st.lists(st.integers(0, 5), min_size=1, max_size=4)


def make(lengths: list[int]) -> Tokens:
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randn(length, 8, generator=generator) if length else None for length in lengths]
    return Tokens.stack(rows, shape=(8,), dtype=torch.float32)


@settings(deadline=None, max_examples=30)
@given(lengths)
def test_rows_are_alone_whatever_their_padding(lengths: list[int]) -> None:
    torch.manual_seed(0)
    body, tokens = Transformer(8, depth=2, heads=2).eval(), make(lengths)
    encoded = body(tokens)
    assert torch.equal(encoded.mask, tokens.mask) and not encoded.values[~tokens.mask].any()
    for row, length in enumerate(lengths):
        if length:
            alone = body(Tokens.full(tokens.values[row : row + 1, :length]))
            assert torch.allclose(encoded.values[row, :length], alone.values[0], atol=1e-5)


def test_it_knows_no_order_of_its_own() -> None:
    torch.manual_seed(0)
    body, values = Transformer(8, depth=1).eval(), torch.randn(1, 4, 8)
    turned = body(Tokens.full(values.flip(1))).values
    assert torch.allclose(turned.flip(1), body(Tokens.full(values)).values, atol=1e-5)


def test_a_causal_stack_never_sees_what_follows() -> None:
    torch.manual_seed(0)
    body, values = Transformer(8, depth=2).eval(), torch.randn(2, 5, 8)
    before = body(Tokens.full(values), causal=True).values
    values[:, 3:] = torch.randn(2, 2, 8)
    after = body(Tokens.full(values), causal=True).values
    assert torch.allclose(before[:, :3], after[:, :3], atol=1e-6)
    assert not torch.allclose(before[:, 3:], after[:, 3:], atol=1e-2)


def test_cross_attention_reads_the_context_of_its_own_row() -> None:
    torch.manual_seed(0)
    body, tokens, context = Transformer(8, depth=1, cross=True).eval(), make([3, 3]), make([2, 4])
    found = body(tokens, context).values
    other = body(tokens, Tokens(context.values * torch.tensor([[[1.0]], [[-2.0]]]), context.mask)).values
    assert torch.equal(found[0], other[0]) and not torch.allclose(found[1], other[1], atol=1e-3)
    nothing = body(tokens, make([0, 4])).values
    assert torch.allclose(nothing[0], body(tokens, None).values[0], atol=1e-6)


def test_gradients_are_finite_and_reach_every_weight() -> None:
    torch.manual_seed(0)
    body, tokens = Transformer(8, depth=2, cross=True), make([3, 0, 5])
    body(tokens, make([0, 2, 3])).values.square().sum().backward()
    for name, weight in body.named_parameters():
        assert weight.grad is not None and bool(weight.grad.isfinite().all()) and bool(weight.grad.any()), name


def test_sinusoids_tell_positions_apart_and_do_not_depend_on_the_length() -> None:
    marks = sinusoids(200, 7, like=torch.zeros(1))
    assert marks.shape == (200, 7) and torch.equal(marks[:50], sinusoids(50, 7, like=torch.zeros(1)))
    assert float((torch.cdist(marks, marks) + torch.eye(200)).min()) > 0.1
