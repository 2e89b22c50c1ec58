"""Blends: better than their members where these know different things, fitted on validation rows alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sensemble.blend import Blend, search
from sensemble.cli import main
from sensemble.data.generate import redundant
from sensemble.errors import ConfigError, DataError, UserError
from sensemble.learner import Learner

TRAIN = {"epochs": 8, "batch": 32, "lr": 5e-3, "device": "cpu"}


def fit(rows: pd.DataFrame, folder: Path | None, names: tuple[str, ...], task: Any, **train: Any) -> Learner:
    inputs = dict.fromkeys(names, "vector")
    learner = Learner(inputs, task, "concat", width=16, verdict="off", train={**TRAIN, **train})
    return learner.fit(rows, run=folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs on inputs of their own, and rows to fit and to test a blend."""
    folder = tmp_path_factory.mktemp("blend")
    frame = redundant(1700, seed=0).frame
    for name, part in (("train", frame[:400]), ("valid", frame[400:700]), ("test", frame[700:])):
        part.reset_index(drop=True).to_parquet(folder / f"{name}.parquet")
    task = {"name": "classify", "target": "label", "metric": "accuracy"}
    for name in ("left", "right"):
        fit(frame[:400], folder / name, (name,), task)
    return folder


@pytest.mark.parametrize("how", ["mean", "weights", "stack"])
def test_two_that_know_different_things_beat_each(place: Path, how: Any) -> None:
    blend = Blend([place / "left", place / "right"], how).fit(place / "valid.parquet")
    found = blend.evaluate(place / "test.parquet")
    assert found["metric"] == "accuracy" and found["test"]["accuracy"]["rows"] == 1000
    for member in found["members"]:
        assert member["gain"]["low"] > 0, (how, member)
    assert [member["name"] for member in found["members"]] == ["left", "right"]
    if how != "stack":
        assert blend.weights_ is not None and sum(blend.weights_) == pytest.approx(1)


@pytest.mark.parametrize("how", ["weights", "stack"])
def test_it_is_fitted_on_validation_rows_alone(place: Path, how: Any) -> None:
    """Other test labels change no answer; other validation labels do."""
    test, valid = (pd.read_parquet(place / f"{name}.parquet") for name in ("test", "valid"))
    runs = [place / "left", place / "right"]
    blend = Blend(runs, how).fit(valid)
    before = blend.predict(test)
    blend.evaluate(test.assign(label=np.roll(test["label"], 7)))
    assert blend.predict(test) == before == blend.predict(test.drop(columns="label"))
    assert Blend(runs, how).fit(valid.assign(label=1 - valid["label"])).predict(test) != before


@pytest.mark.parametrize("how", ["mean", "weights", "stack"])
def test_a_saved_blend_answers_alike_and_moves_with_its_runs(place: Path, tmp_path: Path, how: Any) -> None:
    blend = Blend([place / "left", place / "right"], how).fit(place / "valid.parquet")
    path = blend.save(place / "blends" / f"{how}.json")
    saved = json.loads(path.read_text(encoding="utf-8"))
    assert [each["path"] for each in saved["runs"]] == ["../left", "../right"]
    answers = blend.predict(place / "test.parquet")
    assert Blend.load(path).predict(place / "test.parquet") == answers
    moved = tmp_path / "elsewhere"
    place.rename(moved)
    try:
        assert Blend.load(moved / "blends" / f"{how}.json").predict(moved / "test.parquet") == answers
    finally:
        moved.rename(place)


def test_a_changed_run_or_changed_validation_rows_are_refused(place: Path, tmp_path: Path) -> None:
    valid = tmp_path / "valid.parquet"
    valid.write_bytes((place / "valid.parquet").read_bytes())
    path = Blend([place / "left", place / "right"], "stack").fit(valid).save(tmp_path / "blend.json")
    pd.read_parquet(valid)[:200].to_parquet(valid)
    with pytest.raises(DataError, match=r"valid\.parquet does not hold the rows"):
        Blend.load(path)
    weights = place / "left/best/network.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-4] + b"\0\0\0\1")
    try:
        with pytest.raises(DataError, match="left is not the run that was blended"):
            Blend.load(path)
    finally:
        weights.write_bytes(content)
    (tmp_path / "no.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="holds no blend"):
        Blend.load(tmp_path / "no.json")


def test_what_cannot_be_blended_is_said(place: Path) -> None:
    frame = pd.read_parquet(place / "train.parquet")[:80]
    other = frame.assign(label=np.where(np.arange(80) % 3 == 0, "a", "b"), price=np.arange(80.0))
    labels = fit(other, None, ("left",), {"name": "classify", "target": "label"}, epochs=1)
    price = fit(other, None, ("left",), {"name": "regress", "target": "price"}, epochs=1)
    with pytest.raises(ConfigError, match="different labels; only one has probability:0, probability:1, probability:a"):
        Blend([place / "left", labels])
    with pytest.raises(ConfigError, match="classify label, but run 2 to regress price"):
        Blend([place / "left", price])
    with pytest.raises(ConfigError, match="two runs or more, not 1"):
        Blend([place / "left"])
    with pytest.raises(ConfigError, match="unknown how 'stck'"):
        Blend([place / "left", place / "right"], "stck")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="fitted on validation rows"):
        Blend([place / "left", place / "right"], "weights").fit()
    with pytest.raises(UserError, match="not fitted yet"):
        Blend([place / "left", place / "right"]).predict(place / "test.parquet")
    with pytest.raises(UserError, match="run 1 is in no folder"):
        Blend([price, price]).fit().save(place / "never.json")


