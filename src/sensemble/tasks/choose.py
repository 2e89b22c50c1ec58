"""Choice: given candidates, such as answers to a question, are ranked; the right one should come first.

Legend: B batch, C candidates of a row, S candidates of a batch, T tokens of a candidate, D width, K ids of a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from ..data.table import Table
from ..encoders import base as encoders
from ..errors import ConfigError, unknown
from ..metrics.base import Array, Metric
from ..metrics.ranking import ranking_metrics
from ..modalities.text import Text
from ..network import Network
from ..nn.attention import AttentionPool
from ..tokens import Batch, Tokens
from .base import TASKS, Answers, Stacker, Task
from .candidates import Candidates

LOWEST = -1e4


class Ranked(NamedTuple):
    """An answer.

    Args:
        candidates: the row's, in the table's order; none where one answers without looking.
        scores: log-probability of each being the right one.
    """

    candidates: list[str]
    scores: Array


@TASKS.register("choose")
class Choose(Task):
    """Ranks candidate texts that each row brings: multiple choice, visual dialogue's hundred answers, next utterances.

    The inputs say what is wanted, as one vector; a text encoder of the task's own says what each candidate is; how
    well the two fit is the score (a dual encoder). Rows may have different candidates, and different numbers of
    them. Take `classify` where all rows choose among the same few labels. Answers are a list of `Ranked`.

    Args:
        target: the column of the right candidate: its text, or its place counted from 0. A number is a place, even
            where a candidate reads like it.
        candidates: the column of candidates: lists of texts, or texts parted by `separator`.
        relevance: a column of grades from 0, how well each candidate would do: lists in the candidates' order, or texts
            parted by `separator`. They are scored by NDCG, as visual dialogue's dense annotations are; rows and whole
            tables may lack them, as its training split does.
        separator: between candidates in one text.
        encoder: of the candidates: a text encoder's name, with its options; it must read ids.
        vocab: most pieces of text that it may know.
        length: most tokens of a candidate; what is beyond is cut.
        metric: the score by which models are chosen: `mrr`, `recall_1`, `recall_5`, `recall_10` or `mean_rank`;
            with `relevance` also `ndcg`.
    """

    def __init__(
        self,
        *,
        target: str,
        candidates: str,
        relevance: str | None = None,
        separator: str = "|",
        encoder: str | dict[str, Any] = "bag",
        vocab: int = 8000,
        length: int = 64,
        metric: str = "mrr",
    ) -> None:
        self.target = target
        self.encoder: Mapping[str, Any] = {"name": encoder} if isinstance(encoder, str) else encoder
        made = encoders.create_modality("text", {"vocab": vocab}, self.encoder, where="task")
        if not isinstance(made, Text):
            raise ConfigError(
                "task.encoder: candidates are read as ids; choose an encoder that is trained from scratch"
            )
        known = ranking_metrics(np.zeros((1, 2)), [0], [None] if relevance else None)
        if metric not in known:
            raise ConfigError(f"task.metric: {unknown('metric', metric, known)}")
        self.metric = metric
        self.graded = relevance is not None
        self.candidates = Candidates(target, candidates, relevance, separator=separator, vocab=vocab, length=length)

    @property
    def columns(self) -> list[str]:
        return [self.target]

    @property
    def needs(self) -> list[str]:
        return [self.candidates.candidates]

    def fit(self, table: Table) -> Choose:
        self.candidates.fit(table)
        return self

    def head(self, width: int) -> nn.Module:
        encoder = encoders.create("text", self.candidates.references.text, self.encoder, where="task.encoder")
        return Matcher(width, encoder)

    def collate(self, table: Table) -> Tokens | None:
        return self.candidates.collate(table)

    def given(self, table: Table) -> Tokens:
        return self.candidates.given(table)

    def loss(self, network: Network, batch: Batch) -> Tensor:
        """Cross-entropy of the right candidate among the row's."""
        assert batch.target is not None
        scores, _ = self._scores(network, network(batch.inputs), batch.target)  # (B, C)
        right = self.candidates.places(batch.target)
        known = batch.target.present & (right >= 0)
        each = F.cross_entropy(scores, right.clamp(min=0), reduction="none")
        weight = known.to(each.dtype) if batch.weight is None else known * batch.weight
        return (each * weight).sum() / weight.sum().clamp(min=1e-6)

    def answer(self, network: Network, fused: Tokens) -> Answers:
        raise NotImplementedError("without candidates there is nothing to choose from: see `reply`")

    def reply(self, network: Network, fused: Tokens, given: Tokens | None) -> list[Ranked]:
        assert given is not None, "candidates are needed"
        scores, sizes = self._scores(network, fused, given)
        rows = scores.double().log_softmax(1).cpu().numpy()
        texts = self.candidates.texts(given.to("cpu"))
        return [Ranked(row, each[:size]) for row, each, size in zip(texts, rows, sizes.tolist(), strict=True)]

    def metrics(self, answers: Answers, target: Tokens) -> dict[str, Metric]:
        sizes = self.candidates.sizes(target).tolist()
        scores = [
            each.scores if len(each.scores) else np.zeros(size) for each, size in zip(answers, sizes, strict=True)
        ]
        grades = self.candidates.grades(target) if self.graded else None
        return ranking_metrics(scores, self.candidates.places(target).numpy(), grades)

    def trivial(self, rows: int) -> list[Ranked]:
        """All candidates alike: what chance gives."""
        return [Ranked([], np.zeros(0))] * rows

    def stack(self, answers: Sequence[Answers], target: Tokens) -> Stacker:
        return PoolStacker(answers, self.candidates.places(target).numpy())

    def records(self, answers: Answers) -> list[dict[str, Any]]:
        """`prediction`, its probability as `score`, and `ranking`, all candidates' places, the best first."""
        result = []
        for each in answers:
            order = np.argsort(-each.scores, kind="stable").tolist()
            best = order[0] if order else None
            result.append(
                {
                    "prediction": "" if best is None else each.candidates[best],
                    "score": None if best is None else float(np.exp(each.scores[best])),
                    "ranking": order,
                }
            )
        return result

    def truth(self, target: Tokens) -> list[str]:
        texts, places = self.candidates.texts(target), self.candidates.places(target).tolist()
        return [row[place] if place >= 0 else "" for row, place in zip(texts, places, strict=True)]

    def surprise(self, answers: Answers, target: Tokens) -> Array:
        right = self.candidates.places(target).tolist()
        return np.array(
            [-each.scores[place] if place >= 0 else 0.0 for each, place in zip(answers, right, strict=True)]
        )

    def state(self) -> dict[str, Any]:
        return {"references": self.candidates.references.state()}

    def restore(self, state: dict[str, Any]) -> Choose:
        self.candidates.references.restore(state["references"])
        return self

    def _scores(self, network: Network, fused: Tokens, given: Tokens) -> tuple[Tensor, Tensor]:
        """How well each candidate fits, `(B, C)`, very low where a row has fewer; and how many each row has, `(B,)`."""
        ids, owners = self.candidates.every(given)  # (S, T), (S,)
        found = network.head(fused, ids, owners)  # (S,)
        sizes = torch.bincount(owners, minlength=len(fused))  # (B,)
        places = torch.arange(max(int(sizes.max()), 1), device=owners.device) < sizes.unsqueeze(1)  # (B, C)
        return found.new_full(places.shape, LOWEST).masked_scatter(places, found), sizes


