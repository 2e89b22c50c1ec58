"""Masked modelling: what is hidden, what is asked, and that structure is learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from sensemble import build
from sensemble import config as configs
from sensemble.data.load import load
from sensemble.data.table import Table
from sensemble.errors import ConfigError
from sensemble.modalities.image import Image
from sensemble.modalities.vector import Vector
from sensemble.objectives.masked import Masked, Veil
from sensemble.prepare import make_samples
from sensemble.stages.view import view
from sensemble.tokens import Tokens
from sensemble.train import train
from sensemble.train_config import TrainConfig


def test_every_modality_gives_a_finite_loss_and_gradients_to_its_encoder(built: Callable[..., Any]) -> None:
    network, _, samples, _ = built("gate")
    objective = Masked(share=0.5)
    seen = view(network, head=objective.head(network, list(samples.stores))).train()
    torch.manual_seed(0)
    loss = objective.loss(seen, samples.batch(torch.arange(24)))
    torch.autograd.backward(loss)
    assert 0.3 < loss.item() < 3, "each input's loss is about 1 for who knows nothing"
    for name in samples.stores:
        encoder, _ = network.parts(name)
        assert any(p.grad is not None and bool((p.grad != 0).any()) for p in encoder.parameters()), name


def test_patches_are_hidden_whole_and_asked_as_they_were() -> None:
    veil = Veil(Image(size=18), 0.5, 4)
    values = torch.rand(3, 1, 3, 18, 18) + 1
    veil.modality.prepare = lambda tokens, training: tokens  # type: ignore[method-assign]
    torch.manual_seed(0)
    shown = veil.prepare(Tokens.full(values), training=False).values
    assert veil.hidden.shape == (3, 16) and 0 < int(veil.hidden.sum()) < 48
    assert bool((shown[..., 16:, :] == values[..., 16:, :]).all()), "the rest at the edge is never hidden"
    for row, place in ((0, 0), (1, 5), (2, 15)):
        y, x = divmod(place, 4)
        patch = (slice(None), slice(4 * y, 4 * y + 4), slice(4 * x, 4 * x + 4))
        assert torch.equal(veil.wanted[row, place], values[row, 0][patch].flatten())
        assert bool((shown[row, 0][patch] == 0).all()) == bool(veil.hidden[row, place])


def test_padding_is_never_asked() -> None:
    veil = Veil(Vector().fit([[[0.0, 1.0]], [[1.0, 0.0]]]), 0.9, 4)
    tokens = Tokens.stack([torch.ones(5, 2), torch.ones(1, 2), None])
    torch.manual_seed(0)
    veil.prepare(tokens, training=True)
    assert bool((~veil.hidden | tokens.mask).all()) and int(veil.hidden.sum()) >= 3


def test_words_are_told_from_their_neighbours_and_from_another_input() -> None:
    random = np.random.default_rng(0)
    kinds = random.integers(0, 4, 128)
    words = ["red apple tree", "blue sea wave", "old stone wall", "new paper book"]
    frame = pd.DataFrame({"words": [words[k] for k in kinds], "kind": kinds.astype(str), "label": kinds.astype(str)})
    text = {"name": "text", "vocab": 300, "encoder": {"name": "transformer", "dim": 16, "depth": 1, "heads": 2}}
    config = configs.from_dict(
        {"inputs": {"words": text, "kind": "category"}, "width": 16, "task": {"name": "classify", "target": "label"}}
    )
    table = Table(frame)
    inputs = build.make_inputs(config, table.columns)
    build.fit_inputs(inputs, table, seed=0)
    task = build.make_task(config).fit(table)
    samples, _ = make_samples(table, load(table, inputs)[0], inputs, task, config)
    network, objective = build.make_network(config, inputs, task), Masked(share=0.3)
    seen = view(network, head=objective.head(network, ["words", "kind"]))
    settings = TrainConfig(epochs=25, batch=32, lr=1e-2, hide=0.0, patience=0)
    records = [record for record in train(seen, objective, samples, samples, settings) if record.valid]
    losses = [record.valid["loss"] for record in records if record.valid]
    assert losses[-1] < 0.3 * losses[0]


def test_the_validation_loss_is_the_same_each_time(built: Callable[..., Any]) -> None:
    from sensemble.validate import validate

    network, _, samples, _ = built("gate")
    objective = Masked()
    seen = view(network, head=objective.head(network, list(samples.stores)))
    first, second = (validate(seen, objective, samples, batch=8) for _ in range(2))
    assert first == second and first["loss"] > 0


def test_wrong_options_are_named() -> None:
    with pytest.raises(ConfigError, match="patches is a share"):
        Masked(patches=1.0)
    with pytest.raises(ConfigError, match="grid must be at least 1"):
        Masked(grid=0)
