"""Robustness curves: flat where an input is not used, down to chance where it is, the same each time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import made_media as made
from sensemble.cli import main
from sensemble.data.generate import noise_input
from sensemble.data.load import Input, load
from sensemble.data.rows import Store
from sensemble.data.table import Table
from sensemble.errors import ConfigError, DataError
from sensemble.learner import Learner
from sensemble.modalities.image import Image
from sensemble.modalities.text import Text
from sensemble.robustness import LEVELS, hide, lines, worsen

Curves = dict[tuple[str, str], dict[str, Any]]


def curves(found: dict[str, Any]) -> Curves:
    return {(each["input"], each["how"]): each for each in found["curves"]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model in which `left` tells the label and `right` is noise, and its test rows."""
    folder = tmp_path_factory.mktemp("robust")
    table = noise_input(700, seed=0)
    Learner(
        task={"name": "classify", "target": "label", "metric": "accuracy"},
        fusion="concat",
        width=16,
        verdict="off",
        train={"epochs": 12, "batch": 32, "lr": 5e-3, "device": "cpu"},
    ).fit(table.take(np.arange(400)), run=folder / "run")
    table.take(np.arange(400, 700)).frame.to_parquet(folder / "test.parquet")
    return folder


@pytest.fixture(scope="module")
def found(run: Path) -> dict[str, Any]:
    return Learner.load(run / "run").robustness(run / "test.parquet")


def test_what_is_used_falls_to_chance_and_what_is_not_stays_flat(found: dict[str, Any]) -> None:
    made_of = curves(found)
    assert set(made_of) == {(name, how) for name in ("left", "right") for how in ("hidden", "noise")}
    clean = found["clean"]["value"]
    assert clean > 0.75 and found["rows"] == found["of"] == 300
    for each in made_of.values():
        assert [point["level"] for point in each["points"]] == list(LEVELS)
        assert each["points"][0]["value"] == clean and each["points"][0]["change"]["value"] == 0
        assert all(point["low"] <= point["value"] <= point["high"] for point in each["points"])
    hidden = made_of["left", "hidden"]
    assert abs(hidden["points"][-1]["value"] - found["trivial"]) < 0.1
    assert hidden["points"][-1]["change"]["high"] < -0.2
    assert hidden["area"]["value"] == pytest.approx((clean + found["trivial"]) / 2, abs=0.08)
    for how in ("hidden", "noise"):
        assert made_of["left", how]["points"][-1]["change"]["high"] < -0.05
        assert abs(made_of["right", how]["points"][-1]["change"]["value"]) < 0.03
        assert made_of["right", how]["area"]["value"] == pytest.approx(clean, abs=0.03)


def test_the_area_of_a_flat_curve_is_its_score() -> None:
    """A model that cannot know of an input: its column is not there at all."""
    table = noise_input(200, seed=1)
    learner = Learner(
        inputs={"left": "vector"}, task={"name": "classify", "target": "label"}, width=8, verdict="off",
        train={"epochs": 1, "device": "cpu"},
    ).fit(table)  # fmt: skip
    frame = table.frame.drop(columns="left").assign(left=None, right=0.0)
    gone = learner.robustness(Table(frame))
    for each in gone["curves"]:
        assert each["area"] == {key: gone["clean"][key] for key in ("value", "low", "high")}
        assert all(point["change"]["value"] == 0 for point in each["points"])


def test_the_same_again_on_drawn_rows_and_chosen_inputs(run: Path) -> None:
    learner = Learner.load(run / "run")
    first, again = (learner.robustness(run / "test.parquet", rows=60, inputs=["left"]) for _ in range(2))
    assert first == again and first["rows"] == 60 and first["of"] == 300
    assert {each["input"] for each in first["curves"]} == {"left"}
    assert "60 rows, drawn from 300" in lines(first)[0]


