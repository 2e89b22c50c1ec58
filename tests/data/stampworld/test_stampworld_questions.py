"""Questions are answered right and balanced; reading them, or seeing the picture or one frame alone, does not pay."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest

from sensemble.data.stampworld import controls
from sensemble.data.stampworld.asking import Ask, Balance
from sensemble.data.stampworld.build import build
from sensemble.data.stampworld.clip_questions import NEEDS_SOUND, NEEDS_TIME, ask_clip
from sensemble.data.stampworld.clip_questions import TYPES as CLIP_TYPES
from sensemble.data.stampworld.questions import PLACES, TYPES, ask_picture, options, place
from sensemble.data.stampworld.sample import clip, picture
from sensemble.data.stampworld.scene import COLOURS, FRAMES, SHAPES, Motion, Scene, Thing
from sensemble.data.stampworld.words import language

ENGLISH = language("en")
BLIND = 0.06
"""How far question-only may be above chance, for any type: about two standard errors of 800 rows."""
ONE_FRAME = 0.09
"""Likewise for the best of 16 frames, of which the luckiest is taken."""


def rows(kind: str, scenes: int, seed: int) -> tuple[list[dict[str, Any]], dict[str, Scene]]:
    """Rows as the training split has them, and the scenes by file."""
    make, ask, column = {"pictures": (picture, ask_picture, "image"), "clips": (clip, ask_clip, "clip")}[kind]
    balance, found, graphs = Balance(), [], {}
    for number in range(scenes):
        random = np.random.default_rng([seed, number])
        graphs[f"{seed}/{number}"] = scene = make(random)
        for each in ask(scene, balance, random):
            cells = {"question": each.text(ENGLISH, random), "answer": ENGLISH.word(each.answer), "type": each.type}
            found.append({column: f"{seed}/{number}", **cells})
    return found, graphs


@pytest.fixture(scope="module")
def pictures() -> list[tuple[list[dict[str, Any]], dict[str, Scene]]]:
    return [rows("pictures", 1000, seed) for seed in (0, 1)]


@pytest.fixture(scope="module")
def clips() -> list[tuple[list[dict[str, Any]], dict[str, Scene]]]:
    return [rows("clips", 1400, seed) for seed in (0, 1)]


class TestPictures:
    def test_four_questions_with_four_answers(self, pictures: Any) -> None:
        answers = defaultdict(list)
        for row in pictures[0][0]:
            answers[row["image"]].append(row["answer"])
        assert all(len(found) == len(set(found)) == 4 for found in answers.values())
        assert controls.media_only(pictures[0][0]) == 0.25

    def test_answers_are_balanced(self, pictures: Any) -> None:
        for kind in TYPES:
            counts = Counter(row["answer"] for row in pictures[0][0] if row["type"] == kind)
            numbers = {"count": 5, "compare": 3, "where": 9} | dict.fromkeys(("colour", "colour_at", "kind_at"), 8)
            assert len(counts) == numbers.get(kind, 2)
            assert max(counts.values()) <= 1.15 * min(counts.values()), (kind, counts)

    def test_reading_alone_does_not_pay(self, pictures: Any) -> None:
        (train, _), (test, _) = pictures
        for control in (controls.most_frequent, controls.question_only):
            found = control(train, test)
            assert set(found) == set(TYPES)
            for kind, accuracy in found.items():
                assert accuracy < controls.CHANCE[kind] + BLIND, (control.__name__, kind, accuracy)

    def test_several_sets_of_questions_are_as_balanced_and_none_is_asked_twice(self) -> None:
        balance, found = Balance(), []
        for number in range(60):
            random = np.random.default_rng(number)
            asks = ask_picture(picture(random), balance, random, sets=4)
            assert len(set(asks)) == len(asks) >= 14
            found += [{"image": number, "answer": ask.answer} for ask in asks]
        assert controls.media_only(found) < 0.26

    def test_training_alone_asks_what_stands_in_each_place(self) -> None:
        for made in build(20, seed=0, kind="pictures", language=ENGLISH):
            wholes = [row["answer"] for row in made.rows["vqa"] if row["type"] == "describe"]
            assert len(wholes) == (1 if made.split == "train" else 0)
            wanted = ["nothing"] * 9
            for thing in made.scene.things:
                wanted[PLACES.index(place(thing))] = " ".join(thing.look)
            assert all(text.split(", ") == wanted for text in wholes)

    def test_a_control_finds_a_bias_that_is_there(self) -> None:
        biased = [{"question": f"q{n % 2}", "answer": "ab"[n % 2], "type": "t", "image": n} for n in range(10)]
        assert controls.question_only(biased, biased) == {"t": 1.0}
        assert controls.most_frequent(biased, biased) == {"t": 0.5}
        assert controls.media_only(biased) == 1.0

    def test_answers_are_right(self, pictures: Any) -> None:
        found, graphs = pictures[0]
        for row in found[:1200]:
            assert answer(row["question"], graphs[row["image"]]) == row["answer"], row

    def test_nothing_new_is_asked_in_training_and_new_things_are_in_test(self) -> None:
        made = list(build(200, seed=0, kind="pictures", language=ENGLISH))
        novel = Counter((each.split, row["novel"]) for each in made for row in each.rows["vqa"])
        assert {key for key in novel if key[0] != "test"} == {("train", ""), ("valid", "")}
        assert novel["test", "combination"] >= 5 and novel["test", "relation"] >= 3


class TestClips:
    def test_five_questions_one_yes_and_one_no(self, clips: Any) -> None:
        answers = defaultdict(list)
        for row in clips[0][0]:
            answers[row["clip"]].append(row["answer"])
        for found in answers.values():
            assert len(found) == len(set(found)) == 5 and {"yes", "no"} <= set(found)
        assert controls.media_only(clips[0][0], column="clip") == 0.2

    def test_answers_are_balanced(self, clips: Any) -> None:
        for kind in CLIP_TYPES:
            counts = Counter(row["answer"] for row in clips[0][0] if row["type"] == kind)
            assert max(counts.values()) <= 1.4 * np.mean(list(counts.values())), (kind, counts)

    def test_reading_alone_does_not_pay(self, clips: Any) -> None:
        (train, _), (test, _) = clips
        found = controls.question_only(train, test)
        assert set(found) == set(CLIP_TYPES)
        for kind, accuracy in found.items():
            assert accuracy < controls.CLIP_CHANCE[kind] + BLIND, (kind, accuracy)

    def test_no_frame_tells_what_needs_time(self, clips: Any) -> None:
        (train, first), (test, second) = clips
        timed = [[row for row in some if row["type"] in NEEDS_TIME] for some in (train, test)]
        found = controls.single_frame(*timed, {**first, **second}, ENGLISH)
        assert set(found) == set(NEEDS_TIME)
        for kind, accuracy in found.items():
            assert accuracy < controls.CLIP_CHANCE[kind] + ONE_FRAME, (kind, accuracy)

    def test_a_frame_that_tells_is_found(self) -> None:
        """Things that go left, all from the right edge: the frame gives the direction away."""
        graphs, found = {}, []
        for number in range(40):
            way, x = (("left", 90), ("right", 6))[number % 2]
            mover = Thing("star", "red", "small", x, 30, Motion(way, 1, 5, 4))
            graphs[str(number)] = Scene((mover, Thing("bar", "blue", "small", 48, 70)))
            found.append({"clip": str(number), "question": "Which way does the star move?", "answer": way, "type": "t"})
        assert controls.single_frame(found, found, graphs, ENGLISH) == {"t": 1.0}

    def test_answers_are_right(self, clips: Any) -> None:
        found, graphs = clips[0]
        for row in found[:1500]:
            assert clip_answer(row, graphs[row["clip"]]) == row["answer"], row

    def test_several_sets_for_training_alone_and_none_is_asked_twice(self) -> None:
        for number in range(20):
            random = np.random.default_rng(number)
            asks = ask_clip(clip(random), Balance(), random, sets=4)
            assert len(set(asks)) == len(asks) >= 15
        sizes = {made.split: len(made.rows["video_qa"]) for made in build(40, seed=0, kind="clips", language=ENGLISH)}
        assert sizes["train"] == 11 and sizes["test"] == 5

    def test_rows_say_what_they_need(self) -> None:
        for made in build(40, seed=0, kind="clips", language=ENGLISH):
            for row in made.rows["video_qa"]:
                whole = row["type"] == "describe"  # needs all there is
                assert row["needs_time"] == (whole or row["type"] in NEEDS_TIME)
                assert row["needs_sound"] == (whole or row["type"] in NEEDS_SOUND)

    def test_training_alone_asks_what_each_thing_does(self) -> None:
        for made in build(20, seed=0, kind="clips", language=ENGLISH):
            wholes = [row["answer"] for row in made.rows["video_qa"] if row["type"] == "describe"]
            assert len(wholes) == (1 if made.split == "train" else 0)
            for text in wholes:
                said = [part.rsplit(" ", 1) for part in text.split(", ")]
                done = {name: verb for name, verb in said if verb != "heard"}
                (heard,) = (name for name, verb in said if verb == "heard")
                things = {" ".join(thing.look): thing for thing in made.scene.things}
                assert done == {
                    name: thing.motion.direction if thing.motion else "stays" for name, thing in things.items()
                }
                assert things[heard].sound is not None
                begun = [things[name].motion.start for name, verb in done.items() if verb != "stays"]
                assert begun == sorted(begun)


@pytest.mark.parametrize(("kind", "table"), [("pictures", "vqa"), ("clips", "video_qa")])
def test_chinese_asks_the_same_of_the_same_scenes(kind: str, table: str) -> None:
    first, second = (list(build(60, seed=4, kind=kind, language=language(code))) for code in ("en", "zh"))
    for english, chinese in zip(first, second, strict=True):
        assert english.scene == chinese.scene
        for a, b in zip(english.rows[table], chinese.rows[table], strict=True):
            if a["type"] == "describe" and kind == "clips":
                assert a["answer"].count(", ") == b["answer"].count("、") == 3
            elif a["type"] == "describe":
                for one, other in zip(a["answer"].split(", "), b["answer"].split("、"), strict=True):
                    assert (one == "nothing") == (other == "空")
            else:
                assert language("zh").word({"as many": "equal"}.get(a["answer"], a["answer"])) == b["answer"]
            assert not re.search("[A-Za-z]", b["question"])
            assert (a["type"], a["novel"]) == (b["type"], b["novel"])


def test_balance_chooses_the_rarest_answer() -> None:
    balance, random = Balance(), np.random.default_rng(0)
    yes, no = (Ask("exists", (("red", "star"),), each) for each in ("yes", "no"))
    balance.count(yes)
    assert balance.best([yes, no], random) == no
    balance.count(no)
    balance.count(no)
    assert balance.best([yes, no], random) == yes
    assert (balance.lead(no), balance.lead(yes)) == (1, 0)
    assert balance.best([], random) is None


def test_a_question_is_asked_in_several_ways() -> None:
    random, made = np.random.default_rng(0), picture(np.random.default_rng(1))
    ask = options("count", made)[0]
    assert len({ask.text(ENGLISH, random) for _ in range(40)}) == len(ENGLISH.templates["count"])


def test_scenes_of_another_vocabulary_are_asked_about() -> None:
    kinds = [*SHAPES, "frog", "iguana"]
    random = np.random.default_rng(2)
    asks = [ask for _ in range(40) for ask in ask_picture(picture(random, kinds=kinds), Balance(), random, kinds=kinds)]
    said = " ".join(ask.text(ENGLISH, random) for ask in asks)
    assert "the card under the frog" in said and "iguanas" in said
    assert ask_clip.__kwdefaults__["kinds"] == SHAPES


def look(words: str) -> tuple[str, str]:
    """Colour and shape in a noun phrase, read without the world's own grammar."""
    colour = next((name for name in COLOURS if re.search(rf"\b{name}\b", words)), "")
    return colour, next((name for name in SHAPES if re.search(rf"\b{name}(s|es)?\b", words)), "")


