"""From a table to an index and from a query to its hits, by a real run: what is kept, skipped, left out, refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Pillow

import sensemble as se
from sensemble.cli import main
from sensemble.errors import ConfigError, DataError
from sensemble.index import make
from sensemble.index.find import input_of_kind, parse_where, search_index
from sensemble.index.make import CONTENT, Made, build_index, run_digest
from sensemble.index.place import describe, open_index

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220), "white": (240, 240, 240)}


def table(folder: Path, rows: int = 24) -> pd.DataFrame:
    """Plain pictures with the name of their colour."""
    random = np.random.default_rng(0)
    found = []
    for row in range(rows):
        colour = list(COLOURS)[row % 4]
        shade = np.clip(np.array(COLOURS[colour]) + random.integers(-15, 15, 3), 0, 255).astype(np.uint8)
        Pillow.fromarray(np.full((12, 12, 3), shade)).save(folder / f"{row}.png")
        found.append(
            {"photo": f"{row}.png", "words": f"a {colour} thing", "year": 1990 + row, "key": f"k{row:02}",
             "old": row < 12, "colour": colour, "vector": [1.0, 2.0]}
        )  # fmt: skip
    return pd.DataFrame(found)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table, `rows.jsonl`, and a run, `run`."""
    folder = tmp_path_factory.mktemp("world")
    table(folder).to_json(folder / "rows.jsonl", orient="records", lines=True)
    learner = se.Learner(
        inputs={
            "picture": {"name": "image", "column": "photo", "size": 8, "encoder": {"name": "cnn", "channels": [4]}},
            "words": "text",
        },
        task={"name": "retrieve", "query": "words", "candidate": "picture", "dropout": 0.0, "same": "colour"},
        train={"epochs": 8, "batch": 16, "lr": 3e-2, "patience": 0},
        fusion="sum",
        width=8,
        verdict="off",
        data={"cache": False},
    )
    learner.fit(folder / "rows.jsonl", folder / "rows.jsonl", folder / "rows.jsonl", run=folder / "run")
    return folder


def built(world: Path, data: Any, place: Path, **options: Any) -> Made:
    made = Made()
    learner = se.Learner.load(world / "run")
    for _ in build_index(learner, world / "run", data, place, made=made, **options):
        pass
    return made


def test_a_table_is_indexed_once(world: Path, tmp_path: Path) -> None:
    place = tmp_path / "index"
    assert built(world, world / "rows.jsonl", place, id="key") == Made(entries=24, added=24)
    assert built(world, world / "rows.jsonl", place, id="key") == Made(entries=24, skipped=24)
    learner = se.Learner.load(world / "run")
    with open_index(place, run_digest(world / "run"), 8) as index:
        assert index.ids() == [f"k{row:02}" for row in range(24)]
        (cells,) = index.get(["k05"])
        assert cells is not None and cells.pop(CONTENT)
        assert cells == {
            "photo": str(world / "5.png"), "words": "a green thing", "year": 1995, "key": "k05", "old": True,
            "colour": "green",
        }  # fmt: skip
        vectors = learner.embed(world / "rows.jsonl", side="candidate")
        assert [hits[0].score for hits in index.search(vectors, k=1)] == pytest.approx([1] * 24, abs=1e-5)
    assert "vector" not in describe(place)["columns"]


def test_what_has_changed_is_embedded_again(world: Path, tmp_path: Path) -> None:
    for file in world.glob("*.png"):
        shutil.copy(file, tmp_path)
    rows = table(tmp_path)
    rows.to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    place = tmp_path / "index"
    built(world, tmp_path / "rows.jsonl", place, id="key", columns=["year"])
    Pillow.new("RGB", (12, 12), COLOURS["blue"]).save(tmp_path / "1.png")  # the same name, another picture
    rows.loc[2, "year"] = 7
    rows.loc[24] = rows.loc[3]
    rows.loc[24, "key"] = "new"
    rows.to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    made = built(world, tmp_path / "rows.jsonl", place, id="key", columns=["year"])
    assert made == Made(entries=25, added=1, replaced=2, skipped=22)
    with open_index(place, run_digest(world / "run"), 8) as index:
        assert [{k: v for k, v in (cells or {}).items() if k != CONTENT} for cells in index.get(["k02", "new"])] == [
            {"year": 7}, {"year": 1993},
        ]  # fmt: skip


