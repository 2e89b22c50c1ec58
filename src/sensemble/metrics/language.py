"""How well a model foresees texts: perplexity a token and a byte.

Legend: n texts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .base import Array, Metric, Statistic, quotient


@dataclass(frozen=True)
class Likelihood:
    """What a model thinks of texts.

    Args:
        total: `(n,)` natural logarithm of each text's probability, its end counted in.
        tokens: `(n,)` tokens of each text, its end counted in.
        bytes: `(n,)` bytes of each text in UTF-8.
    """

    total: Array
    tokens: Array
    bytes: Array

    def metrics(self) -> dict[str, Metric]:
        """`perplexity`: of how many equally likely tokens the next one is, so to say; fewer is better. It compares
        models of one vocabulary. `byte_perplexity` compares any models, for a text's bytes are the same to all.

        Both are of all texts together: the exponential of minus the mean log-probability a token, or a byte.
        """
        return {
            "perplexity": Metric(_exponential(quotient(-self.total, self.tokens)), higher=False),
            "byte_perplexity": Metric(_exponential(quotient(-self.total, self.bytes)), higher=False),
        }


def _exponential(statistic: Statistic) -> Callable[[Array], Array]:
    return lambda weights: np.exp(statistic(weights))
