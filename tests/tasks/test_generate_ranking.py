"""Candidates ranked by a generating model: labels, scores that equal each candidate's alone, rows without, the job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import sensemble as se
from sensemble.cli import main
from sensemble.data.table import Table
from sensemble.errors import ConfigError, DataError
from sensemble.files import read_json
from sensemble.tasks.generate import Generate
from sensemble.tasks.language import log_probability
from sensemble.tasks.writing import Answer
from sensemble.tokens import Tokens

NAMES = ("red", "blue", "green", "a light brown", "3")


def table(**columns: list[Any]) -> Table:
    return Table(pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()}), name="t")


ROWS = table(
    y=["blue", "3", None, "red", "a light brown"],
    options=[["red", "blue"], "red | green|3", ["red", "blue"], None, ["green", "a light brown", "3", "red"]],
)


def fitted(**options: Any) -> Generate:
    return Generate(target="y", candidates="options", vocab=300, length=16, **options).fit(ROWS)


def value(task: Generate, answers: list[Answer], target: Tokens, name: str) -> float:
    return float(task.metrics(answers, target)[name].statistic(np.ones((1, len(target))))[0])


def test_labels_hold_text_and_candidates() -> None:
    task = fitted()
    target = task.collate(ROWS)
    assert target is not None and task.ranking is not None
    assert target.present.tolist() == [True, True, False, True, True]
    assert task.truth(target) == ["blue", "3", "", "red", "a light brown"]
    assert task.ranking.places(target).tolist() == [1, 2, -1, -1, 1]
    some = target[torch.tensor([4, 0])]
    assert task.truth(some) == ["a light brown", "blue"] and task.ranking.options(some)[1] == ["red", "blue"]


def test_what_is_given_is_known_without_an_answer() -> None:
    task = fitted()
    given = task.given(table(options=ROWS.column("options")))
    assert given is not None and task.ranking is not None
    assert task.ranking.options(given)[2] == ["red", "blue"] and not task.ranking.options(given)[3]
    assert not task.ranking.own(given).present.any()
    assert task.given(table(y=["red"])) is None


def test_scores_equal_each_candidate_alone() -> None:
    task = fitted()
    torch.manual_seed(0)
    decoder = task.head(16).eval()
    target = task.collate(ROWS)
    assert target is not None and task.ranking is not None
    fused = Tokens.full(torch.randn(5, 3, 16))
    with torch.no_grad():
        found = task.ranking.scores(decoder, fused, target)  # type: ignore[arg-type]
        assert [len(each) for each in found] == [2, 3, 0, 0, 4]
        for row, scores in enumerate(found):
            for place, text in enumerate(task.ranking.options(target)[row]):
                labels = task.references.collate(table(y=[text]))
                assert labels is not None
                alone = log_probability(decoder, fused[row : row + 1], task.references.one(labels, draw=False))  # type: ignore[arg-type]
                assert scores[place] == pytest.approx(alone[0], abs=1e-4)


def test_an_answer_without_scores_is_ranked_by_its_text() -> None:
    task = fitted()
    target = task.collate(ROWS)
    assert target is not None
    rows = target[torch.tensor([0, 1, 3])]  # the last has no candidates and does not count
    said = [Answer("blue", -1.0), Answer("yes", -1.0), Answer("red", -1.0)]
    assert value(task, said, rows, "recall_1") == pytest.approx((1 + 1 / 3) / 2)
    scored = [each._replace(scores=scores) for each, scores in zip(said, ([0.0, 1], [3.0, 2, 1], []), strict=True)]
    scored = [each._replace(scores=np.array(each.scores)) for each in scored]
    assert value(task, scored, rows, "recall_1") == 0.5
    assert value(task, scored, rows, "mrr") == pytest.approx((1 + 1 / 3) / 2)


def test_mistakes() -> None:
    with pytest.raises(DataError, match="row 0, column 'y': 'pink' is none of the row's 2 candidates"):
        fitted().collate(table(y=["pink"], options=[["red", "blue"]]))
    with pytest.raises(ConfigError, match=r"task\.candidates: .* name one target, not 2"):
        Generate(target=["y", "z"], candidates="options")
    with pytest.raises(ConfigError, match=r"task\.metric"):
        Generate(target="y", metric="recall_1")


def make_rows(count: int, seed: int) -> list[dict[str, Any]]:
    """A number names a colour; every third row has no candidates."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        places = random.permutation(len(NAMES))[: random.integers(2, 5)]
        right = int(places[random.integers(len(places))])
        options = [NAMES[place] for place in places] if number % 3 else None
        rows.append({"number": f"number {right}", "y": NAMES[right], "options": options})
    return rows


def test_the_whole_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    for seed, split in enumerate(("train", "test")):
        lines = [json.dumps(row) + "\n" for row in make_rows(120 if split == "train" else 40, seed)]
        (tmp_path / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
    config = tmp_path / "rank.yaml"
    config.write_text(
        "data: {train: train.jsonl, valid: test.jsonl, test: test.jsonl}\n"
        "inputs: {number: {name: text, encoder: {name: bag, dim: 16}}}\n"
        "task: {name: generate, target: y, candidates: options, length: 16, decoder: {depth: 1}, metric: recall_1}\n"
        "width: 16\nfusion: concat\nverdict: off\ntrain: {epochs: 8, batch: 16, lr: 1e-2, patience: 0}\n",
        encoding="utf-8",
    )
    run = tmp_path / "run"
    assert main(["fit", str(config), "--run", str(run)]) == 0, capsys.readouterr().err
    scores = read_json(run / "metrics.json")["test"]
    assert scores["recall_1"]["value"] > 0.8 > scores["recall_1"]["trivial"]
    learner = se.Learner.load(run)
    assert learner.evaluate(str(tmp_path / "test.jsonl"))["test"]["recall_1"]["value"] == scores["recall_1"]["value"]
    rows = [{"number": "number 2", "options": ["blue", "green"]}, {"number": "number 2", "options": None}]
    first, second = learner.predict(rows)
    assert first["ranking"] == [1, 0] and second["ranking"] == [] and first["prediction"] == second["prediction"]
    assert "ranking" not in learner.predict([{"number": "number 2"}])[0]
    assert learner.chat().ask("number 2")["prediction"] == first["prediction"]
