"""Word and character error rates of transcripts: edits over the length of what was said."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .align import distance
from .base import Metric, quotient
from .corpus import Corpus, References
from .words import plain, spoken


def speech_metrics(
    answers: Sequence[str], references: References, *, language: str = "auto", normalize: bool = False
) -> dict[str, Metric]:
    """`wer` and `cer`: insertions, deletions and substitutions, by words and by characters; less is better.

    Edits are summed over rows and divided by the summed length of the references, so a rate may exceed 1, and is
    undefined where nothing was said in any row. Of several references the one that needs the fewest edits for its
    length counts.

    Args:
        answers: n transcripts.
        references: what was said in each row.
        language: in unspaced languages each character is a word; `auto` looks at the references.
        normalize: set case and punctuation aside. Else texts are compared as they stand, spaces between words as
            one character each.

    Raises:
        ConfigError: no such language code.

    >>> speech_metrics(["the cat sat"], ["the cats sat down"])["wer"].statistic(np.ones((1, 1)))
    array([0.5])
    """
    corpus = Corpus(answers, references, language=language)
    return {"wer": wer(corpus, normalize=normalize), "cer": cer(corpus, normalize=normalize)}


def wer(corpus: Corpus, *, normalize: bool = False) -> Metric:
    """The word error rate, as in `speech_metrics`."""
    words = plain if normalize else spoken
    return _rate(corpus, lambda text: words(text, corpus.rules))


def cer(corpus: Corpus, *, normalize: bool = False) -> Metric:
    """The character error rate, as in `speech_metrics`."""
    return _rate(corpus, lambda text: " ".join(plain(text, "13a")) if normalize else text.strip())


def _rate(corpus: Corpus, cut: Callable[[str], Sequence[str]]) -> Metric:
    answers = [cut(text) for text in corpus.answers]
    references = [cut(text) for text in corpus.flat]
    edits = np.array(
        [distance(answers[owner], said) for owner, said in zip(corpus.owners, references, strict=True)],
        dtype=np.float64,
    )
    lengths = np.array([len(said) for said in references], dtype=np.float64)
    best = corpus.first(edits / np.maximum(1, lengths), edits)
    return Metric(quotient(edits[best], lengths[best]), higher=False)
