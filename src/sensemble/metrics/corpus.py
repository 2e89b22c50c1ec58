"""Answers beside their references: cut into words and counted once, for all metrics that ask.

Legend: n answers, m references.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

import numpy as np

from .base import Array
from .ngrams import Grams, Integers, count
from .words import Rules, cut, plain, rules_for

References = Sequence[str | Sequence[str]]
"""What each answer is held against: one text, or several, of which any will do."""

Pairs = list[tuple[Grams, Grams]]
"""For n = 1, 2, ...: the answers' n-grams and the references'."""


class Corpus:
    """The answers for some rows and what they are held against.

    Args:
        answers: one text a row; an empty one is an answer too.
        references: one or several texts a row; rows without any must be left out before.
        language: a code such as `en` or `zh`; `auto` looks at the references' characters.

    Raises:
        ConfigError: no such language code.
    """

    def __init__(self, answers: Sequence[str], references: References, *, language: str = "auto") -> None:
        assert len(answers) == len(references), f"{len(answers)} answers for {len(references)} rows"
        self.answers = list(answers)
        self.references = [several(each) for each in references]
        assert all(self.references), "a row without references cannot be scored"
        self.rules: Rules = rules_for(self.flat, language)

    def __len__(self) -> int:
        return len(self.answers)

    @cached_property
    def flat(self) -> list[str]:
        """The m references of all rows after each other."""
        return [text for texts in self.references for text in texts]

    @cached_property
    def owners(self) -> Integers:
        """`(m,)`, which answer each reference belongs to; rising."""
        return np.repeat(np.arange(len(self)), [len(texts) for texts in self.references])

    @cached_property
    def translated(self) -> tuple[list[list[str]], list[list[str]]]:
        """The tokens of answers and references with case and punctuation, as translations are scored."""
        return self._cut(lambda text: cut(text, self.rules))

    @cached_property
    def described(self) -> tuple[list[list[str]], list[list[str]]]:
        """The words of answers and references without case and punctuation, as captions are scored."""
        return self._cut(lambda text: plain(text, self.rules))

    @cached_property
    def described_grams(self) -> Pairs:
        """The counted n-grams of `described`, n up to 4."""
        return self.pairs(*self.described, 4)

    def pairs(self, answers: Sequence[Sequence[str]], references: Sequence[Sequence[str]], longest: int) -> Pairs:
        """The counted n-grams of tokens, the same n-gram under the same number on both sides."""
        return [grams.split(len(self)) for grams in count([*answers, *references], longest)]

    def best(self, values: Array) -> Array:
        """`(m,)` values of references -> `(n,)`: the largest of each answer's."""
        return np.maximum.reduceat(values, self._starts) if len(self) else np.empty(0)

    def first(self, *ranks: Array) -> Integers:
        """`(n,)`: which reference of each answer ranks lowest, by the first ranks `(m,)`, ties by the next ones."""
        order = np.lexsort((*reversed(ranks), self.owners))
        chosen: Integers = order[self._starts]
        return chosen

    @cached_property
    def _starts(self) -> Integers:
        return np.searchsorted(self.owners, np.arange(len(self)))

    def _cut(self, tokens: Callable[[str], list[str]]) -> tuple[list[list[str]], list[list[str]]]:
        known = {text: tokens(text) for text in dict.fromkeys((*self.answers, *self.flat))}
        return [known[text] for text in self.answers], [known[text] for text in self.flat]


def several(references: str | Iterable[str]) -> list[str]:
    """A row's references as a list, however many there are."""
    return [references] if isinstance(references, str) else list(references)
