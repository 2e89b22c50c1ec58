"""Blind baselines: what reading the question, seeing the picture, or seeing one frame alone is worth.

A data set of questions is only as good as these are bad. Nothing is trained; all is counted, from the training
rows to the others.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from .scene import FRAMES, SPAN, Scene, Thing
from .words import Language

Row = Mapping[str, Any]
CHANCE = {
    **dict.fromkeys(("exists", "relation", "same", "moved", "before", "sound_order", "order"), 1 / 2),
    **dict.fromkeys(("compare", "moves"), 1 / 3),
    "direction": 1 / 4,
    "count": 1 / 5,
    "where": 1 / 9,
    "kind_at": 1 / 8,
    **dict.fromkeys(("colour", "colour_at"), 1 / 7),
    **dict.fromkeys(("kind", "sound_colour", "sound"), 1 / 5),
}
"""What a guess is worth that knows the answers of each type of question (in training a kind has seven colours)."""
CLIP_CHANCE = {**CHANCE, "colour": 1 / 5}
"""The same for clips, which have fewer colours."""


def most_frequent(train: Sequence[Row], test: Sequence[Row]) -> dict[str, float]:
    """Accuracy by type of the answer that was most frequent for that type in training."""
    return _lookup(train, test, lambda row: row["type"])


def question_only(train: Sequence[Row], test: Sequence[Row]) -> dict[str, float]:
    """Accuracy by type of the answer that was most frequent for that very question in training."""
    return _lookup(train, test, lambda row: row["question"])


def media_only(test: Sequence[Row], *, column: str = "image") -> float:
    """The highest accuracy that any model can reach which sees the picture or clip but not the question.

    It knows which answer each picture's questions have most often.
    """
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for row in test:
        answers[row[column]][row["answer"]] += 1
    return sum(max(found.values()) for found in answers.values()) / len(test)


def single_frame(
    train: Sequence[Row], test: Sequence[Row], scenes: Mapping[str, Scene], language: Language
) -> dict[str, float]:
    """Accuracy by type of whoever reads the question and sees where everything is in one frame, the most telling one.

    Args:
        train, test: rows of `video_qa`.
        scenes: the graphs by the rows' `clip`.
        language: of the questions.
    """
    best: dict[str, float] = defaultdict(float)
    named = {id(row): _named(row, scenes[row["clip"]], language) for row in (*train, *test)}

    def answer(row: Row) -> str:
        first = named[id(row)][0] if row["type"] == "order" else None
        names = [] if first is None else [language.word(name) for name in (first.kind, first.colour)]
        return str(row["answer"] in names if names else row["answer"])

    for frame in range(FRAMES):

        def key(row: Row, frame: int = frame) -> Hashable:
            return row["type"], _frame_facts(scenes[row["clip"]], named[id(row)], frame)

        for kind, value in _lookup(train, test, key, answer).items():
            best[kind] = max(best[kind], value)
    return dict(best)


def _lookup(
    train: Sequence[Row],
    test: Sequence[Row],
    key: Callable[[Row], Hashable],
    answer: Callable[[Row], str] = lambda row: str(row["answer"]),
) -> dict[str, float]:
    """Accuracy by type of the answer that was most frequent under a key, or else under the type."""
    seen: dict[Hashable, Counter[str]] = defaultdict(Counter)
    for row in train:
        seen[key(row)][answer(row)] += 1
        seen["type", row["type"]][answer(row)] += 1
    right: Counter[str] = Counter()
    for row in test:
        found = seen.get(key(row)) or seen.get(("type", row["type"]))
        right[row["type"]] += found is not None and found.most_common(1)[0][0] == answer(row)
    total = Counter(row["type"] for row in test)
    return {kind: right[kind] / number for kind, number in sorted(total.items())}


def _named(row: Row, scene: Scene, language: Language) -> list[Thing]:
    """The things that a question names, in its order."""
    question = row["question"].lower()
    at = [(max(question.find(language.word(name)) for name in thing.look), thing) for thing in scene.things]
    places = [(place, thing) for place, thing in at if place >= 0]
    return [thing for _, thing in sorted(places, key=lambda each: each[0])]


def _frame_facts(scene: Scene, named: Sequence[Thing], frame: int) -> tuple[int, ...]:
    """Where the first named thing is, in thirds of the frame, and where the next and the nearest are from it."""
    first = named[0] if named else scene.things[0]
    others = [thing for thing in scene.things if thing is not first]
    nearest = min(others, key=lambda thing: sum(abs(part) for part in _offset(first, thing, frame)))
    facts = [part * 3 // SPAN for part in first.at(frame)] if named else []
    for thing in (*named[1:2], nearest):
        facts += [(part + SPAN // 2) * 3 // SPAN for part in _offset(first, thing, frame)]
    return tuple(facts)


def _offset(a: Thing, b: Thing, frame: int) -> list[int]:
    """How far a thing is from another, the short way round."""
    return [(q - p + SPAN // 2) % SPAN - SPAN // 2 for p, q in zip(a.at(frame), b.at(frame), strict=True)]
