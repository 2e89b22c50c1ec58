"""Videos as tokens: a few frames each, told by time, changed in training as a whole."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from sensemble.data.cache import Cache, load_many
from sensemble.errors import ConfigError, Unreadable
from sensemble.modalities.base import MODALITIES
from sensemble.modalities.image import Image
from sensemble.modalities.pixels import MEAN
from sensemble.modalities.video import Video
from sensemble.testing import check_modality


def clip(frames: int = 10, size: tuple[int, int] = (40, 30), rate: int = 5) -> bytes:
    """An MP4 of grey frames, each 20 brighter than the one before."""
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for place in range(frames):
            picture = np.full((size[1], size[0], 3), 20 * place, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    return file.getvalue()


def noise(frames: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 255, (frames, 20, 24, 3), dtype=np.uint8)


def test_it_passes_the_battery(tmp_path: Path) -> None:
    path = tmp_path / "片.mp4"
    path.write_bytes(clip())
    values = [str(path), path.read_bytes(), clip(1), clip(2), noise(30), {"path": str(path), "bytes": None}]
    modality = MODALITIES.create("video", frames=4, size=16)
    check_modality(modality.fit(values), values)


def test_tokens_are_frames_and_short_clips_are_padded() -> None:
    video = Video(frames=5, size=16)
    long, short = video.load(clip()), video.load(clip(2))
    assert long.shape == (5, 3, 16, 16) and long.dtype == torch.uint8 and short.shape == (2, 3, 16, 16)
    assert np.abs(long.float().mean((1, 2, 3)).numpy() - [20, 60, 100, 140, 180]).max() <= 4
    tokens = video.collate([long, short, None])
    assert tokens.values.shape == (3, 5, 3, 16, 16)
    assert tokens.mask.tolist() == [[True] * 5, [True] * 2 + [False] * 3, [False] * 5]
    ready = video.prepare(tokens, training=False)
    assert not ready.values[~ready.mask].any() and bool(ready.values.isfinite().all())


def test_tokens_are_named_by_their_times() -> None:
    video = Video(frames=5)
    assert video.describe(clip()) == ["0.20 s", "0.60 s", "1.00 s", "1.40 s", "1.80 s"]
    assert video.describe(noise(2)) == ["frame 0", "frame 1"]
    assert Video(frames=8, rate=1).describe(clip()) == ["0.40 s", "1.40 s"]


def test_a_report_shows_a_strip(tmp_path: Path) -> None:
    path = tmp_path / "wide.mp4"
    path.write_bytes(clip(10, (80, 40)))
    shown = Video(frames=2).show(path)
    head, _, data = shown["data"].partition(",")
    assert (shown["kind"], shown["text"], head) == ("image", "wide.mp4", "data:image/jpeg;base64")
    strip = Pillow.open(io.BytesIO(base64.b64decode(data))).convert("L")
    assert strip.size == (3 * 120, 2 * 60)
    order = [strip.getpixel((60 + 120 * column, 30 + 60 * line)) for line in range(2) for column in range(3)]
    assert order == sorted(set(order)), "the frames brighten, left to right and then down"
    short = Video().show(clip(3))
    assert short["text"] == ""
    assert Pillow.open(io.BytesIO(base64.b64decode(short["data"].partition(",")[2]))).size == (3 * 120, 90)


def test_unreadable_clips_have_a_reason_and_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "good.mp4").write_bytes(clip())
    found = Video(frames=2, size=8).load_many([str(tmp_path / name) for name in ("text.mp4", "good.mp4", "none.mp4")])
    assert [isinstance(each, Unreadable) for each in found] == [True, False, True]
    assert str(found[0]) == "not a video (text file?)" and str(found[2]) == "file does not exist"
    with pytest.raises(Unreadable, match="more than max_seconds"):
        Video(max_seconds=1.5).load(clip())
    with pytest.raises(Unreadable, match="more than max_pixels"):
        Video(max_pixels=100).load(clip())


ALL = {"flip": True, "shift": 0.2, "zoom": 0.3, "jitter": 0.4}


@pytest.mark.parametrize("options", [{"flip": True}, {"shift": 0.2}, {"zoom": 0.3}, ALL], ids=str)
def test_chance_is_one_for_all_frames_of_a_clip(options: dict[str, Any]) -> None:
    """A clip of one frame again and again stays one, clips differ, and only training knows chance."""
    still = np.repeat(noise(1), 4, 0)
    plain, video = Video(frames=4, size=16), Video(frames=4, size=16, **options)
    tokens = plain.collate([plain.load(still)] * 16 + [None])
    assert torch.equal(video.prepare(tokens, training=False).values, plain.prepare(tokens, training=False).values)
    torch.manual_seed(0)
    changed = video.prepare(tokens, training=True).values
    assert torch.equal(changed[:, :1].expand_as(changed), changed)
    assert len(changed[:16, 0].flatten(1).unique(dim=0)) > 1
    assert not changed[16].any()


def test_scales_are_learned_as_for_pictures() -> None:
    films = [noise(3, seed) // 2 for seed in range(4)]
    video = MODALITIES.create("video", frames=3, size=20).fit([*films, "none.mp4"])
    image = Image(size=20).fit([picture for film in films for picture in film])
    assert np.allclose(video.mean_, image.mean_) and np.allclose(video.std_, image.std_)
    assert Video().restore(video.state()).mean_ == video.mean_
    assert MODALITIES.create("video", scale="imagenet").fit(films).mean_ == MEAN


def test_fingerprints_tell_all_that_decides_and_clips_are_kept(tmp_path: Path) -> None:
    variants = [{}, {"frames": 4}, {"rate": 2.0}, {"size": 32}, {"fit": "pad"}, {"max_pixels": 10}, {"max_seconds": 9}]
    assert len({Video(**options).fingerprint() for options in variants}) == len(variants)
    assert Video(flip=True).fingerprint() == Video().fingerprint()
    cache, video = Cache(tmp_path / "cache"), Video(frames=3, size=8)
    first, again = (load_many(video, [clip(), noise(4)], cache) for _ in range(2))
    assert cache.hits == 2
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 0}, "video: frames must be at least 1"),
        ({"rate": 0}, "video: rate must be above 0"),
        ({"max_seconds": -1}, "video: max_seconds must be above 0"),
        ({"size": 0}, "video: size must be at least 1"),
        ({"shift": 1.5}, "video: shift is a share"),
        ({"fit": "squeeze"}, "fit"),
        ({"frame": 4}, "did you mean 'frames'"),
    ],
)
def test_impossible_options_are_clear_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MODALITIES.create("video", **options)


def test_two_inputs_may_read_one_column() -> None:
    """A clip's frames twice, at two sizes, from one column."""
    from sensemble.learner import Learner

    rows = [{"clip": noise(3, seed), "label": "ab"[seed % 2]} for seed in range(12)]
    inputs = {
        "near": {"name": "video", "column": "clip", "size": 16, "encoder": {"name": "conv3d", "channels": [4, 8]}},
        "far": {"name": "video", "column": "clip", "size": 8, "frames": 1, "encoder": {"name": "tubelet", "patch": 8}},
    }
    task = {"name": "classify", "target": "label"}
    learner = Learner(inputs, task, "concat", train={"epochs": 1, "batch": 4}, verdict="off", width=16)
    assert len(learner.fit(rows, valid=rows).predict(rows[:3])) == 3
