"""BLEU and chrF against sacrebleu, on plain and on repeated rows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF

from sensemble.metrics.base import difference, estimate, resample
from sensemble.metrics.corpus import Corpus
from sensemble.metrics.generation import METRICS, signatures
from sensemble.metrics.translation import bleu, chrf

Texts = tuple[list[str], list[list[str]]]


def streams(references: list[list[str]]) -> list[list[str | None]]:
    """References as sacrebleu wants them: the first of each row, the second of each row, ..."""
    return [list(each) for each in zip_longest(*references)]


def chosen(rows: list, counts: np.ndarray) -> list:
    return [row for row, count in zip(rows, counts.astype(int), strict=True) for _ in range(count)]


@pytest.mark.parametrize("name", ["bleu", "chrf"])
def test_equals_sacrebleu_also_on_resamples(name: str, texts: Callable[..., Texts]) -> None:
    positive = 0
    for seed in range(80):
        answers, references = texts(seed)
        corpus = Corpus(answers, references)
        metric = bleu(corpus) if name == "bleu" else chrf(corpus)
        other = BLEU(tokenize=corpus.rules) if name == "bleu" else CHRF()
        weights = np.concatenate([np.ones((1, len(answers))), resample(len(answers), resamples=2, seed=seed)])
        for counts, value in zip(weights, metric.statistic(weights), strict=True):
            expected = other.corpus_score(chosen(answers, counts), streams(chosen(references, counts))).score
            assert value == pytest.approx(expected, abs=1e-4), (seed, answers, references)
            positive += expected > 1
    assert positive > 80


@pytest.mark.parametrize("size", [1, 2, 3])
def test_shorter_n_grams_equal_sacrebleu(size: int, texts: Callable[..., Texts]) -> None:
    values = set()
    for seed in range(60):
        answers, references = texts(seed)
        corpus = Corpus(answers, references)
        found = METRICS[f"bleu_{size}"](corpus).statistic(np.ones((1, len(answers))))[0]
        other = BLEU(tokenize=corpus.rules, max_ngram_order=size)
        assert found == pytest.approx(other.corpus_score(answers, streams(references)).score, abs=1e-4), seed
        values.add((found, bleu(corpus).statistic(np.ones((1, len(answers))))[0]))
    assert sum(short > long for short, long in values) > 20


@pytest.mark.parametrize(
    ("answer", "references"),
    [
        ("", ["a cat sat here"]),
        ("cat", ["cat"]),
        ("a cat sat down", ["a cat sat down"]),
        ("the the the the the", ["the cat", "the the dog runs off"]),
        ("一只小猫坐在垫子上。", ["一只猫坐在垫子上。"]),
        ("hello", ["一只猫坐在垫子上。"]),
        ("a b c d e", ["v w x y z"]),
        ("a b c d e f", ["a b c", "a b c d e f g h i"]),
        ("dogs &amp; cats", ["dogs & cats"]),
    ],
)
def test_single_rows(answer: str, references: list[str]) -> None:
    corpus = Corpus([answer], [references])
    ones = np.ones((1, 1))
    others = [[each] for each in references]
    expected = BLEU(tokenize=corpus.rules).corpus_score([answer], others).score
    assert bleu(corpus).statistic(ones)[0] == pytest.approx(expected, abs=1e-4)
    assert chrf(corpus).statistic(ones)[0] == pytest.approx(CHRF().corpus_score([answer], others).score, abs=1e-4)


def test_signatures_are_sacrebleus_but_for_its_version() -> None:
    for references, rules in ((["a cat"], "13a"), (["一只猫"], "zh")):
        found = signatures(references)
        for name, other in (("bleu", BLEU(tokenize=rules)), ("chrf", CHRF())):
            other.corpus_score(["a"], [references])
            assert found[name] == str(other.get_signature()).rpartition("|version:")[0]
    assert signatures([["a", "b"], ["c", "d"]])["bleu"].startswith("nrefs:2|")
    assert signatures([["a", "b"], "c"])["chrf"].startswith("nrefs:var|")


def test_no_rows_and_weightless_rows_are_undefined() -> None:
    for make in (bleu, chrf):
        assert np.isnan(make(Corpus([], [])).statistic(np.ones((2, 0)))).all()
        found = make(Corpus(["a b c d", "x"], ["a b c d", "y"])).statistic(np.array([[0.0, 0.0], [3.0, 0.0]]))
        assert np.isnan(found[0]) and found[1] == pytest.approx(100)


def test_intervals_and_paired_differences_come_from_the_same_mechanism(texts: Callable[..., Texts]) -> None:
    _, references = texts(0, rows=60)
    half = [each[0][: len(each[0]) // 2] for each in references]
    most = [each[0][: len(each[0]) * 3 // 4] for each in references]
    weights = resample(60, resamples=300)
    for make in (bleu, chrf):
        better, worse = make(Corpus(most, references)), make(Corpus(half, references))
        found = estimate(better, 60, weights)
        assert 0 < found.low < found.value < found.high <= 100
        gain = difference(better, worse, 60, weights)
        assert gain.low > 0
        assert gain.value == pytest.approx(found.value - estimate(worse, 60, weights).value)
