"""Multi30k's parallel lines from tiny files in its published layout."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sensemble.data.formats.base import read_format
from sensemble.errors import ConfigError, DataError

Put = Callable[..., Path]


def write(put: Put) -> Path:
    put("task1/raw/train.en", "Two men.\r\n\u2028A dog runs.\n\n")
    put("task1/raw/train.de.gz", gzip.compress("Zwei Männer.\nEin Hund läuft.\nEin Kind.\n".encode()))
    put("task1/image_splits/train.txt", "1000092795.jpg\nCOCO_val2014_000000398076.jpg#657409\n10002456.jpg")
    return put("flickr30k-images/1000092795.jpg")


OPTIONS: dict[str, Any] = {
    "format": "multi30k",
    "texts": {"en": "task1/raw/train.en", "de": "task1/raw/train.de.gz"},
    "image_list": "task1/image_splits/train.txt",
    "images": "flickr30k-images",
}


def test_lines_are_rows(put: Put) -> None:
    table = read_format(OPTIONS, write(put))
    assert table.columns == ["en", "de", "image", "line"]
    assert table.column("en") == ["Two men.", "A dog runs.", None]
    assert table.column("de") == ["Zwei Männer.", "Ein Hund läuft.", "Ein Kind."]
    assert table.column("image") == [
        "flickr30k-images/1000092795.jpg",
        "flickr30k-images/COCO_val2014_000000398076.jpg",
        "flickr30k-images/10002456.jpg",
    ]
    assert table.column("line") == [1, 2, 3]


def test_texts_need_no_pictures(put: Put) -> None:
    table = read_format({"format": "multi30k", "texts": OPTIONS["texts"]}, write(put))
    assert table.columns == ["en", "de", "line"]


def test_several_files_are_a_list(put: Put) -> None:
    write(put)
    put("train.1.de", "Zwei Männer.\n\n\n")
    folder = put("train.2.de", "Zwei Leute.\nEin Hund.\n\n")
    table = read_format(
        {**OPTIONS, "texts": {"en": OPTIONS["texts"]["en"], "de": ["train.1.de", "train.2.de"]}}, folder
    )
    assert table.column("de") == [["Zwei Männer.", "Zwei Leute."], ["Ein Hund."], None]


def test_what_does_not_fit_is_named(put: Put) -> None:
    folder = write(put)
    put("short.de", "Zwei Männer.\n")
    put("broken.de.gz", b"no gzip")
    for options, error, message in (
        (
            {"texts": {"en": "task1/raw/train.en", "de": "short.de"}},
            DataError,
            r"train.en 3, short.de 1, .*train.txt 3",
        ),
        ({"texts": {"de": "broken.de.gz"}}, DataError, "broken.de.gz: cannot be read"),
        ({"texts": {"de": "shirt.de"}}, DataError, "did you mean 'short.de'"),
        ({"texts": {}}, ConfigError, "texts names files by column"),
        ({"texts": {"image": "short.de"}}, ConfigError, "none is called image"),
        ({"images": None}, ConfigError, "come together"),
        ({"images": "flickr30k"}, DataError, "no such folder of images"),
    ):
        with pytest.raises(error, match=message):
            read_format({**OPTIONS, **options}, folder)
