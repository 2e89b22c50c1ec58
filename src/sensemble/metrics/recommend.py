"""Scores of recommendations: whether a user's next items come first, and what the lists are like.

Items of equal score have no order. What is measured by right items is then the mean over their possible orders, so that
a model that scores all alike gets what chance gives. Lists themselves (coverage, diversity, novelty) take tied items in
the order of the catalogue.

Legend: n users, b users of a block, I items, F features, k items of a list, R resamples.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..errors import UserError
from .base import Array, Metric, Statistic, chunked, quotient

Flags = NDArray[np.bool_]
Block = tuple[Array, Flags, Flags]
"""Scores `(b, I)`, more is better; which items are right; which the user has had already, and is not shown."""
RIGHT = ("recall", "ndcg", "hit", "map")


def recommend_metrics(
    blocks: Iterable[Block], *, k: int = 20, features: Array | None = None, popularity: Array | None = None
) -> dict[str, Metric]:
    """Metrics of lists of k items, each a function of user weights.

    About a user's right items, which are those not seen before: `recall_K`, the share of them in the list;
    `hit_K`, whether any is; `ndcg_K`, the sum of 1 / log2(rank + 1) of those in the list over the most that it could
    be (Järvelin & Kekäläinen, 2002); `map_K`, the mean over min(K, right items) of the share of right ones down to
    each; `mrr`, the mean of 1 / rank of the first one, however far down. Users without a right item are left out of
    these. About the lists: `coverage_K`, the share of items that are in any list; `diversity_K`, one minus the mean
    cosine of two items of a list; `novelty_K`, the mean of -log2 of the share of all interactions that an item had
    (Vargas & Castells, 2011). The interval of the coverage lies below its value, as a resample has fewer different
    users.

    Args:
        blocks: the users a few at a time, so that many users need no `(n, I)` at once.
        k: length of a list. Where fewer items are left to a user, the list is shorter.
        features: `(I, F)` of the items, such as flags of genres, for `diversity_K`, which is left out without.
        popularity: `(I,)` interactions of each item in training, for `novelty_K`, which is left out without; items
            without any count as one.

    Raises:
        UserError: a score is NaN.

    >>> scores, right = np.array([[0.1, 0.9, 0.4]]), np.array([[True, False, False]])
    >>> seen = np.array([[False, True, False]])  # so that the right item is the second of two
    >>> recommend_metrics([(scores, right, seen)], k=2)["mrr"].statistic(np.ones((1, 1)))
    array([0.5])
    """
    values: list[tuple[float, ...]] = []
    lists: list[NDArray[np.intp]] = []
    items = 0
    for scores, right, seen in blocks:
        scores = np.asarray(scores, dtype=np.float64)
        assert scores.shape == right.shape == seen.shape, f"{scores.shape}, {right.shape} and {seen.shape} differ"
        items = scores.shape[1]
        for row in range(len(scores)):
            allowed = np.flatnonzero(~seen[row])
            some = scores[row, allowed]
            if np.isnan(some).any():
                raise UserError(
                    f"user {len(lists)} has a score that is NaN: training has diverged; try a smaller train.lr"
                )
            values.append(list_scores(some, right[row, allowed], k))
            lists.append(allowed[np.argsort(-some, kind="stable")[:k]])
    table = np.array(values).reshape(-1, len(RIGHT) + 1)
    known = ~np.isnan(table[:, 0])
    names = [*(f"{name}_{k}" for name in RIGHT), "mrr"]
    metrics = {name: Metric(quotient(np.where(known, table[:, place], 0), known)) for place, name in enumerate(names)}
    metrics[f"coverage_{k}"] = Metric(_coverage(lists, items))
    if features is not None:
        metrics[f"diversity_{k}"] = Metric(_mean([_diversity(features[each]) for each in lists]))
    if popularity is not None:
        counts = np.maximum(np.asarray(popularity, dtype=np.float64), 1)
        surprise = -np.log2(counts / counts.sum())
        metrics[f"novelty_{k}"] = Metric(_mean([surprise[each].mean() if len(each) else np.nan for each in lists]))
    return metrics


def list_scores(scores: Array, right: Flags, k: int) -> tuple[float, float, float, float, float]:
    """One user's recall, NDCG, hit and average precision of the first k items, and 1 / rank; NaN without right items.

    Args:
        scores: `(items,)` of those that may be shown.
        right: `(items,)`.
        k: length of the list.
    """
    num = int(right.sum())
    if not num:
        return (np.nan,) * 5
    length = min(k, len(scores))
    least = np.partition(scores, len(scores) - length)[len(scores) - length]
    near = scores >= least  # all that may be in the list, ties at its end among them
    _, group, sizes = np.unique(-scores[near], return_inverse=True, return_counts=True)  # the best first
    rights = np.bincount(group, right[near], minlength=len(sizes))
    above = np.cumsum(sizes) - sizes  # items before each group
    found = np.cumsum(rights) - rights  # right ones among them

    place = np.arange(1, length + 1)
    at = np.repeat(np.arange(len(sizes)), sizes)[:length]  # group at each place
    chance = rights[at] / sizes[at]  # that a right item stands there
    before = (place - above[at] - 1) * (rights[at] - 1) / np.maximum(sizes[at] - 1, 1)  # right ones of the group
    discounts = 1 / np.log2(np.arange(2, k + 2))
    taken = np.minimum(sizes, length - above)
    return (
        float(chance.sum() / num),
        float((chance * discounts[:length]).sum() / discounts[: min(num, k)].sum()),
        1 - float(np.prod([_none(*each) for each in zip(sizes, rights, taken, strict=True)])),
        float((chance * (found[at] + 1 + before) / place).sum() / min(num, k)),
        _reciprocal(scores, right),
    )


def _none(size: int, right: float, taken: int) -> float:
    """The chance that none of the items taken from a group at random is right."""
    steps = np.arange(taken)
    return float(np.prod(np.maximum(size - right - steps, 0) / (size - steps)))


def _reciprocal(scores: Array, right: Flags) -> float:
    """The mean of 1 / rank of the first right item."""
    best = scores[right].max()
    above, tied = int((scores > best).sum()), scores == best
    size, num = int(tied.sum()), int((tied & right).sum())
    steps = np.arange(size - num + 1)  # wrong ones of the group before the first right one
    wrong = np.concatenate([[1.0], np.cumprod((size - num - steps[:-1]) / (size - steps[:-1]))])
    return float((wrong * num / (size - steps) / (above + steps + 1)).sum())


def _mean(values: list[float]) -> Statistic:
    """The weighted mean of the values that are known."""
    given = np.array(values, dtype=np.float64)
    known = ~np.isnan(given)
    return quotient(np.where(known, given, 0), known)


def _coverage(lists: list[NDArray[np.intp]], items: int) -> Statistic:
    rows = np.repeat(np.arange(len(lists)), [len(each) for each in lists])
    columns = np.concatenate(lists) if lists else np.empty(0, int)
    shown = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(lists), items))

    def share(weights: Array) -> Array:
        return np.asarray(((weights > 0) @ shown > 0).mean(1), dtype=np.float64)

    return chunked(share)


def _diversity(features: Array) -> float:
    """One minus the mean cosine of two different items; an item without features is unlike all others."""
    num = len(features)
    if num < 2:
        return np.nan
    rows = np.asarray(features, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(lengths > 0, lengths, 1)
    total = unit.sum(0)
    return 1 - float((total @ total - (unit * unit).sum()) / (num * (num - 1)))
