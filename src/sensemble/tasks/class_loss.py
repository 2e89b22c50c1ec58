"""The losses of classification: cross-entropy or focal, with weights of classes and with adjusted logits.

Legend: B batch, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..tokens import Tokens

EPSILON = 1e-6


@dataclass(frozen=True)
class ClassLoss:
    """The mean loss of a batch.

    Args:
        many: whether labels are sets: then each class is a yes or a no of its own.
        gamma: how much less easy rows count (Lin et al. 2017, equation 4); 0 counts all alike.
        smoothing: share of certainty given away to the other classes.
        weights: `(C,)` of the classes; of sets, for rows that have the label.
        offsets: `(C,)` added to the logits here and nowhere else (Menon et al. 2021, "Long-tail learning via logit
            adjustment", equation 10): with the classes' log shares, what is learned is the answer for classes equally
            frequent.
    """

    many: bool
    gamma: float
    smoothing: float
    weights: Sequence[float]
    offsets: Sequence[float]

    def __call__(self, logits: Tensor, target: Tokens, row_weights: Tensor | None) -> Tensor:
        """The loss of logits `(B, C)`, rows weighed by `(B,)` or alike."""
        if any(self.offsets):
            logits = logits + torch.tensor(self.offsets, device=logits.device)
        each, weight = self._sets(logits, target) if self.many else self._single(logits, target)  # (B,), (B,)
        if row_weights is not None:
            weight = weight * row_weights
        return (each * weight).sum() / weight.sum().clamp(min=EPSILON)

    def _single(self, logits: Tensor, target: Tokens) -> tuple[Tensor, Tensor]:
        labels = target.values[:, 0]
        each = F.cross_entropy(logits, labels, reduction="none", label_smoothing=self.smoothing)  # (B,)
        if self.gamma:
            sure = logits.log_softmax(-1).gather(1, labels.unsqueeze(1)).squeeze(1).exp()
            each = each * (1 - sure) ** self.gamma
        weights = torch.tensor(self.weights, device=logits.device)
        return each, weights[labels] * target.mask[:, 0]

    def _sets(self, logits: Tensor, target: Tokens) -> tuple[Tensor, Tensor]:
        values = target.values * (1 - self.smoothing) + self.smoothing / 2
        each = F.binary_cross_entropy_with_logits(logits, values, reduction="none")  # (B, C)
        if self.gamma:
            sure = torch.where(target.values > 0.5, logits.sigmoid(), (-logits).sigmoid())
            each = each * (1 - sure) ** self.gamma
        weights = torch.tensor(self.weights, device=logits.device)
        each = each * torch.where(target.values > 0.5, weights, 1.0) * target.mask
        known = target.mask.sum(1)
        return each.sum(1) / known.clamp(min=1), (known > 0).to(each.dtype)
