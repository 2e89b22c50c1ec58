"""Pretrained encoders: which parts learn, how fast and from when on, and what a checkpoint holds of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sensemble.checkpoint import Place, learned, load_weights, set_learned
from sensemble.encoders import backbone as backbones
from sensemble.encoders.backbone import Backbone, register_backbone
from sensemble.encoders.base import create, create_modality
from sensemble.encoders.frozen import Frozen
from sensemble.encoders.hf.load import load_backbone
from sensemble.encoders.pretrained import Pretrained
from sensemble.errors import ConfigError
from sensemble.modalities.image import Image
from sensemble.optimise import make_optimizer, set_rates
from sensemble.testing import check_encoder
from sensemble.tokens import Tokens
from sensemble.train import train
from sensemble.train_config import TrainConfig

Tiny = Callable[..., Path]
CONFIG = TrainConfig(epochs=2, batch=8, lr=0.01, patience=0, hide=0.2, device="cpu", checkpoint=1e9, weight_decay=0.1)


def make(folder: Path | str, kind: str = "text", **options: Any) -> Pretrained:
    spec = {"name": "pretrained", "model": str(folder), **options}
    torch.manual_seed(0)
    encoder = create(kind, create_modality(kind, {}, spec, where="inputs.one"), spec, where="inputs.one.encoder")
    assert isinstance(encoder, Pretrained)
    return encoder


def learning(module: nn.Module) -> set[str]:
    return {name for name, parameter in module.named_parameters() if parameter.requires_grad}


def text_input(folder: Path, **options: Any) -> dict[str, Any]:
    return {"words": {"name": "text", "encoder": {"name": "pretrained", "model": str(folder), **options}}}


def test_frozen_is_a_modality_and_an_encoder_without_weights(tiny: Tiny) -> None:
    spec = {"name": "pretrained", "model": str(tiny("bert")), "pool": "mean"}
    modality = create_modality("text", {}, spec, where="inputs.one")
    encoder = make(tiny("bert"), pool="mean")
    assert isinstance(modality, Frozen) and modality.load("good tea").shape == (1, 16)
    assert encoder.dim == 16 and not list(encoder.parameters()) and not encoder.given() and not encoder.paces()
    assert modality.load("good").equal(modality.load("good")) and not modality.load("good").equal(modality.load("bad"))


def test_lora_learns_its_own_matrices_alone_and_starts_as_the_body_was(tiny: Tiny) -> None:
    whole, lora = make(tiny("bert"), tune="full").eval(), make(tiny("bert"), tune="lora", rank=2).eval()
    names = learning(lora)
    assert names and all("lora_" in name for name in names)
    assert {name.split(".lora_")[0].rsplit(".", 1)[-1] for name in names} == {"query", "key", "value", "dense"}
    assert not any("intermediate" in name for name in names)  # attention layers alone
    tokens = Tokens.full(torch.tensor([[1, 20, 30, 2]]))
    assert torch.equal(whole(tokens).values, lora(tokens).values)
    assert set(lora.state_dict()) - lora.given() == names
    assert not whole.given()


def test_last_k_learns_the_last_layers_and_what_stands_behind_them(tiny: Tiny) -> None:
    one, two = (make(tiny("gpt2"), tune="last_k", last=last) for last in (1, 2))
    assert {".".join(name.split(".")[2:4]) for name in learning(one)} == {"h.1", "ln_f.weight", "ln_f.bias"}
    assert learning(two) - learning(one) == {
        name.replace(".h.1.", ".h.0.") for name in learning(one) if ".h.1." in name
    }
    assert set(one.state_dict()) - one.given() == learning(one)
    with pytest.raises(ConfigError, match="last must be at most 2"):
        make(tiny("gpt2"), tune="last_k", last=3)


def test_networks_have_copies_of_their_own_of_a_body_that_is_read_once(tiny: Tiny, monkeypatch: Any) -> None:
    from sensemble.encoders.hf import text

    reads: list[str] = []
    real = text.build
    monkeypatch.setattr(text, "build", lambda *args, **options: reads.append("") or real(*args, **options))
    folder = tiny("bert", seed=7)
    first, second = make(folder, tune="full"), make(folder, tune="full")
    assert len(reads) == 1
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(1)
    assert not any(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    third = make(folder, tune="full")
    assert all(torch.equal(a, b) for a, b in zip(third.parameters(), second.parameters(), strict=True))


def test_batch_norms_stay_as_they_were_pretrained(tiny: Tiny) -> None:
    encoder = make(tiny("resnet"), "image", tune="full").train()
    before = {name: buffer.clone() for name, buffer in encoder.named_buffers()}
    assert before
    encoder(Tokens.full(torch.randn(4, 1, 3, 32, 32)))
    assert all(torch.equal(before[name], buffer) for name, buffer in encoder.named_buffers())


def test_layers_below_learn_more_slowly_and_later(tiny: Tiny) -> None:
    encoder = make(tiny("gpt2"), tune="full", rate=0.1, decay=0.5, thaw=0.6)
    found = {
        name.split(".")[2] + (name.split(".")[3] if ".h." in name else ""): pace
        for name, pace in encoder.paces().items()
    }
    assert {name: pace.rate for name, pace in found.items()} == pytest.approx(
        {"ln_f": 0.1, "h1": 0.1, "h0": 0.05, "wte": 0.025, "wpe": 0.025}
    )
    assert {name: pace.start for name, pace in found.items()} == pytest.approx(
        {"ln_f": 0, "h1": 0, "h0": 0.3, "wte": 0.6, "wpe": 0.6}
    )
    lora = make(tiny("gpt2"), tune="lora", decay=0.5, thaw=0.4)
    assert {(pace.rate, pace.start) for pace in lora.paces().values()} == {(1.0, 0.0), (0.5, 0.4)}


def test_the_optimizer_keeps_to_the_paces(built: Callable[..., Any], tiny: Tiny) -> None:
    network, *_ = built(**text_input(tiny("gpt2"), tune="full", rate=0.1, decay=0.5, thaw=0.5))
    optimizer = make_optimizer(network, CONFIG)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            name = names[id(parameter)]
            share = 0.025 if ".wte." in name or ".wpe." in name else 0.05 if ".h.0." in name else 0.1
            assert group["peak"] == pytest.approx(CONFIG.lr * (share if ".backbone." in name else 1))
            assert group["weight_decay"] == (0.1 if parameter.dim() > 1 else 0)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(network.parameters()))
    set_rates(optimizer, 3, 10, 0.0)
    for group in optimizer.param_groups:
        assert (group["lr"] == 0) == (group["start"] == 0.5)
        assert all(parameter.requires_grad == (group["start"] < 0.5) for parameter in group["params"])


def test_layers_that_thaw_later_stand_still_bit_by_bit_until_then(built: Callable[..., Any], tiny: Tiny) -> None:
    network, task, samples, _ = built(**text_input(tiny("gpt2"), tune="full", rate=1.0, thaw=0.5))
    samples = samples.take(np.flatnonzero(samples.stores["words"].present.numpy())[:12])  # every step sees texts
    before = {name: parameter.clone() for name, parameter in network.named_parameters()}
    changed: dict[int, set[str]] = {}
    for record in train(network, task, samples, None, replace(CONFIG, batch=4)):
        different = {name for name, p in network.named_parameters() if not torch.equal(p, before[name])}
        changed[record.step] = {part for name in different for part in ("wte", "h.0.", "h.1.", "head") if part in name}
    assert record.steps == 6
    assert changed[1] == {"h.1.", "head"}  # the layer below begins with the third step, the table with the fourth
    assert changed[2] == {"h.1.", "head"} and changed[3] == {"h.0.", "h.1.", "head"}
    assert changed[4] == {"wte", "h.0.", "h.1.", "head"}
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(
    "options", [{"tune": "lora"}, {"tune": "full", "thaw": 0.5, "decay": 0.5}, {"tune": "last_k", "last": 1}]
)
def test_resuming_gives_the_same_weights(
    built: Callable[..., Any], tiny: Tiny, tmp_path: Path, options: dict[str, Any]
) -> None:
    inputs = text_input(tiny("bert"), **options)
    network, task, samples, _ = built(**inputs)
    list(train(network, task, samples, samples, CONFIG, place=Place(tmp_path / "whole", {})))
    reference = network.state_dict()
    for stop in (2, 4):
        place = Place(tmp_path / str(stop), {})
        network, task, samples, _ = built(**inputs)
        steps = train(network, task, samples, samples, replace(CONFIG, checkpoint=0.0), place=place)
        for _ in range(stop):
            next(steps)
        steps.close()  # type: ignore[attr-defined]
        network, task, samples, _ = built(**inputs)
        list(train(network, task, samples, samples, CONFIG, place=place, resume=True))
        assert all(torch.equal(value, reference[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("tune", ["frozen", "lora", "last_k", "full"])
def test_a_checkpoint_holds_what_was_learned_and_nothing_else(
    built: Callable[..., Any], tiny: Tiny, tmp_path: Path, tune: str
) -> None:
    from safetensors.torch import load_file

    network, task, samples, _ = built(**text_input(tiny("bert"), tune=tune, last=1, rank=1))
    list(train(network, task, samples, samples, replace(CONFIG, epochs=1), place=Place(tmp_path, {})))
    saved = load_file(tmp_path / "best" / "network.safetensors")
    learns = learning(network)
    assert set(saved) == {name for name in network.state_dict() if name in learns or "backbone" not in name}
    size = sum(tensor.numel() for name, tensor in saved.items() if "backbone" in name)
    whole = 10_336  # parameters of the body
    low, high = {"frozen": (0, 0), "lora": (1, 0.04 * whole), "last_k": (1, 0.25 * whole), "full": (whole, whole)}[tune]
    assert low <= size <= high
    other, *_ = built(**text_input(tiny("bert"), tune=tune, last=1, rank=1))
    load_weights(other, tmp_path / "best")
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in other.state_dict().items())


def test_only_what_the_body_brings_may_be_missing(built: Callable[..., Any], tiny: Tiny) -> None:
    network, *_ = built(**text_input(tiny("bert"), tune="lora"))
    state = dict(learned(network))
    some = next(name for name in state if "lora_A" in name)
    with pytest.raises(RuntimeError, match="lora_A"):
        set_learned(network, {name: value for name, value in state.items() if name != some})
    brought = min(network.given())
    with pytest.raises(RuntimeError, match="belongs to the pretrained body"):
        set_learned(network, {**state, brought: network.state_dict()[brought]})
    with pytest.raises(RuntimeError, match="nonsense"):
        set_learned(network, {**state, "nonsense": torch.zeros(1)})
    set_learned(network, state)


class Sieve(Backbone):
    """A body of nobody's making: one convolution."""

    def __init__(self, *, size: int = 8, **options: Any) -> None:
        super().__init__()
        self.dim, self.digest = 4, f"sieve {size}"
        self.source = Image(size=size, **options)
        self.body = nn.Conv2d(3, 4, size)
        nn.init.constant_(self.body.weight, 0.1)

    def forward(self, tokens: Tokens) -> Tokens:
        return tokens.apply(lambda pictures: self.body(pictures).flatten(1), out=(4,))

    def blocks(self) -> list[nn.Module]:
        return [self.body]


