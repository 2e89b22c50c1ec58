"""The n-gram baseline: a distribution, equal to one counted by hand, better than chance on what it has seen."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sensemble.decoders.base import END
from sensemble.decoders.ngram import NGram
from sensemble.errors import ConfigError

TEXTS = [[1, 2, 3], [1, 2, 4], [2, 3], [1, 2, 3], [5, 1, 2]]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("before", [[], [1], [1, 2], [4, 4, 4], [2, 3, 1, 2], [6]])
def test_probabilities_sum_to_one(order: int, before: list[int]) -> None:
    model = NGram(8, order=order).fit(TEXTS)
    shares = [model.probability(before, token) for token in range(8)]
    assert min(shares) > 0 and sum(shares) == pytest.approx(1)


def test_a_bigram_model_by_hand() -> None:
    """Texts `1 2` and `1 1`, `0` is the end, `b` the beginning: b1 x2, 12, 20, 11, 10, each of these once."""
    model = NGram(3, order=2).fit([[1, 2], [1, 1]])
    d2 = 4 / (4 + 2 * 1)  # four bigrams once, one twice
    # by how many tokens it follows: 0 after 2 and 1; 1 after b and 1; 2 after 1; the discount: one once, two twice
    d1 = 1 / (1 + 2 * 2)
    lower = {0: (2 - d1 + d1 * 3 / 3) / 5, 1: (2 - d1 + d1 * 3 / 3) / 5, 2: (1 - d1 + d1 * 3 / 3) / 5}
    for token, count in ((0, 1), (1, 1), (2, 1)):
        wanted = (count - d2 + d2 * 3 * lower[token]) / 3
        assert model.probability([1], token) == pytest.approx(wanted)
    assert model.probability([], 2) == pytest.approx(d2 * 1 * lower[2] / 2)
    whole = sum(
        math.log(p) for p in (model.probability([], 1), model.probability([1], 2), model.probability([1, 2], END))
    )
    assert model.log_probability([1, 2]) == pytest.approx(whole)
    assert model.log_probability([1, 2], ends=False) > whole


def test_longer_contexts_foresee_more_of_a_language_with_memory() -> None:
    random = np.random.default_rng(0)

    def text() -> list[int]:
        ids = random.integers(1, 4, 2).tolist()
        while len(ids) < 20:
            ids.append(1 + (ids[-1] + ids[-2] + (random.random() < 0.1)) % 3)
        return ids

    train, test = [text() for _ in range(300)], [text() for _ in range(50)]
    totals = [sum(NGram(4, order=order).fit(train).log_probability(ids) for ids in test) for order in (1, 2, 3)]
    assert totals[0] <= totals[1] + 5 and totals[2] > totals[1] + 200


def test_an_order_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1, not 0"):
        NGram(5, order=0)
