"""Scores of generated text, by name: translations, captions, answers, transcripts.

METEOR is not among them: what sets it apart are synonyms, and those need WordNet's files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ..errors import ConfigError, unknown
from .base import Metric
from .captions import cider, distinct, exact_match, length, rouge, rouge_l
from .corpus import Corpus, References
from .speech import cer, wer
from .translation import bleu, bleu_signature, chrf, chrf_signature
from .vqa import vqa_accuracy

METRICS: dict[str, Callable[[Corpus], Metric]] = {
    "bleu": bleu,
    "chrf": chrf,
    "rouge_1": partial(rouge, size=1),
    "rouge_2": partial(rouge, size=2),
    "rouge_l": rouge_l,
    "cider": cider,
    "exact_match": exact_match,
    "distinct_1": partial(distinct, size=1),
    "distinct_2": partial(distinct, size=2),
    "length": length,
    "vqa_accuracy": lambda corpus: vqa_accuracy(corpus.answers, corpus.references),
    "wer": wer,
    "cer": cer,
    **{f"bleu_{size}": partial(bleu, longest=size) for size in (1, 2, 3)},
}
"""Every score of texts, by name."""

USUAL = tuple(METRICS)[:10]
"""Those that make sense for any text; the others are for questions and for speech."""


def generation_metrics(
    answers: Sequence[str], references: References, *, language: str = "auto", names: Sequence[str] = USUAL
) -> dict[str, Metric]:
    """Metrics of texts that a model wrote.

    `bleu` and `chrf` (0 to 100), `rouge_1`, `rouge_2`, `rouge_l` (0 to 1), `cider` (CIDEr-D, 0 to 10),
    `exact_match`, `distinct_1`, `distinct_2`, and `length` in words; asked for by name also `bleu_1`, `bleu_2` and
    `bleu_3` (`bleu` is BLEU-4), `vqa_accuracy`, and `wer` and `cer`, of which less is better.

    Which to look at: `bleu` or `chrf` for translations, `cider` for captions with several references,
    `exact_match` or `vqa_accuracy` for short answers, `chrf` where answers are a few words, `distinct_1` for
    whether they are varied at all.

    Args:
        answers: one text a row; an empty one is an answer too.
        references: one or several texts a row. Rows without any must be left out before.
        language: a code such as `en` or `zh`; `auto` looks at the references' characters. Unspaced languages are
            scored by character.
        names: which metrics.

    Raises:
        ConfigError: an unknown metric, or no such language code.

    >>> import numpy as np
    >>> scores = generation_metrics(["a cat", "two dogs"], [["a cat", "the cat"], ["three dogs"]])
    >>> scores["exact_match"].statistic(np.ones((1, 2))), scores["rouge_1"].statistic(np.ones((1, 2)))
    (array([0.5]), array([0.75]))
    """
    for name in names:
        if name not in METRICS:
            raise ConfigError(unknown("metric of texts", name, METRICS))
    corpus = Corpus(answers, references, language=language)
    return {name: METRICS[name](corpus) for name in names}


def signatures(references: References, *, language: str = "auto") -> dict[str, str]:
    """How `bleu` and `chrf` were computed, in sacrebleu's words: numbers of one signature may be compared.

    >>> signatures(["一只猫"])["bleu"]
    'nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp'
    """
    corpus = Corpus([""] * len(references), references, language=language)
    return {"bleu": bleu_signature(corpus), "chrf": chrf_signature(corpus)}
