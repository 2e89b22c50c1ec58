"""The one training loop: a generator of progress records.

Whoever consumes it decides what becomes of the records: the command line draws a bar, `fit` writes them down,
the verdict stops early when its time is up. A step's randomness is a function of the seed and the step alone,
so a run that was killed and resumed ends, on a CPU, with the same weights bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from . import evaluate
from .checkpoint import Place, learned, load_weights, set_learned
from .config import TrainConfig
from .data.load import Samples
from .encoders.base import Pace
from .errors import ConfigError
from .files import recover
from .network import Network
from .tasks.base import Task
from .tokens import Batch

IMPUTED_FROM = 5_000
"""Most training rows that guesses for absent inputs are fitted on."""


@dataclass(frozen=True)
class Progress:
    """Where a training stands.

    Args:
        epoch: counted from 1.
        step: optimiser steps taken.
        steps: optimiser steps planned in all.
        rows: rows seen, over all epochs.
        loss: mean training loss since the epoch began.
        valid: validation metrics, at the end of an epoch.
        seconds: spent training and validating, over all sittings.
        rows_per_second: in this sitting.
        best: whether this epoch is the best so far.
    """

    epoch: int
    step: int
    steps: int
    rows: int
    loss: float
    valid: dict[str, float] | None
    seconds: float
    rows_per_second: float
    best: bool = False

    def record(self) -> dict[str, Any]:
        """A line of `history.jsonl`."""
        return asdict(self)


@dataclass
class _State:
    """What a checkpoint remembers beside weights and optimiser."""

    epoch: int = 0
    batch: int = 0
    """Batches done in this epoch."""
    step: int = 0
    rows: int = 0
    total: float = 0.0
    """Sum of the losses of this epoch's rows."""
    seen: int = 0
    """Rows of this epoch."""
    best: float | None = None
    waited: int = 0
    """Epochs since the best one."""
    seconds: float = 0.0
    finished: bool = False


def train(
    network: Network,
    task: Task,
    samples: Samples,
    valid: Samples | None,
    config: TrainConfig,
    *,
    seed: int = 0,
    place: Place | None = None,
    resume: bool = False,
) -> Iterator[Progress]:
    """Trains a network in place; at the end it holds the weights of the best validated epoch.

    Args:
        network: with its head, already initialised.
        task: fitted; gives the loss and the validation metrics.
        samples: training rows, all labelled.
        valid: rows for early stopping; `None` trains to the end and keeps the last weights.
        config: epochs, batch size, learning rate and so on.
        seed: of the order of rows, hidden inputs and dropout.
        place: where `best/` and `last/` are written; `None` keeps the best weights in memory.
        resume: go on from `last/` if it is there.

    Yields:
        A record after every step; the last one of an epoch carries the validation metrics.
    """
    if task.tunes and valid is None:
        raise ConfigError(
            "task: thresholds are chosen on validation rows, and there are none; give data.valid or data.valid_share"
        )
    strata = _strata(task, samples) if config.sampler == "balanced" else None
    if valid is not None and 0 < task.valid_rows < len(valid):
        valid = valid.take(np.linspace(0, len(valid) - 1, task.valid_rows).astype(np.int64))
    if network.imputers:
        spread = np.linspace(0, len(samples) - 1, min(len(samples), IMPUTED_FROM)).astype(np.int64)
        network.fit_imputers(samples.batch(torch.from_numpy(spread)).inputs)
    device = pick_device(config.device)
    network.to(device)
    optimizer = make_optimizer(network, config)
    sides = list(task.sides(list(samples.stores)).values())
    state, kept = _State(), None
    saved = place.load_last(network, optimizer) if place and resume else None
    if saved is not None:
        state = _State(**saved)
    elif place:
        place.clear()
    per_epoch = math.ceil(math.ceil(len(samples) / config.batch) / config.accumulate)
    steps = per_epoch * config.epochs
    before, rows_before = time.monotonic() - state.seconds, state.rows
    sitting = saved_at = time.monotonic()
    rate = 0.0

    try:
        while state.epoch < config.epochs and not state.finished:
            together = config.together if config.together in samples.stores else None
            batches = samples.shuffled(config.batch, seed=seed, epoch=state.epoch, together=together, strata=strata)
            stream = samples.stream(batches[state.batch :], pin=device.type == "cuda")
            network.train()
            while state.batch < len(batches):
                group = batches[state.batch : state.batch + config.accumulate]
                torch.manual_seed(seed * 1_000_003 + state.step)
                set_rates(optimizer, state.step, steps, config.warmup)
                for rows in group:
                    batch = hide(next(stream).to(device), config.hide, sides)
                    with autocast(config, device):
                        loss = task.loss(network, batch)
                    torch.autograd.backward(loss / len(group))
                    state.total += loss.detach().item() * len(rows)
                    state.seen += len(rows)
                nn.utils.clip_grad_norm_(network.parameters(), config.clip)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                state.rows += sum(len(rows) for rows in group)
                state.batch += len(group)
                state.step += 1
                state.seconds = time.monotonic() - before
                rate = (state.rows - rows_before) / max(time.monotonic() - sitting, 1e-9)
                if state.batch < len(batches):
                    # The record first, the checkpoint after it: a kill in between repeats the step, and loses nothing.
                    yield _progress(state, steps, rate)
                    if place and time.monotonic() - saved_at > config.checkpoint:
                        place.save_last(network, optimizer, asdict(state))
                        saved_at = time.monotonic()

            scores, better = None, True
            if valid is not None:
                found = evaluate.answers(network, task.quick(), valid, batch=config.batch)
                assert valid.target is not None
                scores = evaluate.values(task.tuned(found, valid.target), found, valid)
                better = improves(task, scores, valid, state.best)
            if better:
                state.best = scores[task.metric] if scores else None
                state.waited = 0
                if place:
                    place.save("best", network)
                else:
                    kept = {name: tensor.clone() for name, tensor in learned(network).items()}
            else:
                state.waited += 1
            state.seconds = time.monotonic() - before
            yield _progress(state, steps, rate, scores, better)
            state.finished = bool(config.patience) and state.waited >= config.patience
            state.epoch, state.batch, state.total, state.seen = state.epoch + 1, 0, 0.0, 0
            state.finished = state.finished or state.epoch == config.epochs
            if place:
                place.save_last(network, optimizer, asdict(state))
                saved_at = time.monotonic()
    finally:
        # Also when the consumer stops early or Ctrl-C arrives: the best weights so far are the result.
        network.eval()
        set_rates(optimizer, steps, steps, config.warmup)
        if kept is not None:
            set_learned(network, kept)
        elif place and recover(place.folder / "best"):
            load_weights(network, place.folder / "best")
        elif place and not recover(place.folder / "last"):
            place.save("last", network)


