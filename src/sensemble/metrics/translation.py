"""BLEU and chrF: how much of a text's n-grams stand in its references, summed over the corpus.

Both are on a scale of 0 to 100 and equal sacrebleu's, of the signature given beside them. They are no means of
rows: matches and lengths are added up first. So weights of rows weigh these sums.

Legend: n answers, m references, N lengths of n-grams, R resamples.
"""

from __future__ import annotations

import numpy as np

from .base import Array, Metric, ratio
from .corpus import Corpus
from .ngrams import clipped, overlaps

WORDS = 4
"""BLEU's longest n-gram, in words."""
CHARACTERS = 6
"""chrF's longest n-gram, in characters."""
BETA = 2
"""chrF's recall counts so many times as much as its precision."""


def bleu(corpus: Corpus, *, longest: int = WORDS) -> Metric:
    """BLEU of the corpus: the geometric mean of the precisions of 1- to 4-grams, times a penalty for brevity.

    An n-gram counts at most as often as in one reference; the reference of the closest length, the shorter of
    two, is the measure of brevity. A precision of zero is smoothed: the first such is taken for half a match, the
    next for a quarter (Papineni et al. 2002; smoothing 3 of Chen & Cherry 2014, as in NIST's mteval). Zero where
    nothing matches, or where no answer has as many words as the longest n-gram.

    Args:
        corpus: answers and references.
        longest: of the n-grams; below 4 it is BLEU-1, BLEU-2 or BLEU-3.
    """
    answers, references = corpus.translated
    pairs = corpus.pairs(answers, references, longest)
    lengths = np.array([len(each) for each in answers], dtype=np.float64)
    others = np.array([len(each) for each in references], dtype=np.float64)
    nearest = corpus.first(np.abs(others - lengths[corpus.owners]), others)
    matches = np.stack([clipped(ours, theirs, corpus.owners) for ours, theirs in pairs], 1)  # (n, N)
    totals = np.stack([ours.totals for ours, _ in pairs], 1)  # (n, N)
    sums = np.concatenate([matches, totals, lengths[:, None], others[nearest][:, None]], 1)  # (n, 2N + 2)

    def statistic(weights: Array) -> Array:
        found = weights @ sums
        score = _bleu(found[:, :longest], found[:, longest : 2 * longest], found[:, -2], found[:, -1])
        return np.where(weights.sum(1) > 0, score, np.nan)

    return Metric(statistic)


def bleu_signature(corpus: Corpus) -> str:
    """What makes BLEU's numbers comparable, in the words of sacrebleu."""
    return f"nrefs:{_num_references(corpus)}|case:mixed|eff:no|tok:{corpus.rules}|smooth:exp"


def chrf(corpus: Corpus) -> Metric:
    """chrF2 of the corpus: the F-score of 1- to 6-grams of characters without spaces, recall counting twice.

    Of several references the one with the best F-score of its own counts. Lengths for which the corpus has no
    n-grams are left out of the means of precision and recall (Popović 2015, as in sacrebleu). It needs no words,
    so it serves every language alike, and short answers better than BLEU does.
    """
    answers = ["".join(text.split()) for text in corpus.answers]
    references = ["".join(text.split()) for text in corpus.flat]
    pairs = corpus.pairs(answers, references, CHARACTERS)
    wanted = np.stack([theirs.totals for _, theirs in pairs], 1)  # (m, N)
    given = np.stack([ours.totals for ours, _ in pairs], 1)[corpus.owners] * (wanted > 0)
    matches = np.stack([overlaps(ours, theirs, corpus.owners) for ours, theirs in pairs], 1)
    best = corpus.first(-_chrf(matches, given, wanted))
    sums = np.concatenate([matches[best], given[best], wanted[best]], 1)  # (n, 3N)

    def statistic(weights: Array) -> Array:
        score = _chrf(*np.split(weights @ sums, 3, axis=1))
        return np.where(weights.sum(1) > 0, score, np.nan)

    return Metric(statistic)


def chrf_signature(corpus: Corpus) -> str:
    """What makes chrF's numbers comparable, in the words of sacrebleu."""
    return f"nrefs:{_num_references(corpus)}|case:mixed|eff:yes|nc:{CHARACTERS}|nw:0|space:no"


def _bleu(matches: Array, totals: Array, length: Array, other: Array) -> Array:
    """`(R, N)` matches and n-grams, `(R,)` words of answers and of references -> `(R,)`."""
    none = matches == 0
    smoothed = ratio(np.where(none, 0.5 ** none.cumsum(1), matches), totals, empty=0)
    brevity = np.exp(np.minimum(0, 1 - ratio(other, length, empty=np.inf)))
    with np.errstate(divide="ignore"):
        score: Array = 100 * brevity * np.exp(np.log(smoothed).mean(1))
    return np.where(none.all(1), 0, score)


def _chrf(matches: Array, given: Array, wanted: Array) -> Array:
    """Three `(R, N)` -> `(R,)`."""
    usable = (given > 0) & (wanted > 0)
    num = usable.sum(1)
    precision = ratio(np.where(usable, ratio(matches, given, empty=0), 0).sum(1), num, empty=0)
    recall = ratio(np.where(usable, ratio(matches, wanted, empty=0), 0).sum(1), num, empty=0)
    return 100 * ratio((1 + BETA**2) * precision * recall, BETA**2 * precision + recall, empty=0)


def _num_references(corpus: Corpus) -> str:
    numbers = {len(each) for each in corpus.references}
    return str(numbers.pop()) if len(numbers) == 1 else "var"
