"""Writes appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensemble.files import read_json, recover, replace_folder, write, write_json


def test_write_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "一")
    write(tmp_path / "a.txt", "two")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_json_has_no_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": float("nan"), "y": [1.5, float("inf")]})
    assert read_json(tmp_path / "a.json") == {"x": None, "y": [1.5, None]}


def fill(folder: Path, text: str) -> None:
    with replace_folder(folder) as new:
        (new / "content").write_text(text)


@pytest.mark.parametrize("stage", ["filling", "complete", "old moved away"])
def test_a_kill_at_any_moment_leaves_the_old_or_the_new(tmp_path: Path, stage: str) -> None:
    folder = tmp_path / "best"
    fill(folder, "old")
    new = tmp_path / ".best.new"
    new.mkdir()
    (new / "content").write_text("new")
    if stage != "filling":
        (new / "complete").write_text("")
    if stage == "old moved away":
        folder.rename(tmp_path / ".best.old")
    assert recover(folder)
    assert (folder / "content").read_text() == ("new" if stage == "old moved away" else "old")
    fill(folder, "third")
    assert (folder / "content").read_text() == "third"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best"]


def test_an_error_while_filling_keeps_the_old(tmp_path: Path) -> None:
    folder = tmp_path / "best"
    fill(folder, "old")
    with pytest.raises(RuntimeError), replace_folder(folder) as new:
        (new / "content").write_text("half")
        raise RuntimeError
    assert recover(folder) and (folder / "content").read_text() == "old"
