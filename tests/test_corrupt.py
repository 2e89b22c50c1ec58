"""Corruptions: nothing at level 0, all but everything at level 1, the same chance at every level."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

import made_media as made
from sensemble.corrupt import typos, word_drop
from sensemble.encoders.frozen import Frozen
from sensemble.errors import Unreadable
from sensemble.modalities.audio import Audio
from sensemble.modalities.base import Modality
from sensemble.modalities.category import Category
from sensemble.modalities.image import Image
from sensemble.modalities.items import Items
from sensemble.modalities.number import Number
from sensemble.modalities.text import Text
from sensemble.modalities.vector import Vector
from sensemble.modalities.video import Video
from sensemble.modalities.wave import Wave

ENGLISH, CHINESE = "Good tea, and a good day to you all.", "今天的茶很好，我们明天再来喝。"
LABELS = ["red", "blue", "green", "black"]


def make() -> dict[str, tuple[Modality, Any]]:
    """A fitted modality of every kind, and a value of it."""
    video = np.stack(made.noisy(6))
    return {
        "image": (Image(size=32), made.picture_bytes(made.quarters())),
        "video": (Video(frames=4, size=16), video),
        "audio": (Audio(rate=8000, bands=16), made.sound_bytes(made.tone(0.5))),
        "wave": (Wave(rate=8000), made.sound_bytes(made.tone(0.5))),
        "text": (Text(vocab=300).fit([ENGLISH, CHINESE]), ENGLISH),
        "chinese": (Text(vocab=300).fit([ENGLISH, CHINESE]), CHINESE.encode()),
        "number": (Number().fit([1.0, 2.0, 3.0]), "2.5"),
        "vector": (Vector().fit(np.random.default_rng(0).normal(size=(50, 8)).tolist()), [0.5] * 8),
        "category": (Category().fit(LABELS), "red"),
        "items": (Items().fit([LABELS]), ["red", "blue", "red", "green"]),
    }


CASES = [(kind, name) for kind, (modality, _) in make().items() for name in modality.corruptions()]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_level_0_changes_nothing_and_chance_is_the_seed_s(kind: str, name: str) -> None:
    modality, raw = make()[kind]

    def loaded(level: float, seed: int = 1) -> torch.Tensor:
        return modality.load(modality.corrupt(raw, name, level, np.random.default_rng(seed)))

    clean = modality.load(raw)
    assert torch.equal(loaded(0.0), clean)
    assert torch.equal(loaded(1.0), loaded(1.0)), "the same seed gives the same"
    assert not torch.equal(loaded(1.0), clean)
    if name not in ("blur", "jpeg", "word_drop"):  # which know no chance, at level 1
        assert any(not torch.equal(loaded(1.0, seed), loaded(1.0)) for seed in range(2, 9))


def test_every_modality_has_a_corruption() -> None:
    assert {kind for kind, _ in CASES} == set(make())


def test_a_blurred_picture_fades_level_by_level() -> None:
    modality, raw = make()["image"]
    spread = [
        float(modality.load(modality.corrupt(raw, "blur", level, np.random.default_rng(0))).float().std())
        for level in (0, 0.25, 0.5, 0.75, 1)
    ]
    assert spread == sorted(spread, reverse=True) and spread[-1] < 0.35 * spread[0]


def test_salt_and_pepper_hits_the_stated_share_and_more_hits_hold_fewer() -> None:
    modality = Image(size=64)
    grey = Pillow.new("RGB", (64, 64), made.GREY)
    hits = []
    for level in (0.25, 0.5, 1.0):
        values = np.asarray(modality.corrupt(grey, "salt_and_pepper", level, np.random.default_rng(0)))
        assert set(np.unique(values)) <= {0, 128, 255}
        hits.append(values[..., 0] != 128)
        assert hits[-1].mean() == pytest.approx(level, abs=0.03)
    assert (hits[1] | ~hits[0]).all(), "what is hit by a little is hit by more"


def test_amounts_of_pictures_are_in_their_own_pixels() -> None:
    kinds = Image(size=64).corruptions()
    assert [kinds["blur"].amount(level) for level in (0.5, 1)] == [8, 32]
    assert [kinds["jpeg"].amount(level) for level in (0.25, 0.5, 1)] == [32, 10, 1]


@pytest.mark.parametrize("level", [0.25, 0.75, 1.0])
def test_noise_has_the_stated_power(level: float) -> None:
    modality = Wave(rate=16_000)
    sound = {"array": made.tone(1.0), "sampling_rate": 16_000}
    noisy = modality.corrupt(sound, "noise", level, np.random.default_rng(0))["array"]
    noise = noisy - sound["array"]
    decibels = 10 * np.log10(np.square(sound["array"]).mean() / np.square(noise).mean())
    assert decibels == pytest.approx(40 - 60 * level, abs=0.2)
    silent = modality.corrupt({"array": np.zeros(99), "sampling_rate": 16_000}, "noise", 1.0, np.random.default_rng(0))
    assert not silent["array"].any()


def test_noise_on_numbers_is_in_deviations_of_each_feature() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(400, 2)) * [1, 1000]
    modality = Vector().fit(vectors.tolist())
    worse = torch.cat([modality.load(modality.corrupt(each, "noise", 1.0, random)) for each in vectors])
    clean = torch.cat([modality.load(each) for each in vectors])
    assert (worse - clean).std(0).tolist() == pytest.approx([4, 4], rel=0.15)


def test_typos_keep_script_and_length_and_spare_the_rest() -> None:
    for text in (ENGLISH, CHINESE, "Ελληνικά 123 это"):
        worse = typos(text, 1.0, np.random.default_rng(0))
        assert len(worse) == len(text) and worse != text
        for old, new in zip(text, worse, strict=True):
            assert (old != new) == old.isalnum(), (old, new)
            assert old.isalnum() == new.isalnum() and old.isdigit() == new.isdigit()
            assert ("一" <= old <= "龥") == ("一" <= new <= "龥")
    assert typos("a" * 2000, 0.3, np.random.default_rng(0)).count("a") == pytest.approx(1400, abs=80)


def test_words_are_dropped_by_word_and_chinese_by_character() -> None:
    few = word_drop(ENGLISH, 0.4, np.random.default_rng(0)).split()
    assert 0 < len(few) < 9 and set(few) <= set(ENGLISH.split())
    some = word_drop(CHINESE * 20, 0.5, np.random.default_rng(0))
    assert len(some) == pytest.approx(len(CHINESE) * 10, rel=0.2)
    assert word_drop("好 tea 很好", 0.0, np.random.default_rng(0)) == "好 tea 很好"
    assert word_drop(ENGLISH, 1.0, np.random.default_rng(0)) == ""


def test_a_label_becomes_each_of_the_others_and_never_itself() -> None:
    for label in (*LABELS, "unknown"):
        modality = Category().fit(LABELS)
        found = [modality.corrupt(label, "swap", 1.0, np.random.default_rng(seed)) for seed in range(80)]
        assert set(found) == set(LABELS) - {label}
    lonely = Category().fit(["one"])
    assert lonely.corrupt("one", "swap", 1.0, np.random.default_rng(0)) == "one"


@pytest.mark.parametrize(
    ("kind", "raw"),
    [("image", b"no picture"), ("video", b"no clip"), ("audio", b"no sound"), ("number", "much"), ("vector", [1.0])],
)
def test_what_cannot_be_read_cannot_be_made_worse(kind: str, raw: Any) -> None:
    modality, _ = make()[kind]
    name = next(iter(modality.corruptions()))
    with pytest.raises(Unreadable):
        modality.corrupt(raw, name, 0.5, np.random.default_rng(0))


def test_a_frozen_encoder_makes_its_own_modality_s_values_worse() -> None:
    class Body(torch.nn.Module):
        source = Image(size=16)
        dim = 4

    frozen = Frozen(Body())  # type: ignore[arg-type]
    worse = frozen.corrupt(made.quarters(), "jpeg", 1.0, np.random.default_rng(0))
    assert set(frozen.corruptions()) == set(Body.source.corruptions()) and worse.size == (16, 16)
