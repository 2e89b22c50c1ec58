"""Scenes by chance: pictures and clips whose layout gives no answer away.

A picture always holds two things of one colour and one of another, each the only one of its kind, and several things
of a fourth kind, so that yes and no, more, fewer and equal can be asked of each. A clip's things go from a cell to the
next one in a world without edges, so that hardly any frame tells which way they go.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TypeVar

import numpy as np

from .scene import (
    CELL,
    COLOURS,
    DIRECTIONS,
    FRAMES,
    RADIUS,
    SHAPES,
    SPAN,
    Motion,
    Name,
    Scene,
    Thing,
    novelties,
    number,
)

Random = np.random.Generator
Item = TypeVar("Item")
CLIP_COLOURS = ("red", "yellow", "green", "cyan", "purple", "grey")
"""Colours in clips: fewer than in pictures, as a clip has more to learn from than its looks."""
NOT_IN_CLIPS = ("diamond", "bar")
"""Shapes that stand in no clip. Each of the others lacks one of the clips' colours in training."""
STARTS = (1, 4, 7, 10)
"""The frames about which things begin to move or to sound, one each."""
STEPS = 4
"""Frames that a move takes."""


def pick(random: Random, items: Sequence[Item]) -> Item:
    """One of some items."""
    return items[int(random.integers(len(items)))]


def shuffled(random: Random, items: Sequence[Item]) -> list[Item]:
    """The items in an order of chance."""
    return [items[place] for place in random.permutation(len(items)).tolist()]


def picture(random: Random, *, kinds: Sequence[str] = SHAPES, novel: str = "") -> Scene:
    """A scene of 5 to 7 things that stand still, one a cell of a grid of 3 x 3.

    Args:
        random: where all chance comes from.
        kinds: what may stand in it, at least four.
        novel: what it holds that training never shows (`NOVELTIES`), and nothing else new; empty for nothing.
    """
    while True:
        looks = _looks(random, kinds)
        if novelties(looks) == ({novel} if novel else frozenset()):
            break
    cells = random.permutation((SPAN // CELL) ** 2).tolist()
    things = []
    for (colour, kind), cell in zip(looks, cells, strict=False):
        x, y = _within(cell, 2, random)
        things.append(Thing(kind, colour, pick(random, tuple(RADIUS)), x, y))
    return Scene(tuple(shuffled(random, things)), int(random.integers(2**31)), novel)


def clip(random: Random, *, kinds: Sequence[str] = SHAPES, novel: str = "") -> Scene:
    """A scene of three things of three kinds and colours: one to three of them move, one sounds. Arguments alike.

    All are large and stand in cells of the same grid; a move ends in the next cell, in `STEPS` frames. No two things
    ever touch; moves and the sound begin at least two frames apart.
    """
    kinds = clip_kinds(kinds)
    movers = int(random.integers(1, 4))  # before anything is rejected, so that each number is as frequent
    while True:
        chosen = shuffled(random, kinds)[:3]
        looks = list(zip(shuffled(random, CLIP_COLOURS)[:3], chosen, strict=True))
        sounds = {number(kind) % len(SHAPES) for kind in chosen}
        if len(sounds) == 3 and novelties(looks) == ({novel} if novel else frozenset()):
            break
    while True:
        starts = [start + int(random.integers(2)) for start in shuffled(random, STARTS)]
        noisy = int(random.integers(3))
        cells = random.permutation((SPAN // CELL) ** 2).tolist()
        things = []
        for place, (colour, kind) in enumerate(looks):
            motion = None
            if place < movers:
                start = starts[place]
                motion = Motion(pick(random, tuple(DIRECTIONS)), start, start + STEPS, CELL // STEPS)
            x, y = _within(cells[place], 1, random)
            sound = starts[3] if place == noisy else None
            things.append(Thing(kind, colour, "large", x, y, motion, sound))
        if not any(_touch(a, b) for a, b in combinations(things, 2)):
            break
    return Scene(tuple(shuffled(random, things)), int(random.integers(2**31)), novel)


def clip_kinds(kinds: Sequence[str]) -> list[str]:
    """Those of some kinds that may stand in a clip."""
    return [kind for kind in kinds if kind not in NOT_IN_CLIPS]


def _within(cell: int, most: int, random: Random) -> tuple[int, int]:
    """A point near a cell's middle, at most so many units across and down from it."""
    row, column = divmod(cell, SPAN // CELL)
    x, y = (part * CELL + CELL // 2 + int(random.integers(-most, most + 1)) for part in (column, row))
    return x, y


def _looks(random: Random, kinds: Sequence[str]) -> list[Name]:
    """Colours and kinds of a picture's things: two of one colour, one of another, and several of a fourth kind."""
    chosen, colours = shuffled(random, kinds)[:4], shuffled(random, tuple(COLOURS))
    many = int(random.integers(2, 5))
    other = int(random.integers(1, many)) if random.integers(2) else 0  # of the several, those of a second colour
    first, second = (pick(random, colours) for _ in range(2))
    looks = list(zip((colours[0], colours[0], colours[1]), chosen, strict=False))
    return looks + [(first, chosen[3])] * (many - other) + [(second, chosen[3])] * other


def _touch(a: Thing, b: Thing) -> bool:
    """Whether two things come near each other in any frame."""
    least = RADIUS[a.size] + RADIUS[b.size] + 2
    for frame in range(FRAMES):
        across, down = (abs(p - q) for p, q in zip(a.at(frame), b.at(frame), strict=True))
        if max(min(across, SPAN - across), min(down, SPAN - down)) < least:
            return True
    return False
