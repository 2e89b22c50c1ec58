"""Numbers as standardised values, with quantiles for encoders that read them piece by piece."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..corrupt import Corruption, numbers
from ..errors import ConfigError, Unreadable
from .base import MODALITIES, Modality


@MODALITIES.register("number")
class Number(Modality):
    """One number as a `(1, 1)` float: its distance from the training rows' mean, in standard deviations.

    Numbers, booleans and text such as `"3.5"` are read. For codes that only name things, choose `category`.

    Args:
        clip: largest standardised value; what lies further out is set to it.
        bins: most intervals of equal count that `edges_` bounds; repeated values make fewer.

    Fitted: `mean_`, `std_` (1 where all values are equal), and `edges_`, `(at most bins + 1,)` strictly rising
    standardised quantiles, at least two.

    Source of the quantiles: Gorishniy et al. 2022, "On Embeddings for Numerical Features in Tabular Deep
    Learning", section 3.2.1.

    >>> number = Number().fit([1, 2, "3"])
    >>> number.load(2.0), [round(edge, 2) for edge in number.edges_.tolist()]
    (tensor([[0.]]), [-1.22, 0.0, 1.22])
    """

    encoder = "piecewise"
    mean_: float
    std_: float
    edges_: Tensor

    def __init__(self, *, clip: float = 10.0, bins: int = 32) -> None:
        if not 0 < clip < math.inf:
            raise ConfigError(f"number: clip must be above 0, not {clip:g}")
        if bins < 1:
            raise ConfigError(f"number: bins must be at least 1, not {bins}")
        self.clip = clip
        self.bins = bins

    @property
    def shape(self) -> tuple[int, ...]:
        return (1,)

    def fit(self, values: Sequence[Any]) -> Number:
        """Learns mean, deviation and quantiles from the values that are numbers.

        Raises:
            Unreadable: none of them is.
        """
        readable, reason = [], "there is none"
        for value in values:
            try:
                readable.append(_parse(value))
            except Unreadable as error:
                reason = str(error)
        if not readable:
            raise Unreadable(f"none of the {len(values):,} training values is a number: {reason}")
        numbers = np.array(readable)
        self.mean_, self.std_ = _moments(numbers)
        with np.errstate(over="ignore"):  # what overflows is clipped
            scaled = ((numbers - self.mean_) / self.std_).clip(-self.clip, self.clip)
        # Quantiles that are values themselves: between two values there is nothing to tell apart.
        found = np.quantile(scaled, np.linspace(0, 1, self.bins + 1), method="inverted_cdf")
        edges = np.unique(found.astype(np.float32))
        if len(edges) == 1:
            edges = edges + np.array([-0.5, 0.5], dtype=np.float32)
        self.edges_ = torch.from_numpy(edges)
        return self

    def load(self, raw: Any) -> Tensor:
        """One number -> `(1, 1)`.

        Raises:
            Unreadable: not a finite number.
        """
        scaled = (_parse(raw) - self.mean_) / self.std_
        return torch.tensor([[max(-self.clip, min(self.clip, scaled))]], dtype=torch.float32)

    def corruptions(self) -> dict[str, Corruption]:
        return {"noise": numbers(lambda number, noise: number + float(noise) * self.std_, lambda number: ())}

    def open(self, raw: Any) -> float:
        return _parse(raw)

    def show(self, raw: Any) -> dict[str, str]:
        return {"kind": "number", "text": f"{_parse(raw):.6g}"}

    def state(self) -> dict[str, Any]:
        return {"mean": self.mean_, "std": self.std_, "edges": self.edges_.tolist()}

    def restore(self, state: dict[str, Any]) -> Number:
        self.mean_, self.std_ = float(state["mean"]), float(state["std"])
        self.edges_ = torch.tensor(state["edges"], dtype=torch.float32)
        return self


def _parse(raw: Any) -> float:
    """A cell's number. Python's `1_000` is refused: in a table it is a name."""
    readable = isinstance(raw, int | float | Decimal | np.bool_ | np.integer | np.floating) or (
        isinstance(raw, str) and "_" not in raw
    )
    try:
        value = float(raw) if readable else math.nan
    except (ValueError, OverflowError):  # text, or an int beyond the largest float
        value = math.nan
    if not math.isfinite(value):
        shown = repr(raw)
        raise Unreadable(f"not a number: {shown if len(shown) <= 40 else shown[:39] + '…'}")
    return value


def _moments(numbers: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float, float]:
    """Mean and standard deviation, also of numbers whose squares would overflow."""
    if numbers.min() == numbers.max():
        return float(numbers[0]), 1.0
    scale = float(np.abs(numbers).max())
    scaled = numbers / scale
    return float(scaled.mean()) * scale, max(float(scaled.std()) * scale, float(np.finfo(float).tiny))
