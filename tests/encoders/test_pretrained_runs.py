"""Runs with pretrained encoders: fitted, saved, moved and loaded again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.torch import load_file, save_file

import sensemble as se
from sensemble import config as configs
from sensemble.errors import ConfigError, DataError

Tiny = Callable[..., Path]
random = np.random.default_rng(0)
ROWS: list[dict[str, Any]] = [
    {
        "words": f"{('good tea', 'bad tea')[row % 2]} {row}" if row % 5 else None,
        "photo": random.integers(0, 255, (32, 32, 3), dtype=np.uint8) if row % 7 else None,
        "label": ("yes", "no")[row % 2],
    }
    for row in range(40)
]


def fit(text: Path | str, picture: Path | str, run: Path | None = None, **options: Any) -> se.Learner:
    inputs = {
        "words": {"name": "text", "length": 16, "encoder": {"name": "pretrained", "model": str(text), **options}},
        "photo": {"name": "image", "encoder": {"name": "pretrained", "model": str(picture), "pool": "mean", **options}},
    }
    train = {"epochs": 1, "batch": 16, "lr": 0.01}
    learner = se.Learner(inputs, {"name": "classify", "target": "label"}, width=8, train=train, verdict="off")
    return learner.fit(ROWS, run=run)


@pytest.fixture
def models(tiny: Tiny, tmp_path: Path) -> tuple[Path, Path]:
    """Folders that may be changed and removed."""
    root = tmp_path / "models"
    return shutil.copytree(tiny("bert"), root / "bert"), shutil.copytree(tiny("vit"), root / "vit")


@pytest.mark.parametrize("tune", ["frozen", "lora", "last_k", "full"])
def test_a_loaded_run_answers_as_before(models: tuple[Path, Path], tmp_path: Path, tune: str) -> None:
    learner = fit(*models, run=tmp_path / "run", tune=tune, last=1)
    expected = learner.predict(ROWS[:9])
    assert len({row["probability:yes"] for row in expected}) == 9
    loaded = se.Learner.load(tmp_path / "run")
    assert loaded.predict(ROWS[:9]) == expected
    loaded.save(tmp_path / "again")
    assert se.Learner.load(tmp_path / "again").predict(ROWS[:9]) == expected


def test_a_run_that_was_tuned_whole_holds_all_it_needs(models: tuple[Path, Path], tmp_path: Path) -> None:
    expected = fit(*models, run=tmp_path / "run", tune="full").predict(ROWS[:9])
    shutil.rmtree(models[0].parent)
    shutil.move(tmp_path / "run", tmp_path / "moved")
    assert se.Learner.load(tmp_path / "moved").predict(ROWS[:9]) == expected


@pytest.mark.parametrize("tune", ["frozen", "lora"])
def test_a_run_saved_whole_can_move_to_another_machine(models: tuple[Path, Path], tmp_path: Path, tune: str) -> None:
    learner = fit(*models, tune=tune)
    expected = learner.predict(ROWS[:9])
    learner.save(tmp_path / "run", whole=True)
    shutil.rmtree(models[0].parent)
    shutil.move(tmp_path / "run", tmp_path / "moved")
    loaded = se.Learner.load(tmp_path / "moved")
    assert loaded.predict(ROWS[:9]) == expected
    places = sorted(path.name for path in (tmp_path / "moved" / "pretrained").iterdir())
    outer, inner = (
        yaml.safe_load((tmp_path / "moved" / part / "config.yaml").read_text())["inputs"]["words"]["encoder"]["model"]
        for part in (".", "best")
    )
    assert inner == f"../{outer}" and outer.removeprefix("pretrained/") in places and len(places) == 2
    assert configs.read(tmp_path / "moved" / "config.yaml").inputs["words"]["encoder"]["model"] == str(
        tmp_path / "moved" / outer
    )
    loaded.save(tmp_path / "third", whole=True)
    shutil.rmtree(tmp_path / "moved")
    assert se.Learner.load(tmp_path / "third").predict(ROWS[:9]) == expected


@pytest.mark.parametrize("tune", ["frozen", "lora"])
def test_other_weights_in_the_folder_are_not_taken(models: tuple[Path, Path], tmp_path: Path, tune: str) -> None:
    fit(*models, run=tmp_path / "run", tune=tune)
    path = models[0] / "model.safetensors"
    save_file({name: value + 1 for name, value in load_file(path).items()}, path, {"format": "pt"})
    with pytest.raises(DataError, match="the pretrained weights are not those that the run was trained with"):
        se.Learner.load(tmp_path / "run")
    shutil.rmtree(models[0])
    with pytest.raises(DataError, match="there is no folder"):
        se.Learner.load(tmp_path / "run")


def test_a_saved_run_holds_no_weights_of_a_frozen_body(models: tuple[Path, Path], tmp_path: Path) -> None:
    sizes = {}
    for tune in ("frozen", "lora", "full"):
        fit(*models, run=tmp_path / tune, tune=tune)
        sizes[tune] = (tmp_path / tune / "best" / "network.safetensors").stat().st_size
    bodies = sum((each / "model.safetensors").stat().st_size for each in models)
    assert sizes["frozen"] < 0.25 * bodies and sizes["lora"] < 0.6 * sizes["full"] and sizes["full"] > 0.9 * bodies
    state = json.loads((tmp_path / "lora" / "best" / "state.json").read_text())["inputs"]["words"]
    assert state["files"] is None and state["digest"]


def test_folders_in_a_config_start_where_the_config_is(
    models: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.yaml").write_text(
        "inputs:\n  words: {name: text, encoder: {name: pretrained, model: models/bert}}\n"
        "  photo: {name: image, encoder: {name: pretrained, model: org/name}}\n  age: number\n"
    )
    read = configs.read(tmp_path / "run.yaml")
    assert read.inputs["words"]["encoder"]["model"] == str(models[0])
    assert read.inputs["photo"]["encoder"]["model"] == "org/name"
    monkeypatch.chdir(tmp_path)
    fit("models/bert", "models/vit", run=tmp_path / "run")
    monkeypatch.chdir(tmp_path.parent)
    assert len(se.Learner.load(tmp_path / "run").predict(ROWS[:3])) == 3


def test_a_frozen_encoder_works_once_a_value(models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from sensemble.encoders.hf.image import ImageBody

    seen: list[int] = []
    real = ImageBody._run
    monkeypatch.setattr(ImageBody, "_run", lambda body, pictures: seen.append(len(pictures)) or real(body, pictures))
    seen.clear()
    fit(*models)
    present = sum(row["photo"] is not None for row in ROWS)
    assert sum(seen) <= present + 1  # and one to see how many tokens it gives
    first = len(seen)
    fit(*models)
    assert len(seen) == first  # both body and features were kept


def test_a_verdict_is_given_over_frozen_and_tuned_inputs(models: tuple[Path, Path]) -> None:
    inputs = {
        "words": {"name": "text", "encoder": {"name": "pretrained", "model": str(models[0]), "tune": "lora"}},
        "photo": {"name": "image", "encoder": {"name": "pretrained", "model": str(models[1]), "pool": "cls"}},
    }
    train = {"epochs": 1, "batch": 16}
    learner = se.Learner(inputs, {"name": "classify", "target": "label"}, "transformer", width=8, train=train)
    assert set(learner.fit(ROWS).verdict_["singles"]) == {"words", "photo"}  # type: ignore[index]


def test_a_body_that_comes_by_name_cannot_be_copied(tmp_path: Path) -> None:
    from sensemble.encoders.backbone import Backbone, copy_body

    class Body(Backbone):
        digest = "x"

        def forward(self, tokens: Any) -> Any:
            return tokens

    with pytest.raises(ConfigError, match="has no folder to copy"):
        copy_body(Body(), tmp_path)
