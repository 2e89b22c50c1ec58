"""Made-up answers with references, among them the awkward ones: empty, one word, repeated, Chinese, mixed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

Texts = tuple[list[str], list[list[str]]]

WORDS = "the a cat cats sat on mat, mat. two 2 3.5 dogs' it's well-known Fast! (and) slow? & \"so\" café 1,000"
ENGLISH = WORDS.split()
CHINESE = [*"一只小猫坐在垫子上，两狗跑得很快。", "3.5", "kg", "“", "”", "！"]
KINDS = ("english", "chinese", "mixed", "words", "repeated")


@pytest.fixture
def texts() -> Callable[..., Texts]:
    """`texts(seed)`: a few rows of one kind, each with one to four references; some answers are copies or empty."""

    def make(seed: int, *, rows: int = 6, most: int = 4) -> Texts:
        random = np.random.default_rng(seed)
        kind = KINDS[seed % len(KINDS)]

        def text() -> str:
            if kind == "words":
                return str(random.choice(ENGLISH[:6]))
            if kind == "repeated":
                return " ".join([str(random.choice(ENGLISH[:4]))] * int(random.integers(1, 9)))
            pool = {"english": ENGLISH, "chinese": CHINESE, "mixed": ENGLISH + CHINESE}[kind]
            parts = random.choice(pool[: int(random.integers(4, len(pool)))], size=random.integers(0, 13))
            return ("" if kind == "chinese" else " ").join(parts)

        references = [[text() or "x" for _ in range(random.integers(1, most + 1))] for _ in range(rows)]
        answers = [text() for _ in range(rows)]
        for row in np.flatnonzero(random.random(rows) < 0.4):  # near misses: a reference, or its beginning
            answers[row] = references[row][0][: int(random.integers(3, 40))]
        if seed % 4 == 0:
            answers[0] = ""
        return answers, references

    return make
