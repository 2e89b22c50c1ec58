"""Scene graphs: what stands where, of which colour and size, how it moves and what it sounds like.

Everything is a whole number, so that a seed means the same on every machine. The world is `SPAN` units wide and
high, whatever size it is drawn at; in a clip, what leaves at one edge comes in at the other.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from itertools import combinations, product
from typing import Any

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (208, 44, 44),
    "orange": (240, 130, 20),
    "yellow": (235, 210, 40),
    "green": (40, 150, 60),
    "cyan": (50, 200, 205),
    "blue": (44, 74, 200),
    "purple": (140, 50, 165),
    "grey": (120, 120, 120),
}
SHAPES = ("circle", "square", "triangle", "diamond", "star", "cross", "heart", "bar")
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
RELATIONS = {"left": (-1, 0), "right": (1, 0), "above": (0, -1), "below": (0, 1)}
RADIUS = {"small": 9, "large": 14}
"""Half the side of a thing's box, in units."""
SPAN = 96
CELL = 32
FRAMES = 16
RATE = 8
"""Frames a second."""
NOVELTIES = ("combination", "relation", "identity")

Name = tuple[str, str]
"""How a thing is called: its colour, empty where its kind alone tells it, and its kind, empty for "thing"."""


@dataclass(frozen=True)
class Motion:
    """A straight move at a steady pace.

    Args:
        direction: a key of `DIRECTIONS`.
        start: the last frame before it moves.
        stop: the first frame after which it stands still.
        speed: units a frame.
    """

    direction: str
    start: int
    stop: int
    speed: int


@dataclass(frozen=True)
class Thing:
    """One object.

    Args:
        kind: a shape, or the name of a cut-out that stands on a card.
        colour: of the shape or the card.
        size: `small` or `large`.
        x, y: its centre in the first frame, in units.
        motion: in a clip, how it moves, if it does.
        sound: in a clip, the frame at which it begins to sound, if it does.
    """

    kind: str
    colour: str
    size: str
    x: int
    y: int
    motion: Motion | None = None
    sound: int | None = None

    @property
    def look(self) -> Name:
        return self.colour, self.kind

    def at(self, frame: int) -> tuple[int, int]:
        """Its centre in a frame, in units."""
        if self.motion is None:
            return self.x, self.y
        across, down = DIRECTIONS[self.motion.direction]
        way = self.motion.speed * min(max(frame - self.motion.start, 0), self.motion.stop - self.motion.start)
        return (self.x + across * way) % SPAN, (self.y + down * way) % SPAN

    def is_(self, relation: str, other: Thing) -> bool:
        """Whether it is `left`, `right`, `above` or `below` of another thing, by at least half a cell."""
        across, down = RELATIONS[relation]
        return across * (self.x - other.x) + down * (self.y - other.y) > CELL // 2


@dataclass(frozen=True)
class Scene:
    """A picture or a clip before it is drawn.

    Args:
        things: in the order in which they are drawn.
        look: seed of the ground and of shades, which no question is about.
        novel: what it holds that training never shows: empty, or one of `NOVELTIES`.
    """

    things: tuple[Thing, ...]
    look: int = 0
    novel: str = ""

    def count(self, name: Name) -> int:
        """How many things may be called that."""
        return self._counts[name]

    @cached_property
    def _counts(self) -> Counter[Name]:
        looks = (thing.look for thing in self.things)
        return Counter(name for colour, kind in looks for name in product(("", colour), ("", kind)))

    def find(self, name: Name) -> Thing:
        """The one thing called that."""
        (found,) = (thing for thing in self.things if fits(thing, name))
        return found

    def name(self, thing: Thing) -> Name | None:
        """The shortest name that only this thing has, if there is one."""
        names = [("", thing.kind), thing.look]
        return next((name for name in names if self.count(name) == 1), None)

    @cached_property
    def named(self) -> list[tuple[Thing, Name]]:
        """The things that have a name of their own, with it."""
        found = ((thing, self.name(thing)) for thing in self.things)
        return [(thing, name) for thing, name in found if name is not None]

    def to_json(self) -> dict[str, Any]:
        """Plain values, as they stand in the scene tables."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Scene:
        things = (
            Thing(**{**thing, "motion": Motion(**thing["motion"]) if thing["motion"] else None})
            for thing in values["things"]
        )
        return cls(tuple(things), values["look"], values["novel"])


def fits(thing: Thing, name: Name) -> bool:
    """Whether a thing may be called that."""
    colour, kind = name
    return colour in ("", thing.colour) and kind in ("", thing.kind)


def number(kind: str) -> int:
    """A number for each kind that never changes."""
    return SHAPES.index(kind) if kind in SHAPES else zlib.crc32(kind.encode("utf-8"))


def held_out(combination: Sequence[str]) -> bool:
    """Whether a combination stands in test scenes alone, never in those for training and validation.

    Each kind lacks one of the eight colours in training, and each colour one of the eight shapes; about one pair
    of kinds in seven never meets there, so that any relation between the two is new; and about one cut-out in
    eight is never shown. (All shapes are shown: a word that training never uses cannot be learned from it.)

    Args:
        combination: a colour and a kind, two kinds, or one kind, in any order.

    >>> held_out(("red", "circle")), held_out(("red", "star")), held_out(("circle", "star")), held_out(("star",))
    (True, False, True, False)
    """
    colours = [part for part in combination if part in COLOURS]
    numbers = [number(part) for part in combination if part not in COLOURS]
    if colours and len(numbers) == 1:
        return (list(COLOURS).index(colours[0]) + numbers[0]) % len(COLOURS) == 0
    if len(numbers) == 2:
        return (numbers[0] - numbers[1]) % len(SHAPES) == len(SHAPES) // 2
    assert len(numbers) == 1 and not colours, f"no combination: {combination}"
    return combination[0] not in SHAPES and (numbers[0] >> 3) % 8 == 0


def novelties(looks: Iterable[Name]) -> frozenset[str]:
    """Which of `NOVELTIES` some colours and kinds that stand together make; either may be empty."""
    return _novelties(frozenset(looks))


@lru_cache(maxsize=2**16)
def _novelties(looks: frozenset[Name]) -> frozenset[str]:
    kinds = sorted({kind for _, kind in looks if kind})
    found = {
        "combination": any(held_out(look) for look in looks if all(look)),
        "relation": any(held_out(pair) for pair in combinations(kinds, 2)),
        "identity": any(held_out((kind,)) for kind in kinds),
    }
    return frozenset(name for name, here in found.items() if here)