def some(scene: Scene, words: str) -> list[Thing]:
    colour, kind = look(words)
    return [thing for thing in scene.things if colour in ("", thing.colour) and kind in ("", thing.kind)]


def cell(thing: Thing) -> str:
    """The ninth of the picture in which a thing stands."""
    row, side = ("top", "middle", "bottom")[thing.y // 32], ("left", "middle", "right")[thing.x // 32]
    return "centre" if row == side == "middle" else f"{row} {side}"


def answer(question: str, scene: Scene) -> str:
    """The answer by an independent reading of an English question."""
    if " the thing " in question or "What stands" in question or "kind of thing" in question:
        place = re.search(r"(?:top|middle|bottom) (?:left|middle|right)|centre", question)
        assert place is not None
        (thing,) = (each for each in scene.things if cell(each) == place[0])
        return thing.colour if "colour" in question.lower() else thing.kind
    if question.startswith(("Where", "In which part")):
        (thing,) = some(scene, question)
        return cell(thing)
    side = re.search(r"(left of|right of|above|below)", question)
    if side and "number" not in question:
        (a,), (b,) = (some(scene, part) for part in question.split(side[0]))
        return "yes" if {"l": a.x < b.x, "r": a.x > b.x, "a": a.y < b.y, "b": a.y > b.y}[side[0][0]] else "no"
    if "have the same" in question or "alike" in question:
        a, b = (some(scene, part)[0] for part in question.split(" and "))
        return "yes" if a.colour == b.colour else "no"
    if "colour" in question:
        (found,) = {thing.colour for thing in some(scene, question)}
        return found
    if "as many" in question:
        parts = question.split("than" if "than" in question else ", are")
        a, b = (len(some(scene, part)) for part in (parts if "than" in question else parts[::-1]))
        return "more" if a > b else "fewer" if a < b else "as many"
    if "How many" in question or "number" in question:
        return str(len(some(scene, question)))
    return "yes" if some(scene, question) else "no"


def clip_answer(row: dict[str, Any], scene: Scene) -> str:
    """The answer by looking at every frame."""
    moving = {
        thing: [frame for frame in range(1, FRAMES) if thing.at(frame) != thing.at(frame - 1)] for thing in scene.things
    }
    heard = next(thing for thing in scene.things if thing.sound is not None)
    question = row["question"]
    found = [(max(question.find(thing.kind), question.find(thing.colour)), thing) for thing in scene.things]
    named = [thing for place, thing in sorted(found, key=lambda each: each[0]) if place >= 0]
    kind = row["type"]
    if kind in ("order", "before"):
        a, b = named
        first = a if moving[a][0] < moving[b][0] else b
        name = first.kind if first.kind in question else first.colour
        return name if kind == "order" else "yes" if first is a else "no"
    if kind == "kind":
        return named[0].kind
    if kind == "direction":
        (x, y), (u, v) = (named[0].at(moving[named[0]][0] + shift) for shift in (-1, 0))
        across, down = ((q - p + 48) % 96 - 48 for p, q in ((x, u), (y, v)))
        return ("right" if across > 0 else "left") if across else ("down" if down > 0 else "up")
    if kind == "sound_order":
        assert heard.sound is not None
        return "yes" if moving[named[0]][0] <= heard.sound else "no"
    simple = {
        "moved": "yes" if named and moving[named[0]] else "no",
        "moves": str(sum(bool(frames) for frames in moving.values())),
        "sound": heard.kind,
        "sound_colour": heard.colour,
    }
    return simple.get(kind) or answer(question, scene)
