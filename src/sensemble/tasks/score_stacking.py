"""Late stacking of towers: how near things are for several models, as one.

Legend: n rows, G entries of a gallery.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..metrics.base import Array
from ..tokens import Tokens
from . import pairs
from .base import Answers, Stacker

SHARPNESS = 5.0
"""Factor of summed cosines before the softmax."""


class ScoreStacker(Stacker):
    """Late stacking of towers: their scores add up, each with a weight fitted by likelihood.

    The result is vectors again: those of the models one after another, queries times their weight.
    """

    def __init__(self, answers: Sequence[Array], target: Tokens) -> None:
        weights = torch.ones(len(answers), dtype=torch.float64, requires_grad=True)
        side = pairs.SIDES[0]
        parts = [list(pairs.blocks(each, pairs.gallery(target, side), side)) for each in answers]
        scores = torch.stack([torch.tensor(np.concatenate([block for block, _ in each])) for each in parts])
        right = torch.tensor(np.concatenate([block for _, block in parts[0]]))  # (n, G)
        known = right.any(1)
        scores, right = scores.nan_to_num(neginf=-1.0)[:, known], right[known]
        optimizer = torch.optim.LBFGS([weights], max_iter=50, line_search_fn="strong_wolfe")

        def step() -> Tensor:
            optimizer.zero_grad()
            logits = torch.einsum("k,kng->ng", F.softplus(weights), scores) * SHARPNESS
            chance = logits.masked_fill(~right, -1e4).logsumexp(1) - logits.logsumexp(1)
            loss = -chance.mean() + 1e-3 * weights.square().sum()
            torch.autograd.backward(loss)
            return loss

        if bool(known.any()):
            with torch.enable_grad():
                optimizer.step(step)  # type: ignore[no-untyped-call]
        self.weights = F.softplus(weights.detach()).numpy()

    def __call__(self, answers: Sequence[Answers]) -> NDArray[np.float32]:
        vectors = [np.asarray(each, dtype=np.float32) for each in answers]
        gone = np.all([np.isnan(each).any(2) for each in vectors], axis=0)  # (n, 2)
        weighed = []
        for each, weight in zip(vectors, self.weights, strict=True):
            each = np.nan_to_num(each)
            weighed.append(np.stack([each[:, 0] * weight, each[:, 1]], 1))
        result = np.concatenate(weighed, 2)
        result[gone] = np.nan
        return result
