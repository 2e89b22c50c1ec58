"""Lists of labels as ids: what somebody bought, saw or clicked, in order.

Legend: T items.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..corrupt import Corruption, Random, swap
from ..errors import ConfigError, Unreadable
from .base import MODALITIES, Modality
from .category import OTHER, label_of


@MODALITIES.register("items")
class Items(Modality):
    """A list of labels as `(T,)` ids, in its order: a history of films, a basket, tags.

    A value is a list or an array of labels, or a text in which `separator` stands between them. Labels are compared
    as those of `category`. Take `bag` to encode them where order tells nothing, `gru` or `transformer` where it does.

    Args:
        length: most items; the first ones are left out, as the last are the latest.
        separator: between the labels of a text.
        min_count: labels rarer than this in the training rows become `other`.
        max_labels: most labels kept, the commonest first.

    Fitted: `labels_`, from the commonest to the rarest; label i has the id i + 1, and all others share the id 0.

    >>> films = Items(length=3).fit([[7, 5], "5 9"])
    >>> films.labels_, films.load([9, 1, 5, 7])
    (['5', '7', '9'], tensor([0, 1, 2]))
    """

    encoder = "bag"
    dtype = torch.int64
    labels_: list[str]

    def __init__(
        self, *, length: int = 100, separator: str = " ", min_count: int = 1, max_labels: int = 100_000
    ) -> None:
        for key, value in (("length", length), ("min_count", min_count), ("max_labels", max_labels)):
            if value < 1:
                raise ConfigError(f"items: {key} must be at least 1, not {value}")
        if not separator:
            raise ConfigError("items: separator must be a text between labels")
        self.length, self.separator = length, separator
        self.min_count, self.max_labels = min_count, max_labels

    @property
    def shape(self) -> tuple[int, ...]:
        return ()

    @property
    def num_tokens(self) -> int:
        """How many ids there are, `other` included: rows of an embedding."""
        return len(self.labels_) + 1

    def fit(self, values: Sequence[Any]) -> Items:
        """Learns the labels, by count and then by name. Values that cannot be read are passed over.

        Raises:
            Unreadable: no label is as frequent as `min_count`.
        """
        counts: Counter[str] = Counter()
        for value in values:
            try:
                counts.update(self._labels(value))
            except Unreadable:
                continue
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        labels = [label for label, count in ranked if count >= self.min_count][: self.max_labels]
        if not labels:
            raise Unreadable(f"none of its {len(counts):,} labels occurs {self.min_count:,} times; lower min_count")
        return self._keep(labels)

    def load(self, raw: Any) -> Tensor:
        """A list -> `(T,)` ids; 0 where `fit` did not keep a label.

        Raises:
            Unreadable: no list, or an empty one.
        """
        return torch.tensor([self._ids.get(label, OTHER) for label in self._labels(raw)])

    def corruptions(self) -> dict[str, Corruption]:
        """`swap`: each label becomes another of the known ones at random, with the chance `level`."""

        def change(labels: list[str], share: float, random: Random) -> list[str]:
            return [swap(label, self.labels_, share, random) for label in labels]

        return {"swap": Corruption("share of labels", lambda level: level, change)}

    def open(self, raw: Any) -> list[str]:
        return self._labels(raw)

    def describe(self, raw: Any) -> list[str]:
        """The labels, and whether the model knows them."""
        return [label if label in self._ids else f"{label} (other)" for label in self._labels(raw)]

    def names(self, raw: Any) -> list[str]:
        """All labels, also those that `length` leaves out."""
        return self._all(raw)

    def state(self) -> dict[str, Any]:
        return {"labels": list(self.labels_)}

    def restore(self, state: dict[str, Any]) -> Items:
        return self._keep([str(label) for label in state["labels"]])

    def _labels(self, raw: Any) -> list[str]:
        return self._all(raw)[-self.length :]

    def _all(self, raw: Any) -> list[str]:
        if isinstance(raw, str):
            raw = raw.split(self.separator)
        if isinstance(raw, np.ndarray):
            raw = raw.tolist()
        if not isinstance(raw, list | tuple):
            raise Unreadable(f"is no list of labels but {type(raw).__name__}")
        for each in raw:
            if each is None or isinstance(each, list | tuple | dict):
                raise Unreadable(f"holds {each!r}, which is no label")
        labels = [label for label in map(label_of, raw) if label]
        if not labels:
            raise Unreadable("is an empty list")
        return labels

    def _keep(self, labels: list[str]) -> Items:
        self.labels_ = labels
        self._ids = {label: index for index, label in enumerate(labels, 1)}
        return self
