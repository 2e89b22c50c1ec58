"""Losses that pull pairs together and push the batch's other pairs apart.

Legend: Q queries, C candidates; in a batch of pairs, query i belongs to candidate i.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

LOWEST = -1e4
"""Score of what is no negative."""

Loss = Callable[..., tuple[Tensor, ...]]
"""Scaled scores `(Q, C)`; which are pairs; which may count as negatives; how much hard ones count; for losses of
`SHARED`, each candidate's share of all rows -> what each query loses, `(Q,)`, and what each candidate, `(C,)`, where
the loss is about both. Whoever has no pair loses zero."""


def info_nce(scores: Tensor, pairs: Tensor, negative: Tensor, hard: float = 0.0) -> tuple[Tensor, Tensor]:
    """Each query picks its candidate among the batch's, and the reverse: the symmetric cross-entropy of CLIP.

    After Radford et al. 2021 ("Learning Transferable Visual Models From Natural Language Supervision"). What is
    right as well, such as the same picture in another row, is no negative and takes no part.

    Args:
        scores: `(Q, C)`, scaled.
        pairs: `(Q, C)` bool, at most one a row and a column.
        negative: `(Q, C)` bool.
        hard: 0 counts all negatives alike; the more above it, the more the near ones count (`harden`).
    """
    return _pick(scores, pairs, negative, hard), _pick(scores.T, pairs.T, negative.T, hard)


def _pick(scores: Tensor, pairs: Tensor, negative: Tensor, hard: float) -> Tensor:
    logits = scores + harden(scores, negative, hard) if hard else scores
    logits = torch.where(pairs, scores, logits).masked_fill(~(pairs | negative), LOWEST)
    own = (scores * pairs).sum(1)
    return (logits.logsumexp(1) - own) * pairs.any(1)


def sigmoid(scores: Tensor, pairs: Tensor, negative: Tensor, hard: float = 0.0) -> tuple[Tensor, Tensor]:
    """Each pair of query and candidate is judged alone, as belonging together or not: SigLIP's loss.

    After Zhai et al. 2023 ("Sigmoid Loss for Language Image Pre-Training"). The scores hold a learned bias, that
    starts low as most pairs do not belong together. Its sum over a row is the query's loss, over a column the
    candidate's. Choose it where batches are small, or many rows share a candidate.

    Args:
        scores: `(Q, C)`, scaled, with the bias.
        pairs: `(Q, C)` bool.
        negative: `(Q, C)` bool.
        hard: as for `info_nce`.
    """
    weight = negative.to(scores.dtype)
    if hard:
        weight = weight * harden(scores, negative, hard).exp()
    each = F.softplus(-scores) * pairs + F.softplus(scores) * weight
    return each.sum(1) * pairs.any(1), each.sum(0) * pairs.any(0)


def sampled_softmax(
    scores: Tensor, pairs: Tensor, negative: Tensor, hard: float = 0.0, share: Tensor | None = None
) -> tuple[Tensor]:
    """Each query picks its candidate among all there are, of which the batch's others are a sample.

    A candidate comes into batches as often as it stands in the rows. A negative therefore counts by one over the times
    that it was to be expected, so that the sum over the sample stands for the sum over all (Bengio & Senécal 2008, Yi
    et al. 2019, "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations"). Scores then tell how
    likely a candidate is: choose it where some candidates are wanted much more often than others, as films are.
    Candidates pick nothing.

    Args:
        scores: `(Q, C)`, scaled.
        pairs: `(Q, C)` bool, at most one a row.
        negative: `(Q, C)` bool.
        hard: as for `info_nce`.
        share: `(C,)` of all rows, those that show the candidate, above 0; without it, all negatives count alike.
    """
    if share is not None:
        others = 1 - (pairs * share).sum(1, keepdim=True)  # the share of what the negatives are drawn from
        expected = negative.sum(1, keepdim=True).clamp(min=1) * share / others.clamp(min=1e-6)  # (Q, C)
        scores = torch.where(pairs, scores, scores - expected.log())
    return (_pick(scores, pairs, negative, hard),)


def bpr(scores: Tensor, pairs: Tensor, negative: Tensor, hard: float = 0.0) -> tuple[Tensor]:
    """Each query prefers its candidate to each of the batch's others: the mean of -log sigmoid of the differences.

    After Rendle et al. 2009 ("BPR: Bayesian Personalized Ranking from Implicit Feedback"), with the batch's candidates
    as negatives: these come as often as they are right, so common candidates win nothing by being common.

    Args:
        scores: `(Q, C)`, scaled.
        pairs: `(Q, C)` bool, at most one a row.
        negative: `(Q, C)` bool.
        hard: as for `info_nce`.
    """
    weight = negative.to(scores.dtype)
    if hard:
        weight = weight * harden(scores, negative, hard).exp()
    own = (scores * pairs).sum(1, keepdim=True)
    each = F.softplus(scores - own) * weight
    return (each.sum(1) / negative.sum(1).clamp(min=1) * pairs.any(1),)


def harden(scores: Tensor, negative: Tensor, hard: float) -> Tensor:
    """The logarithm of each negative's weight, `(Q, C)`: the harder it is, the more it counts.

    Weights go with exp(hard * z), where z is the score standardised within the row, and have the mean 1 there
    (Robinson et al. 2021, "Contrastive Learning with Hard Negative Samples"). No gradient flows through them.
    """
    fixed = scores.detach().float()
    some = negative.sum(1, keepdim=True).clamp(min=1)
    mean = (fixed * negative).sum(1, keepdim=True) / some
    spread = (((fixed - mean) * negative).square().sum(1, keepdim=True) / some).sqrt().clamp(min=1e-6)
    bent = (hard * (fixed - mean) / spread).masked_fill(~negative, LOWEST)
    return (bent - bent.logsumexp(1, keepdim=True) + some.log()).masked_fill(~negative, 0)


LOSSES: dict[str, Loss] = {"info_nce": info_nce, "sigmoid": sigmoid, "sampled_softmax": sampled_softmax, "bpr": bpr}
SHARED = ("sampled_softmax",)
"""Losses that are told each candidate's share of the rows."""