def test_a_stopped_build_goes_on_where_it_was(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "BATCH", 5)
    learner = se.Learner.load(world / "run")
    for event in build_index(learner, world / "run", world / "rows.jsonl", tmp_path / "index", made=Made()):
        if event.done >= 10:
            break
    with open_index(tmp_path / "index", run_digest(world / "run"), 8) as index:
        before = len(index)
    assert 10 <= before < 24
    assert built(world, world / "rows.jsonl", tmp_path / "index") == Made(entries=24, added=24 - before, skipped=before)
    with open_index(tmp_path / "index", run_digest(world / "run"), 8) as index:
        assert index.ids() == sorted(str(row) for row in range(24)), "without an id column, rows are numbered"


def test_what_cannot_be_embedded_is_counted(world: Path, tmp_path: Path) -> None:
    rows = pd.read_json(world / "rows.jsonl", lines=True)
    rows["photo"] = [str(world / name) for name in rows["photo"]]
    rows.loc[3, "photo"] = str(tmp_path / "none.png")
    rows.loc[4, "photo"] = None
    assert built(world, rows, tmp_path / "index") == Made(entries=22, added=22, missing=1, unreadable=1)
    assert built(world, rows, tmp_path / "index") == Made(entries=22, skipped=22, missing=1, unreadable=1)
    rows.loc[5:8, "photo"] = "nowhere.png"
    with pytest.raises(DataError, match=r"5 of 24 rows cannot be read.*ids 3, 5, 6"):
        built(world, rows, tmp_path / "index")
    with open_index(tmp_path / "index", run_digest(world / "run"), 8) as index:
        assert "5" not in index.ids() and "9" in index.ids(), "a row that is no longer readable is still found"


def test_ids_and_columns_are_checked(world: Path, tmp_path: Path) -> None:
    rows = pd.read_json(world / "rows.jsonl", lines=True)
    rows.loc[4, "key"] = "k01"
    with pytest.raises(DataError, match="row 4, column 'key': the id 'k01' stands in row 1 as well"):
        built(world, rows, tmp_path / "index", id="key")
    rows.loc[4, "key"] = None
    with pytest.raises(DataError, match="row 4, column 'key': has no id"):
        built(world, rows, tmp_path / "index", id="key")
    with pytest.raises(DataError, match="did you mean 'key'"):
        built(world, rows, tmp_path / "index", id="keys")
    with pytest.raises(ConfigError, match="--columns: unknown column 'years': did you mean 'year'"):
        built(world, rows, tmp_path / "index", columns=["years"])


