"""Losses of single inputs, gradient modulation, and hiding that grows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from sensemble.balance import Balance, coefficients
from sensemble.errors import ConfigError
from sensemble.optimise import hide_rate
from sensemble.train import train
from sensemble.train_config import TrainConfig

CONFIG = TrainConfig(epochs=2, batch=8, hide=0.0, patience=0)
INPUTS = {"age": "number", "kind": "category"}


def test_alone_adds_the_mean_loss_of_each_input_by_itself(built: Callable[..., Any]) -> None:
    network, task, samples, _ = built("gate", **INPUTS)
    batch = samples.batch(torch.arange(24))
    parts = []
    for name in INPUTS:
        here = batch.inputs[name].present
        target = batch.target[here]
        parts.append(task.loss(network, type(batch)({name: batch.inputs[name][here]}, target)))
    wanted = task.loss(network, batch) + 0.3 * torch.stack(parts).mean()
    found = Balance(network, task, replace(CONFIG, alone=0.3)).loss(batch)
    assert found.item() == pytest.approx(wanted.item(), abs=1e-6)
    assert Balance(network, task, CONFIG).loss(batch).item() == task.loss(network, batch).item()


def test_encoders_run_once_a_batch(built: Callable[..., Any]) -> None:
    network, task, samples, _ = built("gate", **INPUTS)
    runs = []
    network.parts("age")[0].register_forward_hook(lambda *_: runs.append(1))
    Balance(network, task, replace(CONFIG, alone=0.3, modulate=0.5)).loss(samples.batch(torch.arange(8)))
    assert len(runs) == 1


def test_the_input_that_is_ahead_is_slowed_down_and_no_other(built: Callable[..., Any]) -> None:
    factors = coefficients({"a": 0.1, "b": 2.0, "c": 2.0}, 0.5)
    assert factors["b"] == factors["c"] == 1.0 and 0 < factors["a"] < 0.1
    assert coefficients({"a": 1.0, "b": 1.0}, 0.5) == {"a": 1.0, "b": 1.0}
    assert coefficients({"a": 0.1, "b": 0.4}, 0.1)["a"] > coefficients({"a": 0.1, "b": 0.4}, 1.0)["a"]

    gradients = {}
    for modulate in (0.0, 0.5):
        network, task, samples, _ = built("gate", **INPUTS)
        balance = Balance(network, task, replace(CONFIG, modulate=modulate))
        torch.autograd.backward(balance.loss(samples.batch(torch.arange(24))))
        losses = {name: sum(each) for name, each in balance._losses.items()}
        balance.modulate()
        gradients[modulate] = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    ahead = min(losses, key=lambda name: losses[name])
    factor = coefficients(losses, 0.5)[ahead]
    for name, gradient in gradients[0.0].items():
        slowed = f"input_{ahead}" in name
        assert torch.allclose(gradients[0.5][name], gradient * (factor if slowed else 1), atol=1e-8), name


def test_training_with_both_runs_and_differs(built: Callable[..., Any]) -> None:
    results = []
    for changes in ({}, {"alone": 0.5}, {"modulate": 1.0}, {"hide": {"from": 0.0, "to": 0.9}}):
        network, task, samples, _ = built("gate", **INPUTS)
        list(train(network, task, samples, samples, replace(CONFIG, **changes)))  # type: ignore[arg-type]
        results.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    for other in results[1:]:
        assert bool(other.isfinite().all()) and not torch.equal(results[0], other)


def test_hiding_goes_in_a_straight_line() -> None:
    config = replace(CONFIG, hide={"from": 0.1, "to": 0.5})
    assert [hide_rate(config, step, 5) for step in range(5)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert hide_rate(replace(CONFIG, hide=0.2), 3, 5) == 0.2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hide": {"from": 0.1}}, "both ends"),
        ({"hide": {"from": 0.1, "to": 1.0}}, "train.hide: is a share"),
        ({"alone": -1.0}, "train.alone: cannot be negative"),
    ],
)
def test_wrong_settings_are_named(changes: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(CONFIG, **changes)
