"""The score that chooses an epoch: a task's metric, or a self-supervised objective's loss, on validation rows."""

from __future__ import annotations

import math

import torch

from . import evaluate
from .data.rows import Samples
from .network import Network
from .objectives.base import Objective
from .tasks.base import Task


def validate(network: Network, task: Task | Objective, valid: Samples, *, batch: int) -> dict[str, float]:
    """The scores of a network as it stands."""
    if isinstance(task, Objective):
        return {task.metric: _loss(network, task, valid, batch)}
    found = evaluate.answers(network, task.quick(), valid, batch=batch)
    assert valid.target is not None
    return evaluate.values(task.tuned(found, valid.target), found, valid)


def improves(task: Task | Objective, scores: dict[str, float], valid: Samples, best: float | None) -> bool:
    """Whether the task's metric is better than the best so far; an undefined score never is."""
    score = scores[task.metric]
    if math.isnan(score):
        return best is None
    if best is None or math.isnan(best):
        return True
    if isinstance(task, Objective):
        return score < best
    assert valid.target is not None
    higher = task.metrics(task.trivial(len(valid)), valid.target)[task.metric].higher
    return score > best if higher else score < best


@torch.no_grad()
def _loss(network: Network, objective: Objective, samples: Samples, batch: int) -> float:
    """The mean loss; what an objective draws at random is the same each time."""
    device = next(network.parameters()).device
    network.eval()
    total = 0.0
    for place, given in enumerate(samples.stream(samples.batches(batch), pin=device.type == "cuda")):
        torch.manual_seed(place)
        total += objective.loss(network, given.to(device)).item() * len(given)
    return total / len(samples)
