"""Answers and their scores: for all inputs, and for every subset of them.

Legend: n rows, R bootstrap resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .data.rows import Samples
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
def answer_views(
    network: Network,
    task: Task,
    samples: Samples,
    views: Sequence[Mapping[str, str]],
    *,
    batch: int = 256,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Answers]:
    """A model's answers for all rows, for several choices of what it is shown.

    Args:
        network: the model.
        task: fitted.
        samples: holds the inputs' stores, and any others that are to be shown as an input.
        views: by input, the name of the store that is shown as it. An input that is not named is hidden; an empty
            view hides all. What several views share is encoded once.
        batch: rows at a time.
        progress: is told (rows done, rows in all).
    """
    shown = sorted({pair for view in views for pair in view.items()})

    def read(given: Batch) -> list[Answers]:
        if network.imputers and shown:  # a guess depends on all that is shown
            every = given.inputs[shown[0][1]]
            raw = [{name: given.inputs[store] for name, store in view.items()} for view in views]
            fused = [network(inputs or {shown[0][0]: _hidden(every)}) for inputs in raw]
            return [task.reply(network, each, given.target) for each in fused]
        encoded = {(name, store): network.encode({name: given.inputs[store]})[name] for name, store in shown}
        found = []
        for view in views:
            seen = {name: encoded[name, store] for name, store in view.items()}
            if not seen:  # all inputs hidden, or a model that has none
                seen = {shown[0][0]: _hidden(encoded[shown[0]])} if shown else network.encode(given.inputs)
            found.append(task.reply(network, network.fusion(seen), given.target))
        return found

    samples = samples.only(sorted({store for _, store in shown}))
    found = _through(network, samples, read, batch=batch, progress=progress)
    return [task.finish(network, _seen(samples, view), each) for view, each in zip(views, found, strict=True)]


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
    views = [{name: name for name in subset} for subset in subsets]
    return answer_views(network, task, samples, views, batch=batch, progress=progress)


def _seen(samples: Samples, view: Mapping[str, str]) -> Samples:
    """The rows with the inputs of a view."""
    return replace(samples, stores={name: samples.stores[store] for name, store in view.items()})


@torch.no_grad()
def embed(network: Network, task: Task, samples: Samples, side: str, *, batch: int = 256) -> NDArray[np.float32]:
    """The vectors `(n, E)` of all rows, by their inputs of one side of the task; NaN where they have none."""

    def read(given: Batch) -> list[Answers]:
        return [task.vectors(network, network(given.inputs), side)]

    return np.asarray(_through(network, samples, read, batch=batch)[0])


@torch.no_grad()
def match(network: Network, task: Task, samples: Samples, *, batch: int = 256) -> NDArray[np.float32] | None:
    """How likely each row's sides belong together, `(n,)`; `None` where the task has no model that reads both."""
    found: list[NDArray[np.float32]] = []
    device = next(network.parameters()).device
    network.eval()
    for given in samples.stream(samples.batches(batch), pin=device.type == "cuda"):
        part = task.match(network, given.to(device).inputs)
        if part is None:
            return None
        found.append(part)
    return np.concatenate(found) if found else np.zeros(0, np.float32)


def _through(
    network: Network,
    samples: Samples,
    read: Callable[[Batch], list[Answers]],
    *,
    batch: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Answers]:
    """What is read from the rows batch by batch, one or several things, for all rows in their order."""
    device = next(network.parameters()).device
    order = samples.sizes(torch.arange(len(samples))).argsort(stable=True)  # like lengths together: less padding
    parts: list[list[Answers]] = []
    network.eval()
    done = 0
    for given in samples.stream(samples.batches(batch, order), pin=device.type == "cuda"):
        parts.append(read(given.to(device)))
        done += len(given)
        progress(done, len(samples))
    back = order.argsort().tolist()
    return [_reorder(join(part), back) for part in zip(*parts, strict=True)]


def answers(network: Network, task: Task, samples: Samples, *, batch: int = 256) -> Answers:
    """A model's answers for all rows, from all of its inputs."""
    return answer_subsets(network, task, samples, [list(samples.stores)], batch=batch)[0]


def tuned(network: Network, task: Task, valid: Samples | None, *, batch: int = 256) -> Task:
    """The task with what it chooses on validation rows, for a trained network; itself if it chooses nothing."""
    if not task.tunes or valid is None:
        return task
    assert valid.target is not None
    return task.tuned(answers(network, task, valid, batch=batch), valid.target)


def subsets(task: Task, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Every subset of the inputs from which the task can answer, smallest first, in their order.

    The empty one stands alone where there are no inputs.
    """
    sizes = range(1, len(names) + 1)
    if 2 ** len(names) - 1 > MOST_SUBSETS:
        sizes = (1, len(names) - 1, len(names))  # type: ignore[assignment]
    sides = [set(own) for own in task.sides(names).values()]
    found = (subset for size in sizes for subset in combinations(names, size))
    return [subset for subset in found if all(own & set(subset) for own in sides)] or [()]


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
    """The task's metric for each subset of inputs, by their names joined with `+`; none for a model without inputs."""
    assert samples.target is not None
    draws = draws[:FEWER_RESAMPLES] if len(names) > MANY_SUBSETS else draws
    result = {}
    for subset, given in zip(names, all_answers, strict=True):
        if not subset:
            continue
        metric = task.metrics(given, samples.target)[task.metric]
        result["+".join(subset)] = {task.metric: interval(metric, draws)}
    return result


def _reorder(answers: Answers, order: Sequence[int]) -> Answers:
    return answers[order] if isinstance(answers, np.ndarray) else [answers[index] for index in order]


def _hidden(tokens: Tokens) -> Tokens:
    """The same rows, all of them missing."""
    return tokens.hide(torch.ones_like(tokens.present))
