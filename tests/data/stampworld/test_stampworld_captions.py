"""Captions are true, say all they promise, and are read back fact by fact, in both languages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensemble.data.stampworld import facts
from sensemble.data.stampworld.captions import caption_clip, caption_picture, clip_facts, relate, scene_facts
from sensemble.data.stampworld.sample import clip, picture
from sensemble.data.stampworld.scene import SHAPES, Scene, Thing
from sensemble.data.stampworld.words import Language, language
from sensemble.errors import ConfigError

CUTOUTS = {"frog": "青蛙", "polar bear": "北极熊", "bear": "熊", "iguana": "", "mouse": "鼠"}
KINDS = (*SHAPES, *CUTOUTS)
NAMES = {kind: name for kind, name in CUTOUTS.items() if name}


def words(code: str) -> Language:
    return language(code, NAMES if code == "zh" else {})


def read(caption: str) -> frozenset:
    return facts(caption, kinds=tuple(CUTOUTS), names=NAMES)


@pytest.mark.parametrize("code", ["en", "zh"])
@given(seed=st.integers(0, 2**32), novel=st.sampled_from(["", "combination", "relation"]))
def test_what_a_picture_caption_states_is_read_back(code: str, seed: int, novel: str) -> None:
    random = np.random.default_rng(seed)
    scene = picture(random, kinds=KINDS, novel=novel)
    captions = caption_picture(scene, words(code), random)
    true = scene_facts(scene)
    counts = {fact for fact in true if fact[0] == "count"}
    assert len(captions) == 3 and len(set(captions)) > 1
    for caption in captions:
        found = read(caption)
        assert counts < found <= true
        ((_, *first, _),) = (fact for fact in found if fact[0] == "at")  # one place, and one relation of the same thing
        ((_, *ends),) = (fact for fact in found if fact[0] in ("left", "above"))
        assert tuple(first) in ends and len(found) == len(counts) + 2


@pytest.mark.parametrize("code", ["en", "zh"])
@given(seed=st.integers(0, 2**32), novel=st.sampled_from(["", "combination", "relation"]))
def test_texts_of_relations_are_true_of_one_thing_a_sentence(code: str, seed: int, novel: str) -> None:
    random = np.random.default_rng(seed)
    scene = picture(random, kinds=KINDS, novel=novel)
    for text in relate(scene, words(code), random):
        found = read(text)
        places = [fact for fact in found if fact[0] == "at"]
        sentences = text.count("。" if code == "zh" else ".")
        assert 1 <= len(places) == sentences <= 3
        assert found <= scene_facts(scene)


@pytest.mark.parametrize("code", ["en", "zh"])
@given(seed=st.integers(0, 2**32))
def test_what_a_clip_caption_states_is_read_back(code: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    scene = clip(random, kinds=KINDS)
    for caption in caption_clip(scene, words(code), random):
        assert read(caption) == clip_facts(scene)


def test_facts_of_a_scene() -> None:
    left, right = Thing("star", "red", "small", 12, 40), Thing("bar", "blue", "large", 80, 42)
    twins = [Thing("heart", "red", "small", x, 90) for x in (12, 80)]
    assert scene_facts(Scene((left, right, *twins))) == {
        ("count", "red", "star", 1),
        ("count", "blue", "bar", 1),
        ("count", "red", "heart", 2),
        ("at", "red", "star", "middle left"),
        ("at", "blue", "bar", "middle right"),
        ("left", ("red", "star"), ("blue", "bar")),  # nearly level, so neither is above
    }


@pytest.mark.parametrize(
    ("caption", "stated"),
    [
        ("Two red stars.", {("count", "red", "star", 2)}),
        ("there is an orange bar to the left of a thing", {("count", "orange", "bar", 1)}),
        (
            "The red star lies to the right of the blue bar.",
            {("left", ("blue", "bar"), ("red", "star"))},
        ),
        (
            "In the centre, below the bear on the blue card, stands the frog on the red card.",
            {("at", "red", "frog", "centre"), ("above", ("blue", "bear"), ("red", "frog"))},
        ),
        (
            "在图的左下、蓝色卡片上的熊的下面，有红色的星形。",
            {("at", "red", "star", "bottom left"), ("above", ("blue", "bear"), ("red", "star"))},
        ),
        (
            "The red star lies in the centre, below the blue bar.",
            {("at", "red", "star", "centre"), ("above", ("blue", "bar"), ("red", "star"))},
        ),
        ("five polar bears on grey cards", {("count", "grey", "polar bear", 5)}),
        ("a bear on a red card, two mice on blue cards", {("count", "red", "bear", 1), ("count", "blue", "mouse", 2)}),
        ("一个蓝色的长条在右边，两个红色的星形。", {("count", "blue", "bar", 1), ("count", "red", "star", 2)}),
        ("红色的星形位于蓝色的长条的下面", {("above", ("blue", "bar"), ("red", "star"))}),
        ("三个灰色卡片上的北极熊", {("count", "grey", "polar bear", 3)}),
        (
            "The red star goes up, then the blue bar moves left.",
            {
                ("moves", "red", "star", "up"),
                ("moves", "blue", "bar", "left"),
                ("before", ("red", "star"), ("blue", "bar")),
            },
        ),
        ("a red starfish and two pink stars and stars", set()),
        ("", set()),
    ],
)
def test_captions_of_others(caption: str, stated: set) -> None:
    assert read(caption) == stated


def test_a_wrong_caption_shows() -> None:
    scene = picture(np.random.default_rng(0))
    (caption, *_) = caption_picture(scene, language("en"), np.random.default_rng(0))
    (wrong,) = {thing.colour for thing in scene.things if thing.look == scene.things[0].look}
    changed = caption.replace(wrong, "cyan" if wrong != "cyan" else "red")
    assert facts(changed) != facts(caption) and not facts(changed) <= scene_facts(scene)


def test_english_grammar() -> None:
    noun = language("en").noun
    star, bear = noun(("orange", "star")), noun(("orange", "bear"))
    assert [f"{star:a}", f"{star:the}", f"{star:many}", f"{star:3}", f"{star:1}"] == [
        "an orange star", "the orange star", "orange stars", "three orange stars", "an orange star",
    ]  # fmt: skip
    assert [f"{bear:a}", f"{bear:2}", f"{bear:tint}"] == [
        "a bear on an orange card", "two bears on orange cards", "the card under the bear",
    ]  # fmt: skip
    assert [f"{noun(('', kind)):many}" for kind in ("cross", "polar bear", "mouse", "pony", "")] == [
        "crosses", "polar bears", "mice", "ponies", "things",
    ]  # fmt: skip


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown language 'eng': did you mean 'en'"):
        language("eng")
