"""Two sequences against each other: how long a subsequence they share, and how many edits part them.

Both run over the bits of whole numbers, one token of the second sequence a step, so that a step costs as much as
an addition, not as a row of the table (Hyyrö, "A Bit-Vector Algorithm for Computing Levenshtein and Damerau Edit
Distances", 2003; "Bit-Parallel LCS-length Computation Revisited", 2004).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def common(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """The length of their longest common subsequence.

    >>> common("a cat sat".split(), "the cat then sat".split())
    2
    """
    places, full = _places(first)
    row = full  # a bit turns 0 where the table of lengths takes a step up
    for token in second:
        match = row & places.get(token, 0)
        row = ((row + match) | (row - match)) & full
    return len(first) - row.bit_count()


def distance(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """The fewest insertions, deletions and substitutions of tokens that turn one into the other.

    >>> distance("kitten", "sitting")
    3
    """
    if not first:
        return len(second)
    places, full = _places(first)
    last = 1 << (len(first) - 1)
    edits, up, down = len(first), full, 0  # where the table's column rises by one from row to row, and falls
    for token in second:
        equal = places.get(token, 0)
        level = (((equal & up) + up) ^ up) | equal | down
        rise = down | (full & ~(level | up))
        fall = up & level
        edits += bool(rise & last) - bool(fall & last)
        rise, fall = ((rise << 1) | 1) & full, (fall << 1) & full
        up = fall | (full & ~(level | rise))
        down = rise & level
    return edits


def _places(tokens: Sequence[Hashable]) -> tuple[dict[Hashable, int], int]:
    """For each token the bits of the places where it stands, and all bits."""
    places: dict[Hashable, int] = {}
    for place, token in enumerate(tokens):
        places[token] = places.get(token, 0) | (1 << place)
    return places, (1 << len(tokens)) - 1