def test_wrong_requests(run: Path) -> None:
    learner = Learner.load(run / "run")
    with pytest.raises(ConfigError, match=r"unknown input 'lefft'.*left"):
        learner.robustness(run / "test.parquet", inputs=["lefft"])
    with pytest.raises(ConfigError, match="rows must be at least 2"):
        learner.robustness(run / "test.parquet", rows=1)
    with pytest.raises(DataError, match="label"):
        learner.robustness(pd.read_parquet(run / "test.parquet").drop(columns="label"))


def test_the_command_writes_the_file_and_the_report(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["robustness", str(run / "run"), str(run / "test.parquet"), "--rows", "80"]
    assert main([*given, "-o", str(run / "else.json"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((run / "else.json").read_text(encoding="utf-8"))
    assert not (run / "run/robustness.json").exists()
    assert main(given) == 0
    assert "left: noise" in capsys.readouterr().out
    assert json.loads((run / "run/robustness.json").read_text(encoding="utf-8")) == printed
    page = (run / "run/report.html").read_text(encoding="utf-8")
    assert 'id="robustness"' in page and page.count('aria-label="left, hidden, accuracy by share of rows') == 1


def test_every_key_is_documented(found: dict[str, Any]) -> None:
    page = (Path(__file__).parent.parent / "docs/files.md").read_text(encoding="utf-8")
    part = page.split("\n## robustness.json\n")[1].split("\n## ")[0]
    for key in {*found, *found["curves"][0], *found["curves"][0]["points"][0]}:
        assert f"`{key}`" in part, key


def store(modality: Any, values: list[Any]) -> Store:
    table = Table(pd.DataFrame({"x": pd.Series(values, dtype=object)}))
    stores, _ = load(table, [Input("x", "x", "any", modality, {})])
    return stores["x"]


def test_more_hidden_rows_hold_the_fewer() -> None:
    given = store(Text(vocab=300).fit(["tea"]), ["tea"] * 40)
    gone = [set((~hide(given, share, seed=[3]).present).nonzero().flatten().tolist()) for share in (0.25, 0.5, 1.0)]
    assert [len(each) for each in gone] == [10, 20, 40] and gone[0] < gone[1] < gone[2]


def test_equal_values_are_made_worse_each_by_itself_and_missing_ones_stay_missing() -> None:
    given = store(Text(vocab=300).fit(["今天的茶很好"]), ["今天的茶很好", None, "今天的茶很好"])
    worse = worsen(given, "typos", 0.5, seed=[1])
    assert worse.present.tolist() == [True, False, True] and len(set(worse.raws)) == 2
    same = worsen(given, "typos", 0.0, seed=[1])
    rows = torch.arange(3)
    assert torch.equal(same.tokens(rows).values, given.tokens(rows).values)
    assert not worsen(given, "word_drop", 1.0, seed=[1]).present.any(), "a text without words is missing"


def test_unreadable_pictures_stay_missing_and_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("the cache was asked")

    given = store(Image(size=8), [made.quarters(), b"no picture", made.quarters(16)])
    monkeypatch.setattr("sensemble.data.cache.Cache.put", never)
    worse = worsen(given, "salt_and_pepper", 1.0, seed=[0])
    assert worse.present.tolist() == [True, False, True] and worse.cache is None
    assert worse.tokens(torch.arange(3)).values.shape == (3, 1, 3, 8, 8)


def test_every_modality_and_any_task(built: Callable[..., Any]) -> None:
    from sensemble.robustness import measure

    for task in (None, {"name": "regress", "target": "price"}):
        network, fitted, samples, inputs = built(task=task)
        found = measure(network, fitted, inputs, samples)
        assert {each["input"] for each in found["curves"]} == set(samples.stores)
        assert {each["how"] for each in found["curves"]} > {"hidden", "blur", "typos", "swap", "noise"}
        assert all(np.isfinite(point["value"]) for each in found["curves"] for point in each["points"])
