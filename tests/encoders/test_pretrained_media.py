"""Bodies of pictures, sounds and clips: the battery over every family, and the numbers that transformers gives."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sensemble.encoders.backbone import Backbone, encode
from sensemble.encoders.base import create, create_modality
from sensemble.encoders.hf.load import load_backbone
from sensemble.errors import ConfigError
from sensemble.testing import check_encoder, check_modality
from sensemble.tokens import Tokens

Tiny = Callable[..., Path]
random = np.random.default_rng(0)


def sound(samples: int, rate: int = 16_000) -> dict[str, Any]:
    return {"array": random.normal(scale=0.1, size=samples).astype(np.float32), "sampling_rate": rate}


VALUES: dict[str, list[Any]] = {
    "image": [random.integers(0, 255, (20 + i, 24, 3), dtype=np.uint8) for i in range(3)],
    "audio": [sound(n) for n in (5000, 2001, 50, 5000)],
    "video": [random.integers(0, 255, (t, 40, 48, 3), dtype=np.uint8) for t in (2, 5, 9)],
}
BODIES = [
    *(("image", kind) for kind in ("vit", "clip", "dinov2", "siglip", "resnet")),
    *(("audio", kind) for kind in ("whisper", "wav2vec2", "hubert", "clap")),
    *(("video", kind) for kind in ("videomae", "vit", "resnet", "clip")),
]


def check(kind: str, folder: Path, tune: str, pool: str = "tokens") -> None:
    spec = {"name": "pretrained", "model": str(folder), "tune": tune, "pool": pool, "last": 1}
    modality = create_modality(kind, {}, spec, where="inputs.one").fit(VALUES[kind])
    check_modality(modality, VALUES[kind])

    def make() -> Any:
        torch.manual_seed(1)
        return create(kind, modality, spec, where="inputs.one.encoder")

    check_encoder(make, modality, VALUES[kind])


@pytest.mark.parametrize(("kind", "model"), BODIES)
@pytest.mark.parametrize("tune", ["frozen", "full"])
def test_battery(tiny: Tiny, kind: str, model: str, tune: str) -> None:
    check(kind, tiny(model), tune)


@pytest.mark.parametrize(
    ("kind", "model", "tune"), [("image", "siglip", "full"), ("audio", "whisper", "lora"), ("video", "clip", "last_k")]
)
@pytest.mark.parametrize("pool", ["mean", "cls"])
def test_battery_of_the_other_ways(tiny: Tiny, kind: str, model: str, tune: str, pool: str) -> None:
    check(kind, tiny(model), tune, pool)


def run(body: Backbone, raw: Any, how: str) -> torch.Tensor:
    """`(T, D)` of one value."""
    encoded = encode(body, body.source.collate([body.source.load(raw)]), how)  # type: ignore[arg-type]
    return encoded.values[0]


@pytest.mark.parametrize(
    ("model", "classes"),
    [
        ("clip", ("CLIPVisionModel", "CLIPImageProcessorPil")),
        ("siglip", ("SiglipVisionModel", "SiglipImageProcessorPil")),
        ("vit", ("ViTModel", "ViTImageProcessorPil")),
        ("dinov2", ("Dinov2Model", "BitImageProcessorPil")),
        ("resnet", ("ResNetModel", "ConvNextImageProcessorPil")),
    ],
)
def test_pictures_give_what_transformers_gives(tiny: Tiny, model: str, classes: tuple[str, str]) -> None:
    import transformers

    body = load_backbone("image", str(tiny(model)), {})
    picture = Image.fromarray(random.integers(0, 255, (32, 32, 3), dtype=np.uint8))
    # where a margin would be cut off, the picture is shown as it is: only the scale is compared
    whole = {"do_resize": False, "do_center_crop": False} if model in ("dinov2", "resnet") else {}
    processor = getattr(transformers, classes[1]).from_pretrained(tiny(model), **whole)
    pixels = processor(picture, return_tensors="pt")["pixel_values"]
    net = getattr(transformers, classes[0]).from_pretrained(tiny(model)).eval()
    with torch.no_grad():
        expected = net(pixel_values=pixels)
    prepared = body.source.prepare(Tokens.full(body.source.load(picture).unsqueeze(0)), training=False)
    assert torch.allclose(prepared.values[0], pixels, atol=1e-5)
    hidden, pooled = expected.last_hidden_state[0], expected.pooler_output
    if model == "vit":
        pooled = expected.last_hidden_state[:, 0]  # its pooler was made for pretraining
    if model == "resnet":
        hidden = hidden.flatten(1).T
    if model != "clip":  # which norms its summary alone
        assert torch.allclose(run(body, picture, "tokens"), hidden, atol=1e-5)
    assert torch.allclose(run(body, picture, "cls")[0], pooled.flatten(), atol=1e-5)


@pytest.mark.parametrize("model", ["clip", "vit"])
def test_pictures_are_resized_as_in_pretraining(tiny: Tiny, model: str) -> None:
    from transformers import CLIPImageProcessorPil, ViTImageProcessorPil

    processor = (CLIPImageProcessorPil if model == "clip" else ViTImageProcessorPil).from_pretrained(tiny(model))
    smooth = Image.fromarray(random.integers(0, 255, (6, 8, 3), dtype=np.uint8)).resize((96, 72), 2)
    expected = processor(smooth, return_tensors="pt")["pixel_values"][0]
    source = load_backbone("image", str(tiny(model)), {}).source
    found = source.prepare(Tokens.full(source.load(smooth).unsqueeze(0)), training=False).values[0, 0]
    assert found.shape == expected.shape
    assert (found - expected).abs().mean() < 0.03  # of a deviation; half a pixel where the middle is cut


def test_whisper_gives_what_transformers_gives_up_to_the_end_of_the_sound(tiny: Tiny) -> None:
    from transformers import WhisperFeatureExtractor, WhisperModel

    body = load_backbone("audio", str(tiny("whisper")), {})
    raw = sound(5000)
    extractor = WhisperFeatureExtractor.from_pretrained(tiny("whisper"))
    features = extractor(raw["array"], sampling_rate=16_000, return_tensors="pt")["input_features"]
    with torch.no_grad():
        expected = WhisperModel.from_pretrained(tiny("whisper")).encoder(features).last_hidden_state[0]
    found = run(body, raw, "tokens")
    assert len(found) == 16 == -(-5000 // 320)
    assert torch.allclose(found, expected[:16], atol=1e-5)


@pytest.mark.parametrize("model", ["wav2vec2", "hubert"])
def test_waves_give_what_transformers_gives(tiny: Tiny, model: str) -> None:
    from transformers import AutoModel, Wav2Vec2FeatureExtractor

    body = load_backbone("audio", str(tiny(model)), {})
    raw = sound(80 * 40)
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(tiny(model))
    wave = extractor(raw["array"], sampling_rate=16_000, return_tensors="pt")["input_values"]
    with torch.no_grad():
        expected = AutoModel.from_pretrained(tiny(model)).eval()(
            torch.nn.functional.pad(wave, (0, body.more))  # type: ignore[arg-type]
        )
    assert torch.allclose(run(body, raw, "tokens"), expected.last_hidden_state[0], atol=1e-4)
    assert len(body.source.describe(raw)) == len(run(body, raw, "tokens")) == 40


def test_clap_gives_its_pooled_sound(tiny: Tiny) -> None:
    from transformers import ClapAudioModel, ClapFeatureExtractor

    body = load_backbone("audio", str(tiny("clap")), {})
    raw = sound(4000, 8000)
    extractor = ClapFeatureExtractor.from_pretrained(tiny("clap"))
    features = extractor(raw["array"], sampling_rate=8000, return_tensors="pt")
    with torch.no_grad():
        expected = ClapAudioModel.from_pretrained(tiny("clap")).eval()(**features).pooler_output[0]
    assert torch.allclose(run(body, raw, "cls")[0], expected, atol=1e-5)


def test_videomae_gives_what_transformers_gives(tiny: Tiny) -> None:
    from transformers import VideoMAEModel

    body = load_backbone("video", str(tiny("videomae")), {})
    clip = random.integers(0, 255, (4, 32, 32, 3), dtype=np.uint8)
    pixels = torch.from_numpy(clip).permute(0, 3, 1, 2) / 255
    mean, std = torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1), torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1)
    with torch.no_grad():
        expected = VideoMAEModel.from_pretrained(tiny("videomae")).eval()(((pixels - mean) / std).unsqueeze(0))
    assert torch.allclose(run(body, clip, "tokens"), expected.last_hidden_state[0], atol=1e-5)
    assert torch.allclose(run(body, clip[[0, 0, 1, 1]], "cls"), run(body, clip[:2], "cls"), atol=1e-5)  # shown twice


def test_a_picture_body_sees_each_frame(tiny: Tiny) -> None:
    picture, film = (load_backbone(kind, str(tiny("siglip")), {}) for kind in ("image", "video"))
    clip = random.integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    expected = torch.cat([run(picture, frame, "cls") for frame in clip])
    assert torch.allclose(run(film, clip, "tokens"), expected, atol=1e-5)
    assert film.digest != picture.digest


@pytest.mark.parametrize(
    ("kind", "model", "options", "message"),
    [
        ("image", "vit", {"size": 64}, "wants pictures of 32 pixels; leave 'size' out"),
        ("image", "vit", {"scale": "data"}, "standardises pictures in its own way; leave 'scale' out"),
        ("image", "bert", {}, "unknown kind of picture model 'bert': did you mean 'beit'"),
        ("audio", "whisper", {"seconds": 2.0}, "hears at most 1 seconds"),
        ("audio", "whisper", {"bands": 80}, "listens in its own way; leave 'bands' out"),
        ("audio", "wav2vec2", {"crop": "whole"}, "crop is 'start' or 'middle'"),
        ("audio", "bert", {}, "unknown kind of sound model 'bert'"),
        ("video", "videomae", {"frames": 8}, "wants 4 frames"),
        ("video", "vit", {"size": 16}, "leave 'size' out"),
    ],
)
def test_options_that_do_not_suit_the_model(
    tiny: Tiny, kind: str, model: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=rf"inputs\.one.*{message}"):
        load_backbone(kind, str(tiny(model)), options, where="inputs.one")


def test_options_that_suit_any_model_are_the_users(tiny: Tiny) -> None:
    image = load_backbone("image", str(tiny("vit")), {"fit": "pad", "flip": True, "size": 32}).source
    assert (image.framing, image.flip) == ("pad", True)  # type: ignore[attr-defined]
    wave = load_backbone("audio", str(tiny("whisper")), {"seconds": 0.1}).source
    assert len(wave.load(sound(16_000))) == 5
    assert len(load_backbone("video", str(tiny("vit")), {"frames": 3}).source.load(VALUES["video"][2])) == 3


def test_a_picture_model_must_say_what_it_wants(tiny: Tiny, tmp_path: Path) -> None:
    shutil.copytree(tiny("vit"), tmp_path / "vit")
    place = tmp_path / "vit" / "preprocessor_config.json"
    settings = json.loads(place.read_text())
    place.write_text(json.dumps({**settings, "size": {"height": 32, "width": 48}}))
    with pytest.raises(ConfigError, match=r"which square size"):
        load_backbone("image", str(tmp_path / "vit"), {})
    place.write_text(json.dumps({**settings, "size": 32, "crop_pct": 0.9}))  # as older models say it
    old = load_backbone("image", str(tmp_path / "vit"), {}).source
    assert old.shape == (3, 32, 32) and old.framing == "crop"  # type: ignore[attr-defined]
    place.unlink()  # newer models keep it among their processors
    (tmp_path / "vit" / "processor_config.json").write_text(json.dumps({"image_processor": settings}))
    assert load_backbone("image", str(tmp_path / "vit"), {}).source.shape == (3, 32, 32)
