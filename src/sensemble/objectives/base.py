"""What a self-supervised objective is: a loss that needs no labels, and a head of its own, dropped afterwards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from ..network import Network
from ..registry import Registry
from ..tokens import Batch


class Objective(ABC):
    """What a network learns from unlabelled rows. Keyword-only arguments are its options.

    To the training loop it is a task whose only score is its loss on the validation rows.
    """

    metric = "loss"
    valid_rows = 0

    @abstractmethod
    def head(self, network: Network, names: Sequence[str]) -> nn.Module:
        """What it learns beside the network, and finds as the network's head in `loss`.

        Args:
            network: the model.
            names: the inputs that are seen.
        """

    @abstractmethod
    def loss(self, network: Network, batch: Batch) -> Tensor:
        """The mean loss of a batch."""

    def sides(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """As a task's."""
        return {"inputs": tuple(names)}


OBJECTIVES: Registry[Objective] = Registry("self-supervised task", package="sensemble.objectives")
