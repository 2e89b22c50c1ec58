"""Regression: one number, or several.

Legend: B batch, K targets, n rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.table import Table
from ..errors import ConfigError, DataError, unknown
from ..metrics.base import Array, Metric
from ..metrics.regression import regression_metrics
from ..network import Network
from ..nn.head import Head
from ..tokens import Batch, Tokens
from .base import TASKS, Answers, Stacker, Task


@TASKS.register("regress")
class Regress(Task):
    """Predicts numbers. Targets are standardised for learning; answers, `(n, K)`, are in their own units.

    Args:
        target: the column, or several.
        loss: `mse` aims at the mean, `mae` at the median, `huber` is between (squared up to one standard
            deviation, linear beyond).
        metric: the score by which models are chosen.
        dropout: before the last linear map.
    """

    def __init__(
        self,
        *,
        target: str | list[str],
        loss: Literal["mse", "mae", "huber"] = "mse",
        metric: str = "r2",
        dropout: float = 0.1,
    ) -> None:
        self.target = [target] if isinstance(target, str) else target
        self.loss_name = loss
        self.metric = metric
        self.dropout = dropout
        self.mean_: list[float] = []
        self.scale_: list[float] = []

    @property
    def columns(self) -> list[str]:
        return list(self.target)

    def fit(self, table: Table) -> Regress:
        target = self._raw(table)
        for index, name in enumerate(self.target):
            known = target.values[target.mask[:, index], index]
            if len(known) < 2 or float(known.std()) == 0:
                raise DataError(
                    f"{table.name}, column {name!r}: the training rows hold {len(known)} known value(s) that do not "
                    "vary; regression needs different numbers"
                )
            self.mean_.append(float(known.mean()))
            self.scale_.append(float(known.std()))
        known_metrics = self.metrics(self.trivial(len(table)), target)
        if self.metric not in known_metrics:
            raise ConfigError(f"task.metric: {unknown('metric', self.metric, known_metrics)}")
        return self

    def head(self, width: int) -> nn.Module:
        return Head(width, torch.zeros(len(self.target)), dropout=self.dropout)

    def collate(self, table: Table) -> Tokens | None:
        return None if any(name not in table.columns for name in self.target) else self._raw(table)

    def loss(self, network: Network, batch: Batch) -> Tensor:
        assert batch.target is not None
        outputs = network.head(network(batch.inputs))  # (B, K)
        mean, scale = outputs.new_tensor(self.mean_), outputs.new_tensor(self.scale_)
        wanted = ((batch.target.values - mean) / scale).to(outputs.dtype)
        measure = {"mse": F.mse_loss, "mae": F.l1_loss, "huber": F.smooth_l1_loss}[self.loss_name]
        each = measure(outputs, wanted, reduction="none")
        weight = batch.target.mask.to(outputs.dtype)  # (B, K)
        if batch.weight is not None:
            weight = weight * batch.weight.unsqueeze(1)
        return (each * weight).sum() / weight.sum().clamp(min=1e-6)

    def answer(self, network: Network, fused: Tokens) -> NDArray[np.float64]:
        outputs: NDArray[np.float64] = network.head(fused).double().cpu().numpy()
        result: NDArray[np.float64] = outputs * np.array(self.scale_) + np.array(self.mean_)
        return result

    def metrics(self, answers: Answers, target: Tokens) -> dict[str, Metric]:
        return regression_metrics(np.asarray(answers), target.values.numpy(), target.mask.numpy(), self.target)

    def trivial(self, rows: int) -> NDArray[np.float64]:
        return np.tile(np.array(self.mean_), (rows, 1))

    def stack(self, answers: Sequence[Answers], target: Tokens) -> Stacker:
        return RidgeStacker(answers, target, self.mean_, self.scale_)

    def records(self, answers: Answers) -> list[dict[str, Any]]:
        rows = np.asarray(answers).tolist()
        if len(self.target) == 1:
            return [{"prediction": row[0]} for row in rows]
        return [{f"prediction:{name}": value for name, value in zip(self.target, row, strict=True)} for row in rows]

    def truth(self, target: Tokens) -> list[str]:
        return [
            ", ".join(f"{value:.6g}" if known else "?" for value, known in zip(values, mask, strict=True))
            for values, mask in zip(target.values.tolist(), target.mask.tolist(), strict=True)
        ]

    def surprise(self, answers: Answers, target: Tokens) -> NDArray[np.float64]:
        errors = np.abs(np.asarray(answers) - target.values.numpy()) / np.array(self.scale_)
        return np.asarray((errors * target.mask.numpy()).sum(1))

    def details(self, answers: Answers, target: Tokens, draws: Array | None = None) -> dict[str, Any]:
        residuals = {}
        for index, name in enumerate(self.target):
            known = target.mask[:, index].numpy()
            residuals[name] = {
                "truth": target.values[:, index].numpy()[known].tolist(),
                "predicted": np.asarray(answers)[known, index].tolist(),
            }
        return {"residuals": residuals}

    def _raw(self, table: Table) -> Tokens:
        """Values and which are known, `(n, K)`, in the targets' own units."""
        values = torch.zeros(len(table), len(self.target), dtype=torch.float64)
        mask = torch.zeros(len(table), len(self.target), dtype=torch.bool)
        for place, name in enumerate(self.target):
            for index, cell in enumerate(table.column(name)):
                if cell is None:
                    continue
                try:
                    value = float(cell)
                except (TypeError, ValueError):
                    value = float("nan")
                if not np.isfinite(value):
                    raise DataError(
                        f"{table.name}, row {table.row(index)}, column {name!r}: {cell!r} is not a number; mend or "
                        "empty the cell, or use the task classify"
                    )
                values[index, place], mask[index, place] = value, True
        return Tokens(values, mask)


class RidgeStacker(Stacker):
    """Ridge regression on the answers of several models."""

    def __init__(
        self, answers: Sequence[Answers], target: Tokens, mean: Sequence[float], scale: Sequence[float]
    ) -> None:
        self.mean, self.scale = np.array(mean), np.array(scale)
        features, values = self._features(answers), (target.values.numpy() - self.mean) / self.scale
        self.models = []
        for column in range(values.shape[1]):
            known = target.mask.numpy()[:, column]
            self.models.append(Ridge(alpha=1.0).fit(features[known], values[known, column]))

    def __call__(self, answers: Sequence[Answers]) -> NDArray[np.float64]:
        features = self._features(answers)
        stacked = np.stack([model.predict(features) for model in self.models], 1)
        result: NDArray[np.float64] = stacked * self.scale + self.mean
        return result

    def _features(self, answers: Sequence[Answers]) -> NDArray[np.float64]:
        return np.concatenate([(np.asarray(each) - self.mean) / self.scale for each in answers], 1)
