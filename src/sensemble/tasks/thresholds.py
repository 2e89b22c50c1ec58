"""From which probability on a class is answered: chosen on validation rows.

Legend: n rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError

DEFAULT = 0.5
RULES = ("none", "f1", "precision=SHARE", "recall=SHARE")


def parse(rule: str) -> tuple[str, float]:
    """The score that a rule names, and the share that is wanted of it: `precision=0.9` -> `("precision", 0.9)`.

    Raises:
        ConfigError: no such rule.

    >>> parse("f1"), parse("recall=0.8")
    (('f1', 0.0), ('recall', 0.8))
    """
    name, equals, text = rule.partition("=")
    if not equals and name in ("none", "f1"):
        return name, 0.0
    if equals and name in ("precision", "recall"):
        try:
            share = float(text)
        except ValueError:
            share = 0.0
        if 0 < share <= 1:
            return name, share
        raise ConfigError(f"task.threshold: {name} is wanted from above 0 to 1, such as {name}=0.9, not {text!r}")
    raise ConfigError(f"task.threshold: cannot read {rule!r}; known: {', '.join(RULES)}")


def choose(rule: str, scores: NDArray[np.float64], truths: NDArray[np.bool_]) -> float:
    """The threshold that serves the rule best on these rows.

    `f1` takes the best F1; `precision=p` the most recall among thresholds that are right in at least p of what they
    answer, or where none is, the most precise one; `recall=r` the most precision among those that find at least r of
    the positive rows. It lies half-way between two scores, so that neither is on the edge. Without a positive row there
    is nothing to choose by: 0.5.

    Args:
        rule: as `parse` reads it, not `none`.
        scores: `(n,)` probabilities of the class.
        truths: `(n,)` whether a row has it.

    >>> choose("f1", np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, False, True, True]))
    0.25
    """
    name, share = parse(rule)
    if not truths.any():
        return DEFAULT
    levels = np.unique(scores)[::-1]  # falling: each threshold answers more rows than the one before
    order = np.argsort(-scores, kind="stable")
    listed = np.searchsorted(-scores[order], -levels, side="right")
    hits = truths[order].cumsum()[listed - 1]
    precision, recall = hits / listed, hits / truths.sum()
    if name == "f1":
        best = int(np.argmax(2 * hits / (listed + truths.sum())))
    elif name == "recall":
        best = int(np.argmax(np.where(recall >= share, precision, -1)))
    elif (precision >= share).any():
        best = int(np.flatnonzero(precision >= share)[-1])  # recall grows along the levels
    else:
        best = int(np.argmax(precision))
    below = levels[best + 1] if best + 1 < len(levels) else 0.0
    return float((levels[best] + below) / 2)
