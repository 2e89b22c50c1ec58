"""How likely a generating model, and an n-gram baseline, find the true texts: perplexity as a score of a task.

Legend: B batch, T tokens of a text, V ids, n rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..decoders.base import END, Decoder
from ..decoders.ngram import NGram
from ..metrics.base import Array, Metric
from ..metrics.language import Likelihood
from ..tokens import Tokens
from .references import References

SHORT = 3
"""Tokens of a short text, such as an answer to a question. Where the mean text is short and texts repeat, being exactly
right is the measure. A batch's short texts are read apart from its longer ones."""

PERPLEXITIES = ("perplexity", "byte_perplexity")
WIDER = 3
"""How many times longer each next part of a batch may be."""
CHUNK = 64
"""Rows whose scores of all ids are in memory at a time."""
MOST_TEXTS = 20_000
"""Training texts that the baseline counts."""


def foresee(decoder: Decoder, fused: Tokens, wanted: Tokens) -> Tensor:
    """Scores of all ids for each real token of some texts: fused `(B, T', D)`, ids `(B, T)` -> `(real tokens, V)`."""
    before = F.pad(wanted.values[:, :-1], (1, 0), value=decoder.begin)
    parts = _alike(wanted.mask)
    if len(parts) == 1:
        return decoder.scores(decoder(fused, before)[wanted.mask]).float()
    features = [decoder(fused[rows], before[rows, :most])[wanted.mask[rows, :most]] for rows, most in parts]
    owners = [rows.unsqueeze(1).expand_as(wanted.mask)[wanted.mask] for rows, _ in parts]
    found = torch.cat(features)[torch.cat([each.nonzero().squeeze(1) for each in owners]).argsort()]
    return decoder.scores(found).float()


def _alike(mask: Tensor) -> list[tuple[Tensor, int]]:
    """Parts a batch of texts, `(B, T)`, where that spares padding: which rows, `(B,)` bool, and their longest."""
    sizes, longest = mask.sum(1), mask.shape[1]
    left, parts, most = torch.ones_like(mask[:, 0]), [], SHORT
    while most < longest:
        rows = left & (sizes <= most)
        if int(rows.sum()) * (longest - most) >= len(mask):
            parts.append((rows, most))
            left = left & ~rows
        most *= WIDER
    return [*parts, (left, longest)] if bool(left.any()) else parts


def log_probability(decoder: Decoder, fused: Tokens, wanted: Tokens) -> list[float]:
    """The natural logarithm of each text's probability: fused `(B, T', D)`, ids `(B, T)` -> B numbers."""
    result: list[float] = []
    for start in range(0, len(wanted), CHUNK):
        rows = slice(start, start + CHUNK)
        texts = wanted[rows]
        each = F.cross_entropy(foresee(decoder, fused[rows], texts), texts.values[texts.mask], reduction="none")
        total = torch.zeros(texts.mask.shape, dtype=torch.float64, device=each.device)
        result += total.masked_scatter(texts.mask, -each.double()).sum(1).tolist()  # (b, T) -> (b,)
    return result


class Baseline:
    """An n-gram model of the training texts, which looks at no input. It is counted when it is first asked.

    Args:
        references: fitted; gives the tokens.
        train: labels to count.
        order: n.
    """

    def __init__(self, references: References, train: Tokens, *, order: int = 4) -> None:
        self.references = references
        self.train = train
        self.order = order
        self._model: NGram | None = None

    def log_probability(self, target: Tokens) -> Array:
        """`(n,)` the natural logarithm of the probability of each row's first reference."""
        if self._model is None:
            places = np.linspace(0, len(self.train) - 1, min(len(self.train), MOST_TEXTS)).astype(int)
            rows = self.references.ids(self.train[torch.as_tensor(places)])
            texts = [ids[: self.references.length] for row in rows for ids in row]
            self._model = NGram(self.references.num_tokens, order=self.order).fit(texts)
        texts = _first(self.references, target)
        return np.array(
            [self._model.log_probability([id for id in ids if id != END], ends=ids[-1:] == [END]) for ids in texts]
        )


def perplexities(
    likelihoods: Sequence[float | None], target: Tokens, references: References, baseline: Baseline | None
) -> dict[str, Metric]:
    """`perplexity` and `byte_perplexity` of each row's first reference, as it is learned: cut, with its end.

    Args:
        likelihoods: the logarithm of each one's probability; `None` where no model was asked: what the baseline thinks.
        target: labels.
        references: read them.
        baseline: `None` where the training texts are not at hand, as in a loaded run: then it is undefined.
    """
    kept: list[dict[str, Metric]] = []

    def later(name: str) -> Callable[[Array], Array]:
        def statistic(weights: Array) -> Array:
            if not kept:
                total = np.array([np.nan if each is None else each for each in likelihoods], dtype=np.float64)
                unknown = np.isnan(total)
                if baseline is not None and unknown.any():
                    total[unknown] = baseline.log_probability(target)[unknown]
                kept.append(Likelihood(total, *_sizes(references, target)).metrics())
            return kept[0][name].statistic(weights)

        return statistic

    return {name: Metric(later(name), higher=False) for name in PERPLEXITIES}


def _first(references: References, target: Tokens) -> list[list[int]]:
    """The first reference of each row as it is learned: cut, `END` at its end if it was not."""
    wanted = references.one(target, draw=False)
    return [ids[:size] for ids, size in zip(wanted.values.tolist(), wanted.mask.sum(1).tolist(), strict=True)]


def _sizes(references: References, target: Tokens) -> tuple[Array, Array]:
    """`(n,)` tokens and bytes of each row's first reference."""
    first = _first(references, target)
    texts = [references.decode(token for token in ids if token != END) for ids in first]
    return np.array([float(len(ids)) for ids in first]), np.array([float(len(text.encode())) for text in texts])
