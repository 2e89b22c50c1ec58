"""Contrast: pairs come near, equal values are no negatives, missing inputs take no part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from sensemble.errors import ConfigError
from sensemble.objectives.contrast import Contrast, mark
from sensemble.stages.view import view
from sensemble.tokens import Batch, Tokens
from sensemble.train import train
from sensemble.train_config import TrainConfig

INPUTS = {"age": "number", "steps": {"name": "vector", "encoder": {"name": "lstm", "dim": 16}}}


@pytest.mark.parametrize("loss", ["info_nce", "sigmoid"])
def test_the_loss_falls_below_chance(built: Callable[..., Any], loss: str) -> None:
    network, _, samples, _ = built("sum", **INPUTS)
    objective = Contrast(loss=loss)  # type: ignore[arg-type]
    seen = view(network, head=objective.head(network, list(INPUTS)))
    config = TrainConfig(epochs=30, batch=24, lr=1e-2, hide=0.0, patience=0)
    losses = [record.loss for record in train(seen, objective, samples, None, config) if record.step % 1 == 0]
    assert losses[-1] < 0.6 * losses[0]


def test_rows_without_any_input_change_nothing_and_without_a_pair_there_is_no_loss(built: Callable[..., Any]) -> None:
    network, _, samples, _ = built("sum", **INPUTS)
    objective = Contrast()
    seen = view(network, head=objective.head(network, list(INPUTS)))
    batch = samples.batch(torch.arange(24))
    both = batch.inputs["age"].present & batch.inputs["steps"].present
    assert 0 < int(both.sum()) < 24
    batch = Batch({name: tokens.hide(~both) for name, tokens in batch.inputs.items()})
    pairs = Batch({name: tokens[both] for name, tokens in batch.inputs.items()})
    with torch.no_grad():
        assert torch.allclose(objective.loss(seen, batch), objective.loss(seen, pairs), atol=1e-5)
        nothing = replace(batch, inputs={**batch.inputs, "age": batch.inputs["age"].hide(torch.ones(24).bool())})
        assert objective.loss(seen, nothing) == 0


def test_rows_of_one_value_are_no_negatives(built: Callable[..., Any]) -> None:
    network, _, samples, _ = built("sum", **INPUTS)
    objective = Contrast()
    seen = view(network, head=objective.head(network, list(INPUTS)))
    batch = samples.batch(torch.arange(24))
    both = (batch.inputs["age"].present & batch.inputs["steps"].present).nonzero().squeeze(1)
    same = Batch({name: tokens[both[:1].repeat(6)] for name, tokens in batch.inputs.items()})
    with torch.no_grad():
        assert objective.loss(seen, same).item() == pytest.approx(0, abs=1e-5)


def test_marks_tell_values_apart_whatever_lies_under_the_mask() -> None:
    values = torch.tensor([[1, 2, 3], [1, 2, 4], [1, 2, 9]])
    mask = torch.tensor([[True, True, True], [True, True, True], [True, True, False]])
    first, second, third = mark(Tokens(values, mask)).tolist()
    again = mark(Tokens(torch.where(mask, values, 7), mask)).tolist()
    assert len({first, second, third}) == 3 and again == [first, second, third]


def test_wrong_options_are_named() -> None:
    with pytest.raises(ConfigError, match="temperature must be at least"):
        Contrast(temperature=0.0)
