"""The main job on tables as they are: bad files, groups, gaps, weights, given splits, labels of every kind."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from sensemble import evaluate
from sensemble.cli import main
from sensemble.errors import ConfigError, DataError
from sensemble.learner import Learner
from sensemble.pipeline import Job

FAST = {"width": 8, "verdict": "off"}
CNN = {"name": "cnn", "channels": [4, 8]}


def write_csv(path: Path, header: list[str], rows: Iterable[list[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def picture(path: Path, bright: bool, random: np.random.Generator) -> None:
    low, high = (130, 255) if bright else (0, 120)
    Image.fromarray(random.integers(low, high, (12, 12, 3), dtype=np.uint8)).save(path)


def catalogue(folder: Path, rows: int = 200, gone: int = 0) -> Path:
    """A table with pictures, PNG and JPEG by turns, of Chinese names; the first `gone` are not there."""
    random = np.random.default_rng(0)
    (folder / "图片").mkdir(parents=True)
    cells = []
    for number in range(rows):
        bright = number % 2 == 0
        name = f"图片/第{number}张.{'jpg' if number % 3 else 'png'}"
        if number >= gone:
            picture(folder / name, bright, random)
        cells.append([name, f"{random.normal(bright):.4f}", "亮" if bright else "暗"])
    write_csv(folder / "目录.csv", ["照片", "价格", "标签"], cells)
    return folder / "目录.csv"


SETTINGS = [
    "inputs.照片={name: image, size: 8, encoder: {name: cnn, channels: [4, 8]}}", "inputs.价格=number", "width=8",
    "train.epochs=1", "verdict=off", "--target", "标签",
]  # fmt: skip


@pytest.fixture(scope="module")
def four_bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 pictures of which four cannot be read, each in its own way."""
    folder = tmp_path_factory.mktemp("four") / "数据"
    table = catalogue(folder)
    truncated = folder / "图片/第1张.jpg"
    truncated.write_bytes(truncated.read_bytes()[:-200])
    (folder / "图片/第3张.png").write_bytes(b"")
    (folder / "图片/第6张.png").write_text("no picture", encoding="utf-8")
    (folder / "图片/第100张.jpg").unlink()
    return table


def assert_names_all_four(audit: dict[str, Any]) -> None:
    bad = audit["inputs"]["照片"]["unreadable"]
    assert {(each["row"], each["column"], each["value"]) for each in bad} == {
        (row, "照片", f"图片/第{row}张.{suffix}") for row, suffix in ((1, "jpg"), (3, "png"), (6, "png"), (100, "jpg"))
    }
    reasons = {each["row"]: each["reason"] for each in bad}
    assert all(reasons.values()) and len(set(reasons.values())) >= 3
    assert "does not exist" in reasons[100]


