"""Dialogues about pictures: 5 to 10 rounds in which later questions lean on earlier ones ("And the other one?").

`coreference` marks the rounds whose question means nothing without the history: a pronoun, or an ellipsis. They are
asked only where another thing would give another answer, so that the history is really needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..turns import Turn, write_history
from .asking import Ask, Balance
from .questions import PLACES, options, place
from .sample import Random, pick, shuffled
from .scene import COLOURS, RADIUS, RELATIONS, SHAPES, Name, Scene, Thing
from .words import Language

ATTRIBUTES = ("colour", "size", "where")
ANSWERS: dict[str, tuple[str, ...]] = {
    "colour": tuple(COLOURS),
    "size": tuple(RADIUS),
    "where": PLACES,
    "count": tuple(str(number) for number in range(10)),
    "yes or no": ("yes", "no"),
}
"""All answers by what is asked."""
NUM_CANDIDATES = 20


@dataclass(frozen=True)
class Round:
    """One question of a dialogue, with what it needs.

    Args:
        question, answer: in words.
        history: all rounds before it as one text: see `write_history`.
        candidates: 20 different answers in words, the right one among them.
        answer_index: its place.
        coreference: whether the history is needed to know what is asked.
        type: what is asked: `colour`, `size`, `where`, `count`, `exists` or `relation`.
        novel: what in it training never shows.
    """

    question: str
    answer: str
    history: str
    candidates: list[str]
    answer_index: int
    coreference: bool
    type: str
    novel: str


@dataclass
class _Talk:
    """What has been said so far."""

    scene: Scene
    focus: Thing | None = None  # "it"
    group: Name | None = None  # "they"
    asked: str = ""  # the attribute that the last round asked for, if it did
    pair: tuple[Thing, Thing] | None = None  # the one asked about, and the other
    done: set[tuple[str, object]] = field(default_factory=set)


@dataclass(frozen=True)
class _Move:
    """A possible next round: the question, and what is in mind after it."""

    ask: Ask
    coreference: bool
    focus: Thing | None = None
    group: Name | None = None
    asked: str = ""
    pair: tuple[Thing, Thing] | None = None

    @property
    def form(self) -> str:
        """The kind of sentence."""
        return self.ask.form or self.ask.type

    @property
    def key(self) -> tuple[str, object]:
        """What it finds out, so that nothing is asked twice."""
        return self.ask.type, self.focus if self.asked or self.ask.type == "relation" else self.ask.topic


def talk(
    scene: Scene, balance: Balance, language: Language, random: Random, *, kinds: Sequence[str] = SHAPES
) -> list[Round]:
    """A dialogue about a picture.

    Args:
        scene: the picture's.
        balance: what was asked before in this split.
        language: of the words.
        random: where all chance comes from.
        kinds: what may be counted though it is absent.
    """
    state = _Talk(scene)
    always = [move for move in _openings(scene, kinds) if _allowed(move, scene)]
    wanted = int(random.integers(5, 11))
    said: list[tuple[str, _Move]] = []
    while len(said) < wanted:
        moves = always + [move for move in _leaning(state) if _allowed(move, scene)]
        moves = [move for move in moves if move.key not in state.done]
        leaning = [move for move in moves if move.coreference]
        if leaning and random.integers(5) < 3:
            moves = leaning
        else:
            moves = [move for move in moves if not move.coreference] or leaning
        if not moves:
            break
        form = pick(random, sorted({move.form for move in moves}))
        best = balance.best([move.ask for move in moves if move.form == form], random)
        move = pick(random, [move for move in moves if move.ask == best])
        balance.count(move.ask)
        said.append((move.ask.text(language, random), move))
        state.done.add(move.key)
        state.focus, state.group, state.asked, state.pair = move.focus, move.group, move.asked, move.pair
    return _rounds(scene, said, language, random)


def teach(scene: Scene, language: Language, random: Random) -> list[tuple[str, str, str | None]]:
    """Questions that teach looking: all there is to say of each thing that has a name, asked by its name and as "it".

    One long answer teaches where to look for a thing; of answers of one word it takes several times as many.

    Args:
        scene: the picture's.
        language: of the words.
        random: chooses what was said of "it" before.

    Returns:
        Question, answer, and the history where the question needs one.
    """
    opening = language.templates["picture with"][0].format(len(scene.things))
    taught: list[tuple[str, str, str | None]] = []
    for thing, name in scene.named:
        answer = language.comma.join(language.word(value(thing, key)) for key in ("size", "colour", "where"))
        before = pick(random, list(_attributes(scene, thing, name))).ask
        turn = Turn(before.text(language, random), language.word(before.answer))
        taught.append((language.say(language.templates["thing"][0], (name,)), answer, None))
        taught.append((language.templates["it"][0], answer, write_history([turn], opening)))
    return taught


def _allowed(move: _Move, scene: Scene) -> bool:
    return move.ask.novel in ("", scene.novel)


def _openings(scene: Scene, kinds: Sequence[str]) -> Iterator[_Move]:
    """All rounds that need no history."""
    for kind in ("count", "exists"):
        for ask in options(kind, scene, kinds):
            name = ask.topic[0]
            assert isinstance(name, tuple)
            if kind == "exists" or name[1]:
                one = scene.find(name) if scene.count(name) == 1 else None
                yield _Move(ask, False, focus=one, group=name if scene.count(name) > 1 else None)
    for thing, name in scene.named:
        yield from _attributes(scene, thing, name)
    yield from _pairs(scene)


def _leaning(state: _Talk) -> Iterator[_Move]:
    """All rounds that lean on what was said."""
    if state.asked:
        for thing, name in state.scene.named:
            if thing != state.focus and not (state.asked == "colour" and name[0]):
                ask = Ask(state.asked, (name,), value(thing, state.asked), "and", about=(thing.look,))
                yield _Move(ask, True, focus=thing, asked=state.asked)
    if state.pair is not None:
        yield from _other(*state.pair, state.asked)
    if state.focus is not None:
        yield from _it(state.scene, state.focus)
    if state.group is not None:
        yield from _they(state.scene, state.group)


def _attributes(scene: Scene, thing: Thing, name: Name) -> Iterator[_Move]:
    """ "What colour is the star?" """
    for attribute in ATTRIBUTES:
        if not (attribute == "colour" and name[0]):
            ask = Ask(attribute, (name,), value(thing, attribute), about=(thing.look,))
            yield _Move(ask, False, focus=thing, asked=attribute)


def _it(scene: Scene, thing: Thing) -> Iterator[_Move]:
    """ "What colour is it?", "Is it left of the bar?" """
    for attribute in ATTRIBUTES:
        if len({value(other, attribute) for other in scene.things}) > 1:
            ask = Ask(attribute, (), value(thing, attribute), f"it {attribute}", about=(thing.look,))
            yield _Move(ask, True, focus=thing, asked=attribute)
    for other, name in scene.named:
        for side, reverse in zip(RELATIONS, ("right", "left", "below", "above"), strict=True):
            here, there = thing.is_(side, other), thing.is_(reverse, other)
            against = any(third.is_(reverse if here else side, other) for third in scene.things)
            if (here or there) and against:
                answer = "yes" if here else "no"
                topic = (name, f"is {side}")
                yield _Move(Ask("relation", topic, answer, "it relation", (thing.look,)), True, focus=thing)


def _they(scene: Scene, group: Name) -> Iterator[_Move]:
    """ "What colour are they?" """
    found = {thing.colour for thing in scene.things if group[1] == thing.kind and group[0] in ("", thing.colour)}
    if len(found) == 1 and not group[0] and len({thing.colour for thing in scene.things}) > 1:
        (answer,) = found
        yield _Move(Ask("colour", (), answer, "they colour", about=((answer, group[1]),)), True, group=group)


def _pairs(scene: Scene) -> Iterator[_Move]:
    """ "What colour is the star on the left?", where there are two stars side by side."""
    for kind in sorted({thing.kind for thing in scene.things}):
        two = [thing for thing in scene.things if thing.kind == kind]
        if len(two) == 2 and two[0].is_("left", two[1]) + two[0].is_("right", two[1]):
            left, right = two if two[0].is_("left", two[1]) else reversed(two)
            for side, one, other in (("left", left, right), ("right", right, left)):
                for attribute in ("colour", "size"):
                    topic = (("", kind), f"is {side}")
                    ask = Ask(attribute, topic, value(one, attribute), f"{side} {attribute}", (one.look,))
                    yield _Move(ask, False, focus=one, asked=attribute, pair=(one, other))


def _other(one: Thing, other: Thing, asked: str) -> Iterator[_Move]:
    """ "And the other one?" """
    yield _Move(Ask(asked, (), value(other, asked), "other", (other.look,)), True, focus=other, asked=asked)


def value(thing: Thing, attribute: str) -> str:
    """A thing's `colour`, its `size`, or `where` it is: the ninth of the picture."""
    if attribute == "where":
        return place(thing)
    return thing.colour if attribute == "colour" else thing.size


def _rounds(scene: Scene, said: Sequence[tuple[str, _Move]], language: Language, random: Random) -> list[Round]:
    """The rounds with their history and candidates."""
    opening = language.templates["picture with"][0].format(len(scene.things))
    before: list[Turn] = []
    rounds = []
    spoken = [language.word(move.ask.answer) for _, move in said]
    for question, move in said:
        kind = move.ask.type
        alike = ANSWERS.get(kind, ANSWERS["yes or no"])
        rest = [answer for answers in ANSWERS.values() for answer in answers]
        right = language.word(move.ask.answer)
        order = [right, *(language.word(answer) for answer in alike), *spoken]
        order += [language.word(answer) for answer in shuffled(random, rest)]
        candidates = shuffled(random, list(dict.fromkeys(order))[:NUM_CANDIDATES])
        history = write_history(before, opening) or ""
        rounds.append(
            Round(question, right, history, candidates, candidates.index(right), move.coreference, kind, move.ask.novel)
        )
        before.append(Turn(question, right))
    return rounds
