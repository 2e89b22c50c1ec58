"""Scores of descriptions and answers in words, each a mean over rows: ROUGE, CIDEr-D, exact match; and variety.

All but exact match look at words in lower case without punctuation; of unspaced languages, at characters.

Legend: n answers, m references.
"""

from __future__ import annotations

import numpy as np

from .align import common
from .base import Array, Metric, quotient, ratio
from .corpus import Corpus
from .ngrams import find, overlaps

LONGEST = 4
"""CIDEr-D's longest n-gram."""
SIGMA = 6.0
"""CIDEr-D: words by which lengths may differ before much is lost."""


def rouge(corpus: Corpus, size: int) -> Metric:
    """ROUGE-1 or ROUGE-2: the F-score of the n-grams that a text shares with its reference, the best of several.

    0 to 1, without stemming; 0 where either has no n-gram (Lin 2004). On ASCII text as Google's `rouge-score`
    has it; there other letters part words.
    """
    ours, theirs = corpus.described_grams[size - 1]
    shared = overlaps(ours, theirs, corpus.owners)  # (m,)
    return Metric(quotient(corpus.best(_f1(shared, ours.totals[corpus.owners], theirs.totals))))


def rouge_l(corpus: Corpus) -> Metric:
    """ROUGE-L: as `rouge`, of the words in the longest common subsequence."""
    answers, references = corpus.described
    pairs = [(answers[owner], words) for owner, words in zip(corpus.owners, references, strict=True)]
    shared = np.array([common(ours, theirs) for ours, theirs in pairs], dtype=np.float64)
    lengths = np.array([(len(ours), len(theirs)) for ours, theirs in pairs], dtype=np.float64).reshape(-1, 2)
    return Metric(quotient(corpus.best(_f1(shared, lengths[:, 0], lengths[:, 1]))))


def cider(corpus: Corpus) -> Metric:
    """CIDEr-D: how alike a description and its references are in the n-grams that tell this row from others.

    The mean, over n = 1 to 4 and over the references, of the cosine of the counts of n-grams weighted by their
    rarity, where an n-gram counts at most as often as in the reference; less the more the lengths differ; times
    10 (Vedantam et al. 2015; counts are not divided by the length, as in the authors' program). Rarity is the
    logarithm of the rows over those with the n-gram in a reference: it comes from these rows, and stays as it is
    when they are resampled. So numbers compare on the same rows alone, and a single row scores 0.
    """
    owners = corpus.owners
    lengths, others = (np.array([len(words) for words in texts], dtype=np.float64) for texts in corpus.described)
    likeness = np.zeros(len(owners))
    for ours, theirs in corpus.described_grams:
        rows = np.unique(theirs.keys(owners)) % max(1, theirs.num_kinds)
        rarity = np.log(max(1, len(corpus))) - np.log(np.maximum(1, np.bincount(rows, minlength=ours.num_kinds)))
        wanted = theirs.counts * rarity[theirs.kinds]
        given = np.minimum(find(ours, theirs.keys(owners)), theirs.counts) * rarity[theirs.kinds]
        scale = np.sqrt(ours.sums((ours.counts * rarity[ours.kinds]) ** 2))[owners] * np.sqrt(theirs.sums(wanted**2))
        likeness += ratio(theirs.sums(given * wanted), scale, empty=0) / LONGEST
    likeness *= np.exp(-((lengths[owners] - others) ** 2) / (2 * SIGMA**2))
    numbers = np.array([len(texts) for texts in corpus.references])
    return Metric(quotient(10 * np.bincount(owners, likeness, minlength=len(corpus)) / numbers))


def exact_match(corpus: Corpus) -> Metric:
    """The share of answers that equal one of their references, case and spacing aside."""
    hits = [
        _folded(answer) in {_folded(text) for text in texts}
        for answer, texts in zip(corpus.answers, corpus.references, strict=True)
    ]
    return Metric(quotient(np.array(hits, dtype=np.float64)))


def distinct(corpus: Corpus, size: int) -> Metric:
    """Distinct-1 or distinct-2: different n-grams over all n-grams of the answers (Li et al. 2016).

    Low where a model says the same to everyone. Each n-gram that stands k times in the answers counts 1/k each
    time, which adds up to the different ones; these shares stay as they are when rows are resampled, for a
    resample holds rows twice and so would always look less varied.
    """
    ours, _ = corpus.described_grams[size - 1]
    everywhere = np.bincount(ours.kinds, ours.counts, minlength=ours.num_kinds)
    return Metric(quotient(ours.sums(ours.counts / everywhere[ours.kinds]), ours.totals))


def length(corpus: Corpus) -> Metric:
    """The mean number of words in an answer. It describes; more is no better."""
    return Metric(quotient(np.array([len(words) for words in corpus.described[0]], dtype=np.float64)))


def _f1(shared: Array, given: Array, wanted: Array) -> Array:
    """2 shared / (given + wanted), which is the harmonic mean of precision and recall."""
    return ratio(2 * shared, given + wanted, empty=0)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
