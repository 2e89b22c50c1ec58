"""What a question is before it has words, and the choice among questions that keeps their answers balanced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .sample import Random, pick
from .scene import Name, novelties
from .words import Language


@dataclass(frozen=True)
class Ask:
    """A question about a scene, with its answer.

    Args:
        type: its kind, as the tables name it.
        topic: what it is about: names of things, and keys of words.
        answer: the key of the right answer.
        form: the key of its templates; by default its type.
        about: further names of things that it joins with the topic's.
    """

    type: str
    topic: tuple[Name | str, ...]
    answer: str
    form: str = ""
    about: tuple[Name, ...] = ()

    def text(self, language: Language, random: Random) -> str:
        """The question in words, one of several paraphrases."""
        return language.say(pick(random, language.templates[self.form or self.type]), self.topic)

    @property
    def names(self) -> list[Name]:
        """All things that question and answer join."""
        return [*(part for part in self.topic if isinstance(part, tuple)), *self.about]

    @property
    def novel(self) -> str:
        """What in it training never shows; empty for nothing."""
        return min(novelties(self.names), default="")


def allowed(asks: Iterable[Ask], novel: str) -> list[Ask]:
    """The questions that may be asked about a scene with that novelty.

    What is new to training is left out where the scene has nothing new. Where it has, nothing else is asked if
    that leaves all answers open.
    """
    asks = list(asks)
    known = [ask for ask in asks if not ask.novel]
    if not novel:
        return known
    new = [ask for ask in asks if ask.novel == novel]
    return new if {ask.answer for ask in new} >= {ask.answer for ask in asks} else new + known


class Balance:
    """Chooses, among questions that a scene allows, the one whose answer was rarest so far.

    So every type's answers are about equally frequent, and so are the answers of each single question ("How many
    stars are there?"): reading the question without looking does not pay. One for each split.
    """

    def __init__(self) -> None:
        self._of_type: Counter[tuple[str, str]] = Counter()
        self._of_topic: Counter[tuple[str, tuple[Name | str, ...], str]] = Counter()
        self._answers: dict[tuple[str, tuple[Name | str, ...]], set[str]] = {}
        self._total: Counter[tuple[str, tuple[Name | str, ...]]] = Counter()

    def frequency(self, ask: Ask) -> int:
        """How often the answer was right in questions of the type."""
        return self._of_type[ask.type, ask.answer]

    def excess(self, ask: Ask) -> float:
        """How much more often than its share the answer was right in this very question."""
        topic = (ask.type, ask.topic)
        share = self._total[topic] / max(len(self._answers.get(topic, ())), 2)
        return self._of_topic[*topic, ask.answer] - share

    def best(self, asks: Iterable[Ask], random: Random) -> Ask | None:
        """The question to ask, not yet counted; `None` where there is none."""
        rarest = _least(list(asks), self.frequency)
        return pick(random, _least(rarest, self.excess)) if rarest else None

    def lead(self, ask: Ask) -> int:
        """How many times more often than the rarest one of its type the answer was right."""
        counts = [number for (kind, _), number in self._of_type.items() if kind == ask.type]
        return self._of_type[ask.type, ask.answer] - min(counts, default=0)

    def count(self, ask: Ask) -> Ask:
        """Notes that a question was asked. Returns it."""
        topic = (ask.type, ask.topic)
        self._of_type[ask.type, ask.answer] += 1
        self._of_topic[*topic, ask.answer] += 1
        self._answers.setdefault(topic, set()).add(ask.answer)
        self._total[topic] += 1
        return ask

    def opposites(self, first: Sequence[Ask], second: Sequence[Ask], random: Random) -> list[Ask]:
        """One question of each of two types that are answered yes or no: one with yes, the other with no.

        So a picture alone never tells which of the two it is.
        """
        choices = []
        for answers in (("yes", "no"), ("no", "yes")):
            pair = [
                self.best([ask for ask in asks if ask.answer == answer], random)
                for asks, answer in zip((first, second), answers, strict=True)
            ]
            found = [ask for ask in pair if ask is not None]
            choices.append((-len(found), sum(map(self.frequency, found)), found))
        order = [0, 1] if random.integers(2) else [1, 0]
        chosen = min((choices[place] for place in order), key=lambda choice: choice[:2])[2]
        return [self.count(ask) for ask in chosen]


def _least(asks: Sequence[Ask], measure: Callable[[Ask], float]) -> list[Ask]:
    """Those of some questions of which something is least."""
    found = [measure(ask) for ask in asks]
    least = min(found, default=0)
    return [ask for ask, each in zip(asks, found, strict=True) if each == least]
