"""The facade: what goes in, what comes out, and that a saved learner is the same learner."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, log_loss

from sensemble.errors import ConfigError, DataError, UserError
from sensemble.learner import Learner

INPUTS: dict[str, Any] = {
    "words": {"name": "text", "vocab": 280, "encoder": {"name": "transformer", "dim": 16, "depth": 1, "heads": 2}},
    "age": "number",
    "kind": "category",
}


def make_rows(count: int = 90, seed: int = 0) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        yes = int(random.integers(2))
        rows.append(
            {
                "key": f"行{number}",
                "words": ("good tea 很好" if yes else "bad 差") + f" {random.integers(99)}",
                "age": float(random.normal(yes)) if number % 7 else None,
                "kind": str(random.choice(["甲", "乙", "丙"])),
                "label": "yes" if yes else "no",
            }
        )
    return rows


def make_learner(**settings: Any) -> Learner:
    train = {"epochs": 2, "batch": 32, "lr": 1e-2, **settings.pop("train", {})}
    options = {"verdict": "off", "data": {"id": "key"}, "width": 16, **settings}
    return Learner(INPUTS, {"name": "classify", "target": "label"}, "concat", train=train, **options)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole run, with its verdict."""
    folder = tmp_path_factory.mktemp("learner") / "run"
    make_learner(verdict="full").fit(make_rows(), run=folder)
    return folder


@pytest.fixture(scope="module")
def learner(run: Path) -> Learner:
    return Learner.load(run)


def test_every_kind_of_table_gives_the_same_model() -> None:
    datasets = pytest.importorskip("datasets")
    rows = make_rows(60)
    sources = [rows, pd.DataFrame(rows), datasets.Dataset.from_list(rows)]
    answers = [make_learner(train={"epochs": 1}).fit(source).predict(rows[:9]) for source in sources]
    assert answers[0] == answers[1] == answers[2]
    assert len({row["probability:yes"] for row in answers[0]}) == 9