@pytest.fixture
def sieve() -> Iterator[str]:
    register_backbone("sieve", "image")(Sieve)
    yield "sieve"
    del backbones.BACKBONES["image", "sieve"]


@pytest.mark.parametrize("tune", ["frozen", "full", "last_k"])
def test_a_registered_body_is_found_by_its_name(sieve: str, tune: str) -> None:
    spec = {"name": "pretrained", "model": sieve, "tune": tune, "last": 1}
    pictures = [np.random.default_rng(seed).integers(0, 255, (9, 9, 3), dtype=np.uint8) for seed in range(3)]
    modality = create_modality("image", {"size": 6}, spec, where="inputs.one").fit(pictures)
    assert modality.load(pictures[0]).shape == ((1, 4) if tune == "frozen" else (1, 3, 6, 6))
    check_encoder(lambda: create("image", modality, spec, where="inputs.one.encoder"), modality, pictures)


def test_a_registered_picture_body_sees_clips_frame_by_frame(sieve: str) -> None:
    clip = np.random.default_rng(0).integers(0, 255, (5, 9, 9, 3), dtype=np.uint8)
    body = load_backbone("video", sieve, {"frames": 2, "size": 6})
    assert body.source.load(clip).shape == (2, 3, 6, 6) and body.dim == 4
    with pytest.raises(ConfigError, match="needs a model with attention layers"):
        make(sieve, "image", tune="lora")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tune": "lora", "rank": 0}, "rank must be at least 1"),
        ({"tune": "full", "thaw": 1.0}, "thaw is a share"),
        ({"tune": "full", "decay": 0.0}, "decay must be above 0"),
        ({"tune": "none"}, "unknown value 'none'"),
        ({"pool": "max"}, "unknown value 'max'"),
        ({"ranks": 3}, "did you mean 'rank'"),
    ],
)
def test_impossible_options_are_clear_errors(tiny: Tiny, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(tiny("bert"), **options)


def test_a_model_must_be_named() -> None:
    with pytest.raises(ConfigError, match=r"inputs\.one\.encoder \(pretrained\): the key 'model' is required"):
        create_modality("text", {}, {"name": "pretrained"}, where="inputs.one")


@pytest.mark.parametrize(("package", "tune"), [("transformers", "frozen"), ("peft", "lora")])
def test_missing_packages_name_their_remedy(tiny: Tiny, monkeypatch: Any, package: str, tune: str) -> None:
    import sys

    from sensemble.encoders.hf import load

    folder = tiny("bert")
    monkeypatch.setattr(load, "_kept", type(load._kept)())
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf"'{package}'; install it: pip install 'sensemble\[pretrained\]'"):
        make(folder, tune=tune)
