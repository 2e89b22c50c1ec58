"""Questions about pictures, and statements that are right or wrong.

Each picture is asked questions in sets of four that have four different answers, so that whoever looks at the picture
alone is right once in four, whatever it learned; `asking.Balance` sees to it that the question alone helps no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations, product

from .asking import Ask, Balance, allowed
from .sample import Random, shuffled
from .scene import CELL, COLOURS, RELATIONS, SHAPES, SPAN, Scene, Thing, held_out

YES_NO = ("exists", "relation", "same")
OPEN = ("count", "colour", "compare", "where", "kind_at", "colour_at")
TYPES = (*YES_NO, *OPEN)
PLACES = (
    *("top left", "top middle", "top right"),
    *("middle left", "centre", "middle right"),
    *("bottom left", "bottom middle", "bottom right"),
)
MOST = 4
"""The highest count that is asked for, so that counts are answered from 0 to 4."""


def ask_picture(
    scene: Scene, balance: Balance, random: Random, *, kinds: Sequence[str] = SHAPES, sets: int = 1
) -> list[Ask]:
    """Sets of four questions about a picture, none twice: two to be answered yes and no, two others.

    Args:
        scene: the picture's.
        balance: what was asked before in this split.
        random: chooses types, and among equals.
        kinds: what may be asked for though it is absent.
        sets: how many sets.
    """
    left = {kind: options(kind, scene, kinds) for kind in TYPES}
    asks: list[Ask] = []
    for _ in range(sets):
        first, second = _yes_no(scene, random)
        new = balance.opposites(left[first], left[second], random)
        for kind in shuffled(random, OPEN)[:2]:
            best = balance.best([ask for ask in left[kind] if ask.answer not in [each.answer for each in new]], random)
            new += [] if best is None else [balance.count(best)]
        asks += new
        for ask in new:
            left[ask.type].remove(ask)
    return asks


def state_picture(scene: Scene, balance: Balance, random: Random, *, kinds: Sequence[str] = SHAPES) -> list[Ask]:
    """Two statements about a picture, one right and one wrong (`form` names their templates). Arguments alike."""
    first, second = _yes_no(scene, random)
    asks = balance.opposites(options(first, scene, kinds), options(second, scene, kinds), random)
    return [Ask(ask.type, ask.topic, ask.answer, f"say {ask.type}", ask.about) for ask in asks]


def _yes_no(scene: Scene, random: Random) -> list[str]:
    """Two types that are answered yes or no, among them the one that asks for what is new in the scene."""
    first = {"combination": "exists", "relation": "relation"}.get(scene.novel)
    return sorted(shuffled(random, YES_NO), key=lambda kind: kind != first)[:2]


def options(kind: str, scene: Scene, kinds: Sequence[str] = SHAPES) -> list[Ask]:
    """All questions of a type that may be asked about a scene (see `asking.allowed`)."""
    return allowed(_MAKERS[kind](scene, kinds), scene.novel)


def exists(scene: Scene, kinds: Sequence[str]) -> Iterator[Ask]:
    """Whether something of a colour and a kind is there. Where it is not, its colour or its kind is, or both are."""
    looks = {thing.look for thing in scene.things}
    here = {kind for _, kind in looks}
    for name in product(COLOURS, sorted({*here, *_absent(scene, kinds)})):
        if name in looks or name[1] in here or scene.count((name[0], "")):
            yield Ask("exists", (name,), "yes" if name in looks else "no")


def count(scene: Scene, kinds: Sequence[str]) -> Iterator[Ask]:
    """How many there are of a kind, present or not, or of a colour."""
    here = sorted({thing.kind for thing in scene.things})
    names = [("", kind) for kind in [*here, *_absent(scene, kinds)]] + [(colour, "") for colour in COLOURS]
    for name in names:
        number = scene.count(name)
        if number <= MOST:
            yield Ask("count", (name,), str(number))


def colour(scene: Scene, kinds: Sequence[str]) -> Iterator[Ask]:
    """The colour of a kind whose things are all alike."""
    for kind in sorted({thing.kind for thing in scene.things}):
        found = {thing.colour for thing in scene.things if thing.kind == kind}
        if len(found) == 1:
            (answer,) = found
            form = "colour" if scene.count(("", kind)) == 1 else "colours"
            yield Ask("colour", (("", kind),), answer, form, about=((answer, kind),))


def relation(scene: Scene, kinds: Sequence[str]) -> Iterator[Ask]:
    """Whether one thing stands left of, right of, above or below another. Pairs that are nearly level are left out."""
    for (a, first), (b, second) in permutations(scene.named, 2):
        for side, other in zip(RELATIONS, ("right", "left", "below", "above"), strict=True):
            if a.is_(side, b) or a.is_(other, b):
                yield Ask("relation", (first, second, f"is {side}"), "yes" if a.is_(side, b) else "no")


def compare(scene: Scene, kinds: Sequence[str]) -> Iterator[Ask]:
    """Whether there are more of one kind than of another, fewer, or as many."""
    for a, b in permutations(sorted({thing.kind for thing in scene.things}), 2):
        difference = scene.count(("", a)) - scene.count(("", b))
        answer = "equal" if not difference else "more" if difference > 0 else "fewer"
        yield Ask("compare", (("", a), ("", b)), answer)


def same(scene: Scene, kinds: Sequence[str]) -> Iterator[Ask]:
    """Whether two things, each the only one of its kind, have one colour."""
    alone = [(thing, name) for thing, name in scene.named if not name[0]]
    for (a, first), (b, second) in combinations(alone, 2):
        yes = "yes" if a.colour == b.colour else "no"
        yield Ask("same", (first, second), yes, about=(a.look, b.look))
        yield Ask("same", (second, first), yes, about=(a.look, b.look))


def where(scene: Scene, kinds: Sequence[str]) -> Iterator[Ask]:
    """The ninth of the picture in which a thing stands."""
    for thing, name in scene.named:
        yield Ask("where", (name,), place(thing), about=(thing.look,))


def kind_at(scene: Scene, kinds: Sequence[str]) -> Iterator[Ask]:
    """What stands in a ninth of the picture."""
    for thing in scene.things:
        yield Ask("kind_at", (f"at {place(thing)}",), thing.kind, about=(thing.look,))


def colour_at(scene: Scene, kinds: Sequence[str]) -> Iterator[Ask]:
    """The colour of what stands in a ninth of the picture."""
    for thing in scene.things:
        yield Ask("colour_at", (f"at {place(thing)}",), thing.colour, about=(thing.look,))


def place(thing: Thing) -> str:
    """The ninth of the picture in which a thing stands."""
    return PLACES[thing.y // CELL * (SPAN // CELL) + thing.x // CELL]


def _absent(scene: Scene, kinds: Sequence[str]) -> list[str]:
    """Kinds that may be asked for though they are not there."""
    here = {thing.kind for thing in scene.things}
    return [kind for kind in kinds if not scene.novel and not held_out((kind,)) and kind not in here]


_MAKERS = {
    "exists": exists,
    "count": count,
    "colour": colour,
    "relation": relation,
    "compare": compare,
    "same": same,
    "where": where,
    "kind_at": kind_at,
    "colour_at": colour_at,
}
