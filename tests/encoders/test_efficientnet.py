"""EfficientNet-Lite0 without its weights: its shape, its contract, and how it takes and refuses weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sensemble import files
from sensemble.encoders.backbone import BACKBONES, encode
from sensemble.encoders.base import encoders
from sensemble.encoders.efficientnet import MEAN, PUBLISHED, PUBLISHED_BLOCK, STD, EfficientNetLite0
from sensemble.errors import ConfigError, DataError
from sensemble.testing import check_encoder
from sensemble.tokens import Tokens
from sensemble.weights import TENSORS

CLASSIFIER = {"_fc.weight": (1000, 1280), "_fc.bias": (1000,)}


def make(**options: object) -> EfficientNetLite0:
    """One with random weights that keep the signal alive, so that differences would show."""
    torch.manual_seed(0)
    body = EfficientNetLite0(**options)  # type: ignore[arg-type]
    for module in body.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return body


def published(network: EfficientNetLite0) -> dict[str, torch.Tensor]:
    """A network's weights under the names in which they are published, with a classifier."""
    tops = {ours: theirs for theirs, ours in PUBLISHED.items()}
    inner = {ours: theirs for theirs, ours in PUBLISHED_BLOCK.items()}
    state = {name: torch.zeros(shape) for name, shape in CLASSIFIER.items()}
    for name, value in network.state_dict().items():
        parts = name.split(".")
        if parts[0] == "body":
            state[f"_blocks.{parts[1]}.{inner['.'.join(parts[2:4])]}.{parts[4]}"] = value
        else:
            state[f"{tops['.'.join(parts[:2])]}.{parts[2]}"] = value
    return state


def pictures(size: int, count: int = 3) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 255, (count, size, size, 3), dtype=np.uint8))


def test_its_parameters_are_those_of_the_published_network() -> None:
    state = published(make(size=32))
    numbers = [value for name, value in state.items() if not any(x in name for x in ("running_", "num_batches"))]
    assert sum(value.numel() for value in numbers) == 4_652_008
    assert state["_blocks.11._depthwise_conv.weight"].shape == (672, 1, 5, 5)
    assert state["_blocks.15._project_conv.weight"].shape == (320, 1152, 1, 1)
    assert "_blocks.0._expand_conv.weight" not in state
    assert len([name for name in state if name.endswith("_project_conv.weight")]) == 16


@pytest.mark.parametrize(("size", "places"), [(32, 1), (64, 4), (96, 9)])
def test_a_place_stands_for_32_pixels_and_the_summary_is_their_mean(size: int, places: int) -> None:
    body = make(size=size)
    tokens = body.source.collate([body.source.load(each) for each in pictures(size, 2)])
    encoded = encode(body, tokens, "tokens")
    assert encoded.values.shape == (2, places, 1280)
    assert torch.allclose(encode(body, tokens, "cls").values[:, 0], encoded.values.mean(1), atol=1e-5)
    assert encoded.values.std() > 0.1


def test_it_keeps_the_contract_of_encoders() -> None:
    check_encoder(lambda: make(size=64), make(size=64).source, pictures(64))  # type: ignore[arg-type, return-value]


def test_norms_keep_their_statistics_in_training() -> None:
    body = make(size=32).train()
    before = {name: value.clone() for name, value in body.state_dict().items()}
    tokens = Tokens.full(torch.randn(4, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    together = body(tokens).values
    assert all(torch.equal(value, before[name]) for name, value in body.state_dict().items())
    assert torch.allclose(together[:1], body(tokens[:1]).values, atol=1e-5)
    assert body.training


def test_blocks_hold_every_parameter_from_the_bottom_up() -> None:
    body = make(size=32)
    blocks = body.blocks()
    assert sum(p.numel() for block in blocks for p in block.parameters()) == sum(p.numel() for p in body.parameters())
    assert len(blocks) == 18
    assert blocks[0] is body.stem and blocks[-1] is body.top


def test_strided_convolutions_pad_below_and_to_the_right_only() -> None:
    """As the published weights do: the first place of a strided 3x3 sees no padding, the last one does."""
    conv = make(size=32).stem
    for module in conv.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.ones_(module.weight)
    counts = conv.conv(conv.pad(torch.ones(1, 3, 8, 8)))[0, 0] / 3
    assert counts.shape == (4, 4)
    assert counts[0].tolist() == [9, 9, 9, 6]
    assert counts[-1].tolist() == [6, 6, 6, 4]


def test_pictures_are_scaled_as_in_its_training_whatever_the_data() -> None:
    source = make(size=32).source.fit(pictures(32))
    prepared = source.prepare(source.collate([torch.full((1, 3, 32, 32), 255, dtype=torch.uint8)]), training=False)
    assert torch.allclose(prepared.values, torch.ones(1))
    assert (MEAN[0] * 255, STD[0] * 255) == (127, 128)


@pytest.mark.parametrize(("options", "message"), [({"size": 100}, "multiple of 32.* not 100"), ({"size": 0}, "not 0")])
def test_a_size_it_cannot_halve_five_times_is_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**options)


def test_options_are_those_of_pictures_but_for_their_scale() -> None:
    assert make(size=32, fit="pad").source.fingerprint() != make(size=32).source.fingerprint()
    with pytest.raises(ConfigError, match="leave `scale` out"):
        make(scale="data")
    with pytest.raises(ConfigError, match="'fitt': did you mean 'fit'"):
        make(fitt="pad")


class TestPublished:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("SENSEMBLE_HOME", str(tmp_path))
        folder = tmp_path / "weights" / "efficientnet_lite0"
        folder.mkdir(parents=True)
        files.write(folder / "complete", "")
        return folder

    def load(self, **options: object) -> EfficientNetLite0:
        assert "efficientnet" not in encoders("image")  # a body, not an encoder; the look-up imports it
        body = BACKBONES["image", "efficientnet_lite0"](**options)
        assert isinstance(body, EfficientNetLite0)
        return body

    def test_published_names_find_their_places(self, folder: Path) -> None:
        original = make(size=32)
        save_file(published(original), folder / TENSORS)
        found = self.load(size=32)
        assert all(torch.equal(value, original.state_dict()[name]) for name, value in found.state_dict().items())
        assert found.digest == self.load(size=32).digest != self.load(size=64).digest

    def test_other_weights_have_another_digest(self, folder: Path) -> None:
        state = published(make(size=32))
        save_file(state, folder / TENSORS)
        first = self.load(size=32).digest
        save_file({**state, "_bn1.bias": state["_bn1.bias"] + 1}, folder / TENSORS)
        assert self.load(size=32).digest != first

    @pytest.mark.parametrize("change", ["missing", "extra", "shape", "no file", "no tensors"])
    def test_what_is_not_exactly_these_weights_is_refused(self, folder: Path, change: str) -> None:
        state = published(make(size=32))
        if change == "missing":
            del state["_bn1.bias"]
        elif change == "extra":
            state["_blocks.16._bn1.bias"] = torch.zeros(1)
        elif change == "shape":
            state["_bn1.bias"] = torch.zeros(7)
        if change == "no tensors":
            (folder / TENSORS).write_bytes(b"not tensors at all")
        elif change != "no file":
            save_file(state, folder / TENSORS)
        with pytest.raises(DataError, match=r"model\.safetensors is damaged .* fetch it again"):
            self.load(size=32)

    def test_without_weights_the_error_names_the_command(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SENSEMBLE_HOME", str(tmp_path / "empty"))
        with pytest.raises(ConfigError, match="sensemble weights get efficientnet_lite0"):
            self.load()
