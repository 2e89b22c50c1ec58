"""Several tasks at once: shared encoders and fusion, a head each; a row may lack some of the labels.

Legend: B batch, n rows, K label columns of all tasks, D width.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.table import Table
from ..errors import ConfigError, unknown
from ..metrics.base import Metric, chunked
from ..network import Network
from ..tokens import Batch, Tokens
from .base import TASKS, Answers, Stacker, Task


@TASKS.register("several")
class Several(Task):
    """Answers several questions about the same rows with one model.

    Each task is written as it would stand alone; what one learns of the inputs serves the others, and one model is
    trained, kept and run instead of several. Answers are tuples, one part a task.

    Args:
        tasks: by name, such as `{stars: {name: regress, target: rating}, mood: {name: classify, target: mood}}`.
        weights: how much each task's loss counts, by name (1 where none is given); or `uncertainty`, which learns them:
            a task whose loss stays high counts less (Kendall et al. 2018, equation 10).
        metric: the score by which models are chosen, `NAME.METRIC`; else the first task's.

    Raises:
        ConfigError: fewer than two tasks, or a task that must be told more than the inputs.
    """

    def __init__(
        self,
        *,
        tasks: dict[str, Any],
        weights: Literal["uncertainty"] | dict[str, float] | None = None,
        metric: str | None = None,
    ) -> None:
        if len(tasks) < 2:
            raise ConfigError("task.tasks: name two or more tasks, such as {mood: {name: classify, target: mood}, ...}")
        self.tasks: dict[str, Task] = {}
        for name, spec in tasks.items():
            where = f"task.tasks.{name}"
            if not isinstance(spec, Mapping) or not isinstance(spec.get("name"), str):
                raise ConfigError(
                    f"{where}: needs a mapping with the task's name, such as {{name: classify, target: y}}"
                )
            if "." in name:
                raise ConfigError(f"{where}: a name without dots, as scores are called NAME.METRIC")
            options = {key: value for key, value in spec.items() if key != "name"}
            task = TASKS.create(spec["name"], where=where, **options)
            if type(task).given is not Task.given or type(task).reply is not Task.reply:
                raise ConfigError(f"{where}: {spec['name']} must be told more than the inputs; train it alone")
            self.tasks[name] = task
        for name in weights if isinstance(weights, dict) else ():
            if name not in self.tasks:
                raise ConfigError(f"task.weights: {unknown('task', name, self.tasks)}")
        self.weights = weights
        self.wanted_metric = metric
        self.shapes_: dict[str, tuple[int, str]] = {}

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(name for task in self.tasks.values() for name in task.columns))

    @property
    def metric(self) -> str:  # type: ignore[override]
        first = next(iter(self.tasks))
        return self.wanted_metric or f"{first}.{self.tasks[first].metric}"

    @property
    def valid_rows(self) -> int:  # type: ignore[override]
        """The fewest that any of the tasks wants."""
        return min((task.valid_rows for task in self.tasks.values() if task.valid_rows), default=0)

    def fit(self, table: Table) -> Several:
        for name, task in self.tasks.items():
            target = task.fit(table).collate(table)
            assert target is not None
            self.shapes_[name] = (target.values.shape[1], str(target.values.dtype).removeprefix("torch."))
        if self.wanted_metric:
            target = self.collate(table)
            assert target is not None
            known = self.metrics(self.trivial(len(table)), target)
            if self.wanted_metric not in known:
                raise ConfigError(f"task.metric: {unknown('metric', self.wanted_metric, known)}")
        return self

    def head(self, width: int) -> Heads:
        return Heads({name: task.head(width) for name, task in self.tasks.items()}, learn=self.weights == "uncertainty")

    def collate(self, table: Table) -> Tokens | None:
        parts = [task.collate(table) for task in self.tasks.values()]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        for (name, task), part in zip(self.tasks.items(), known, strict=True):
            if part.values.shape[1] != self.shapes_[name][0]:
                raise ConfigError(
                    f"task.tasks.{name}: {task.registered_name} has labels of no fixed width; train it alone"  # type: ignore[attr-defined]
                )
        return Tokens(torch.cat([part.values.double() for part in known], 1), torch.cat([p.mask for p in known], 1))

    def loss(self, network: Network, batch: Batch) -> Tensor:
        """The weighted sum of the tasks' losses, each over the rows that have its label."""
        assert batch.target is not None
        fused, heads = network(batch.inputs), _heads(network)
        total: Tensor = fused.values.new_zeros(())
        for (name, task), target in zip(self.tasks.items(), self._parts(batch.target), strict=True):
            rows = target.present
            if not bool(rows.any()):
                continue
            weight = None if batch.weight is None else batch.weight[rows]
            given = Batch({key: tokens[rows] for key, tokens in batch.inputs.items()}, target[rows], weight)
            loss = task.loss(_view(network, heads.of(name), fused[rows]), given)
            if heads.doubt is not None:
                doubt = heads.doubt[list(self.tasks).index(name)]  # log of the variance
                total = total + torch.exp(-doubt) * loss + 0.5 * doubt
            else:
                total = total + (self.weights.get(name, 1.0) if isinstance(self.weights, dict) else 1.0) * loss
        return total

    def answer(self, network: Network, fused: Tokens) -> list[tuple[Any, ...]]:
        heads = _heads(network)
        parts = [task.answer(_view(network, heads.of(name), fused), fused) for name, task in self.tasks.items()]
        return list(zip(*parts, strict=True))

    def metrics(self, answers: Answers, target: Tokens) -> dict[str, Metric]:
        """Each task's, as `NAME.METRIC`, over the rows that have its label."""
        result = {}
        for index, ((name, task), own) in enumerate(zip(self.tasks.items(), self._parts(target), strict=True)):
            known = own.present.numpy()
            if known.any():
                for key, metric in task.metrics(_known(answers, index, own.present), own[own.present]).items():
                    result[f"{name}.{key}"] = Metric(chunked(metric.statistic, known), metric.higher)
        return result

    def trivial(self, rows: int) -> list[tuple[Any, ...]]:
        return list(zip(*(task.trivial(rows) for task in self.tasks.values()), strict=True))

    def stack(self, answers: Sequence[Answers], target: Tokens) -> Stacker:
        stackers = []
        for index, (task, own) in enumerate(zip(self.tasks.values(), self._parts(target), strict=True)):
            known = [_known(each, index, own.present) for each in answers]
            stackers.append(task.stack(known, own[own.present]))
        return _Stackers(stackers)

    def records(self, answers: Answers) -> list[dict[str, Any]]:
        parts = [task.records(_part(answers, index)) for index, task in enumerate(self.tasks.values())]
        return [
            {
                f"{name}.{key}": value
                for name, record in zip(self.tasks, row, strict=True)
                for key, value in record.items()
            }
            for row in zip(*parts, strict=True)
        ]

    def truth(self, target: Tokens) -> list[str]:
        parts = []
        for task, own in zip(self.tasks.values(), self._parts(target), strict=True):
            shown = iter(task.truth(own[own.present]))
            parts.append([next(shown) if there else "?" for there in own.present.tolist()])
        return [
            "; ".join(f"{name}: {text}" for name, text in zip(self.tasks, row, strict=True))
            for row in zip(*parts, strict=True)
        ]

    def surprise(self, answers: Answers, target: Tokens) -> NDArray[np.float64]:
        """The sum of each task's surprise, in units of its spread over these rows."""
        total = np.zeros(len(target))
        for index, (task, own) in enumerate(zip(self.tasks.values(), self._parts(target), strict=True)):
            known = own.present.numpy()
            if known.any():
                each = task.surprise(_known(answers, index, own.present), own[own.present])
                total[known] += each / max(float(each.std()), 1e-9)
        return total

    def quick(self) -> Several:
        return self._with({name: task.quick() for name, task in self.tasks.items()})

    @property
    def tunes(self) -> bool:
        return any(task.tunes for task in self.tasks.values())

    def tuned(self, answers: Answers, target: Tokens) -> Several:
        tasks = {}
        for index, ((name, task), own) in enumerate(zip(self.tasks.items(), self._parts(target), strict=True)):
            known = own.present
            tasks[name] = task.tuned(_known(answers, index, known), own[known]) if bool(known.any()) else task
        return self._with(tasks)

    def told(self) -> str:
        parts = {name: task.told() for name, task in self.tasks.items()}
        return " ".join(f"{name}: {text}" for name, text in parts.items() if text)

    def strata(self, target: Tokens) -> NDArray[np.int64] | None:
        """Those of the first task that has any; rows without its label are a kind of their own."""
        for task, own in zip(self.tasks.values(), self._parts(target), strict=True):
            found = task.strata(own)
            if found is not None:
                return np.where(own.present.numpy(), found, found.max(initial=0) + 1)
        return None

    def state(self) -> dict[str, Any]:
        return {"shapes": self.shapes_, "tasks": {name: task.state() for name, task in self.tasks.items()}}

    def restore(self, state: dict[str, Any]) -> Several:
        self.shapes_ = {name: (int(width), str(kind)) for name, (width, kind) in state["shapes"].items()}
        for name, task in self.tasks.items():
            task.restore(state["tasks"][name])
        return self

    def _with(self, tasks: dict[str, Task]) -> Several:
        other = copy.copy(self)
        other.tasks = tasks
        return other

    def _parts(self, target: Tokens) -> list[Tokens]:
        """The labels of each task, as it made them."""
        parts, start = [], 0
        for width, kind in self.shapes_.values():
            own = slice(start, start + width)
            parts.append(Tokens(target.values[:, own].to(getattr(torch, kind)), target.mask[:, own]))
            start += width
        return parts


