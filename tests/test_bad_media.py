"""Tables with files that are broken, hostile or only odd: each broken one is named, each odd one read, the run ends.

Everything goes through the command line, as a user meets it.
"""

from __future__ import annotations

import csv
import io
import json
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from made_media import (
    clip,
    no_frames,
    picture_bytes,
    png,
    png_bomb,
    quarters,
    sound_alone,
    sound_bytes,
    tone,
    write_clip,
)
from sensemble.cli import main

pytest.importorskip("av")
pytest.importorskip("soundfile")

GOOD = 64
"""Good rows: enough for the audit's quick models, which read the files again."""
HOURS = 3 * 3600
INPUTS = {
    "photo": {"name": "image", "size": 16},
    "voice": {"name": "audio", "rate": 8000, "bands": 16},
    "film": {"name": "video", "size": 16, "frames": 2},
}
SETTINGS = ("train.epochs=1", "verdict=off", "width=8", "data.id=key", "data.cache=false")
TEXT = "没有找到, not found\n".encode()

Case = tuple[bytes, str]
"""A file's content, and a part of the reason for which it cannot be read; empty where it can."""


def headed(channels: int, samples: bytes, *, rate: int = 8000, promised: int | None = None) -> bytes:
    """A WAV of 16 bits whose header says so many channels, and bytes that may be other than there are."""
    size = len(samples) if promised is None else promised
    form = struct.pack("<IHHIIHH", 16, 1, channels, rate, 2 * channels * rate, 2 * channels, 16)
    return b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + form + b"data" + struct.pack("<I", size) + samples


