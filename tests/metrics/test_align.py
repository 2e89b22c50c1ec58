"""Alignments against the plain table of dynamic programming."""

from __future__ import annotations

import doctest
import random

from sensemble.metrics import align
from sensemble.metrics.align import common, distance


def table(first: list[int], second: list[int]) -> tuple[int, int]:
    edits = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    shared = [row[:] for row in edits]
    for i in range(len(first) + 1):
        for j in range(len(second) + 1):
            if not i or not j:
                edits[i][j] = i + j
                continue
            same = first[i - 1] == second[j - 1]
            edits[i][j] = min(edits[i - 1][j] + 1, edits[i][j - 1] + 1, edits[i - 1][j - 1] + (not same))
            shared[i][j] = shared[i - 1][j - 1] + 1 if same else max(shared[i - 1][j], shared[i][j - 1])
    return shared[-1][-1], edits[-1][-1]


def test_docstring_examples_hold() -> None:
    assert doctest.testmod(align).failed == 0


def test_both_equal_the_table() -> None:
    draw = random.Random(0)
    for _ in range(3000):
        kinds = draw.choice([1, 2, 3, 8])
        first, second = (draw.choices(range(kinds), k=draw.randint(0, 9)) for _ in range(2))
        assert (common(first, second), distance(first, second)) == table(first, second), (first, second)


def test_long_sequences() -> None:
    draw = random.Random(1)
    first, second = (draw.choices(range(5), k=150) for _ in range(2))
    assert (common(first, second), distance(first, second)) == table(first, second)
