"""Emoji from packages laid out like the real ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_packages import Content, write_npm

from sensemble.data import samples
from sensemble.data.samples.emoji import LANGUAGES
from sensemble.errors import DataError

PICTURES = "img/twitter/64"
GRINNING = {"label": "grinning face", "hexcode": "1F600", "tags": ["happy", "smile"], "emoji": "😀", "order": 1,
            "group": 0, "subgroup": 0}  # fmt: skip
HEART = {"label": "red heart", "hexcode": "2764", "emoji": "❤️", "order": 0, "group": 0, "subgroup": 1}
LETTER = {"label": "regional indicator A", "hexcode": "1F1E6", "emoji": "🇦"}
PAWS = {"label": "paws", "hexcode": "1F43E", "emoji": "🐾", "order": 7, "group": 3, "subgroup": 2}
ENGLISH = [GRINNING, HEART, LETTER, PAWS]
GROUPS = {"groups": {"0": "smileys", "3": "animals"}, "subgroups": {"0": "smiling", "1": "heart", "2": "mammal"}}


def texts(**other: Any) -> dict[str, Content]:
    made: dict[str, Any] = {"en/data": ENGLISH, "meta/groups": GROUPS}
    for language in LANGUAGES:
        made[f"{language}/data"] = [
            {"hexcode": "1F600", "label": f"笑 {language}"},
            {"hexcode": "2764-FE0F", "label": "♥"},
        ]
    return {f"{name}.json": json.dumps(value) for name, value in {**made, **other}.items()}


PICTURED: dict[str, Content] = {
    f"{PICTURES}/1f600.png": b"grin",
    f"{PICTURES}/2764-fe0f.png": b"heart",
    f"{PICTURES}/1f1e6.png": b"letter",
    f"{PICTURES}/1f3c2-1f3fb.png": b"another skin",
    f"{PICTURES}/../../evil.png": b"evil",
    "img/twitter/sheets/64.png": b"sheet",
    "package.json": '{"scripts": {"prepack": "exit 1"}}',
}


@pytest.fixture
def emoji(tmp_path: Path, pin: Callable[..., None]) -> Callable[..., Path]:
    def prepared(pictures: dict[str, Content], names: dict[str, Content]) -> Path:
        (tmp_path / "shelf").mkdir()
        carriers = [tmp_path / "shelf" / each.file for each in samples.SAMPLES["emoji"].carriers]
        pin("emoji", write_npm(carriers[0], pictures), write_npm(carriers[1], names))
        return samples.get("emoji", folder=tmp_path / "kept", from_file=tmp_path / "shelf")

    return prepared


@pytest.mark.usefixtures("no_client")
class TestUnpack:
    def test_pictures_and_names_are_joined_by_their_code(self, emoji: Callable[..., Path]) -> None:
        place = emoji(PICTURED, texts())
        table = pd.read_parquet(place / "emoji.parquet")
        assert table["label"].tolist() == ["red heart", "grinning face"]  # in Unicode's order, those with a picture
        assert table["image"].tolist() == ["pictures/2764.png", "pictures/1f600.png"]
        assert [(place / path).read_bytes() for path in table["image"]] == [b"heart", b"grin"]
        assert table["emoji"].tolist() == ["❤️", "😀"]
        assert table["tags"].isna().tolist() == [True, False] and table["tags"][1] == "happy, smile"
        assert table["group"].tolist() == ["smileys"] * 2 and table["subgroup"].tolist() == ["heart", "smiling"]
        assert table["label_zh_hant"].tolist() == ["♥", "笑 zh-hant"]
        files = {path.name for path in place.rglob("*") if path.is_file()}
        assert files == {"2764.png", "1f600.png", "emoji.parquet", "README.txt", "complete"}

    def test_a_name_that_a_language_lacks_is_missing(self, emoji: Callable[..., Path]) -> None:
        place = emoji(PICTURED, texts(**{"ja/data": [{"hexcode": "1F600", "label": "にっこり"}]}))
        labels = pd.read_parquet(place / "emoji.parquet")["label_ja"]
        assert labels.isna().tolist() == [True, False] and labels[1] == "にっこり"

    @pytest.mark.parametrize(
        "other",
        [
            {"en/data": [{**HEART, "hexcode": "../../evil"}]},
            {"en/data": [{**HEART, "hexcode": 2764}]},
            {"en/data": [{**HEART, "group": 99}]},
            {"en/data": {"a": 1}},
            {"meta/groups": []},
            {"de/data": [{"hexcode": "2764"}]},
        ],
    )
    def test_names_of_another_shape_leave_nothing(
        self, emoji: Callable[..., Path], tmp_path: Path, other: dict[str, Any]
    ) -> None:
        with pytest.raises(DataError, match="not laid out as expected"):
            emoji(PICTURED, texts(**other))
        assert not (tmp_path / "kept" / "emoji").exists()

    def test_a_missing_language_is_named(self, emoji: Callable[..., Path]) -> None:
        names = texts()
        del names["ko/data.json"]
        with pytest.raises(DataError, match=r"'ko/data\.json'"):
            emoji(PICTURED, names)

    def test_damaged_json_is_named(self, emoji: Callable[..., Path]) -> None:
        with pytest.raises(DataError, match=r"de/data\.json is no JSON"):
            emoji(PICTURED, {**texts(), "de/data.json": b"\xff["})

    def test_no_picture_at_all(self, emoji: Callable[..., Path]) -> None:
        with pytest.raises(DataError, match="holds no pictures"):
            emoji({"package.json": "{}"}, texts())
