"""One table with every sense: words, pictures, a clip's sound and its frames, numbers and categories, all with gaps."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import re
import wave
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import sensemble as se
from sensemble.cli import main

av = pytest.importorskip("av")

ROWS = 90
SENSES = ("words", "photo", "voice", "face", "size", "shop")
COLUMNS = ("words", "photo", "clip", "size", "shop")
EMPTY, CUT, TEXT = 7, 20, 41
"""Rows without any input, with a truncated clip, and with a text file for a clip."""
CONFIG = """
data: {train: table.csv, test_share: 0.25, valid_share: 0.15}
width: 8
inputs:
  words: {name: text, vocab: 280, length: 16, encoder: {name: transformer, dim: 8, depth: 1, heads: 2}}
  photo: {name: image, size: 16, encoder: {name: cnn, channels: [4, 8]}}
  voice: {name: audio, column: clip, rate: 8000, bands: 8, encoder: {name: cnn, channels: [4, 8], dim: 8}}
  face: {name: video, column: clip, frames: 4, size: 16}
  size: number
  shop: category
task: {name: classify, target: label}
train: {epochs: 2, batch: 16, lr: 0.01}
verdict: auto
"""


def write_clip(path: Path, *, bright: bool, hertz: float, random: np.random.Generator) -> None:
    """An MP4 of half a second: eight noisy frames and a tone."""
    with av.open(str(path), "w", format="mp4") as out:
        pictures = out.add_stream("mpeg4", rate=16)
        pictures.width, pictures.height, pictures.pix_fmt = 32, 32, "yuv420p"
        sound = out.add_stream("aac", rate=8000, layout="mono")
        for number in range(8):
            low = 130 if bright else 0
            frame = random.integers(low, low + 120, (32, 32, 3), dtype=np.uint8)
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts = number
            out.mux(pictures.encode(picture))
        out.mux(pictures.encode())
        tone = 0.4 * np.sin(2 * np.pi * hertz * np.arange(4096) / 8000)
        for start in range(0, len(tone), 1024):
            part = tone[None, start : start + 1024].astype(np.float32)
            heard = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            heard.sample_rate, heard.pts = 8000, start
            out.mux(sound.encode(heard))
        out.mux(sound.encode())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 90 rows whose cells are missing at random, its pictures and clips, and a config beside it."""
    folder = tmp_path_factory.mktemp("senses")
    random = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for number in range(ROWS):
        good = number % 2 == 0
        name = f"{number:02}"
        light = np.uint8(random.integers(130, 250) if good else random.integers(10, 120))
        noise = random.integers(0, 6, (20, 16, 3), dtype=np.uint8)
        Image.fromarray(noise + light).save(folder / f"{name}.png")
        hertz = random.uniform(300, 700) if good else random.uniform(1500, 2500)
        write_clip(folder / f"{name}.mp4", bright=good, hertz=hertz, random=random)
        row = {
            "words": f"a {'lovely fresh' if good else 'stale bitter'} cup, number {number} 很{'好' if good else '差'}",
            "photo": f"{name}.png",
            "clip": f"{name}.mp4",
            "size": f"{random.normal(2 if good else -2):.3f}",
            "shop": str(random.choice(["north", "south", "river"] if good else ["hill", "south", "river"])),
        }
        gone = random.random(len(COLUMNS)) < 0.25
        if number in (CUT, TEXT):
            gone[:] = False
        row = {
            column: "" if lost or number == EMPTY else row[column] for column, lost in zip(COLUMNS, gone, strict=True)
        }
        rows.append({**row, "label": "good" if good else "bad"})
    whole = (folder / f"{CUT}.mp4").read_bytes()
    (folder / f"{CUT}.mp4").write_bytes(whole[:100])
    (folder / f"{TEXT}.mp4").write_text("this is no clip at all", encoding="utf-8")
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*COLUMNS, "label"])
        writer.writeheader()
        writer.writerows(rows)
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    """The folder of a run on all six inputs, with its verdict."""
    assert main(["fit", str(folder / "config.yaml"), "--run", str(folder / "run")]) == 0
    return folder / "run"


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def every_subset() -> set[str]:
    return {"+".join(some) for size in range(1, 7) for some in combinations(SENSES, size)}


def test_bad_clips_are_named_and_the_run_goes_on(run: Path) -> None:
    found = read_json(run / "audit.json")["inputs"]
    assert set(found) == set(SENSES)
    for name, what in (("voice", "sound"), ("face", "video")):  # both read the clips, each by itself
        bad = found[name]["unreadable"]
        assert [(each["row"], each["column"], each["value"]) for each in bad] == [
            (CUT, "clip", f"{CUT}.mp4"), (TEXT, "clip", f"{TEXT}.mp4"),
        ]  # fmt: skip
        assert all(what in each["reason"] for each in bad)
    assert not any(found[name]["unreadable"] for name in ("words", "photo", "size", "shop"))