class Matcher(nn.Module):
    """How well candidates fit fused tokens: the scaled cosine of two vectors, plus what speaks for a candidate alone.

    A row without any input is judged by the latter: its prior.

    Args:
        width: D, of the fused tokens.
        encoder: of the candidates' ids.
    """

    def __init__(self, width: int, encoder: encoders.Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.pool, self.own = AttentionPool(width), AttentionPool(encoder.dim)
        self.query, self.key = nn.Linear(width, width), nn.Linear(encoder.dim, width)
        self.prior = nn.Linear(encoder.dim, 1)
        self.scale = nn.Parameter(torch.tensor(10.0).log())

    def forward(self, fused: Tokens, candidates: Tokens, owners: Tensor) -> Tensor:
        """Fused `(B, T', D)`, candidates' ids `(S, T)`, and which row each belongs to, `(S,)` -> `(S,)`."""
        vectors = self.own(self.encoder(candidates))  # (S, E)
        query, key = F.normalize(self.query(self.pool(fused)), dim=-1), F.normalize(self.key(vectors), dim=-1)
        fit = (query[owners] * key).sum(-1) * self.scale.exp().clamp(max=100)
        result: Tensor = fit.masked_fill(~fused.present[owners], 0) + self.prior(vectors).squeeze(-1)
        return result.float()


class PoolStacker(Stacker):
    """Late stacking of rankings: a weighted sum of the models' log-probabilities, the weights fitted by likelihood."""

    def __init__(self, answers: Sequence[Answers], right: Array) -> None:
        rows = [row for row in range(len(right)) if right[row] >= 0 and len(answers[0][row].scores)]
        weights = torch.full((len(answers),), 1 / len(answers), dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([weights], max_iter=50, line_search_fn="strong_wolfe")
        if rows:
            scores = [np.stack([given[row].scores for given in answers], 1) for row in rows]
            padded = pad_sequence([torch.tensor(each) for each in scores], batch_first=True, padding_value=LOWEST)
            wanted = torch.tensor(right[rows].astype(np.int64))

            def step() -> Tensor:
                optimizer.zero_grad()
                loss = F.cross_entropy((padded * weights.abs()).sum(2), wanted) + 1e-3 * weights.square().sum()
                torch.autograd.backward(loss)
                return loss

            with torch.enable_grad():
                optimizer.step(step)  # type: ignore[no-untyped-call]
        self.weights = weights.detach().abs().numpy()

    def __call__(self, answers: Sequence[Answers]) -> list[Ranked]:
        result = []
        for row in range(len(answers[0])):
            parts = [given[row] for given in answers]
            scores = np.stack([part.scores for part in parts], 1) @ self.weights
            result.append(Ranked(parts[0].candidates, scores - np.logaddexp.reduce(scores) if len(scores) else scores))
        return result
