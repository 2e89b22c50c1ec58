"""Stages are run: what stands still stands still, each sees what it should, and a kill changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import sensemble as se
from sensemble import config as configs
from sensemble.checkpoint import Place
from sensemble.config import Config
from sensemble.data.table import Table
from sensemble.errors import ConfigError
from sensemble.stages.run import check, fit
from sensemble.train import train

INPUTS = {"age": "number", "kind": "category"}
TRAIN = {"epochs": 2, "batch": 8, "lr": 1e-2, "patience": 0, "device": "cpu", "checkpoint": 0.0}
STAGES = [
    {"name": "hidden", "task": "masked"},
    {"name": "alone", "inputs": ["kind"], "head": "own", "rows": {"label": ["yes", "no"]}},
    {"name": "end", "train": ["fusion", "head"]},
]


def config_of(stages: Any, **settings: Any) -> Config:
    return configs.from_dict({"inputs": INPUTS, "width": 16, "train": {**TRAIN, **settings}, "stages": stages})


def weights(network: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    names = (name for name in before if not torch.equal(before[name], after[name]))
    return {".".join(name.split(".")[:2]) if name[0] in "ep" else name.split(".")[0] for name in names}


def test_one_stage_is_the_training_loop_to_the_bit(built: Callable[..., Any]) -> None:
    results = []
    for run in (fit, train):
        network, task, samples, _ = built("gate", **INPUTS)
        config = config_of("joint")
        records = list(run(network, task, samples, samples, config if run is fit else config.train, seed=3))  # type: ignore[operator]
        assert "stage" not in records[0].record()
        results.append(weights(network))
    assert not changed(*results)


@pytest.mark.parametrize(
    ("stage", "learned"),
    [
        ({"train": "head"}, {"head"}),
        ({"train": ["fusion"]}, {"fusion"}),
        ({"train": ["kind"]}, {"encoders.input_kind", "project.input_kind"}),
        ({"inputs": ["age"], "train": "encoders"}, {"encoders.input_age", "project.input_age"}),
        ({"inputs": ["age"], "head": "own"}, {"encoders.input_age", "project.input_age"}),
    ],
)
def test_what_a_stage_does_not_train_stands_still(built: Callable[..., Any], stage: Any, learned: set[str]) -> None:
    network, task, samples, _ = built("gate", **INPUTS)
    before = weights(network)
    list(fit(network, task, samples, None, config_of([stage])))
    assert changed(before, weights(network)) == learned
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_records_count_on_and_name_their_stage(built: Callable[..., Any]) -> None:
    network, task, samples, _ = built("gate", **INPUTS)
    records = list(fit(network, task, samples, samples, config_of(STAGES)))
    assert [record.step for record in records] == sorted({record.step for record in records})
    assert list(dict.fromkeys(record.stage for record in records)) == ["hidden", "alone", "end"]
    assert records[-1].step == records[-1].steps == records[0].steps
    scored = [record.valid for record in records if record.valid]
    assert list(scored[0]) == ["loss"] and "accuracy" in scored[-1] and len(scored) == 6


def test_a_killed_training_ends_with_the_same_bits(built: Callable[..., Any], tmp_path: Path) -> None:
    def go(place: Place, stop: int | None = None, **options: Any) -> Any:
        network, task, samples, _ = built("gate", **INPUTS)
        steps = fit(network, task, samples, samples, config_of(STAGES), seed=1, place=place, **options)
        records = []
        for count, record in enumerate(steps, 1):
            records.append(record)
            if count == stop:
                steps.close()  # type: ignore[attr-defined]
                break
        return network, records

    reference, whole = go(Place(tmp_path / "whole", {}))
    for stop in (1, 5, 8, 11, 14, len(whole)):
        place = Place(tmp_path / str(stop), {})
        go(place, stop)
        found, records = go(place, resume=True)
        assert not changed(weights(reference), weights(found)), f"stopped after {stop} steps"
        if records:
            assert records[-1].step == whole[-1].step and records[-1].rows == whole[-1].rows
        saved = {name: sorted(each.name for each in (place.folder / name).iterdir()) for name in ("best", "stages")}
        assert saved["stages"] == ["1", "2"] and "network.safetensors" in saved["best"]


def test_stopped_in_an_early_stage_there_is_a_model(built: Callable[..., Any], tmp_path: Path) -> None:
    network, task, samples, _ = built("gate", **INPUTS)
    steps = fit(network, task, samples, samples, config_of(STAGES), place=Place(tmp_path, {}))
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert (tmp_path / "last" / "network.safetensors").exists()


def test_a_run_that_ends_with_an_objective_still_keeps_the_whole_model(
    built: Callable[..., Any], tmp_path: Path
) -> None:
    from sensemble.checkpoint import load_weights

    network, task, samples, _ = built("gate", **INPUTS)
    list(fit(network, task, samples, samples, config_of([{"task": "masked"}]), place=Place(tmp_path, {})))
    other = built("gate", **INPUTS)[0]
    load_weights(other, tmp_path / "best")
    assert not changed(weights(network), weights(other))


def test_rows_without_a_label_serve_the_objectives(built: Callable[..., Any]) -> None:
    network, task, samples, _ = built("gate", **INPUTS)
    labelled = samples.take(np.arange(8))
    records = list(fit(network, task, labelled, None, config_of([{"task": "masked"}, {}]), unlabelled=samples))
    first = [record for record in records if record.stage == "stage 1"]
    seen = int((samples.stores["age"].present | samples.stores["kind"].present).sum())
    assert first[-1].rows == 2 * seen > 16 and records[-1].rows - first[-1].rows == 16


def test_wrong_objectives_are_named_before_anything_is_read() -> None:
    with pytest.raises(ConfigError, match="did you mean 'masked'"):
        check(config_of([{"task": "maskd"}]), ["age"])
    with pytest.raises(ConfigError, match="above 0"):
        check(config_of([{"task": {"name": "masked", "share": 2.0}}]), ["age"])
    with pytest.raises(ConfigError, match=r"stages \(stage 2\), key 'rows': .*did you mean 'age'"):
        check(config_of([{}, {"rows": {"aeg": 3}}]), ["age", "kind"])


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        ({"part": "a"}, [0, 1, 4]),
        ({"part": ["a", None]}, [0, 1, 3, 4]),
        ({"easy": True}, [0, 2]),
        ({"level": 2}, [1, 2]),
        ({"part": "a", "level": [1, 2]}, [0, 1]),
    ],
)
def test_a_stage_learns_from_the_rows_it_names(
    built: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, rows: Any, chosen: list[int]
) -> None:
    network, task, samples, _ = built("gate", **INPUTS)
    frame = pd.DataFrame(
        {
            "part": ["a", "a", "b", None, "a"],
            "easy": [True, False, True, None, False],
            "level": [1.0, 2.0, 2.0, 3.0, None],
        }
    )
    some = replace(samples.take(np.arange(5)), table=Table(frame, "mine.csv"))
    seen: list[tuple[list[int], int | None]] = []

    def spy(network: Any, task: Any, samples: Any, valid: Any, *rest: Any, **options: Any) -> Any:
        seen.append((samples.table.frame.index.tolist(), None if valid is None else len(valid)))
        return train(network, task, samples, valid, *rest, **options)

    monkeypatch.setattr("sensemble.stages.run.train", spy)
    other = replace(samples.take(np.arange(5, 8)), table=Table(frame.iloc[[3, 3, 2]], "valid.csv"))
    records = list(fit(network, task, some, other, config_of([{"rows": rows}, {}])))
    assert seen[0][0] == chosen and seen[1][0] == [0, 1, 2, 3, 4]
    matching = int(sum(each in chosen for each in (3, 3, 2)))
    assert seen[0][1] == (matching or None) and seen[1][1] == 3  # where none matches, it is not validated
    assert records[-1].rows == 2 * len(chosen) + 10


def test_a_validation_table_without_the_column_validates_nothing(built: Callable[..., Any]) -> None:
    network, task, samples, _ = built("gate", **INPUTS)
    frame = pd.DataFrame({"other": range(len(samples))})
    bare = replace(samples, table=Table(frame, "valid.csv"))
    records = list(fit(network, task, samples, bare, config_of([{"rows": {"label": "yes"}}, {}])))
    assert {record.stage for record in records if record.valid} == {"stage 2"}


WRITES = {"name": "generate", "target": "label", "decoder": {"depth": 1, "heads": 2}, "length": 12}
LESSONS = [{"name": "look", "target": ["long", "longer"]}, {"name": "say"}]


def lessons_of(rows: int = 9) -> pd.DataFrame:
    """Rows of which some lack a label, and some what is to be learned before it."""
    return pd.DataFrame(
        {
            "kind": ["a", "b", "c"] * (rows // 3),
            "age": [1.0, 2.0, 3.0] * (rows // 3),
            "label": [None, "yes", "no"] * (rows // 3),
            "long": ["zebra crossing", None, "zebra"] * (rows // 3),
            "longer": [None, None, "a zebra crossing 斑马线"] * (rows // 3),
        }
    )


def test_a_stage_may_learn_another_target(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spy(network: Any, task: Any, samples: Any, valid: Any, *rest: Any, **options: Any) -> Any:
        kept = None if valid is None else task.references.texts(valid.target)
        seen.append((task.references.texts(samples.target), kept))
        return train(network, task, samples, valid, *rest, **options)

    monkeypatch.setattr("sensemble.stages.run.train", spy)
    config = {"task": WRITES, "fusion": "concat", "width": 16, "train": TRAIN, "stages": LESSONS, "verdict": "off"}
    learner = se.Learner.from_config(configs.from_dict(config))
    learner.fit(lessons_of(), valid=lessons_of(), test=lessons_of().drop(columns=["long", "longer"]))
    short, long, said = ["zebra crossing"], ["zebra", "a zebra crossing 斑马线"], [["yes"], ["no"]] * 3
    assert seen == [([short, long] * 3, [long] * 3), (said, said)]  # learned also where there is no label
    assert sorted(learner.config_.specs) == ["age", "kind"]  # what is learned first is no input
    assert max(map(len, learner._task.references.encode([" zebra crossing"]))) <= 4  # its words are in the vocabulary


def test_a_validation_table_without_the_other_target_validates_nothing() -> None:
    config = {"task": WRITES, "fusion": "concat", "width": 16, "train": TRAIN, "stages": LESSONS, "verdict": "off"}
    learner = se.Learner.from_config(configs.from_dict(config))
    learner.fit(lessons_of(), valid=lessons_of()[["kind", "age", "label"]], test=lessons_of())
    assert {record["stage"] for record in learner.history_ if record.get("valid")} == {"say"}


def test_only_a_task_that_writes_learns_another_target() -> None:
    config = configs.from_dict({"task": {"name": "classify", "target": "label"}, "inputs": INPUTS, "stages": LESSONS})
    with pytest.raises(ConfigError, match="the key 'target' is for a task that writes texts"):
        se.Learner.from_config(config).fit(lessons_of(), valid=lessons_of())
    with pytest.raises(ConfigError, match=r"stages \(look\), key 'target': .*did you mean 'long'"):
        check(config, ["age", "kind", "label", "long"])


def test_rows_that_nobody_has_are_refused(built: Callable[..., Any]) -> None:
    network, task, samples, _ = built("gate", **INPUTS)
    before = weights(network)
    with pytest.raises(ConfigError, match="no training row has what the stage 'stage 2' learns from"):
        list(fit(network, task, samples, samples, config_of([{}, {"rows": {"label": "nobody"}}])))
    assert not changed(before, weights(network))  # before anything is learned


def shared_causes(rows: int, seed: int) -> pd.DataFrame:
    """Two views of one hidden class, each with a code of its own."""
    random = np.random.default_rng(seed)
    kind = random.integers(0, 4, rows)
    codes = np.random.default_rng(9).normal(size=(2, 4, 8)) * 2
    views = [codes[view][kind] + random.normal(size=(rows, 8)) * 0.5 for view in (0, 1)]
    return pd.DataFrame(
        {"left": list(map(list, views[0])), "right": list(map(list, views[1])), "label": kind.astype(str)}
    )


def test_semi_answers_from_an_input_that_never_had_labels(tmp_path: Path) -> None:
    stages = [
        {"name": "space", "task": "contrast", "train": ["encoders", "fusion"], "epochs": 20},
        {"name": "head", "inputs": ["left"], "valid_inputs": ["right"], "train": "head", "epochs": 15},
    ]
    scores = {}
    for name, plan in {"semi": stages, "no space": stages[1:]}.items():
        learner = se.Learner(
            {"left": "vector", "right": "vector"}, {"name": "classify", "target": "label"}, "sum", width=16,
            stages=plan, verdict="off", train={"batch": 64, "lr": 1e-2, "patience": 0},
        )  # fmt: skip
        learner.fit(shared_causes(240, 0), shared_causes(60, 1), shared_causes(200, 2), run=tmp_path / name)
        scores[name] = learner.metrics_["subsets"]["right"]["accuracy"]
    assert scores["semi"]["low"] > 0.8 and scores["no space"]["high"] < 0.7
    lines = [json.loads(line) for line in (tmp_path / "semi" / "history.jsonl").read_text().splitlines()]
    assert {line["stage"] for line in lines} == {"space", "head"}
    assert se.Learner.load(tmp_path / "semi").predict([{"right": [0.0] * 8}])


def test_a_stage_by_itself_may_have_a_name() -> None:
    said: list[str] = []
    learner = se.Learner(
        task={"name": "classify", "target": "label"}, width=8, verdict="off", stages=[{"name": "a", "epochs": 1}]
    )
    learner.fit(shared_causes(60, 0), say=said.append)
    assert any(line.startswith("epoch 1/1") for line in said)


def test_the_model_of_a_single_input_goes_through_its_own_stages() -> None:
    learner = se.Learner(
        {"left": "vector", "right": "vector"}, {"name": "classify", "target": "label"}, width=16, stages="staged",
        train={"epochs": 2},
    )  # fmt: skip
    seen: dict[str, set[str]] = {}
    for event in learner.steps(shared_causes(200, 0)):
        if event.progress:
            seen.setdefault(event.about, set()).add(event.progress.stage)
    assert seen[""] == {"left alone", "right alone", "fusion", "all"}
    assert seen["left"] == {"left alone", "fusion", "all"}


def test_patience_ends_a_stage_not_the_training(built: Callable[..., Any]) -> None:
    network, task, samples, _ = built("gate", **INPUTS)
    stages = [{"name": "a", "epochs": 9, "lr": 0.0, "patience": 1}, {"name": "b"}]
    records = list(fit(network, task, samples, samples, config_of(stages)))
    assert [(r.stage, r.epoch) for r in records if r.valid] == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    assert replace(records[-1]).step == records[-1].steps
