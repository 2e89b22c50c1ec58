"""How likely a generating model, and an n-gram baseline, find the true texts.

Legend: B batch, T tokens of a text, V ids, n rows.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from ..data.load import Samples
from ..decoders.base import END
from ..decoders.ngram import NGram
from ..metrics.language import Likelihood
from ..network import Network
from ..tokens import Tokens
from .generate import Generate


@torch.no_grad()
def likelihood(network: Network, task: Generate, samples: Samples, *, batch: int = 256) -> Likelihood:
    """What a model thinks of each row's first reference, given the row's inputs.

    Args:
        network: the model.
        task: fitted.
        samples: labelled rows.
        batch: rows at a time.
    """
    assert samples.target is not None, "these rows have no texts"
    device = next(network.parameters()).device
    network.eval()
    totals = []
    for rows in samples.batches(batch):
        part = samples.batch(rows).to(device)
        assert part.target is not None
        logits, wanted = task.foresee(network, part)
        each = F.cross_entropy(logits, wanted.values[wanted.mask], reduction="none").double()  # (real tokens,)
        total = torch.zeros(wanted.mask.shape, dtype=torch.float64, device=device).masked_scatter(wanted.mask, -each)
        totals.append(total.sum(1).cpu().numpy())  # (B, T) -> (B,)
    return Likelihood(np.concatenate(totals), *_sizes(task, samples.target))


def baseline(task: Generate, train: Tokens, target: Tokens, *, order: int = 4) -> Likelihood:
    """What an n-gram model of the training texts, which looks at no input, thinks of each row's first reference.

    Args:
        task: fitted; gives the tokens.
        train: labels to count.
        target: labels to foresee.
        order: n.
    """
    texts = [ids[: task.length] for row in task.references.ids(train) for ids in row]
    model = NGram(task.references.num_tokens, order=order).fit(texts)
    wanted = [row[:-1] if row[-1:] == [END] else row for row in _first(task, target)]
    ends = [row[-1:] == [END] for row in _first(task, target)]
    totals = [model.log_probability(ids, ends=end) for ids, end in zip(wanted, ends, strict=True)]
    return Likelihood(np.array(totals), *_sizes(task, target))


def _first(task: Generate, target: Tokens) -> list[list[int]]:
    """The first reference of each row as it is learned: cut, `END` at its end if it was not."""
    wanted = task.references.one(target, draw=False)
    return [ids[:size] for ids, size in zip(wanted.values.tolist(), wanted.mask.sum(1).tolist(), strict=True)]


def _sizes(task: Generate, target: Tokens) -> tuple[np.ndarray, np.ndarray]:
    """`(n,)` tokens and bytes of each row's first reference."""
    first = _first(task, target)
    texts = [task.references.decode(token for token in ids if token != END) for ids in first]
    return np.array([float(len(ids)) for ids in first]), np.array([float(len(text.encode())) for text in texts])
