"""Digests tell contents, not names; files are plain and bounded."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sensemble.errors import Unreadable
from sensemble.media import source


def test_equal_contents_have_equal_digests_whatever_their_name(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"same")
    (tmp_path / "c.png").write_bytes(b"other")
    one, two, other = (source.digest(str(tmp_path / name), is_file=True) for name in ("a.png", "b.png", "c.png"))
    assert one == two != other
    assert one == source.digest(b"same", is_file=True) == source.digest({"path": tmp_path / "a.png"}, is_file=False)
    assert one == source.digest({"bytes": b"same", "path": None}, is_file=True)


def test_a_text_is_not_the_file_of_that_name(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("hello")
    assert source.digest(str(path), is_file=False) != source.digest(str(path), is_file=True)
    assert source.digest("hello", is_file=False) != source.digest(b"hello", is_file=False)


def test_arrays_are_told_apart_by_shape_and_kind() -> None:
    flat = np.arange(6, dtype=np.uint8)
    found = {source.digest(each, is_file=True) for each in (flat, flat.reshape(2, 3), flat.astype(np.int16), flat + 1)}
    assert len(found) == 4
    assert source.digest(np.asfortranarray(flat.reshape(2, 3)), is_file=True) == source.digest(
        flat.reshape(2, 3), is_file=True
    )


def test_pictures_by_their_pixels() -> None:
    one, two = Image.new("RGB", (3, 2), "red"), Image.new("RGB", (3, 2), "blue")
    assert source.digest(one, is_file=True) == source.digest(one.copy(), is_file=True)
    assert source.digest(one, is_file=True) != source.digest(two, is_file=True)
    assert source.digest(one, is_file=True) != source.digest(Image.new("RGB", (2, 3), "red"), is_file=True)


@pytest.mark.parametrize("raw", [object(), np.array(["a"], dtype=object), {"path": None}, 3.5])
def test_what_has_no_known_content_has_no_digest(raw: object) -> None:
    assert source.digest(raw, is_file=True) is None


def test_missing_files_folders_and_pipes_have_none_and_say_why(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("gone", "does not exist"), ("", "is a folder"), ("pipe", "not a plain file")):
        assert source.digest(str(tmp_path / name), is_file=True) is None
        with pytest.raises(Unreadable, match=reason):
            source.read_file(tmp_path / name, "sound")
    with pytest.raises(Unreadable, match="download the sound"):
        source.read_file(Path("https://example.org/a.wav"), "sound")
    with pytest.raises(Unreadable, match="cannot be opened"):
        source.check_file(Path("a\0b"), "sound")
