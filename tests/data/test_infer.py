"""Guessing columns: the kind, and a reason that holds the counts which decided."""

from __future__ import annotations

import datetime
import io
import math
import uuid
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sensemble.data.infer import SUFFIXES, Guess, guess, infer, media_kind
from sensemble.data.read import read
from sensemble.errors import DataError

random = np.random.default_rng(0)
WORDS = ["the", "shirt", "is", "soft", "and", "fits", "me", "very", "well", "but", "not", "as", "i", "had", "hoped"]


def sentence(words: int) -> str:
    return " ".join(random.choice(WORDS, words))


def picture(form: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, form)
    return file.getvalue()


def sound() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(b"\0" * 100)
    return file.getvalue()


def kind_of(values: Any, name: str = "column") -> Guess:
    return guess(read({name: list(values)}), name)


COLUMNS: dict[str, tuple[list[Any], str]] = {
    "review": ([sentence(30) for _ in range(200)], "text"),
    "title": ([sentence(3) for _ in range(200)], "text"),
    "question that repeats": ([f"what colour is the shape number {i % 40}?" for i in range(400)], "text"),
    "评论": ([f"这件衬衫{a}，颜色{b}，我{c}" for a in "好坏大小软硬" for b in "红黄蓝绿" for c in "喜欢退货"], "text"),
    "短评": (["很好", "不错", "一般", "喜欢", "质量差", "太小了", "有点大", "颜色漂亮", "物流快", "退货"], "text"),
    "names": (["Apple", "Banana", "Cherry", "Damson", "Elder", "Fig"], "text"),
    "class name": (["Dresses", "Fine gauge", "Blouses", "Knits"] * 50, "category"),
    "类别": (["裙子", "上衣", "裤子"] * 50, "category"),
    "city": ([f"City{chr(97 + i % 26)}{chr(97 + i % 7)}" for i in range(1000)], "category"),
    "answer": (["strongly agree with this", "do not agree at all"] * 40, "category"),
    "small labels": (["cat", "dog", "cat", "bird", "dog", "cat"], "category"),
    "recommended": ([0, 1] * 50, "category"),
    "rating": ([1, 2, 3, 4, 5] * 20, "category"),
    "flag": ([True, False, None, True], "category"),
    "whole floats": ([1.0, 2.0, None] * 20, "category"),
    "clothing id": ([700 + i % 60 for i in range(600)], "category"),
    "age": ([18 + int(i) for i in random.integers(0, 70, 500)], "number"),
    "few ages": ([33, 34, 60, 50], "number"),
    "price": ([0.5, 1.5] * 50, "number"),
    "weight": (list(random.normal(size=100)), "number"),
    "amount": ([int(i) for i in random.integers(0, 10**9, 300)], "number"),
    "passengerId": (list(range(891, 0, -1)), "id"),
    "shuffled numbers": ([int(i) for i in random.permutation(100)], "id"),
    "unix time": ([1_700_000_000 + 977 * i for i in range(100)], "id"),
    "uuid": ([str(uuid.UUID(int=i * 7919)) for i in range(50)], "id"),
    "code": ([f"ORD-{i * 37:05d}" for i in range(50)], "id"),
    "zero codes": ([f"{i:05d}" for i in range(50)], "id"),
    "url": ([f"http://example.org/{i}.jpg" for i in range(30)], "id"),
    "用户编号": ([5, 900, 17, 42], "id"),
    "day": (["2024-01-02", "2024-02-03T04:05:06Z", "2024-03-04 05:06", None], "datetime"),
    "日期": (["2024年3月5日", "2024年12月31日"], "datetime"),
    "time": ([datetime.datetime(2024, 1, day) for day in (1, 2, 3)], "datetime"),
    "date": ([datetime.date(2024, 1, day) for day in (1, 2, 3)], "datetime"),
    "photo": (["img/猫 1.PNG", "b.jpeg", None, Path("c.webp")], "image"),
    "voice": (["a.wav", "b.flac", "c.MP3"], "audio"),
    "clip": (["a.mp4", "b.mkv"], "video"),
    "photo with slips": (["a.png", "b.png", "c.png", "d.png", "e.png", "f.png", "none"], "image"),
    "image bytes": ([picture(form) for form in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")], "image"),
    "some broken bytes": ([picture("PNG"), picture("JPEG"), b"\x00\x01\x02"], "image"),
    "audio bytes": ([sound(), b"fLaC....", b"OggS....", b"ID3....."], "audio"),
    "video bytes": ([b"\0\0\0\x20ftypisom", b"\x1a\x45\xdf\xa3...", b"RIFF....AVI LIST"], "video"),
    "pictures": ([Image.new("L", (2, 2)), Image.new("RGB", (2, 2))], "image"),
    "vector": ([[1.0, 2.0], [3, 4], None], "vector"),
    "one number lists": ([[1], [2]], "vector"),
    "steps": ([np.zeros((3, 5)), np.ones((7, 5), dtype=np.float32)], "vector"),
    "string labels in bytes": ([b"0", b"1"] * 20, "category"),
    "blobs": ([b"\x00\x01", b"\x02\x03"], "id"),
    "dicts": ([{"a": 1}, {"b": 2}], "id"),
    "lists of words": ([["a", "b"], ["c"]], "id"),
    "same": (["x"] * 5, "constant"),
    "same number": ([1, 1, 1], "constant"),
    "nothing": ([None, "", "  "], "constant"),
    "said or not": (["yes", None, None, "yes"], "category"),
    "one row": (["a single sentence of some words"], "text"),
    "numbers and words": ([1, "two words here", 3.5, "four of these too"], "text"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_kinds(name: str) -> None:
    values, kind = COLUMNS[name]
    found = kind_of(values, name)
    assert found.kind == kind, found.reason
    assert found.reason.endswith(".")
    assert "\n" not in found.reason


def test_reasons_hold_the_counts_over_all_rows() -> None:
    rows = [f"{sentence(11)} {i}" for i in range(3412)] + [None]
    assert kind_of(rows).reason == "3,412 distinct strings of 12 words on average in 3,412 rows."
    assert "1,206 distinct numbers in 12,060 rows" in kind_of(list(range(1206)) * 10, "Clothing ID").reason
    assert kind_of([1.5, 2.25, 7.0]).reason == "3 distinct numbers in 3 rows, with decimals, from 1.5 to 7."
    assert kind_of([np.zeros((3, 5)), np.ones((7, 5))]).reason.startswith("3 to 7 steps of 5 numbers")
    assert kind_of(["好东西", "坏"] * 30).reason.startswith("2 distinct strings of 2 characters")


def test_the_first_column_without_a_name_numbers_the_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",age\n5,30\n9,31\n7,30\n")
    guesses = infer(read(tmp_path / "t.csv"))
    assert {name: each.kind for name, each in guesses.items()} == {"Unnamed: 0": "id", "age": "number"}


def test_a_column_that_a_sorted_table_starts_with_does_not_decide() -> None:
    values = ["short"] * 3000 + [f"{sentence(20)} {i}" for i in range(3000)]
    assert kind_of(values).kind == "text"


def test_an_unknown_column_is_named() -> None:
    with pytest.raises(DataError, match="did you mean 'text'"):
        guess(read({"text": ["a"]}), "texts")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_media_paths_go_by_their_suffix(suffix: str) -> None:
    assert media_kind(f"a b/照片{suffix.upper()}") == SUFFIXES[suffix]
    assert media_kind(f"look\n{suffix}") is None
    assert media_kind(suffix[1:]) is None


def test_pictures_that_no_decoder_here_reads_are_no_videos() -> None:
    assert media_kind(b"\0\0\0\x20ftypheic\0\0\0\0") is None
    assert media_kind(b"\0\0\0\x20ftypM4A \0\0\0\0") == "audio"
    assert media_kind(b"RIFF") is None
    assert media_kind(b"") is None


anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | st.lists(st.floats() | st.text(max_size=2), max_size=3)
    | st.dates()
    | st.just(math.inf)
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.lists(anything, min_size=1, max_size=8))
def test_any_values_get_a_guess_with_a_reason(values: list[Any]) -> None:
    found = kind_of(values)
    assert found.reason
    if all(value is None for value in values):
        assert found.kind == "constant"
