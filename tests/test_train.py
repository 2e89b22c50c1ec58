"""The training loop: it learns, stops, hides, saves, and resumes bit for bit after a kill."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from sensemble.checkpoint import Place, find
from sensemble.errors import DataError
from sensemble.optimise import schedule
from sensemble.tokens import Batch, Tokens
from sensemble.train import hide, train
from sensemble.train_config import TrainConfig

CONFIG = TrainConfig(epochs=3, batch=8, lr=3e-3, patience=0, hide=0.3, device="cpu", checkpoint=1e9)


def weights(network: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_the_loss_falls_and_the_scores_rise(built: Callable[..., Any]) -> None:
    network, task, samples, _ = built("concat")
    records = list(train(network, task, samples, samples, replace(CONFIG, epochs=25, hide=0.0)))
    epochs = [record for record in records if record.valid]
    assert len(epochs) == 25 and records[-1].step == records[-1].steps == 75
    assert epochs[-1].loss < 0.5 * epochs[0].loss
    assert max(record.valid["accuracy"] for record in epochs if record.valid) > 0.9


def test_the_same_seed_gives_the_same_weights_and_another_does_not(built: Callable[..., Any]) -> None:
    results = []
    for seed in (1, 1, 2):
        network, task, samples, _ = built("gate")
        list(train(network, task, samples, samples, CONFIG, seed=seed))
        results.append(weights(network))
    assert equal(results[0], results[1]) and not equal(results[0], results[2])


def test_the_best_epoch_is_kept(built: Callable[..., Any], tmp_path: Path) -> None:
    network, task, samples, _ = built("gate")
    config = replace(CONFIG, lr=0.3, epochs=6)  # so high that it gets worse
    best: dict[str, torch.Tensor] = {}
    for record in train(network, task, samples, samples, config, place=Place(tmp_path, {})):
        if record.valid and record.best:
            best = weights(network)
    assert equal(weights(network), best)


def test_patience_stops(built: Callable[..., Any]) -> None:
    network, task, samples, _ = built("gate")
    records = list(train(network, task, samples, samples, replace(CONFIG, lr=0.0, epochs=20, patience=2)))
    assert [record.epoch for record in records if record.valid] == [1, 2, 3]


def test_without_validation_rows_it_trains_to_the_end(built: Callable[..., Any]) -> None:
    network, task, samples, _ = built("gate")
    before = weights(network)
    records = list(train(network, task, samples, None, CONFIG))
    assert records[-1].epoch == 3 and not equal(before, weights(network))


def test_accumulation_equals_a_larger_batch(built: Callable[..., Any]) -> None:
    results = []
    for batch, accumulate in ((12, 1), (6, 2)):
        network, task, samples, _ = built("concat", None, 24)
        for module in network.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        for encoder in network.encoders.values():
            for name in ("drop",):
                if hasattr(encoder, name):
                    setattr(encoder, name, 0.0)
        ordered = replace(samples)
        object.__setattr__(ordered, "shuffled", lambda size, **_: list(torch.arange(24).split(size)))
        config = replace(CONFIG, epochs=1, batch=batch, accumulate=accumulate, hide=0.0, lr=1e-3)
        list(train(network, task, ordered, None, config))
        results.append(weights(network))
    for name, value in results[0].items():
        assert torch.allclose(value, results[1][name], atol=2e-5), name


def test_hide_never_hides_all_and_hides_at_its_rate() -> None:
    torch.manual_seed(0)
    mask = torch.rand(4000, 3) < 0.7
    inputs = {str(i): Tokens(torch.ones(4000, 1), mask[:, i : i + 1]) for i in range(3)}
    result = hide(Batch(inputs), 0.4)
    after = torch.stack([tokens.present for tokens in result.inputs.values()], 1)
    assert bool((after <= mask).all())  # nothing appears
    assert torch.equal(after.any(1), mask.any(1))  # no row loses everything
    full = mask.all(1)
    share = 1 - after[full].float().mean().item()
    assert share == pytest.approx(0.4 - 0.4**3 / 3, abs=0.02)
    single = mask.sum(1) == 1
    assert torch.equal(after[single], mask[single])
    assert hide(Batch(inputs), 0.0).inputs["0"] is inputs["0"]


def test_schedule_rises_then_falls() -> None:
    factors = [schedule(step, 100, 0.1) for step in range(100)]
    assert factors[9] == 1.0 == max(factors) and factors[0] == pytest.approx(0.1)
    assert all(a > b for a, b in pairwise(factors[10:])) and factors[-1] < 0.01


def test_stopping_early_leaves_a_loadable_run(built: Callable[..., Any], tmp_path: Path) -> None:
    network, task, samples, _ = built("gate")
    steps = train(network, task, samples, samples, CONFIG, place=Place(tmp_path, {"note.txt": "x"}))
    next(steps)
    with pytest.raises(KeyboardInterrupt):
        steps.throw(KeyboardInterrupt())  # type: ignore[attr-defined]
    assert find(tmp_path) == tmp_path / "last" and (tmp_path / "last" / "note.txt").read_text() == "x"


def test_resuming_from_any_checkpoint_gives_the_same_weights(built: Callable[..., Any], tmp_path: Path) -> None:
    network, task, samples, _ = built("gate")
    list(train(network, task, samples, samples, CONFIG, place=Place(tmp_path / "whole", {})))
    reference = weights(network)
    for stop in (1, 2, 4, 6, 8):
        place = Place(tmp_path / str(stop), {})
        network, task, samples, _ = built("gate")
        steps = train(network, task, samples, samples, replace(CONFIG, checkpoint=0.0), place=place)
        for _ in range(stop):
            next(steps)
        steps.close()  # type: ignore[attr-defined]
        network, task, samples, _ = built("gate")
        list(train(network, task, samples, samples, CONFIG, place=place, resume=True))
        assert equal(weights(network), reference), f"stopped after {stop} steps"


def test_damaged_weights_are_one_clear_error(built: Callable[..., Any], tmp_path: Path) -> None:
    network, task, samples, _ = built("gate")
    list(train(network, task, samples, samples, replace(CONFIG, epochs=1), place=Place(tmp_path, {})))
    path = tmp_path / "best" / "network.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    from sensemble.checkpoint import load_weights

    with pytest.raises(DataError, match=r"cannot load .*network\.safetensors"):
        load_weights(network, tmp_path / "best")


SCRIPT = """
import sys
import torch
torch.set_num_threads(1)
import sensemble as se
table = se.generate.xor(400, seed=0)
learner = se.Learner(task={"name": "classify", "target": "label"}, width=16, verdict="off",
                     train={"epochs": 6, "batch": 16, "checkpoint": 0.01, "patience": 0, "lr": 3e-3})
