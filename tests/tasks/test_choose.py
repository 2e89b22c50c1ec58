"""Choice among given candidates: labels, scores, learning, the whole job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import ndcg_score

import sensemble as se
from sensemble.data.table import Table
from sensemble.errors import ConfigError, DataError
from sensemble.tasks.choose import Choose, PoolStacker, Ranked
from sensemble.tokens import Tokens

NAMES = ("red", "blue", "green", "black", "white", "a light brown", "pink")


def table(**columns: list[Any]) -> Table:
    return Table(pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()}), name="t")


ROWS = table(
    y=["blue", 2, "0", None, "red"],
    options=[["red", "blue"], "red | green|blue", ["green"], ["red", "blue"], None],
)


def make_rows(count: int, seed: int = 0, most: int = 5) -> list[dict[str, Any]]:
    """A number names a colour; the right colour stands among some others."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        places = random.permutation(len(NAMES))[: random.integers(2, most + 1)]
        right = int(random.integers(len(places)))
        rows.append(
            {
                "number": f"number {places[right]}",
                "noise": float(random.normal()),
                "options": [NAMES[place] for place in places],
                "right": right if random.random() < 0.5 else NAMES[places[right]],
            }
        )
    return rows


def learner(**settings: Any) -> se.Learner:
    return se.Learner(
        inputs={"number": {"name": "text", "encoder": {"name": "bag", "dim": 16}}, "noise": "number"},
        task={"name": "choose", "target": "right", "candidates": "options", "encoder": {"name": "bag", "dim": 16}},
        fusion="concat",
        width=16,
        train={"epochs": 8, "batch": 32, "lr": 1e-2, "patience": 0, **settings.pop("train", {})},
        **settings,
    )


def test_labels() -> None:
    task = Choose(target="y", candidates="options").fit(ROWS)
    target = task.collate(ROWS)
    assert target is not None
    assert target.values[:, 0].tolist()[:3] == [1, 2, 0] and target.present.tolist() == [True, True, True, False, False]
    assert task.truth(target[:3]) == ["blue", "blue", "green"]
    given = task.given(table(options=[["red", "blue"], None]))
    assert given.present.tolist() == [True, False] and task.truth(given) == ["", ""]
    assert task.collate(table(options=["a"])) is None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"y": ["pink"], "options": [["red", "blue"]]}, r"row 0, column 'y': 'pink' is neither one of the row's 2"),
        ({"y": [2], "options": [["red", "blue"]]}, r"'2' is neither"),
        ({"y": [0, 0], "options": ["a|b", ["a", None, "b"]]}, r"row 1, column 'options': candidate 1 is empty"),
        ({"y": [None], "options": ["a|b"]}, "no training row says which candidate is right"),
        ({"y": [0], "options": [None]}, "no training row has a text"),
    ],
)
def test_what_cannot_be_learned(rows: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Choose(target="y", candidates="options").fit(table(**rows))


def test_a_number_is_a_place_though_a_candidate_reads_like_it() -> None:
    rows = table(y=[0, 1.0, "0", "1"], options=[["1", "0"]] * 4)
    target = Choose(target="y", candidates="options").fit(rows).collate(rows)
    assert target is not None and target.values[:, 0].tolist() == [0, 1, 1, 0]


def test_wrong_options() -> None:
    with pytest.raises(ConfigError, match="did you mean 'mrr'"):
        Choose(target="y", candidates="options", metric="mr")
    with pytest.raises(ConfigError, match=r"task.encoder: unknown text encoder 'bagg': did you mean 'bag'"):
        Choose(target="y", candidates="options", encoder="bagg")


@pytest.mark.parametrize("encoder", ["bag", "lstm"])
def test_other_rows_and_their_candidates_change_nothing(encoder: str) -> None:
    torch.manual_seed(0)
    task = Choose(target="y", candidates="options", encoder=encoder, vocab=300).fit(ROWS)
    network: Any = type("Network", (), {"head": task.head(8).eval()})
    fused = Tokens(torch.randn(5, 2, 8), torch.tensor([[1, 1], [1, 0], [0, 0], [1, 1], [1, 1]]).bool())
    given = task.given(ROWS)
    with torch.no_grad():
        whole = task.reply(network, fused, given)
        assert [len(each.scores) for each in whole] == [2, 3, 1, 2, 0]
        for row in range(4):
            alone = task.reply(network, fused[row : row + 1], given[row : row + 1])[0]
            assert alone.candidates == whole[row].candidates and np.allclose(alone.scores, whole[row].scores, atol=1e-5)
            assert np.exp(alone.scores).sum() == pytest.approx(1)
        soiled = Tokens(fused.values.masked_fill(~fused.mask.unsqueeze(-1), 9.0), fused.mask)
        again = task.reply(network, soiled, given)
        assert all(np.array_equal(one.scores, two.scores) for one, two in zip(whole, again, strict=True))
        empty = Tokens(fused.values, torch.zeros_like(fused.mask))
        prior = task.reply(network, empty, given)
        assert np.allclose(prior[0].scores, prior[3].scores) and np.isfinite(prior[0].scores).all()
    assert task.records(whole)[4] == {"prediction": "", "score": None, "ranking": []}


def test_scores_and_chance() -> None:
    task = Choose(target="y", candidates="options").fit(ROWS)
    target = task.collate(ROWS)
    assert target is not None
    target = target[:3]
    answers = [Ranked(["red", "blue"], np.log([0.9, 0.1])), Ranked(["", "", ""], np.log([0.2, 0.2, 0.6])),
               Ranked(["green"], np.zeros(1))]  # fmt: skip
    ones = np.ones((1, 3))
    values = {name: float(each.statistic(ones)[0]) for name, each in task.metrics(answers, target).items()}
    assert values["recall_1"] == pytest.approx(2 / 3) and values["mrr"] == pytest.approx(2.5 / 3)
    chance = task.metrics(task.trivial(3), target)["recall_1"].statistic(ones)[0]
    assert chance == pytest.approx((1 / 2 + 1 / 3 + 1) / 3)
    assert task.surprise(answers, target).argmax() == 0


def test_grades_are_kept_and_scored_by_ndcg() -> None:
    random = np.random.default_rng(3)
    sizes = random.integers(2, 12, 80)
    options = [[f"answer {place}" for place in range(size)] for size in sizes]
    grades: list[Any] = [(random.integers(0, 5, size) / 5).tolist() for size in sizes]
    grades[3], grades[4], options[5], grades[5] = None, [0] * sizes[4], "one | two", "0.25|1"
    rows = table(y=[0] * 80, options=options, grades=grades)
    task = Choose(target="y", candidates="options", relevance="grades", metric="ndcg").fit(rows)
    target = task.collate(rows)
    assert target is not None and task.candidates.grades(target)[5] == pytest.approx([0.25, 1])
    shuffled = target[torch.arange(79, -1, -1)]
    assert task.truth(shuffled)[74] == "one" and task.candidates.grades(shuffled)[76] is None
    answers = [Ranked([], random.normal(size=2 if row == 5 else size)) for row, size in enumerate(sizes)]
    found = task.metrics(answers, target)["ndcg"].statistic(np.eye(80))
    asked = task.candidates.grades(target)
    for row, (each, wanted) in enumerate(zip(answers, asked, strict=True)):
        if wanted is None or not wanted.any():
            assert np.isnan(found[row])
        else:
            expected = ndcg_score([wanted], [each.scores], k=int((wanted > 0).sum()))
            assert found[row] == pytest.approx(expected, abs=1e-6)
    assert np.isfinite(found).sum() >= 70
    fresh = task.collate(table(y=[1], options=["a|b"]))  # no grades here
    assert fresh is not None and np.isnan(task.metrics(answers[:1], fresh)["ndcg"].statistic(np.ones((1, 1)))[0])


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ([1.0], r"row 0, column 'grades': 1 grades for 2 candidates"),
        ("1|x", r"'1\|x' is no list of numbers"),
        ([1, -1], "grades are numbers from 0"),
        (0.5, "is no list of numbers"),
    ],
)
def test_grades_that_fit_no_candidates(cell: Any, message: str) -> None:
    rows = table(y=[0], options=["a|b"], grades=[cell])
    with pytest.raises(DataError, match=message):
        Choose(target="y", candidates="options", relevance="grades").fit(rows)


