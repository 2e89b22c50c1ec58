"""Captions that state facts of a scene, and the reader that finds the facts in a caption again.

A fact is a tuple of keys, whatever the language:

    ("count", colour, kind, number)                        how many there are of that colour and kind
    ("left" or "above", (colour, kind), (colour, kind))    the first stands left of, or above, the second
    ("moves", colour, kind, direction)                     in a clip
    ("before", (colour, kind), (colour, kind))             the first moves first
    ("stays", colour, kind), ("sounds", colour, kind)
"""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

from .clip_questions import movers, noisy
from .sample import Random, pick, shuffled
from .scene import CELL, SPAN, Name, Scene, Thing
from .words import Language

Fact = tuple[Any, ...]


def scene_facts(scene: Scene) -> frozenset[Fact]:
    """All facts of a picture that a true caption may state; relations are those of things with a name of their own."""
    looks = {thing.look for thing in scene.things}
    facts: set[Fact] = {("count", *look, scene.count(look)) for look in looks}
    for a, b in permutations([scene.find(look) for look in looks if scene.count(look) == 1], 2):
        facts |= {(side, a.look, b.look) for side in ("left", "above") if a.is_(side, b)}
    return frozenset(facts)


def clip_facts(scene: Scene) -> frozenset[Fact]:
    """All facts of a clip that a true caption may state."""
    facts: set[Fact] = {("sounds", *noisy(scene).look)}
    moving = movers(scene)
    for place, thing in enumerate(moving):
        assert thing.motion is not None
        facts.add(("moves", *thing.look, thing.motion.direction))
        facts |= {("before", thing.look, later.look) for later in moving[place + 1 :]}
    facts |= {("stays", *thing.look) for thing in scene.things if thing.motion is None}
    return frozenset(facts)


def caption_picture(scene: Scene, language: Language, random: Random, *, number: int = 3) -> list[str]:
    """Different captions of a picture, each with all counts and, as far as there are any, one relation.

    Args:
        scene: the picture's.
        language: of the captions.
        random: order, paraphrase, and which relation.
        number: how many captions.
    """
    relations = [fact for fact in sorted(scene_facts(scene), key=repr) if fact[0] != "count"]
    relations = shuffled(random, relations)
    captions = []
    for place, counts in enumerate(describe(scene, language, random, number=number)):
        sentences = [counts]
        if relations:
            side, a, b = relations[place % len(relations)]
            first, second, word = _turned(side, a, b, random)
            sentences.append(language.say(pick(random, language.templates["say relation"]), (first, second, word)))
        captions.append(language.join.join(sentences))
    return captions


def describe(scene: Scene, language: Language, random: Random, *, number: int) -> list[str]:
    """Different sentences that say all counts, in the order in which one reads the picture."""
    reading = sorted(scene.things, key=lambda thing: (thing.y // CELL, thing.x // CELL))
    order = list(dict.fromkeys(thing.look for thing in reading))
    listed = language.listed([format(language.noun(look), str(scene.count(look))) for look in order])
    verb = "is" if scene.count(order[0]) == 1 else "are"
    forms = shuffled(random, language.templates["caption"])
    return [forms[place % len(forms)].format(verb, listed) for place in range(number)]


def lay_out(scene: Scene, language: Language, *, sizes: bool = False) -> str:
    """What stands in each of the nine places of a picture, in reading order, on demand with the size of each."""
    here = {(thing.y // CELL, thing.x // CELL): thing for thing in scene.things}
    (nothing,) = language.templates["nothing"]
    places = product(range(SPAN // CELL), repeat=2)
    return language.comma.join(_seen(here[place], language, sizes) if place in here else nothing for place in places)


def _seen(thing: Thing, language: Language, size: bool) -> str:
    look = format(language.noun(thing.look), "bare")
    return language.join.join([language.word(thing.size), look]) if size else look


def caption_clip(scene: Scene, language: Language, random: Random, *, number: int = 2) -> list[str]:
    """Different captions of a clip, each with all moves in their order, what stays, and what is heard."""
    captions = []
    for _ in range(number):
        moves = [
            language.say(pick(random, language.templates["clip moves"]), (thing.look, thing.motion.direction))
            for thing in movers(scene)
            if thing.motion is not None
        ]
        then = pick(random, language.templates["clip then"])
        moved = then.join([moves[0], *(move[:1].lower() + move[1:] for move in moves[1:])]) + language.stop
        others = [("clip stays", thing.look) for thing in scene.things if thing.motion is None]
        others.append(("clip sounds", noisy(scene).look))
        said = [language.say(pick(random, language.templates[key]), (look,)) for key, look in shuffled(random, others)]
        captions.append(language.join.join([moved, *said]))
    return captions


def _turned(side: str, a: Name, b: Name, random: Random) -> tuple[Name, Name, str]:
    """A relation as it stands, or seen from the other thing."""
    if random.integers(2):
        return a, b, f"is {side}"
    return b, a, {"left": "is right", "above": "is below"}[side]
