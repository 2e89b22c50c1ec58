"""Leaks and telling absences: each is reported on a table that has it, and not on its honest twin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from sensemble.data.alone import score_alone
from sensemble.data.leaks import Score, Target, informative_absence, leaks

ROWS = 400
RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 2, ROWS)
NOISE = RANDOM.normal(size=(ROWS, 3))
WORDS = ("warm", "cold", "soft", "rough", "fine", "poor", "nice", "ugly", "blue", "red")


def honest_text(label: int, seed: int) -> str:
    """Words of which no single one tells the label, but all together do."""
    random = np.random.default_rng(seed)
    return " ".join(random.permutation([*random.choice(WORDS[label::2], 5), *random.choice(WORDS, 4)]))


TEXTS = [honest_text(label, row) for row, label in enumerate(LABELS)]


def found(columns: dict[str, tuple[str, list[Any]]], labels: list[Any], look: Any = None) -> dict[str, str]:
    """The messages by column."""
    target = Target.read("label", labels)
    scores = {}
    for name, (kind, values) in columns.items():
        score = score_alone(kind, values, target.values, classes=target.kind == "classes", look=look)
        if score:
            scores[name] = score
    inputs = {name: (kind, name) for name, (kind, _) in columns.items()}
    return {each["columns"][0]: each["message"] for each in leaks(scores, inputs, target)}


def noise() -> dict[str, tuple[str, list[Any]]]:
    return {f"noise{place}": ("number", NOISE[:, place].tolist()) for place in range(3)}


def test_a_copy_of_the_label_is_a_leak_and_noise_is_none() -> None:
    assert found(noise(), LABELS.tolist()) == {}
    messages = found({**noise(), "copy": ("number", LABELS.tolist())}, LABELS.tolist())
    assert list(messages) == ["copy"]
    assert "`copy` alone predicts `label` with ROC-AUC 1.000 on 400 rows, next best `noise" in messages["copy"]
    assert "is it known when you predict?" in messages["copy"]


def test_a_copy_with_slips_is_a_leak_and_a_good_honest_number_is_none() -> None:
    slips = np.where(np.random.default_rng(1).random(ROWS) < 0.02, 1 - LABELS, LABELS)
    assert list(found({**noise(), "slips": ("category", slips.tolist())}, LABELS.tolist())) == ["slips"]
    good = LABELS + 0.6 * np.random.default_rng(1).normal(size=ROWS)
    assert found({**noise(), "good": ("number", good.tolist())}, LABELS.tolist()) == {}


def test_two_leaks_do_not_hide_each_other() -> None:
    slips = np.where(np.random.default_rng(1).random(ROWS) < 0.01, 1 - LABELS, LABELS)
    columns = {**noise(), "copy": ("number", LABELS.tolist()), "slips": ("number", slips.tolist())}
    assert set(found(columns, LABELS.tolist())) == {"copy", "slips"}


def test_like_a_rating_beside_a_review() -> None:
    """The rating tells more than the text, which itself tells much."""
    random = np.random.default_rng(2)
    rating = np.where(random.random(ROWS) < 0.03, random.integers(0, 5, ROWS), 2 * LABELS + random.integers(1, 3, ROWS))
    texts = [
        honest_text(int(label), row)
        for row, label in enumerate(np.where(random.random(ROWS) < 0.12, 1 - LABELS, LABELS))
    ]
    columns = {"rating": ("number", rating.tolist()), "review": ("text", texts)}
    messages = found(columns, LABELS.tolist())
    assert list(messages) == ["rating"]
    assert "next best `review` .9" in messages["rating"]


def test_an_honest_text_that_tells_all_is_no_leak_and_a_text_with_the_label_in_it_is() -> None:
    target = Target.read("label", LABELS.tolist())
    score = score_alone("text", TEXTS, target.values, classes=True, look=lambda raw: None)
    assert score is not None
    assert score.full > 0.97
    assert score.single < 0.8
    assert found({"text": ("text", TEXTS), **noise()}, LABELS.tolist()) == {}
    marked = [f"{text} verdict {'yes' if label else 'no'}" for text, label in zip(TEXTS, LABELS, strict=True)]
    messages = found({"text": ("text", marked), **noise()}, LABELS.tolist())
    assert list(messages) == ["text"]
    assert "of `text` alone" in messages["text"]
    assert "'yes'" in messages["text"] or "'no'" in messages["text"] or "'verdict" in messages["text"]


def test_chinese_texts() -> None:
    letters = list("衣服颜色尺码面料款式物流包装")
    random = np.random.default_rng(3)
    plain = ["".join(random.choice(letters, 8)) for _ in LABELS]
    assert found({"评论": ("text", plain), **noise()}, LABELS.tolist()) == {}
    marked = [text + ("好评" if label else "差评") for text, label in zip(plain, LABELS, strict=True)]
    assert "评论" in found({"评论": ("text", marked), **noise()}, LABELS.tolist())


def test_an_input_alone_in_the_table() -> None:
    copy = ["p" if label else "n" for label in LABELS]
    messages = found({"only": ("category", copy)}, LABELS.tolist())
    assert list(messages) == ["only"]
    assert "next best" not in messages["only"]
    good = LABELS + 0.35 * np.random.default_rng(4).normal(size=ROWS)
    assert found({"only": ("number", good.tolist())}, LABELS.tolist()) == {}


def test_the_kind_of_a_question_is_no_leak_of_its_answer_and_the_answer_in_it_is() -> None:
    random = np.random.default_rng(5)
    kind = random.integers(0, 4, 1_000)
    answers = [f"{chr(97 + each)}{random.integers(3)}" for each in kind]
    questions = [f"what is the {WORDS[each]} thing number {random.integers(9)}" for each in kind]
    assert found({"question": ("text", questions)}, answers) == {}
    assert found({"question": ("category", [str(each) for each in kind])}, answers) == {}
    told = [f"{question} {answer}" for question, answer in zip(questions, answers, strict=True)]
    messages = found({"question": ("text", told)}, answers)
    assert "ROC-AUC (each class against its nearest)" in messages["question"]


def test_a_vector_leaks_through_one_dimension_not_through_all_together() -> None:
    random = np.random.default_rng(6)
    values = random.normal(size=(ROWS, 16))
    labels = (values @ np.where(np.arange(16) % 2, 1.0, -1.0) > 0).astype(int)
    assert found({"vector": ("vector", list(values)), **noise()}, labels.tolist()) == {}
    values[:, 7] = labels + 0.01 * values[:, 7]
    messages = found({"vector": ("vector", [[list(row), list(row)] for row in values]), **noise()}, labels.tolist())
    assert "one dimension of `vector`" in messages["vector"]


def test_a_picture_leaks_through_one_spot() -> None:
    random = np.random.default_rng(7)
    pictures = random.integers(0, 255, (ROWS, 16, 16, 3)).astype(np.uint8)
    columns = {"photo": ("image", list(range(ROWS))), **noise()}
    assert found(columns, LABELS.tolist(), look=lambda raw: pictures[raw]) == {}
    pictures[LABELS == 1, :2, :2] = 250
    pictures[LABELS == 0, :2, :2] = 20
    assert list(found(columns, LABELS.tolist(), look=lambda raw: pictures[raw])) == ["photo"]
    assert found({"photo": columns["photo"]}, LABELS.tolist(), look=lambda raw: None) == {}


def test_a_numeric_target() -> None:
    labels = np.random.default_rng(8).normal(size=ROWS)
    messages = found({**noise(), "scaled": ("number", np.exp(2 * labels).tolist())}, labels.tolist())
    assert list(messages) == ["scaled"]
    assert "Spearman correlation" in messages["scaled"]
    close = labels + 0.5 * np.random.default_rng(9).normal(size=ROWS)
    assert found({**noise(), "close": ("number", close.tolist()), "text": ("text", TEXTS)}, labels.tolist()) == {}


def test_only_rows_with_the_input_count() -> None:
    half = [label if row % 2 else None for row, label in enumerate(LABELS.tolist())]
    messages = found({**noise(), "half": ("number", half)}, LABELS.tolist())
    assert "1.000 on 200 rows" in messages["half"]


def test_too_few_rows_or_an_unknown_kind_say_nothing() -> None:
    labels = Target.read("label", LABELS.tolist()[:40]).values
    assert score_alone("number", LABELS.tolist()[:40], labels, classes=True, look=lambda raw: None) is None
    labels = Target.read("label", LABELS.tolist()).values
    for kind, values in (("smell", LABELS.tolist()), ("audio", ["a.wav"] * ROWS), ("vector", ["x"] * ROWS)):
        assert score_alone(kind, values, labels, classes=True, look=lambda raw: None) is None
    assert score_alone("text", ["?!"] * ROWS, labels, classes=True, look=lambda raw: None) is None
    assert score_alone("number", ["n/a"] * ROWS, labels, classes=True, look=lambda raw: None) is None
    captions = Target.read("caption", [f"caption {row}" for row in range(ROWS)])
    assert captions.kind == "other"


@pytest.mark.parametrize(("scores", "expected"), [
    ((0.975, 0.930), ["a"]),
    ((0.975, 0.955), []),
    ((0.940, 0.500), []),
    ((0.999, 0.999, 0.9), ["a", "b"]),
    ((0.975, 0.970, 0.965, 0.949), []),
])  # fmt: skip
def test_the_rule(scores: tuple[float, ...], expected: list[str]) -> None:
    named = {name: Score(score, score, 100) for name, score in zip("abcd", scores, strict=False)}
    inputs = {name: ("number", name) for name in named}
    target = Target.read("label", ["yes", "no"] * 50)
    assert [each["columns"][0] for each in leaks(named, inputs, target)] == expected


def absence(share_if_bad: float, share_if_good: float, rows: int = 1_000) -> dict[str, Any] | None:
    random = np.random.default_rng(10)
    bad = random.random(rows) < 0.5
    absent = random.random(rows) < np.where(bad, share_if_bad, share_if_good)
    return informative_absence("photo", absent, Target.read("label", np.where(bad, "bad", "good").tolist()))


def test_absence_that_tells_the_label() -> None:
    assert absence(0.2, 0.2) is None
    assert absence(0.22, 0.2) is None
    assert absence(0.01, 0.0) is None
    warning = absence(0.3, 0.1)
    assert warning is not None
    assert (warning["kind"], warning["columns"]) == ("missing_informative", ["photo"])
    assert "`photo` is missing (" in warning["message"]
    assert "`label` is 'good' in 2" in warning["message"] or "`label` is 'bad' in 7" in warning["message"]


def test_absence_that_tells_a_number() -> None:
    random = np.random.default_rng(11)
    price = random.normal(size=1_000)
    target = Target.read("price", price.tolist())
    assert informative_absence("photo", random.random(1_000) < 0.3, target) is None
    warning = informative_absence("photo", price + random.normal(size=1_000) > 1, target)
    assert warning is not None
    assert "the mean of `price` is" in warning["message"]
    caption = Target.read("caption", [f"{row} words" for row in range(1_000)])
    assert informative_absence("photo", price > 0, caption) is None


def test_dates_and_odd_cells_as_numbers() -> None:
    start = pd.Timestamp("2024-01-01")
    dates = [start + pd.Timedelta(days=int(label) * 100 + row % 7) for row, label in enumerate(LABELS)]
    assert list(found({**noise(), "day": ("number", dates)}, LABELS.tolist())) == ["day"]
