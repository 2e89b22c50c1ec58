"""Help for inputs that joint training starves: a loss of each input alone, and slower steps for the one ahead.

A model that sees all inputs at once learns from the one that is easiest, and its loss is then too small to teach the
encoders of the others. Two remedies, which may be combined:

- `train.alone` adds the task's loss on each input by itself, through the same fusion and head, as Wang et al. 2020
  ("What Makes Training Multi-modal Classification Networks Hard?") give each modality a loss of its own. One weight for
  all: their gradient blending estimates one each from many trainings. It needs no choice of who is ahead, and our
  fusions take any subset anyway.
- `train.modulate` is on-the-fly gradient modulation (OGM; Peng et al. 2022): where an input alone scores better than
  the others do alone, the gradient of its encoder is multiplied by 1 - tanh(modulate * ratio). Scores are exp(-loss) of
  the task, which for classification is the probability of the true label; so it serves every task. The noise that
  Peng et al. add beside it (GE) is left out.

Cost of either: fusion and head once more for each input; the encoders run once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .network import Network
from .objectives.base import Objective
from .stages.view import View, view
from .tasks.base import Task
from .tokens import Batch, Tokens
from .train_config import TrainConfig


class Balance:
    """The loss of a training step, with what `train.alone` and `train.modulate` add.

    Args:
        network: the model.
        task: gives the loss.
        config: the two weights; with neither, `loss` is the task's own.
    """

    def __init__(self, network: Network, task: Task | Objective, config: TrainConfig) -> None:
        self.network, self.task = network, task
        self.alone, self.rate = config.alone, config.modulate
        self._losses: dict[str, list[float]] = {}

    def loss(self, batch: Batch) -> Tensor:
        """The mean loss of a batch."""
        if not (self.alone or self.rate) or len(batch.inputs) < 2 or isinstance(self.task, Objective):
            return self.task.loss(self.network, batch)
        once = _Once.of(self.network)
        whole = self.task.loss(once, batch)
        with torch.set_grad_enabled(self.alone > 0):
            seen = [name for name, tokens in batch.inputs.items() if bool(tokens.present.any())]
            alone = {name: self.task.loss(once, _only(batch, name)) for name in seen}
        for name, loss in alone.items():
            self._losses.setdefault(name, []).append(float(loss.detach()))
        return whole + self.alone * torch.stack(list(alone.values())).mean() if self.alone and alone else whole

    def modulate(self) -> None:
        """Slows down the inputs that were ahead in the batches since the last call. To be called before a step."""
        losses, self._losses = self._losses, {}
        if not self.rate or len(losses) < 2:
            return
        factors = coefficients({name: sum(each) / len(each) for name, each in losses.items()}, self.rate)
        for name, factor in factors.items():
            if factor < 1:
                for part in self.network.parts(name):
                    for parameter in part.parameters():
                        if parameter.grad is not None:
                            parameter.grad.mul_(factor)


def coefficients(losses: Mapping[str, float], rate: float) -> dict[str, float]:
    """What the gradients of each input's encoder are multiplied by (Peng et al. 2022, equations 8 to 10).

    Args:
        losses: of each input alone.
        rate: how strongly.

    >>> coefficients({"picture": 0.1, "voice": 2.0}, 0.5)["voice"]
    1.0
    """
    scores = {name: math.exp(-min(loss, 50.0)) for name, loss in losses.items()}
    result = {}
    for name, score in scores.items():
        others = [each for other, each in scores.items() if other != name]
        ratio = score * len(others) / max(sum(others), 1e-12)
        result[name] = 1 - math.tanh(rate * ratio) if ratio > 1 else 1.0
    return result


class _Once(View):
    """A network that encodes each batch's inputs once, however often it is asked."""

    _kept: dict[int, tuple[Tokens, Tokens]]

    @classmethod
    def of(cls, network: Network) -> _Once:
        result: Any = view(network)
        result.__class__ = cls
        result._kept = {}
        return result  # type: ignore[no-any-return]

    def encode(self, inputs: Mapping[str, Tokens]) -> dict[str, Tokens]:
        if self.imputers:  # a guess depends on what else is given
            return super().encode(inputs)
        fresh = {name: tokens for name, tokens in inputs.items() if id(tokens) not in self._kept}
        for name, encoded in super().encode(fresh).items():
            self._kept[id(fresh[name])] = fresh[name], encoded  # the tokens too, lest their id serve others
        return {name: self._kept[id(tokens)][1] for name, tokens in inputs.items()}


def _only(batch: Batch, name: str) -> Batch:
    """The rows as if they had one input alone; those that lack it do not count."""
    tokens = batch.inputs[name]
    weight = tokens.present.float()
    return Batch({name: tokens}, batch.target, weight if batch.weight is None else weight * batch.weight)
