"""The demo: real data where it can be had, generated data where it cannot."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from sensemble import demo
from sensemble.data.generate import shapes
from sensemble.errors import ConfigError, DataError
from sensemble.learner import Learner
from sensemble.pipeline import Event


def drain(events: Iterable[Event]) -> None:
    for _ in events:
        pass


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No network; and a small, short demo."""

    def get(name: str, **_: Any) -> Path:
        raise DataError(f"cannot reach the network for {name}")

    recipe = demo.recipe("shapes").read_text(encoding="utf-8").replace("epochs: 10", "epochs: 1")
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "shapes.yaml").write_text(recipe + "width: 8\n", encoding="utf-8")
    monkeypatch.setattr(demo, "recipe", lambda name: tmp_path / "recipes" / f"{name}.yaml")
    monkeypatch.setattr(demo, "get", get)
    monkeypatch.setattr(demo, "shapes", functools.partial(shapes, rows=60))


def test_without_network_it_goes_on_with_generated_data_and_says_so(offline: None, tmp_path: Path) -> None:
    said: list[str] = []
    reports = demo.run_demo(None, tmp_path, drain, said.append)
    text = "\n".join(said)
    assert "cannot reach the network for reviews" in text
    assert "generated data" in text and "== shapes ==" in text
    assert reports == [tmp_path / "shapes" / "report.html"]
    assert reports[0].stat().st_size > 0
    learner = Learner.load(tmp_path / "shapes")
    assert learner.verdict_ is not None
    assert learner.predict([{"question": "它是什么颜色？"}])[0]["prediction"]


def test_a_set_asked_for_by_name_has_no_substitute(offline: None, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot reach the network for easy_vqa"):
        demo.run_demo("easy_vqa", tmp_path, drain, print)


def test_an_unknown_demo(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown demo 'shape': did you mean 'shapes'"):
        demo.run_demo("shape", tmp_path, drain, print)


def test_the_demo_deletes_nothing_but_runs(offline: None, tmp_path: Path) -> None:
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes" / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="holds no run; choose another folder"):
        demo.run_demo("shapes", tmp_path, drain, lambda line: None)
    assert (tmp_path / "shapes" / "mine.txt").exists()


def test_weights_that_cannot_be_had_are_said_and_done_without(
    offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get(name: str, **_: Any) -> Path:
        raise DataError(f"cannot reach the network for {name}")

    said: list[str] = []
    monkeypatch.setattr(demo, "CARRIED", {"shapes": ("minilm",)})
    monkeypatch.setattr(demo, "get_weights", get)
    (report,) = demo.run_demo("shapes", tmp_path, drain, said.append)
    assert report.exists()
    assert any("for minilm" in line and "trained from scratch" in line for line in said)


@pytest.mark.parametrize("name", demo.SETS)
def test_every_set_has_a_recipe(name: str) -> None:
    assert demo.recipe(name).exists()


def test_no_such_recipe() -> None:
    with pytest.raises(ConfigError, match="no recipe 'nope'"):
        demo.recipe("nope")


def test_a_world_is_made_where_its_tables_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "stampworld", functools.partial(demo.stampworld, scenes=40))
    data = demo.make("captioning", tmp_path, print)
    assert data == tmp_path / "pictures"
    assert [(data / file).exists() for file in demo.tables("captioning").values()] == [True] * 3
    assert demo.tables("translation") == {"train": "stamps.parquet"}


def test_a_world_is_made_once_a_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def spy(folder: Path, **options: Any) -> Path:
        made.append(options["tables"])
        return stampworld(folder, scenes=40, **options)

    stampworld = demo.stampworld
    monkeypatch.setattr(demo, "stampworld", spy)
    for name in ("vqa", "vqa", "captioning", "vqa", "dialogue"):
        demo.make(name, tmp_path, print)
    assert made == [("vqa",), None]  # its own table; and all of them when another one is needed
    monkeypatch.setattr(demo, "_version", lambda: "of another version")
    demo.make("captioning", tmp_path, print)
    (tmp_path / "pictures" / "version.txt").unlink()  # killed before it was complete
    demo.make("captioning", tmp_path, print)
    assert made[2:] == [("captions",)] * 2


def test_a_borrowed_sample_is_fetched_by_its_own_name(offline: None, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot reach the network for stamps"):
        demo.run_demo("translation", tmp_path, drain, print)
    with pytest.raises(DataError, match="cannot reach the network for movies"):
        demo.run_demo("recommend", tmp_path, drain, print)
