"""Perplexity a token and a byte."""

from __future__ import annotations

import numpy as np
import pytest

from sensemble.metrics.base import difference, resample
from sensemble.metrics.language import Likelihood


def test_uniform_guessing_is_as_perplexed_as_there_are_choices() -> None:
    tokens = np.array([3.0, 5.0])
    metrics = Likelihood(-tokens * np.log(50), tokens, 4 * tokens).metrics()
    ones = np.ones((1, 2))
    assert metrics["perplexity"].statistic(ones)[0] == pytest.approx(50)
    assert metrics["byte_perplexity"].statistic(ones)[0] == pytest.approx(50**0.25)
    assert not metrics["perplexity"].higher


def test_long_texts_count_for_more_and_rows_can_be_weighed() -> None:
    total, tokens = np.array([-1.0, -30.0]), np.array([1.0, 10.0])
    metric = Likelihood(total, tokens, tokens).metrics()["perplexity"]
    weights = np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    found = metric.statistic(weights)
    assert found[:2].tolist() == pytest.approx([np.exp(31 / 11), np.exp(1)]) and np.isnan(found[2])


def test_two_models_are_compared_on_the_same_resamples() -> None:
    random = np.random.default_rng(0)
    tokens = random.integers(5, 20, 200).astype(float)
    base = -tokens * random.uniform(2, 3, 200)
    one, other = (Likelihood(base + extra, tokens, tokens).metrics()["perplexity"] for extra in (0.1 * tokens, 0))
    gain = difference(one, other, 200, resample(200))
    assert gain.low > 0 and gain.value == pytest.approx(other.statistic(np.ones((1, 200)))[0] * (1 - np.exp(-0.1)))
