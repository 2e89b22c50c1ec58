"""The metrics of texts together: names, refusals, and that weights are repeated rows."""

from __future__ import annotations

import doctest
import time
from collections.abc import Callable

import numpy as np
import pytest

from sensemble.errors import ConfigError
from sensemble.metrics import generation
from sensemble.metrics.base import estimate, resample
from sensemble.metrics.generation import METRICS, USUAL, generation_metrics

Texts = tuple[list[str], list[list[str]]]
FIXED = {"cider", "distinct_1", "distinct_2"}
"""What takes its n-grams' frequencies from the rows as they are."""


def test_docstring_examples_hold() -> None:
    assert doctest.testmod(generation).failed == 0


def test_names() -> None:
    assert list(generation_metrics(["a"], ["a"])) == list(USUAL)
    assert list(generation_metrics(["a"], ["a"], names=["wer", "bleu"])) == ["wer", "bleu"]
    assert {
        name for name, each in generation_metrics(["a"], ["a"], names=list(METRICS)).items() if not each.higher
    } == {
        "wer",
        "cer",
    }
    with pytest.raises(ConfigError, match="unknown metric of texts 'blue': did you mean 'bleu'"):
        generation_metrics(["a"], ["a"], names=["blue"])
    with pytest.raises(ConfigError, match="language"):
        generation_metrics(["a"], ["a"], language="English")


def test_weights_are_repeated_rows(texts: Callable[..., Texts]) -> None:
    for seed in range(15):
        answers, references = texts(seed)
        counts = resample(6, resamples=1, seed=seed)
        place = np.repeat(np.arange(6), counts[0].astype(int))
        names = [name for name in METRICS if name not in FIXED]
        language = "zh" if seed % 5 == 1 else "en"
        weighted = generation_metrics(answers, references, names=names, language=language)
        again = generation_metrics(
            [answers[i] for i in place], [references[i] for i in place], names=names, language=language
        )
        for name in names:
            expected = again[name].statistic(np.ones((1, 6)))[0]
            assert weighted[name].statistic(counts)[0] == pytest.approx(expected, nan_ok=True), (name, seed)


def test_perfect_and_empty_answers(texts: Callable[..., Texts]) -> None:
    _, references = texts(0, rows=20)
    references = [[text if len(text.split()) > 3 else "one cat sat on it" for text in row] for row in references]
    ones = np.ones((1, 20))
    best = {"bleu": 100, "chrf": 100, "rouge_1": 1, "rouge_l": 1, "exact_match": 1, "wer": 0, "cer": 0}
    perfect = generation_metrics([row[0] for row in references], references, names=list(best))
    assert {name: each.statistic(ones)[0] for name, each in perfect.items()} == pytest.approx(best)
    empty = generation_metrics([""] * 20, references, names=["bleu", "chrf", "rouge_1", "rouge_2", "rouge_l", "cider"])
    assert all(each.statistic(ones)[0] == 0 for each in empty.values())


def test_a_row_without_references_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="without references"):
        generation_metrics(["a", "b"], ["a", []])


def test_thousands_of_rows_take_seconds() -> None:
    random = np.random.default_rng(0)
    words = np.array([f"w{index}" for index in range(500)])

    def text() -> str:
        return " ".join(words[(random.pareto(1.0, size=10) * 5).astype(int) % 500])

    answers, references = [text() for _ in range(2000)], [[text(), text()] for _ in range(2000)]
    weights = resample(2000, resamples=1000)
    before = time.process_time()
    for metric in generation_metrics(answers, references).values():
        estimate(metric, 2000, weights)
    assert time.process_time() - before < 6  # a tenth of it on a quiet machine
