"""Remembered candidates: a ring, negatives that are none where they are right, and the same bits after a resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import sensemble as se
from sensemble.checkpoint import Place
from sensemble.tasks.contrastive import LOSSES
from sensemble.tasks.memory import Memory
from sensemble.tasks.retrieve import Retrieve, towers_of
from sensemble.tokens import Batch, Tokens

DIM = 6


def rows(count: int, seed: int, *, repeat: int = 1) -> list[dict[str, Any]]:
    """Things, and a noisy view of each; each thing stands `repeat` times."""
    random = np.random.default_rng(seed)
    hidden = random.normal(size=(count, DIM)).repeat(repeat, 0)
    views = np.tanh(hidden) + 0.1 * random.normal(size=hidden.shape)
    return [{"view": view.tolist(), "thing": thing.tolist()} for view, thing in zip(views, hidden, strict=True)]


def learner(**settings: Any) -> se.Learner:
    task, train = settings.pop("task", {}), settings.pop("train", {})
    return se.Learner(
        inputs={"view": "vector", "thing": "vector"},
        task={"name": "retrieve", "query": "view", "dropout": 0.0, **task},
        train={"epochs": 2, "batch": 8, "lr": 3e-3, "patience": 0, "hide": 0.0, **train},
        **{"fusion": "sum", "width": 12, "verdict": "off", **settings},
    )


def test_the_oldest_rows_are_forgotten() -> None:
    memory = Memory(5, 2, 3)
    assert not bool(memory.rows()[1].mask.any())
    for start, count in ((0, 2), (2, 2), (4, 3), (7, 9)):
        numbers = torch.arange(start, start + count)
        labels = Tokens.full(numbers[:, None].expand(-1, 3))
        memory.keep(numbers[:, None].expand(-1, 2).float().requires_grad_(), labels)
        vectors, kept = memory.rows()
        wanted = set(range(max(0, start + count - 5), start + count))
        assert set(kept.values[kept.mask.any(1), 0].tolist()) == wanted
        assert torch.equal(vectors[:, 0].long(), kept.values[:, 0]) and not vectors.requires_grad


@pytest.mark.parametrize("loss", LOSSES)
def test_remembered_candidates_are_negatives_unless_they_are_right(loss: str) -> None:
    made = learner(task={"memory": 4, "loss": loss}).fit(rows(16, 0), valid=rows(8, 1))
    network, task = made._network, made._task
    assert network is not None and isinstance(task, Retrieve)
    memory = towers_of(network).memory
    assert memory is not None
    inputs = {name: Tokens.full(torch.randn(3, 1, DIM)) for name in ("view", "thing")}
    columns = memory.labels.shape[1]
    target = Tokens.full(torch.arange(3)[:, None] + torch.tensor([[0, 10, 20, 2**30]])[:, :columns])

    def lost(remembered: list[int], *, known: bool = True) -> float:
        labels = torch.tensor(remembered)[:, None] + torch.tensor([[0, 10, 20, 2**30]])[:, :columns]
        memory.known.zero_()
        memory.keep(torch.eye(4, 12), Tokens(labels, torch.full(labels.shape, known)))
        with torch.no_grad():
            return float(task.loss(network, Batch(inputs, target)))

    network.eval()  # a model that answers remembers nothing
    nothing = lost([7, 7, 7, 7], known=False)
    assert lost([7, 8, 9, 9]) != pytest.approx(nothing)
    mixed = [lost([7, 8, 9, other]) for other in (0, 1, 2)]
    assert len({round(each, 5) for each in mixed}) == 3  # a negative to two of three rows each
    before = memory.place.clone()
    network.train()
    task.loss(network, Batch(inputs, target))
    assert int(memory.place) == (int(before) + 3) % 4
    lacking = {**inputs, "view": inputs["view"].hide(torch.tensor([True, True, False]))}
    task.loss(network, Batch(lacking, target))
    assert int(memory.place) == (int(before) + 4) % 4  # rows that are no pairs are not remembered


def test_a_small_batch_with_a_memory_loses_what_a_large_one_does() -> None:
    made = learner(task={"memory": 12}).fit(rows(32, 0), valid=rows(8, 1))
    network, task = made._network, made._task
    assert network is not None and isinstance(task, Retrieve)
    towers = towers_of(network)
    inputs = {name: Tokens.full(torch.randn(16, 1, DIM)) for name in ("view", "thing")}
    target = Tokens.full(torch.arange(16)[:, None].expand(-1, 3) + torch.tensor([0, 20, 40]))
    part = Batch({name: tokens[:4] for name, tokens in inputs.items()}, target[:4])
    with torch.no_grad():
        vectors = towers(network(inputs)).values
        assert towers.memory is not None
        towers.memory.keep(vectors[4:, 1], target[4:])
        found = task.loss(network.eval(), part)
        scores = towers.scores(vectors[:, 0], vectors[:, 1])
        wanted = (scores.logsumexp(1) - scores.diagonal())[:4] + (scores[:4, :4].logsumexp(0) - scores.diagonal()[:4])
    assert float(found) == pytest.approx(float(wanted.mean() / 2), rel=1e-5)


def test_small_batches_learn_more_with_it() -> None:
    scores = []
    for memory in (0, 512):
        made = learner(task={"memory": memory}, train={"epochs": 6}, width=16)
        made.fit(rows(400, 0), valid=rows(40, 50), test=rows(300, 100))
        scores.append(made.metrics_["test"]["recall_1"]["value"])
    assert scores[0] + 0.05 < scores[1] > 0.8


def test_resumed_training_gives_the_same_bits_and_the_best_model_no_memory(tmp_path: Path) -> None:
    given, valid = rows(40, 0, repeat=2), rows(10, 1)
    options: dict[str, Any] = {"task": {"memory": 24}, "train": {"epochs": 3, "checkpoint": 0.0}}
    learner(**options).fit(given, valid=valid, run=tmp_path / "whole")
    steps = learner(**options).steps(given, valid, run=tmp_path / "cut")
    next(event for event in steps if event.progress and event.progress.step == 14)  # inside the second epoch
    steps.close()  # type: ignore[attr-defined]
    assert Place(tmp_path / "cut", {}).progress()["step"] == 13
    learner(**options).fit(given, valid=valid, run=tmp_path / "cut", resume=True)
    for folder in ("last", "best"):
        one, other = (load_file(tmp_path / run / folder / "network.safetensors") for run in ("whole", "cut"))
        assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
        assert ("head.memory.vectors" in one) == (folder == "last")
        if folder == "last":
            assert bool(one["head.memory.known"][:, :2].all())
    assert np.isfinite(se.Learner.load(tmp_path / "cut").embed(valid)).all()
