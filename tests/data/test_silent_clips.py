"""A clip without a sound track lacks its sound: the input is missing there, and nothing is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from made_media import clip
from sensemble.data.audit import audit
from sensemble.data.load import Input, check_unreadable, load
from sensemble.data.read import read
from sensemble.modalities.base import MODALITIES

pytest.importorskip("av")


def test_it_is_counted_as_missing_and_stops_nothing(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.mp4").write_bytes(clip(4 + number))
    (tmp_path / "3.mp4").write_bytes(b"no clip at all")
    (tmp_path / "train.csv").write_text("clip,label\n0.mp4,a\n1.mp4,b\n2.mp4,a\n3.mp4,b\n,a\n")
    table = read(tmp_path / "train.csv")
    stores, problems = load(table, [Input("sound", "clip", "audio", MODALITIES.create("audio"), {})])
    assert not stores["sound"].present.any()
    assert [problem.absent for problem in problems] == [True, True, True, False]
    check_unreadable(table, problems, 0.25)
    found = audit({"train": table}, inputs={"sound": ("audio", "clip")}, target=["label"], problems=problems)
    entry = found["inputs"]["sound"]
    assert entry["missing"] == 4 and entry["missing_share"] == 4 / 5
    assert [each["row"] for each in entry["unreadable"]] == [3]
