"""Rows that stand twice and near twins: each is reported where it is, and not on the honest twin of the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sensemble.data import twins
from sensemble.data.audit import audit
from sensemble.data.duplicates import duplicates
from sensemble.data.joined import Joined
from sensemble.data.table import Table
from sensemble.data.thumbnails import Thumbnails
from sensemble.data.twins import near_pictures, near_texts

WORDS = np.array([f"{first}{last}" for first in ("ba", "ke", "lo", "mi", "tru") for last in ("ne", "sta", "ri", "mo")])
TEXT = {"words": ("text", "words")}


def table(root: Path | None = None, **columns: Any) -> Table:
    return Table(pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()}), root)


def texts(rows: int, seed: int = 0, length: int = 20) -> list[str]:
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, length)) for _ in range(rows)]


def messages(parts: dict[str, Table], inputs: dict[str, tuple[str, str]], target: tuple[str, ...] = ()) -> list[str]:
    return [finding["message"] for finding in duplicates(Joined(parts), inputs, target)[0]]


def near(parts: dict[str, Table], inputs: dict[str, tuple[str, str]]) -> list[str]:
    rows = Joined(parts)
    return [finding["message"] for finding in near_texts(rows, inputs, duplicates(rows, inputs)[1])]


def test_equal_rows_within_a_split() -> None:
    words = texts(50)
    assert messages({"train": table(words=words)}, TEXT) == []
    words[30] = words[7]
    words[40] = words[7]
    [message] = messages({"train": table(words=words)}, TEXT)
    assert message.startswith("2 of 50 rows repeat an earlier row in all inputs (row 30 ~ row 7, row 40 ~ row 7): ")


def test_equal_rows_across_splits_name_the_rows_of_the_source() -> None:
    train = table(words=texts(50)).take(np.arange(10, 50))
    test = table(words=[*texts(5, seed=1), train.column("words")[3], train.column("words")[3]])
    within, across = messages({"train": train, "test": test}, TEXT)
    assert within.startswith(
        "1 of 47 rows repeat an earlier row of their split in all inputs (test row 6 ~ test row 5)"
    )
    assert across.startswith("2 of 7 test rows also stand in train, equal in all inputs (test row 5 ~ train row 13, ")
    assert messages({"train": train, "test": table(words=texts(7, seed=1))}, TEXT) == []


def test_equal_rows_with_other_labels_are_counted() -> None:
    words = texts(20)
    labels = ["yes"] * 21
    assert "another" not in messages({"all": table(words=[*words, words[0]], label=labels)}, TEXT, ("label",))[0]
    labels[20] = "no"
    assert (
        "1 of them with another `label`"
        in messages({"all": table(words=[*words, words[0]], label=labels)}, TEXT, ("label",))[0]
    )


def test_likeness_that_is_to_be_expected_says_nothing() -> None:
    random = np.random.default_rng(0)
    few = {"age": random.integers(20, 60, 300).tolist(), "colour": random.choice(["red", "blue"], 300).tolist()}
    inputs = {"age": ("number", "age"), "colour": ("category", "colour"), **TEXT}
    assert messages({"all": table(**few)}, {name: inputs[name] for name in few}) == []
    assert messages({"all": table(**few, words=[None] * 200 + texts(100))}, inputs) == []
    size = random.normal(size=300).tolist()
    size[9] = size[8]
    assert len(messages({"all": table(size=size)}, {"size": ("number", "size")})) == 1


def test_one_differing_input_makes_another_row() -> None:
    words = texts(50)
    inputs = {**TEXT, "age": ("number", "age")}
    assert messages({"all": table(words=words * 2, age=[1] * 50 + [2] * 50)}, inputs) == []
    assert len(messages({"all": table(words=words * 2, age=[1] * 100)}, inputs)) == 1


def test_nearly_equal_texts_across_splits() -> None:
    train = texts(200)
    edited = [train[number].replace(train[number].split()[3], "quite", 1).upper() for number in (12, 90)]
    test = [*texts(50, seed=1), *edited]
    parts = {"train": table(words=train), "test": table(words=test)}
    [message] = near(parts, TEXT)
    assert message.startswith("2 of 52 test rows have a near twin in train, nearly the same text in `words` ")
    assert "(test row 50 ~ train row 12, test row 51 ~ train row 90; compared with 200 train rows)" in message
    assert near({"train": table(words=train), "test": table(words=texts(50, seed=1))}, TEXT) == []


def test_chinese_near_twins() -> None:
    letters = list("天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏")
    random = np.random.default_rng(0)
    train = ["".join(random.choice(letters, 40)) for _ in range(100)]
    other = ["".join(random.choice(letters, 40)) for _ in range(30)]
    assert near({"train": table(words=train), "test": table(words=other)}, TEXT) == []
    other[4] = train[60][:30] + "好" + train[60][30:]
    assert "test row 4 ~ train row 60" in near({"train": table(words=train), "test": table(words=other)}, TEXT)[0]


def test_exact_duplicates_and_short_texts_are_no_near_twins() -> None:
    train = texts(100)
    assert near({"train": table(words=train), "test": table(words=train[:10])}, TEXT) == []
    short = texts(100, length=4)
    assert near({"train": table(words=short), "test": table(words=[each + "!" for each in short])}, TEXT) == []
    assert near({"train": table(words=[None] * 5), "test": table(words=train)}, TEXT) == []
    assert near({"all": table(words=train)}, TEXT) == []


def test_the_same_question_about_another_picture_is_no_twin() -> None:
    train, test = texts(60), [text + " now" for text in texts(60)]
    inputs = {**TEXT, "photo": ("image", "photo")}

    def photos(split: str) -> list[str]:
        return [f"{split}{row}.png" for row in range(60)]

    parts = {"train": table(words=train, photo=photos("a")), "test": table(words=test, photo=photos("b"))}
    assert near(parts, inputs) == []
    parts["test"] = table(words=test, photo=photos("a"))
    assert near(parts, inputs)[0].startswith("60 of 60 test rows")
    parts["test"] = table(words=test, photo=[None] * 60)
    assert near(parts, inputs)[0].startswith("60 of 60 test rows")


def test_a_sample_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twins, "TEXTS", (40, 10))
    train = texts(100)
    test = [text + " now" for text in train]
    [message] = near({"train": table(words=train), "test": table(words=test)}, TEXT)
    assert " of 10 test rows " in message
    assert "compared with 40 train rows" in message


def photo(seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 255, (7, 9, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((120, 90), Image.Resampling.BICUBIC)


def pictures(folder: Path, seeds: list[int], suffix: str = ".png", size: tuple[int, int] = (120, 90)) -> list[str]:
    folder.mkdir()
    for seed in seeds:
        photo(seed).resize(size).save(folder / f"{seed}{suffix}")
    return [f"{seed}{suffix}" for seed in seeds]


def test_nearly_equal_pictures_across_splits(tmp_path: Path) -> None:
    train = table(tmp_path / "a", photo=pictures(tmp_path / "a", list(range(40))))
    fresh = pictures(tmp_path / "b", list(range(100, 120)))
    inputs = {"photo": ("image", "photo")}

    def found(test: Table) -> list[str]:
        rows = Joined({"train": train, "test": test}, frozenset({"photo"}))
        known = duplicates(rows, inputs)[1]
        return [finding["message"] for finding in near_pictures(rows, inputs, known, Thumbnails())]

    assert found(table(tmp_path / "b", photo=fresh)) == []
    again = pictures(tmp_path / "c", [5, 9], ".jpg", (64, 48))
    Image.new("RGB", (50, 50), "white").save(tmp_path / "c" / "white.png")
    (tmp_path / "c" / "broken.png").write_bytes(b"nothing")
    [message] = found(table(tmp_path / "c", photo=[*again, "white.png", "broken.png", None]))
    assert message.startswith("2 of 2 test rows have a near twin in train, nearly the same picture in `photo` ")
    assert "(test row 0 ~ train row 5, test row 1 ~ train row 9; compared with 40 train rows)" in message


def test_files_of_one_name_in_two_folders_are_two_files(tmp_path: Path) -> None:
    names = pictures(tmp_path / "a", list(range(10)))
    pictures(tmp_path / "b", list(range(100, 110)))
    for seed in range(10):
        (tmp_path / "b" / f"{seed + 100}.png").rename(tmp_path / "b" / f"{seed}.png")
    parts = {"train": table(tmp_path / "a", photo=names), "test": table(tmp_path / "b", photo=names)}
    assert audit(parts, inputs={"photo": ("image", "photo")})["warnings"] == []
    (tmp_path / "b" / "4.png").write_bytes((tmp_path / "a" / "7.png").read_bytes())
    [warning] = audit(parts, inputs={"photo": ("image", "photo")})["warnings"]
    assert warning["kind"] == "duplicate"
    assert "test row 4 ~ train row 7" in warning["message"]


def test_a_smaller_sample_is_part_of_a_larger_one() -> None:
    rows = Joined({"train": table(words=texts(50)), "test": table(words=texts(30, seed=1))})
    small, large = rows.sample("test", 5, 0), rows.sample("test", 20, 0)
    assert set(small) < set(large)
    assert large.min() >= 50
    assert sorted(large) == large.tolist()
    odd = np.arange(80) % 2 == 1
    assert rows.sample("test", 100, 0, odd).tolist() == list(range(51, 80, 2))


def test_a_picture_seen_in_training_is_named_once_whatever_is_asked_about_it(tmp_path: Path) -> None:
    names = pictures(tmp_path / "a", list(range(20)))
    pictures(tmp_path / "b", list(range(100, 120)))
    (tmp_path / "b" / "renamed.png").write_bytes((tmp_path / "a" / "3.png").read_bytes())
    words = texts(40)
    train = table(photo=[str(tmp_path / "a" / name) for name in names] * 2, words=words)
    fresh = [str(tmp_path / "b" / f"{seed}.png") for seed in range(100, 120)]
    inputs = {"photo": ("image", "photo"), **TEXT}

    def kinds(photos: list[str]) -> list[tuple[str, list[str]]]:
        test = table(photo=photos, words=texts(len(photos), seed=1))
        found = audit({"train": train, "test": test}, inputs=inputs)["warnings"]
        return [(warning["kind"], warning["columns"]) for warning in found]

    assert kinds(fresh) == []
    assert kinds([*fresh, str(tmp_path / "b" / "renamed.png")]) == [("duplicate", ["photo"])]
    assert kinds([*fresh, str(tmp_path / "a" / "3.png")]) == [("group", ["photo"])]
