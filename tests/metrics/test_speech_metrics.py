"""Error rates against jiwer, on plain and on repeated rows."""

from __future__ import annotations

import doctest
from collections.abc import Callable

import jiwer
import numpy as np
import pytest

from sensemble.metrics import speech
from sensemble.metrics.base import resample
from sensemble.metrics.speech import speech_metrics

Texts = tuple[list[str], list[list[str]]]
ONE = np.ones((1, 1))


def rates(answers: list[str], references: list, **options: object) -> tuple[float, float]:
    metrics = speech_metrics(answers, references, **options)  # type: ignore[arg-type]
    ones = np.ones((1, len(answers)))
    return float(metrics["wer"].statistic(ones)[0]), float(metrics["cer"].statistic(ones)[0])


def test_docstring_examples_hold() -> None:
    assert doctest.testmod(speech).failed == 0


def test_equals_jiwer_also_on_resamples(texts: Callable[..., Texts]) -> None:
    wrong = 0
    for seed in range(80):
        answers, references = texts(seed)
        said = [row[0] for row in references]
        metrics = speech_metrics(answers, said, language="en")
        weights = np.concatenate([np.ones((1, 6)), resample(6, resamples=2, seed=seed)])
        found = {name: metric.statistic(weights) for name, metric in metrics.items()}
        for place, counts in enumerate(weights.astype(int)):
            ours, theirs = (list(np.repeat(np.array(each, dtype=object), counts)) for each in (answers, said))
            assert found["wer"][place] == pytest.approx(jiwer.wer(theirs, ours), abs=1e-9), (seed, answers, said)
            assert found["cer"][place] == pytest.approx(jiwer.cer(theirs, ours), abs=1e-9), (seed, answers, said)
            wrong += 0 < found["wer"][place] < 1
        assert not any(metric.higher for metric in metrics.values())
    assert wrong > 60


def test_unspaced_words_are_characters(texts: Callable[..., Texts]) -> None:
    spaced = ["一 只 小 猫", "OK 吗"], ["一 只 猫 跑", "OK 了 吗"]
    joined = ["一只小猫", "OK吗"], ["一只猫跑", "OK了吗"]
    assert rates(*joined)[0] == pytest.approx(jiwer.wer(spaced[1], spaced[0]))
    assert rates(*joined, language="en")[0] == 1


@pytest.mark.parametrize(
    ("answer", "said", "word", "character"),
    [
        ("", "a cat", 1, 1),
        ("a cat", "a cat", 0, 0),
        ("a cat sat here", "cat", 3, 11 / 3),  # a rate may exceed 1
        ("cat cat cat", "cat", 2, 8 / 3),
        ("Cat.", "cat", 1, 2 / 3),
    ],
)
def test_single_rows(answer: str, said: str, word: float, character: float) -> None:
    assert rates([answer], [said]) == pytest.approx((word, character))


def test_normalizing_sets_case_and_punctuation_aside() -> None:
    assert rates(["The cat, it sat!"], ["the cat it sat"], normalize=True) == (0, 0)
    assert rates(["好,的"], ["好的。"], normalize=True)[0] == 0
    assert rates(["The cat"], ["the cat"])[0] == 0.5


def test_the_closest_reference_counts() -> None:
    assert rates(["a cat sat"], [["a dog ran far", "a cat sits"]])[0] == pytest.approx(1 / 3)
    # Two edits for three words are closer than one for a single word.
    assert rates(["x"], [["a", "x b c"]])[0] == pytest.approx(2 / 3)


def test_silence_throughout_is_undefined_and_beside_speech_counts_errors() -> None:
    assert np.isnan(rates(["a cat"], [""])).all()
    assert rates(["uh", "a cat"], ["", "a cat"])[0] == 0.5