def test_fit_returns_self_and_says_lines(capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    made = make_learner(train={"epochs": 1})
    assert made.fit(make_rows(60), say=lines.append) is made
    assert lines[0].startswith("Read 60 rows")
    assert any(line.startswith("epoch 1/1") for line in lines)
    assert capsys.readouterr().out == ""


def test_answers_keep_the_order_and_the_id(learner: Learner) -> None:
    rows = make_rows(20, seed=5)
    found = learner.predict(rows)
    assert [row["key"] for row in found] == [row["key"] for row in rows]
    assert list(found[0]) == ["key", "prediction", "probability:no", "probability:yes"]
    backwards = learner.predict(rows[::-1], batch=3)[::-1]
    for one, two in zip(found, backwards, strict=True):
        assert one["prediction"] == two["prediction"]
        assert math.isclose(one["probability:yes"], two["probability:yes"], abs_tol=1e-5)


def test_predict_with_columns_missing_and_unseen_categories(learner: Learner) -> None:
    whole = learner.predict([{"words": "good", "age": None, "kind": None}])
    assert learner.predict([{"words": "good"}]) == whole
    assert "key" not in whole[0]
    odd = learner.predict([{"words": "good", "kind": "never seen 戊"}])[0]
    assert math.isclose(odd["probability:no"] + odd["probability:yes"], 1, abs_tol=1e-6)
    empty = learner.predict([{"words": None, "kind": "甲"}, {"words": None, "kind": None}])
    assert all(math.isfinite(row["probability:yes"]) for row in empty)


def test_predict_without_any_input_column(learner: Learner) -> None:
    with pytest.raises(DataError, match=r"none of the model's input columns \(words, age, kind\)"):
        learner.predict([{"text": "good"}])


def test_predict_ignores_labels_that_training_never_saw(learner: Learner) -> None:
    row = make_rows(1)[0]
    assert learner.predict([{**row, "label": "perhaps"}]) == learner.predict([row])


def test_evaluate_equals_scores_by_hand(learner: Learner) -> None:
    rows = make_rows(50, seed=9)
    found = learner.evaluate([*rows, {**rows[0], "label": None}])
    answers = learner.predict(rows)
    truth = [row["label"] for row in rows]
    accuracy = accuracy_score(truth, [row["prediction"] for row in answers])
    loss = log_loss(truth, [[row["probability:no"], row["probability:yes"]] for row in answers], labels=["no", "yes"])
    assert found["test"]["accuracy"]["value"] == pytest.approx(accuracy)
    assert found["test"]["log_loss"]["value"] == pytest.approx(loss, abs=1e-6)
    assert found["test"]["accuracy"]["rows"] == 50
    assert found["test"]["accuracy"]["low"] <= accuracy <= found["test"]["accuracy"]["high"]
    alone = learner.predict([{"words": row["words"]} for row in rows])
    words = learner.evaluate([{"words": row["words"], "label": row["label"]} for row in rows])
    assert words["test"]["accuracy"]["value"] == accuracy_score(truth, [row["prediction"] for row in alone])
    assert found["subsets"]["words"]["roc_auc"]["value"] == pytest.approx(words["test"]["roc_auc"]["value"])
    assert set(found["subsets"]) == {
        "words", "age", "kind", "words+age", "words+kind", "age+kind", "words+age+kind",
    }  # fmt: skip


def test_evaluate_needs_labels(learner: Learner) -> None:
    rows = make_rows(4)
    with pytest.raises(DataError, match="unknown column 'label'"):
        learner.evaluate([{"words": row["words"]} for row in rows])
    with pytest.raises(DataError, match="no row has a label in label"):
        learner.evaluate([{**row, "label": None} for row in rows])
    with pytest.raises(DataError, match="row 1, column 'label': unknown label 'yess': did you mean 'yes'"):
        learner.evaluate([rows[0], {**rows[1], "label": "yess"}])


def test_evaluate_needs_no_column_of_weights() -> None:
    rows = [{**row, "weight": 1.0} for row in make_rows(60)]
    made = make_learner(data={"weight": "weight"}, train={"epochs": 1}).fit(rows)
    assert made.evaluate(make_rows(10))["test"]["accuracy"]["rows"] == 10


def test_a_loaded_run_answers_bit_for_bit(run: Path, learner: Learner, tmp_path: Path) -> None:
    rows = make_rows(30, seed=3)
    wanted = learner.predict(rows)
    again = Learner.load(learner.save(tmp_path / "copy"))
    assert again.predict(rows) == wanted
    assert again.evaluate(rows) == learner.evaluate(rows)
    assert again.config == learner.config


def test_a_learner_in_memory_saves_and_loads(tmp_path: Path) -> None:
    rows = make_rows(60)
    made = make_learner(train={"epochs": 1}).fit(rows)
    again = Learner.load(made.save(tmp_path / "run"))
    assert again.predict(rows) == made.predict(rows)
    assert again.history_ == made.history_ and made.history_
    assert again.metrics_["test"]["accuracy"] == made.metrics_["test"]["accuracy"]
    assert (tmp_path / "run" / "report.html").stat().st_size > 0


def test_evidence_survives_save_and_load(run: Path, learner: Learner, tmp_path: Path) -> None:
    again = Learner.load(learner.save(tmp_path / "copy"))
    assert learner.verdict_ is not None and set(learner.verdict_["singles"]) == set(INPUTS)
    for name in ("verdict_", "metrics_", "audit_", "history_"):
        assert getattr(again, name) == getattr(learner, name) != {}
    assert again.verdict_ == json.loads((run / "verdict.json").read_text(encoding="utf-8"))


def test_an_unfitted_learner_says_so(tmp_path: Path) -> None:
    made = make_learner()
    for ask in (
        lambda: made.predict([{"words": "a"}]),
        lambda: made.evaluate(make_rows(3)),
        lambda: made.save(tmp_path / "run"),
        lambda: made.verdict_,
        lambda: made.metrics_,
    ):
        with pytest.raises(UserError, match="not fitted yet: call fit, or"):
            ask()


def test_fit_without_data() -> None:
    with pytest.raises(UserError, match="no training data: name a table"):
        make_learner().fit()


@pytest.mark.parametrize("name", ["none", "empty", "file"])
def test_loading_what_is_no_run(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("no run")
    with pytest.raises(DataError, match="holds no trained model"):
        Learner.load(tmp_path / name)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("best/network.safetensors", None),
        ("best/network.safetensors", b"short"),
        ("best/state.json", b'{"inputs": '),
        ("best/state.json", b"{}"),
        ("best/state.json", b"\xff\xfe"),
        ("best/config.yaml", b"fusion: [nope"),
        ("best/config.yaml", b"fusion: nope"),
        ("verdict.json", b"{"),
        ("history.jsonl", b"{\n"),
    ],
)
def test_loading_a_damaged_run_is_one_clear_error(learner: Learner, tmp_path: Path, file: str, content: Any) -> None:
    folder = learner.save(tmp_path / "run")
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(DataError) as caught:
        Learner.load(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_fitting_into_a_run_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"already holds a run: resume it \(--resume\), or name another folder"):
        make_learner().fit(make_rows(), run=run)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="is a file: name a folder"):
        make_learner().fit(make_rows(), run=tmp_path / "file")


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_fit_stopped_midway_leaves_a_model(tmp_path: Path, in_memory: bool) -> None:
    folder = tmp_path / "run"
    made = make_learner(train={"epochs": 5})
    steps = made.steps(make_rows(), run=None if in_memory else folder)
    for event in steps:
        if event.progress and event.progress.epoch == 2:
            break
    steps.close()  # type: ignore[attr-defined]
    if in_memory:
        made.save(folder)
    rows = make_rows(5, seed=2)
    assert Learner.load(folder).predict(rows) == made.predict(rows)