def photos() -> dict[str, Case]:
    jpeg = picture_bytes(quarters(), "JPEG")
    deep = np.asarray(quarters()).astype(">u2") * 257
    palette = quarters().convert("P")
    frames = [quarters().rotate(90 * turn) for turn in range(4)]
    return {
        "cut.jpg": (jpeg[: len(jpeg) // 2], "cut off"),
        "empty.png": (b"", "file is empty"),
        "text.png": (TEXT, "not an image (text file?)"),
        "bomb.png": (png_bomb(), "more than max_pixels allows"),
        "jpeg.png": (jpeg, ""),
        "deep.png": (png(80, 80, 16, 2, b"".join(b"\0" + row.tobytes() for row in deep)), ""),
        "print.jpg": (picture_bytes(quarters().convert("CMYK"), "JPEG"), ""),
        "moving.gif": (picture_bytes(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50), ""),
        "palette.png": (picture_bytes(palette, transparency=bytes([0, 128, 255])), ""),
    }


def voices() -> dict[str, Case]:
    whole = sound_bytes(tone(0.5, 8000), 8000)
    return {
        "cut.wav": (whole[: len(whole) // 2], "cut off"),
        "empty.wav": (b"", "file is empty"),
        "text.wav": (TEXT, "not a sound (text file?)"),
        "mute.wav": (headed(0, bytes(800)), "has no channels"),
        "moment.wav": (headed(1, b"\0\x40"), ""),
    }


def films() -> dict[str, Case]:
    whole, uneven, deep = clip(6, (32, 32)), io.BytesIO(), io.BytesIO()
    pictures = [np.full((32, 32, 3), level, np.uint8) for level in range(0, 200, 20)]
    write_clip(uneven, pictures, kind="mp4", rate=60, times=[*range(0, 102, 17), 400, 900, 1000, 2500])
    options = {"x265-params": "log-level=none", "preset": "ultrafast"}
    write_clip(deep, pictures, kind="matroska", codec="libx265", pix_fmt="yuv420p10le", options=options)
    return {
        "none.mp4": (no_frames(), "video has no frames"),
        "cut.mp4": (whole[: len(whole) // 2], "damaged or cut off"),
        "empty.mp4": (b"", "file is empty"),
        "text.mp4": (TEXT, "not a video (text file?)"),
        "sound.mp4": (sound_alone(), "file has sound but no video"),
        "uneven.mp4": (uneven.getvalue(), ""),
        "deep.mkv": (deep.getvalue(), ""),
    }


CASES = {"photo": photos(), "voice": voices(), "film": films()}


def good(column: str, number: int) -> tuple[str, bytes]:
    """A good file, each row's another."""
    if column == "photo":
        return ".png", picture_bytes(Pillow.new("RGB", (20, 20), (3 * number, 255 - 3 * number, 90)))
    if column == "voice":
        return ".wav", sound_bytes(tone(0.1, 8000, 200 + 20 * number), 8000)
    file = io.BytesIO()
    write_clip(
        file, [np.full((32, 32, 3), 3 * number + step, np.uint8) for step in range(2)], kind="mp4", codec="mpeg4"
    )
    return ".mp4", file.getvalue()


def write_table(folder: Path, column: str) -> Path:
    """`table.csv` of good rows, and between them those of the odd and the broken, each with its file."""
    files = [(f"好 {number}{suffix}", data) for number in range(GOOD) for suffix, data in [good(column, number)]]
    for place, (name, (data, _)) in enumerate(CASES[column].items()):
        files.insert(5 + 6 * place, (name, data))
    for name, data in files:
        (folder / name).write_bytes(data)
    names = [name for name, _ in files]
    if column == "voice":
        names.insert(40, "hours.wav")
        with (folder / "hours.wav").open("wb") as file:  # silence that takes no room on the disk
            file.write(headed(1, b"", promised=2 * 8000 * HOURS))
            file.truncate(44 + 2 * 8000 * HOURS)
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["key", column, "age", "label"])
        out.writerows((f"k{row}", name, f"{row % 7}.5", "yn"[row % 2]) for row, name in enumerate(names))
    return folder / "table.csv"


def settings(column: str) -> list[str]:
    return [f"inputs={json.dumps({column: INPUTS[column], 'age': 'number'})}", *SETTINGS]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {column: write_table(tmp_path_factory.mktemp(column), column) for column in CASES}


def check_named(found: Mapping[str, Any], column: str, table: Path) -> None:
    """Each bad file is named once, with its row, its column and its reason; no other is."""
    reasons = {name: reason for name, (_, reason) in CASES[column].items() if reason}
    named = found["inputs"][column]["unreadable"]
    assert {each["value"] for each in named} == reasons.keys() and len(named) == len(reasons)
    with table.open(encoding="utf-8") as file:
        values = [row[column] for row in csv.DictReader(file)]
    for each in named:
        assert each["column"] == column and values[each["row"]] == each["value"]
        assert reasons[each["value"]] in each["reason"]
    assert found["inputs"][column]["missing"] == 0 and not found["inputs"]["age"]["unreadable"]


@pytest.mark.parametrize("column", CASES)
def test_a_run_ends_and_names_each_bad_file(
    column: str, tables: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, given = str(tables[column]), [*settings(column), "data.max_unreadable=0.5"]
    assert main(["audit", table, "--target", "label", *given, "--json"]) == 0
    check_named(json.loads(capsys.readouterr().out), column, tables[column])
    run = tmp_path / "run"
    assert main(["fit", table, "--target", "label", "--run", str(run), *given]) == 0
    check_named(json.loads((run / "audit.json").read_text(encoding="utf-8")), column, tables[column])
    capsys.readouterr()
    assert main(["predict", str(run), table]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(answers) == GOOD + len(CASES[column]) + (column == "voice")


@pytest.mark.parametrize("column", CASES)
def test_too_many_bad_files_stop_a_run_in_one_line(
    column: str, tables: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = sum(bool(reason) for _, reason in CASES[column].values())
    for command in (["audit"], ["fit", "--run", str(tmp_path / "run")]):
        capsys.readouterr()
        assert main([*command, str(tables[column]), "--target", "label", *settings(column)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"sensemble: table.csv, column {column!r}: {bad} of ")
        assert "more than the 5%" in line and "data.max_unreadable" in line
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"audit.json", "config.yaml"}
    check_named(json.loads((tmp_path / "run" / "audit.json").read_text(encoding="utf-8")), column, tables[column])


PEAK = """
import sys
from pathlib import Path
import av, soundfile, sensemble.prepare
from sensemble.cli import main
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
before = peak()
for number in range(1, len(sys.argv), 2):
    table, inputs = sys.argv[number : number + 2]
    assert main(["audit", table, inputs, "--target", "label", "data.max_unreadable=0.5", "data.id=key"]) == 0
    print(peak() - before, file=sys.stderr)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell a process's peak memory")
def test_no_file_takes_much_memory(tables: dict[str, Path]) -> None:
    """A picture of 400 million pixels and a sound of three hours are among them."""
    arguments = [each for column in CASES for each in (str(tables[column]), settings(column)[0])]
    done = subprocess.run([sys.executable, "-c", PEAK, *arguments], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    grown = [float(line) for line in done.stderr.splitlines()]
    assert len(grown) == len(CASES) and max(grown) < 150
