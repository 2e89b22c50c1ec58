"""One cell of a comparison: a variant trained on a fold's training rows and scored on its test rows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from .. import build, evaluate
from ..data.assign import Positions
from ..data.folds import folds
from ..data.load import Input
from ..data.rows import Samples
from ..data.table import Table
from ..errors import DataError
from ..network import Network
from ..plan import target_columns
from ..prepare import make_parts
from ..registry import load_plugins
from ..stages.run import fit
from ..tasks.base import Task
from ..train import parameters
from ..transfer import initialise
from .plan import Cell, Variant

COUNTED = 8
"""Rows of the batch on which operations are counted."""


@dataclass(frozen=True)
class Prepared:
    """A fold, read and fitted on its training rows: what all variants of the same inputs and task share."""

    task: Task
    inputs: Sequence[Input]
    parts: dict[str, Samples]


@dataclass
class Bench:
    """Trains and scores cells; keeps what was prepared last.

    Args:
        table: all rows.
        variants: of the comparison, inputs and task filled in.
        folds: how many; groups stay whole where `data.group` names their column.
    """

    table: Table
    variants: Sequence[Variant]
    folds: int
    _kept: dict[str, Prepared] = field(default_factory=dict)
    _places: dict[str, list[dict[str, Positions]]] = field(default_factory=dict)

    def measure(self, cell: Cell) -> dict[str, Any]:
        """Scores, cost and answers of a cell, as plain values."""
        variant = self.variants[cell.variant]
        prepared = self.prepare(cell)
        names = list(variant.only) or [item.name for item in prepared.inputs]
        parts = {name: part.only(names) for name, part in prepared.parts.items()}
        learn, test = parts["train"], parts["test"]
        if variant.only:
            seen = torch.stack([store.present for store in learn.stores.values()]).any(0)
            learn = learn.take(np.flatnonzero(seen.numpy()))
        seed = variant.config.seed + cell.repeat
        config = variant.config.replace(seed=seed)
        network = build.make_network(config, prepared.inputs, prepared.task, only=names)
        initialise(network, prepared.inputs, prepared.task, config)
        before, spent = time.monotonic(), time.process_time()
        for _ in fit(network, prepared.task, learn, parts.get("valid"), config, seed=seed):
            pass
        seconds, processor = time.monotonic() - before, time.process_time() - spent
        task = evaluate.tuned(network, prepared.task, parts.get("valid"))
        answers = evaluate.answers(network, task, test)
        assert test.target is not None
        records, truth = task.records(answers), task.truth(test.target)
        return {
            "format": 1,
            "variant": variant.name,
            "repeat": cell.repeat,
            "fold": cell.fold,
            "metric": task.metric,
            "higher": task.metrics(answers, test.target)[task.metric].higher,
            "scores": evaluate.values(task, answers, test),
            "trivial": evaluate.values(task, task.trivial(len(test)), test),
            "rows": len(test),
            "train_rows": len(learn),
            "seconds": round(seconds, 3),
            "processor_seconds": round(processor, 3),
            "parameters": parameters(network),
            "flops": flops(network, task, test),
            "answers": [
                {"row": test.table.row(place), "truth": truth[place], **record} for place, record in enumerate(records)
            ],
        }

    def shared(self, number: int) -> tuple[Any, ...]:
        """What two variants must have in common to be prepared as one."""
        config = self.variants[number].config
        return config.specs, config.task, config.data, config.quality

    def tables(self, cell: Cell) -> dict[str, Table]:
        """The rows of a cell's fold: `train`, `test`, and `valid` where there are any."""
        config = self.variants[cell.variant].config
        load_plugins(config.plugins)
        target, seed = target_columns(config), config.seed + cell.repeat
        about = repr((target, config.data, seed))
        if about not in self._places:
            self._places[about] = folds(
                self.table, self.folds, target=target, group=config.data.group, valid=config.data.valid_share, seed=seed
            )
        places = self._places[about][cell.fold]
        places = _seen(build.make_task(config).labels(self.table), places)
        return {name: self.table.take(rows) for name, rows in places.items() if len(rows)}

    def prepare(self, cell: Cell) -> Prepared:
        """The fold of a cell, read and fitted."""
        config = self.variants[cell.variant].config
        about = repr((cell.repeat, cell.fold, *self.shared(cell.variant)))
        if about not in self._kept:
            self._kept.clear()
            tables = self.tables(cell)
            task, inputs, parts = make_parts(config, tables)
            for name in ("train", "test"):
                if not len(parts.get(name, ())):
                    raise DataError(f"{self.table.name}: fold {cell.fold + 1} has no {name} row with a label")
            self._kept[about] = Prepared(task, inputs, parts)
        return self._kept[about]


def flops(network: Network, task: Task, samples: Samples) -> float:
    """Floating-point operations of one labelled row's forward pass in training: encoders, fusion, head and loss.

    Counted by torch: matrix products, convolutions and attention; a multiplication and an addition are two. What a
    decoder writes counts as long as the label is.
    """
    rows = torch.arange(min(COUNTED, len(samples)))
    batch = samples.batch(rows).to(next(network.parameters()).device)
    network.eval()
    with FlopCounterMode(display=False) as counter:
        task.loss(network, batch)
    return float(counter.get_total_flops()) / len(rows)


def _seen(labels: Sequence[Sequence[str]] | None, places: dict[str, Positions]) -> dict[str, Positions]:
    """The fold without the rows that carry a label of which the training rows have none: nobody could name it."""
    if labels is None:
        return places
    known = {label for row in places["train"].tolist() for label in labels[row]}
    return {
        name: np.array([row for row in rows.tolist() if known.issuperset(labels[row])], dtype=np.int64)
        for name, rows in places.items()
    }
