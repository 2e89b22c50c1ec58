"""Nested cross-validation: every row tested once, never by a search that saw it; what was done is not done again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sensemble as se
from sensemble import nested as module
from sensemble.cli import main
from sensemble.data.table import Table
from sensemble.errors import ConfigError
from sensemble.files import read_json
from sensemble.nested import nested

pytest.importorskip("optuna")

SEARCH = ["fusion=[bilinear,sum]"]
SETTINGS = {"width": 16, "train": {"epochs": 15, "batch": 16, "lr": 1e-2, "hide": 0.0, "patience": 0}}


def run(table: Table, folder: Path, **more: Any) -> list[str]:
    mapping = {"task": {"target": "label", "metric": "accuracy"}, **SETTINGS, **more}
    return [event.text for event in nested(mapping, table, folder, search=SEARCH, folds=2, trials=3) if event.text]


@pytest.fixture(scope="module")
def grouped() -> Table:
    frame = se.generate.xor(240, seed=0).frame
    return Table(frame.assign(person=[f"p{row % 60}" for row in range(240)]))


def test_each_row_is_tested_once_by_who_saw_none_of_its_group(
    grouped: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []
    search = module.tune

    def spy(mapping: Any, folder: Path, *, tables: Any, **options: Any) -> Any:
        seen.append({name for part in ("train", "valid") for name in tables[part].column("person")})
        return search(mapping, folder, tables=tables, **options)

    monkeypatch.setattr(module, "tune", spy)
    inputs = {"left": "vector", "right": "vector"}
    run(grouped, tmp_path, data={"group": "person", "valid_share": 0.25}, inputs=inputs)
    lines = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text("utf-8").splitlines()]
    assert sorted(line["row"] for line in lines) == list(range(240))
    people = grouped.column("person")
    for number, known in enumerate(seen):
        tested = {people[line["row"]] for line in lines if line["fold"] == number}
        assert tested and not tested & known and tested | known == set(people)

    found = read_json(tmp_path / "nested.json")
    assert [fold["chosen"] for fold in found["folds"]] == [{"fusion": "bilinear"}] * 2  # what can do it
    assert found["metric"] == "accuracy" and found["rows"] == 240 and found["mean"] > 0.9
    scores = [fold["scores"]["accuracy"] for fold in found["folds"]]
    assert found["mean"] == pytest.approx(np.mean(scores))
    right = np.mean([line["truth"] == line["prediction"] for line in lines])
    assert found["mean"] == pytest.approx(right, abs=0.01)
    assert "chosen in 2 of 2 folds" in found["sentence"] and "no search saw" in found["sentence"]


def test_what_was_done_is_not_done_again(tmp_path: Path) -> None:
    table = se.generate.xor(60, seed=0)
    first = run(table, tmp_path)
    tests = {path: path.stat().st_mtime_ns for path in tmp_path.glob("fold-*/test-*.json")}
    assert len(tests) == 2 and sum("/3]" in text for text in first) == 6
    again = run(table, tmp_path)
    assert not any("/3]" in text for text in again) and again[-1] == first[-1]
    assert all(path.stat().st_mtime_ns == time for path, time in tests.items())


def test_at_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = se.generate.xor(60, seed=0).frame
    wide = pd.DataFrame({f"{side}{i}": [v[i] for v in frame[side]] for side in ("left", "right") for i in range(2)})
    wide.assign(label=frame["label"]).to_csv(tmp_path / "xor.csv", index=False)
    arguments = [
        "tune", str(tmp_path / "xor.csv"), "--target", "label", "width=8", "train.epochs=1", "--search",
        "train.lr=log(1e-3,1e-2)", "--trials", "1", "--folds", "2", "-o", str(tmp_path / "nested"), "--json",
    ]  # fmt: skip
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["searched"] == ["train.lr"]
    assert main(["tune", "--target", "label", "--search", "width=[8]", "--folds", "2"]) == 2
    assert "name a table" in capsys.readouterr().err


def test_without_validation_rows_nothing_could_choose(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give data"):
        run(se.generate.xor(60, seed=0), tmp_path, data={"valid_share": 0.0})
