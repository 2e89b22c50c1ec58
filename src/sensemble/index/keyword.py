"""Keyword search in the texts of a column (BM25; Robertson and Walker, 1994), by the library `bm25s`; and fusion.

Chinese and Japanese, which put no spaces between words, count by pairs of letters.

Legend: n texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import ConfigError
from .base import Hit, Index, Vectors, Where
from .where import Column, conditions

DEPTH = 100
"""Hits of each kind of search that are fused, at the least."""
WIDER = 10
"""The same, in multiples of k."""
DAMPING = 60
"""Of reciprocal rank fusion, as in its paper."""
_RUN = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+|\w+")
_SPACELESS = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def words(text: str) -> list[str]:
    """What is counted of a text: words in small letters, pairs of letters where there are no spaces.

    >>> words("A red Bus, 一辆红色的车")
    ['a', 'red', 'bus', '一辆', '辆红', '红色', '色的', '的车']
    """
    found = []
    for run in _RUN.findall(_apart(text.casefold())):
        if not _SPACELESS.match(run) or len(run) == 1:
            found.append(run)
        else:
            found += [run[place : place + 2] for place in range(len(run) - 1)]
    return found


class Keywords:
    """The texts of one column of an index, to be searched by their words.

    Args:
        index: whose entries; those of this moment.
        column: of texts.

    Raises:
        ConfigError: bm25s is not installed, or no entry has a text there.
    """

    def __init__(self, index: Index, column: str) -> None:
        library = _bm25s()
        names = index.ids()
        entries = ((name, (cells or {}).get(column)) for name, cells in zip(names, index.get(names), strict=True))
        texts = {name: text for name, text in entries if isinstance(text, str)}
        if not texts:
            raise ConfigError(f"--hybrid: no entry of the index has a text in the column {column!r}")
        self._index, self._names = index, list(texts)
        self._places: dict[str, int] = {}
        tokens = [[self._place(word) for word in words(text)] for text in texts.values()]
        self._scorer = library.BM25(k1=1.2, b=0.75)
        self._scorer.index((tokens, self._places or {"": 0}), show_progress=False)

    def search(self, text: str, *, k: int, where: Where | None = None) -> list[str]:
        """The ids of the k texts that share most with this one; equal ones in the order of their ids.

        Texts that share nothing are not found.
        """
        known = [self._places[word] for word in words(text) if word in self._places]
        if not known:
            return []
        scores = self._scorer.get_scores_from_ids(known)  # (n,)
        order = np.argsort(-scores, kind="stable")
        order = order[scores[order] > 0]
        wanted, found = conditions(where), list[str]()
        for start in range(0, len(order), DEPTH):
            names = [self._names[place] for place in order[start : start + DEPTH].tolist()]
            found += list(self._fitting(names, wanted)) if wanted else names
            if len(found) >= k:
                break
        return found[:k]

    def _fitting(self, names: Sequence[str], wanted: Sequence[Any]) -> Iterator[str]:
        cells = [each or {} for each in self._index.get(names)]
        fits = np.ones(len(names), dtype=np.bool_)
        for condition in wanted:
            column = Column()
            column.extend([each.get(condition.column) for each in cells])
            fits &= column.fits(condition)
        return (name for name, fit in zip(names, fits.tolist(), strict=True) if fit)

    def _place(self, word: str) -> int:
        return self._places.setdefault(word, len(self._places))


def hybrid(
    index: Index, keywords: Keywords, query: Vectors, text: str, *, k: int = 10, where: Where | None = None
) -> list[Hit]:
    """Hits by vector and by keyword, fused by their ranks: each list adds 1 / (60 + rank) (Cormack et al., 2009).

    Args:
        index: of the vectors.
        keywords: of one of its columns.
        query: `(1, D)`.
        text: of the query.
        k: hits wanted.
        where: conditions on columns.

    Returns:
        Hits whose score is the fused one, at most 2 / 61.
    """
    depth = max(DEPTH, WIDER * k)
    near = index.search(query, k=depth, where=where)[0]
    scores = fuse([hit.id for hit in near], keywords.search(text, k=depth, where=where))
    best = sorted(scores, key=lambda name: (-scores[name], name))[:k]
    return [Hit(name, scores[name], cells or {}) for name, cells in zip(best, index.get(best), strict=True)]


def fuse(*rankings: Sequence[str]) -> dict[str, float]:
    """The reciprocal rank scores of all ids in some rankings.

    >>> fuse(["a", "b"], ["b"])["b"] > fuse(["a", "b"], ["b"])["a"]
    True
    """
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, name in enumerate(ranking, 1):
            scores[name] = scores.get(name, 0.0) + 1 / (DAMPING + rank)
    return scores


def _apart(text: str) -> str:
    """Spaces between writing with and without them, which `\\w` would join."""
    return re.sub(f"({_SPACELESS.pattern}+)", r" \1 ", text)


def _bm25s() -> Any:
    try:
        import bm25s
    except ImportError as error:
        raise ConfigError("keyword search needs bm25s: pip install 'sensemble[search]'") from error
    return bm25s
