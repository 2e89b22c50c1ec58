"""The search for options: ranges by type, validation rows alone, pruning, going on after a kill."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

import sensemble as se
from sensemble import config as configs
from sensemble import tune as tuning
from sensemble.cli import main
from sensemble.config import Config
from sensemble.errors import ConfigError, DataError
from sensemble.files import read_json
from sensemble.ranges import Range, parse
from sensemble.tune import tune

pytest.importorskip("optuna")

CONFIG = configs.from_dict(
    {
        "inputs": {"words": "text", "left": {"name": "vector", "encoder": {"name": "mlp"}}},
        "task": {"name": "classify", "target": "label"},
        "fusion": "gate",
    }
)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "train.jsonl"
    se.generate.xor(120, seed=0).frame.to_json(path, orient="records", lines=True)
    return path


def mapping(table: Path, **more: Any) -> dict[str, Any]:
    train = {"epochs": 2, "batch": 32, "hide": 0.0}
    return {"data": {"train": str(table)}, "task": {"target": "label"}, "width": 8, "train": train, **more}


def test_types_of_ranges_come_from_signatures() -> None:
    found = parse(
        ["train.lr=log(1e-4, 1e-2)", "width=range(8,64)", "fusion=[gate,{name: transformer, depth: 2}]", "task.loss",
         "inputs.words.encoder=[bag,lstm]", "inputs.left.missing"], CONFIG,
    )  # fmt: skip
    assert found == [
        Range("train.lr", (), 1e-4, 1e-2, False, True),
        Range("width", (), 8, 64, True, False),
        Range("fusion", ("gate", {"name": "transformer", "depth": 2})),
        Range("task.loss", ("cross_entropy", "focal")),
        Range("inputs.words.encoder", ("bag", "lstm")),
        Range("inputs.left.missing", ("mask", "drop", "impute")),
    ]
    assert len(parse(["fusion"], CONFIG)[0].choices) > 6
    both = parse(["fusion.heads=range(1,3)", "fusion=[transformer,cross]"], CONFIG)
    assert both[0] == Range("fusion.heads", (), 1, 3, True, False)
    with pytest.raises(ConfigError, match=r"unknown key in fusion \(cross\) 'depth'"):
        parse(["fusion.depth=range(1,3)", "fusion=[transformer,cross]"], CONFIG)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ("train.lrr=log(1e-4,1e-2)", "did you mean 'lr'"),
        ("wdith=[1]", "did you mean 'width'"),
        ("fusion.depht=[1]", "unknown key in fusion"),
        ("fusion=[gates]", "did you mean 'gate'"),
        ("inputs.word.encoder", "did you mean 'words'"),
        ("train.lr", "needs a range"),
        ("train.lr=log(0,1)", "from above 0 up"),
        ("width=range(9,3)", "goes up"),
        ("width=range(1.5,3)", "needs int"),
        ("task.loss=range(1,2)", "is no number"),
        ("width=64", "cannot read width=64"),
        ("width=[wide]", "needs int"),
        ("task.metric=[f1]", "says what is measured"),
        ("data.valid_share=[0.1]", "says what is measured"),
        ("seed=range(1,9)", "says what is measured"),
    ],
)
def test_what_cannot_be_searched_is_refused(search: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse([search], CONFIG)


def test_a_search_finds_the_fusion_that_can_and_goes_on_after_a_kill(table: Path, tmp_path: Path) -> None:
    given = mapping(table, train={"epochs": 12, "batch": 16, "lr": 1e-2, "hide": 0.0}, width=16)
    search = ["fusion=[bilinear,sum]", "train.lr=log(5e-3,2e-2)"]
    events = tune(given, tmp_path, search=search, trials=4)
    said = []
    for event in events:
        said.append(event.text)
        if any("[2/4]" in text for text in said) and event.progress:  # in the middle of the third
            break
    events.close()  # type: ignore[attr-defined]
    first = read_json(tmp_path / "tune.json")["trials"]
    assert [trial["state"] for trial in first] == ["complete", "complete"]
    said = [event.text for event in tune(given, tmp_path, search=search, trials=4) if event.text]
    assert "2 of them done before" in said[0] and sum("/4]" in text for text in said) == 2
    found = read_json(tmp_path / "tune.json")
    assert found["trials"][:2] == first and found["trials"][2]["state"] == "failed"
    assert found["trials"][3]["values"] == found["trials"][2]["values"]  # what was interrupted is tried again
    done = [trial for trial in found["trials"] if trial["state"] == "complete"]
    assert found["best"] == max(done, key=lambda trial: trial["score"])["number"]
    best = configs.read(tmp_path / "best.yaml")
    values = found["trials"][found["best"]]["values"]
    assert best.fusion["name"] == values["fusion"] and best.train.lr == values["train.lr"]
    again = [event.text for event in tune(given, tmp_path, search=search, trials=4)]
    assert not any("/4]" in text for text in again)
    with pytest.raises(ConfigError, match="another config, ranges or rows"):
        list(tune(given, tmp_path, search=["fusion=[sum,gate]"], trials=4))


def test_test_rows_are_never_looked_at(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []
    make = tuning.make_parts

    def spy(config: Config, tables: dict[str, Any]) -> Any:
        seen.append(tables)
        return make(config, tables)

    monkeypatch.setattr(tuning, "make_parts", spy)
    list(tune(mapping(table), tmp_path / "a", search=["width=[8,16]"], trials=1))
    learner = se.Learner(task={"target": "label"}, train={"epochs": 1}, width=8, verdict="off").fit(table)
    assert learner._job is not None
    test = {tuple(row) for row in learner._job.parts["test"].table.column("left")}
    assert len(test) == 12
    for tables in seen:
        assert set(tables) == {"train", "valid"} and sum(map(len, tables.values())) == 108
        assert not test & {tuple(row) for each in tables.values() for row in each.column("left")}
    given = mapping(table, data={"train": str(table), "test": str(tmp_path / "not_there.csv")})
    list(tune(given, tmp_path / "b", search=["width=[8,16]"], trials=1))
    assert read_json(tmp_path / "b" / "tune.json")["rows"] == {"train": 108, "valid": 12}


def test_hopeless_trials_are_cut_short(table: Path, tmp_path: Path) -> None:
    given = mapping(table, train={"epochs": 6, "batch": 16, "hide": 0.0, "patience": 0}, fusion="bilinear", width=16)
    search = ["train.lr=[1e-2,1e-9]"]
    list(tune(given, tmp_path, search=search, trials=12))
    found = read_json(tmp_path / "tune.json")["trials"]
    cut = [trial for trial in found if trial["state"] == "pruned"]
    assert cut and all(trial["epochs"] < 6 for trial in cut)
    assert all(trial["epochs"] == 6 for trial in found if trial["state"] == "complete")


def test_stages_are_trained_as_fit_trains_them_and_the_last_one_counts(table: Path, tmp_path: Path) -> None:
    events = list(tune(mapping(table, stages="staged"), tmp_path, search=["width=[8]"], trials=1))
    stages = [event.progress.stage for event in events if event.progress]
    assert list(dict.fromkeys(stages)) == ["left alone", "right alone", "fusion", "all"]
    last = [event.progress.valid for event in events if event.progress and event.progress.stage == "all"]
    (trial,) = read_json(tmp_path / "tune.json")["trials"]
    assert trial["epochs"] == 2 and trial["score"] == max(valid["roc_auc"] for valid in last if valid)


def test_a_setting_that_cannot_be_built_is_told_and_the_others_go_on(table: Path, tmp_path: Path) -> None:
    search = ["fusion=[{name: transformer, heads: 3},{name: transformer, heads: 2}]"]
    said = [event.text for event in tune(mapping(table), tmp_path, search=search, trials=3)]
    found = read_json(tmp_path / "tune.json")
    assert {trial["state"] for trial in found["trials"]} >= {"complete"}
    for trial in found["trials"]:
        assert (trial["state"] == "failed") == (trial["values"]["fusion"]["heads"] == 3) == bool(trial["reason"])
    assert any("Best on validation rows" in text for text in said)


def test_no_validation_rows_and_nothing_to_search_are_refused(table: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs validation rows"):
        list(tune(mapping(table, data={"train": str(table), "valid_share": 0.0}), tmp_path, search=["width=[8]"]))
    with pytest.raises(ConfigError, match="name what to search"):
        list(tune(mapping(table), tmp_path, search=[]))
    with pytest.raises((ConfigError, DataError), match="name a table"):
        list(tune({"task": {"target": "label"}}, tmp_path, search=["width=[8]"]))


def test_the_command_writes_a_config_that_fit_takes(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(table.parent)
    tiny = ["--target", "label", "train.epochs=1", "width=8", "verdict=off"]
    assert (
        main(["tune", table.name, *tiny, "--search", "train.batch=[16,32]", "--trials", "2", "-o", str(tmp_path)]) == 0
    )
    assert "Best on validation rows: roc_auc" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "best.yaml", "--run", "run"]) == 0
    assert main(["tune", str(table), "--target", "label", "--search", "lr=[1]"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("sensemble: search: ")


def test_without_optuna_the_command_names_the_extra(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert main(["tune", str(table), "--target", "label", "--search", "width=[8]", "-o", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'sensemble[tune]'" in line


def test_every_key_of_a_search_is_documented(table: Path, tmp_path: Path) -> None:
    list(tune(mapping(table), tmp_path, search=["width=[8,16]"], trials=1))
    found = read_json(tmp_path / "tune.json")
    page = (Path(__file__).parent.parent / "docs" / "files.md").read_text(encoding="utf-8").split("## A search\n")[1]
    documented = set(re.findall(r"`([a-z]+)`", page))
    assert set(found) | {key for trial in found["trials"] for key in trial} <= documented
