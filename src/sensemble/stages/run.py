"""Runs the stages of a training one after another; of one stage, it is the training loop and nothing else.

Each stage is a training by itself, kept in a folder of its own. A killed run goes through the stages again: a finished
one only reads its weights, the one that was cut goes on from its checkpoint. So it ends with the same weights bit
for bit, as the training loop promises.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from ..checkpoint import Place
from ..config import Config
from ..data.rows import Samples
from ..errors import ConfigError, unknown
from ..files import recover, remove_folder
from ..fusion.base import Fusion
from ..network import Network
from ..objectives.base import OBJECTIVES, Objective
from ..optimise import planned_steps
from ..tasks.base import Task
from ..tasks.labels import label_text
from ..tokens import Tokens
from ..train import Progress, train
from .plan import Stage, plan
from .view import frozen, view

FOLDER = "stages"
"""Where a run keeps the weights of all stages but its last."""


def fit(
    network: Network,
    task: Task,
    samples: Samples,
    valid: Samples | None,
    config: Config,
    *,
    seed: int = 0,
    place: Place | None = None,
    resume: bool = False,
    unlabelled: Samples | None = None,
) -> Iterator[Progress]:
    """Trains a network in place by the config's stages.

    Args:
        network: initialised, for all of the config's inputs or some of them.
        task: fitted.
        samples: training rows, all labelled, with the network's inputs.
        valid: rows for early stopping.
        config: its `train` and `stages`.
        seed: of the order of rows, hidden inputs, dropout, and the stages' own heads.
        place: of the run's model; stages before the last are kept beside it.
        resume: go on where a killed run stopped.
        unlabelled: training rows, also those without a label, for stages that need none; `None` takes `samples`.

    Yields:
        A record after every step, as `train` does.

    Raises:
        ConfigError: stages that do not suit inputs or task, or no rows to choose thresholds on.
    """
    if task.tunes and valid is None:
        raise ConfigError(
            "task: thresholds are chosen on validation rows, and there are none; give data.valid or data.valid_share"
        )
    names = list(samples.stores)
    stages = plan(config.stages, config.train, list(config.specs), only=names)
    if len(stages) == 1 and stages[0] == Stage(settings=stages[0].settings, name=stages[0].name):
        yield from train(network, task, samples, valid, stages[0].settings, seed=seed, place=place, resume=resume)
        return
    places = [_place(place, number, len(stages)) for number in range(len(stages))]
    if not resume and place:
        remove_folder(place.folder / FOLDER)
    tasks = [task.toward(stage.target) if stage.target else task for stage in stages]
    wide = samples if unlabelled is None else unlabelled
    rows = [
        _learn(wide if s.task or s.target else samples, s, names, each) for s, each in zip(stages, tasks, strict=True)
    ]
    for part, stage in zip(rows, stages, strict=True):
        if not len(part):
            raise ConfigError(f"stages: no training row has what the stage {stage.name!r} learns from")
    planned = [planned_steps(len(part), stage.settings) for part, stage in zip(rows, stages, strict=True)]
    done = Progress(0, 0, sum(planned), 0, 0.0, None, 0.0, 0.0)
    try:
        for number, stage in enumerate(stages):
            last = number == len(stages) - 1
            own = place if last and _whole(stage) else places[number]
            seen, objective, still = _see(network, tasks[number], stage, names, seed=seed + 1000 * number)
            checked = None if valid is None else _check(valid, stage, names, tasks[number])
            with frozen(still):
                for progress in train(
                    seen, objective, rows[number], checked or None, stage.settings,
                    seed=seed + 1000 * number, place=own, resume=resume,
                ):  # fmt: skip
                    latest = _after(done, progress, stage.name)
                    yield latest
            if own:  # a stage finished in an earlier sitting told nothing in this one
                kept = own.progress()
                latest = replace(done, rows=done.rows + kept["rows"], seconds=done.seconds + kept["seconds"])
            seconds = round(latest.seconds, 3)
            done = replace(done, step=done.step + planned[number], rows=latest.rows, seconds=seconds)
        if place and not _whole(stages[-1]):
            place.save("best", network)
    finally:
        network.to(next(network.parameters()).device).eval()
        if place and not any(recover(place.folder / name) for name in ("best", "last")):
            place.save("last", network)  # stopped in an early stage: what there is can be loaded all the same


def check(config: Config, columns: Sequence[str]) -> None:
    """Says what is wrong with the stages once inputs and columns are known, before anything is decoded.

    Raises:
        ConfigError: an unknown input, part, column or objective, or a wrong option of one.
    """
    for stage in plan(config.stages, config.train, list(config.specs)):
        if stage.task is not None:
            _objective(stage)
        for key, named in (("rows", stage.rows), ("target", stage.target)):
            for column in named or ():
                if column not in columns:
                    raise ConfigError(f"stages ({stage.name}), key {key!r}: {unknown('column', column, columns)}")


def _objective(stage: Stage) -> Objective:
    options = {key: value for key, value in stage.task.items() if key != "name"}
    return OBJECTIVES.create(stage.task["name"], where=f"stages ({stage.name})", **options)


def _see(
    network: Network, task: Task, stage: Stage, names: Sequence[str], *, seed: int
) -> tuple[Network, Task | Objective, list[nn.Module]]:
    """The network as a stage sees it, what it learns it by, and the modules that stand still."""
    device = next(network.parameters()).device
    inputs = stage.inputs or list(names)
    still = [part for name in names if not stage.learns(name) for part in network.parts(name)]
    still += [] if stage.learns("fusion") else [network.fusion]
    own: dict[str, Any] = {}
    learned: Task | Objective = task
    torch.manual_seed(seed)
    if stage.task is not None:
        learned = _objective(stage)
        own["head"] = learned.head(network, inputs).to(device)
    elif stage.head == "own":
        if len(task.sides(inputs)) > 1:
            raise ConfigError(f"stages ({stage.name}): this task needs its fusion, so `head: own` cannot be")
        width = network.fusion.width
        own = {"fusion": _Aside(names, width).to(device), "head": task.head(width).to(device)}
    elif not stage.learns("head"):
        still.append(network.head)
    if network.imputers and not own and stage.inputs is not None:
        raise ConfigError(f"stages ({stage.name}): with `missing: impute`, a stage sees all inputs; leave `inputs` out")
    return view(network, **own, still=still, impute=not own), learned, still


class _Aside(Fusion):
    """No fusion: the tokens of the inputs one after another."""

    def __init__(self, names: Sequence[str], width: int) -> None:
        super().__init__(names, width)
        self.absent.requires_grad_(False)

    def fuse(self, inputs: dict[str, Tokens], present: torch.Tensor) -> Tokens:
        parts = [inputs[name].hide(~present[:, place]) for place, name in enumerate(self.names)]
        return Tokens.cat(parts)


def _learn(samples: Samples, stage: Stage, names: Sequence[str], task: Task) -> Samples:
    """The rows that a stage learns from, as it sees them."""
    samples = _aimed(_named(samples, stage), stage, task)
    whole = stage.task is None and stage.inputs is None
    return samples.only(list(names)) if whole else _seeing(samples, stage.inputs or names)


def _check(samples: Samples, stage: Stage, names: Sequence[str], task: Task) -> Samples:
    """The rows that choose its epoch; none where the table lacks what would tell them."""
    known = {*(stage.rows or ()), *(stage.target or ())} <= set(samples.table.columns)
    samples = _aimed(_named(samples, stage), stage, task) if known else samples.take(np.arange(0))
    shown = stage.valid_inputs or stage.inputs
    return samples.only(list(names)) if shown is None and stage.task is None else _seeing(samples, shown or names)


def _named(samples: Samples, stage: Stage) -> Samples:
    """The rows whose columns hold what the stage wants."""
    keep = np.ones(len(samples), dtype=bool)
    for column, wanted in (stage.rows or {}).items():
        texts = {_text(value) for value in (wanted if isinstance(wanted, list) else [wanted])}
        keep &= np.array([_text(value) in texts for value in samples.table.column(column)], dtype=bool)
    return samples if keep.all() else samples.take(np.flatnonzero(keep))


def _aimed(samples: Samples, stage: Stage, task: Task) -> Samples:
    """The rows that have what a stage learns, where that is not the task's own target."""
    if not stage.target:
        return samples
    return replace(samples, target=task.collate(samples.table)).labelled()


def _text(value: Any) -> str | None:
    """A value as a table and a config may both write it; true is also "true"."""
    text = None if value is None else label_text(value)
    return text.lower() if text and isinstance(value, bool | np.bool_) else text


def _seeing(samples: Samples, names: Sequence[str]) -> Samples:
    """The rows that have one of some inputs, with these inputs alone."""
    part = samples.only(list(names))
    if not names:
        return part
    here = torch.stack([store.present for store in part.stores.values()]).any(0)
    return part if bool(here.all()) else part.take(np.flatnonzero(here.numpy()))


def _whole(stage: Stage) -> bool:
    """Whether what a stage trains is the run's own model."""
    return stage.task is None and stage.head == "shared"


def _place(place: Place | None, number: int, count: int) -> Place | None:
    return None if place is None else Place(place.folder / FOLDER / str(number + 1), {})


def _after(done: Progress, progress: Progress, stage: str) -> Progress:
    """A stage's record as one of the whole training."""
    return replace(
        progress,
        step=done.step + progress.step,
        steps=done.steps,
        rows=done.rows + progress.rows,
        seconds=round(done.seconds + progress.seconds, 3),
        stage=stage,
    )
