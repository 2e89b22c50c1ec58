"""What is drawn is what the graph says: colours at their places, moves in clips, sounds at their time."""

from __future__ import annotations

import sys
import wave
from itertools import pairwise, product
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from sensemble.data.stampworld.cutouts import Cutout, kind_of, read_cutouts
from sensemble.data.stampworld.render import SHADE, SIDE, draw_picture, save_picture
from sensemble.data.stampworld.sample import clip, picture
from sensemble.data.stampworld.scene import (
    COLOURS,
    DIRECTIONS,
    FRAMES,
    RADIUS,
    SHAPES,
    SPAN,
    Motion,
    Scene,
    Thing,
)
from sensemble.data.stampworld.sounds import EFFECTS, LENGTH, SAMPLE_RATE, effect, track, voice
from sensemble.data.stampworld.video import save_clip
from sensemble.errors import ConfigError, DataError

STEP = SAMPLE_RATE // 8
"""Samples a frame."""


def nearest(pixel: np.ndarray) -> str:
    return min(COLOURS, key=lambda name: np.abs(np.asarray(pixel, dtype=int) - COLOURS[name]).sum())


def frames(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def heard(path: Path) -> np.ndarray:
    with av.open(str(path)) as file:
        assert file.streams.audio[0].rate == SAMPLE_RATE
        return np.concatenate([frame.to_ndarray().reshape(-1) for frame in file.decode(audio=0)]).astype(float)


class TestPictures:
    @pytest.mark.parametrize(("kind", "size"), list(product(SHAPES, RADIUS)))
    def test_a_shape_has_its_colour_where_it_stands_and_nowhere_else(self, kind: str, size: str) -> None:
        pixels = np.asarray(draw_picture(Scene((Thing(kind, "blue", size, 36, 60),))), dtype=int)
        assert pixels.shape == (SIDE, SIDE, 3)
        assert np.abs(pixels[60 * SIDE // SPAN, 36 * SIDE // SPAN] - COLOURS["blue"]).max() <= SHADE
        ys, xs = np.nonzero(pixels.min(-1) < 150)  # the ground is light
        radius = RADIUS[size] * SIDE // SPAN
        assert np.abs(xs - 36 * SIDE // SPAN).max() <= radius and np.abs(ys - 60 * SIDE // SPAN).max() <= radius
        assert len(xs) > radius**2 / 2

    def test_all_things_of_many_scenes(self) -> None:
        for number in range(40):
            scene = picture(np.random.default_rng(number))
            pixels = np.asarray(draw_picture(scene))
            assert [nearest(pixels[t.y * SIDE // SPAN, t.x * SIDE // SPAN]) for t in scene.things] == [
                t.colour for t in scene.things
            ]

    def test_shapes_differ(self) -> None:
        drawn = {draw_picture(Scene((Thing(kind, "red", "large", 48, 48),))).tobytes() for kind in SHAPES}
        assert len(drawn) == len(SHAPES)

    def test_equal_scenes_may_look_different(self, tmp_path: Path) -> None:
        things = (Thing("star", "red", "large", 48, 48),)
        for name, look in (("a", 1), ("b", 1), ("c", 2)):
            save_picture(Scene(things, look), tmp_path / f"{name}.png")
        a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
        assert a == b != c


class TestClips:
    @pytest.mark.parametrize("direction", DIRECTIONS)
    def test_things_move_as_stated(self, direction: str, tmp_path: Path) -> None:
        mover = Thing("square", "red", "large", 48, 48, Motion(direction, 4, 9, 4))
        save_clip(Scene((mover, Thing("bar", "blue", "small", 10, 10, sound=3))), tmp_path / "a.mp4")
        places = []
        for frame in frames(tmp_path / "a.mp4"):
            assert frame.shape == (SIDE, SIDE, 3)
            red = np.abs(frame.astype(int) - COLOURS["red"]).max(-1) < 40
            places.append(np.argwhere(red).mean(0)[::-1])  # x, y
        assert len(places) == FRAMES
        moved = [np.abs(b - a).max() > 1 for a, b in pairwise(places)]
        assert moved == [4 <= frame < 9 for frame in range(FRAMES - 1)]
        way = (places[-1] - places[0]) / (20 * SIDE / SPAN)
        assert np.abs(way - DIRECTIONS[direction]).max() < 0.15

    def test_sampled_clips_show_their_graphs(self, tmp_path: Path) -> None:
        for number in range(6):
            scene = clip(np.random.default_rng(number))
            save_clip(scene, tmp_path / f"{number}.mp4")
            for place, frame in enumerate(frames(tmp_path / f"{number}.mp4")):
                for thing in scene.things:
                    x, y = (part * SIDE // SPAN for part in thing.at(place))
                    assert nearest(frame[y, x]) == thing.colour

    def test_what_leaves_comes_in_at_the_other_edge(self, tmp_path: Path) -> None:
        save_clip(Scene((Thing("square", "red", "large", 0, 48, sound=0),)), tmp_path / "a.mp4")
        frame = frames(tmp_path / "a.mp4")[0]
        assert nearest(frame[SIDE // 2, 1]) == nearest(frame[SIDE // 2, SIDE - 2]) == "red"

    @pytest.mark.parametrize("start", [0, 7, 11])
    def test_the_sound_stands_at_its_time(self, start: int, tmp_path: Path) -> None:
        save_clip(Scene((Thing("heart", "red", "small", 20, 20, sound=start),)), tmp_path / "a.mp4")
        sound = heard(tmp_path / "a.mp4")
        assert len(sound) == FRAMES * STEP
        inside = np.abs(sound[start * STEP : start * STEP + LENGTH]).mean()
        outside = np.abs(np.delete(sound, np.s_[start * STEP : start * STEP + LENGTH])).max(initial=0)
        assert inside > 500 and outside == 0

    def test_one_scene_gives_the_same_bytes(self, tmp_path: Path) -> None:
        for name, seed in (("a", 1), ("b", 1), ("c", 2)):
            save_clip(clip(np.random.default_rng(seed)), tmp_path / f"{name}.mp4")
        a, b, c = ((tmp_path / f"{name}.mp4").read_bytes() for name in "abc")
        assert a == b != c
        assert len(a) < 30_000

    def test_without_pyav_the_remedy_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "av", None)
        with pytest.raises(ConfigError, match=r"pip install 'sensemble\[video\]'"):
            save_clip(clip(np.random.default_rng(0)), tmp_path / "a.mp4")


def test_effects_are_loud_and_can_be_told_apart() -> None:
    spectra = []
    for index in range(len(EFFECTS)):
        wave = effect(index).astype(float)
        assert len(wave) == LENGTH and 1000 < np.abs(wave).max() < 2**15
        spectrum = np.abs(np.fft.rfft(wave)) ** 2
        spectra.append(np.concatenate([spectrum[:1000].reshape(50, -1).sum(1) / spectrum.sum()]))
    for one in range(len(EFFECTS)):
        for other in range(one):
            if {EFFECTS[one], EFFECTS[other]} != {"chirp up", "chirp down"}:  # which differ in time alone
                assert np.abs(spectra[one] - spectra[other]).sum() > 0.3, (EFFECTS[one], EFFECTS[other])
    up, down = (effect(EFFECTS.index(name)).astype(float) for name in ("chirp up", "chirp down"))
    crossings = [[(np.diff(np.sign(half)) != 0).sum() for half in np.split(each, 2)] for each in (up, down)]
    assert crossings[0][0] < crossings[0][1] and crossings[1][0] > crossings[1][1]
    assert len({voice(shape).tobytes() for shape in SHAPES}) == len(SHAPES)


@pytest.fixture
def stamps(tmp_path: Path) -> Path:
    """A folder as the sample `stamps` has it: a frog with a sound, a polar bear without, and what does not fit."""
    folder = tmp_path / "stamps"
    folder.mkdir()
    for name, colour in (("frog", (0, 255, 0, 255)), ("bear", (255, 255, 255, 255))):
        image = Image.new("RGBA", (60, 40), (9, 9, 9, 0))
        image.paste(colour, (10, 10, 50, 30))
        image.save(folder / f"{name}.png")
    with wave.open(str(folder / "frog.wav"), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(8000)
        time = np.arange(8000) / 8000
        file.writeframes((3000 * np.sin(2 * np.pi * 440 * time) * (time > 0.3)).astype("<i2").tobytes())
    (folder / "train.csv").write_text(
        "image,caption,folder,sound,caption_zh_cn\n"
        "frog.png,A frog.,animals,frog.wav,一只青蛙。\n"
        "bear.png,The Polar bear,animals,,北极熊\n"
        "frog.png,A frog.,animals,,\n"
        "frog.png,A red star.,animals,,\n"
        "frog.png,The letter that comes after all,symbols,,\n"
        "frog.png,letter,symbols,,\n"
        "gone.png,A ghost.,animals,,\n",
        encoding="utf-8",
    )
    return folder


class TestCutouts:
    def test_plain_names_with_pictures_are_taken(self, stamps: Path) -> None:
        assert read_cutouts(stamps) == {
            "frog": Cutout(stamps / "frog.png", stamps / "frog.wav", "青蛙"),
            "polar bear": Cutout(stamps / "bear.png", None, "北极熊"),
        }
        assert list(read_cutouts(stamps, limit=1)) == ["frog"]  # what sounds comes first

    def test_names(self) -> None:
        captions = ["A frog.", "An Orca", "the polar bear.", "Two big red balls", "A star.", "Scissors", ""]
        assert [kind_of(caption) for caption in captions] == ["frog", "orca", "polar bear", *[""] * 4]

    def test_a_cutout_stands_on_a_card_of_its_colour(self, stamps: Path) -> None:
        scene = Scene((Thing("frog", "purple", "large", 50, 40),))
        pixels = np.asarray(draw_picture(scene, read_cutouts(stamps)))
        assert pixels[40, 50].tolist() == [0, 255, 0]
        assert nearest(pixels[40 - 8, 50]) == nearest(pixels[40 + 8, 50 + 8]) == "purple"

    def test_its_own_sound_is_heard_from_where_it_begins(self, stamps: Path, tmp_path: Path) -> None:
        cutouts = read_cutouts(stamps)
        scene = Scene((Thing("frog", "red", "large", 50, 40, sound=4),))
        sound = track(scene, cutouts).astype(float)
        tone = sound[4 * STEP : 8 * STEP]  # half a second
        assert np.abs(sound[: 4 * STEP]).max() == 0 and np.abs(tone[:200]).max() > 4000
        assert np.argmax(np.abs(np.fft.rfft(tone))) * 2 == pytest.approx(440, abs=6)
        assert voice("polar bear", cutouts).tobytes() in {effect(index).tobytes() for index in range(8)}
        save_clip(scene, tmp_path / "a.mp4", cutouts)
        assert frames(tmp_path / "a.mp4")[0].shape == (SIDE, SIDE, 3)

    def test_a_silent_sound_is_replaced(self, stamps: Path) -> None:
        with wave.open(str(stamps / "frog.wav"), "wb") as file:
            file.setnchannels(1), file.setsampwidth(2), file.setframerate(8000)
            file.writeframes(bytes(4000))
        assert voice("frog", read_cutouts(stamps)).tobytes() in {effect(index).tobytes() for index in range(8)}

    def test_what_cannot_be_read_is_named(self, stamps: Path, tmp_path: Path) -> None:
        cutouts = read_cutouts(stamps)
        (stamps / "bear.png").write_bytes(b"no picture")
        with pytest.raises(DataError, match=r"bear\.png: the cut-out cannot be read"):
            draw_picture(Scene((Thing("polar bear", "red", "large", 50, 40),)), cutouts)
        (stamps / "frog.wav").write_bytes(b"#EXTM3U\nhttp://example.org/a.wav")
        other = {"frog": Cutout(stamps / "frog.png", stamps / "./frog.wav")}
        with pytest.raises(DataError, match=r"frog\.wav: the sound cannot be read \(neither Ogg nor WAV\)"):
            voice("frog", other)
        (tmp_path / "empty").mkdir()
        with pytest.raises(DataError, match=r"holds no cut-outs: .*sensemble samples get stamps"):
            read_cutouts(tmp_path / "empty")
