"""The battery over every registered encoder, and proof that the battery can fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sensemble.encoders.base import Encoder, encoders
from sensemble.errors import ConfigError
from sensemble.modalities.base import MODALITIES, Modality
from sensemble.testing import check_encoder
from sensemble.tokens import Tokens

random = np.random.default_rng(0)
VALUES: dict[str, list[Any]] = {
    "text": ["good", "not bad at all, 很好的茶", "so so", "a longer text of many words, good and bad"],
    "image": [random.integers(0, 255, (20, 24, 3), dtype=np.uint8) for _ in range(3)],
    "number": [1, 2.5, -3, 100],
    "category": ["a", "b", "c"],
    "vector": [random.normal(size=(n, 4)).tolist() for n in (1, 5, 3)],
}
OPTIONS: dict[str, dict[str, Any]] = {"text": {"vocab": 300}, "image": {"size": 16}}
SMALL: dict[str, dict[str, Any]] = {
    "image/resnet": {"depth": 10, "channels": 8},
    "image/vit": {"dim": 16, "depth": 1, "patch": 8},
    "image/cnn": {"channels": [8, 16]},
    "text/transformer": {"dim": 16, "depth": 1},
    "vector/transformer": {"dim": 16, "depth": 1},
    "text/bag": {"dim": 16, "pairs": 50},
}
EVERY = [(kind, name) for kind in MODALITIES for name in encoders(kind)]


def modality(kind: str) -> Modality:
    made: Modality = MODALITIES.create(kind, **OPTIONS.get(kind, {}))
    return made.fit(VALUES[kind])


def make(kind: str, name: str, fitted: Modality) -> Encoder:
    torch.manual_seed(0)
    options = SMALL.get(f"{kind}/{name}", {} if kind in ("image",) else {"dim": 16})
    return encoders(kind).create(name, fitted, **options)


def test_every_modality_has_values_and_its_default_encoder() -> None:
    assert set(VALUES) == set(MODALITIES)
    for kind in MODALITIES:
        assert MODALITIES[kind].encoder in encoders(kind)


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_battery(kind: str, name: str) -> None:
    fitted = modality(kind)
    check_encoder(lambda: make(kind, name, fitted), fitted, VALUES[kind])


@pytest.mark.parametrize(("kind", "name"), [pair for pair in EVERY if pair[0] in ("text", "image", "vector")])
def test_it_learns_a_tiny_set(kind: str, name: str) -> None:
    fitted = modality(kind)
    encoder = make(kind, name, fitted)
    head = torch.nn.Linear(encoder.dim, len(VALUES[kind]))
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=0.01)
    tokens = fitted.prepare(fitted.collate([fitted.load(value) for value in VALUES[kind]]), training=False)
    labels = torch.arange(len(VALUES[kind]))
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(head(encoder(tokens).mean()), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        assert (head(encoder.eval()(tokens).mean()).argmax(1) == labels).all()


class Leaky(Encoder):
    """Breaks one law at a time."""

    def __init__(self, law: str) -> None:
        super().__init__()
        self.dim, self.law = 4, law
        self.body = torch.nn.Linear(4, 4)
        self.unused = torch.nn.Linear(1, 1)

    def forward(self, tokens: Tokens) -> Tokens:
        values = self.body(tokens.values)
        result = tokens.with_values(values + self.unused.weight.sum() * 0)
        if self.law == "mask":
            return Tokens(values, tokens.mask)
        if self.law == "rows":
            return tokens.with_values(values - values.mean(0, keepdim=True))
        if self.law == "padding":
            return tokens.with_values(values + values.shape[1])
        if self.law == "presence":
            return Tokens.full(values)
        return result


@pytest.mark.parametrize(
    ("law", "message"),
    [
        ("mask", "masked slots are not zero"),
        ("rows", "other rows|padding"),
        ("padding", "padding changes"),
        ("presence", "presence of rows"),
        ("gradient", "no gradient reaches unused.bias"),
    ],
)
def test_the_battery_finds_every_breach(law: str, message: str) -> None:
    fitted = modality("vector")
    with pytest.raises(AssertionError, match=message):
        check_encoder(lambda: Leaky(law), fitted, VALUES["vector"])


@pytest.mark.parametrize(
    ("kind", "name", "options", "message"),
    [
        ("image", "vit", {"patch": 5}, "does not divide"),
        ("image", "cnn", {"channels": [8] * 6}, "too many"),
        ("text", "lstm", {"dim": 15}, "even"),
        ("text", "cnn", {"kernels": [2]}, "odd"),
        ("text", "transformer", {"dim": 10, "heads": 4}, "heads"),
        ("text", "bga", {}, "did you mean 'bag'"),
    ],
)
def test_impossible_options_are_clear_errors(kind: str, name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        encoders(kind).create(name, modality(kind), **options)


def test_word_order_matters_to_all_but_the_mean() -> None:
    fitted = modality("text")
    for name in ("bag", "cnn", "lstm", "gru", "transformer"):
        encoder = make("text", name, fitted).eval()
        with torch.no_grad():
            one, other = (encoder(fitted.collate([fitted.load(text)])).mean() for text in ("not bad at", "at bad not"))
        assert not torch.allclose(one, other, atol=1e-4), name


def test_piecewise_encoding_is_continuous_and_tells_all_values_apart() -> None:
    fitted = modality("number")
    encoder = make("number", "piecewise", fitted).eval()
    points = torch.linspace(-3, 3, 601).view(-1, 1, 1)
    with torch.no_grad():
        values = encoder(Tokens.full(points)).values[:, 0]
    steps = (values[1:] - values[:-1]).norm(dim=1)
    assert steps.min() > 0 and steps.max() < 1.0
