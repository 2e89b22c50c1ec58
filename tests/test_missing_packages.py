"""Without the optional packages: what needs one says so in one line with the command, and all else works."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from made_media import clip, picture_bytes, sound_alone, sound_bytes, tone
from sensemble import files

pytest.importorskip("av")
pytest.importorskip("soundfile")

OPTIONAL = ("soundfile", "soxr", "av", "transformers", "peft", "ctranslate2")
TINY = ["train.epochs=1", "verdict=off", "width=8"]
ROWS = 24

RUN = """
import contextlib, io, json, sys
from sensemble.cli import main
found = {}
for name, (hidden, arguments) in json.load(sys.stdin).items():
    for package in [each for each, module in sys.modules.items() if module is None]:
        del sys.modules[package]
    sys.modules.update(dict.fromkeys(hidden))
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    found[name] = [code, out.getvalue(), err.getvalue()]
print(json.dumps(found))
"""
"""Runs commands one after another, each with some packages that cannot be imported."""


@dataclass(frozen=True)
class End:
    """How a command ended."""

    code: int
    out: str
    err: str


def spec(**inputs: Any) -> str:
    return f"inputs={json.dumps(inputs)}"


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> dict[str, End]:
    """What each command says, all of them in one new Python."""
    folder, home = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("home")
    random = np.random.default_rng(0)
    for row in range(ROWS):
        pixels = random.integers(0, 255, (16, 16, 3), dtype=np.uint8)
        (folder / f"{row}.png").write_bytes(picture_bytes(Pillow.fromarray(pixels)))
        (folder / f"{row}.wav").write_bytes(sound_bytes(tone(0.1, 8000, 200 + 20 * row), 8000))
        (folder / f"{row}.m4a").write_bytes(sound_alone())
        (folder / f"{row}.mp4").write_bytes(clip(2, (32, 32), codec="mpeg4"))
    for name, suffix in {"photo": "png", "voice": "wav", "track": "m4a", "film": "mp4"}.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow([name, "words", "size", "label"])
            out.writerows(
                (f"{row}.{suffix}", f"the {row}th cup of good tea", f"{random.normal():.3f}", "yn"[row % 2])
                for row in range(ROWS)
            )
    with files.replace_folder(home / "weights" / "whisper_tiny_en") as new:
        for file_name in ("config.json", "model.bin"):
            (new / file_name).write_bytes(b"{}")

    def command(verb: str, table: str, *settings: str) -> list[str]:
        return [verb, str(folder / f"{table}.csv"), "--target", "label", *settings]

    def fit(name: str, table: str, *settings: str) -> list[str]:
        return [*command("fit", table, *TINY, *settings), "--run", str(folder / "runs" / name)]

    pretrained = {"name": "text", "encoder": {"name": "pretrained", "model": "some/model"}}
    whisper = {"name": "audio", "encoder": {"name": "pretrained", "model": "whisper_tiny_en"}}
    cases = {
        **{f"{verb} {name}": (OPTIONAL, make(name)) for name in ("voice", "track", "film") for verb, make in [
            ("audit", lambda table: command("audit", table)), ("fit", lambda table: fit(table, table)),
        ]},
        "fit words": (OPTIONAL, fit("words", "photo", spec(words=pretrained, size="number"))),
        "fit whisper": (("ctranslate2",), fit("whisper", "voice", spec(voice=whisper, size="number"))),
        "audit rate": (("soxr",), command("audit", "voice")),
        "audit photo": (OPTIONAL, command("audit", "photo", "--json")),
        "fit photo": (OPTIONAL, fit("photo", "photo")),
        "predict photo": (OPTIONAL, ["predict", str(folder / "runs" / "photo"), str(folder / "photo.csv")]),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", RUN], input=json.dumps(cases), capture_output=True, encoding="utf-8", check=False,
        env={**os.environ, "SENSEMBLE_HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert not done.returncode, done.stderr
    return {name: End(*end) for name, end in json.loads(done.stdout).items()}


NEEDS = {
    "audit voice": "audio",
    "fit voice": "audio",
    "audit track": "video",
    "fit track": "video",
    "audit film": "video",
    "fit film": "video",
    "fit words": "pretrained",
    "fit whisper": "whisper",
    "audit rate": "audio",
}
"""The extra that each command lacks."""


@pytest.mark.parametrize("name", NEEDS)
def test_a_missing_package_is_one_line_and_no_unreadable_value(name: str, ends: dict[str, End]) -> None:
    end = ends[name]
    assert end.code == 2
    (line,) = end.err.splitlines()
    assert line.startswith("sensemble: ") and f"pip install 'sensemble[{NEEDS[name]}]'" in line
    assert "unreadable" not in end.out + end.err and "cannot be read" not in end.err


def test_what_needs_no_optional_package_works_without_any(ends: dict[str, End]) -> None:
    for name in ("audit photo", "fit photo", "predict photo"):
        assert (ends[name].code, ends[name].err) == (0, ""), name
    inputs = json.loads(ends["audit photo"].out)["inputs"]
    assert {name: entry["type"] for name, entry in inputs.items()} == {
        "photo": "image",
        "words": "text",
        "size": "number",
    }
    assert not any(entry["unreadable"] for entry in inputs.values())
    assert len(ends["predict photo"].out.splitlines()) == ROWS
