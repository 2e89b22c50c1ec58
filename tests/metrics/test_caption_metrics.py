"""ROUGE against rouge-score, CIDEr-D against a direct formula, and the rest by hand."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer

from sensemble.metrics.base import estimate, resample
from sensemble.metrics.captions import cider, distinct, exact_match, length, rouge, rouge_l
from sensemble.metrics.corpus import Corpus
from sensemble.metrics.generation import METRICS
from sensemble.metrics.words import plain

Texts = tuple[list[str], list[list[str]]]
ONE = np.ones((1, 1))


class Words:
    """Our words for rouge-score, whose own are of ASCII letters alone."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus

    def tokenize(self, text: str) -> list[str]:
        return plain(text, self.corpus.rules)


def value(metric: object, rows: int) -> float:
    return float(metric.statistic(np.ones((1, rows)))[0])  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["rouge1", "rouge2", "rougeL"])
def test_rouge_equals_googles_also_on_resamples(name: str, texts: Callable[..., Texts]) -> None:
    positive = 0
    for seed in range(70):
        answers, references = texts(seed)
        corpus = Corpus(answers, references)
        metric = rouge_l(corpus) if name == "rougeL" else rouge(corpus, int(name[-1]))
        scorer = RougeScorer([name], tokenizer=Words(corpus))
        each = np.array([scorer.score_multi(r, a)[name].fmeasure for a, r in zip(answers, references, strict=True)])
        assert value(metric, 6) == pytest.approx(each.mean(), abs=1e-9), (seed, answers, references)
        counts = resample(6, resamples=1, seed=seed)
        assert metric.statistic(counts)[0] == pytest.approx((counts[0] * each).sum() / 6, abs=1e-9)
        positive += each.mean() > 0.05
    assert positive > 30


def test_rouge_words_are_googles_own_on_ascii_text(texts: Callable[..., Texts]) -> None:
    scorer = RougeScorer(["rouge1", "rougeL"])
    for seed in range(0, 60, 5):
        answers, references = (
            [text.replace("é", "e") for text in texts(seed)[0]],
            [[text.replace("é", "e") for text in row] for row in texts(seed)[1]],
        )
        corpus = Corpus(answers, references)
        both = [scorer.score_multi(r, a) for a, r in zip(answers, references, strict=True)]
        assert value(rouge(corpus, 1), 6) == pytest.approx(np.mean([each["rouge1"].fmeasure for each in both]))
        assert value(rouge_l(corpus), 6) == pytest.approx(np.mean([each["rougeL"].fmeasure for each in both]))


def slow_cider(answers: list[list[str]], references: list[list[list[str]]]) -> list[float]:
    """CIDEr-D of each row, written down from the paper: sums over n-grams, one pair of texts at a time."""

    def grams(words: list[str], n: int) -> Counter[tuple[str, ...]]:
        return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))

    scores = []
    for answer, row in zip(answers, references, strict=True):
        total = 0.0
        for n in (1, 2, 3, 4):
            for reference in row:

                def weigh(gram: tuple[str, ...], size: int = n) -> float:
                    seen = sum(any(gram in grams(text, size) for text in texts) for texts in references)
                    return math.log(len(references) / max(1, seen))

                given = {gram: count * weigh(gram) for gram, count in grams(answer, n).items()}
                wanted = {gram: count * weigh(gram) for gram, count in grams(reference, n).items()}
                product = sum(min(given.get(gram, 0), weight) * weight for gram, weight in wanted.items())
                norms = math.sqrt(sum(w * w for w in given.values())) * math.sqrt(sum(w * w for w in wanted.values()))
                penalty = math.exp(-((len(answer) - len(reference)) ** 2) / (2 * 6.0**2))
                total += penalty * product / norms / 4 / len(row) if norms else 0
        scores.append(10 * total)
    return scores


def test_cider_equals_the_formula_also_on_resamples(texts: Callable[..., Texts]) -> None:
    positive = 0
    for seed in range(60):
        answers, references = texts(seed, rows=5, most=3)
        corpus = Corpus(answers, references)
        metric = cider(corpus)
        each = np.array(
            slow_cider(
                [plain(text, corpus.rules) for text in answers],
                [[plain(text, corpus.rules) for text in row] for row in references],
            )
        )
        counts = np.concatenate([np.eye(5), resample(5, resamples=2, seed=seed)])
        expected = (counts * each).sum(1) / counts.sum(1)
        assert metric.statistic(counts) == pytest.approx(expected, abs=1e-4), (seed, answers, references)
        positive += (each > 0.1).sum()
    assert positive > 60