def hide(batch: Batch, rate: float, sides: Sequence[Sequence[str]] | None = None) -> Batch:
    """Makes present inputs missing at random, each with chance `rate`, but never all of a row's.

    So the model learns to answer from any subset of its inputs (modality dropout, Neverova et al. 2016).

    Args:
        batch: the rows.
        rate: chance.
        sides: inputs of which a row keeps one at least; all the batch's where none are named.
    """
    inputs = dict(batch.inputs)
    for names in sides or [list(inputs)]:
        if rate <= 0 or len(names) < 2:
            continue
        present = torch.stack([inputs[name].present for name in names], 1)  # (B, N)
        draw = torch.rand(present.shape).to(present.device)
        hidden = present & (draw < rate)
        emptied = ~(present & ~hidden).any(1)
        keep = draw.masked_fill(~present, -1).argmax(1)  # one present input at random
        hidden[emptied, keep[emptied]] = False
        inputs |= {name: inputs[name].hide(hidden[:, index]) for index, name in enumerate(names)}
    return Batch(inputs, batch.target, batch.weight)


def schedule(step: int, steps: int, warmup: float) -> float:
    """The learning rate's factor: a linear rise, then half a cosine down to zero."""
    rise = max(1, round(steps * warmup))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def set_rates(optimizer: torch.optim.Optimizer, step: int, steps: int, warmup: float) -> None:
    """The learning rate of each group at a step; a group whose time has not come needs no gradients either."""
    for group in optimizer.param_groups:
        begun = step >= group["start"] * steps
        group["lr"] = group["peak"] * schedule(step, steps, warmup) if begun else 0.0
        if group["start"] > 0:
            for parameter in group["params"]:
                parameter.requires_grad_(begun)


def make_optimizer(network: Network, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW; weight decay for matrices only, not for biases, norms and single vectors. A group for each pace."""
    paces = network.paces()
    groups: dict[tuple[bool, Pace], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((parameter.dim() < 2, paces.get(name, Pace())), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": groups[key],
                "weight_decay": 0.0 if key[0] else config.weight_decay,
                "peak": config.lr * key[1].rate,
                "start": key[1].start,
            }
            for key in sorted(groups, key=lambda key: (key[0], key[1].start, -key[1].rate))
        ],
        lr=config.lr,
        fused=True,
    )


def improves(task: Task, scores: dict[str, float], valid: Samples, best: float | None) -> bool:
    """Whether the task's metric is better than the best so far; an undefined score never is."""
    score = scores[task.metric]
    if math.isnan(score):
        return best is None
    if best is None or math.isnan(best):
        return True
    assert valid.target is not None
    higher = task.metrics(task.trivial(len(valid)), valid.target)[task.metric].higher
    return score > best if higher else score < best


def _strata(task: Task, samples: Samples) -> NDArray[np.int64]:
    """The kind of each training row."""
    assert samples.target is not None
    found = task.strata(samples.target)
    if found is None:
        raise ConfigError("train.sampler: `balanced` is for tasks with classes; leave it out")
    return found


def pick_device(name: str) -> torch.device:
    """The device of that name; `auto` takes a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def autocast(config: TrainConfig, device: torch.device) -> torch.autocast:
    """bfloat16 where asked for, or by itself on a GPU."""
    wanted = config.precision == "bfloat16" or (config.precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)


def _progress(
    state: _State, steps: int, rate: float, valid: dict[str, float] | None = None, best: bool = False
) -> Progress:
    return Progress(
        epoch=state.epoch + 1,
        step=state.step,
        steps=steps,
        rows=state.rows,
        loss=state.total / max(state.seen, 1),
        valid=valid,
        seconds=round(state.seconds, 3),
        rows_per_second=round(rate, 1),
        best=best,
    )


def parameters(network: nn.Module) -> int:
    """How many numbers the network learns."""
    return sum(int(parameter.numel()) for parameter in network.parameters() if parameter.requires_grad)
