"""Groups in two splits: named where they stand in both, silent where they stay whole or are no groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from sensemble.data.groups import Agreement, names_a_thing, straddling_groups
from sensemble.data.joined import Joined
from sensemble.data.leaks import Target
from sensemble.data.table import Table

GROUPS, EACH = 40, 10


def people(column: str = "speaker", seed: int = 0, labels: str = "alike") -> pd.DataFrame:
    """40 groups of 10 rows, shuffled; the rows of one group are labelled alike or at random."""
    random = np.random.default_rng(seed)
    group = random.permutation(np.repeat(np.arange(GROUPS), EACH))
    moods = random.integers(0, 2, GROUPS)[group] if labels == "alike" else random.integers(0, 2, len(group))
    names = np.array([f"name {number}" for number in range(GROUPS)])[group]
    return pd.DataFrame(
        {column: names, "mood": np.where(moods, "good", "bad"), "value": random.normal(size=len(group))}
    )


def halves(frame: pd.DataFrame, *, by: str | None = None) -> dict[str, Table]:
    side = np.arange(len(frame)) % 2 == 0 if by is None else frame[by].isin(sorted(frame[by].unique())[::2])
    return {"train": Table(frame[side]), "test": Table(frame[~side])}


def found(parts: dict[str, Table], **options: Any) -> dict[str, str]:
    rows = Joined(parts)
    inputs = options.pop("inputs", {"value": ("number", "value")})
    findings = straddling_groups(rows, inputs, [Target.read("mood", rows.column("mood"))], **options)
    return {" ".join(finding["columns"]): finding["message"] for finding in findings}


def test_a_named_group_in_two_splits() -> None:
    frame = people(labels="random")
    messages = found(halves(frame))
    assert list(messages) == ["speaker"]
    assert messages["speaker"].startswith(
        "200 of 200 test rows have a value of `speaker` that also stands in train (40 "
    )
    assert "data.group: speaker" in messages["speaker"]
    assert found(halves(frame, by="speaker")) == {}


def test_the_group_of_the_config_must_stay_whole() -> None:
    frame = people("person")
    assert found(halves(frame, by="person"), group="person") == {}
    parts = halves(frame, by="person")
    parts["test"].frame.iloc[0, 0] = parts["train"].frame.iloc[0, 0]
    parts["test"] = Table(parts["test"].frame)
    assert "1 of 200 test rows" in found(parts, group="person")["person"]
    assert "although data.group is person" in found(parts, group="person")["person"]


def test_without_splits_the_advice_is_to_split_by_the_group() -> None:
    frame = people()
    assert "a random split puts the same one in train and test" in found({"all": Table(frame)})["speaker"]
    assert found({"all": Table(frame)}, group="speaker") == {}


def test_other_columns_need_rows_that_agree_on_the_label() -> None:
    messages = found(halves(people("town")))
    assert "two of one value agree on `mood` in 100%, by chance in 5" in messages["town"]
    assert found(halves(people("town", labels="random"))) == {}
    assert found(halves(people("town")), inputs={"town": ("category", "town")}) == {}


def test_few_large_values_and_unique_values_are_no_groups() -> None:
    frame = people(labels="random")
    frame["user"] = [["left", "right"][row % 2] for row in range(len(frame))]
    frame["image"] = [f"{row}.png" for row in range(len(frame))]
    frame["user_age"] = frame.index % 30
    frame["session"] = [f"said {row}" for row in frame.index // 2]
    assert set(found(halves(frame), inputs={"said": ("text", "session")})) == {"speaker"}


def test_files_that_repeat_are_groups_whatever_their_column_is_called() -> None:
    frame = people("look", labels="random")
    frame["look"] = frame["look"] + ".png"
    assert found(halves(frame)) == {}
    assert list(found(halves(frame), inputs={"look": ("image", "look")})) == ["look"]


def test_two_names_of_the_same_groups_are_one_warning() -> None:
    frame = people()
    frame["speaker_id"] = frame["speaker"].str.removeprefix("name ").astype(int)
    assert list(found(halves(frame))) == ["speaker speaker_id"]


def test_numbers_that_each_split_counts_afresh_are_no_groups() -> None:
    frame = people(labels="random")
    parts = halves(frame)
    inputs = {"photo": ("image", "photo")}
    for name, part in parts.items():
        number = np.arange(len(part)) // 5
        photo = [f"{name}{each}.png" for each in number]
        parts[name] = Table(part.frame.assign(image_id=number, photo=photo))
    assert list(found(parts, inputs=inputs)) == ["speaker"]
    for name, part in parts.items():
        parts[name] = Table(part.frame.assign(photo=[f"{each}.png" for each in part.frame["image_id"]]))
    assert list(found(parts, inputs=inputs)) == ["speaker", "image_id photo"]


def test_lists_and_fractions_are_no_groups() -> None:
    frame = people(labels="random")
    frame["user"] = [[1, 2]] * len(frame)
    frame["patient"] = (frame.index % 40) + 0.5
    assert list(found(halves(frame))) == ["speaker"]


@pytest.mark.parametrize(
    "name", ["user", "Speaker", "patient_id", "UserID", "userid", "image path", "用户编号", "clips"]
)
def test_names_of_things(name: str) -> None:
    assert names_a_thing(name)


@pytest.mark.parametrize("name", ["user_age", "id", "rating", "imagery", "speaker_gender", "年龄", ""])
def test_other_names(name: str) -> None:
    assert not names_a_thing(name)


def test_agreement_on_numbers_is_the_explained_variance() -> None:
    random = np.random.default_rng(0)
    codes = np.repeat(np.arange(200), 10)
    centre = random.normal(size=200)[codes]
    target = Target.read("price", (centre + random.normal(size=2_000)).tolist())
    assert Agreement.measure(codes, target).value == pytest.approx(0.5, abs=0.06)
    assert Agreement.measure(random.permutation(codes), target).value == pytest.approx(0, abs=0.03)
    assert Agreement.measure(np.arange(2_000), target).pairs == 0


def test_agreement_by_hand() -> None:
    target = Target.read("mood", ["a", "a", "b", "b", "b", None])
    measured = Agreement.measure(np.array([0, 0, 0, 1, 1, 1]), target)
    assert measured.pairs == 4
    assert measured.value == pytest.approx((2 / 4 - 13 / 25) / (1 - 13 / 25))
