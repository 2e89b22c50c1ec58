"""Generation: text written from any inputs, as captions, answers, replies, translations and continuations are.

Legend: B batch, T tokens of a text, V ids, n rows.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.table import Table
from ..decoders.base import DECODERS, Decoder
from ..decoders.rules import Trie
from ..decoders.search import Search, write
from ..errors import ConfigError, unknown
from ..metrics.base import Array, Metric
from ..metrics.generation import METRICS, USUAL
from ..metrics.words import rules_for
from ..network import Network
from ..registry import check
from ..tokens import Batch, Tokens
from .base import TASKS, Answers, Stacker, Task
from .language import PERPLEXITIES, SHORT, Baseline, foresee, log_probability, perplexities
from .ranking import RANKS, Ranking, ranked
from .references import References
from .writing import Answer, VoteStacker, commonest, examples, lengths, likeness, sureness, text_metrics

EPSILON = 1e-6
SAMPLE = 500
"""Training texts among which the most typical one is looked for."""


@TASKS.register("generate")
class Generate(Task):
    """Writes a text: a caption, the answer to a question, a reply, a translation, a continuation.

    Which of these it is, the inputs decide: a picture gives captions, a picture and a question visual question
    answering, a clip and a question video question answering, a text translation, a dialogue's past a reply.
    Answers are a list of `Answer`. A row whose inputs are all missing gets what the language alone suggests; a model
    without any input (`inputs: {}`) is a language model. Scored answers also say how likely the model found the true
    text: `perplexity` a token and `byte_perplexity`, beside those of an n-gram model of the training texts.

    Args:
        target: the column of texts, or several; a cell may hold a list. A row's texts are all right (references):
            training takes one at random each time, scores take all.
        decoder: `transformer` or `recurrent`, with its options.
        length: most tokens that are learned and written.
        vocab: most pieces of text that the decoder may know.
        search: how texts are written: see `decoders.search.Search`.
        allowed: `any` text, one of the `training` texts, or one of a list.
        candidates: a column of lists of texts, or of texts parted by `|`, the right one among them: they are ranked by
            how likely each is, and that is scored as in visual dialogue. Rows and whole tables may lack them.
        language: of the texts, a code such as `en` or `zh`, by which scores cut them into words; `auto` looks at their
            characters.
        label_smoothing: share of certainty given away to the other tokens.
        blind: share of training rows that are learned from with all inputs hidden, so that the language alone is
            learned, too.
        metric: to choose models by, of `metrics.generation`, `metrics.language` or, with `candidates`,
            `metrics.ranking`; else `exact_match` where answers are short and repeat, `perplexity` without inputs, and
            `cider` elsewhere.
        valid_rows: most rows that are scored between epochs, greedily; 0 takes all.
    """

    def __init__(
        self,
        *,
        target: str | list[str],
        decoder: str | dict[str, Any] = "transformer",
        length: int = 48,
        vocab: int = 8000,
        search: dict[str, Any] | None = None,
        allowed: Literal["any", "training"] | list[str] = "any",
        candidates: str | None = None,
        language: str = "auto",
        label_smoothing: float = 0.0,
        blind: float = 0.05,
        metric: str | None = None,
        valid_rows: int = 500,
    ) -> None:
        if length < 1:
            raise ConfigError(f"task.length: must be at least 1, not {length}")
        for key, value in (("label_smoothing", label_smoothing), ("blind", blind)):
            if not 0 <= value < 1:
                raise ConfigError(f"task.{key}: is a share, from 0 to below 1, not {value:g}")
        self.target = [target] if isinstance(target, str) else target
        spec = {"name": decoder} if isinstance(decoder, str) else {"name": "transformer", **decoder}
        self.decoder_name = str(spec.pop("name"))
        self.decoder_options = _checked_decoder(self.decoder_name, spec)
        self.length = length
        self.search = Search(**check(Search, search or {}, where="task.search"))
        self.allowed = allowed
        self.language = language
        rules_for([], language)  # refuses what is no language
        known = (*METRICS, *PERPLEXITIES, *(RANKS if candidates else ()))
        if metric is not None and metric not in known:
            raise ConfigError(f"task.metric: {unknown('metric', metric, known)}")
        self.label_smoothing = label_smoothing
        self.blind = blind
        self.wanted_metric = metric
        self.valid_rows = valid_rows
        self.ranking = Ranking(self.target, candidates, vocab=vocab, length=length) if candidates else None
        self.references = self.ranking or References(self.target, vocab=vocab, length=length)
        self.common_ = ""
        self.metric_ = "exact_match"
        self.answers_: list[str] = []
        self._shares: Tensor | None = None  # of the tokens, among the training rows
        self._fitted: tuple[Table, Tokens] | None = None
        self._baseline: Baseline | None = None
        self._trie: Trie | None = None

    @property
    def columns(self) -> list[str]:
        return list(self.target)

    @property
    def metric(self) -> str:  # type: ignore[override]
        return self.wanted_metric or self.metric_

    def fit(self, table: Table) -> Generate:
        self.references.fit(table)
        texts = [text for row in self.references.read(table) for text in row]
        counts = Counter(texts)
        self.common_ = commonest(counts, language=self.language)
        sizes = [len(ids) for ids in self.references.encode(texts[:SAMPLE])]
        short = float(np.mean(sizes)) <= SHORT and 2 * len(counts) <= len(texts)
        self.metric_ = "exact_match" if short else "cider"
        if self.allowed == "training":
            self.answers_ = sorted(counts)
        elif self.allowed != "any":
            self.answers_ = [str(text) for text in self.allowed]
        self._make_trie()
        target = self.references.collate(table)
        assert target is not None
        self._fitted = table, target
        own = self.references.own(target)
        tokens = torch.bincount(own.values[own.mask].long(), minlength=self.references.num_tokens)
        self._shares = (tokens + 0.01) / (tokens + 0.01).sum()
        self._baseline = Baseline(self.references, target[target.present])
        return self

    def also(self, columns: Sequence[str]) -> None:
        self.references.also = list(columns)

    def toward(self, columns: Sequence[str]) -> Generate:
        other = copy.copy(self)
        other.target, other.ranking = list(columns), None
        other.references = self.references.toward(columns)
        other.wanted_metric = None if self.wanted_metric in RANKS else self.wanted_metric
        other._baseline = other._trie = None  # they are of the task's own texts
        return other

    def without_inputs(self) -> Generate:
        other = copy.copy(self)
        other.wanted_metric = self.wanted_metric or PERPLEXITIES[0]
        return other

    def head(self, width: int) -> Decoder:
        decoder = DECODERS.create(
            self.decoder_name, width, self.references.num_tokens, where="task.decoder", **self.decoder_options
        )
        if self._shares is not None:
            with torch.no_grad():
                decoder.bias.copy_(self._shares.log())
        return decoder

    def collate(self, table: Table) -> Tokens | None:
        fitted, self._fitted = self._fitted, None  # not kept longer than needed
        return fitted[1] if fitted is not None and fitted[0] is table else self.references.collate(table)

    def given(self, table: Table) -> Tokens | None:
        return self.ranking.given(table) if self.ranking else None

    def loss(self, network: Network, batch: Batch) -> Tensor:
        """The mean of the tokens' cross-entropy, each row's tokens weighing as the row does."""
        assert batch.target is not None
        fused = network(batch.inputs)
        if network.training and self.blind:
            fused = fused.hide((torch.rand(len(fused)) < self.blind).to(fused.mask.device))
        wanted = self.references.one(batch.target, draw=network.training)
        logits = foresee(decoder_of(network), fused, wanted)
        each = F.cross_entropy(
            logits, wanted.values[wanted.mask], reduction="none", label_smoothing=self.label_smoothing
        )
        if batch.weight is None:
            return each.sum() / max(len(each), 1)
        weight = batch.weight.unsqueeze(1).expand_as(wanted.mask)[wanted.mask]
        return (each * weight).sum() / weight.sum().clamp(min=EPSILON)

    def answer(self, network: Network, fused: Tokens) -> list[Answer]:
        return self.write(network, fused)

    def reply(self, network: Network, fused: Tokens, given: Tokens | None) -> list[Answer]:
        answers = self.write(network, fused)
        if given is None:
            return answers
        decoder = decoder_of(network)
        if bool(self.references.own(given).present.any()):
            found = log_probability(decoder, fused, self.references.one(given, draw=False))
            answers = [each._replace(likelihood=value) for each, value in zip(answers, found, strict=True)]
        scores = self.ranking.scores(decoder, fused, given) if self.ranking else [None] * len(answers)
        return [each._replace(scores=found) for each, found in zip(answers, scores, strict=True)]

    def write(
        self, network: Network, fused: Tokens, *, search: Search | None = None, prefix: Sequence[str] | None = None
    ) -> list[Answer]:
        """The answers for fused tokens, written as the config says or otherwise.

        Rows that see nothing all get the same text, which is written once, unless it is drawn at random.

        Args:
            network: in evaluation mode.
            fused: `(B, T, D)`.
            search: instead of the config's.
            prefix: a beginning for each row's text.
        """
        search = search or self.search
        rows = torch.arange(len(fused), device=fused.mask.device)
        if prefix is None and not search.temperature and len(rows):
            rows = torch.where(fused.present, rows, fused.present.long().argmin())  # the first that sees nothing
        chosen, places = rows.unique(return_inverse=True)  # type: ignore[no-untyped-call]
        found = write(
            decoder_of(network),
            fused[chosen],
            length=self.length,
            search=search,
            prefix=None if prefix is None else self.references.encode(prefix),
            allowed=self._trie,
        )
        answers = [Answer(self.references.decode(each.ids), each.score) for each in found]
        return [answers[place] for place in places.tolist()]

    def quick(self) -> Generate:
        """The same task with greedy search."""
        other = copy.copy(self)
        other.search = Search(min_length=self.search.min_length, no_repeat=self.search.no_repeat)
        return other

    def metrics(self, answers: Answers, target: Tokens) -> dict[str, Metric]:
        names = [name for name in dict.fromkeys((*USUAL, self.metric)) if name in METRICS]
        written = text_metrics(answers, self.references.texts(target), language=self.language, names=names)
        likelihoods = [each.likelihood for each in answers]
        unlike = perplexities(likelihoods, target, self.references, self._baseline)
        return {**written, **unlike, **(self.ranking.metrics(answers, target) if self.ranking else {})}

    def trivial(self, rows: int) -> list[Answer]:
        return [Answer(self.common_, 0.0)] * rows

    def copied(self, target: Tokens) -> list[Answer]:
        """Each row's first text."""
        return [Answer(row[0] if row else self.common_, 0.0) for row in self.references.texts(target)]

    def stack(self, answers: Sequence[Answers], target: Tokens) -> Stacker:
        return VoteStacker(answers, self.references.texts(target), language=self.language)

    def records(self, answers: Answers) -> list[dict[str, Any]]:
        """`prediction` and its `score`; where there were candidates, `ranking`: their places, the likeliest first."""
        return [{"prediction": each.text, "score": float(each.score), **ranked(each)} for each in answers]

    def truth(self, target: Tokens) -> list[str]:
        return [" / ".join(row) for row in self.references.texts(target)]

    def surprise(self, answers: Answers, target: Tokens) -> Array:
        """One minus the likeness to the nearest reference; among equals, the surest answer is the worst."""
        alike = likeness(answers, self.references.texts(target), language=self.language)
        return 1 - alike + 1e-3 * sureness(answers)

    def details(self, answers: Answers, target: Tokens, draws: Array | None = None) -> dict[str, Any]:
        """`examples`, evenly spread over the rows, and `lengths`, how many texts have how many tokens."""
        written = [len(ids) for ids in self.references.encode(each.text for each in answers)]
        wanted = [len(ids) for row in self.references.ids(target) for ids in row[:1]]
        return {"examples": examples(answers, self.truth(target)), "lengths": lengths(written, wanted)}

    def state(self) -> dict[str, Any]:
        return {**super().state(), "references": self.references.state()}

    def restore(self, state: dict[str, Any]) -> Generate:
        own = dict(state)
        self.references.restore(own.pop("references"))
        super().restore(own)
        self._make_trie()
        return self

    def _make_trie(self) -> None:
        if self.allowed == "any":
            return
        ids = self.references.encode(self.answers_)
        long = next((text for text, each in zip(self.answers_, ids, strict=True) if len(each) > self.length), None)
        if long is not None:
            raise ConfigError(
                f"task.allowed: the text {long[:40]!r} has more tokens than task.length allows ({self.length}); "
                "raise it or leave the text out"
            )
        self._trie = Trie(ids, self.references.num_tokens)


def decoder_of(network: Network) -> Decoder:
    """The head of a network, which is a decoder."""
    assert isinstance(network.head, Decoder)
    return network.head


def _checked_decoder(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    try:
        cls = DECODERS[name]
    except ConfigError as error:
        raise ConfigError(f"task.decoder: {error}") from None
    return check(cls, options, where=f"task.decoder ({name})")
