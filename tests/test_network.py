"""The laws of missing inputs, for the whole network under every fusion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensemble import evaluate
from sensemble.fusion.base import FUSIONS
from sensemble.tokens import Tokens

fusions = pytest.mark.parametrize("fusion", list(FUSIONS))


@torch.no_grad()
def logits(network: Any, inputs: dict[str, Tokens]) -> torch.Tensor:
    result: torch.Tensor = network.head(network(inputs))
    return result


@fusions
def test_what_an_absent_slot_holds_changes_no_logit(built: Callable[..., Any], fusion: str) -> None:
    network, _, samples, _ = built(fusion)
    inputs = samples.batch(torch.arange(12)).inputs
    reference = logits(network, inputs)
    for junk in (float("nan"), 1e9, -7.0):
        dirty = {}
        for name, tokens in inputs.items():
            values = tokens.values.clone()
            if values.is_floating_point():
                values[~tokens.mask] = junk
            else:
                values[~tokens.mask] = 5 if junk > 0 else 1
            dirty[name] = Tokens(values, tokens.mask, tokens.twins)
        assert torch.equal(logits(network, dirty), reference)  # bit for bit


@fusions
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.integers(0, 23), min_size=1, max_size=8))
def test_the_rest_of_the_batch_changes_no_answer(built: Callable[..., Any], fusion: str, rows: list[int]) -> None:
    network, _, samples, _ = built(fusion)
    together = logits(network, samples.batch(torch.tensor(rows)).inputs)
    for place, row in enumerate(rows):
        alone = logits(network, samples.batch(torch.tensor([row])).inputs)
        assert torch.allclose(together[place], alone[0], atol=1e-5)


@fusions
def test_padding_changes_no_answer(built: Callable[..., Any], fusion: str) -> None:
    network, _, samples, _ = built(fusion)
    inputs = samples.batch(torch.arange(8)).inputs
    padded = {}
    for name, tokens in inputs.items():
        extra = torch.full_like(tokens.values[:, :1], 3).expand(-1, 4, *[-1] * (tokens.values.dim() - 2))
        padded[name] = Tokens.cat([tokens, Tokens(extra, torch.zeros(8, 4, dtype=torch.bool))])
    # An image is one token a row by its modality's contract, so its row is padded with absent pictures as well.
    assert torch.allclose(logits(network, padded), logits(network, inputs), atol=1e-5)


@fusions
def test_every_subset_of_inputs_gives_finite_answers(built: Callable[..., Any], fusion: str) -> None:
    network, task, samples, inputs = built(fusion)
    subsets = evaluate.subsets(task, [item.name for item in inputs])
    assert len(subsets) == 2 ** len(samples.stores) - 1
    for answers in evaluate.answer_subsets(network, task, samples, subsets, batch=7):
        assert np.isfinite(answers).all() and np.allclose(answers.sum(1), 1)


@fusions
@pytest.mark.parametrize("task", [{"name": "classify", "target": "label"}, {"name": "regress", "target": "price"}])
def test_a_row_with_nothing_gets_the_prior(built: Callable[..., Any], fusion: str, task: dict[str, str]) -> None:
    network, fitted, samples, _ = built(fusion, task)
    nothing = {name: tokens.hide(torch.ones(4, dtype=torch.bool))
               for name, tokens in samples.batch(torch.arange(4)).inputs.items()}  # fmt: skip
    with torch.no_grad():
        answers = fitted.answer(network, network(nothing))
    assert np.allclose(answers, fitted.trivial(4), atol=1e-5)


@fusions
def test_an_input_left_out_is_an_input_missing(built: Callable[..., Any], fusion: str) -> None:
    network, _, samples, _ = built(fusion)
    inputs = dict(samples.batch(torch.arange(6)).inputs)
    hidden = {**inputs, "photo": inputs["photo"].hide(torch.ones(6, dtype=torch.bool))}
    reference = logits(network, hidden)
    del inputs["photo"]
    assert torch.allclose(logits(network, inputs), reference, atol=1e-6)


@fusions
def test_presence_matters(built: Callable[..., Any], fusion: str) -> None:
    """A control: the laws above would hold for a network that ignores its inputs."""
    network, _, samples, _ = built(fusion)
    inputs = samples.batch(torch.arange(24)).inputs
    without = {name: tokens for name, tokens in inputs.items() if name != "age"}
    assert not torch.allclose(logits(network, inputs), logits(network, without), atol=1e-3)


@fusions
def test_what_rows_share_is_encoded_once_and_nothing_changes(built: Callable[..., Any], fusion: str) -> None:
    network, _, samples, _ = built(fusion)
    rows = torch.tensor([0, 3, 0, 0, 3, 5, 0, 3, 5, 5, 0, 3])
    batch = samples.batch(rows)
    hidden = torch.arange(12) % 5 == 0  # some of the twins, among them the first of all
    shared = {
        name: tokens.hide(hidden) if place == 0 else tokens for place, (name, tokens) in enumerate(batch.inputs.items())
    }
    plain = {name: Tokens(tokens.values, tokens.mask) for name, tokens in shared.items()}
    seen: list[int] = []
    for encoder in network.encoders.values():
        encoder.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    results = []
    for inputs in (shared, plain):
        network.zero_grad()
        fused = network(inputs)
        torch.autograd.backward(network.head(fused).square().sum())
        gradients = [part.grad.clone() for part in network.parameters() if part.grad is not None]
        results.append((fused, gradients))
    (once, first), (each, second) = results
    assert min(seen[: len(seen) // 2]) < 12 and set(seen[len(seen) // 2 :]) == {12}
    assert torch.equal(once.mask, each.mask)
    assert torch.allclose(once.clean().values, each.clean().values, atol=1e-5)
    assert len(first) == len(second) > 0
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(first, second, strict=True))