def test_ndcg_needs_grades() -> None:
    with pytest.raises(ConfigError, match="unknown metric 'ndcg'"):
        Choose(target="y", candidates="options", metric="ndcg")


def test_stacking_weighs_the_models() -> None:
    random = np.random.default_rng(0)
    right = random.integers(0, 3, 300)

    def model(strength: float) -> list[Ranked]:
        scores = random.normal(size=(300, 3))
        scores[np.arange(300), right] += strength
        return [Ranked(["a", "b", "c"], row - np.logaddexp.reduce(row)) for row in scores]

    models = [model(2.0), model(2.0), model(0.0)]
    stacker = PoolStacker(models, right)
    hits = [np.mean([row.scores.argmax() for row in each] == right) for each in (*models, stacker(models))]
    assert hits[3] > max(hits[:3]) + 0.05 and stacker.weights[2] < 0.3 * stacker.weights[:2].min()
    assert np.exp(stacker(models)[0].scores).sum() == pytest.approx(1)


def test_the_whole_job(tmp_path: Path) -> None:
    run = tmp_path / "run"
    made = learner(verdict="auto").fit(make_rows(500), test=make_rows(150, 1), run=run)
    scores = made.metrics_["test"]
    assert scores["recall_1"]["value"] > 0.95 and 0.2 < scores["recall_1"]["trivial"] < 0.45
    verdict = made.verdict_
    assert verdict is not None and verdict["best_single"] == "number" and verdict["stacking"] > 0.95
    rows = make_rows(20, 2, most=7)
    asked = [{key: value for key, value in row.items() if key != "right"} for row in rows]
    found = made.predict(asked)
    wanted = [row["options"][row["right"]] if isinstance(row["right"], int) else row["right"] for row in rows]
    assert [each["prediction"] for each in found] == wanted
    again = se.Learner.load(run)
    assert again.predict(asked) == found and json.loads(json.dumps(found)) == found
    assert again.evaluate(rows)["test"]["mrr"]["value"] == 1.0
    with pytest.raises(DataError, match="unknown column 'options'"):
        again.predict([{"number": "number 1"}])
    assert (run / "report.html").stat().st_size > 0
