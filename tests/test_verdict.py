"""The verdict on synthetic sets whose truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sensemble.data.generate import noise_input, redundant, xor
from sensemble.data.table import Table
from sensemble.learner import Learner
from sensemble.metrics.base import resample
from sensemble.tasks.classify import Classify
from sensemble.tokens import Tokens
from sensemble.verdict import judge

SEEDS = range(5)


def fit(table: Table, seed: int, **settings: Any) -> dict[str, Any]:
    learner = Learner(
        task={"name": "classify", "target": "label"},
        fusion="concat",
        width=16,
        seed=seed,
        data={"valid_share": 0.2, "test_share": 0.3},
        train={"epochs": 15, "batch": 32, "lr": 5e-3, "patience": 5, "device": "cpu"},
        **settings,
    ).fit(table)
    assert learner.verdict_ is not None
    return learner.verdict_


@pytest.mark.parametrize("seed", SEEDS)
def test_xor_is_synergy(seed: int) -> None:
    verdict = fit(xor(1000, seed=seed), seed)
    assert verdict["verdict"] == "fusion_helps" and verdict["synergy"] is True
    assert verdict["fused"] > 0.95
    assert max(*verdict["singles"].values(), verdict["stacking"]) < 0.65
    assert "synergy" in verdict["sentence"]


@pytest.mark.parametrize("seed", SEEDS)
def test_pure_noise_is_no_gain(seed: int) -> None:
    verdict = fit(noise_input(1000, seed=seed), seed)
    assert verdict["verdict"] == "no_gain" and verdict["synergy"] is False
    assert verdict["best_single"] == "left" and verdict["gain"]["low"] <= 0 <= verdict["gain"]["high"]
    assert "Ship left only" in verdict["sentence"]


def test_redundant_inputs_help_without_synergy() -> None:
    verdict = fit(redundant(3000, seed=0), 0)
    assert verdict["verdict"] == "fusion_helps" and verdict["synergy"] is False
    assert verdict["gain"]["low"] > 0.02
    assert abs(verdict["stacking"] - verdict["fused"]) < 0.02


def test_off_means_off() -> None:
    learner = Learner(task={"name": "classify", "target": "label"}, train={"epochs": 1}, verdict="off")
    assert learner.fit(noise_input(300, seed=0)).verdict_ is None


class Part:
    """Stands for samples: labels alone."""

    def __init__(self, labels: np.ndarray[Any, Any]) -> None:
        import torch

        self.target = Tokens.full(torch.from_numpy(labels).view(-1, 1))

    def __len__(self) -> int:
        return len(self.target)


def given(fused: float, left: float, right: float, rows: int = 4000) -> dict[str, Any]:
    """The verdict on models of stated accuracy, their errors independent."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, rows)

    def answers(accuracy: float) -> np.ndarray[Any, Any]:
        right = np.where(random.random(rows) < accuracy, labels, 1 - labels)
        return np.eye(2)[right] * 0.8 + 0.1

    task = Classify(target="y", metric="accuracy")
    task.restore({"classes_": ["a", "b"], "shares_": [0.5, 0.5], "weights_": [1.0, 1.0], "many_": False})
    part: Any = Part(labels)
    alone: dict[str, Any] = {
        name: {"valid": answers(score), "test": answers(score), "cut": [False]}
        for name, score in (("left", left), ("right", right))
    }
    return judge(task, answers(fused), alone, {"valid": part, "test": part}, resample(rows))


def test_a_worse_fusion_hurts() -> None:
    verdict = given(fused=0.7, left=0.8, right=0.6)
    assert verdict["verdict"] == "fusion_hurts" and verdict["gain"]["high"] < 0
    assert verdict["gain"]["value"] == pytest.approx(verdict["fused"] - verdict["singles"]["left"])
    assert any("Late stacking" in note for note in verdict["notes"])


def test_equal_models_are_no_gain() -> None:
    assert given(fused=0.8, left=0.8, right=0.6)["verdict"] == "no_gain"


def test_nothing_above_trivial_is_said() -> None:
    assert any("trivial" in note for note in given(fused=0.5, left=0.5, right=0.5)["notes"])


def test_the_budget_cuts_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from sensemble import verdict as module

    monkeypatch.setattr(module, "SINGLES_SHARE", 0.0)
    monkeypatch.setattr(module, "LEAST_SECONDS", 0.0)
    verdict = fit(noise_input(600, seed=0), 0)
    assert any("Time ran out before the models of left, right had finished" in note for note in verdict["notes"])
    full = fit(noise_input(600, seed=0), 0, verdict="full")
    assert not any("Time ran out" in note for note in full["notes"])
