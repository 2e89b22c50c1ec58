"""Registered bodies as encoders: by their names, through presets, in a whole run. Their weights are random."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import sensemble as se
from sensemble import files
from sensemble.encoders.backbone import BACKBONES
from sensemble.encoders.base import create_modality
from sensemble.encoders.efficientnet import EfficientNetLite0
from sensemble.errors import ConfigError


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of weights."""
    monkeypatch.setenv("SENSEMBLE_HOME", str(tmp_path))
    return tmp_path / "weights"


@pytest.fixture
def minilm(kept: Path, tiny: Callable[..., Path]) -> None:
    with files.replace_folder(kept / "minilm") as new:
        for path in tiny("minilm").rglob("*"):
            if path.is_file():
                files.write(new / path.relative_to(tiny("minilm")), path.read_bytes())


@pytest.fixture
def efficientnet(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network with random weights, the same ones each time."""

    def make(**options: Any) -> EfficientNetLite0:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return EfficientNetLite0(**options)

    with files.replace_folder(kept / "efficientnet_lite0"):
        pass
    monkeypatch.setitem(BACKBONES, ("image", "efficientnet_lite0"), make)


def rows() -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    return [
        {
            "words": ("good tea, good day", "so so, not good at all")[place % 2],
            "photo": Image.fromarray(random.integers(0, 255, (32, 32, 3), dtype=np.uint8)),
            "label": ("yes", "no")[place % 2],
        }
        for place in range(30)
    ]


@pytest.mark.usefixtures("minilm")
def test_minilm_is_a_text_body_by_its_name() -> None:
    spec = {"name": "pretrained", "model": "minilm", "pool": "mean"}
    found = create_modality("text", {"length": 12}, spec, where="inputs.words")
    assert found.load("good tea").shape == (1, 16)


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("kind", "model"), [("text", "minilm"), ("image", "efficientnet_lite0"), ("audio", "whisper_tiny_en")]
)
def test_without_weights_the_error_names_input_and_command(kind: str, model: str) -> None:
    with pytest.raises(ConfigError, match=rf"inputs\.it: .*`sensemble weights get {model}`"):
        create_modality(kind, {}, {"name": "pretrained", "model": model}, where="inputs.it")


@pytest.mark.usefixtures("minilm", "efficientnet")
def test_an_offline_run_is_saved_and_loaded(tmp_path: Path) -> None:
    table = rows()
    learner = se.Learner(
        inputs={"words": "text", "photo": {"name": "image", "size": 32}},
        task={"name": "classify", "target": "label"},
        quality="offline",
        width=16,
        train={"epochs": 2, "batch": 8},
        verdict="off",
        seed=1,
    ).fit(pd.DataFrame(table))
    models = {name: spec["encoder"]["model"] for name, spec in learner.config.inputs.items()}
    assert models == {"words": "minilm", "photo": "efficientnet_lite0"}
    assert "encoder minilm" in learner.audit_["inputs"]["words"]["reason"]
    learner.save(tmp_path / "run")
    sizes = [path.stat().st_size for path in (tmp_path / "run").rglob("*.safetensors")]
    assert sizes and max(sizes) < 2**20  # the bodies stay where they are
    asked = [{key: row[key] for key in ("words", "photo")} for row in table[:3]]
    assert se.Learner.load(tmp_path / "run").predict(asked) == learner.predict(asked)
