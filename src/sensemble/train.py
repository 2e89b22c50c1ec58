"""The one training loop: a generator of progress records.

Whoever consumes it decides what becomes of the records: the command line draws a bar, `fit` writes them down,
the verdict stops early when its time is up. A step's randomness is a function of the seed and the step alone,
so a run that was killed and resumed ends, on a CPU, with the same weights bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from .balance import Balance
from .checkpoint import Place, learned, load_weights, set_learned
from .data.rows import Samples
from .errors import ConfigError
from .files import recover
from .network import Network
from .objectives.base import Objective
from .optimise import autocast, hide_rate, make_optimizer, pick_device, planned_steps, set_rates
from .tasks.base import Task
from .tokens import Batch
from .train_config import TrainConfig
from .validate import improves, validate

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
        stage: its name, in a training of several. Step, rows and seconds count on through all, epochs in each anew.
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
    stage: str = ""

    def record(self) -> dict[str, Any]:
        """A line of `history.jsonl`; `stage` stands in it where there are several."""
        return {key: value for key, value in asdict(self).items() if key != "stage" or value}


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
    task: Task | Objective,
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
        task: fitted; gives the loss and the validation metrics. Or a self-supervised objective.
        samples: training rows, all labelled.
        valid: rows for early stopping; `None` trains to the end and keeps the last weights.
        config: epochs, batch size, learning rate and so on.
        seed: of the order of rows, hidden inputs and dropout.
        place: where `best/` and `last/` are written; `None` keeps the best weights in memory.
        resume: go on from `last/` if it is there.

    Yields:
        A record after every step; the last one of an epoch carries the validation metrics.
    """
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
    steps = planned_steps(len(samples), config)
    balance = Balance(network, task, config)
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
                    batch = hide(next(stream).to(device), hide_rate(config, state.step, steps), sides)
                    with autocast(config, device):
                        loss = balance.loss(batch)
                    torch.autograd.backward(loss / len(group))
                    state.total += loss.detach().item() * len(rows)
                    state.seen += len(rows)
                balance.modulate()
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
                scores = validate(network, task, valid, batch=config.batch)
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


def _strata(task: Task | Objective, samples: Samples) -> NDArray[np.int64]:
    """The kind of each training row."""
    found = None if isinstance(task, Objective) or samples.target is None else task.strata(samples.target)
    if found is None:
        raise ConfigError("train.sampler: `balanced` is for tasks with classes; leave it out")
    return found


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