def test_cider_rewards_what_tells_rows_apart() -> None:
    references = [["a red cat sits here"], ["a blue dog sits here"], ["a green bird sits here"]]
    exact = cider(Corpus([each[0] for each in references], references))
    assert value(exact, 3) == pytest.approx(10)
    common = cider(Corpus(["a cup sits here"] * 3, references))
    assert value(common, 3) < 1
    stuffed = cider(Corpus(["red red red red red", *(each[0] for each in references[1:])], references))
    assert stuffed.statistic(np.array([[1.0, 0.0, 0.0]]))[0] < 3
    assert value(cider(Corpus(["a cat"], ["a cat"])), 1) == 0  # nothing to tell it from


def test_exact_match_sets_case_and_spacing_aside() -> None:
    corpus = Corpus(["Two  Dogs ", "two dogs.", "", "猫"], ["two dogs", ["dogs", "two dogs"], "x", ["狗", "猫"]])
    assert exact_match(corpus).statistic(np.eye(4)).tolist() == [1, 0, 0, 1]


def test_exact_match_distinct_and_length_equal_plain_loops(texts: Callable[..., Texts]) -> None:
    seen: dict[str, set[float]] = {}
    for seed in range(60):
        answers, references = texts(seed)
        corpus = Corpus(answers, references)
        hits = 0
        for answer, row in zip(answers, references, strict=True):
            for reference in row:
                if re.sub(r"\s+", " ", answer.strip().lower()) == re.sub(r"\s+", " ", reference.strip().lower()):
                    hits += 1
                    break
        expected = {"exact_match": hits / len(answers)}
        words = [plain(answer, corpus.rules) for answer in answers]
        expected["length"] = sum(map(len, words)) / len(answers)
        for size in (1, 2):
            grams = [tuple(each[i : i + size]) for each in words for i in range(len(each) - size + 1)]
            expected[f"distinct_{size}"] = len(set(grams)) / len(grams) if grams else math.nan
        for name, wanted in expected.items():
            assert value(METRICS[name](corpus), len(answers)) == pytest.approx(wanted, abs=1e-9, nan_ok=True), (
                seed,
                name,
            )
            seen.setdefault(name, set()).add(round(wanted, 4))
    assert all(len(values) >= 4 for values in seen.values())


def test_distinct_and_length() -> None:
    corpus = Corpus(["a cat a cat", "a dog", "", "..."], ["x"] * 4)
    assert value(distinct(corpus, 1), 4) == pytest.approx(3 / 6)
    assert value(distinct(corpus, 2), 4) == pytest.approx(3 / 4)
    assert value(length(corpus), 4) == pytest.approx(6 / 4)
    alike = Corpus(["i do not know"] * 50, ["x"] * 50)
    assert value(distinct(alike, 1), 50) == pytest.approx(4 / 200)
    assert value(distinct(Corpus(["一只猫"], ["一只狗"]), 1), 1) == 1
    assert np.isnan(value(distinct(Corpus(["", ""], ["x", "y"]), 1), 2))


def test_the_interval_of_distinct_holds_its_value() -> None:
    random = np.random.default_rng(0)
    answers = [" ".join(random.choice(list("abcdefgh"), size=4)) for _ in range(60)]
    found = estimate(distinct(Corpus(answers, ["x"] * 60), 2), 60, resample(60, resamples=300))
    assert found.low < found.value < found.high


def test_chinese_is_scored_by_character() -> None:
    corpus = Corpus(["一只小猫", "狗"], [["一只猫"], ["狗"]])
    assert rouge(corpus, 1).statistic(np.eye(2)) == pytest.approx([6 / 7, 1])
    assert value(length(corpus), 2) == 2.5
    assert value(rouge_l(Corpus(["一只小猫"], ["一只猫"], language="en")), 1) == 0


def test_no_rows_are_undefined() -> None:
    corpus = Corpus([], [])
    for metric in (rouge(corpus, 1), rouge_l(corpus), cider(corpus), exact_match(corpus), distinct(corpus, 1)):
        assert np.isnan(metric.statistic(np.ones((2, 0)))).all()
