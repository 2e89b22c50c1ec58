"""Stages as a config says them: presets, checks, and what is left of them for a model of fewer inputs."""

from __future__ import annotations

from typing import Any

import pytest

from sensemble import config as configs
from sensemble.errors import ConfigError
from sensemble.stages.plan import lessons, plan
from sensemble.train_config import TrainConfig

TRAIN = TrainConfig(epochs=7, lr=1e-3)
NAMES = ["words", "photo"]


def test_joint_is_one_stage_that_changes_nothing() -> None:
    (stage,) = plan("joint", TRAIN, NAMES)
    assert (
        stage.settings == TRAIN and stage.name == "" and all(stage.learns(part) for part in ("fusion", "head", *NAMES))
    )


def test_staged_trains_each_input_alone_then_the_fusion_then_all() -> None:
    stages = plan("staged", TRAIN, NAMES)
    assert [(stage.inputs, stage.head) for stage in stages[:2]] == [(["words"], "own"), (["photo"], "own")]
    assert stages[2].learns("fusion") and stages[2].learns("head") and not stages[2].learns("photo")
    assert stages[3].learns("photo") and stages[3].settings.lr == pytest.approx(1e-4)
    assert not stages[0].learns("photo"), "what is not seen does not learn"
    assert len(plan("staged", TRAIN, ["words"])) == 1


def test_semi_learns_on_one_input_and_validates_on_the_others() -> None:
    space, head = plan({"name": "semi", "on": "words"}, TRAIN, NAMES)
    assert space.task == {"name": "contrast"} and space.learns("photo") and not space.learns("head")
    assert (head.inputs, head.valid_inputs, head.train) == (["words"], ["photo"], ["head"])
    with pytest.raises(ConfigError, match=r"stages.on: unknown input 'word': did you mean 'words'"):
        plan({"name": "semi", "on": "word"}, TRAIN, NAMES)


def test_a_stage_takes_what_it_does_not_say_from_train() -> None:
    first, second = plan([{"task": "masked", "epochs": 2}, {"lr": 1e-4, "train": "head"}], TRAIN, NAMES)
    assert (first.settings.epochs, first.settings.lr, first.settings.hide) == (2, 1e-3, 0.0)
    assert (second.settings.epochs, second.settings.lr, second.train) == (7, 1e-4, ["head"])
    assert (first.name, second.name) == ("stage 1", "stage 2")


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ("stage", "did you mean 'staged'"),
        ("semi", "the key 'on' is required"),
        ([], "one stage at least"),
        (["masked"], "number 1: needs a mapping"),
        ([{"epoch": 3}], "did you mean 'epochs'"),
        ([{}, {"epochs": 0}], "stages, number 2: train.epochs: must be at least 1"),
        ([{"train": "wods"}], "did you mean 'words'"),
        ([{"inputs": ["wods"]}], "did you mean 'words'"),
        ([{"head": "owl"}], "did you mean 'own'"),
        ([{"rows": {}}], "key 'rows': name one at least"),
        ([{"rows": "easy"}], "key 'rows'"),
        ([{"task": "masked", "head": "own"}], "brings its own head"),
        ([{"task": "masked", "target": "tags"}, {}], "number 1: a self-supervised task learns no column"),
        ([{}, {"target": "tags"}], "the last one is to learn the run's own target"),
        ([{"target": []}, {}], "key 'target': name one at least"),
        ([{"target": 3}, {}], "key 'target'"),
        ([{"task": "contrast", "inputs": ["words"]}], "needs two inputs"),
        ([{"name": "a"}, {"name": "a"}], "two are named 'a'"),
        ([{"task": 3}], "needs a name"),
        (3, "needs a list of stages, or a preset"),
    ],
)
def test_wrong_stages_say_where(stages: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(stages, TRAIN, NAMES)


def test_the_columns_that_stages_learn_instead_of_the_target() -> None:
    stages = [{"target": "tags"}, {"target": ["alt", "tags"]}, {}]
    assert lessons(plan(stages, TRAIN, NAMES)) == configs.from_dict({"stages": stages}).lessons == ["tags", "alt"]
    assert configs.from_dict({"stages": "staged"}).lessons == []


def test_the_config_checks_stages_when_it_is_read() -> None:
    with pytest.raises(ConfigError, match="did you mean 'epochs'"):
        configs.from_dict({"stages": [{"epoch": 3}]})
    config = configs.from_dict({"stages": [{"task": "masked"}, {}], "train": {"hide": {"from": 0.0, "to": 0.5}}})
    assert configs.from_dict(configs.override(config.to_dict(), [])) == config


def test_a_model_of_one_input_keeps_what_concerns_it() -> None:
    masked = [{"task": "masked", "inputs": ["words"]}, {"name": "all"}]
    assert [stage.inputs for stage in plan(masked, TRAIN, NAMES, only=["words"])] == [["words"], ["words"]]
    assert [stage.task for stage in plan(masked, TRAIN, NAMES, only=["photo"])] == [None]
    for name in NAMES:  # without the common space, or without labels, there is nothing but joint training
        (stage,) = plan({"name": "semi", "on": "words"}, TRAIN, NAMES, only=[name])
        assert stage.settings == TRAIN and stage.train == ["all"]
