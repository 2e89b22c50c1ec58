"""The sheet of hits: what is on it, whatever the texts, pictures and sounds are."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest
from PIL import Image as Pillow

from sensemble.index import font
from sensemble.index.font import covers, font_for
from sensemble.index.sheet import CELL, EDGE, THUMB, Card, _lines, _wave, draw_sheet

RED = (250, 10, 10)


def reds(sheet: Pillow.Image) -> int:
    return int((np.asarray(sheet) == RED).all(-1).sum())


def test_each_hit_has_its_picture() -> None:
    hits = [Card(f"{rank}  .5", "a caption", Pillow.new("RGB", (40, 20), RED)) for rank in range(7)]
    sheet = draw_sheet([Card("words", "a red bus")], hits)
    assert sheet.width == EDGE * 2 + 5 * CELL and reds(sheet) == 7 * 40 * 20, "a small picture is not made larger"
    large = draw_sheet([Card("photo", "", Pillow.new("RGB", (900, 300), RED))], hits[:1])
    assert reds(large) == 800 + THUMB * round(THUMB / 3)


def test_text_is_drawn_and_cut() -> None:
    short = draw_sheet([Card("words", "bus")], [Card("1", "a bus")])
    long = draw_sheet([Card("words", "bus")], [Card("1", "a bus " * 200)])
    none = draw_sheet([Card("words", "")], [])
    assert short.size == long.size
    dark = [int((np.asarray(each.convert("L")) < 128).sum()) for each in (none, short, long)]
    assert dark[0] < dark[1] < dark[2]
    letters = font_for("a", 14)
    lines = list(_lines("one two three four five six seven", letters, 60, 3))
    assert len(lines) == 3 and lines[0] == "one two" and lines[-1].endswith("…")
    assert all(letters.getlength(line) <= 61 for line in lines)
    assert next(iter(_lines("x" * 50, letters, 60, 2))).strip("x") == "", "a long word is broken"
    assert list(_lines("short", letters, 60, 2)) == ["short"] and list(_lines(" ", letters, 60, 2)) == []


def test_letters_that_no_font_has_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(font, "_files", lambda: ())
    assert font_for("一辆红色的车", 14) is None and font_for("plain", 14) is not None
    assert not covers(font_for("plain", 14), "车")
    draw_sheet([Card("words", "一辆红色的车")], [Card("1", "红色的车")])


def test_a_damaged_font_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("fonts") / "wqy-broken.ttc"
    file.write_bytes(b"no font")
    monkeypatch.setattr(font, "_files", lambda: (str(file),))
    assert font_for("车", 14) is None


def test_a_sound_is_drawn_as_its_wave() -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8_000)
        samples = np.concatenate([np.zeros(4_000), 20_000 * np.sin(np.arange(4_000))])
        sound.writeframes(samples.astype("<i2").tobytes())
    image = np.asarray(_wave(file.getvalue()).convert("L")) < 150
    assert image[:, :80].sum() <= 80, "silence is a line"
    assert image[:, 90:].sum() > 20 * 80
