"""Labels as texts: rows are classified by a model that never saw labels."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sensemble as se
from sensemble.cli import main
from sensemble.errors import ConfigError
from sensemble.zero_shot import zero_shot

COLOURS = {"red": [1.0, 0.0, 0.0], "green": [0.0, 1.0, 0.0], "blue": [0.0, 0.0, 1.0]}


def rows(count: int, seed: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    names = [list(COLOURS)[place] for place in random.integers(3, size=count)]
    return [
        {
            "key": f"row {place}",
            "words": f"a {name} thing",
            "thing": (np.array(COLOURS[name]) + random.normal(0, 0.1, 3)).tolist(),
        }
        for place, name in enumerate(names)
    ]


@pytest.fixture(scope="module")
def learner() -> se.Learner:
    return se.Learner(
        inputs={"words": {"name": "text", "encoder": {"name": "bag", "dim": 8}}, "thing": "vector"},
        task={"name": "retrieve", "query": "words"},
        fusion="sum",
        width=8,
        train={"epochs": 30, "lr": 1e-2, "patience": 0},
        verdict="off",
        data={"valid_share": 0, "test_share": 0, "id": "key"},
    ).fit(rows(150, 1))


def test_labels_by_their_texts(learner: se.Learner) -> None:
    given = rows(60, 3)
    truth = [row["words"].split()[1] for row in given]
    records = zero_shot(learner, [{"thing": row["thing"]} for row in given], list(COLOURS), prompt="a {} thing")
    assert np.mean([record["prediction"] == label for record, label in zip(records, truth, strict=True)]) > 0.9
    assert set(records[0]) == {"prediction", "score:red", "score:green", "score:blue"}
    several = zero_shot(learner, given, list(COLOURS), prompt=["a {} thing", "{}"], by="words")
    assert np.mean([record["prediction"] == label for record, label in zip(several, truth, strict=True)]) > 0.9
    lacking = zero_shot(learner, [{"thing": None}, given[0]], ["red", "blue"], prompt="a {} thing")
    assert lacking[0] == {"key": None, "prediction": None, "score:red": None, "score:blue": None}
    assert lacking[1]["key"] == "row 0"


def test_from_the_command_line(learner: se.Learner, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = learner.save(tmp_path / "run")
    given = rows(40, 3)
    table = tmp_path / "things.jsonl"
    table.write_text("".join(json.dumps({"key": row["key"], "thing": row["thing"]}) + "\n" for row in given))
    asked = ["predict", str(run), str(table), "--labels", "red, green,blue", "--prompt", "a {} thing", "--prompt", "{}"]
    assert main([*asked, "-o", str(tmp_path / "found.csv")]) == 0
    with (tmp_path / "found.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    expected = zero_shot(learner, given, list(COLOURS), prompt=["a {} thing", "{}"])
    assert [(row["key"], row["prediction"]) for row in found] == [(row["key"], row["prediction"]) for row in expected]
    assert len({row["prediction"] for row in found}) == 3
    assert list(found[0]) == ["key", "prediction", "score:red", "score:green", "score:blue"]
    capsys.readouterr()
    assert main(["predict", str(run), str(table), "--prompt", "a {}"]) == 2
    assert "name them: --labels a,b,c" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (["red"], {}, "two or more different labels, not 'red'"),
        (["red", "blue"], {"prompt": "a thing"}, "write {} where the label stands"),
        (["red", "blue"], {"by": "word"}, "did you mean 'words'"),
    ],
)
def test_what_cannot_be(learner: se.Learner, labels: list[str], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        zero_shot(learner, rows(2, 0), labels, **options)


def test_it_needs_two_sides() -> None:
    given = [{"words": f"number {place}", "label": place % 2} for place in range(40)]
    made = se.Learner(inputs={"words": "text"}, task={"target": "label"}, width=8, train={"epochs": 1}, verdict="off")
    with pytest.raises(ConfigError, match="must compare two sides"):
        zero_shot(made.fit(given), given, ["a", "b"])
