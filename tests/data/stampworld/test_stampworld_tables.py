"""The files of a written world: same seed same bytes, tables that read, shared media, no one else's folder harmed."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sensemble.data.read import read
from sensemble.data.stampworld import build, facts, write
from sensemble.data.stampworld.captions import scene_facts
from sensemble.data.stampworld.scene import COLOURS, Scene
from sensemble.data.stampworld.words import language as find_language
from sensemble.errors import ConfigError, DataError

TABLES = {
    "pictures": ["captions", "classify", "dialogue", "scenes", "translation", "vqa"],
    "clips": ["captions", "scenes", "video_qa"],
}
COLUMNS = {
    "vqa": ["image", "question", "answer", "type", "novel"],
    "translation": ["image", "caption", "uncoloured", "translation", "novel"],
    "classify": ["image", "statement", "label", "type", "novel"],
    "video_qa": ["clip", "question", "answer", "type", "novel", "needs_time", "needs_sound"],
}

DIGESTS = {"pictures": "0114a390faadabe0", "clips": "0cfffec96da0db57"}


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("worlds")
    return {kind: write(base / kind, scenes=40, seed=7, kind=kind) for kind in TABLES}


@pytest.mark.parametrize("kind", TABLES)
class TestWrite:
    def test_one_seed_gives_the_same_bytes(self, kind: str, folders: dict[str, Path], tmp_path: Path) -> None:
        first = digests(folders[kind])
        assert first == digests(write(tmp_path / "b", scenes=40, seed=7, kind=kind))
        other = digests(write(tmp_path / "b", scenes=40, seed=8, kind=kind))  # made anew
        media = [name for name in first if name.endswith((".png", ".mp4"))]
        assert len(media) == 40 and set(media) <= set(other)
        assert all(first[name] != other[name] for name in media)
        assert not set(first.values()) & set(other.values()) - {hashlib.sha256(b"").hexdigest()}

    def test_tables_and_splits(self, kind: str, folders: dict[str, Path]) -> None:
        folder = folders[kind]
        assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == sorted(
            [*TABLES[kind], "images" if kind == "pictures" else "clips"]
        )
        named: dict[str, set[Path]] = {}
        for table in TABLES[kind]:
            for split in ("train", "valid", "test"):
                suffix = "jsonl" if table in ("dialogue", "scenes") else "csv"
                rows = read(folder / table / f"{split}.{suffix}")
                if table in COLUMNS:
                    assert rows.columns == COLUMNS[table]
                files = {(rows.root / name).resolve() for name in rows.column(rows.columns[0])}
                assert all(path.is_file() for path in files)
                named.setdefault(split, set()).update(files)
                assert "question" not in rows.columns or None not in rows.column("answer")
        assert [len(named[split]) for split in ("train", "valid", "test")] == [32, 4, 4]
        assert len(set().union(*named.values())) == 40  # no file in two splits

    def test_the_readme_says_that_it_is_synthetic(self, kind: str, folders: dict[str, Path]) -> None:
        text = (folders[kind] / "README.txt").read_text(encoding="utf-8")
        assert "synthetic" in text and "seed 7" in text and all(f"{table}/" in text for table in TABLES[kind])

    def test_chinese(self, kind: str, tmp_path: Path) -> None:
        folder = write(tmp_path / "zh", scenes=10, kind=kind, language="zh")
        rows = read(folder / "captions" / "train.csv")
        assert all(facts(caption) for caption in rows.column("caption"))
        assert all("一" <= caption[0] <= "鿿" for caption in rows.column("caption"))


def test_captions_state_what_the_scene_table_says(folders: dict[str, Path]) -> None:
    graphs = {}
    for line in (folders["pictures"] / "scenes" / "train.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        graphs[row["image"]] = Scene.from_json(row)
    rows = read(folders["pictures"] / "captions" / "train.csv")
    for image, caption in zip(rows.column("image"), rows.column("caption_2"), strict=True):
        assert facts(caption) <= scene_facts(graphs[image])


@pytest.mark.parametrize("language", ["en", "zh"])
def test_translations_say_the_same_and_only_they_have_the_colours(language: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "world", scenes=20, language=language)
    rows = read(folder / "translation" / "train.csv")
    graphs = {
        row["image"]: Scene.from_json(row)
        for row in map(json.loads, (folder / "scenes" / "train.jsonl").read_text(encoding="utf-8").splitlines())
    }
    other = {"en": "zh", "zh": "en"}[language]
    colours = [find_language(code).word(colour) for code in ("en", "zh") for colour in COLOURS]
    for image, caption, bare, said in zip(*map(rows.column, COLUMNS["translation"][:4]), strict=True):
        assert facts(caption) == facts(said) <= scene_facts(graphs[image])
        assert ("一" <= said[0] <= "鿿") == (other == "zh")
        assert not any(colour in bare for colour in colours) and len(bare) < len(caption)


def test_dialogues_teach_what_stands_where_with_its_size(folders: dict[str, Path]) -> None:
    lines = (folders["pictures"] / "scenes" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    graphs = {row["image"]: Scene.from_json(row) for row in map(json.loads, lines)}
    talk = read(folders["pictures"] / "dialogue" / "train.jsonl")
    checked = 0
    for image, kind, answer in zip(*map(talk.column, ("image", "type", "answer")), strict=True):
        if kind == "describe":
            places = {
                (thing.x // 32, thing.y // 32): f"{thing.size} {' '.join(thing.look)}" for thing in graphs[image].things
            }
            assert answer.split(", ") == [places.get((x, y), "nothing") for y in range(3) for x in range(3)]
            checked += 1
    assert checked == 32


def test_types_survive_reading(folders: dict[str, Path]) -> None:
    rows = read(folders["clips"] / "video_qa" / "train.csv")
    assert set(rows.column("needs_time")) == {True, False}
    talk = read(folders["pictures"] / "dialogue" / "train.jsonl")
    assert set(talk.column("coreference")) == {True, False}
    for candidates, place, answer in zip(*map(talk.column, ("candidates", "answer_index", "answer")), strict=True):
        assert list(candidates)[int(place)] == answer if candidates is not None else place is None
    looks = [kind for kind, some in zip(talk.column("type"), talk.column("candidates"), strict=True) if some is None]
    assert looks.count("describe") == 32 and set(looks) == {"describe", "thing"}  # these teach to look
    assert None not in read(folders["pictures"] / "dialogue" / "test.jsonl").column("candidates")
    labels = read(folders["pictures"] / "classify" / "train.csv").column("label")
    assert labels.count("right") == labels.count("wrong") == 32


def test_cutouts_stand_beside_shapes(tmp_path: Path) -> None:
    stamps = tmp_path / "stamps"
    stamps.mkdir()
    kinds = ["frog", "bison", "polar bear", "duck"]
    for kind in kinds:
        Image.new("RGBA", (20, 20), (10, 250, 10, 255)).save(stamps / f"{kind}.png")
    lines = ["image,caption,caption_zh_cn", *(f"{kind}.png,A {kind}.,{'青蛙' * (kind == 'frog')}" for kind in kinds)]
    (stamps / "test.csv").write_text("\n".join(lines), encoding="utf-8")
    for language in ("en", "zh"):
        folder = write(tmp_path / language, scenes=40, language=language, stamps=stamps)
        known = json.loads((folder / "kinds.json").read_text(encoding="utf-8"))
        assert known == {"kinds": sorted(kinds), "names": {"frog": "青蛙"} if language == "zh" else {}}
        text = " ".join(map(str, read(folder / "captions" / "train.csv").column("caption")))
        assert ("frog on a" in text) if language == "en" else ("卡片上的青蛙" in text)
        assert "licence" in (folder / "README.txt").read_text(encoding="utf-8")


def test_mistakes_are_named(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="choose another folder"):
        write(tmp_path / "mine", scenes=10)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    with pytest.raises(DataError, match="at least 10 scenes"):
        write(tmp_path / "new", scenes=9)
    with pytest.raises(ConfigError, match="did you mean 'clips'"):
        write(tmp_path / "new", kind="clip")
    with pytest.raises(ConfigError, match="unknown language 'cn'"):
        write(tmp_path / "new", language="cn")
    with pytest.raises(DataError, match="holds no cut-outs"):
        write(tmp_path / "new", scenes=10, stamps=tmp_path / "mine")
    assert not (tmp_path / "new").exists()


def test_two_hundred_pictures_with_all_text_take_less_than_four_seconds(tmp_path: Path) -> None:
    before = time.process_time()
    write(tmp_path / "new", scenes=200)
    assert time.process_time() - before < 4


@pytest.mark.parametrize("kind", TABLES)
def test_tables_are_the_same_on_every_machine(kind: str, folders: dict[str, Path]) -> None:
    """Whatever draws and encodes: a change here is a change of the data set, to be made knowingly."""
    found = hashlib.sha256()
    for path in sorted(folders[kind].rglob("*.csv")) + sorted(folders[kind].rglob("*.jsonl")):
        found.update(path.read_bytes())
    assert found.hexdigest()[:16] == DIGESTS[kind]


@pytest.mark.parametrize(("kind", "table"), [(kind, table) for kind in build.TABLES for table in build.TABLES[kind]])
def test_one_table_alone_has_the_same_bytes(kind: Any, table: str, folders: dict[str, Path], tmp_path: Path) -> None:
    part = digests(write(tmp_path / "part", scenes=40, seed=7, kind=kind, tables=(table,)))
    whole = digests(folders[kind])
    assert {name.split("/")[0] for name in part} == {table, "scenes", build.FOLDER[kind], "README.txt", "complete"}
    assert all(part[name] == whole[name] for name in part if name != "README.txt")
    assert f"holds {table} alone" in (tmp_path / "part" / "README.txt").read_text(encoding="utf-8")


def test_a_table_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown table of pictures 'vqs': did you mean 'vqa'"):
        write(tmp_path / "world", scenes=10, tables=("vqs",))
