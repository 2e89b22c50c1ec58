"""Language models: no input at all, perplexity beside the n-gram's, from the command line to a saved run."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sensemble as se
from sensemble import build
from sensemble import config as configs
from sensemble.cli import main
from sensemble.data.read import read
from sensemble.decoders.base import END
from sensemble.errors import ConfigError
from sensemble.fusion.base import NoFusion
from sensemble.tasks.generate import Generate
from sensemble.tasks.writing import Answer
from sensemble.tokens import NOTHING, Tokens

SMALL = ["task.name=generate", "task.length=16", "task.vocab=300", "task.decoder.depth=1", "width=16", "train.epochs=4",
         "train.lr=1e-2", "train.batch=16", "verdict=off"]  # fmt: skip


def lines(count: int, seed: int = 0) -> list[str]:
    """A toy language: the second word follows from the first, the third from the first as well."""
    random = np.random.default_rng(seed)
    rows = []
    for number in random.integers(0, 4, count):
        middle = random.choice(["猫", "dog"])
        rows.append(f"{'abcd'[number]} {middle} {'wxyz'[number]}")
    return rows


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lines") / "lines.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "key"])
        writer.writerows([text, f"row {row}"] for row, text in enumerate(lines(240)))
    return path


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained through the command line with `inputs={}`."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    test = f"data.test={table}"
    assert main(["fit", str(table), "--target", "text", "inputs={}", test, *SMALL, "--run", str(folder)]) == 0
    return folder


def test_a_run_without_inputs(run: Path, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["metric"] == "perplexity" and not metrics["higher"]
    found = metrics["test"]["perplexity"]
    assert metrics["subsets"] == {}
    assert 1 < found["value"] < 2.5 and found["low"] <= found["value"] <= found["high"]
    assert 1 < metrics["test"]["byte_perplexity"]["value"] < found["value"]
    assert 1 < found["trivial"] < 3  # the n-gram's
    assert (run / "report.html").stat().st_size > 0
    assert configs.read(run / "config.yaml").inputs == {}
    assert main(["evaluate", str(run), str(table)]) == 0
    again = [line.split() for line in capsys.readouterr().out.splitlines() if " perplexity" in line]
    assert float(again[0][1]) == pytest.approx(found["value"], abs=1e-3) and again[0][-1] == "-"
    assert main(["predict", str(run), str(table)]) == 0
    texts = {json.loads(line)["prediction"] for line in capsys.readouterr().out.splitlines()}
    assert len(texts) == 1 and texts <= set(lines(240))  # what the language alone suggests


def test_a_killed_run_without_inputs_goes_on(table: Path, tmp_path: Path) -> None:
    settings = {"inputs": {}, "task": {"name": "generate", "target": "text", "vocab": 300, "length": 16}, "width": 16}

    def fitted(stop: int | None) -> dict[str, torch.Tensor]:
        learner = se.Learner(**settings, train={"epochs": 2, "checkpoint": 0.0}, verdict="off", seed=3)  # type: ignore[arg-type]
        folder = tmp_path / f"{stop}"
        if stop:
            steps = learner.steps(str(table), run=folder)
            for event in steps:
                if event.progress and event.progress.step == stop:
                    break
            steps.close()  # type: ignore[attr-defined]
            learner = se.Learner.from_config(configs.read(folder / "config.yaml"))
        learner.fit(run=folder, train=str(table), resume=bool(stop))
        return dict(learner._model()[1].state_dict())

    whole, killed = fitted(None), fitted(3)
    assert all(torch.equal(tensor, killed[name]) for name, tensor in whole.items())


def test_perplexity_is_computed_as_it_is_defined() -> None:
    rows = lines(60)
    learner = se.Learner(
        inputs={"hint": {"name": "text", "vocab": 300}},
        task={"name": "generate", "target": "text", "vocab": 300, "length": 8, "decoder": {"depth": 1}},
        width=16, train={"epochs": 1}, verdict="off",
    )  # fmt: skip
    data = [{"hint": text[0], "text": [text, "another"] if text[0] == "a" else text} for text in rows]
    learner.fit(data, valid=data[:20], test=data[:20])
    task, network = learner._model()
    assert isinstance(task, Generate)
    decoder: Any = network.head
    total, tokens, size = 0.0, 0, 0
    for row in data[:20]:
        text = row["text"][0] if isinstance(row["text"], list) else row["text"]
        [ids] = task.references.encode([text])
        wanted = [*ids, END][:8]
        hint = learner._inputs[0].modality
        fused = network({"hint": hint.collate([hint.load(row["hint"])])})
        before: list[int] = []
        for each in wanted:  # one token at a time, alone
            given = Tokens(fused.values, fused.mask)
            scores = decoder.scores(decoder(given, torch.tensor([[decoder.begin, *before]]))[:, -1])
            total += float(scores.log_softmax(-1)[0, each].detach())
            before.append(each)
        tokens += len(wanted)
        size += len(task.references.decode(before[:-1] if before[-1] == END else before).encode())
    found = learner.metrics_["test"]
    assert found["perplexity"]["value"] == pytest.approx(math.exp(-total / tokens), rel=1e-4)
    assert found["byte_perplexity"]["value"] == pytest.approx(math.exp(-total / size), rel=1e-4)


def test_what_no_model_was_asked_is_the_baselines() -> None:
    table = read([{"text": text} for text in lines(80)])
    task = Generate(target="text", vocab=300, length=16, metric="byte_perplexity").fit(table)
    target = task.collate(table)
    assert target is not None
    ones = np.ones((1, 80))
    trivial = task.metrics(task.trivial(80), target)["perplexity"].statistic(ones)[0]
    certain = task.metrics([Answer("", 0.0, 0.0)] * 80, target)["perplexity"].statistic(ones)[0]
    assert 1 < trivial < 3 and certain == 1
    loaded = Generate(target="text", vocab=300, length=16).restore(json.loads(json.dumps(task.state())))
    assert np.isnan(loaded.metrics(loaded.trivial(80), target)["perplexity"].statistic(ones)[0])
    assert task.metric == "byte_perplexity" and task.without_inputs().metric == "byte_perplexity"
    with pytest.raises(ConfigError, match="did you mean 'perplexity'"):
        Generate(target="text", metric="perplexty")


def test_other_tasks_need_an_input(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for task in ("classify", "choose", "regress"):
        options = ["task.candidates=text"] if task == "choose" else []
        assert main(["fit", str(table), "--target", "text", f"task.name={task}", "inputs={}", *options]) == 2
        assert "inputs: this task needs at least one" in capsys.readouterr().err


def test_inputs_that_are_not_named_are_inferred() -> None:
    assert configs.from_dict({}).inputs is None and configs.from_dict({"inputs": None}).inputs is None
    assert configs.from_dict({"inputs": {"a": None}}).inputs is None  # one is left out, the others are inferred
    assert configs.from_dict({"inputs": {}}).inputs == {}


def test_the_network_without_inputs_gives_one_masked_token_a_row() -> None:
    config = configs.from_dict({"inputs": {}, "task": {"name": "generate", "target": "text", "vocab": 300}})
    task = build.make_task(config).fit(read([{"text": text} for text in lines(40)]))
    network = build.make_network(config, [], task)
    assert isinstance(network.fusion, NoFusion)
    fused = network({NOTHING: Tokens.stack([None] * 3, shape=())})
    assert fused.values.shape == (3, 1, 64) and not fused.mask.any()
