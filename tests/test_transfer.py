"""`init`: what agrees is taken, words by what they are, and what does not agree is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

import sensemble as se
from sensemble import build
from sensemble.errors import DataError

TEXT = {"name": "text", "vocab": 300, "encoder": {"name": "lstm", "dim": 16}}


def table(texts: list[str], labels: str) -> pd.DataFrame:
    rows = 60
    return pd.DataFrame(
        {
            "words": [f"{texts[i % len(texts)]} {i}" for i in range(rows)],
            "age": [float(i) for i in range(rows)],
            "label": [labels[i % len(labels)] for i in range(rows)],
        }
    )


def learner(inputs: Any = None, **settings: Any) -> se.Learner:
    inputs = inputs or {"words": TEXT, "age": "number"}
    task = {"name": "classify", "target": "label"}
    return se.Learner(inputs, task, width=16, verdict="off", **{"train": {"epochs": 1}, **settings})


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old") / "run"
    learner().fit(table(["good green tea", "bad black tea", "good black coffee"], "ab"), run=folder)
    return folder


def test_the_same_data_takes_all_and_starts_as_good_as_it_ended(old: Path, tmp_path: Path) -> None:
    new = learner(init=str(old), train={"epochs": 1, "lr": 0.0})
    said: list[str] = []
    new.fit(table(["good green tea", "bad black tea", "good black coffee"], "ab"), run=tmp_path, say=said.append)
    ours, theirs = build.restore(tmp_path / "best")[3].state_dict(), build.restore(old / "best")[3].state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    found = json.loads((tmp_path / "init.json").read_text())
    assert all(part["taken"] == part["tensors"] for part in found["parts"].values())
    assert f"init: age: {found['parts']['age']['tensors']} of {found['parts']['age']['tensors']} tensors." in said


def test_words_are_matched_by_what_they_are_and_other_labels_leave_the_head(old: Path, tmp_path: Path) -> None:
    new = learner(init=str(old), train={"epochs": 1, "lr": 0.0})
    new.fit(table(["hot tea", "cold milk", "coffee and milk", "black milk"], "abc"), run=tmp_path)
    parts = json.loads((tmp_path / "init.json").read_text())["parts"]
    assert parts["head"]["taken"] == 0 and parts["head"]["reason"] == "2 labels there, 3 here, or others"
    assert parts["words"]["taken"] == parts["words"]["tensors"]
    assert 256 < parts["words"]["words"] < parts["words"]["vocabulary"]
    sides = []
    for folder in (tmp_path, old):
        _, inputs, _, network = build.restore(folder / "best")
        words = inputs[0].modality.words()
        assert words is not None
        sides.append((words, network.state_dict()["encoders.input_words.front.weight"]))
    (ours, new_table), (theirs, old_table) = sides
    assert ours != theirs
    shared = [word for word in ours if word in theirs]
    assert len(shared) == parts["words"]["words"] and any(len(word) > 2 for word in shared)
    for word in shared:
        assert torch.equal(new_table[ours.index(word)], old_table[theirs.index(word)])


def test_what_differs_is_told(old: Path, tmp_path: Path) -> None:
    wider = {"words": {**TEXT, "encoder": {"name": "gru", "dim": 16}}}
    learner(wider, init=str(old), fusion="sum").fit(table(["good green tea", "bad black tea"], "ab"), run=tmp_path)
    parts = json.loads((tmp_path / "init.json").read_text())["parts"]
    assert 0 < parts["words"]["taken"] < parts["words"]["tensors"] and "there and" in parts["words"]["reason"]
    assert parts["fusion"]["taken"] == 0 and parts["fusion"]["reason"] == "gate there, sum here"


def test_no_run_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no trained model"):
        learner(init=str(tmp_path / "none")).fit(table(["good tea", "bad tea"], "ab"))
