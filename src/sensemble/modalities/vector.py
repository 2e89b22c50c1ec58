"""Ready-made features: one vector, or a sequence of them, standardised feature by feature.

Legend: T steps, D features.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..corrupt import Corruption, numbers
from ..errors import ConfigError, Unreadable
from .base import MODALITIES, Modality

Array = np.ndarray[Any, np.dtype[np.float64]]


@MODALITIES.register("vector")
class Vector(Modality):
    """Features that another program computed, as `(T, D)` floats.

    A value is a list of D numbers (one step), a list of T such lists, an array of either shape, or the JSON
    text of one. T may differ from row to row; D may not.

    Args:
        length: most steps; later ones are cut.

    Fitted: `mean_` and `std_`, both `(D,)`, over all steps; a feature that never changes has the deviation 1.

    >>> pose = Vector().fit([[[1.0, 5.0], [3.0, 5.0]], "[2, 5]"])
    >>> pose.load([2.0, 6.0])
    tensor([[0., 1.]])
    """

    encoder = "linear"
    are_features = True
    mean_: Array
    std_: Array

    def __init__(self, *, length: int = 1024) -> None:
        if length < 1:
            raise ConfigError(f"vector: length must be at least 1, not {length}")
        self.length = length

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.mean_),)

    def fit(self, values: Sequence[Any]) -> Vector:
        """Learns D, and each feature's mean and deviation, one value at a time.

        Values that cannot be read are passed over, as `load` names them; but all others must agree on D.

        Raises:
            Unreadable: no value can be read, or two differ in D.
        """
        widths: Counter[int] = Counter()
        first: dict[int, tuple[int, Any]] = {}  # of each D: its place and itself
        moments: dict[int, _Moments] = {}
        reason = "there is none"
        for place, value in enumerate(values):
            try:
                steps = _parse(value)[: self.length]
            except Unreadable as error:
                reason = str(error)
                continue
            width = steps.shape[1]
            widths[width] += 1
            first.setdefault(width, (place, value))
            moments.setdefault(width, _Moments(width)).add(steps)
        if not widths:
            raise Unreadable(f"none of the {len(values):,} training values is a list of numbers: {reason}")
        (usual, count), *others = widths.most_common()
        if others:
            place, value = first[others[0][0]]
            raise Unreadable(
                f"{count:,} training values have {usual} features a step, but {widths.total() - count:,} have not: "
                f"value {place} has {others[0][0]}, {_short(value)}; make them agree, or write a sequence of T steps "
                "as a list of T lists"
            )
        self.mean_, self.std_ = moments[usual].finish()
        return self

    def load(self, raw: Any) -> Tensor:
        """One value -> `(T, D)`, 1 <= T <= length.

        Raises:
            Unreadable: not numbers, not finite, ragged, empty, or another D than in training.
        """
        steps = self.open(raw)
        with np.errstate(over="ignore"):
            scaled = ((steps - self.mean_) / self.std_).astype(np.float32)
        if not np.isfinite(scaled).all():
            raise Unreadable("holds a number too large beside the training values")
        return torch.from_numpy(scaled)

    def corruptions(self) -> dict[str, Corruption]:
        return {"noise": numbers(lambda steps, noise: steps + noise * self.std_, lambda steps: steps.shape)}

    def open(self, raw: Any) -> Array:
        """The steps `(T, D)` that are loaded, before they are standardised."""
        steps = _parse(raw)[: self.length]
        if steps.shape[1:] != self.shape:
            raise Unreadable(f"has {steps.shape[1]} features a step, the training values have {self.shape[0]}")
        return steps

    def describe(self, raw: Any) -> list[str]:
        steps = len(self.load(raw))
        return ["the features"] if steps == 1 else [f"step {step}" for step in range(1, steps + 1)]

    def show(self, raw: Any) -> dict[str, str]:
        return {"kind": "text", "text": _short(raw)}

    def state(self) -> dict[str, Any]:
        return {"mean": self.mean_.tolist(), "std": self.std_.tolist()}

    def restore(self, state: dict[str, Any]) -> Vector:
        self.mean_ = np.array(state["mean"], dtype=np.float64)
        self.std_ = np.array(state["std"], dtype=np.float64)
        return self


class _Moments:
    """Mean and deviation of a stream of steps.

    Source: Chan et al. 1983, "Algorithms for Computing the Sample Variance", equations 2.1.
    """

    def __init__(self, width: int) -> None:
        self.count = 0
        self.mean = np.zeros(width)
        self.square = np.zeros(width)  # sum of squared distances from the mean
        self.low = np.full(width, np.inf)
        self.high = np.full(width, -np.inf)

    def add(self, steps: Array) -> None:
        """Takes `(T, D)` more."""
        with np.errstate(over="ignore", invalid="ignore"):  # `finish` mends what overflowed
            mean = steps.mean(0)
            shift, total = mean - self.mean, self.count + len(steps)
            self.mean = self.mean + shift * (len(steps) / total)
            self.square += ((steps - mean) ** 2).sum(0) + shift**2 * (self.count * len(steps) / total)
        self.count = total
        self.low = np.minimum(self.low, steps.min(0))
        self.high = np.maximum(self.high, steps.max(0))

    def finish(self) -> tuple[Array, Array]:
        """Mean and deviation, `(D,)` each; exactly the value and 1 where a feature is constant."""
        constant = self.low == self.high
        mean, std = np.where(constant, self.low, self.mean), np.sqrt(self.square / self.count)
        if not (np.isfinite(mean).all() and np.isfinite(std).all()):
            raise Unreadable("the training values are too large to be standardised")
        return mean, np.where(constant | (std == 0), 1.0, std)


def _parse(raw: Any) -> Array:
    """A raw value -> `(T, D)` finite numbers."""
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise Unreadable("not a list of numbers, such as [0.5, 2]") from error
    if not isinstance(raw, list | tuple) and not hasattr(raw, "__array__"):
        raise Unreadable(f"not a list of numbers but {type(raw).__name__}")
    try:
        array = np.asarray(raw)
        if array.dtype == object:  # lists of arrays, as nested columns of Parquet files come
            array = np.asarray(array.tolist())
    except (ValueError, TypeError, RuntimeError) as error:
        raise Unreadable("its steps differ in their number of features") from error
    if not array.size:
        raise Unreadable("an empty list")
    if array.dtype.kind not in "iufb":
        raise Unreadable("holds something that is not a number")
    if array.ndim not in (1, 2):
        raise Unreadable(f"needs one or two levels of lists, not {array.ndim}")
    steps = array.astype(np.float64).reshape(-1, array.shape[-1])  # (D,) -> (1, D)
    if not np.isfinite(steps).all():
        raise Unreadable("holds a number that is not finite (NaN or infinity)")
    return steps


def _short(raw: Any) -> str:
    """A value for messages and reports: few of its numbers."""
    text = " ".join(str(raw if isinstance(raw, str) else np.asarray(raw)[:3]).split())
    return text if len(text) <= 80 else text[:79] + "…"