def test_a_fit_stopped_before_its_first_validation_leaves_a_model(tmp_path: Path) -> None:
    made = make_learner(train={"epochs": 5})
    steps = made.steps(make_rows(), run=tmp_path / "run")
    next(event for event in steps if event.progress)
    steps.close()  # type: ignore[attr-defined]
    assert Learner.load(tmp_path / "run").predict(make_rows(1))[0]["prediction"] in ("yes", "no")


def test_a_stopped_run_resumes_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make_rows(60)
    pd.DataFrame(rows).to_csv(tmp_path / "表.csv", index=False)
    monkeypatch.chdir(tmp_path)
    whole = make_learner(train={"epochs": 4, "patience": 0}).fit("表.csv")
    steps = make_learner(train={"epochs": 4, "patience": 0}).steps("表.csv", run="run")
    next(event for event in steps if event.progress and event.progress.valid)
    steps.close()  # type: ignore[attr-defined]
    resumed = Learner.load("run").fit(run="run", resume=True)
    assert resumed.predict(rows) == whole.predict(rows)
    assert [line["step"] for line in resumed.history_] == [line["step"] for line in whole.history_]


def test_the_config_says_what_was_inferred() -> None:
    rows = make_rows(60)
    made = Learner(task={"target": "label"}, data={"id": "key"}, verdict="off", train={"epochs": 1}, width=8).fit(rows)
    assert made.config_.task["name"] == "classify"
    assert list(made.config_.inputs) == ["words", "age", "kind"]


@pytest.mark.parametrize("role", ["id", "group", "split", "weight"])
def test_a_role_that_is_no_column(role: str) -> None:
    made = make_learner(data={role: "lable", "test_share": 0.0, "valid_share": 0.0})
    with pytest.raises(ConfigError, match=f"data.{role}: unknown column 'lable': did you mean 'label'"):
        made.fit(make_rows(20))
