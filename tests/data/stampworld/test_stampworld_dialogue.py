"""Dialogues are answered right, and `coreference` stands where the history is needed and nowhere else."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sensemble.data.stampworld import controls
from sensemble.data.stampworld.asking import Balance
from sensemble.data.stampworld.dialogue import ANSWERS, Round, talk, teach, value
from sensemble.data.stampworld.sample import picture
from sensemble.data.stampworld.scene import COLOURS, SHAPES, Scene, Thing
from sensemble.data.stampworld.words import language

Talk = tuple[Scene, list[Round]]
LEANS = re.compile(r"\b(it|its|they|their)\b|^(And|What about) ")


def talks(number: int, *, seed: int = 0, code: str = "en") -> list[Talk]:
    random, balance, found = np.random.default_rng(seed), Balance(), []
    for _ in range(number):
        scene = picture(random)
        found.append((scene, talk(scene, balance, language(code), random)))
    return found


@pytest.fixture(scope="module")
def english() -> list[Talk]:
    return talks(250)


def test_rounds_history_and_candidates(english: list[Talk]) -> None:
    lengths = set()
    for scene, rounds in english:
        lengths.add(len(rounds))
        history = f"[C] A picture with {len(scene.things)} things."
        for each in rounds:
            assert each.history == history
            history += f" [Q] {each.question} [A] {each.answer}"
            assert len(each.candidates) == len(set(each.candidates)) == 20
            assert each.candidates[each.answer_index] == each.answer
            alike = ANSWERS.get(each.type, ("yes", "no"))
            assert set(alike) <= set(each.candidates)  # all answers of its kind are there to distract
        spoken = {each.answer for each in rounds}
        assert all(len(spoken - set(each.candidates)) <= 2 for each in rounds)
    assert lengths == {5, 6, 7, 8, 9, 10}


def test_the_place_of_the_answer_tells_nothing(english: list[Talk]) -> None:
    places = [each.answer_index for _, rounds in english for each in rounds]
    assert np.bincount(places, minlength=20).max() / len(places) < 0.08


def test_coreference_stands_where_words_lean_on_history(english: list[Talk]) -> None:
    flags = []
    for _, rounds in english:
        assert not rounds[0].coreference
        for each in rounds:
            assert each.coreference == bool(LEANS.search(each.question)), each.question
            flags.append(each.coreference)
    assert 0.3 < np.mean(flags) < 0.6


def test_the_same_words_get_other_answers_in_other_histories(english: list[Talk]) -> None:
    """What leans on history cannot be answered by words and picture: another thing has another answer."""
    checked = 0
    for scene, rounds in english:
        for each in rounds:
            if each.coreference and each.type in ("colour", "size", "where") and re.search(r"\bits?\b", each.question):
                assert len({value(thing, each.type) for thing in scene.things}) > 1
                checked += 1
    assert checked > 100


def test_answers_follow_from_history(english: list[Talk]) -> None:
    """An independent reader, which knows what was named last and asked last."""
    for scene, rounds in english:
        reader = Reader(scene)
        for each in rounds:
            assert reader.read(each.question, each.answer) == each.answer, (each.history, each.question)


def test_all_ways_to_lean_occur(english: list[Talk]) -> None:
    said = {each.question.rstrip("?") for _, rounds in english for each in rounds if each.coreference}
    assert {"And the other one", "What colour is it", "What colour are they", "Where is it"} <= said
    assert any(re.match("And the (star|circle|bar)", each) for each in said)
    assert any(re.match("Is it (left of|above)", each) for each in said)


def test_reading_alone_does_not_pay(english: list[Talk]) -> None:
    sets = [
        [
            {"question": r.question, "answer": r.answer, "type": r.type}
            for _, rounds in some
            for r in rounds
            if r.coreference
        ]
        for some in (english, talks(250, seed=1))
    ]
    found = controls.question_only(*sets)
    for kind, chance in {"colour": 1 / 8, "size": 1 / 2, "where": 1 / 4, "relation": 1 / 2}.items():
        assert found[kind] < chance + 0.09, (kind, found[kind])


def test_chinese_says_the_same() -> None:
    for (scene, first), (same, second) in zip(talks(20, seed=5), talks(20, seed=5, code="zh"), strict=True):
        assert scene == same
        for a, b in zip(first, second, strict=True):
            assert (a.coreference, a.type, a.novel) == (b.coreference, b.type, b.novel)
            assert language("zh").word(a.answer) == b.answer
            assert b.coreference == bool(re.search("它|另一个|^那|呢？$", b.question)), b.question
            assert not re.search("[A-Za-z]", b.question)


class Reader:
    """Answers English questions about a scene, keeping in mind what they are about."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.it: Thing | None = None
        self.they: list[Thing] = []
        self.asked = ""
        self.other: Thing | None = None

    def read(self, question: str, truth: str) -> str:
        named = self.named(question)
        side = re.search(r"(left of|right of|above|below)", question)
        if side:
            assert self.it is not None
            (b,) = named
            self.asked, self.other, a = "", None, self.it
            return "yes" if {"l": a.x < b.x, "r": a.x > b.x, "a": a.y < b.y, "b": a.y > b.y}[side[0][0]] else "no"
        if re.search("How many|number of", question):
            self.mind(named)
            return str(len(named))
        if re.search("Is there|Can you see|appear", question):
            self.mind(named)
            return "yes" if named else "no"
        attributes = (("colour", "colour"), ("small|big", "size"), ("Where|part of", "where"))
        asked = next((name for words, name in attributes if re.search(words, question)), self.asked)
        if re.search("they|their", question):
            (found,) = {thing.colour for thing in self.they}
            self.asked = ""
            return found
        spare = None
        if "other" in question:
            assert self.other is not None
            thing = self.other
        elif named:
            named.sort(key=lambda each: each.x)
            thing = named[-1] if "on the right" in question else named[0]
            spare = named[0] if thing is named[-1] else named[-1]
            assert len(named) == 1 or "on the" in question
        else:
            assert self.it is not None
            thing = self.it
        self.it, self.they, self.asked = thing, [], asked
        self.other = spare if named and len(named) == 2 else None
        return value(thing, asked)

    def mind(self, named: list[Thing]) -> None:
        self.it = named[0] if len(named) == 1 else None
        self.they, self.asked, self.other = named, "", None

    def named(self, question: str) -> list[Thing]:
        colour = next((name for name in COLOURS if re.search(rf"\b{name}\b", question)), "")
        kind = next((name for name in SHAPES if re.search(rf"\b{name}(s|es)?\b", question)), None)
        return [thing for thing in self.scene.things if colour in ("", thing.colour) and thing.kind == kind]


def test_all_is_told_of_each_thing_by_its_name_and_as_it() -> None:
    for seed in range(30):
        random = np.random.default_rng(seed)
        scene = picture(random)
        taught = teach(scene, language("en"), random)
        assert len(taught) == 2 * len(scene.named) > 0
        for (named, told, none), (it, again, history) in zip(taught[::2], taught[1::2], strict=True):
            (thing,) = Reader(scene).named(named)
            assert told == again == f"{thing.size}, {thing.colour}, {value(thing, 'where')}"
            assert none is None and it == "Describe it." and history is not None and history.count("[Q]") == 1
            first, answer = history.split("[Q] ")[1].split(" [A] ")
            reader = Reader(scene)
            assert reader.read(first, answer) == answer and reader.it == thing
        chinese = "".join(text for row in teach(scene, language("zh"), random) for text in row if text)
        assert not re.search("[A-Za-z]", re.sub(r"\[[CQA]\]", "", chinese)), chinese
