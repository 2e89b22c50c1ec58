"""Scenes keep what is held out for the test split, place things where they can be told apart, and survive JSON."""

from __future__ import annotations

import doctest
import importlib
import json
from itertools import combinations, pairwise, product

import numpy as np
import pytest

from sensemble.data.stampworld import held_out
from sensemble.data.stampworld.build import SPLITS, build
from sensemble.data.stampworld.sample import clip, picture
from sensemble.data.stampworld.scene import (
    COLOURS,
    FRAMES,
    RADIUS,
    SHAPES,
    SPAN,
    Motion,
    Scene,
    Thing,
    novelties,
)
from sensemble.data.stampworld.words import language

CUTOUTS = ("badger", "bison", "frog", "polar bear", "duck", "saw")


def scene(kind: str, number: int, **options: object) -> Scene:
    return {"picture": picture, "clip": clip}[kind](np.random.default_rng([3, number]), **options)


class TestHeldOut:
    def test_each_shape_lacks_one_colour_and_each_colour_one_shape(self) -> None:
        gone = [look for look in product(COLOURS, SHAPES) if held_out(look)]
        assert sorted(shape for _, shape in gone) == sorted(SHAPES)
        assert sorted(colour for colour, _ in gone) == sorted(COLOURS)

    def test_each_shape_lacks_one_neighbour(self) -> None:
        gone = [pair for pair in combinations(SHAPES, 2) if held_out(pair)]
        assert sorted(kind for pair in gone for kind in pair) == sorted(SHAPES)
        assert all(held_out((b, a)) for a, b in gone)  # whatever the order

    def test_shapes_are_all_shown_and_some_cutouts_are_not(self) -> None:
        assert not any(held_out((shape,)) for shape in SHAPES)
        names = [f"thing number {number}" for number in range(400)]
        assert np.mean([held_out((name,)) for name in names]) == pytest.approx(1 / 8, abs=0.05)
        for name in names[:20]:
            assert sum(held_out((colour, name)) for colour in COLOURS) == 1

    def test_a_scene_of_one_novelty_has_no_other(self) -> None:
        kinds = [*SHAPES, *CUTOUTS]
        assert any(held_out((kind,)) for kind in kinds)
        for maker, novel in product(("picture", "clip"), ("", "combination", "relation", "identity")):
            for number in range(5):
                made = scene(maker, number, kinds=kinds, novel=novel)
                assert novelties(thing.look for thing in made.things) == ({novel} if novel else set())


@pytest.mark.parametrize("kind", ["pictures", "clips"])
def test_splits_are_disjoint_in_what_is_held_out(kind: str) -> None:
    made = list(build(200, seed=0, kind=kind, language=language("en"), kinds=[*SHAPES, *CUTOUTS]))
    assert [sum(each.split == split for each in made) for split in SPLITS] == [160, 20, 20]
    new = [novelties(thing.look for thing in each.scene.things) for each in made]
    found = {split: [n for n, each in zip(new, made, strict=True) if each.split == split] for split in SPLITS}
    assert not any(found["train"]) and not any(found["valid"])
    assert sum(bool(each) for each in found["test"]) == 10
    assert set().union(*found["test"]) == {"combination", "relation", "identity"}
    assert all({each.scene.novel} - {""} == n for n, each in zip(new, made, strict=True))
    looks = [json.dumps(each.scene.to_json()) for each in made]
    assert len(set(looks)) == len(looks)


@pytest.mark.parametrize("kind", ["picture", "clip"])
class TestSampling:
    def test_one_seed_gives_one_scene(self, kind: str) -> None:
        assert scene(kind, 1) == scene(kind, 1)
        assert scene(kind, 1) != scene(kind, 2)

    def test_json_keeps_everything(self, kind: str) -> None:
        for number in range(10):
            made = scene(kind, number)
            assert Scene.from_json(json.loads(json.dumps(made.to_json()))) == made

    def test_things_stay_apart(self, kind: str) -> None:
        for number in range(30):
            made = scene(kind, number)
            for a, b in combinations(made.things, 2):
                for frame in range(FRAMES):
                    gaps = [abs(p - q) for p, q in zip(a.at(frame), b.at(frame), strict=True)]
                    if kind == "clip":  # a world without edges
                        gaps = [min(gap, SPAN - gap) for gap in gaps]
                    assert max(gaps) >= RADIUS[a.size] + RADIUS[b.size]


def test_clips_hold_three_things_one_sound_and_moves_apart_in_time() -> None:
    movers = []
    for number in range(60):
        made = scene("clip", number)
        assert len({thing.kind for thing in made.things}) == len({thing.colour for thing in made.things}) == 3
        (heard,) = [thing.sound for thing in made.things if thing.sound is not None]
        times = sorted([heard, *(thing.motion.start for thing in made.things if thing.motion)])
        assert all(later - sooner >= 2 for sooner, later in pairwise(times))
        assert times[-1] < FRAMES - 3
        movers.append(len(times) - 1)
    assert set(movers) == {1, 2, 3}


def test_a_motion_starts_stops_and_comes_in_at_the_other_edge() -> None:
    thing = Thing("star", "red", "small", 90, 20, Motion("right", 2, 5, 4))
    assert [thing.at(frame)[0] for frame in range(8)] == [90, 90, 90, 94, 2, 6, 6, 6]
    assert {thing.at(frame)[1] for frame in range(8)} == {20}
    up = Thing("star", "red", "small", 90, 3, Motion("up", 0, 1, 5))
    assert up.at(1) == (90, 94)


def test_names_are_as_short_as_they_can_be() -> None:
    star, other = Thing("star", "red", "small", 10, 10), Thing("star", "blue", "small", 40, 10)
    twins = [Thing("bar", "grey", "small", x, 60) for x in (10, 40)]
    made = Scene((star, other, *twins, Thing("heart", "red", "small", 80, 80)))
    assert [made.name(thing) for thing in made.things] == [("red", "star"), ("blue", "star"), None, None, ("", "heart")]
    assert made.find(("blue", "star")) is other
    assert (made.count(("", "star")), made.count(("red", "")), made.count(("grey", "bar"))) == (2, 2, 2)
    assert star.is_("left", other) and other.is_("right", star) and not star.is_("above", other)


@pytest.mark.parametrize("module", ["scene", "facts"])
def test_examples(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"sensemble.data.stampworld.{module}"))
    assert result.attempted and not result.failed
