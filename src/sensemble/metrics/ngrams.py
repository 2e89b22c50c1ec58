"""How often each n-gram stands in each text of a collection: counted once, in arrays, for every metric of texts.

Legend: n answers, m references, e entries (a text and an n-gram in it).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .base import Array

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Grams:
    """The n-grams, of one length, of several texts. Entries are sorted by text, then by n-gram.

    Args:
        texts: `(e,)`, which text.
        kinds: `(e,)`, which n-gram, as a number below `num_kinds`.
        counts: `(e,)`, how often.
        num_texts: how many texts there are, some of which may have no entry.
        num_kinds: how many different n-grams the whole collection holds.
    """

    texts: Integers
    kinds: Integers
    counts: Array
    num_texts: int
    num_kinds: int

    def sums(self, values: Array) -> Array:
        """`(e,)` values, added up by text."""
        return np.asarray(np.bincount(self.texts, values, minlength=self.num_texts), dtype=np.float64)

    @property
    def totals(self) -> Array:
        """How many n-grams each text has."""
        return self.sums(self.counts)

    def keys(self, owners: Integers | None = None) -> Integers:
        """`(e,)` one number for a text, or its owner, and an n-gram; sorted where texts stand for themselves."""
        return (self.texts if owners is None else owners[self.texts]) * self.num_kinds + self.kinds

    def split(self, first: int) -> tuple[Grams, Grams]:
        """The first texts apart from the rest; n-grams keep their numbers."""
        cut = int(np.searchsorted(self.texts, first))
        head = Grams(self.texts[:cut], self.kinds[:cut], self.counts[:cut], first, self.num_kinds)
        rest = self.texts[cut:] - first
        return head, Grams(rest, self.kinds[cut:], self.counts[cut:], self.num_texts - first, self.num_kinds)


def count(texts: Sequence[Sequence[Hashable]], longest: int) -> Iterator[Grams]:
    """The n-grams of some texts, for n = 1, 2, ... `longest`.

    Args:
        texts: the tokens of each; a string is its characters.
    """
    tokens, lengths = _encode(texts)
    owner = np.repeat(np.arange(len(texts)), lengths)  # (tokens,)
    ends = np.cumsum(lengths)[owner] if len(texts) else owner
    num_tokens = int(tokens.max(initial=-1)) + 1
    starts, kinds = np.arange(len(tokens)), tokens
    for size in range(1, longest + 1):
        if size > 1:
            whole = starts + size <= ends[starts]  # does not reach into the next text
            starts = starts[whole]
            grown = kinds[whole] * num_tokens + tokens[starts + size - 1]
            kinds = np.unique(grown, return_inverse=True)[1]
        num_kinds = int(kinds.max(initial=-1)) + 1
        keys, counts = np.unique(owner[starts] * num_kinds + kinds, return_counts=True)
        yield Grams(
            keys // max(1, num_kinds), keys % max(1, num_kinds), counts.astype(np.float64), len(texts), num_kinds
        )


def find(grams: Grams, keys: Integers) -> Array:
    """The count behind each key, 0 where there is none."""
    return _look_up(grams.keys(), grams.counts, keys)


def overlaps(answers: Grams, references: Grams, owners: Integers) -> Array:
    """`(m,)` how many n-grams each reference shares with its answer, each at most as often as in either.

    Args:
        answers: of n texts.
        references: of m texts.
        owners: `(m,)`, which answer each reference belongs to.
    """
    return references.sums(np.minimum(references.counts, find(answers, references.keys(owners))))


def clipped(answers: Grams, references: Grams, owners: Integers) -> Array:
    """`(n,)` how many n-grams of each answer stand in its references, each at most as often as in any one of them."""
    keys = references.keys(owners)
    order = np.argsort(keys, kind="stable")
    known, starts = np.unique(keys[order], return_index=True)
    most = np.maximum.reduceat(references.counts[order], starts) if len(starts) else references.counts
    return answers.sums(np.minimum(answers.counts, _look_up(known, most, answers.keys())))


def _look_up(known: Integers, values: Array, keys: Integers) -> Array:
    if not len(known):
        return np.zeros(len(keys))
    places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[places] == keys, values[places], 0.0)


def _encode(texts: Sequence[Sequence[Hashable]]) -> tuple[Integers, Integers]:
    """All tokens after each other as small numbers, and the length of each text."""
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    if texts and isinstance(texts[0], str):
        points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4")  # type: ignore[arg-type]
        return np.unique(points, return_inverse=True)[1], lengths
    known: dict[Hashable, int] = {}
    ids = (known.setdefault(token, len(known)) for text in texts for token in text)
    return np.fromiter(ids, dtype=np.int64, count=int(lengths.sum())), lengths
