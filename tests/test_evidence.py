"""What a run tells on the terminal: each epoch once, at its end, with what validated it if anything did."""

from __future__ import annotations

from typing import Any

import pytest

import sensemble as se
from sensemble import config as configs
from sensemble.evidence import epoch_line
from sensemble.train import Progress

CONFIG = configs.from_dict({"train": {"epochs": 3}, "stages": [{"name": "see", "epochs": 2}, {"name": "talk"}]})


@pytest.mark.parametrize(
    ("valid", "best", "line"),
    [
        (None, False, ""),
        (None, True, "see: epoch 2/2  loss 0.5000  1,234 rows/s  9 s"),
        ({"f1": 0.25}, False, "see: epoch 2/2  loss 0.5000  valid f1 0.2500  1,234 rows/s  9 s"),
        ({"f1": 0.25}, True, "see: epoch 2/2  loss 0.5000  valid f1 0.2500 *  1,234 rows/s  9 s"),
        ({"loss": 0.25}, True, "see: epoch 2/2  loss 0.5000  valid loss 0.2500 *  1,234 rows/s  9 s"),
    ],
)
def test_an_epoch_is_one_line(valid: dict[str, float] | None, best: bool, line: str) -> None:
    progress = Progress(2, 20, 50, 200, 0.5, valid, 9.2, 1234.5, best, "see")
    assert epoch_line(progress, CONFIG, "f1") == line


def test_stages_that_nothing_validates_are_told_all_the_same() -> None:
    rows: list[dict[str, Any]] = [
        {"text": f"word{row % 2} other", "label": "ab"[row % 2], "part": ("easy", "hard")[row % 4 // 2]}
        for row in range(40)
    ]
    said: list[str] = []
    stages = [{"name": "first", "rows": {"part": "easy"}, "epochs": 2}, {"name": "all", "epochs": 1}]
    learner = se.Learner({"text": "text"}, {"name": "classify", "target": "label"}, stages=stages, verdict="off")
    learner.fit(rows, [row for row in rows if row["part"] == "hard"], say=said.append)
    epochs = [line.split("  ")[0] for line in said if "epoch" in line]
    assert epochs == ["first: epoch 1/2", "first: epoch 2/2", "all: epoch 1/1"]
    assert ["valid" in line for line in said if "epoch" in line] == [False, False, True]
