"""Lists of labels: ids in their order, the latest kept, and what is no list named."""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import sensemble as se
from sensemble.errors import ConfigError, Unreadable
from sensemble.modalities import items
from sensemble.modalities.items import Items
from sensemble.testing import check_modality


def test_docstring_examples_hold() -> None:
    assert doctest.testmod(items).failed == 0


def test_passes_the_battery() -> None:
    values = [[1, 2, 3], "2 5", ["青蛙"], (1.0, True)]
    check_modality(Items().fit(values), values)


@pytest.mark.parametrize("alike", [[3, 1, 3], "3 1  3", (3.0, "1", np.int64(3)), np.array([3, 1, 3]), ["3 ", " 1", 3]])
def test_one_list_written_in_several_ways(alike: Any) -> None:
    modality = Items().fit([[3, 1, 3]])
    assert modality.labels_ == ["3", "1"]
    assert modality.load(alike).tolist() == [1, 2, 1] and modality.load(alike).dtype == torch.int64


def test_the_last_ones_are_kept_and_unknown_ones_share_an_id() -> None:
    modality = Items(length=3, separator=", ").fit(["the bus, frog", "frog"])
    assert modality.labels_ == ["frog", "the bus"] and modality.num_tokens == 3
    assert modality.load("frog, cow, the bus, frog").tolist() == [0, 2, 1]
    assert modality.describe("cow, frog") == ["cow (other)", "frog"]


def test_rare_labels_are_other() -> None:
    assert Items(min_count=2).fit([[1, 2], [2]]).labels_ == ["2"]
    assert Items(max_labels=1).fit([[1, 2], [2]]).labels_ == ["2"]
    with pytest.raises(Unreadable, match="none of its 2 labels occurs 3 times"):
        Items(min_count=3).fit([[1, 2], [2]])


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [([], "an empty list"), ("  ", "an empty list"), (5, "no list of labels but int"), ([[1]], "no label"),
     ([None, 1], "None, which is no label"), ({"a": 1}, "but dict"), (np.array(5), "but int")],
)  # fmt: skip
def test_what_is_no_list_is_named(wrong: Any, reason: str) -> None:
    modality = Items().fit([[1], wrong])  # passed over
    assert modality.labels_ == ["1"]
    with pytest.raises(Unreadable, match=reason):
        modality.load(wrong)


@pytest.mark.parametrize("options", [{"length": 0}, {"min_count": 0}, {"max_labels": 0}, {"separator": ""}])
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="items: "):
        Items(**options)


@pytest.mark.parametrize("encoder", ["bag", "gru", "transformer"])
def test_learns_from_what_is_in_a_list(encoder: str) -> None:
    random = np.random.default_rng(0)
    lists = [random.integers(1, 9, size=random.integers(1, 7)).tolist() for _ in range(500)]
    table = pd.DataFrame({"history": lists, "label": ["yes" if 3 in each else "no" for each in lists]})
    table.loc[::40, "history"] = None
    options = {"name": encoder, "dim": 16} | ({"pairs": 0} if encoder == "bag" else {})
    learner = se.Learner(
        inputs={"history": {"name": "items", "encoder": options}},
        task={"name": "classify", "target": "label"},
        train={"epochs": 25, "batch": 32, "lr": 0.01},
        width=16,
        verdict="off",
    )
    learner.fit(table)
    fresh = [random.integers(1, 9, size=random.integers(1, 7)).tolist() for _ in range(200)]
    predicted = learner.predict([{"history": each} for each in fresh])
    right = [row["prediction"] == ("yes" if 3 in each else "no") for row, each in zip(predicted, fresh, strict=True)]
    assert np.mean(right) > 0.9
