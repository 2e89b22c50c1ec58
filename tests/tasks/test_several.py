"""Several tasks in one model: their labels, losses, scores and answers keep apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import sensemble as se
from sensemble.data.table import Table
from sensemble.errors import ConfigError
from sensemble.tasks.base import TASKS
from sensemble.tasks.several import Several
from sensemble.tokens import Tokens

TASK = {
    "name": "several",
    "tasks": {"bit": {"name": "classify", "target": "label"}, "size": {"name": "regress", "target": "size"}},
}


def frame(rows: int = 300, *, seed: int = 0) -> pd.DataFrame:
    """Two labels: the exclusive or of two inputs, and a number that one of them shows; some are missing."""
    made = se.generate.xor(rows, seed=seed).frame
    left = np.stack(made["left"].tolist())
    made["size"] = 3 * left[:, left.std(0).argmax()] + 100
    made["label"] = made["label"].astype(object)
    made.loc[made.index[::7], "label"] = None
    made.loc[made.index[::11], "size"] = None
    return made


def task(**options: Any) -> Several:
    made = TASKS.create("several", **{"tasks": TASK["tasks"], **options})
    assert isinstance(made, Several)
    return made


def learner(**options: Any) -> se.Learner:
    return se.Learner(
        inputs={"left": "vector", "right": "vector"}, task={**TASK, **options}, fusion="bilinear", width=16,
        train={"epochs": 15, "batch": 32, "lr": 1e-2, "hide": 0.0}, verdict="off",
    )  # fmt: skip


@pytest.mark.parametrize("weights", [None, {"size": 0.5}, "uncertainty"])
def test_one_model_learns_both(weights: Any) -> None:
    fitted = learner(weights=weights).fit(frame(), test=frame(seed=1))
    scores = fitted.metrics_["test"]
    assert scores["bit.roc_auc"]["value"] > 0.97 and scores["size.r2"]["value"] > 0.85
    assert scores["bit.roc_auc"]["trivial"] == pytest.approx(0.5)
    answer = fitted.predict(frame(3, seed=2))[0]
    assert sorted(answer) == ["bit.prediction", "bit.probability:0", "bit.probability:1", "size.prediction"]


def test_a_missing_label_weighs_nothing_and_other_tasks_scores_do_not_move() -> None:
    made = task().fit(Table(frame()))
    table = Table(frame(60, seed=3))
    target = made.collate(table)
    assert target is not None
    answers = [(np.array([0.3, 0.7]), np.array([100.0 + i])) for i in range(60)]
    wrong = [(np.array([0.3, 0.7]), np.array([1e6])) if i % 11 == 0 else row for i, row in enumerate(answers)]
    ones = np.ones((1, 60))
    for key, metric in made.metrics(answers, target).items():
        assert metric.statistic(ones) == pytest.approx(made.metrics(wrong, target)[key].statistic(ones), nan_ok=True)
    alone = made.tasks["size"]
    known = target.mask[:, 1]
    own = Tokens(target.values[known, 1:], target.mask[known, 1:])
    part = np.stack([row[1] for row, there in zip(answers, known.tolist(), strict=True) if there])
    expected = alone.metrics(part, own)["mae"].statistic(np.ones((1, int(known.sum()))))
    assert made.metrics(answers, target)["size.mae"].statistic(ones) == pytest.approx(expected)


def test_the_loss_is_the_weighted_sum_of_the_tasks_own_losses() -> None:
    torch.manual_seed(0)
    rows = frame(40)
    losses = {}
    for weights in ({"bit": 1.0, "size": 0.0}, {"bit": 0.0, "size": 1.0}, {"bit": 2.0, "size": 3.0}):
        fitted = learner(weights=weights)
        fitted.config = fitted.config.replace(train=type(fitted.config.train)(epochs=1, lr=0.0))
        fitted.fit(rows, test=rows)
        made, network = fitted._model()
        network.eval()
        batch = fitted._job.parts["test"].batch(torch.arange(30))  # type: ignore[union-attr]
        losses[tuple(weights.values())] = made.loss(network, batch).detach().item()
    assert losses[2.0, 3.0] == pytest.approx(2 * losses[1.0, 0.0] + 3 * losses[0.0, 1.0], rel=1e-5)


def test_it_is_saved_and_loaded_whole(tmp_path: Path) -> None:
    fitted = learner().fit(frame(), test=frame(seed=1), run=tmp_path / "run")
    again = se.Learner.load(tmp_path / "run")
    new = frame(20, seed=2)
    assert again.predict(new) == fitted.predict(new)
    mistake = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "size" in mistake and "several" in mistake.lower()


def test_verdict_and_stacking_work_for_several() -> None:
    fitted = se.Learner(
        inputs={"left": "vector", "right": "vector"}, task=TASK, fusion="bilinear", width=8,
        train={"epochs": 4, "batch": 32, "lr": 1e-2},
    ).fit(frame(), test=frame(seed=1))  # fmt: skip
    verdict = fitted.verdict_
    assert verdict is not None and verdict["metric"] == "bit.roc_auc" and verdict["stacking"] is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": {"a": {"name": "classify", "target": "label"}}}, "two or more tasks"),
        ({"tasks": {"a": {"name": "clasify"}, "b": {"name": "regress", "target": "y"}}}, "did you mean 'classify'"),
        ({"tasks": {"a": {"name": "classify", "traget": "y"}, "b": {}}}, "did you mean 'target'"),
        ({"tasks": {"a.b": {"name": "classify", "target": "y"}, "b": {}}}, "without dots"),
        ({"weights": {"bits": 1.0}}, "did you mean 'bit'"),
        (
            {"tasks": {"a": {"name": "choose", "target": "y", "candidates": "c"}, "b": {}}},
            "must be told more than the inputs",
        ),
    ],
)
def test_what_cannot_be_combined_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        task(**options)


def test_an_unknown_metric_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'bit\.roc_auc'"):
        task(metric="bit.roc_au").fit(Table(frame()))