def test_queries_of_both_kinds(world: Path, tmp_path: Path) -> None:
    place = tmp_path / "index"
    built(world, world / "rows.jsonl", place, id="key")
    learner, run = se.Learner.load(world / "run"), world / "run"
    vectors = learner.embed(world / "rows.jsonl", side="candidate")
    for colour in COLOURS:
        hits = search_index(learner, run, {"words": f"a {colour} thing"}, place, k=6)
        scores = vectors @ learner.embed([{"words": f"a {colour} thing"}], side="query")[0]
        assert [hit.score for hit in hits] == pytest.approx(sorted(scores, reverse=True)[:6], abs=1e-5)
        assert {hit.id for hit in hits} == {f"k{row:02}" for row in np.argsort(-scores)[:6]}
    hits = search_index(learner, run, {"picture": str(world / "7.png")}, place, k=6)
    assert {hit.id: hit.score for hit in hits}["k07"] == pytest.approx(1, abs=1e-5)
    hits = search_index(learner, run, {"words": "a red thing"}, place, k=9, where={"old": True, "colour": "red"})
    assert sorted(hit.id for hit in hits) == ["k00", "k04", "k08"]
    hits = search_index(learner, run, {"words": "green"}, place, k=6, hybrid_column="words")
    assert [hit.columns["colour"] for hit in hits] == ["green"] * 6, "the keyword decides: the others lack it"
    for query, options, message in (
        ({"word": "x"}, {}, "unknown input 'word': did you mean 'words'"),
        ({"words": "x", "picture": "y"}, {}, "are of two sides"),
        ({}, {}, "give a text"),
        ({"words": "x"}, {"where": {"yeer": 1}}, "unknown column 'yeer': did you mean 'year'"),
        ({"picture": str(world / "7.png")}, {"hybrid_column": "words"}, "needs a query with a text"),
        ({"picture": str(world / "none.png")}, {}, "file does not exist"),
    ):
        with pytest.raises((ConfigError, DataError), match=message):
            search_index(learner, run, query, place, **options)
    with pytest.raises(DataError, match="holds no index"):
        search_index(learner, run, {"words": "x"}, tmp_path / "other")
    assert input_of_kind(learner, ("text",), "a text") == "words"
    with pytest.raises(ConfigError, match=r"no input of the run reads a sound; its inputs: words \(text\), picture"):
        input_of_kind(learner, ("audio",), "a sound")