class Heads(nn.Module):
    """A head a task.

    Args:
        heads: by name.
        learn: whether each task's weight in the loss is learned.
    """

    def __init__(self, heads: Mapping[str, nn.Module], *, learn: bool) -> None:
        super().__init__()
        self.names = list(heads)
        self.heads = nn.ModuleList(heads.values())
        self.doubt = nn.Parameter(torch.zeros(len(heads))) if learn else None

    def of(self, name: str) -> nn.Module:
        """The head of a task."""
        return self.heads[self.names.index(name)]


class _View:
    """A network as one task sees it: its own head, and fused tokens that are there already."""

    def __init__(self, network: Network, head: nn.Module, fused: Tokens) -> None:
        self.head, self.fused, self.training = head, fused, network.training

    def __call__(self, inputs: Mapping[str, Tokens]) -> Tokens:
        return self.fused


class _Stackers(Stacker):
    """A stacker a task."""

    def __init__(self, stackers: Sequence[Stacker]) -> None:
        self.stackers = stackers

    def __call__(self, answers: Sequence[Answers]) -> Answers:
        parts = [stack([_part(each, index) for each in answers]) for index, stack in enumerate(self.stackers)]
        return list(zip(*parts, strict=True))


def _view(network: Network, head: nn.Module, fused: Tokens) -> Network:
    return cast(Network, _View(network, head, fused))


def _heads(network: Network) -> Heads:
    assert isinstance(network.head, Heads)
    return network.head


def _part(answers: Answers, index: int) -> Any:
    """One task's answers, as that task gave them."""
    part = [row[index] for row in answers]
    return np.stack(part) if part and isinstance(part[0], np.ndarray) else part


def _known(answers: Answers, index: int, rows: Tensor) -> Any:
    """One task's answers for some rows, `(n,)` bool."""
    part = _part(answers, index)
    return (
        part[rows.numpy()] if isinstance(part, np.ndarray) else [part[place] for place in rows.nonzero()[:, 0].tolist()]
    )
