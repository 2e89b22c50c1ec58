"""What retrieval found for each row, as users read it.

Legend: n rows, E width of the common space.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from . import pairs
from .base import Answers

SHOWN = 5
"""Candidates that a record lists."""


def found(answers: Answers) -> list[dict[str, Any]]:
    """`prediction`, the row whose candidate is nearest, counted from 0; its `score`; `ranking`, the nearest rows.

    Rows are ranked by their candidates among the answered rows. A score is a cosine; after a second look, the chance
    that both belong together.

    Args:
        answers: `(n, 2, E)`, NaN where a side is missing; or `Ranked`.
    """
    vectors, again = np.asarray(answers), answers if isinstance(answers, pairs.Ranked) else None
    queries, keys = vectors[:, 0], vectors[:, 1]
    there = np.flatnonzero(~np.isnan(keys).any(1))
    keys = keys[there]
    places = np.full(len(vectors), -1)
    places[there] = np.arange(len(there))
    result: list[dict[str, Any]] = []
    for row, query in enumerate(queries):
        if np.isnan(query).any() or not len(there):
            result.append({"prediction": None, "score": None, "ranking": []})
            continue
        scores = (keys @ query).astype(np.float64)
        if again is not None:
            again.lift(scores, row, 0, places)
        order = np.argsort(-scores, kind="stable")[:SHOWN]
        best = there[order].tolist()
        score = float(scores[order[0]]) if again is None else float(expit(again.odds[row, 0].max()))
        result.append({"prediction": best[0], "score": score, "ranking": best})
    return result