def test_another_run_is_refused_and_a_moved_one_is_not(world: Path, tmp_path: Path) -> None:
    place = tmp_path / "index"
    built(world, world / "rows.jsonl", place)
    shutil.copytree(world / "run", tmp_path / "moved")
    assert run_digest(tmp_path / "moved") == run_digest(world / "run")
    search_index(se.Learner.load(tmp_path / "moved"), tmp_path / "moved", {"words": "red"}, place)
    weights = next((tmp_path / "moved").glob("best/network.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(DataError, match="another run"):
        search_index(se.Learner.load(world / "run"), tmp_path / "moved", {"words": "red"}, place)


def test_conditions_as_they_are_typed() -> None:
    assert parse_where(["a=1", "a=x, y", "b>=2.5", "b<=3", "c=true", "d=2020-01"]) == {
        "a": [1, "1", "x", "y"], "b": {"min": 2.5, "max": 3}, "c": [True, "true"], "d": ["2020-01"],
    }  # fmt: skip
    assert parse_where(["at>=2020-01-01", "f=-1e3"]) == {"at": {"min": "2020-01-01"}, "f": [-1000.0, "-1e3"]}
    for wrong in (["year"], ["=3"], ["a=1", "a>=2"], ["a>=1", "a=2"]):
        with pytest.raises(ConfigError, match="--where"):
            parse_where(wrong)


def test_from_the_command_line(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = str(world / "run")
    assert main(["index", run, str(world / "rows.jsonl"), "--id", "key", "codes=int8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["added"] == 24
    assert (world / "run" / "index").is_dir() and describe(world / "run" / "index")["options"] == {"codes": "int8"}
    assert main(["search", run, "a blue thing", "-k", "3", "--where", "year>=2000", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3]
    assert all(hit["columns"]["year"] >= 2000 and CONTENT not in hit["columns"] for hit in found["hits"])
    sheet = tmp_path / "sheets" / "found.png"
    assert main(["search", run, "--image", str(world / "7.png"), "-o", str(sheet)]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = [line.split("\t") for line in lines]
    assert found[0][:2] == ["1", "1.0000"] and len(found) == 10
    assert ["k07", "a white thing"] in [each[2:] for each in found[:6]]
    image = np.asarray(Pillow.open(sheet).convert("RGB"))
    assert image.shape[1] == 990 and (np.abs(image.astype(int) - COLOURS["white"]).max(-1) < 16).mean() > 0.005
    assert main(["search", run, "--audio", "x.wav"]) == 2
    assert "no input of the run reads what --audio gives" in capsys.readouterr().err
    assert main(["search", run, "x", "-o", "found.txt"]) == 2
    assert main(["search", run, "x", "-k", "0"]) == 2
    assert main(["index", run, str(world / "rows.jsonl"), "codes"]) == 2
    assert main(["index", run, str(world / "rows.jsonl"), "codec=int8"]) == 2
    assert "did you mean 'codes'" in capsys.readouterr().err
    monkeypatch.setenv("COLUMNS", "80")


def test_any_run_that_embeds_can_be_searched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that classifies finds rows that are alike to it."""
    rows = [{"text": f"{word} {word} {row % 6}", "label": word} for word in ("sun", "rain") for row in range(12)]
    learner = se.Learner(
        {"text": "text"}, {"name": "classify", "target": "label"}, width=8, train={"epochs": 1}, verdict="off"
    )
    learner.fit(rows, run=tmp_path / "run")
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert main(["index", str(tmp_path / "run"), str(tmp_path / "rows.jsonl")]) == 0
    assert "24 entries (24 added)" in capsys.readouterr().out
    assert main(["search", str(tmp_path / "run"), "rain rain 3", "-k", "12"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("\t")[1:] == ["1.0000", "15", "rain rain 3"] and len(lines) == 12


@pytest.mark.parametrize("kind", ["postgresql", "qdrant"])
def test_a_server_is_made_searched_and_asked_for_a_column_that_is_not_there(
    kind: str, world: Path, url_of: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    run, place = str(world / "run"), url_of(kind)
    index = ["index", run, str(world / "rows.jsonl"), "--id", "key", "--columns", "words,photo,colour"]
    for wanted in ("24 added", "24 skipped"):
        assert main([*index, "--index", place]) == 0
        assert f"24 entries ({wanted})" in capsys.readouterr().out
    search = ["search", run, "a blue thing", "-k", "6", "--index", place, "--json"]
    assert main(search) == 0
    near = json.loads(capsys.readouterr().out)["hits"]
    assert [hit["columns"]["colour"] for hit in near] == ["blue"] * 6
    assert main([*search, "--where", "colour=black"]) == 0
    assert json.loads(capsys.readouterr().out)["hits"] == []
    assert main([*search, "--where", "color=blue"]) == 2
    assert "did you mean 'colour'? Known: colour, photo, words" in capsys.readouterr().err


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that recommends, and its index of twelve things."""
    folder = tmp_path_factory.mktemp("shop")
    random = np.random.default_rng(0)
    things = pd.DataFrame({"thing": range(1, 13), "kind": ["tea", "nail", "coat"] * 4})
    baskets = [random.permutation(things["thing"])[:4].tolist() for _ in range(60)]
    rows = [{"history": had[:3], "thing": had[3]} for had in baskets]
    learner = se.Learner(
        inputs={"history": {"name": "items", "length": 2}, "thing": "category"},
        task={"name": "retrieve", "query": "history", "dropout": 0.0},
        train={"epochs": 2, "batch": 30, "lr": 3e-2, "patience": 0},
        fusion="sum", width=8, verdict="off", data={"valid_share": 0.1, "test_share": 0.0},
    )  # fmt: skip
    learner.fit(rows, run=folder / "run")
    things.to_csv(folder / "things.csv", index=False)
    assert main(["index", str(folder / "run"), str(folder / "things.csv"), "--id", "thing"]) == 0
    return folder / "run"


def test_what_a_history_lists_is_left_out_on_demand(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def found(*arguments: str) -> list[str]:
        assert main(["search", str(shop), "--json", *arguments]) == 0
        return [hit["id"] for hit in json.loads(capsys.readouterr().out)["hits"]]

    capsys.readouterr()
    history = "history=1 4 7"  # 1 is beyond `length`, and left out as well
    others = [each for each in found("--give", history, "-k", "12") if each not in ("1", "4", "7")]
    assert len(others) == 9 and found("--give", history, "--unseen", "-k", "99") == others
    assert found("--give", history, "--unseen", "-k", "4") == others[:4]
    assert main(["search", str(shop), "--give", "thing=1", "--unseen"]) == 2
    assert "--unseen leaves out what the query lists" in capsys.readouterr().err
    assert main(["search", str(shop), "--give", "history=1 4", "--unseen", "-k", "0"]) == 2
