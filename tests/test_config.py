"""Configs: round trips, settings, errors."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from sensemble import config as configs
from sensemble.config import Config
from sensemble.errors import ConfigError
from sensemble.fusion.pooled import Concat, Gate


def test_round_trip_through_yaml(tmp_path: Path) -> None:
    config = configs.from_dict(
        {
            "inputs": {"words": "text", "照片": {"name": "image", "encoder": "cnn"}},
            "task": {"name": "classify", "target": "标签"},
            "train": {"lr": "3e-4", "epochs": 3},
            "verdict": False,
        }
    )
    assert config.train.lr == 3e-4 and config.verdict == "off"
    assert config.inputs["照片"]["encoder"] == {"name": "cnn"}
    path = tmp_path / "config.yaml"
    path.write_text(configs.dump(config), encoding="utf-8")
    assert configs.read(path) == config


def test_data_paths_start_at_the_config(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("data: {train: t.csv}\n")
    assert configs.read(tmp_path / "c.yaml").data.train == str(tmp_path / "t.csv")


def test_null_leaves_an_input_out() -> None:
    settings = configs.override({"inputs": {"a": "text", "b": "image"}}, ["inputs.b=null"])
    assert configs.from_dict(settings).inputs == {"a": {"name": "text"}}


def test_classes_and_partials_are_specs() -> None:
    assert Config(fusion=Gate).fusion == {"name": "gate"}
    assert Config(fusion=partial(Concat, hidden=8)).fusion == {"name": "concat", "hidden": 8}
    with pytest.raises(ConfigError, match="not a registered component"):
        Config(fusion=dict)


def test_settings_reach_any_depth_and_turn_names_into_mappings() -> None:
    result = configs.override({"fusion": "gate"}, ["fusion.dropout=0.2", "train.epochs=3", "data.group=user"])
    assert result == {"fusion": {"name": "gate", "dropout": 0.2}, "train": {"epochs": 3}, "data": {"group": "user"}}


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"trian": {}}, "did you mean 'train'"),
        ({"train": {"epoch": 3}}, "did you mean 'epochs'"),
        ({"train": {"epochs": "many"}}, "needs int, not 'many'"),
        ({"train": 3}, "needs a mapping"),
        ({"inputs": ["text"]}, "needs a mapping"),
        ({"inputs": {"a": 3}}, "inputs.a: needs a name"),
        ({"verdict": "ful"}, "did you mean 'full'"),
        ({"train": {"batch": 0}}, "train.batch: must be at least 1"),
        ({"train": {"hide": 1.0}}, "train.hide: is a share"),
        ({"train": {"lr": -1}}, "train.lr: cannot be negative"),
        ({"data": {"max_unreadable": 5}}, "data.max_unreadable: is a share"),
        ({"inputs": {"fused": "text"}}, "cannot be an input's name"),
        ({"inputs": {"a+b": "text"}}, "cannot be an input's name"),
    ],
)
def test_wrong_configs_name_the_key(mapping: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        configs.from_dict(mapping)


@pytest.mark.parametrize("setting", ["epochs", "=3", "seed.a=1"])
def test_settings_that_cannot_be_read(setting: str) -> None:
    with pytest.raises(ConfigError, match="cannot"):
        configs.override({"seed": 0}, [setting])


def test_a_file_that_is_no_config(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("a: [1", encoding="utf-8")
    with pytest.raises(ConfigError, match="not YAML"):
        configs.read(path)
    path.write_text("- 1", encoding="utf-8")
    with pytest.raises(ConfigError, match="mapping"):
        configs.read(path)
    with pytest.raises(ConfigError, match="cannot read"):
        configs.read(tmp_path / "none.yaml")
