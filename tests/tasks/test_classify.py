"""Classification: labels, losses, stacking, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sensemble.data.table import Table
from sensemble.errors import ConfigError, DataError
from sensemble.tasks.classify import Classify
from sensemble.tokens import Batch, Tokens


def table(**columns: list[Any]) -> Table:
    return Table(pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()}), name="t")


class Fixed(nn.Module):
    """Stands for a network: its inputs are the logits."""

    def forward(self, inputs: Any) -> Any:
        return inputs

    def head(self, logits: torch.Tensor) -> torch.Tensor:
        return logits


def loss(task: Classify, logits: torch.Tensor, rows: Table, weight: torch.Tensor | None = None) -> float:
    batch = Batch(logits, task.collate(rows), weight)  # type: ignore[arg-type]
    return float(task.loss(Fixed(), batch))  # type: ignore[arg-type]


def test_labels_are_texts_whatever_the_type() -> None:
    task = Classify(target="y").fit(table(y=[1, 0, 1.0, "1", None]))
    assert task.classes_ == ["0", "1"] and task.metric == "roc_auc"
    target = task.collate(table(y=[0.0, "1", None]))
    assert target is not None
    assert target.values[:, 0].tolist() == [0, 1, 0] and target.mask[:, 0].tolist() == [True, True, False]
    assert task.shares_ == [0.25, 0.75]


def test_a_table_without_the_target_has_no_labels() -> None:
    assert Classify(target="y").fit(table(y=["a", "b"])).collate(table(x=[1])) is None


def test_plain_loss_is_cross_entropy_over_labelled_rows() -> None:
    rows = table(y=["a", "b", "c", None])
    task = Classify(target="y").fit(rows)
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    assert loss(task, logits, rows) == pytest.approx(float(F.cross_entropy(logits[:3], torch.tensor([0, 1, 2]))))


def test_weights_of_rows_and_classes_multiply() -> None:
    rows = table(y=["a", "b", "b"])
    task = Classify(target="y", class_weights={"a": 3}).fit(rows)
    logits = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    each = F.cross_entropy(logits, torch.tensor([0, 1, 1]), reduction="none")
    weight = torch.tensor([3.0, 2.0, 0.0])
    expected = float((each * weight).sum() / weight.sum())
    assert loss(task, logits, rows, torch.tensor([1.0, 2.0, 0.0])) == pytest.approx(expected)
    balanced = Classify(target="y", class_weights="balanced").fit(rows)
    assert balanced.weights_ == pytest.approx([1.5, 0.75])


def test_focal_counts_easy_rows_less() -> None:
    rows = table(y=["a", "b"])
    logits = torch.tensor([[4.0, 0.0], [0.5, 0.0]])
    plain, focal = Classify(target="y").fit(rows), Classify(target="y", loss="focal", gamma=2.0).fit(rows)
    sure = logits.softmax(-1)[[0, 1], [0, 1]]
    expected = float((-(sure.log()) * (1 - sure) ** 2).mean())
    assert loss(focal, logits, rows) == pytest.approx(expected)
    assert loss(focal, logits, rows) < loss(plain, logits, rows)


@pytest.mark.parametrize("columns", [{"y": [["a", "b"], [], ["b"], None]}, {"y": ["a|b", "", "b", None]}])
def test_label_sets(columns: dict[str, list[Any]]) -> None:
    task = Classify(target="y", many=True).fit(table(**columns))
    target = task.collate(table(**columns))
    assert task.classes_ == ["a", "b"] and target is not None
    known = target.mask.any(1)
    assert target.values[0].tolist() == [1, 1] and target.values[2].tolist() == [0, 1] and not known[3]
    assert task.records(np.array([[0.9, 0.2], [0.6, 0.7]]))[1]["prediction"] == "a|b"


def test_several_columns_of_yes_and_no_with_gaps() -> None:
    rows = table(rain=[1, 0, None], wind=["yes", "no", "yes"])
    task = Classify(target=["rain", "wind"]).fit(rows)
    target = task.collate(rows)
    assert target is not None and target.mask.tolist() == [[True, True], [True, True], [False, True]]
    logits = torch.tensor([[2.0, -1.0], [0.0, 1.0], [9.0, 3.0]])
    each = F.binary_cross_entropy_with_logits(
        logits, torch.tensor([[1.0, 1.0], [0.0, 0.0], [0.0, 1.0]]), reduction="none"
    )
    expected = (each[0].mean() + each[1].mean() + each[2, 1]) / 3
    assert loss(task, logits, rows) == pytest.approx(float(expected))
    with pytest.raises(DataError, match=r"row 0, column 'rain'.*neither yes nor no"):
        task.collate(table(rain=["perhaps"], wind=[1]))


@pytest.mark.parametrize(
    ("options", "rows", "error", "message"),
    [
        ({}, ["a", "a"], DataError, "two or more"),
        ({"positive": "b"}, ["a", "c"], ConfigError, "unknown label 'b'"),
        ({"class_weights": {"d": 1.0}}, ["a", "c"], ConfigError, "unknown label 'd'"),
        ({"metric": "f2"}, ["a", "c"], ConfigError, "unknown metric 'f2'"),
    ],
)
def test_what_cannot_be_learned(options: dict[str, Any], rows: list[str], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        Classify(target="y", **options).fit(table(y=rows))


def test_an_unknown_label_names_its_row() -> None:
    task = Classify(target="y").fit(table(y=["cat", "dog"]))
    with pytest.raises(DataError, match=r"row 1, column 'y'.*did you mean 'dog'"):
        task.collate(table(y=["cat", "dug"]))


def test_free_text_is_no_class() -> None:
    with pytest.raises(DataError, match="regress"):
        Classify(target="y").fit(table(y=[f"{i / 7}" for i in range(3000)]))


def test_positive_class_is_the_last_or_the_named_one() -> None:
    rows = table(y=["no", "yes", "yes"])
    assert Classify(target="y").fit(rows).positive_index == 1
    assert Classify(target="y", positive="no").fit(rows).positive_index == 0


def test_stacking_joins_two_half_views() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 600)
    rows = table(y=[str(label) for label in labels])
    task = Classify(target="y").fit(rows)
    views = []
    for blind in (0, 2):  # each view cannot tell one of the classes from class 1
        seen = np.where(labels == blind, 1, labels)
        view = np.full((600, 3), 0.05)
        view[np.arange(600), seen] = 0.9
        views.append(view)
    target = task.collate(rows)
    assert target is not None
    stacked = np.asarray(task.stack(views, target)(views))
    assert np.allclose(stacked.sum(1), 1)
    best_single = max((view.argmax(1) == labels).mean() for view in views)
    assert (stacked.argmax(1) == labels).mean() > best_single + 0.2


def test_state_round_trip() -> None:
    task = Classify(target="y").fit(table(y=["a", "b", "b"]))
    again = Classify(target="y").restore(task.state())
    assert again.classes_ == task.classes_ and np.array_equal(again.trivial(2), task.trivial(2))


def test_surprise_is_largest_for_the_worst_answer() -> None:
    target = Tokens.full(torch.tensor([[0], [1], [1]]))
    task = Classify(target="y").fit(table(y=["a", "b"]))
    surprise = task.surprise(np.array([[0.9, 0.1], [0.99, 0.01], [0.4, 0.6]]), target)
    assert surprise.argmax() == 1 and task.truth(target) == ["a", "b", "b"]
