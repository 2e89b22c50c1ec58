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

Loss = Callable[[Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor]]
"""Scaled scores `(Q, C)`; which are pairs; which may count as negatives; how much hard ones count -> what each query
and each candidate loses, `(Q,)` and `(C,)`. Whoever has no pair loses zero."""


def info_nce(scores: Tensor, pairs: Tensor, negative: Tensor, hard: float = 0.0) -> tuple[Tensor, Tensor]:
    """Each query picks its candidate among the batch's, and the reverse: the symmetric cross-entropy of CLIP.

    After Radford et al. 2021 ("Learning Transferable Visual Models From Natural Language Supervision"). What is
    right as well, such as the same picture in another row, is no negative and takes no part.

    Args:
        scores: `(Q, C)`, scaled.
        pairs: `(Q, C)` bool, at most one a row and a column.
        negative: `(Q, C)` bool.
        hard: 0 counts all negatives alike; above it, each counts by exp(hard * its cosine's share of the scores'
            range), at a mean of 1 (`harden`).
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


LOSSES: dict[str, Loss] = {"info_nce": info_nce, "sigmoid": sigmoid}
