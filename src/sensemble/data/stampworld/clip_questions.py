"""Questions about clips: what moves where and when, and what is heard. Most cannot be answered from any one frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations

from .asking import Ask, Balance, allowed
from .questions import colour, exists
from .sample import CLIP_COLOURS, Random, clip_kinds, shuffled
from .scene import SHAPES, Name, Scene, Thing

YES_NO = ("exists", "moved", "before", "sound_order")
OPEN = ("direction", "order", "moves", "colour", "kind", "sound", "sound_colour")
TYPES = (*YES_NO, *OPEN)
NEEDS_TIME = ("moved", "before", "sound_order", "direction", "order", "moves")
"""Types that no single frame answers."""
NEEDS_SOUND = ("sound_order", "sound", "sound_colour")
"""Types that no silent clip answers. `sound_colour` needs picture and sound: which kind is heard, and its colour."""

NUM_QUESTIONS = 5
LEAD = 2
"""How far an answer may be ahead of the rarest of its type before its question is put off."""


def ask_clip(
    scene: Scene, balance: Balance, random: Random, *, kinds: Sequence[str] = SHAPES, sets: int = 1
) -> list[Ask]:
    """Sets of five questions about a clip, none twice, of five types: one answered yes, one no, the others neither.

    Args:
        scene: the clip's.
        balance: what was asked before in this split.
        random: chooses types, and among equals.
        kinds: as for pictures.
        sets: how many sets; fewer where no more can be asked.
    """
    left = {kind: options(kind, scene, kinds) for kind in TYPES}
    new = {"combination": "exists", "relation": "before"}.get(scene.novel)  # asks for what is new
    asks: list[Ask] = []
    for _ in range(sets):
        answers = {kind: {ask.answer for ask in left[kind]} for kind in YES_NO}
        pairs = sorted(combinations(shuffled(random, YES_NO), 2), key=lambda pair: new not in pair)
        opposed = [pair for pair in pairs if _opposed(*(answers[kind] for kind in pair))]
        if not opposed:
            break
        some = balance.opposites(left[opposed[0][0]], left[opposed[0][1]], random)
        open_ = []
        for kind in shuffled(random, OPEN):
            best = balance.best(left[kind], random)
            open_ += [] if best is None else [best]
        open_.sort(key=lambda ask: balance.lead(ask) > LEAD)  # the others only where too few are left
        for ask in open_:
            if len(some) < NUM_QUESTIONS and ask.answer not in [other.answer for other in some]:
                some.append(balance.count(ask))
        asks += some
        for ask in some:
            left[ask.type].remove(ask)
    return asks


def options(kind: str, scene: Scene, kinds: Sequence[str] = SHAPES) -> list[Ask]:
    """All questions of a type that may be asked about a clip (see `asking.allowed`)."""
    return allowed(_MAKERS[kind](scene, kinds), scene.novel)


def _opposed(first: set[str], second: set[str]) -> bool:
    """Whether one of two types can be answered yes and the other no."""
    return ("yes" in first and "no" in second) or ("no" in first and "yes" in second)


def movers(scene: Scene) -> list[Thing]:
    """The things that move, the first to begin first."""
    return sorted((thing for thing in scene.things if thing.motion), key=begin)


def begin(thing: Thing) -> int:
    """When a thing that moves begins to."""
    assert thing.motion is not None
    return thing.motion.start


def noisy(scene: Scene) -> Thing:
    """The thing that is heard."""
    return next(thing for thing in scene.things if thing.sound is not None)


def _called(thing: Thing) -> tuple[Name, Name]:
    """How a thing is asked about: by its kind, or by its colour, for either belongs to it alone."""
    return ("", thing.kind), (thing.colour, "")


def _exists(scene: Scene, kinds: Sequence[str]) -> Iterator[Ask]:
    for ask in exists(scene, clip_kinds(kinds)):
        (name,) = ask.names
        if name[0] in CLIP_COLOURS:
            yield ask


def _kind(scene: Scene, kinds: Sequence[str]) -> Iterator[Ask]:
    for thing in scene.things:
        yield Ask("kind", ((thing.colour, ""),), thing.kind, about=(thing.look,))


def _moved(scene: Scene, kinds: Sequence[str]) -> Iterator[Ask]:
    for thing in scene.things:
        for name in _called(thing):
            yield Ask("moved", (name,), "yes" if thing.motion else "no")


def _direction(scene: Scene, kinds: Sequence[str]) -> Iterator[Ask]:
    for thing in scene.things:
        if thing.motion:
            for name in _called(thing):
                yield Ask("direction", (name,), thing.motion.direction)


def _order(scene: Scene, kinds: Sequence[str]) -> Iterator[Ask]:
    for a, b in permutations(movers(scene), 2):
        first = a if begin(a) < begin(b) else b
        for names, answer in zip(zip(_called(a), _called(b), strict=True), (first.kind, first.colour), strict=True):
            yield Ask("order", names, answer)


def _before(scene: Scene, kinds: Sequence[str]) -> Iterator[Ask]:
    for a, b in permutations(movers(scene), 2):
        for names in zip(_called(a), _called(b), strict=True):
            yield Ask("before", names, "yes" if begin(a) < begin(b) else "no")


def _moves(scene: Scene, kinds: Sequence[str]) -> Iterator[Ask]:
    yield Ask("moves", (), str(len(movers(scene))))


def _sound(scene: Scene, kinds: Sequence[str]) -> Iterator[Ask]:
    yield Ask("sound", (), noisy(scene).kind)


def _sound_colour(scene: Scene, kinds: Sequence[str]) -> Iterator[Ask]:
    yield Ask("sound_colour", (), noisy(scene).colour, about=(noisy(scene).look,))


def _sound_order(scene: Scene, kinds: Sequence[str]) -> Iterator[Ask]:
    heard = noisy(scene).sound
    assert heard is not None
    for thing in movers(scene):
        for name in _called(thing):
            yield Ask("sound_order", (name,), "yes" if begin(thing) < heard else "no")


_MAKERS = {
    "exists": _exists,
    "moved": _moved,
    "before": _before,
    "sound_order": _sound_order,
    "direction": _direction,
    "order": _order,
    "moves": _moves,
    "colour": colour,
    "kind": _kind,
    "sound": _sound,
    "sound_colour": _sound_colour,
}
