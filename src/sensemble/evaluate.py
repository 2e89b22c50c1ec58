"""Answers and their scores: for all inputs, and for every subset of them.

Legend: n rows, R bootstrap resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .data.load import Samples
from .metrics.base import Array, Metric, estimate, resample
from .network import Network
from .tasks.base import Answers, Task, join
from .tokens import Batch, Tokens

MOST_SUBSETS = 511
"""Beyond nine inputs, subsets are the single inputs, all but one, and all."""
MANY_SUBSETS = 31
"""Beyond so many, their intervals come from fewer resamples, which is plenty for a table."""
FEWER_RESAMPLES = 300


@torch.no_grad()
def answer_subsets(
    network: Network,
    task: Task,
    samples: Samples,
    subsets: Sequence[Sequence[str]],
    *,
    batch: int = 256,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Answers]:
    """A model's answers for all rows when it sees only some of the inputs, for several choices of them.

    Each row is encoded once, whatever the number of subsets.
    """

    def read(encoded: Mapping[str, Tokens], given: Batch) -> list[Answers]:
        fused = [network.fusion({name: encoded[name] for name in subset}) for subset in subsets]
        return [task.reply(network, each, given.target) for each in fused]

    names = sorted({name for subset in subsets for name in subset})
    return _through(network, samples.only(names), read, batch=batch, progress=progress)


@torch.no_grad()
def embed(network: Network, task: Task, samples: Samples, side: str, *, batch: int = 256) -> NDArray[np.float32]:
    """The vectors `(n, E)` of all rows, by their inputs of one side of the task; NaN where they have none."""

    def read(encoded: Mapping[str, Tokens], given: Batch) -> list[Answers]:
        return [task.vectors(network, network.fusion(encoded), side)]

    return np.asarray(_through(network, samples, read, batch=batch)[0])


def _through(
    network: Network,
    samples: Samples,
    read: Callable[[Mapping[str, Tokens], Batch], list[Answers]],
    *,
    batch: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Answers]:
    """What is read from encoded rows, one or several things, for all rows in their order."""
    device = next(network.parameters()).device
    order = torch.stack([store.size(torch.arange(len(samples))) for store in samples.stores.values()]).sum(0)
    order = order.argsort(stable=True)  # rows of like length together: less padding
    parts: list[list[Answers]] = []
    network.eval()
    done = 0
    for given in samples.stream(samples.batches(batch, order), pin=device.type == "cuda"):
        given = given.to(device)
        parts.append(read(network.encode(given.inputs), given))
        done += len(given)
        progress(done, len(samples))
    back = order.argsort().tolist()
    return [_reorder(join(part), back) for part in zip(*parts, strict=True)]


def answers(network: Network, task: Task, samples: Samples, *, batch: int = 256) -> Answers:
    """A model's answers for all rows, from all of its inputs."""
    return answer_subsets(network, task, samples, [list(samples.stores)], batch=batch)[0]


def subsets(task: Task, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Every subset of the inputs from which the task can answer, smallest first, in the inputs' order."""
    sizes = range(1, len(names) + 1)
    if 2 ** len(names) - 1 > MOST_SUBSETS:
        sizes = (1, len(names) - 1, len(names))  # type: ignore[assignment]
    sides = [set(own) for own in task.sides(names).values()]
    found = (subset for size in sizes for subset in combinations(names, size))
    return [subset for subset in found if all(own & set(subset) for own in sides)]


def values(task: Task, answers: Answers, samples: Samples) -> dict[str, float]:
    """The metrics of answers, without intervals: for validation between epochs."""
    assert samples.target is not None
    ones = np.ones((1, len(samples)))
    return {name: float(each.statistic(ones)[0]) for name, each in task.metrics(answers, samples.target).items()}


def weights(samples: Samples, *, seed: int = 0, resamples: int = 1000) -> Array:
    """The bootstrap resamples `(R, n)` of some rows; whole groups are drawn where groups are known."""
    return resample(len(samples), resamples=resamples, seed=seed, groups=samples.groups)


def scores(task: Task, answers: Answers, samples: Samples, draws: Array) -> dict[str, dict[str, Any]]:
    """All metrics with their intervals, number of rows, and the trivial baseline's value beside."""
    assert samples.target is not None
    trivial = task.metrics(task.trivial(len(samples)), samples.target)
    ones = np.ones((1, len(samples)))
    return {
        name: {**interval(each, draws), "trivial": float(trivial[name].statistic(ones)[0])}
        for name, each in task.metrics(answers, samples.target).items()
    }


def interval(metric: Metric, draws: Array) -> dict[str, Any]:
    """One metric with its interval, as plain values."""
    result = estimate(metric, draws.shape[1], draws)
    return {"value": result.value, "low": result.low, "high": result.high, "rows": result.rows}


def subset_scores(
    task: Task, all_answers: Sequence[Answers], names: Sequence[Sequence[str]], samples: Samples, draws: Array
) -> dict[str, dict[str, dict[str, Any]]]:
    """The task's metric for each subset of inputs, by their names joined with `+`."""
    assert samples.target is not None
    draws = draws[:FEWER_RESAMPLES] if len(names) > MANY_SUBSETS else draws
    result = {}
    for subset, given in zip(names, all_answers, strict=True):
        metric = task.metrics(given, samples.target)[task.metric]
        result["+".join(subset)] = {task.metric: interval(metric, draws)}
    return result


def _reorder(answers: Answers, order: Sequence[int]) -> Answers:
    return answers[order] if isinstance(answers, np.ndarray) else [answers[index] for index in order]