for event in learner.steps(table, run=sys.argv[1], resume=len(sys.argv) > 2):
    if event.progress:
        print(event.progress.step, flush=True)
"""


def run(folder: Path, *, kill_at: int | None = None, resume: bool = False) -> None:
    """Runs the script; kills it as soon as it reports the given step."""
    arguments = [sys.executable, "-c", SCRIPT, str(folder), *(["resume"] if resume else [])]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert process.stdout is not None
    for line in process.stdout:
        if kill_at is not None and int(line) >= kill_at:
            time.sleep(random.random() * 0.01)  # anywhere within a step, or within writing a checkpoint
            process.send_signal(signal.SIGKILL)
            break
    process.stdout.close()
    code = process.wait()
    assert code == (0 if kill_at is None else -signal.SIGKILL)


def test_kill_and_resume_gives_the_same_bits(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    run(tmp_path / "whole")
    reference = load_file(tmp_path / "whole" / "last" / "network.safetensors")
    random.seed(0)
    moments = sorted(random.sample(range(2, 100), 5))
    for count, moment in enumerate(moments):  # one run, killed five times
        run(tmp_path / "killed", kill_at=moment, resume=count > 0)
    run(tmp_path / "killed", resume=True)
    for name in ("last", "best"):
        found = load_file(tmp_path / "killed" / name / "network.safetensors")
        expected = reference if name == "last" else load_file(tmp_path / "whole" / "best" / "network.safetensors")
        assert equal(found, expected)
    lines = [json.loads(line) for line in (tmp_path / "killed" / "history.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines]
    assert steps == sorted(set(steps)) and [line["epoch"] for line in lines if line["valid"]] == [1, 2, 3, 4, 5, 6]
