"""Categories as ids: one a label seen in training, and one that all others share."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..corrupt import Corruption, swaps
from ..errors import ConfigError, Unreadable
from .base import MODALITIES, Modality

OTHER = 0
"""The id of every label that `fit` did not keep."""
WHOLE = 2**53
"""Up to here a float holds every whole number exactly."""


@MODALITIES.register("category")
class Category(Modality):
    """One label as a `(1,)` id.

    Labels are compared as text, without blanks around it: 3, 3.0 and `"3"` are one label, True and `"True"`
    another.

    Args:
        min_count: labels rarer than this in the training rows become `other`. Above 1, `other` is met in
            training, so that the model learns what an unknown label may mean.
        max_labels: most labels kept, the commonest first.

    Fitted: `labels_`, from the commonest to the rarest; label i has the id i + 1.

    >>> colour = Category().fit(["red", "blue", "red"])
    >>> colour.labels_, colour.load("blue"), colour.load("green")
    (['red', 'blue'], tensor([2]), tensor([0]))
    """

    encoder = "embedding"
    dtype = torch.int64
    labels_: list[str]

    def __init__(self, *, min_count: int = 1, max_labels: int = 10_000) -> None:
        for key, value in (("min_count", min_count), ("max_labels", max_labels)):
            if value < 1:
                raise ConfigError(f"category: {key} must be at least 1, not {value}")
        self.min_count = min_count
        self.max_labels = max_labels

    @property
    def shape(self) -> tuple[int, ...]:
        return ()

    @property
    def num_tokens(self) -> int:
        """How many ids there are, `other` included: rows of an embedding."""
        return len(self.labels_) + 1

    def words(self) -> list[str]:
        return ["", *self.labels_]

    def fit(self, values: Sequence[Any]) -> Category:
        """Learns the labels, by count and then by name.

        Raises:
            Unreadable: no label is as frequent as `min_count`.
        """
        counts = Counter(label_of(value) for value in values)
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        labels = [label for label, count in ranked if count >= self.min_count][: self.max_labels]
        if not labels:
            raise Unreadable(f"none of its {len(counts):,} labels occurs {self.min_count:,} times; lower min_count")
        return self._keep(labels)

    def load(self, raw: Any) -> Tensor:
        """One label -> `(1,)` id; 0 where `fit` did not keep it."""
        return torch.tensor([self._ids.get(label_of(raw), OTHER)])

    def corruptions(self) -> dict[str, Corruption]:
        return swaps(self.labels_)

    def open(self, raw: Any) -> str:
        return label_of(raw)

    def describe(self, raw: Any) -> list[str]:
        """The label, and whether the model knows it."""
        label = label_of(raw)
        return [label if label in self._ids else f"{label} (other)"]

    def state(self) -> dict[str, Any]:
        return {"labels": list(self.labels_)}

    def restore(self, state: dict[str, Any]) -> Category:
        return self._keep([str(label) for label in state["labels"]])

    def _keep(self, labels: list[str]) -> Category:
        self.labels_ = labels
        self._ids = {label: index for index, label in enumerate(labels, 1)}
        return self


def label_of(raw: Any) -> str:
    """A label as text: without blanks around it, whole numbers without a point."""
    if isinstance(raw, float | np.floating | Decimal):
        number = float(raw)
        if abs(number) <= WHOLE and number.is_integer():
            return str(int(number))
    if isinstance(raw, bytes):
        return raw.decode("utf-8", "replace").strip()
    return unicodedata.normalize("NFC", str(raw)).strip()
