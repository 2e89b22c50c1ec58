"""Sounds in the audit: equal contents under other names are duplicates, and a length that tells the label is a leak."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensemble.data.audit import audit
from sensemble.data.read import read
from sensemble.data.soundprints import NAMES, soundprints

soundfile = pytest.importorskip("soundfile")

RATE = 8_000
ROWS = 90
LABELS = ["yes" if row % 2 else "no" for row in range(ROWS)]


def noise(seconds: float, seed: int, loud: float = 0.1) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    return {"array": (draw.normal(size=round(seconds * RATE)) * loud).astype(np.float32), "sampling_rate": RATE}


def warnings(sounds: list[Any], kind: str = "leak") -> list[dict[str, Any]]:
    draw = np.random.default_rng(0)
    table = read({"voice": sounds, "age": draw.normal(size=ROWS).tolist(), "label": LABELS})
    found = audit({"train": table}, inputs={"voice": ("audio", "voice"), "age": ("number", "age")}, target=["label"])
    return [warning for warning in found["warnings"] if warning["kind"] == kind]


def test_honest_sounds_raise_no_alarm() -> None:
    draw = np.random.default_rng(1)
    sounds = [noise(draw.uniform(0.1, 0.2), row, draw.uniform(0.05, 0.2)) for row in range(ROWS)]
    assert warnings(sounds) == []
    assert warnings(["gone.wav"] * ROWS) == []


@pytest.mark.parametrize("told", ["the length", "the level of band"])
def test_one_telling_thing_is_a_leak(told: str) -> None:
    draw = np.random.default_rng(2)
    sounds: list[Any] = [
        noise(draw.uniform(0.1, 0.15) + (told == "the length") * 0.1 * (label == "yes"), row,
              0.1 + (told != "the length") * 0.4 * (label == "yes"))
        for row, label in enumerate(LABELS)
    ]  # fmt: skip
    sounds[4] = "gone.wav"
    (warning,) = warnings(sounds)
    assert warning["columns"] == ["voice"] and warning["message"].startswith(told), warning["message"]
    assert "on 89 rows" in warning["message"]


def test_equal_sounds_under_other_names_are_duplicates(tmp_path: Path) -> None:
    for number in range(6):
        soundfile.write(tmp_path / f"{number}.wav", noise(0.05, number)["array"], RATE)
    shutil.copy(tmp_path / "2.wav", tmp_path / "copy.wav")
    (tmp_path / "train.csv").write_text("voice,label\n0.wav,a\n1.wav,b\n2.wav,a\n3.wav,b\n")
    (tmp_path / "test.csv").write_text("voice,label\ncopy.wav,a\n4.wav,b\n5.wav,a\n")
    parts = {name: read(tmp_path / f"{name}.csv") for name in ("train", "test")}
    found = audit(parts, inputs={"voice": ("audio", "voice")}, target=["label"])
    (warning,) = [each for each in found["warnings"] if each["kind"] == "duplicate"]
    assert "1 of 3 test rows also stand in train" in warning["message"]
    assert "test row 0 ~ train row 2" in warning["message"]


def test_soundprints_are_length_levels_and_their_variation() -> None:
    loud, soft, gone = soundprints([noise(2.0, 0, 0.5), noise(0.5, 0, 0.05), "gone.wav"])
    assert loud is not None and soft is not None and gone is None
    assert loud.shape == soft.shape == (len(NAMES),)
    assert (loud[0], soft[0]) == (2.0, 0.5)
    assert np.allclose(loud[1:9] - soft[1:9], np.log(100), atol=0.5)
    silence = soundprints([{"array": np.zeros(RATE), "sampling_rate": RATE}])[0]
    assert silence is not None and np.allclose(silence[9:], 0)