def test_rows_that_a_member_learned_from_are_refused(place: Path, tmp_path: Path) -> None:
    source = place / "train.parquet"
    for name in ("left", "right"):
        task = {"name": "classify", "target": "label"}
        learner = Learner({name: "vector"}, task, verdict="off", width=8, train={"epochs": 1, "device": "cpu"})
        learner.fit(str(source), run=tmp_path / name)
    with pytest.raises(ConfigError, match=r"left learned from train\.parquet"):
        Blend([tmp_path / "left", tmp_path / "right"], "stack").fit(source)


def test_numbers_are_blended_in_their_own_unit() -> None:
    random = np.random.default_rng(0)
    price = random.normal(1000, 50, 600)
    left, right = ((price + random.normal(0, 30, 600)).tolist() for _ in range(2))
    frame = pd.DataFrame({"left": [[each] for each in left], "right": [[each] for each in right], "price": price})
    task = {"name": "regress", "target": "price"}
    members = [fit(frame[:300], None, (name,), task, epochs=15) for name in ("left", "right")]
    for how in ("weights", "stack"):
        found = Blend(members, how).fit(frame[300:400]).evaluate(frame[400:])  # type: ignore[arg-type]
        assert all(member["gain"]["value"] > 0 for member in found["members"])


def test_texts_are_stacked_by_vote() -> None:
    frame = pd.DataFrame({"seen": [[float(i % 2), float(i % 3) + i / 1000] for i in range(60)]})
    frame["text"] = [f"{'red' if i % 2 else 'blue'} {i % 3}" for i in range(60)]
    task = {"name": "generate", "target": "text", "vocab": 280, "length": 8, "decoder": {"name": "recurrent"}}
    members = [fit(frame, None, ("seen",), task, epochs=epochs, device="cpu") for epochs in (1, 3)]
    with pytest.raises(ConfigError, match="use how: stack"):
        Blend(members)
    blend = Blend(members, "stack").fit(frame[:20])
    alone = [{row["prediction"] for row in each.predict(frame[:5])} for each in members]
    assert {row["prediction"] for row in blend.predict(frame[:5])} <= alone[0] | alone[1]


def test_the_search_finds_the_better_half_and_the_best_alone() -> None:
    truth = np.linspace(0, 1, 50)[:, None]
    noise = np.random.default_rng(0).normal(size=(3, 50, 1))

    def score(mixed: Any) -> float:
        return -float(np.square(mixed - truth).mean())

    weights = search([truth + 0.1 * noise[0], truth - 0.1 * noise[0], truth + noise[1]], score)
    assert weights == pytest.approx([0.5, 0.5, 0], abs=0.03)
    assert search([truth + noise[0], truth], score) == [0, 1]


def test_the_commands(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs, test, valid = (
        [str(place / "left"), str(place / "right")],
        str(place / "test.parquet"),
        str(place / "valid.parquet"),
    )
    path = str(tmp_path / "blend.json")
    assert main(["blend", *runs, test, "--valid", valid, "-o", path, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert main(["evaluate", path, test, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found
    assert main(["predict", path, test, "-o", str(tmp_path / "answers.csv")]) == 0
    assert len(pd.read_csv(tmp_path / "answers.csv")) == 1000
    assert main(["blend", *runs, test, "--how", "mean"]) == 0
    assert "weight 0.50" in capsys.readouterr().out
    assert main(["blend", *runs, test, "--valid", test]) != 0
    assert "one file" in capsys.readouterr().err
    page = (Path(__file__).parent.parent / "docs/files.md").read_text(encoding="utf-8")
    part = page.split("\n## A blend\n")[1].split("\n## ")[0]
    for key in {*found, *found["members"][0], *json.loads(Path(path).read_text(encoding="utf-8"))}:
        assert f"`{key}`" in part, key