def test_the_run_has_its_evidence(run: Path) -> None:
    verdict = read_json(run / "verdict.json")
    assert set(verdict["singles"]) == set(SENSES) and verdict["best_single"] in SENSES
    assert all(math.isfinite(verdict["gain"][key]) for key in ("value", "low", "high")) and verdict["sentence"]
    assert set(read_json(run / "metrics.json")["subsets"]) == every_subset()
    page = (run / "report.html").read_text(encoding="utf-8")
    for sense in ("photo", "face"):
        assert re.search(rf'<img src="data:image/jpeg;base64,[^"]+" alt="{sense} of row \d+"', page)
    sounds = re.findall(r'<audio controls [^>]*src="data:audio/wav;base64,([^"]+)" aria-label="voice of row \d+"', page)
    assert sounds
    with wave.open(io.BytesIO(base64.b64decode(sounds[0]))) as sound:
        assert 0.4 < sound.getnframes() / sound.getframerate() < 0.7


def test_evaluate_scores_all_63_subsets(run: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "scores.json"
    assert main(["evaluate", str(run), str(folder / "table.csv"), "-o", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    scores = read_json(out)
    assert set(scores["subsets"]) == every_subset() and len(every_subset()) == 63
    assert {line.split()[0] for line in lines if line.startswith("  ")} >= every_subset()
    for each in [*scores["test"].values(), *(score for some in scores["subsets"].values() for score in some.values())]:
        assert all(math.isfinite(number) for number in each.values())
        assert each["low"] <= each["value"] <= each["high"]
    assert scores["test"]["accuracy"]["value"] > scores["test"]["accuracy"]["trivial"]


def test_predict_load_and_save_agree(run: Path, folder: Path) -> None:
    out = folder / "answers.csv"
    assert main(["predict", str(run), str(folder / "table.csv"), "-o", str(out)]) == 0
    written = pd.read_csv(out)
    learner = se.Learner.load(run)
    answers = learner.predict(folder / "table.csv")
    assert len(written) == len(answers) == ROWS and list(written.columns) == list(answers[0])
    assert written["prediction"].tolist() == [each["prediction"] for each in answers]
    for label in ("good", "bad"):
        key = f"probability:{label}"
        assert np.allclose(written[key], [each[key] for each in answers], rtol=0, atol=1e-6)
    learner.save(folder / "again")
    assert se.Learner.load(folder / "again").predict(folder / "table.csv") == answers


def test_a_row_without_anything_gets_the_prior(run: Path, folder: Path) -> None:
    learner = se.Learner.load(run)
    answers = learner.predict(folder / "table.csv")
    assert learner._task is not None
    prior = learner._task.records(learner._task.trivial(1))[0]
    assert answers[EMPTY]["prediction"] == prior["prediction"]
    for key in ("probability:good", "probability:bad"):
        assert answers[EMPTY][key] == pytest.approx(prior[key], abs=1e-6)
    assert abs(answers[0]["probability:good"] - prior["probability:good"]) > 0.01  # others are not answered so


def test_an_unreadable_clip_counts_as_none(run: Path, folder: Path) -> None:
    learner = se.Learner.load(run)
    table = pd.read_csv(folder / "table.csv", dtype=object)
    table = table.where(table.notna(), None)
    for column in ("photo", "clip"):
        table[column] = [None if name is None else str(folder / name) for name in table[column]]
    answers = learner.predict(table)
    table.loc[[CUT, TEXT], "clip"] = None
    assert learner.predict(table) == answers


def test_the_same_table_without_inputs(folder: Path, tmp_path: Path) -> None:
    table = pd.read_csv(folder / "table.csv", dtype=object)
    table["part"] = ["test" if row in (CUT, TEXT, *range(6)) else "train" for row in range(ROWS)]
    table.to_csv(folder / "parts.csv", index=False)
    settings = ["width=8", "train.epochs=1", "verdict=off", "data.split=part", "--target", "label"]
    assert main(["fit", str(folder / "parts.csv"), *settings, "--run", str(tmp_path / "run")]) == 0
    found = read_json(tmp_path / "run" / "audit.json")["inputs"]
    assert {name: entry["type"] for name, entry in found.items()} == {
        "words": "text", "photo": "image", "clip": "video", "size": "number", "shop": "category",
    }  # fmt: skip
    assert [each["row"] for each in found["clip"]["unreadable"]] == [CUT, TEXT]
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert page.count("unreadable, so missing to the model") == 2  # all eight test rows are shown
    answers = se.Learner.load(tmp_path / "run").predict(folder / "table.csv")
    assert len(answers) == ROWS and {each["prediction"] for each in answers} <= {"good", "bad"}
