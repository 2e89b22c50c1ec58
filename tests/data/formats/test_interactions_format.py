"""Tables of interactions, read as rows to recommend by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sensemble.data.formats.base import read_format
from sensemble.errors import ConfigError, DataError

ITEMS = {"item": [1, 2, 3, 4, 5, 6], "work": [1, 2, 3, 4, 5, 5], "words": ["a", "b", "c", "d", "e", "f"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    had = [("x", 1), ("x", 2), ("x", 3), ("x", 4), ("y", 3), ("y", 1), ("y", 5), ("y", 6)]
    rows = [{"user": user, "item": item, "time": time} for time, (user, item) in enumerate(had)]
    pd.DataFrame(rows).to_csv(tmp_path / "had.csv", index=False)
    pd.DataFrame(ITEMS).to_csv(tmp_path / "items.csv", index=False)
    return tmp_path


def part(folder: Path, name: str, **options: Any) -> Any:
    given = {"format": "interactions", "interactions": "had.csv", "items": "items.csv", "part": name, **options}
    return read_format(given, folder)


def test_each_part_and_the_catalogue_behind_what_is_scored(folder: Path) -> None:
    train = part(folder, "train")
    assert train.column("item") == [1, 2, 3, 1] and train.column("history") == [None, [1], None, [3]]
    valid, test = part(folder, "valid"), part(folder, "test")
    assert valid.column("item")[:2] == [3, 5] and valid.column("history") == [[1, 2], [3, 1], *[None] * 4]
    assert test.column("item") == [4, 6, 1, 2, 3, 5] and test.column("user") == ["x", "y", *[None] * 4]
    assert test.column("history")[:2] == [[1, 2, 3], [3, 1, 5]] and test.column("words")[-1] == "e"
    assert part(folder, "test", longest=1).column("history")[:2] == [[3], [5]]
    alone = part(folder, "test", items=None)
    assert alone.column("item") == [4, 6] and "words" not in alone.columns


def test_items_held_out_are_ranked_among_themselves(folder: Path) -> None:
    options = {"cold": 0.4, "same": "work", "valid": 0, "test": 0.25}
    cold = part(folder, "cold", **options)
    out = set(cold.column("item"))
    assert out and ((5 in out) == (6 in out))
    for name in ("train", "test"):
        rows = part(folder, name, **options)
        assert not out & set(rows.column("item")) and len(rows)
        assert not out & {item for history in rows.column("history") for item in history or []}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"valid": 1.5}, "valid is a whole number, or a share below 1"),
        ({"cold": 1.0}, "cold is a share"),
        ({"same": "work", "items": None}, "name their file as `items`"),
        ({"part": "tests"}, "part"),
    ],
)
def test_wrong_options(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        part(folder, options.pop("part", "train"), **options)


def test_a_column_that_is_not_there(folder: Path) -> None:
    with pytest.raises(DataError, match="unknown column 'film'"):
        part(folder, "train", item="film")
