"""What a run has to tell: scores, epochs and mistakes, for its files and for a terminal."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from . import evaluate
from .config import Config
from .data.load import Input, shorten
from .data.rows import Samples
from .metrics.base import Array
from .stages.plan import plan
from .tasks.base import Answers, Task
from .train import Progress

MISTAKES = 12
"""Worst mistakes shown in a report."""


def metrics_file(
    task: Task,
    found: list[Answers],
    names: list[tuple[str, ...]],
    samples: Samples,
    draws: Array,
) -> dict[str, Any]:
    """What `metrics.json` holds, from the answers for each subset of inputs, that of all inputs last."""
    assert samples.target is not None
    return {
        "format": 1,
        "metric": task.metric,
        "higher": task.metrics(found[-1], samples.target)[task.metric].higher,
        "test": evaluate.scores(task, found[-1], samples, draws),
        "subsets": evaluate.subset_scores(task, found, names, samples, draws),
    }


def score_lines(metrics: Mapping[str, Any]) -> list[str]:
    """The scores for a terminal."""
    rows = next(iter(metrics["test"].values()))["rows"]
    lines = [f"On {rows:,} test rows (95 % interval; trivial baseline):"]
    for name, each in metrics["test"].items():
        interval = f"[{each['low']:.3f}, {each['high']:.3f}]"
        trivial = "-" if math.isnan(each["trivial"]) else f"{each['trivial']:.3f}"
        lines.append(f"  {name:<18} {each['value']:.3f} {interval:<18} {trivial}")
    return lines


def epoch_line(progress: Progress, config: Config, metric: str) -> str:
    """One epoch for a terminal, at its end; nothing before it."""
    if progress.valid is None and not progress.best:
        return ""
    stages = plan(config.stages, config.train, list(config.specs))
    epochs = {stage.name: stage.settings.epochs for stage in stages}.get(progress.stage, stages[0].settings.epochs)
    checked = ""
    if progress.valid is not None:
        if metric not in progress.valid:  # a self-supervised stage
            metric = next(iter(progress.valid))
        checked = f"  valid {metric} {progress.valid[metric]:.4f}{' *' if progress.best else ''}"
    about = f"{progress.stage}: " if progress.stage else ""
    about = f"{about}epoch {progress.epoch}/{epochs}"
    return (
        f"{about}  loss {progress.loss:.4f}{checked}  {progress.rows_per_second:,.0f} rows/s  {progress.seconds:.0f} s"
    )


def mistakes(task: Task, answers: Answers, samples: Samples, inputs: list[Input]) -> list[dict[str, Any]]:
    """The rows that surprised the model most, with what they hold."""
    assert samples.target is not None
    surprise = task.surprise(answers, samples.target)
    truth, records = task.truth(samples.target), task.records(answers)
    columns = {item.column: samples.table.column(item.column) for item in inputs}
    result = []
    for position in np.argsort(-surprise, kind="stable")[:MISTAKES].tolist():
        shown: dict[str, Any] = {}
        for item in inputs:
            store = samples.stores[item.name]
            place = int(store.index[position])
            raw = columns[item.column][position]
            if place >= 0:
                shown[item.name] = item.modality.show(store.raws[place])
            else:
                shown[item.name] = None if raw is None else {"unreadable": shorten(raw)}
        prediction = records[position].get("prediction", records[position])
        result.append(
            {
                "row": samples.table.row(position),
                "truth": truth[position],
                "prediction": prediction,
                "score": float(surprise[position]),
                "inputs": shown,
            }
        )
    return result


def versions() -> dict[str, str]:
    """What a run was made with."""
    names = ("sensemble", "torch", "numpy", "tokenizers", "scikit-learn")
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in names},
        "cores": str(os.cpu_count()),
    }