def test_fit_goes_on_with_a_few_bad_pictures_and_names_them(
    four_bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", str(four_bad), *SETTINGS, "--run", str(tmp_path / "run")]) == 0
    audit = json.loads((tmp_path / "run" / "audit.json").read_text(encoding="utf-8"))
    assert_names_all_four(audit)
    assert "亮" in capsys.readouterr().out
    answers = Learner.load(tmp_path / "run").predict(four_bad)
    assert {row["prediction"] for row in answers} <= {"亮", "暗"} and len(answers) == 200


def test_audit_names_bad_pictures(four_bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "audit.json"
    assert main(["audit", str(four_bad), "--target", "标签", "--json", "-o", str(out)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert_names_all_four(printed)
    assert printed == json.loads(out.read_text(encoding="utf-8"))
    assert main(["audit", str(four_bad), "--target", "标签"]) == 0
    assert capsys.readouterr().out.count("unreadable: 目录.csv, row ") == 4


@pytest.mark.parametrize("command", ["fit", "audit"])
def test_too_many_bad_pictures_stop(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = catalogue(tmp_path / "数据", gone=40)
    where = ["--run", str(tmp_path / "run")] if command == "fit" else []
    assert main([command, str(table), *SETTINGS, *where]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    for part in ("目录.csv", "'照片'", "40 of 200", "5%", "data.max_unreadable", "row 0"):
        assert part in lines[0]
    if command == "fit":
        found = json.loads((tmp_path / "run" / "audit.json").read_text(encoding="utf-8"))
        assert len(found["inputs"]["照片"]["unreadable"]) == 40
        assert not (tmp_path / "run" / "best").exists()


def test_the_share_of_bad_files_is_that_of_the_file_not_of_a_split(tmp_path: Path) -> None:
    table = catalogue(tmp_path / "数据", rows=60, gone=2)
    rows = pd.read_csv(table)
    rows["split"] = ["test", "test", *["valid"] * 8, *["train"] * 50]  # both bad ones among two test rows
    rows.to_csv(table, index=False)
    inputs = {"照片": {"name": "image", "size": 8, "encoder": CNN}, "价格": "number"}
    made = Learner(inputs, {"target": "标签"}, data={"split": "split"}, train={"epochs": 1}, **FAST).fit(table)
    assert made.metrics_["test"]["accuracy"]["rows"] == 2


def rows_of(count: int = 120, seed: int = 0, **columns: Any) -> pd.DataFrame:
    """Two numbers that tell the label."""
    random = np.random.default_rng(seed)
    yes = random.integers(2, size=count)
    return pd.DataFrame(
        {
            "a": random.normal(size=count) + 3 * yes,
            "b": random.normal(size=count) - 3 * yes,
            "label": np.where(yes, "yes", "no"),
            **columns,
        }
    )


def fit(table: Any, *rest: Any, task: Any = None, inputs: Any = None, **settings: Any) -> tuple[Learner, Job, str]:
    """A fitted learner, its job and what it said."""
    said: list[str] = []
    settings = {"train": {"epochs": 1, "lr": 1e-2}, **FAST, **settings}
    made = Learner(inputs or {"a": "number", "b": "number"}, task or {"target": "label"}, "concat", **settings)
    made.fit(table, *rest, say=said.append)
    assert made._job is not None
    return made, made._job, "\n".join(said)


def test_groups_never_straddle_and_are_drawn_whole() -> None:
    table = rows_of(200, user=[f"用户{number // 5}" for number in range(200)])
    _, job, _ = fit(table, data={"group": "user"})
    users = {name: set(part.table.column("user")) for name, part in job.parts.items()}
    assert all(users.values()) and set(users) == {"train", "valid", "test"}
    assert not users["train"] & users["test"] and not users["train"] & users["valid"]
    assert not users["valid"] & users["test"]
    draws = evaluate.weights(job.parts["test"], resamples=50)
    names = np.array(job.parts["test"].table.column("user"))
    for user in users["test"]:
        own = draws[:, names == user]
        assert (own == own[:, :1]).all()
    assert (draws != draws[:, :1]).any()


@pytest.mark.parametrize("many", [False, True])
def test_a_label_of_one_group_alone_trains(many: bool) -> None:
    users = [number // 5 for number in range(200)]
    labels = ["rare" if user == 11 else "often" if user % 2 else "seldom" for user in users]
    table = rows_of(200, user=users, label=[f"{label}|{label}er" for label in labels] if many else labels)
    task = {"name": "classify", "target": "label", "many": many}
    for seed in range(8):  # of these splits four would leave `rare` to other rows
        _, job, _ = fit(table, task=task, data={"group": "user"}, seed=seed, train={"epochs": 1})
        assert job.task is not None
        assert "rare" in job.task.state()["classes_"]
        assert not set(job.parts["train"].table.column("user")) & set(job.parts["test"].table.column("user"))


def test_a_label_of_a_given_file_alone_is_named() -> None:
    table, other = rows_of(40), rows_of(10, label=["strange"] * 10)
    with pytest.raises(DataError, match=r"column 'label': unknown label 'strange'.*not among the training rows"):
        fit(table, other, other)


def test_rows_without_a_group_are_groups_of_their_own() -> None:
    users = [None if number % 2 else f"u{number // 10}" for number in range(200)]
    _, job, _ = fit(rows_of(200, user=users), data={"group": "user"})
    groups = job.parts["train"].groups
    assert groups is not None
    alone = [place for place, user in enumerate(job.parts["train"].table.column("user")) if user is None]
    assert len(set(groups[alone])) == len(alone) > 10


def test_missing_drop_is_counted() -> None:
    table = rows_of(120)
    table.loc[:23, "a"] = np.nan
    _, job, said = fit(table, inputs={"a": {"name": "number", "missing": "drop"}, "b": "number"})
    assert sum(len(part) for part in job.parts.values()) == 96
    assert job.dropped == job.details["dropped"] == 24
    assert "rows left out: no a, which is marked `missing: drop`" in said
    _, job, said = fit(table)
    assert sum(len(part) for part in job.parts.values()) == 120 and job.dropped == 0


def test_rows_of_weight_zero_have_no_influence() -> None:
    split = ["valid" if n % 5 == 0 else "test" if n % 5 == 1 else "train" for n in range(120)]
    table = rows_of(120, split=split, weight=1.0)
    train = np.flatnonzero(table["split"] == "train")
    yes, no = (train[(table["label"][train] == label).to_numpy()][:10] for label in ("yes", "no"))
    table.loc[[*yes, *no], "weight"] = 0.0
    other = table.copy()
    other.loc[yes, "label"], other.loc[no, "label"] = "no", "yes"  # as many of each as before
    weights = []
    for each in (table, other):
        _, job, _ = fit(each, data={"split": "split", "weight": "weight"}, train={"epochs": 2, "batch": 16})
        assert job.network is not None
        weights.append(job.network.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    other["weight"] = 1.0
    _, job, _ = fit(other, data={"split": "split", "weight": "weight"}, train={"epochs": 2, "batch": 16})
    assert job.network is not None
    assert any(not torch.equal(weights[0][name], each) for name, each in job.network.state_dict().items())


@pytest.mark.parametrize("bad", [-1.0, None, "heavy", float("inf")])
def test_a_bad_row_weight_is_named(bad: Any) -> None:
    weight = pd.Series([1.0] * 120, dtype=object)
    weight[7] = bad
    split = ["test" if n > 100 else "valid" if n > 80 else "train" for n in range(120)]
    with pytest.raises(DataError, match=r"row 7, column 'weight': .* is no row weight; give a number from 0"):
        fit(rows_of(120, weight=weight, split=split), data={"weight": "weight", "split": "split"})


def test_a_given_split_column() -> None:
    split = ["Train"] * 80 + ["dev"] * 15 + ["TEST"] * 25
    _, job, _ = fit(rows_of(120, split=split), data={"split": "split"})
    assert {name: len(part) for name, part in job.parts.items()} == {"train": 80, "valid": 15, "test": 25}
    assert [job.parts["test"].table.row(place) for place in range(25)] == list(range(95, 120))


def test_a_class_that_training_never_saw() -> None:
    test = rows_of(20, seed=1)
    test.loc[4, "label"] = "perhaps"
    with pytest.raises(DataError, match=r"row 4, column 'label': unknown label 'perhaps'.*not among the training rows"):
        fit(rows_of(120), None, test)


def test_tables_with_folders_of_their_own(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name, rows, flipped in (("train", 60, False), ("test", 40, True)):
        (tmp_path / name).mkdir()
        cells = []
        for number in range(rows):
            bright = (number % 2 == 0) != flipped  # the same names stand for other pictures
            picture(tmp_path / name / f"{number}.png", bright, random)
            cells.append([f"{number}.png", "bright" if bright else "dark"])
        write_csv(tmp_path / name / "table.csv", ["photo", "label"], cells)
    inputs = {"photo": {"name": "image", "size": 8, "encoder": CNN}}
    _, job, _ = fit(tmp_path / "train/table.csv", None, tmp_path / "test/table.csv", inputs=inputs)
    assert len(job.parts["test"]) == 40
    for part in job.parts.values():
        light = part.stores["photo"].tokens(torch.arange(len(part))).values.float().flatten(1).mean(1)
        bright = np.array(part.table.column("label")) == "bright"
        assert light[bright].min() > light[~bright].max()


def test_regression_end_to_end(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 400))
    table = pd.DataFrame({"a": a, "b": b, "价格": 100 + 30 * a - 20 * b + random.normal(size=400)})
    made = Learner(task={"target": "价格"}, fusion="concat", train={"epochs": 25, "lr": 1e-2}, width=16)
    made.fit(table, run=tmp_path / "run")
    assert made.config_.task["name"] == "regress"
    assert made.metrics_["test"]["r2"]["value"] > 0.8
    assert made.verdict_ is not None and made.verdict_["verdict"] == "fusion_helps"
    answer = Learner.load(tmp_path / "run").predict([{"a": 1.0, "b": 0.0}])[0]["prediction"]
    assert 105 < answer < 155


def test_label_sets_end_to_end(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(300, 2))
    tags = ["|".join(name for name, value in zip(("红", "blue"), row, strict=True) if value > 0) for row in values]
    table = pd.DataFrame(
        {"a": values[:, 0], "b": values[:, 1], "tags": pd.Series([[*t.split("|")] if t else [] for t in tags])}
    )
    made, _, _ = fit(table, task={"name": "classify", "target": "tags"}, train={"epochs": 15, "lr": 1e-2})
    assert made.metrics_["metric"] == "roc_auc" and made.metrics_["test"]["roc_auc"]["value"] > 0.9
    found = Learner.load(made.save(tmp_path / "run")).predict([{"a": 3.0, "b": 3.0}, {"a": -3.0, "b": -3.0}])
    assert set(found[0]["prediction"].split("|")) == {"红", "blue"}
    assert found[1]["prediction"] == "" and "probability:红" in found[1]


def test_rows_without_a_label_are_left_out_and_counted() -> None:
    table = rows_of(150)
    table.loc[:29, "label"] = None
    _, job, said = fit(table)
    assert job.dropped == 30 and sum(len(part) for part in job.parts.values()) == 120
    assert "rows left out: no label." in said


def test_no_label_at_all() -> None:
    with pytest.raises(DataError, match=r"column 'label'.*0 label"):
        fit(rows_of(60).assign(label=None))


def test_a_copy_of_the_target_is_called_a_leak() -> None:
    table = rows_of(120).drop(columns="b")
    table["copy"] = table["label"]
    made, _, _ = fit(table, inputs={"copy": "category"}, verdict="auto")
    assert any(each["kind"] == "leak" and "copy" in each["columns"] for each in made.audit_["warnings"])
    assert made.verdict_ is not None and made.verdict_["verdict"] == "single_input"
    with pytest.raises(ConfigError, match="no column that can be an input"):
        Learner(task={"target": "label"}).fit(table[["label"]])


def test_without_test_rows_nothing_is_measured() -> None:
    made, job, said = fit(rows_of(60), data={"test_share": 0.0})
    assert "No test rows: nothing is measured" in said
    assert made.metrics_ == {} and "test" not in job.parts
    assert len(made.predict(rows_of(3))) == 3
