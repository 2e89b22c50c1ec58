"""VQA accuracy against its definition: leave one person out, average."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from sensemble.metrics import vqa
from sensemble.metrics.vqa import normalize, vqa_accuracy


def slow(answer: str, people: list[str]) -> float:
    """The definition, word by word; answers are normal already."""
    each = []
    for left_out in range(len(people)):
        others = people[:left_out] + people[left_out + 1 :]
        each.append(min(1.0, sum(other == answer for other in others) / 3))
    return sum(each) / len(each)


def scores(answers: list[str], references: list[list[str]]) -> list[float]:
    return vqa_accuracy(answers, references).statistic(np.eye(len(answers))).tolist()


def test_docstring_examples_hold() -> None:
    assert doctest.testmod(vqa).failed == 0


def test_equals_the_definition_for_ten_people() -> None:
    random = np.random.default_rng(0)
    words = np.array(["yes", "no", "red", "2", "cat", "红色", "red red red", ""])
    rows = [random.choice(words[: random.integers(1, 9)], size=10).tolist() for _ in range(80)]
    answers = random.choice(words, size=80).tolist()
    expected = [slow(answer, people) for answer, people in zip(answers, rows, strict=True)]
    assert scores(answers, rows) == pytest.approx(expected, abs=1e-9)
    weights = np.arange(80.0)[None]
    found = vqa_accuracy(answers, rows).statistic(weights)[0]
    assert found == pytest.approx(np.dot(weights[0], expected) / weights.sum())
    assert len({round(each, 4) for each in expected}) >= 5


@pytest.mark.parametrize(("agree", "score"), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (10, 1)])
def test_known_values(agree: int, score: float) -> None:
    people = ["cat"] * agree + ["dog"] * (10 - agree)
    assert scores(["cat"], [people]) == pytest.approx([score])


def test_fewer_people_can_still_agree_wholly() -> None:
    assert scores(["cat"] * 4, [["cat"], ["dog"], ["cat", "cat"], ["cat", "cat", "cat"]]) == [1, 0, 1, 1]
    assert scores(["cat", "cat"], [["cat", "dog"], ["cat", "dog", "dog"]]) == pytest.approx([0.5, 1 / 3])


@pytest.mark.parametrize(
    ("answer", "normal"),
    [
        ("A dog.", "dog"),
        ("the  Two Cats", "2 cats"),
        ("none", "0"),
        ("ten", "10"),
        ("eleven", "eleven"),
        ("3.5", "3.5"),
        ("3. 5", "3 5"),
        ("1,000", "1000"),
        ("red, white", "red white"),
        ("red/white", "red white"),
        ("black-and-white", "black and white"),
        ("yes!", "yes"),
        ("what ?", "what"),
        ("dont", "don't"),
        ("couldnt've", "couldn't've"),
        ("couldn'tve", "couldn't've"),
        ("theyre", "they're"),
        ("oclock", "o'clock"),
        ("its", "its"),
        ("it's", "it's"),
        ("were well", "were well"),
        ("lets", "lets"),
        ("let's", "let's"),
        ("three o'clock", "3 o'clock"),
        ("一只猫", "一只猫"),
        ("", ""),
    ],
)
def test_normal_spellings(answer: str, normal: str) -> None:
    assert normalize(answer) == normal
    assert normalize(normal) == normal


def test_spellings_are_set_aside_where_people_disagree() -> None:
    assert scores(["The two!"], [["2", "two", "TWO.", "a two", "3", "3", "3", "3", "3", "3"]]) == [1]
    # Where all write the same, the authors' program sets only case and outer spaces aside.
    assert scores(["two", "TWO\n"], [["2"] * 10, ["two"] * 10]) == [0, 1]
