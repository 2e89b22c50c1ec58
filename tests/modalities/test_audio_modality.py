"""Sounds as frames: what is kept, what is heard, chance only in training, and names for people."""

from __future__ import annotations

import base64
import doctest
import importlib
import io
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sensemble.data.cache import Cache, load_many
from sensemble.errors import ConfigError, Unreadable
from sensemble.modalities.audio import Audio
from sensemble.modalities.base import MODALITIES
from sensemble.report.context import mistakes
from sensemble.testing import check_modality
from sensemble.tokens import Tokens

soundfile = pytest.importorskip("soundfile")

RATE = 8_000
QUICK: dict[str, Any] = {"rate": RATE, "bands": 16}


def sound(seconds: float, hertz: float = 440.0, rate: int = RATE) -> dict[str, Any]:
    array = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return {"array": array.astype(np.float32), "sampling_rate": rate}


def steps(*hertz: float, each: float = 1.0) -> dict[str, Any]:
    """A tone of each pitch after the other."""
    return {"array": np.concatenate([sound(each, pitch)["array"] for pitch in hertz]), "sampling_rate": RATE}


def make(**options: Any) -> Audio:
    made = MODALITIES.create("audio", **{**QUICK, **options})
    assert isinstance(made, Audio)
    return made


def batch(audio: Audio, *raws: Any) -> Tokens:
    return audio.collate([None if raw is None else audio.load(raw) for raw in raws])


@pytest.mark.parametrize("name", ["media.sound", "media.silence", "modalities.audio", "modalities.wave"])
def test_examples(name: str) -> None:
    module = importlib.import_module(f"sensemble.{name}")
    found = doctest.testmod(module, extraglobs={"np": np, "torch": torch})
    assert found.attempted and not found.failed


# What is kept of a sound


