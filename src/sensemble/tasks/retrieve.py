"""Retrieval: queries and candidates meet in one space, where what belongs together is near.

Legend: B batch, n rows, D width, E width of the common space.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.rows import Samples
from ..data.table import Table
from ..errors import ConfigError, DataError, UserError, unknown
from ..fusion.base import Fusion
from ..metrics import retrieval
from ..metrics.base import Array, Metric
from ..network import Network
from ..tokens import Batch, Tokens
from . import pairs
from .base import TASKS, Answers, Stacker, Task
from .contrastive import LOSSES, SHARED
from .found import found
from .memory import Memory
from .rerank import CrossEncoder, look_again, match_loss
from .score_stacking import ScoreStacker
from .towers import Sides, Towers

REVERSE = "reverse_"
BIAS = {"sigmoid": -10.0}
"""Where a loss starts with pairs being rare, the bias of its scores."""


@TASKS.register("retrieve")
class Retrieve(Task):
    """Finds what belongs to a query: a picture by its description or its spoken name, a product by photo and words.

    A row is a pair. Queries and candidates each have a tower: their inputs' encoders, a fusion, and a projection to a
    space that both share; any of a side's inputs may be missing. Rows are right for each other, too, where they show
    the same candidate or the same query, or share `same`. Trained with the other rows of the batch as negatives, so
    batches should be large. Answers are `(n, 2, E)`: each row's two unit vectors, NaN where a side is missing.

    Scores are of finding candidates by queries, among all distinct ones of the scored rows; with `reverse_` before
    them, of finding queries by candidates. Equal queries count once.

    Args:
        query: inputs that ask; without it, all but the candidate's.
        candidate: inputs that are found; without it, all but the query's.
        same: column whose equal values make rows right for each other.
        loss: `info_nce` (CLIP) or `sigmoid` (SigLIP); to recommend, `sampled_softmax`, whose scores know how common a
            candidate is, or `bpr`: both learn to find candidates by queries only.
        dim: E; 0 takes the network's width.
        temperature: at the start of training; it is learned.
        hard: how much more hard negatives count: 0 all alike, 1 clearly.
        memory: candidates of earlier batches that are negatives as well (XBM). For small batches, some thousands; the
            learning rate should be low enough that vectors of some batches ago are still about right.
        dropout: of the encoders' features, but for the locked one's. With frozen encoders and few rows, half or more.
        lock: an input whose frozen encoder's vectors are the common space, as they are: nothing between them and it is
            learned (Zhai et al. 2022, LiT). The best with few rows. Needs a width no less than the encoder's; take the
            fusion `sum`, which leaves single inputs as they are.
        rerank: how many of each query's nearest candidates are read again together with it, and ordered by that: a
            fusion of all inputs is trained beside the towers, to tell pairs from the nearest wrong ones (ALBEF). For
            what two vectors made apart cannot tell; costs a fusion for each of them, and a fusion in which inputs look
            at each other. What is right but not among the nearest stays out of reach.
        metric: the score by which models are chosen.
    """

    needs_target: ClassVar[bool] = False
    target_keys: ClassVar[tuple[str, ...]] = ("same",)

    def __init__(
        self,
        *,
        query: str | list[str] | None = None,
        candidate: str | list[str] | None = None,
        same: str | None = None,
        loss: Literal["info_nce", "sigmoid", "sampled_softmax", "bpr"] = "info_nce",
        dim: int = 0,
        temperature: float = 0.07,
        hard: float = 0.0,
        memory: int = 0,
        dropout: float = 0.1,
        lock: str | None = None,
        rerank: int = 0,
        metric: str = "mrr",
    ) -> None:
        given = {"query": query, "candidate": candidate}
        self.wanted = {side: [names] if isinstance(names, str) else names for side, names in given.items()}
        if query is None and candidate is None:
            raise ConfigError("task: name the inputs that ask or those that are found: `query` or `candidate`")
        bounds = {"temperature": (temperature, 1 / 100), "hard": (hard, 0), "dim": (dim, 0), "memory": (memory, 0)}
        for key, (value, least) in {**bounds, "rerank": (rerank, 0)}.items():
            if value < least:
                raise ConfigError(f"task.{key}: must be at least {least:g}, not {value:g}")
        if not 0 <= dropout < 1:
            raise ConfigError(f"task.dropout: is a share, from 0 to below 1, not {dropout:g}")
        if lock is not None and dim:
            raise ConfigError("task.dim: with `lock`, the space is the locked input's; leave `dim` out")
        known = [*retrieval.NAMES, *(REVERSE + name for name in retrieval.NAMES)]
        if metric not in known:
            raise ConfigError(f"task.metric: {unknown('metric', metric, known)}")
        self.same, self.lock, self.loss_name, self.metric = same, lock, loss, metric
        self.dim, self.temperature, self.hard, self.dropout = dim, temperature, hard, dropout
        self.memory, self.rerank = memory, rerank
        self._columns: dict[str, str] = {}

    @property
    def columns(self) -> list[str]:
        return [self.same] if self.same else []

    def bind(self, columns: Mapping[str, str]) -> None:
        self._columns = dict(columns)
        self.sides(list(columns))

    def sides(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The inputs of each side.

        Raises:
            ConfigError: an input is on no side or on both, or a side has none.
        """
        query, candidate = self.wanted.values()
        query = [name for name in names if name not in (candidate or [])] if query is None else query
        candidate = [name for name in names if name not in query] if candidate is None else candidate
        for name in names:
            if (name in query) == (name in candidate):
                where = "both sides" if name in query else "neither side"
                raise ConfigError(f"task: the input {name!r} is on {where}; name it under `query` or `candidate`")
        result = {}
        for side, wanted in zip(pairs.SIDES, (query, candidate), strict=True):
            result[side] = tuple(name for name in names if name in wanted)
            if not result[side]:
                what = unknown("input", wanted[0], names) if wanted else "no input is left for it"
                raise ConfigError(f"task.{side}: {what}")
        return result

    def fit(self, table: Table) -> Retrieve:
        if self.lock is not None and self.lock not in self._columns:
            raise ConfigError(f"task.lock: {unknown('input', self.lock, self._columns)}")
        target = self.collate(table)
        if not bool(target.mask[:, :2].all(1).any()):
            raise DataError(f"{table.name}: no training row has both a query and a candidate")
        return self

    def fusion(self, make: Callable[[Sequence[str]], Fusion], names: Sequence[str]) -> Fusion:
        cross = CrossEncoder(make(names)) if self.rerank else None
        return Sides([make(own) for own in self.sides(names).values()], cross)

    def head(self, width: int) -> nn.Module:
        start: dict[str, Any] = {"temperature": self.temperature, "bias": BIAS.get(self.loss_name)}
        dim, columns = self.dim or width, 4 if self.loss_name in SHARED else 3
        memory = Memory(self.memory, dim, columns) if self.memory else None
        return Towers(width, dim, project=self.lock is None, memory=memory, **start)

    def begin(self, network: Network) -> None:
        """Locks the input that is to be locked, which a verdict's models of other inputs lack; and drops features."""
        for name in network.modalities:
            if name == self.lock:
                Towers.lock(network.projection(name), name)
            elif self.dropout:
                network.drop(name, self.dropout)

    def collate(self, table: Table) -> Tokens:
        """`(n, 3)`: numbers of the row's query, candidate and `same`, equal where these are equal in the table.

        A loss of `SHARED` adds a fourth, the candidate's share of the table's rows.
        """
        sides = self.sides(list(self._columns)).values()
        target = pairs.collate(table, [[self._columns[name] for name in own] for own in sides], self.same)
        return pairs.with_shares(target) if self.loss_name in SHARED else target

    def loss(self, network: Network, batch: Batch) -> Tensor:
        """The loss of the rows that have both sides; candidates and queries of the others are negatives, too.

        The loss sees all vectors at once. With several processes, this is where they would be gathered from all.
        """
        assert batch.target is not None
        towers = towers_of(network)
        encoded = network.encode(batch.inputs)
        vectors = towers(network.fusion(encoded))  # (B, 2, E)
        queries, candidates = vectors.values.unbind(1)
        target, there = batch.target, vectors.mask[:, 1]
        if towers.memory is not None:  # (M, E) behind the batch's own
            past, labels = towers.memory.rows()
            candidates, there = torch.cat([candidates, past]), torch.cat([there, labels.mask[:, 1]])
            target = Tokens(torch.cat([target.values, labels.values]), torch.cat([target.mask, labels.mask]))
        scores = towers.scores(queries, candidates)  # (B, C)
        here = vectors.mask[:, :1] & there
        own = torch.eye(len(batch), len(target), dtype=torch.bool, device=here.device)
        negative = here & ~pairs.alike(batch.target, target)
        told = {"share": pairs.shares(target)} if self.loss_name in SHARED else {}
        losses = LOSSES[self.loss_name](scores, own & here, negative, self.hard, **told)
        parts = [part[: len(batch)] for part in losses]  # what is remembered picks no query
        whole = (own & here).any(1)
        if towers.memory is not None and network.training:
            towers.memory.keep(vectors.values[whole, 1], batch.target[whole])
        lost = torch.stack(parts).mean(0)
        if (cross := cross_of(network)) is not None:
            sides = list(self.sides(list(self._columns)).values())
            given = {name: encoded[name] for names in sides for name in names if name in encoded}
            size = len(batch)
            lost = lost + match_loss(cross, given, sides, scores[:, :size], whole, negative[:, :size])
        weight = whole.to(scores.dtype)
        if batch.weight is not None:
            weight = weight * batch.weight
        result: Tensor = (lost * weight).sum() / weight.sum().clamp(min=1e-6)
        return result

    def answer(self, network: Network, fused: Tokens) -> NDArray[np.float32]:
        """`(B, 2, E)`; a vector that is not finite is refused."""
        vectors = towers_of(network)(fused)
        if not bool(vectors.values.isfinite().all()):
            raise UserError("a vector holds NaN or infinity: training has diverged; try a smaller train.lr")
        values = vectors.values.masked_fill(~vectors.mask.unsqueeze(-1), float("nan"))
        result: NDArray[np.float32] = values.float().cpu().numpy()
        return result

    def finish(self, network: Network, samples: Samples, answers: Answers) -> Answers:
        """With `rerank`, the nearest are looked at again; without, nothing changes."""
        cross, sides = cross_of(network), list(self.sides(list(self._columns)).values())
        if cross is None or not samples.stores:
            return answers
        return look_again(network, cross, samples, np.asarray(answers), sides, self.rerank)

    def match(self, network: Network, inputs: Mapping[str, Tokens]) -> NDArray[np.float32] | None:
        if (cross := cross_of(network)) is None:
            return None
        chance: NDArray[np.float32] = cross(network.encode(inputs)).sigmoid().cpu().numpy()
        return chance

    def vectors(self, network: Network, fused: Tokens, side: str) -> NDArray[np.float32]:
        return self.answer(network, fused)[:, pairs.SIDES.index(side)]

    def metrics(self, answers: Answers, target: Tokens) -> dict[str, Metric]:
        result: dict[str, Metric] = {}
        for side, prefix in zip(pairs.SIDES, ("", REVERSE), strict=True):
            entries = pairs.gallery(target, side)
            blocks = pairs.blocks(answers, entries, side)
            result |= retrieval.retrieval_metrics(blocks, entries.share, prefix=prefix)
        return result

    def trivial(self, rows: int) -> NDArray[np.float32]:
        """No vectors: all candidates score alike, so that scores are what chance gives."""
        return np.full((rows, 2, 1), np.nan, dtype=np.float32)

    def stack(self, answers: Sequence[Answers], target: Tokens) -> Stacker:
        return ScoreStacker([np.asarray(each) for each in answers], target)

    def records(self, answers: Answers) -> list[dict[str, Any]]:
        return found(answers)

    def truth(self, target: Tokens) -> list[str]:
        """The rows that show a right candidate for each row's query."""
        entries = pairs.gallery(target, pairs.SIDES[0])
        right = entries.right.tolil().rows
        return [" / ".join(str(entries.rows[place]) for place in row) for row in right]

    def surprise(self, answers: Answers, target: Tokens) -> Array:
        """The rank of the first right candidate; 0 where none is known."""
        place, side = retrieval.NAMES.index("median_rank"), pairs.SIDES[0]
        blocks = pairs.blocks(answers, pairs.gallery(target, side), side)
        ranks = [retrieval.rank_scores(scores, right)[:, place] for scores, right in blocks]
        return np.nan_to_num(np.concatenate(ranks))

    def details(self, answers: Answers, target: Tokens, draws: Array | None = None) -> dict[str, Any]:
        """`galleries`: for each side's queries, how many distinct ones there are, and how many entries are ranked."""
        sizes = {}
        for side in pairs.SIDES:
            entries = pairs.gallery(target, side)
            sizes[side] = {"queries": round(float(entries.share.sum())), "entries": len(entries.rows)}
        return {"galleries": sizes}


def cross_of(network: Network) -> CrossEncoder | None:
    """What reads both sides at once, where the network has it."""
    cross = getattr(network.fusion, "cross", None)
    assert cross is None or isinstance(cross, CrossEncoder)
    return cross


def towers_of(network: Network) -> Towers:
    """The head of a network, which is two projections."""
    assert isinstance(network.head, Towers)
    return network.head
