"""Written answers: how sure the model was, how they are scored, and how those of several models become one.

Legend: n answers, m references.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np

from ..metrics.base import Array, Metric, Statistic
from ..metrics.corpus import Corpus
from ..metrics.generation import METRICS, USUAL
from ..metrics.words import plain, rules_for
from .base import Answers, Stacker

EPSILON = 1e-6
SHOWN = 12
"""Texts shown in a report."""
SAMPLE = 500
"""Texts among which the most typical one is looked for."""


class Answer(NamedTuple):
    """An answer.

    Args:
        text: what was written.
        score: mean log-probability of its tokens: how sure the model is.
        likelihood: log-probability of the row's true text, where that was given and a model was asked.
        scores: likewise, of each of the row's candidates.
    """

    text: str
    score: float
    likelihood: float | None = None
    scores: Array | None = None


def text_metrics(
    answers: Answers, references: Sequence[Sequence[str]], *, language: str = "auto", names: Sequence[str] = USUAL
) -> dict[str, Metric]:
    """The metrics of `metrics.generation`, each prepared when it is first asked for.

    Args:
        answers: list of `Answer`.
        references: one or several texts a row.
        language: a code such as `en` or `zh`; `auto` looks at the references.
        names: which metrics.
    """
    corpus = Corpus([each.text for each in answers], references, language=language)
    return {name: Metric(_Later(name, corpus), higher=_higher(name)) for name in names}


class _Later:
    """A statistic that waits to be asked: most scores of a subset of inputs never are."""

    def __init__(self, name: str, corpus: Corpus) -> None:
        self.name, self.corpus = name, corpus

    @cached_property
    def statistic(self) -> Statistic:
        return METRICS[self.name](self.corpus).statistic

    def __call__(self, weights: Array) -> Array:
        return self.statistic(weights)


@cache
def _higher(name: str) -> bool:
    """Whether more of a metric is better."""
    return METRICS[name](Corpus(["a"], ["a"])).higher


def sureness(answers: Answers) -> Array:
    """`(n,)` the geometric mean of the probabilities of each answer's tokens."""
    return np.exp(np.array([each.score for each in answers], dtype=np.float64))


def likeness(answers: Answers, references: Sequence[Sequence[str]], *, language: str = "auto") -> Array:
    """`(n,)` from 0 to 1, how like each answer is to the nearest of its references: F1 of their words.

    Args:
        answers: list of `Answer`.
        references: one or several texts a row.
        language: as for `text_metrics`.
    """
    corpus = Corpus([each.text for each in answers], references, language=language)
    given, wanted = ([Counter(words) for words in texts] for texts in corpus.described)
    pairs = zip(corpus.owners.tolist(), corpus.flat, wanted, strict=True)
    each = [1.0 if corpus.answers[place] == text else _shared(given[place], bag) for place, text, bag in pairs]
    return corpus.best(np.array(each))


def _shared(one: Counter[str], other: Counter[str]) -> float:
    """F1 of two bags of words."""
    return 2 * (one & other).total() / max(one.total() + other.total(), 1)


def commonest(counts: Counter[str], *, language: str = "auto") -> str:
    """The commonest text; where none is repeated, the one that shares most words with the others."""
    text, most = max(counts.items(), key=lambda pair: pair[1])
    if most > 1 or len(counts) < 3:
        return text
    texts = list(counts)
    texts = [texts[place] for place in np.linspace(0, len(texts) - 1, min(len(texts), SAMPLE)).astype(int)]
    rules = rules_for(texts, language)
    bags = [Counter(plain(each, rules)) for each in texts]
    return texts[int(np.argmax([sum(_shared(bag, other) for other in bags) for bag in bags]))]


def examples(answers: Answers, truth: Sequence[str]) -> list[dict[str, Any]]:
    """Some answers beside the true texts, evenly spread over the rows, for a report."""
    places = np.unique(np.linspace(0, len(truth) - 1, min(SHOWN, len(truth))).astype(int)).tolist()
    return [
        {"truth": truth[place], "prediction": answers[place].text, "score": answers[place].score} for place in places
    ]


def lengths(written: Sequence[int], wanted: Sequence[int]) -> list[dict[str, int]]:
    """How many texts have how many tokens, for a report: those that were written, and the true ones."""
    ours, theirs = Counter(written), Counter(wanted)
    return [{"tokens": size, "written": ours[size], "wanted": theirs[size]} for size in sorted(ours | theirs)]


class VoteStacker(Stacker):
    """Late stacking of texts: every model votes for its answer, as much as answers so sure of it were right.

    How right answers were, on the validation rows, is a line in the model's probability of a token. Votes for one
    text add up; the text with most votes wins.

    Args:
        answers: each model's.
        references: one or several texts a row.
        language: as for `text_metrics`.
    """

    def __init__(
        self, answers: Sequence[Answers], references: Sequence[Sequence[str]], *, language: str = "auto"
    ) -> None:
        self.lines: list[tuple[float, float]] = []
        for given in answers:
            sure, right = sureness(given), likeness(given, references, language=language)
            spread = float(sure.var()) if len(given) else 0.0
            slope = float(((sure - sure.mean()) * right).mean()) / spread if spread > EPSILON else 0.0
            slope = max(slope, 0.0)
            self.lines.append((slope, float(right.mean() - slope * sure.mean()) if len(given) else 0.0))

    def __call__(self, answers: Sequence[Answers]) -> list[Answer]:
        votes = [
            np.clip(slope * sureness(given) + offset, EPSILON, 1)
            for given, (slope, offset) in zip(answers, self.lines, strict=True)
        ]
        result = []
        for row in range(len(answers[0])):
            total: Counter[str] = Counter()
            for given, vote in zip(answers, votes, strict=True):
                total[given[row].text] += float(vote[row])  # type: ignore[assignment]
            text = max(total, key=lambda each: total[each])
            result.append(
                max((given[row] for given in answers if given[row].text == text), key=lambda each: each.score)
            )
        return result
