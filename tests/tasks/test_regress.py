"""Regression: units, losses, gaps, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from sensemble.data.table import Table
from sensemble.errors import ConfigError, DataError
from sensemble.tasks.regress import Regress
from sensemble.tokens import Batch


def table(**columns: list[Any]) -> Table:
    return Table(pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()}), name="t")


class Fixed(nn.Module):
    """Stands for a network: its inputs are the outputs."""

    def forward(self, inputs: Any) -> Any:
        return inputs

    def head(self, outputs: torch.Tensor) -> torch.Tensor:
        return outputs


def test_answers_are_in_the_target_s_own_units() -> None:
    task = Regress(target="y").fit(table(y=[10, 20, "30", None]))
    answers = task.answer(Fixed(), torch.tensor([[0.0], [1.0]]))  # type: ignore[arg-type]
    assert answers[:, 0] == pytest.approx([20.0, 30.0])
    assert task.trivial(1)[0, 0] == pytest.approx(20.0)


@pytest.mark.parametrize("name", ["mse", "mae", "huber"])
def test_losses_skip_gaps_and_weigh_rows(name: Any) -> None:
    rows = table(a=[1.0, 2.0, 3.0], b=[5.0, None, 7.0])
    task = Regress(target=["a", "b"], loss=name).fit(rows)
    outputs = torch.tensor([[0.0, 0.3], [2.0, 9.9], [-3.0, 1.0]])
    weight = torch.tensor([1.0, 2.0, 0.5])
    batch = Batch(outputs, task.collate(rows), weight)  # type: ignore[arg-type]
    wanted = np.array([[-1, -(2**-0.5)], [0, 0], [1, 2**-0.5]])
    error = np.abs(outputs.numpy() - wanted)
    each = {"mse": error**2, "mae": error, "huber": np.where(error < 1, error**2 / 2, error - 0.5)}[name]
    counts = np.array([[1, 1], [2, 0], [0.5, 0.5]])
    assert float(task.loss(Fixed(), batch)) == pytest.approx((each * counts).sum() / counts.sum(), abs=1e-5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "message"),
    [([1.0, "abc"], "row 1, column 'y'.*not a number"), ([2.0, 2.0], "do not vary"), ([1.0, None], "do not vary")],
)
def test_what_cannot_be_learned(values: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Regress(target="y").fit(table(y=values))


def test_unknown_metric() -> None:
    with pytest.raises(ConfigError, match="did you mean 'rmse'"):
        Regress(target="y", metric="rms").fit(table(y=[1.0, 2.0]))


def test_stacking_averages_noise_away() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=(500, 1))
    rows = table(y=truth[:, 0].tolist())
    task = Regress(target="y").fit(rows)
    views = [truth + random.normal(size=(500, 1)) for _ in range(2)]
    target = task.collate(rows)
    assert target is not None
    stacked = np.asarray(task.stack(views, target)(views))
    assert ((stacked - truth) ** 2).mean() < 0.7 * min(((view - truth) ** 2).mean() for view in views)


def test_records_name_several_targets() -> None:
    assert Regress(target="y").records(np.array([[1.5]])) == [{"prediction": 1.5}]
    assert Regress(target=["a", "b"]).records(np.array([[1.0, 2.0]])) == [{"prediction:a": 1.0, "prediction:b": 2.0}]
