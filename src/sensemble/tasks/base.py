"""What a task is: labels, a head, a loss, answers and their scores. The rest of the system never asks which.

Legend: B batch, K label columns, D width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.table import Table
from ..metrics.base import Metric
from ..network import Network
from ..registry import Registry
from ..tokens import Batch, Tokens

Answers = Sequence[Any] | NDArray[Any]
"""One answer a row: an array `(n, K)`, or a list of texts. What an answer is, only its task knows."""


class Task(ABC):
    """An objective. Keyword-only arguments are its options; `fit` learns the labels from the training rows."""

    metric: str
    """The score by which models are chosen and compared."""

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """The table's columns that hold the target."""

    @abstractmethod
    def fit(self, table: Table) -> Task:
        """Learns labels, scales and the prior from the training rows. Returns self.

        Raises:
            DataError: a target that cannot be learned, with row and column.
        """

    def labels(self, table: Table) -> list[tuple[str, ...]] | None:
        """Each row's labels that training must have met for the row to be scored: splits see to it. Asked before
        `fit`. `None` where any label will do."""
        return None

    @abstractmethod
    def head(self, width: int) -> nn.Module:
        """The module that reads fused tokens `(B, T, D)`; a fully masked row must give the prior."""

    @abstractmethod
    def collate(self, table: Table) -> Tokens | None:
        """All rows' labels, `(n, K)`; a missing label is masked. `None` where the table has no target."""

    @abstractmethod
    def loss(self, network: Network, batch: Batch) -> Tensor:
        """The mean loss of a batch: the only forward pass of a training step."""

    @abstractmethod
    def answer(self, network: Network, fused: Tokens) -> Answers:
        """The answers for fused tokens, one a row."""

    def given(self, table: Table) -> Tokens | None:
        """What the task must be told beside the inputs to answer, such as candidates to rank: as `collate`, but for
        rows without a label, too. `None` where the inputs are all.

        Raises:
            DataError: the table lacks a column that is needed.
        """
        return None

    def reply(self, network: Network, fused: Tokens, given: Tokens | None) -> Answers:
        """`answer`, for tasks that must be told more than the inputs.

        Args:
            network: the model.
            fused: `(B, T, D)`.
            given: the rows' labels, or what the method `given` says of them.
        """
        return self.answer(network, fused)

    @abstractmethod
    def metrics(self, answers: Answers, target: Tokens) -> dict[str, Metric]:
        """The metrics of answers against labels; rows without a label must not be among them."""

    @abstractmethod
    def trivial(self, rows: int) -> Answers:
        """What one would answer without looking: the training rows' prior, mean or commonest label."""

    @abstractmethod
    def stack(self, answers: Sequence[Answers], target: Tokens) -> Stacker:
        """Late stacking: fits, on validation rows, how to combine several models' answers into one."""

    @abstractmethod
    def records(self, answers: Answers) -> list[dict[str, Any]]:
        """The answers as users read them: `prediction`, and `probability:LABEL` for each class."""

    @abstractmethod
    def truth(self, target: Tokens) -> list[str]:
        """The labels as users read them, one text a row."""

    @abstractmethod
    def surprise(self, answers: Answers, target: Tokens) -> NDArray[np.float64]:
        """`(n,)` how wrong each answer is, by the task's own loss: the worst mistakes come first in a report."""

    valid_rows: int = 0
    """Most rows that are scored between epochs, evenly spread; 0 takes all. For tasks that take long to answer."""

    def quick(self) -> Task:
        """The task as it answers between epochs: cheaper where `answer` searches long."""
        return self

    def details(self, answers: Answers, target: Tokens) -> dict[str, Any]:
        """What a report shows beside the scores: `confusion`, `per_class`, `calibration`, `residuals`."""
        return {}

    def state(self) -> dict[str, Any]:
        """What `fit` learned, as plain JSON values: every attribute whose name ends in `_`."""
        return {key: value for key, value in vars(self).items() if key.endswith("_")}

    def restore(self, state: dict[str, Any]) -> Task:
        """Undoes `state`: the fitted task again. Returns self."""
        vars(self).update(state)
        return self


class Stacker(ABC):
    """A fitted combination of several models' answers."""

    @abstractmethod
    def __call__(self, answers: Sequence[Answers]) -> Answers: ...


def join(parts: Sequence[Answers]) -> Answers:
    """The answers of several batches as one."""
    if len(parts) and isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return [answer for part in parts for answer in part]


TASKS: Registry[Task] = Registry("task", package="sensemble.tasks")
