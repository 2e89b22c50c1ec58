"""A second look at the nearest candidates: query and candidate are read together, and ordered by what is seen then.

Legend: B batch, C candidates, P pairs, n rows, N candidates of a query that are looked at again, E common space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.rows import Samples
from ..fusion.base import Fusion
from ..network import Network
from ..nn.attention import AttentionPool
from ..tokens import Tokens
from .contrastive import LOWEST
from .pairs import Ranked

PAIRS = 1024
"""Pairs that are read at once."""
ALIKE = 4
"""Decimals of vectors by which rows are taken to show the same candidate, which is then looked at once."""

Encoded = Mapping[str, Tokens]
Sides = Sequence[Sequence[str]]


class CrossEncoder(nn.Module):
    """Says how likely a query and a candidate belong together, from the inputs of both in one fusion.

    So it sees what two vectors that are made apart cannot tell, at the cost of one fusion a pair. As the image-text
    matching of ALBEF (Li et al. 2021).

    Args:
        fusion: of all inputs. Take one in which inputs look at each other, such as `transformer`.
    """

    def __init__(self, fusion: Fusion) -> None:
        super().__init__()
        self.fusion, self.pool = fusion, AttentionPool(fusion.width)
        self.judge = nn.Sequential(nn.Linear(fusion.width, fusion.width), nn.GELU(), nn.Linear(fusion.width, 1))

    def forward(self, encoded: Encoded) -> Tensor:
        """`{name: (P, T, D)} -> (P,)` log odds."""
        odds: Tensor = self.judge(self.pool(self.fusion(encoded)))  # (P, 1)
        return odds.squeeze(1).float()


def match_loss(
    cross: CrossEncoder, encoded: Encoded, sides: Sides, scores: Tensor, whole: Tensor, negative: Tensor
) -> Tensor:
    """The loss of each row's own pair, and of the row with a hard negative for either side, `(B,)`.

    A hard negative is drawn from the batch's, the nearer by the towers the likelier (ALBEF, section 3.2).

    Args:
        cross: the model of pairs.
        encoded: of the batch's rows.
        sides: names of the inputs that ask, and of those that are found.
        scores: `(B, B)` of the towers.
        whole: `(B,)` bool, rows that have both sides; the others lose nothing.
        negative: `(B, B)` bool, which candidates are wrong for which queries.
    """
    result = scores.new_zeros(len(scores))
    rows = whole.nonzero().squeeze(1)
    if not len(rows):
        return result
    parts = [F.softplus(-cross(paired(encoded, sides, rows, rows)))]
    for turned in (False, True):  # another candidate for the row's query, another query for its candidate
        near, allowed = (scores.T, negative.T) if turned else (scores, negative)
        allowed = (allowed & whole)[rows]  # (R, B)
        chance = near.detach()[rows].masked_fill(~allowed, LOWEST).softmax(1)
        wrong = chance.multinomial(1).squeeze(1)
        both = (wrong, rows) if turned else (rows, wrong)
        parts.append(F.softplus(cross(paired(encoded, sides, *both))) * allowed.any(1))
    return result.index_put((rows,), torch.stack(parts).mean(0).to(result.dtype))


def paired(encoded: Encoded, sides: Sides, queries: Tensor, candidates: Tensor) -> dict[str, Tokens]:
    """The inputs of P pairs, `(P,)` rows of the query and of the candidate."""
    rows = {name: places for names, places in zip(sides, (queries, candidates), strict=True) for name in names}
    return {name: tokens[rows[name]] for name, tokens in encoded.items()}


@torch.no_grad()
def look_again(
    network: Network, cross: CrossEncoder, samples: Samples, vectors: NDArray[np.float32], sides: Sides, count: int
) -> Ranked:
    """The N nearest rows of each query, and of each candidate, with the log odds that they belong together.

    Args:
        network: encodes.
        cross: judges.
        samples: the rows.
        vectors: `(n, 2, E)` of the towers, NaN where a side is missing.
        sides: names of the inputs that ask, and of those that are found.
        count: N.
    """
    device = next(network.parameters()).device
    rows = np.full((len(vectors), 2, count), -1, dtype=np.int64)
    odds = np.full((len(vectors), 2, count), -np.inf)
    for ask, give in ((0, 1), (1, 0)):
        keys = distinct(vectors[:, give])
        askers = np.flatnonzero(~np.isnan(vectors[:, ask]).any(1))
        some = min(count, len(keys))
        if not some or not len(askers):
            continue
        for queries in np.array_split(askers, -(-len(askers) * some // PAIRS)):
            near = vectors[queries, ask] @ vectors[keys, give].T
            best = keys[np.argsort(-near, axis=1, kind="stable")[:, :some]]  # (b, some)
            shown, places = np.unique(best, return_inverse=True)
            both = {
                **_encode(network, samples, sides[ask], queries, device),
                **_encode(network, samples, sides[give], shown, device),
            }
            first = torch.arange(len(queries), device=device).repeat_interleave(some)
            second = torch.from_numpy(places.reshape(-1)).to(device)
            pairs = (first, second) if ask == 0 else (second, first)
            found = cross(paired(both, sides, *pairs)).view(len(queries), some)
            rows[queries, ask, :some], odds[queries, ask, :some] = best, found.cpu().numpy()
    return Ranked(vectors, rows, odds)


def distinct(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """The first row of each vector that there is; rows that are NaN are none."""
    there = np.flatnonzero(~np.isnan(vectors).any(1))
    if not len(there):
        return there
    return there[np.sort(np.unique(vectors[there].round(ALIKE), axis=0, return_index=True)[1])]


def _encode(
    network: Network, samples: Samples, names: Sequence[str], rows: NDArray[np.int64], device: torch.device
) -> dict[str, Tokens]:
    """Some rows by some of the inputs, as far as the samples have these."""
    own = samples.only([name for name in names if name in samples.stores])
    encoded = network.encode(own.batch(torch.from_numpy(rows)).to(device).inputs)
    return {name: encoded[name] for name in own.stores}
