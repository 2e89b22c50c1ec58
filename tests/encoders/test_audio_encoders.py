"""Encoders of sounds: their tokens keep to the mask, and whole models learn from sound files with gaps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sensemble as se
from sensemble.encoders.base import Encoder, encoders
from sensemble.errors import ConfigError
from sensemble.modalities.base import MODALITIES
from sensemble.tokens import Tokens

soundfile = pytest.importorskip("soundfile")

RATE = 8_000
QUICK: dict[str, Any] = {"name": "audio", "rate": RATE, "bands": 24, "hop": 0.02, "window": 0.04}


def make(name: str, **options: Any) -> Encoder:
    torch.manual_seed(0)
    return encoders("audio").create(name, MODALITIES.create("audio", bands=16), dim=16, **options)


@pytest.mark.parametrize(("name", "stages"), [("cnn", 4), ("cnn", 1), ("transformer", 2), ("transformer", 3)])
@pytest.mark.parametrize("length", [1, 2, 7, 16, 33])
def test_each_stage_halves_the_frames(name: str, stages: int, length: int) -> None:
    encoder = make(name, channels=[8] * stages).eval()
    found = encoder(Tokens.stack([torch.randn(length, 16), torch.randn(40, 16), None]))
    expected = [length, 40]
    for _ in range(stages):
        expected = [(each + 1) // 2 for each in expected]
    assert found.mask.sum(1).tolist() == [*expected, 0]


@pytest.mark.parametrize("name", ["cnn", "transformer", "lstm", "gru"])
def test_a_frame_hidden_in_the_middle_cannot_be_heard(name: str) -> None:
    encoder = make(name).eval()
    values, mask = torch.randn(1, 24, 16), torch.ones(1, 24, dtype=torch.bool)
    mask[0, 5:9] = False
    with torch.no_grad():
        first = encoder(Tokens(values, mask)).values
        values[0, 5:9] = 1e3
        assert torch.equal(encoder(Tokens(values, mask)).values, first)
        values[0, 4] += 1
        assert not torch.equal(encoder(Tokens(values, mask)).values, first)


def test_a_cnn_hears_in_part_and_a_transformer_all() -> None:
    values = torch.randn(1, 256, 16)
    other = values.clone()
    other[0, -1] += 1
    for name, everywhere in (("cnn", False), ("transformer", True)):
        encoder = make(name).eval()
        with torch.no_grad():
            change = (encoder(Tokens.full(values)).values != encoder(Tokens.full(other)).values).any(2)[0]
        assert bool(change[-1]) and bool(change[0]) == everywhere


def test_impossible_options_are_clear_errors() -> None:
    for name, options, message in (
        ("cnn", {"channels": [8] * 5}, "5 stages do not fit 16 bands"),
        ("transformer", {"channels": []}, "0 stages"),
        ("transformer", {"heads": 3}, "heads"),
        ("lstm", {"heads": 3}, "unknown key"),
        ("cn", {}, "did you mean 'cnn'"),
    ):
        with pytest.raises(ConfigError, match=message):
            make(name, **options)


KINDS = ("tone", "chirp", "noise")


def clip(kind: str, random: np.random.Generator) -> np.ndarray:
    """A third of a second, of any pitch and loudness."""
    time = np.arange(RATE * random.uniform(0.25, 0.4)) / RATE
    hertz, wide = random.uniform(300, 1500), random.uniform(1500, 3000)
    sounds = {
        "tone": np.sin(2 * np.pi * hertz * time),
        "chirp": np.sin(2 * np.pi * (hertz * time + wide * time**2)),
        "noise": random.normal(size=len(time)) * 0.5,
    }
    return (sounds[kind] * random.uniform(0.05, 0.9) + random.normal(size=len(time)) * 0.003).astype(np.float32)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """300 rows of sound files with a useless number beside; every eighth row lacks its file."""
    folder, random = tmp_path_factory.mktemp("sounds"), np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for number in range(300):
        kind = KINDS[number % 3]
        path = folder / f"{number}.{('wav', 'flac')[number % 2]}"
        soundfile.write(path, clip(kind, random), RATE)
        voice = None if number % 8 == 7 else str(path)
        rows.append({"voice": voice, "weight": random.normal(), "label": kind})
    return rows


@pytest.mark.parametrize(
    ("encoder", "options"),
    [
        ({"name": "cnn", "channels": [8, 16, 16], "dim": 16}, {"time_mask": 0.2, "band_mask": 0.2, "gain": 6}),
        ({"name": "transformer", "channels": [8, 16], "dim": 16, "depth": 1, "heads": 2}, {}),
    ],
    ids=["cnn", "transformer"],
)
def test_tones_chirps_and_noise_are_told_apart(table: list[Any], encoder: Any, options: Any) -> None:
    train, test = table[:210], table[250:]
    valid = [row for row in table[210:250] if row["voice"]]
    learner = se.Learner(
        inputs={"voice": {**QUICK, **options, "encoder": encoder}, "weight": "number"},
        task={"name": "classify", "target": "label"},
        width=16, verdict="off", train={"epochs": 8, "batch": 16, "lr": 1e-2}, data={"cache": False},
    ).fit(train, valid=valid, test=test)  # fmt: skip
    answers = [answer["prediction"] for answer in learner.predict(test)]
    heard = [row["voice"] is not None for row in test]
    right = [answer == row["label"] for answer, row in zip(answers, test, strict=True)]
    assert sum(heard) == 44 and len(answers) == 50
    assert np.mean([each for each, here in zip(right, heard, strict=True) if here]) >= 0.9
    assert set(answers) <= set(KINDS)


def test_a_column_of_sound_files_becomes_an_input_by_itself(table: list[Any], tmp_path: Path) -> None:
    lines = [
        "clip,age,label",
        *(f"{row['voice'] or ''},{place % 7}.5,{row['label']}" for place, row in enumerate(table[:60])),
    ]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    learner = se.Learner(
        task={"target": "label"}, width=8, verdict="off", train={"epochs": 1}, data={"cache": False}
    ).fit(tmp_path / "table.csv")
    assert {name: spec["name"] for name, spec in learner.config_.inputs.items()} == {"clip": "audio", "age": "number"}
    audit = learner.audit_["inputs"]["clip"]
    assert audit["type"] == "audio" and audit["missing"] == 7 and audit["unreadable"] == []
    assert "60 of them files" in audit["reason"] or "are audios" in audit["reason"]


def test_an_unreadable_sound_is_named_and_counts_as_missing(table: list[Any], tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_text("not a sound")
    rows = [
        {**row, "voice": str(tmp_path / "broken.wav") if place == 3 else row["voice"]}
        for place, row in enumerate(table[:60])
    ]
    learner = se.Learner(
        inputs={"voice": QUICK}, task={"name": "classify", "target": "label"}, width=8, verdict="off",
        train={"epochs": 1}, data={"cache": False},
    ).fit(rows, valid=table[60:80], test=table[60:80])  # fmt: skip
    (bad,) = learner.audit_["inputs"]["voice"]["unreadable"]
    assert (bad["row"], bad["reason"]) == (3, "not a sound (text file?)")
