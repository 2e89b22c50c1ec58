"""Rare classes: adjusted logits, balanced epochs, thresholds chosen on validation rows, and what each class gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

import sensemble as se
from sensemble.data.rows import balanced
from sensemble.data.table import Table
from sensemble.errors import ConfigError
from sensemble.files import read_json
from sensemble.metrics.base import resample
from sensemble.tasks import thresholds
from sensemble.tasks.class_loss import ClassLoss
from sensemble.tasks.classify import Classify
from sensemble.tokens import Tokens

TRAIN = {"epochs": 4, "batch": 32, "lr": 1e-2, "hide": 0.0}


def table(**columns: list[Any]) -> Table:
    return Table(pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()}), name="t")


def rare(rows: int = 400, *, seed: int = 0) -> pd.DataFrame:
    """One row in ten is positive, and two inputs show it under noise."""
    random = np.random.default_rng(seed)
    label = (random.permutation(rows) % 10 == 0).astype(int)
    shown = {name: list(label[:, None] + random.normal(size=(rows, 4))) for name in ("left", "right")}
    return pd.DataFrame({**shown, "label": label})


def test_adjusted_logits_change_the_loss_and_nothing_else() -> None:
    rows = table(y=["a"] + ["b"] * 9)
    task = Classify(target="y", adjust=1.0).fit(rows)
    target = task.collate(rows)
    assert target is not None
    logits = torch.randn(10, 2, generator=torch.Generator().manual_seed(0))
    expected = F.cross_entropy(logits + torch.tensor([0.1, 0.9]).log(), target.values[:, 0])
    assert float(task._loss()(logits, target, None)) == pytest.approx(float(expected))
    # where nothing is known, the answer for classes equally frequent
    nothing = Tokens(torch.zeros(1, 1, 8), torch.zeros(1, 1, dtype=torch.bool))
    assert task.head(8).eval()(nothing).softmax(-1)[0].tolist() == pytest.approx([0.5, 0.5])


def test_adjusted_label_sets_shift_each_label_by_its_odds() -> None:
    values = Tokens.full(torch.tensor([[1.0, 0.0]]))
    logits = torch.tensor([[0.3, -0.2]])
    shifted = ClassLoss(True, 0.0, 0.0, [1.0, 1.0], [-2.0, 0.5])(logits, values, None)
    plain = ClassLoss(True, 0.0, 0.0, [1.0, 1.0], [])(logits + torch.tensor([-2.0, 0.5]), values, None)
    assert float(shifted) == pytest.approx(float(plain))


def test_a_balanced_epoch_shows_each_kind_equally_often() -> None:
    strata = np.array([0] * 3 + [1] * 40 + [2] * 57)
    order = balanced(strata, torch.Generator().manual_seed(1))
    assert len(order) == 100 and sorted(np.bincount(strata[order]).tolist()) == [33, 33, 34]
    times = order.bincount(minlength=100)
    assert (
        set(times[:3].tolist()) <= {11, 12} and int(times[3:].max()) == 1
    )  # the rare alike, the frequent once at most
    assert torch.equal(order, balanced(strata, torch.Generator().manual_seed(1)))
    assert not torch.equal(order, balanced(strata, torch.Generator().manual_seed(2)))
    assert len(balanced(np.array([0, 1, 2]), torch.Generator())) == 3


def test_the_kind_of_a_label_set_is_its_rarest_label() -> None:
    rows = table(y=[["a", "b"], ["a"], ["a"], []])
    task = Classify(target="y").fit(rows)
    target = task.collate(rows)
    assert target is not None and task.strata(target).tolist() == [1, 0, 0, 2]


def test_a_balanced_sampler_needs_classes() -> None:
    learner = se.Learner(task={"name": "regress", "target": "label"}, train={**TRAIN, "sampler": "balanced"})
    with pytest.raises(ConfigError, match=r"train\.sampler: `balanced` is for tasks with classes"):
        learner.fit(rare(60))


@pytest.mark.parametrize("seed", range(20))
def test_thresholds_are_the_best_of_all(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, truths = random.integers(0, 12, 40) / 12, random.random(40) < 0.3
    truths[0] = True

    def at(cut: float) -> tuple[float, float, float]:
        said = scores >= cut
        hits = (said & truths).sum()
        return hits / max(said.sum(), 1), hits / truths.sum(), 2 * hits / (said.sum() + truths.sum())

    every = [at(cut) for cut in np.unique(scores)]
    assert at(thresholds.choose("f1", scores, truths))[2] == pytest.approx(max(f1 for _, _, f1 in every))
    precision, recall, _ = at(thresholds.choose("precision=0.4", scores, truths))
    reachable = [r for p, r, _ in every if p >= 0.4]
    assert recall == pytest.approx(max(reachable)) if reachable else precision == max(p for p, _, _ in every)
    precision, recall, _ = at(thresholds.choose("recall=0.6", scores, truths))
    assert recall >= 0.6 and precision == pytest.approx(max(p for p, r, _ in every if r >= 0.6))


def test_without_a_positive_row_the_threshold_stays() -> None:
    assert thresholds.choose("f1", np.array([0.2, 0.9]), np.array([False, False])) == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": "f2"}, "cannot read 'f2'; known: none, f1"),
        ({"threshold": "precision=90"}, "wanted from above 0 to 1"),
        ({"threshold": "recall=x"}, "such as recall=0.9"),
        ({"adjust": -1.0}, r"task\.adjust"),
        ({"at_precision": 0.0}, r"task\.at_precision"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Classify(target="y", **options)


def test_more_than_two_classes_have_no_threshold() -> None:
    with pytest.raises(ConfigError, match="not for 3 classes"):
        Classify(target="y", threshold="f1").fit(table(y=["a", "b", "c"]))


def test_thresholds_decide_answers_and_decisions_but_no_probability() -> None:
    rows = table(y=["no"] * 6 + ["yes"] * 2)
    plain = Classify(target="y", threshold="recall=1").fit(rows)
    target = plain.collate(rows)
    assert target is not None
    chance = np.array([0.1, 0.1, 0.1, 0.1, 0.35, 0.1, 0.3, 0.4])
    answers = np.stack([1 - chance, chance], 1)
    tuned = plain.tuned(answers, target)
    assert plain.thresholds_ == [] and tuned.thresholds_ == pytest.approx([0.8, 0.2])
    assert [row["prediction"] for row in tuned.records(answers)] == ["no"] * 4 + ["yes", "no", "yes", "yes"]
    assert [row["prediction"] for row in plain.records(answers)] == ["no"] * 8
    assert [r["probability:yes"] for r in tuned.records(answers)] == chance.tolist()
    ones = np.ones((1, 8))
    before, after = (
        {name: float(metric.statistic(ones)[0]) for name, metric in each.metrics(answers, target).items()}
        for each in (plain, tuned)
    )
    assert (before["recall"], after["recall"], after["precision"]) == pytest.approx((0, 1, 2 / 3))
    for name in ("roc_auc", "pr_auc", "log_loss", "brier", "ece", "recall_at_precision_90"):
        assert before[name] == after[name]
    details = tuned.details(answers, target, resample(8, resamples=50))
    assert details["thresholds"] == {"rule": "recall=1", "from": {"yes": pytest.approx(0.2)}}
    assert details["confusion"]["counts"] == [[5, 1], [0, 2]]
    low, high = details["per_class"][1]["intervals"]["precision"]
    assert low < 2 / 3 < high
    assert Classify(target="y", threshold="recall=1").restore(tuned.state()).records(answers) == tuned.records(answers)


def test_each_label_of_a_set_has_its_own_threshold_and_scores() -> None:
    rows = table(y=[["a"], ["a", "b"], [], ["a"], None])
    task = Classify(target="y", threshold="f1").fit(rows)
    target = task.collate(rows)
    assert target is not None
    target = target[target.present]
    answers = np.array([[0.9, 0.1], [0.8, 0.3], [0.6, 0.2], [0.7, 0.2]])
    tuned = task.tuned(answers, target)
    assert tuned.thresholds_ == pytest.approx([0.65, 0.25])
    assert [row["prediction"] for row in tuned.records(answers)] == ["a", "a|b", "", "a"]
    found = tuned.details(answers, target, resample(4, resamples=20))["per_class"]
    assert [(row["label"], row["rows"], row["f1"]) for row in found] == [("a", 3, 1.0), ("b", 1, 1.0)]
    assert found[1]["recall_at_precision_90"] == 1.0 and found[0]["intervals"]["recall"] == [1.0, 1.0]


def test_a_run_keeps_its_thresholds_and_says_them(tmp_path: Path) -> None:
    said: list[str] = []
    learner = se.Learner(
        inputs={"left": "vector", "right": "vector"}, fusion="concat", width=8, train={**TRAIN, "sampler": "balanced"},
        task={"name": "classify", "target": "label", "threshold": "recall=0.8", "metric": "f1", "adjust": 0.5},
    ).fit(rare(), test=rare(seed=1), run=tmp_path, say=said.append)  # fmt: skip
    assert any("for recall=0.8 on validation rows: 1 from" in line for line in said)
    state = read_json(tmp_path / "best" / "state.json")["task"]
    assert len(state["thresholds_"]) == 2
    rows = rare(50, seed=2)
    again = se.Learner.load(tmp_path)
    assert again.predict(rows) == learner.predict(rows)
    cut = state["thresholds_"][1]
    assert all((row["prediction"] == "1") == (row["probability:1"] >= cut) for row in again.predict(rows))
    assert again.metrics_["test"]["recall"]["value"] > 0.5
    single = read_json(tmp_path / "singles" / "left" / "best" / "state.json")["task"]
    assert single["thresholds_"] and single["thresholds_"] != state["thresholds_"]
    assert "Thresholds chosen on validation rows, for recall=0.8" in (tmp_path / "report.html").read_text("utf-8")


def test_thresholds_need_validation_rows() -> None:
    learner = se.Learner(
        task={"name": "classify", "target": "label", "threshold": "f1"}, data={"valid_share": 0.0}, verdict="off"
    )
    with pytest.raises(ConfigError, match="thresholds are chosen on validation rows, and there are none"):
        learner.fit(rare(60))
