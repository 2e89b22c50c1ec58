"""Captions that state facts of a scene, and the reader that finds the facts in a caption again.

A fact is a tuple of keys, whatever the language:

    ("count", colour, kind, number)                        how many there are of that colour and kind
    ("at", colour, kind, place)                            in which ninth of the picture it stands
    ("left" or "above", (colour, kind), (colour, kind))    the first stands left of, or above, the second
    ("moves", colour, kind, direction)                     in a clip
    ("before", (colour, kind), (colour, kind))             the first moves first
    ("stays", colour, kind), ("sounds", colour, kind)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import permutations, product
from typing import Any

import numpy as np

from .clip_questions import movers, noisy
from .questions import place
from .sample import Random, pick, shuffled
from .scene import CELL, SPAN, Name, Scene, Thing
from .words import Language

Fact = tuple[Any, ...]


def scene_facts(scene: Scene) -> frozenset[Fact]:
    """All facts of a picture that a true caption may state; places and relations only of what stands there once."""
    looks = {thing.look for thing in scene.things}
    facts: set[Fact] = {("count", *look, scene.count(look)) for look in looks}
    single = [scene.find(look) for look in looks if scene.count(look) == 1]
    facts |= {("at", *thing.look, place(thing)) for thing in single}
    for a, b in permutations(single, 2):
        facts |= {(side, a.look, b.look) for side in ("left", "above") if a.is_(side, b)}
    return frozenset(facts)


def clip_facts(scene: Scene) -> frozenset[Fact]:
    """All facts of a clip that a true caption may state."""
    facts: set[Fact] = {("sounds", *noisy(scene).look)}
    moving = movers(scene)
    for turn, thing in enumerate(moving):
        assert thing.motion is not None
        facts.add(("moves", *thing.look, thing.motion.direction))
        facts |= {("before", thing.look, later.look) for later in moving[turn + 1 :]}
    facts |= {("stays", *thing.look) for thing in scene.things if thing.motion is None}
    return frozenset(facts)


def caption_picture(scene: Scene, language: Language, random: Random, *, number: int = 3) -> list[str]:
    """Captions of a picture, each with all counts and, if there is any, a relation and the place of one thing.

    The place is said before what stands there: so a model that writes from left to right looks before it names.

    Args:
        scene: the picture's.
        language: of the captions.
        random: paraphrase, and which relation.
        number: how many captions.
    """
    relations = shuffled(random, _relations(scene))
    captions = []
    for turn, counts in enumerate(describe(scene, language, random, number=number)):
        sentences = [counts]
        if relations:
            side, a, b = relations[turn % len(relations)]
            related = _turned(side, a, b, random)
            sentences.append(_say_where(scene, related, language, random))
        captions.append(language.join.join(sentences))
    return captions


def relate(scene: Scene, language: Language, random: Random, *, number: int = 3, sentences: int = 3) -> list[str]:
    """Texts of sentences that say where things stand, as captions end in one: what it takes to say it, densely.

    Args:
        scene: the picture's.
        language: of the texts.
        random: which things, in which order, and paraphrase.
        number: how many texts.
        sentences: most of them in a text, each of another thing.
    """
    relations, texts = _relations(scene), []
    for _ in range(number):
        turned = (_turned(side, a, b, random) for side, a, b in shuffled(random, relations))
        of_each = {related[0]: related for related in turned}  # by the thing whose place is told
        said = [_say_where(scene, related, language, random) for related in list(of_each.values())[:sentences]]
        texts.append(language.join.join(said))
    return texts


@lru_cache(maxsize=1)
def _relations(scene: Scene) -> list[Fact]:
    """Which thing stands left of or above which, in an order that is always the same; asked for several times."""
    return [fact for fact in sorted(scene_facts(scene), key=repr) if fact[0] in ("left", "above")]


def _say_where(scene: Scene, related: tuple[Name, Name, str], language: Language, random: Random) -> str:
    """Where the first of two things stands: in which place, and on which side of the other."""
    topic = (*related, f"at {place(scene.find(related[0]))}")
    return language.say(pick(random, language.templates["say where"]), topic)


def translate_caption(scene: Scene, language: Language, other: Language, *, seed: Sequence[int]) -> dict[str, str]:
    """A caption of a picture, the same without colours, and its translation, which has them.

    Where the colours are left out only the picture tells them (colour deprivation, Caglayan et al., "Probing the Need
    for Visual Context in Multimodal Machine Translation", 2019).

    Args:
        scene: the picture's.
        language: of the caption.
        other: of the translation.
        seed: of the paraphrase, which is the same in all three, and of the relation.
    """
    tongues = {"caption": language, "uncoloured": language.uncoloured(), "translation": other}
    return {
        name: caption_picture(scene, tongue, np.random.default_rng(seed), number=1)[0]
        for name, tongue in tongues.items()
    }


def describe(scene: Scene, language: Language, random: Random, *, number: int) -> list[str]:
    """Different sentences that say all counts, in the order in which one reads the picture."""
    reading = sorted(scene.things, key=lambda thing: (thing.y // CELL, thing.x // CELL))
    order = list(dict.fromkeys(thing.look for thing in reading))
    listed = language.listed([format(language.noun(look), str(scene.count(look))) for look in order])
    verb = "is" if scene.count(order[0]) == 1 else "are"
    forms = shuffled(random, language.templates["caption"])
    return [forms[turn % len(forms)].format(verb, listed) for turn in range(number)]


def lay_out(scene: Scene, language: Language, *, sizes: bool = False) -> str:
    """What stands in each of the nine places of a picture, in reading order, on demand with the size of each."""
    here = {(thing.y // CELL, thing.x // CELL): thing for thing in scene.things}
    (nothing,) = language.templates["nothing"]
    cells = product(range(SPAN // CELL), repeat=2)
    return language.comma.join(_seen(here[cell], language, sizes) if cell in here else nothing for cell in cells)


def _seen(thing: Thing, language: Language, size: bool) -> str:
    look = format(language.noun(thing.look), "bare")
    return language.gap.join([language.word(thing.size), look]) if size else look


def tell(scene: Scene, language: Language) -> str:
    """What each thing of a clip does: the moves in their order, then what stays, then what is heard."""
    moves = [(thing.look, thing.motion.direction) for thing in movers(scene) if thing.motion is not None]
    said = [format(language.noun(look), "bare") + language.gap + language.word(way) for look, way in moves]
    for key, look in (
        *(("stays", thing.look) for thing in scene.things if not thing.motion),
        ("sounds", noisy(scene).look),
    ):
        (verb,) = language.templates[key]
        said.append(format(language.noun(look), "bare") + language.gap + verb)
    return language.comma.join(said)


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
