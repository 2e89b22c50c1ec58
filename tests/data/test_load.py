"""Loading columns: duplicates are decoded once, problems are named."""

from __future__ import annotations

import pytest
from made_letters import Letters, load_one, table_of

from sensemble.data.load import Input, Problem, check_unreadable, load, loading, shorten
from sensemble.errors import DataError


def test_memory_decides_whether_values_are_kept() -> None:
    packed, _, _ = load_one(["ab", "c"])
    lazy, _, _ = load_one(["ab", "c"], memory=0.0)
    assert packed.flat is not None and packed.flat.tolist() == [97, 98, 99]
    assert lazy.flat is None


def test_memory_is_shared_by_the_inputs() -> None:
    inputs = [Input(name, "text", "letters", Letters(), {}) for name in ("first", "second")]
    values = ["a" * 60, "b" * 60]  # 960 bytes an input
    stores, _ = load(table_of(text=values), inputs, memory=1500 / 2**30)
    assert stores["first"].flat is not None
    assert stores["second"].flat is None


def test_duplicates_are_decoded_once() -> None:
    store, _, modality = load_one(["tea", "tea", None, "好", "tea"])
    assert modality.loads == {"tea": 1, "好": 1}
    assert store.index.tolist() == [0, 0, -1, 1, 0]


def test_progress_reaches_the_number_of_unique_values() -> None:
    values = [str(number) for number in range(600)] * 2
    seen = list(loading(table_of(text=values), [Input("words", "text", "letters", Letters(), {})]))
    assert seen == [("words", 256, 600), ("words", 512, 600), ("words", 600, 600)]


def test_a_problem_names_table_row_column_value_reason_and_input() -> None:
    table = table_of(text=["a", "!x", None, "!x", "b"]).take([1, 3, 4])  # rows keep the source's numbers
    _, problems = load(table, [Input("words", "text", "letters", Letters(), {})])
    assert problems == [
        Problem("t", 1, "text", "!x", "starts with a mark", "words"),
        Problem("t", 3, "text", "!x", "starts with a mark", "words"),
    ]
    assert str(problems[0]) == "t, row 1, column 'text': !x: starts with a mark"


def test_check_unreadable_stops_above_the_share_only() -> None:
    values = ["!1", "!2", *["a"] * 18, None]
    table = table_of(text=values)
    _, problems = load(table, [Input("words", "text", "letters", Letters(), {})])
    check_unreadable(table, problems, 0.1)
    with pytest.raises(DataError) as caught:
        check_unreadable(table, problems, 0.05)
    message = str(caught.value)
    for part in ("'text'", "2 of 20 values", "5%", "data.max_unreadable", "row 0: !1: starts with a mark", "mend"):
        assert part in message


def test_two_inputs_of_one_column_count_a_bad_value_once() -> None:
    table = table_of(text=["!1", *["a"] * 19])
    inputs = [Input(name, "text", "letters", Letters(), {}) for name in ("first", "second")]
    _, problems = load(table, inputs)
    assert len(problems) == 2
    check_unreadable(table, problems, 0.05)


def test_shorten() -> None:
    assert shorten(b"1234") == "4 bytes"
    assert shorten("one\n two") == "one two"
    assert len(shorten("好" * 200)) == 80