@pytest.mark.parametrize("options", [{}, {"trim": True, "denoise": True}, {"crop": "middle"}, {"scale": "clip"}])
def test_battery(options: dict[str, Any], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", sound(0.7)["array"], RATE)
    values = [sound(0.5), sound(1.3, rate=44_100), str(tmp_path / "a.flac"), {"array": [0.1], "sampling_rate": RATE}]
    audio = make(**options)
    assert audio.fit(values) is audio
    check_modality(audio, values)


def test_frames_are_loudest_where_the_tone_is() -> None:
    audio = make(rate=16_000, bands=64)
    heights = [int(audio.load(sound(0.2, hertz, 16_000)).mean(0).argmax()) for hertz in (200, 800, 3000)]
    assert heights == sorted(heights) and heights[0] < 10 and heights[2] > 35
    assert audio.load(sound(1.0)).shape == (99, 64)  # 16,000 samples in steps of 160, each frame 400 long
    loud, soft = (audio.load({"array": sound(0.2)["array"] * k, "sampling_rate": RATE}) for k in (1.0, 0.1))
    assert torch.allclose((loud - soft)[:, 8], torch.tensor(np.log(100.0)).float(), atol=0.05)


def test_long_sounds_are_kept_up_to_max_seconds() -> None:
    assert len(make(seconds=1, max_seconds=2).load(sound(5))) == 199
    start = make(seconds=1, max_seconds=2).load(steps(300, 600, 1200, 2400, 3000, each=1))
    middle = make(seconds=1, max_seconds=2, crop="middle").load(steps(300, 600, 1200, 2400, 3000, each=1))
    assert torch.equal(start, make(seconds=1, max_seconds=2).load(steps(300, 600, each=1)))
    assert torch.allclose(middle[60:140], make().load(steps(1200, each=1))[10:90], atol=0.05)


def test_trimming_leaves_silence_out() -> None:
    array = np.zeros(3 * RATE, np.float32)
    array[RATE : RATE + 4000] = sound(0.5)["array"]
    raw = {"array": array, "sampling_rate": RATE}
    audio = make(trim=True)
    assert len(make().load(raw)) == 299 and 50 <= len(audio.load(raw)) <= 62
    assert audio.describe(raw)[0] == "0.95-0.97 s"


def test_denoising_lowers_the_noise_between() -> None:
    array = sound(2)["array"] * (np.arange(2 * RATE) % RATE < RATE / 2)
    array = array + np.random.default_rng(0).normal(size=len(array)) * 0.02
    raw = {"array": array, "sampling_rate": RATE}
    fall = (make().load(raw) - make(denoise=True).load(raw)).mean(1)
    assert float(fall[60:90].mean()) > np.log(10 ** (10 / 10))  # 10 dB


def test_unreadable_sounds_have_a_reason(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound")
    for raw, reason in ((tmp_path / "a.wav", "text file"), (tmp_path / "b.wav", "does not exist"), (5, "int")):
        with pytest.raises(Unreadable, match=reason):
            make().load(raw)


# How it is scaled


def test_bands_are_standardised_by_the_training_sounds() -> None:
    draw = np.random.default_rng(0)
    values = [{"array": draw.normal(size=4000) * draw.uniform(0.01, 1), "sampling_rate": RATE} for _ in range(6)]
    audio = make().fit([*values, "none.wav"])
    ready = audio.prepare(batch(audio, *values), training=False)
    flat = ready.values[ready.mask]
    assert torch.allclose(flat.mean(0), torch.zeros(16), atol=1e-3)
    assert torch.allclose(flat.std(0, correction=0), torch.ones(16), atol=1e-3)
    again = make().restore(json.loads(json.dumps(audio.state())))
    assert (again.mean_, again.std_) == (audio.mean_, audio.std_)
    silent = make().fit([{"array": np.zeros(4000), "sampling_rate": RATE}])
    assert set(silent.std_) == {0.1}
    untaught = make()
    assert untaught.fit(["none.wav"]).state() == make().state()


def test_by_clip_loudness_does_not_matter() -> None:
    audio = make(scale="clip")
    noise = np.random.default_rng(0).normal(size=4000)
    raws = [{"array": noise * loud, "sampling_rate": RATE} for loud in (0.1, 0.001)]
    ready = audio.prepare(batch(audio, *raws, sound(1.5), None), training=False)
    assert torch.allclose(ready.values[0], ready.values[1], atol=1e-3)
    assert torch.allclose(ready.values[2].mean(0), torch.zeros(16), atol=1e-4)
    assert not ready.values[3].any() and not ready.values[0][~ready.mask[0]].any()
    alone = audio.prepare(batch(audio, raws[0]), training=False)
    assert torch.allclose(ready.values[0][ready.mask[0]], alone.values[0], atol=1e-5)


# What is heard of a longer sound


def test_a_stretch_is_heard_and_padding_changes_nothing() -> None:
    long, short = steps(300, 600, 1200, 2400, each=0.5), sound(0.3)
    for crop, place in (("start", 0), ("middle", 50)):
        audio = make(seconds=1, max_seconds=5, crop=crop)
        tokens = batch(audio, long, short, None, sound(3))
        ready = audio.prepare(tokens, training=False)
        assert ready.mask.sum(1).tolist() == [99, 29, 0, 99] and ready.mask.shape[1] == 99
        expected = audio.prepare(Tokens.full(tokens.values[:1, place : place + 99]), training=False)
        assert torch.equal(ready.values[0], expected.values[0])
        assert not ready.values[~ready.mask].any()
        alone = audio.prepare(batch(audio, long), training=False)
        assert torch.equal(alone.values[0], ready.values[0])
    whole = make(seconds=1, max_seconds=5, crop="whole")
    assert whole.prepare(batch(whole, long, short), training=False).mask.sum(1).tolist() == [199, 29]


def test_in_training_the_stretch_is_anywhere() -> None:
    for crop in ("start", "middle", "whole"):
        audio = make(seconds=0.5, max_seconds=2, crop=crop)
        tokens = batch(audio, *[steps(*range(200, 3400, 160), each=0.05)] * 200, sound(0.2), None)
        torch.manual_seed(0)
        ready = audio.prepare(tokens, training=True)
        assert ready.mask.sum(1).tolist() == [49] * 200 + [19, 0]
        plain = audio.prepare(Tokens.full(tokens.values[:1, :49]), training=False).values[0]
        shifted = Tokens.full(tokens.values[:1].unfold(1, 49, 1)[0].transpose(1, 2).contiguous())
        stretches = audio.prepare(shifted, training=False).values  # every stretch there is
        starts = [int((stretches == row).flatten(1).all(1).nonzero()[0]) for row in ready.values[:200]]
        assert len(set(starts)) > 30 and min(starts) < 5 and max(starts) > 45
        assert bool((stretches[0] == plain).all())


CHANCES = [{"time_mask": 0.4}, {"band_mask": 0.4}, {"noise": 0.3}, {"gain": 6.0}, {"speed": 0.2}]
ALL = {key: value for each in CHANCES for key, value in each.items()}


@pytest.mark.parametrize("options", [*CHANCES, {**ALL, "seconds": 0.5, "max_seconds": 2}], ids=str)
@pytest.mark.parametrize("scale", ["data", "clip"])
def test_chance_comes_in_training_alone_and_from_the_global_seed(options: dict[str, Any], scale: str) -> None:
    draw = np.random.default_rng(0)
    noise = {"array": draw.normal(size=6000) * 0.1, "sampling_rate": RATE}
    options = {"seconds": 1.0, "max_seconds": 2.0, **options}
    audio = make(**options, scale=scale).fit([noise])
    plain = make(seconds=options["seconds"], max_seconds=2, scale=scale).restore(audio.state())
    tokens = batch(plain, *[noise] * 12, sound(0.3), None)
    state = torch.get_rng_state()
    still = plain.prepare(tokens, training=False)
    assert torch.equal(audio.prepare(tokens, training=False).values, still.values)
    if options["seconds"] == 1.0:
        assert torch.equal(plain.prepare(tokens, training=True).values, still.values)
    assert torch.equal(torch.get_rng_state(), state)

    torch.manual_seed(1)
    first = audio.prepare(tokens, training=True)
    second = audio.prepare(tokens, training=True)
    torch.manual_seed(1)
    assert torch.equal(audio.prepare(tokens, training=True).values, first.values)
    assert first.present.tolist() == tokens.present.tolist()
    assert not first.values[~first.mask].any() and bool(first.values.isfinite().all())
    if "gain" in options and scale == "clip" and len(options) == 3:  # loudness is taken away again
        return
    assert first.values.shape != second.values.shape or not torch.equal(first.values, second.values)
    assert len(first.values[:12].flatten(1).unique(dim=0)) > 1  # each sound on its own


def test_masks_hide_stretches_up_to_their_share() -> None:
    audio = make(time_mask=0.3, band_mask=0.5)
    flat = Tokens.stack([torch.full((100, 16), 3.0)] * 200 + [torch.full((40, 16), 3.0)])
    torch.manual_seed(0)
    hidden = audio.prepare(flat, training=True).values == 0
    times, bands = hidden.all(2), hidden[:200].all(1)
    assert 0 < int(times[:200].sum(1).max()) <= 60 and int(bands.sum(1).max()) <= 16
    assert 5 < float(times[:200].sum(1).float().mean()) < 35
    assert 2 < float(bands.sum(1).float().mean()) < 9
    assert int(times[200, :40].sum()) <= 24


def test_speed_changes_the_length_and_not_the_pitch() -> None:
    audio = make(speed=0.3)
    raw = steps(300, 1200, each=0.5)
    tokens = batch(audio, *[raw] * 60)
    torch.manual_seed(0)
    ready = audio.prepare(tokens, training=True)
    lengths = ready.mask.sum(1)
    assert int(lengths.min()) < 85 and int(lengths.max()) > 120
    still = audio.prepare(tokens, training=False).values[0]
    low, high = int(still[10].argmax()), int(still[90].argmax())
    for values, length in zip(ready.values, lengths.tolist(), strict=True):
        tops = values[:length].argmax(1)
        assert int(tops[5]) == low and int(tops[-5]) == high
        change = int((tops == high).float().argmax())
        assert abs(change / length - 0.5) < 0.04


def test_gain_moves_all_bands_alike() -> None:
    audio = make(gain=6.0)
    tokens = batch(audio, *[sound(0.2)] * 100)
    torch.manual_seed(0)
    moved = audio.prepare(tokens, training=True).values - audio.prepare(tokens, training=False).values
    assert torch.allclose(moved, moved[:, :1, :1].expand_as(moved), atol=1e-5)
    decibels = moved[:, 0, 0] * 3.0 * 10 / np.log(10)  # the deviation before fitting is 3
    assert 5 < float(decibels.max()) <= 6.01 and -6.01 <= float(decibels.min()) < -5


# For people, and for the rest of the system


def test_labels_are_seconds_of_the_file() -> None:
    audio = make()
    assert audio.describe(sound(0.05))[:3] == ["0.00-0.03 s", "0.01-0.04 s", "0.02-0.04 s"]
    middle = make(seconds=1, max_seconds=1, crop="middle").describe(sound(3))
    assert len(middle) == 99 and middle[0].startswith("1.00-")


def test_a_report_plays_the_first_seconds(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, sound(20)["array"], RATE)
    shown = make().show(str(path))
    head, _, data = shown["data"].partition(",")
    assert (shown["kind"], shown["text"], head) == ("audio", "long.wav", "data:audio/wav;base64")
    assert len(shown["data"]) < 200_000
    with wave.open(io.BytesIO(base64.b64decode(data))) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (1, 8000, 48_000)
    (mistake,) = mistakes({"details": {"mistakes": [{"row": 1, "inputs": {"voice": shown}}]}})
    assert mistake["inputs"] == [{"name": "voice", "kind": "audio", "text": "long.wav", "data": shown["data"]}]
    assert make().show({**sound(0.1), "path": "/a/b.wav"})["text"] == "b.wav"
    assert make().show(path.read_bytes())["text"] == ""


def test_loaded_sounds_are_cached_by_content_and_options(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    path = tmp_path / "a.wav"
    soundfile.write(path, sound(0.3)["array"], RATE)
    raws = [str(path), sound(0.2), {**sound(0.2), "sampling_rate": 4000}]
    first = load_many(make(), raws, cache)
    path.rename(tmp_path / "b.wav")
    again = load_many(make(noise=0.5, seconds=3), [str(tmp_path / "b.wav"), *raws[1:]], cache)
    assert cache.hits == 3 and all(torch.equal(a, b) for a, b in zip(first, again, strict=True))  # type: ignore[arg-type]
    changed = [{"bands": 20}, {"window": 0.03}, {"hop": 0.02}, {"rate": 4000}, {"trim": True}, {"denoise": True},
               {"max_seconds": 20}, {"crop": "middle"}]  # fmt: skip
    marks = {make().fingerprint(), *(make(**options).fingerprint() for options in changed)}
    assert len(marks) == 1 + len(changed)


def test_it_is_registered_and_its_options_are_checked() -> None:
    audio = MODALITIES.create("audio")
    assert audio.shape == (64,) and audio.reads_files and audio.encoder == "cnn"
    for options in (
        {"rate": 10},
        {"bands": 0},
        {"window": 0.01, "hop": 0.02},
        {"hop": 0.0},
        {"seconds": 0.0},
        {"max_seconds": 5},
        {"max_seconds": 1e9},
        {"crop": "end"},
        {"time_mask": 1.0},
        {"band_mask": -0.1},
        {"noise": -1.0},
        {"gain": float("inf")},
        {"speed": 1.5},
        {"scale": "both"},
    ):
        with pytest.raises(ConfigError, match=next(iter(options))):
            MODALITIES.create("audio", **options)
