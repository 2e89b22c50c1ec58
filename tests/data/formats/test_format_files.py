"""Files of published layouts: text under limits, media by number or name."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from sensemble.data.formats import files
from sensemble.data.formats.files import JsonFile, MediaFiles, check_folder, read_lines, under
from sensemble.errors import DataError

Put = Callable[..., Path]


def test_text_is_utf_8_with_or_without_a_byte_order_mark(put: Put) -> None:
    folder = put("a.json", b'\xef\xbb\xbf{"a": 1}')
    assert JsonFile(folder, "a.json", "anything").data == {"a": 1}
    assert read_lines(put("b.txt", "\ufeff一\r\n\n二"), "b.txt") == ["一", "", "二"]
    assert read_lines(put("c.txt", ""), "c.txt") == []


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_large_files_are_refused_also_when_packed(put: Put, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"x" * 5000
    folder = put(name, gzip.compress(text) if name.endswith("gz") else text)
    assert len(read_lines(folder, name)[0]) == 5000
    monkeypatch.setattr(files, "MAX_BYTES", 4999)
    with pytest.raises(DataError, match="is larger than"):
        read_lines(folder, name)


def test_the_first_folder_and_the_first_name_have_precedence(put: Put) -> None:
    for path in ("b/x/clip.mp4", "b/a/clip.avi", "a/clip.webm", "a/other.mp4", "b/last.mkv"):
        folder = put(path)
    found = MediaFiles(folder, ["b", "a"], "clips", by_number=False)
    assert found.found == {"clip": "b/a/clip.avi", "last": "b/last.mkv", "other": "a/other.mp4"}
    assert found.path("nowhere", "nowhere.mp4") == "b/nowhere.mp4"


def test_folders_may_be_absolute_or_lead_upwards(put: Put) -> None:
    folder = put("media/clip.mp4")
    put("lists/x")
    assert check_folder(folder, str(folder / "media"), "clips") == str(folder / "media")
    assert MediaFiles(folder / "lists", "../media", "clips", by_number=False).path("clip", "") == "../media/clip.mp4"
    assert under(".", "a.jpg") == "a.jpg" and under("a", "/b.jpg") == "/b.jpg"
