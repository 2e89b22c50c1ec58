"""A frozen encoder encodes each value once, whoever fits or predicts; only what changed is encoded again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import load_file, save_file

import sensemble as se
from sensemble import build
from sensemble import config as configs
from sensemble.data.cache import user_cache
from sensemble.data.load import load
from sensemble.data.read import read

FILES = 24


def picture(path: Path, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 36, 3), dtype=np.uint8)
    Pillow.fromarray(pixels).save(path)


def settings(folder: Path, *, cache: bool = True, fit: str = "stretch", pool: str = "mean") -> dict[str, Any]:
    encoder = {"name": "pretrained", "model": str(folder / "model"), "pool": pool}
    return {
        "inputs": {"photo": {"name": "image", "fit": fit, "encoder": encoder}},
        "task": {"name": "classify", "target": "label"},
        "width": 8,
        "train": {"epochs": 1, "batch": 8},
        "data": {"cache": cache},
        "verdict": "off",
    }


def fit(folder: Path, **options: Any) -> se.Learner:
    return se.Learner(**settings(folder, **options)).fit(folder / "table.csv")


def features(folder: Path, **options: Any) -> torch.Tensor:
    """As a fit with these settings sees them, `(24, D)`."""
    config = configs.from_dict(settings(folder, **options))
    table = read(folder / "table.csv")
    stores, problems = load(
        table, build.make_inputs(config, table.columns), cache=user_cache() if config.data.cache else None
    )
    assert not problems and stores["photo"].flat is not None
    return stores["photo"].flat


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of pictures, a small saved ViT, and an empty cache."""
    transformers = pytest.importorskip("transformers")
    monkeypatch.setenv("SENSEMBLE_HOME", str(tmp_path / "home"))
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.ViTConfig(image_size=32, patch_size=16, **shape)
    transformers.ViTModel(config, add_pooling_layer=False).save_pretrained(tmp_path / "model")
    wanted = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.2] * 3, "resample": 2}
    (tmp_path / "model" / "preprocessor_config.json").write_text(json.dumps(wanted))
    for place in range(FILES):
        picture(tmp_path / f"{place}.png", place)
    rows = "".join(f"{place}.png,{('yes', 'no')[place % 2]}\n" for place in range(FILES))
    (tmp_path / "table.csv").write_text("photo,label\n" + rows)
    return tmp_path


class Counted:
    """Rows that the body was given since one last asked."""

    def __init__(self) -> None:
        self.rows = 0

    def __call__(self) -> int:
        rows, self.rows = self.rows, 0
        return rows


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> Counted:
    from sensemble.encoders.hf.image import ImageBody

    counted, inner = Counted(), ImageBody.forward

    def forward(self: Any, tokens: Any) -> Any:
        counted.rows += len(tokens)
        return inner(self, tokens)

    monkeypatch.setattr(ImageBody, "forward", forward)
    return counted


def test_a_second_fit_and_predictions_encode_nothing(folder: Path, encoded: Counted) -> None:
    first = fit(folder)
    assert encoded() == FILES
    again = fit(folder)
    table = folder / "table.csv"
    assert again.predict(table) == first.predict(table)
    again.save(folder / "run")
    assert se.Learner.load(folder / "run").predict(table) == first.predict(table)
    assert encoded() == 0


def test_one_changed_file_is_encoded_again_and_its_copy_under_another_name_is_not(
    folder: Path, encoded: Counted
) -> None:
    learner = fit(folder)
    before = features(folder)
    encoded()
    picture(folder / "5.png", FILES + 5)
    after = features(folder)
    assert encoded() == 1
    assert [place for place in range(FILES) if not torch.equal(before[place], after[place])] == [5]
    fit(folder)
    (folder / "5.png").rename(folder / "other.png")
    answers = learner.predict([{"photo": str(folder / name)} for name in ("other.png", "6.png")])
    assert encoded() == 0 and len(answers) == 2


def test_other_weights_in_the_same_folder_encode_all_again(folder: Path, encoded: Counted) -> None:
    before = features(folder)
    path = folder / "model" / "model.safetensors"
    save_file({name: value * 1.5 for name, value in load_file(path).items()}, path, {"format": "pt"})
    encoded()
    fit(folder)
    assert encoded() == FILES
    assert not torch.isclose(before, features(folder)).all(1).any()


@pytest.mark.parametrize("change", [{"pool": "cls"}, {"fit": "crop"}])
def test_other_preprocessing_encodes_all_again(folder: Path, encoded: Counted, change: dict[str, str]) -> None:
    fit(folder)
    encoded()
    fit(folder, **change)
    assert encoded() == FILES
    fit(folder)
    assert encoded() == 0, "what was kept before is still there"


def test_what_is_kept_equals_what_is_encoded_anew(folder: Path, encoded: Counted) -> None:
    fit(folder)
    kept = fit(folder)
    assert encoded() == FILES
    anew = fit(folder, cache=False)
    assert encoded() == FILES
    assert torch.allclose(features(folder), features(folder, cache=False), rtol=0, atol=1e-6)
    assert encoded() == FILES
    for one, other in zip(kept.predict(folder / "table.csv"), anew.predict(folder / "table.csv"), strict=True):
        assert one["prediction"] == other["prediction"]
        assert one["probability:yes"] == pytest.approx(other["probability:yes"], abs=1e-6)


OTHER = """
import json, sys
import sensemble as se
from sensemble.encoders.hf import load
given = json.loads(sys.argv[1])
load.load_backbone("image", given["inputs"]["photo"]["encoder"]["model"], {"fit": "stretch"})  # what takes long
print("ready", flush=True)
se.Learner(**given).fit(sys.argv[2])
"""


def test_two_processes_that_fit_at_once_keep_each_picture_once_and_whole(folder: Path, encoded: Counted) -> None:
    features(folder, cache=False)  # this process is as ready as the other
    command = [sys.executable, "-c", OTHER, json.dumps(settings(folder)), str(folder / "table.csv")]
    with subprocess.Popen(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "ready\n"
        fit(folder)
        assert other.wait(timeout=120) == 0
    assert user_cache().info()["entries"] == FILES
    encoded()
    fit(folder)
    kept = features(folder)
    assert encoded() == 0
    assert torch.allclose(kept, features(folder, cache=False), rtol=0, atol=1e-6)
