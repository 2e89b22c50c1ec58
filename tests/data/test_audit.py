"""The audit as a whole: what it counts, its order, constants, ids, imbalance, its plain lines."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sensemble.data.audit import KINDS, audit, summary
from sensemble.data.load import Problem
from sensemble.data.table import Table
from sensemble.errors import DataError


def table(**columns: Any) -> Table:
    return Table(pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()}))


def kinds(result: dict[str, Any]) -> list[str]:
    return [warning["kind"] for warning in result["warnings"]]


def honest(rows: int = 300, seed: int = 0) -> dict[str, list[Any]]:
    """Columns without a flaw."""
    random = np.random.default_rng(seed)
    mood = random.integers(0, 2, rows)
    words = np.array(["warm", "cold", "soft", "rough", "blue", "red", "long", "short", "thin", "thick"])
    texts = [" ".join(random.choice(words, 12)) + f" item {seed} {row}" for row in range(rows)]
    size = mood + random.normal(size=rows)
    return {"words": texts, "size": size.tolist(), "mood": [["bad", "good"][each] for each in mood]}


HONEST = {"words": ("text", "words"), "size": ("number", "size")}


def test_honest_data_raises_no_warning() -> None:
    parts = {name: table(**honest(seed=seed)) for seed, name in enumerate(("train", "valid", "test"))}
    assert audit(parts, inputs=HONEST, target=["mood"])["warnings"] == []
    assert audit({"all": parts["train"]}, inputs=HONEST, target=["mood"])["warnings"] == []


def test_it_counts_rows_missing_and_unreadable_values_and_labels() -> None:
    columns = honest(100)
    columns["words"][:7] = [None] * 7
    columns["mood"][:3] = [None] * 3
    problem = Problem("t.csv", 9, "size", "x", "no number", "size")
    parts = {"train": table(**columns), "valid": table(**honest(0)), "test": table(**honest(20, seed=1))}
    result = audit(parts, inputs=HONEST, target=["mood"], reasons={"size": "with decimals"}, problems=[problem])
    assert result["format"] == 1
    assert result["rows"] == 120
    assert result["splits"] == {"train": 100, "valid": 0, "test": 20}
    words, size = result["inputs"]["words"], result["inputs"]["size"]
    assert (words["missing"], words["unreadable"], words["reason"]) == (7, [], "")
    assert words["missing_share"] == pytest.approx(7 / 120)
    assert (size["type"], size["column"], size["missing"], size["reason"]) == ("number", "size", 0, "with decimals")
    assert size["unreadable"] == [{"table": "t.csv", "row": 9, "column": "size", "value": "x", "reason": "no number"}]
    labels = [label for part in (columns["mood"], honest(20, seed=1)["mood"]) for label in part if label]
    assert result["target"] == {
        "column": "mood",
        "missing": 3,
        "balance": {"good": labels.count("good"), "bad": labels.count("bad")},
    }
    assert json.loads(json.dumps(result)) == result


def test_a_numeric_target_is_described_by_its_moments() -> None:
    columns = {**honest(), "price": [float(row) + 0.5 for row in range(299)] + [None]}
    result = audit({"all": table(**columns)}, inputs=HONEST, target=["price"])
    values = np.arange(299) + 0.5
    assert result["target"]["missing"] == 1
    assert result["target"]["mean"] == pytest.approx(values.mean())
    assert result["target"]["std"] == pytest.approx(values.std())
    assert (result["target"]["min"], result["target"]["median"], result["target"]["max"]) == (0.5, 149.5, 298.5)
    assert kinds(result) == []


def test_whole_numbers_with_gaps_are_the_same_classes_as_without() -> None:
    labels = [1.0, 0.0, None, 1.0] * 25
    result = audit({"all": table(**{**honest(100), "mood": labels})}, inputs=HONEST, target=["mood"])
    assert result["target"]["balance"] == {"1": 50, "0": 25}


def test_captions_lists_and_further_targets_are_counted() -> None:
    columns = honest()
    columns["caption"] = [f"a picture of {row}" for row in range(299)] + [None]
    columns["tags"] = [["a", "b"]] * 300
    result = audit({"all": table(**columns)}, inputs=HONEST, target=["caption", "tags", "mood"])
    assert result["target"] == {"column": "caption", "missing": 1}
    assert [entry["column"] for entry in result["further_targets"]] == ["tags", "mood"]
    assert kinds(result) == []


def test_without_target_and_without_rows() -> None:
    assert audit({"all": table(**honest())}, inputs=HONEST)["target"] is None
    empty = audit({"all": table(**honest(0))}, inputs=HONEST, target=["mood"])
    assert (empty["rows"], empty["warnings"], empty["inputs"]["size"]["missing"]) == (0, [], 0)


def test_an_unknown_column_is_named_with_the_nearest() -> None:
    with pytest.raises(DataError, match="did you mean 'mood'"):
        audit({"all": table(**honest())}, inputs=HONEST, target=["moods"])
    with pytest.raises(DataError, match="did you mean 'size'"):
        audit({"all": table(**honest())}, inputs={"size": ("number", "sise")}, target=["mood"])
    with pytest.raises(DataError, match="unknown column 'owner'"):
        audit({"all": table(**honest())}, inputs=HONEST, target=["mood"], group="owner")


def test_a_split_without_labels_is_no_error() -> None:
    test = honest(100, seed=1)
    del test["mood"]
    result = audit({"train": table(**honest()), "test": table(**test)}, inputs=HONEST, target=["mood"])
    assert result["target"]["missing"] == 100
    assert kinds(result) == []


@pytest.mark.parametrize("value", ["same", None])
def test_a_constant_input_is_named_and_a_flag_with_gaps_is_not(value: str | None) -> None:
    inputs = {**HONEST, "flag": ("category", "flag")}
    result = audit({"all": table(**honest(), flag=[value] * 300)}, inputs=inputs, target=["mood"])
    assert [(each["kind"], each["columns"]) for each in result["warnings"]] == [("constant", ["flag"])]
    assert ("is empty in" if value is None else "the same value in") in result["warnings"][0]["message"]
    gaps = ["same", None] * 150
    assert kinds(audit({"all": table(**honest(), flag=gaps)}, inputs=inputs, target=["mood"])) == []


def test_an_id_as_input_is_named_and_an_amount_is_not() -> None:
    inputs = {**HONEST, "extra": ("number", "extra")}
    order = np.random.default_rng(0).permutation(300)
    result = audit({"all": table(**honest(), extra=(1_000 + order).tolist())}, inputs=inputs, target=["mood"])
    assert [(each["kind"], each["columns"]) for each in result["warnings"]] == [("id", ["extra"])]
    amounts = (order % 90).tolist()
    assert kinds(audit({"all": table(**honest(), extra=amounts)}, inputs=inputs, target=["mood"])) == []
    unused = audit({"all": table(**honest(), extra=order.tolist())}, inputs=HONEST, target=["mood"])
    assert kinds(unused) == []


def labelled(counts: dict[str, int]) -> dict[str, Any]:
    labels = [name for name, count in counts.items() for _ in range(count)]
    labels = np.random.default_rng(0).permutation(labels).tolist()
    return audit({"all": table(**{**honest(len(labels)), "mood": labels})}, inputs=HONEST, target=["mood"])


def test_a_rare_class_is_named_with_the_counts() -> None:
    result = labelled({"good": 388, "bad": 12})
    assert kinds(result) == ["imbalance"]
    message = result["warnings"][0]["message"]
    assert "'bad', has 12 of 400 rows (3.0%)" in message
    assert "good 388, bad 12" in message
    assert kinds(labelled({"good": 370, "bad": 30})) == []


def test_many_even_classes_are_no_imbalance_and_one_class_is() -> None:
    assert kinds(labelled({f"class {number}": 12 for number in range(40)})) == []
    assert kinds(labelled({"good": 100})) == ["imbalance"]
    assert "nothing to learn" in labelled({"good": 100})["warnings"][0]["message"]


def test_warnings_come_in_order_and_first_in_the_summary() -> None:
    columns = honest()
    columns["mood"][0] = None
    columns["copy"] = columns["mood"]
    columns["same"] = [1] * 300
    inputs = {**HONEST, "same": ("number", "same"), "again": ("category", "copy")}
    result = audit({"train": table(**columns)}, inputs=inputs, target=["mood"], reasons={"again": "two words."})
    assert kinds(result) == ["leak", "constant"]
    assert kinds(result) == sorted(kinds(result), key=KINDS.index)
    lines = summary(result)
    assert [line.split(":")[0] for line in lines[:2]] == ["leak", "constant"]
    assert lines[2] == "300 rows (train 300)"
    assert "input again: category from column `copy`, 1 missing; two words." in lines
    assert lines[-1].startswith("target mood, 1 missing, 2 classes: ")


def test_the_summary_names_unreadable_files_and_says_when_all_is_well() -> None:
    problems = [Problem("t.csv", row, "words", f"{row}.jpg", "file is empty", "words") for row in range(5)]
    lines = summary(audit({"all": table(**honest())}, inputs=HONEST, problems=problems))
    assert lines[0] == "no warnings"
    assert any("5 unreadable (row 0: 0.jpg: file is empty; row 1" in line and line.endswith("…)") for line in lines)
    numbers = summary(audit({"all": table(**honest())}, inputs={"words": ("text", "words")}, target=["size"]))
    assert "median" in numbers[-1]


def test_progress_goes_from_none_to_all() -> None:
    told: list[tuple[str, int, int]] = []
    audit({"all": table(**honest(80))}, inputs=HONEST, target=["mood"], progress=lambda *each: told.append(each))
    assert [done for _, done, _ in told] == list(range(len(told)))
    assert told[-1] == ("done", len(told) - 1, len(told) - 1)


def test_the_same_seed_gives_the_same_audit() -> None:
    columns = honest()
    parts = {"train": table(**columns), "test": table(**{name: values[:40] for name, values in columns.items()})}
    first = audit(parts, inputs=HONEST, target=["mood"], seed=3)
    assert first["warnings"]
    assert audit(parts, inputs=HONEST, target=["mood"], seed=3) == first


def test_of_two_inputs_of_one_column_each_has_its_own_unreadable_values() -> None:
    inputs = {"voice": ("text", "words"), "face": ("category", "words")}
    problems = [Problem("t.csv", 3, "words", "3.mp4", "has no sound", "voice")]
    found = audit({"all": table(**honest())}, inputs=inputs, problems=problems)["inputs"]
    assert [each["reason"] for each in found["voice"]["unreadable"]] == ["has no sound"]
    assert found["face"]["unreadable"] == []
