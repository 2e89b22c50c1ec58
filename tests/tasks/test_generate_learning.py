"""Generation learns: a toy language from few rows, answers to questions about pictures through the whole job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import sensemble as se
from sensemble import build, evaluate
from sensemble import config as configs
from sensemble.data.load import load
from sensemble.data.table import Table
from sensemble.decoders.base import DECODERS
from sensemble.metrics.base import difference, resample
from sensemble.prepare import make_samples
from sensemble.tasks.generate import Generate
from sensemble.tokens import Tokens
from sensemble.train import train

WORDS = "零一二三四五"


def exact(task: Generate, answers: Any, target: Tokens) -> float:
    return float(task.metrics(answers, target)["exact_match"].statistic(np.ones((1, len(target))))[0])


def language(rows: int, seed: int) -> Table:
    random = np.random.default_rng(seed)
    numbers = [random.integers(0, len(WORDS), random.integers(1, 5)) for _ in range(rows)]
    columns = {
        "digits": [" ".join(map(str, each)) for each in numbers],
        "words": ["".join(WORDS[place] for place in each) for each in numbers],
    }
    return Table(pd.DataFrame(columns))


def learn(decoder: str, epochs: int = 14) -> tuple[Any, Generate, Any, Any]:
    config = configs.from_dict(
        {
            "inputs": {
                "digits": {"name": "text", "encoder": {"name": "transformer", "dim": 32, "depth": 1, "dropout": 0.0}}
            },
            "fusion": {"name": "transformer", "depth": 1, "heads": 2, "dropout": 0.0},
            "width": 32,
            "task": {
                "name": "generate", "target": "words", "vocab": 270, "length": 12, "metric": "exact_match",
                "decoder": {"name": decoder, "dropout": 0.0}, "valid_rows": 40,
            },
            "train": {"epochs": epochs, "batch": 32, "lr": 6e-3, "patience": 0, "device": "cpu"},
        }
    )  # fmt: skip
    table = language(900, 0)
    inputs = build.make_inputs(config, table.columns)
    build.fit_inputs(inputs, table, seed=0)
    task = build.make_task(config).fit(table)
    assert isinstance(task, Generate)
    samples, test = (
        make_samples(rows, load(rows, inputs)[0], inputs, task, config)[0] for rows in (table, language(200, 1))
    )
    network = build.make_network(config, inputs, task)
    for _ in train(network, task, samples, test, config.train):
        pass
    return network, task, samples, test


@pytest.mark.parametrize("decoder", list(DECODERS))
def test_a_toy_language_is_learned(decoder: str) -> None:
    network, task, _, test = learn(decoder)
    answers = evaluate.answers(network, task, test)
    assert exact(task, answers, test.target) >= 0.9
    assert exact(task, task.trivial(len(test)), test.target) < 0.1
    model, ngrams = (task.metrics(each, test.target)["perplexity"] for each in (answers, task.trivial(len(test))))
    gain = difference(model, ngrams, len(test), resample(len(test)))
    assert gain.low > 0.5
    empty = Tokens(torch.zeros(1, 1, 32), torch.zeros(1, 1, dtype=torch.bool))
    text = task.answer(network, empty)[0].text
    assert text and set(text) <= set(WORDS)


def shapes_learner(**settings: Any) -> se.Learner:
    return se.Learner(
        inputs={"image": {"name": "image", "size": 16}, "question": "text", "price": "number"},
        task={"name": "generate", "target": "answer", "length": 6, "search": {"beam": 2}, "decoder": {"depth": 1}},
        fusion={"name": "transformer", "depth": 1},
        width=16,
        train={"epochs": 2, "batch": 32, "lr": 5e-3, "patience": 0, **settings.pop("train", {})},
        data={"cache": False, "max_unreadable": 0.05},
        **settings,
    )


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return se.generate.shapes(tmp_path_factory.mktemp("shapes") / "data", rows=240, seed=0)


def test_the_whole_job(shapes: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    learner = shapes_learner(verdict="auto", train={"epochs": 6}).fit(
        shapes / "train.csv", test=shapes / "test.csv", run=run
    )
    assert learner.metrics_["metric"] == "exact_match"
    score = learner.metrics_["test"]["exact_match"]
    assert score["low"] > score["trivial"] and score["rows"] == 48
    assert len(learner.metrics_["subsets"]) == 7
    verdict = learner.verdict_
    assert verdict is not None and set(verdict["singles"]) == {"image", "question", "price"}
    assert verdict["stacking"] is not None and verdict["metric"] == "exact_match"
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Worst mistakes" in page and "Generate" in page

    found = learner.predict(shapes / "test.csv")
    assert set(found[0]) == {"prediction", "score"} and all(np.isfinite(each["score"]) for each in found)
    again = se.Learner.load(run)
    assert again.predict(shapes / "test.csv") == found
    assert again.evaluate(shapes / "test.csv")["test"]["exact_match"]["value"] == score["value"]
    rows = [{"image": None, "question": None, "price": None}, {"image": None, "question": "What colour is it?"}]
    prior, asked = again.predict(rows)
    assert prior["prediction"] and np.isfinite(prior["score"]) and asked["prediction"]
    assert again.predict(rows[:1])[0]["prediction"] == prior["prediction"]


def test_a_killed_run_resumes_to_the_same_answers(shapes: Path, tmp_path: Path) -> None:
    whole = shapes_learner(verdict="off").fit(shapes / "train.csv", test=shapes / "test.csv")
    steps = shapes_learner(verdict="off").steps(shapes / "train.csv", test=shapes / "test.csv", run=tmp_path / "run")
    next(event for event in steps if event.progress and event.progress.valid)
    steps.close()  # type: ignore[attr-defined]
    resumed = se.Learner.load(tmp_path / "run").fit(run=tmp_path / "run", resume=True)
    assert resumed.predict(shapes / "test.csv") == whole.predict(shapes / "test.csv")
