"""What a task is: labels, a head, a loss, answers and their scores. The rest of the system never asks which.

Legend: B batch, K label columns, D width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.rows import Samples
from ..data.table import Table
from ..errors import ConfigError
from ..fusion.base import Fusion
from ..metrics.base import Array, Metric
from ..network import Network
from ..registry import Registry
from ..tokens import Batch, Tokens

Answers = Sequence[Any] | NDArray[Any]
"""One answer a row: an array `(n, K)`, or a list of texts. What an answer is, only its task knows."""


class Task(ABC):
    """An objective. Keyword-only arguments are its options; `fit` learns the labels from the training rows."""

    metric: str
    """The score by which models are chosen and compared."""
    needs_target: ClassVar[bool] = True
    """Whether there is nothing to learn unless the config names a target column."""
    target_keys: ClassVar[tuple[str, ...]] = ("target",)
    """Options that name columns which are no inputs unless the config says so."""

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """The table's columns that hold the target."""

    @property
    def needs(self) -> list[str]:
        """Columns beside the inputs without which nothing can be answered: see `given`."""
        return []

    @abstractmethod
    def fit(self, table: Table) -> Task:
        """Learns labels, scales and the prior from the training rows. Returns self.

        Raises:
            DataError: a target that cannot be learned, with row and column.
        """

    def without_inputs(self) -> Task:
        """The task for a model that has no input at all, such as a language model; most have nothing to learn then.

        Raises:
            ConfigError: this one cannot do without.
        """
        raise ConfigError("inputs: this task needs at least one, such as {text: text, photo: image}")

    def labels(self, table: Table) -> list[tuple[str, ...]] | None:
        """Each row's labels that training must have met for the row to be scored: splits see to it. Asked before
        `fit`. `None` where any label will do."""
        return None

    @abstractmethod
    def head(self, width: int) -> nn.Module:
        """The module that reads fused tokens `(B, T, D)`; a fully masked row must give the prior."""

    def bind(self, columns: Mapping[str, str]) -> None:
        """Tells a task that has just been made which column each input reads.

        Raises:
            ConfigError: the inputs do not suit the task.
        """
        return

    def also(self, columns: Sequence[str]) -> None:
        """Tells a task that has just been made which columns stages will learn by its head: see `toward`.

        Raises:
            ConfigError: what its head says is made for the labels of its own target.
        """
        raise ConfigError("stages: the key 'target' is for a task that writes texts (generate); leave it out")

    def toward(self, columns: Sequence[str]) -> Task:
        """The fitted task with other columns as its target, which `also` was told of."""
        raise NotImplementedError

    def sides(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The inputs by what they are needed for; of each side a row needs one at least, so all are never hidden.

        Most tasks have one side, on which any input will do.

        Args:
            names: of the inputs.
        """
        return {"inputs": tuple(names)}

    def fusion(self, make: Callable[[Sequence[str]], Fusion], names: Sequence[str]) -> Fusion:
        """The fusion of the inputs: as the config says, or one put together of several such.

        Args:
            make: makes the config's fusion for some inputs.
            names: of the inputs.
        """
        return make(names)

    def begin(self, network: Network) -> None:
        """Sets what a freshly made network should start with otherwise than at random, or never learn.

        Raises:
            ConfigError: it is not made for that.
        """
        return

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

    rerank: int = 0
    """How many of a query's nearest candidates are looked at a second time: see `match`."""

    def finish(self, network: Network, samples: Samples, answers: Answers) -> Answers:
        """The answers of all rows, for tasks that look at them again when all are there.

        Args:
            network: the model.
            samples: the rows, with the inputs that the model was shown.
            answers: those of `reply`, one a row.
        """
        return answers

    def match(self, network: Network, inputs: Mapping[str, Tokens]) -> NDArray[np.float32] | None:
        """How likely each row's sides belong together, `(B,)`, where the task has a model that reads both at once."""
        return None

    def vectors(self, network: Network, fused: Tokens, side: str) -> NDArray[np.float32]:
        """Embeddings `(B, E)` of length 1 for fused tokens; NaN for rows without an input of the side.

        By default the mean of the fused tokens.
        """
        mean = F.normalize(fused.mean().float(), dim=-1).masked_fill(~fused.present.unsqueeze(1), float("nan"))
        result: NDArray[np.float32] = mean.cpu().numpy()
        return result

    @abstractmethod
    def metrics(self, answers: Answers, target: Tokens) -> dict[str, Metric]:
        """The metrics of answers against labels; rows without a label must not be among them."""

    @abstractmethod
    def trivial(self, rows: int) -> Answers:
        """What one would answer without looking: the training rows' prior, mean or commonest label."""

    def copied(self, target: Tokens) -> Answers | None:
        """Answers that repeat these rows' labels, as a nearest neighbour's are repeated.

        `None` where that is no baseline worth naming: a class or a number copied from one row is a coarse answer, and
        the models of single inputs stand for it. A text copied whole is hard to beat.
        """
        return None

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

    @property
    def tunes(self) -> bool:
        """Whether something is chosen on validation rows after training, such as thresholds: see `tuned`."""
        return False

    def tuned(self, answers: Answers, target: Tokens) -> Task:
        """The task as it suits a trained model, chosen by its answers for validation rows. Changes nothing itself."""
        return self

    def told(self) -> str:
        """What `tuned` has chosen, a sentence; may be empty."""
        return ""

    def strata(self, target: Tokens) -> NDArray[np.int64] | None:
        """`(n,)` the kind of each row, where the task has kinds that a sampler can balance."""
        return None

    def details(self, answers: Answers, target: Tokens, draws: Array | None = None) -> dict[str, Any]:
        """What a report shows beside the scores: `confusion`, `per_class`, `calibration`, `residuals`.

        Args:
            answers: one a row.
            target: the rows' labels.
            draws: bootstrap resamples of the rows, for intervals.
        """
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
