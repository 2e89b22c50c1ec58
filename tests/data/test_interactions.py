"""Splits of interactions: nothing of the future in a history, nothing held out in training."""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sensemble.data import interactions
from sensemble.data.interactions import Columns, in_core, split_interactions
from sensemble.errors import DataError

COLUMNS = Columns()


def test_docstring_examples_hold() -> None:
    assert doctest.testmod(interactions).failed == 0


def made(rows: int = 400, *, seed: int = 0) -> pd.DataFrame:
    """Twelve users who had 30 items each at most once, at times of which some are equal."""
    random = np.random.default_rng(seed)
    pairs = random.permutation(12 * 30)[: min(rows, 360)]
    table = pd.DataFrame({"user": [f"u{each}" for each in pairs // 30], "item": pairs % 30})
    return table.assign(time=random.integers(0, 60, len(table)), stars=random.integers(1, 6, len(table)))


def test_leave_one_out() -> None:
    table = made(300)
    parts = split_interactions(table, columns=COLUMNS, longest=1000)
    assert {name: len(part) for name, part in parts.items()} == {"train": 276, "valid": 12, "test": 12, "cold": 0}
    for user, own in table.groupby("user"):
        train, valid, test = (parts[name][parts[name]["user"] == user] for name in ("train", "valid", "test"))
        assert test["time"].item() == own["time"].max()
        assert train["time"].max() <= valid["time"].item() <= test["time"].item()
        assert valid["history"].item() == train["item"].tolist()
        assert test["history"].item() == [*train["item"], valid["item"].item()]
        for row in train.itertuples():
            assert row.history == train["item"][train["time"] < row.time].tolist()


def test_shares_of_each_user() -> None:
    parts = split_interactions(made(), columns=COLUMNS, valid=0.1, test=0.2)
    assert parts["test"]["user"].value_counts().tolist() == [6] * 12
    assert parts["valid"]["user"].value_counts().tolist() == [3] * 12
    for _, rows in parts["test"].groupby("user"):
        assert rows["history"].map(str).nunique() == 1, "the rows of a user are one query"


def test_histories_keep_the_latest() -> None:
    whole = split_interactions(made(), columns=COLUMNS, longest=1000)
    short = split_interactions(made(), columns=COLUMNS, longest=4)
    for name in ("train", "valid", "test"):
        assert [each[-4:] for each in whole[name]["history"]] == short[name]["history"].tolist()


def test_users_with_too_few_are_training() -> None:
    table = pd.DataFrame({"user": [1, 1, 2, 2, 2], "item": [1, 2, 1, 2, 3], "time": [1, 2, 1, 2, 3]})
    parts = split_interactions(table, columns=COLUMNS)
    assert parts["train"][["user", "item"]].to_numpy().tolist() == [[1, 1], [2, 1], [1, 2]]
    assert parts["test"]["history"].tolist() == [[1, 2]]


def test_cold_items_are_nowhere_in_training() -> None:
    table = made()
    items = pd.DataFrame({"item": range(30), "name": [f"film {each}" for each in range(30)]})
    items["work"] = items["item"].replace({29: 0, 28: 1})  # two stand twice
    columns = Columns(same="work")
    parts = split_interactions(table, columns=columns, items=items, cold=0.25, valid=0.1, test=0.2)
    cold = set(parts["cold"]["item"])
    assert len({items["work"][each] for each in cold}) == 7  # a quarter of 28
    assert (0 in cold) == (29 in cold) and (1 in cold) == (28 in cold)
    rest = pd.concat([parts[name] for name in ("train", "valid", "test")])
    assert not cold & set(rest["item"]) and not cold & set(rest["history"].explode().dropna())
    assert len(rest) + len(parts["cold"]) == len(table)
    assert set(parts["cold"]["item"]) != set(
        split_interactions(table, columns=columns, items=items, cold=0.25, seed=1)["cold"]["item"]
    )
    assert (parts["train"]["name"] == "film " + parts["train"]["item"].astype(str)).all()
    for user, rows in parts["cold"].groupby("user"):
        trained = parts["train"][parts["train"]["user"] == user]["item"].tolist()
        assert rows["history"].tolist() == [trained[-50:]] * len(rows)


def test_core_goes_on_until_nothing_goes() -> None:
    random = np.random.default_rng(4)
    for least in range(1, 6):
        users, items = random.integers(0, 40, 200), random.integers(0, 40, 200)
        kept = in_core(users, items, least)
        for codes in (users, items):
            assert not kept.any() or np.unique(codes[kept], return_counts=True)[1].min() >= least
        left = np.ones(200, bool)
        for _ in range(300):  # one by one, in another order
            few = [
                row
                for row in np.flatnonzero(left)
                if (users[left] == users[row]).sum() < least or (items[left] == items[row]).sum() < least
            ]
            left[few[:1]] = False
        assert (left == kept).all()
    with pytest.raises(DataError, match="no user and item with 100 interactions"):
        split_interactions(made(), columns=COLUMNS, core=100)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": Columns(user="usr")}, "user: unknown column 'usr': did you mean 'user'"),
        ({"items": pd.DataFrame({"item": [1, 1]})}, "1 stands twice in column 'item'"),
        ({"items": pd.DataFrame({"item": range(1, 99)})}, "0 is no item"),
        ({"items": pd.DataFrame({"items": [1]})}, "unknown column 'item'"),
        ({"table": made().assign(time=None)}, "column 'time': row 0 is empty"),
    ],
)
def test_wrong_tables_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        split_interactions(**{"table": made(), "columns": COLUMNS, **change})
