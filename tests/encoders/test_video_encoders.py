"""Videos: order in time counts where it should, clips of any length agree, and motion is learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sensemble.encoders.base import Encoder, Pace, encoders
from sensemble.encoders.image import ImageCNN
from sensemble.errors import ConfigError
from sensemble.learner import Learner
from sensemble.modalities.base import MODALITIES, Modality
from sensemble.testing import check_encoder
from sensemble.tokens import Tokens

CNN = {"name": "cnn", "channels": [4, 8]}
SMALL: dict[str, dict[str, Any]] = {
    "frames": {"dim": 16, "looks": 2, "frame": CNN},
    "tubelet": {"dim": 16, "depth": 1, "patch": 8},
    "conv3d": {"dim": 16, "channels": [4, 8], "looks": 2},
    "motion": {"channels": [4, 8]},
    "stack": {"channels": [4, 8], "apart": 1},
}


def modality(size: int = 16) -> Modality:
    made: Modality = MODALITIES.create("video", size=size, frames=6)
    return made


def make(name: str, size: int = 16, **options: Any) -> Encoder:
    torch.manual_seed(0)
    return encoders("video").create(name, modality(size), **{**SMALL[name], **options}).eval()


def clips(*lengths: int) -> list[np.ndarray[Any, Any]]:
    draw = np.random.default_rng(0)
    return [draw.integers(0, 255, (length, 16, 16, 3), dtype=np.uint8) for length in lengths]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *[("frames", {"over_time": each}) for each in ("mean", "lstm", "transformer", "gru", "cnn")],
        ("frames", {"over_time": {"name": "transformer", "depth": 1, "heads": 2}}),
        ("frames", {"frame": {"name": "vit", "dim": 8, "depth": 1, "patch": 8, "heads": 2}}),
        ("frames", {"frame": {"name": "resnet", "depth": 10, "channels": 4}, "looks": 1}),
        *[("tubelet", {"tube": tube}) for tube in (1, 3, 4)],
        ("conv3d", {"channels": [3], "looks": 1}),
        ("conv3d", {"channels": [4, 4, 8]}),
        ("motion", {"channels": [4, 4, 8]}),
        *[("stack", {"channels": [4, 4, 8], "apart": apart}) for apart in (0, 2)],
    ],
    ids=str,
)
def test_the_battery_for_many_options(name: str, options: dict[str, Any]) -> None:
    check_encoder(lambda: make(name, **options), modality(), clips(1, 5, 6))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("training", [False, True])
def test_a_long_batch_changes_nothing_for_a_short_clip(name: str, training: bool) -> None:
    """Also while training, but for dropout: norms may not look at padding."""
    options = {"dropout": 0.0} if name == "tubelet" else {"over_time": {"name": "lstm", "dropout": 0.0}}
    encoder = make(name, **({} if name in ("conv3d", "motion", "stack") else options)).train(training)
    torch.manual_seed(1)
    short = torch.randn(2, 3, 3, 16, 16)
    padded = Tokens(torch.cat([short, torch.full((2, 4, 3, 16, 16), 7.0)], 1), torch.arange(7).expand(2, 7) < 3)
    one, other = encoder(Tokens.full(short)), encoder(padded)
    length = one.mask.shape[1]
    assert torch.allclose(other.values[:, :length], one.values, atol=1e-5)
    assert not other.mask[:, length:].any() and not other.values[:, length:].any()


@pytest.mark.parametrize(
    ("name", "options", "ordered"),
    [
        ("frames", {"over_time": "mean"}, False),
        ("frames", {"over_time": "lstm"}, True),
        ("frames", {"over_time": "transformer"}, True),
        ("tubelet", {}, True),
        ("tubelet", {"tube": 1}, True),
        ("conv3d", {}, True),
        ("motion", {}, True),
        ("stack", {}, True),
    ],
    ids=str,
)
def test_who_knows_the_order_of_frames(name: str, options: dict[str, Any], ordered: bool) -> None:
    encoder = make(name, **options)
    torch.manual_seed(1)
    values = torch.randn(1, 6, 3, 16, 16)
    with torch.no_grad():
        one, other = (encoder(Tokens.full(each)).mean() for each in (values, values.flip(1)))
    assert torch.allclose(one, other, atol=1e-5) != ordered


def test_tokens_of_each() -> None:
    tokens = Tokens(torch.randn(2, 5, 3, 16, 16), torch.arange(5).expand(2, 5) < torch.tensor([[5], [2]]))
    counts = {
        ("frames", "lstm"): [5, 2],
        ("frames", "mean"): [1, 1],
        ("tubelet", 2): [3 * 4, 1 * 4],  # tubes of two frames, the last half empty, by four places
        ("tubelet", 4): [2 * 4, 1 * 4],
        ("conv3d", None): [5, 2],
        ("motion", None): [5, 2],
        ("stack", None): [4 * 4, 4 * 4],  # the places of one picture
    }
    for (name, option), expected in counts.items():
        key = {"frames": "over_time", "tubelet": "tube"}.get(name)
        encoded = make(name, **({key: option} if key else {}))(tokens)
        assert encoded.mask.sum(1).tolist() == expected, (name, option)


@pytest.mark.parametrize("name", SMALL)
def test_a_masked_frame_is_not_seen_wherever_it_stands(name: str) -> None:
    encoder = make(name)
    torch.manual_seed(1)
    values, mask = torch.randn(1, 6, 3, 16, 16), torch.tensor([[True, True, False, True, False, True]])
    other = values.clone()
    other[~mask] = 100
    with torch.no_grad():
        assert torch.equal(encoder(Tokens(values, mask)).values, encoder(Tokens(other, mask)).values)


def test_paces_of_the_frames_encoder_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageCNN, "paces", lambda self: {"place": Pace(rate=0.1)}, raising=False)
    encoder = make("frames")
    assert encoder.paces() == {"frame.place": Pace(rate=0.1)}
    assert "frame.place" in dict(encoder.named_parameters())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("frames", {"frame": "cn"}, "frame: unknown image encoder 'cn': did you mean 'cnn'"),
        ("frames", {"frame": {"name": "cnn", "chanels": [4]}}, "did you mean 'channels'"),
        ("frames", {"over_time": "lstn"}, "over_time: unknown vector encoder 'lstn': did you mean 'lstm'"),
        ("frames", {"over_time": {"name": "mean", "dim": 3}}, "over_time"),
        ("frames", {"frame": {"name": "pretrained", "model": "m"}}, "on the video input itself, `encoder: {name: pret"),
        ("frames", {"frame": "pretrained"}, "on the video input itself"),
        ("frames", {"looks": 0}, "looks must be at least 1"),
        ("tubelet", {"patch": 5}, "does not divide"),
        ("tubelet", {"tube": 0}, "tube must be at least 1"),
        ("conv3d", {"channels": []}, "at least one"),
        ("conv3d", {"channels": [4] * 5}, "5 stages are too many for frames of 16 pixels"),
        ("motion", {"channels": [4] * 5}, "5 stages are too many for frames of 16 pixels"),
        ("stack", {"channels": [4] * 5}, "5 stages are too many for frames of 16 pixels"),
        ("stack", {"channels": [4, 8], "apart": 2}, "apart: from 0 to 1"),
        ("motion", {"channels": [4]}, "channels must be two or more"),
        ("conv4d", {}, "did you mean 'conv3d'"),
    ],
)
def test_impossible_options_are_clear_errors(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        encoders("video").create(name, modality(), **options)


MOVES = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}


def moving_squares(count: int, seed: int) -> list[dict[str, Any]]:
    """Six frames of a square that moves by 3 pixels; where it is in the fourth one says nothing."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        way = list(MOVES)[number % 4]
        film = random.integers(0, 60, (6, 32, 32, 3), dtype=np.uint8)
        middle = random.integers(9, 16, 2)
        for frame in range(6):
            top, left = np.maximum(middle + 3 * (frame - 3) * np.array(MOVES[way]), 0)
            film[frame, top : top + 8, left : left + 8] = 250
        rows.append({"clip": film, "way": way})
    return rows


def learned(frames: int, **encoder: Any) -> float:
    """The share of directions that are told right on new clips."""
    inputs = {"clip": {"name": "video", "frames": frames, "size": 32, "encoder": {"name": "frames", **encoder}}}
    settings: dict[str, Any] = {"epochs": 12, "batch": 16, "lr": 3e-3, "hide": 0.0, "patience": 5}
    task = {"name": "classify", "target": "way"}
    learner = Learner(inputs, task, "concat", train=settings, verdict="off", width=32)
    learner.fit(moving_squares(240, 0), valid=moving_squares(60, 1))
    new = moving_squares(120, 2)
    answers = learner.predict([{"clip": row["clip"]} for row in new])
    return float(np.mean([answer["prediction"] == row["way"] for answer, row in zip(answers, new, strict=True)]))


def test_direction_needs_several_frames() -> None:
    options = {"frame": {"name": "cnn", "channels": [8, 16]}, "dim": 32, "over_time": "lstm"}
    assert learned(6, **options) >= 0.9
    assert learned(1, **options) <= 0.4
