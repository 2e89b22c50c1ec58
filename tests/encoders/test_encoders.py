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
    "audio": [{"array": random.normal(size=n) * 0.1, "sampling_rate": 8_000} for n in (1, 700, 3_000, 2_200)],
    "video": [random.integers(0, 255, (n, 20, 24, 3), dtype=np.uint8) for n in (1, 5, 4)],
    "items": [[7, 3, 7], "9", [3, 9, 11, 12, 1]],
}
OPTIONS: dict[str, dict[str, Any]] = {
    "text": {"vocab": 300},
    "image": {"size": 16},
    "audio": {"rate": 8_000, "bands": 16},
    "video": {"size": 16},
}
SMALL: dict[str, dict[str, Any]] = {
    "image/resnet": {"depth": 10, "channels": 8},
    "image/vit": {"dim": 16, "depth": 1, "patch": 8},
    "image/cnn": {"channels": [8, 16]},
    "text/transformer": {"dim": 16, "depth": 1},
    "vector/transformer": {"dim": 16, "depth": 1},
    "text/bag": {"dim": 16, "pairs": 50},
    "items/bag": {"dim": 16, "pairs": 50},
    "items/transformer": {"dim": 16, "depth": 1},
    "audio/cnn": {"dim": 16, "channels": [8, 8, 8]},
    "audio/transformer": {"dim": 16, "depth": 1, "channels": [8, 8]},
    "video/frames": {"dim": 16, "looks": 2, "frame": {"name": "cnn", "channels": [8, 16]}},
    "video/tubelet": {"dim": 16, "depth": 1, "patch": 8},
    "video/conv3d": {"dim": 16, "channels": [8, 16], "looks": 2},
    "video/motion": {"channels": [8, 16]},
    "video/stack": {"channels": [8, 16], "apart": 1},
}
EVERY = [(kind, name) for kind in MODALITIES for name in encoders(kind) if name != "pretrained"]  # it has its own


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


def toys(kind: str) -> list[Any]:
    """32 values for two labels in turn: texts with a telling word among others, pictures and steps of noise."""
    draw = np.random.default_rng(1)
    if kind == "text":
        words = [
            [*draw.choice(["so", "tea", "今天", "茶"], draw.integers(1, 6)), ("good", "bad")[i % 2]] for i in range(32)
        ]
        return [" ".join(draw.permutation(each)) for each in words]
    if kind == "video":
        return [draw.integers(0, 255, (n, 16, 16, 3), dtype=np.uint8) for n in draw.integers(1, 4, 32)]
    if kind == "image":
        return [draw.integers(0, 255, (16, 16, 3), dtype=np.uint8) for _ in range(32)]
    return [draw.normal(size=(n, 4)).tolist() for n in draw.integers(1, 6, 32)]


@pytest.mark.parametrize(("kind", "name"), [pair for pair in EVERY if pair[0] in ("text", "image", "vector", "video")])
def test_it_learns_a_tiny_set(kind: str, name: str) -> None:
    fitted, values = modality(kind), toys(kind)
    torch.manual_seed(0)
    encoder = make(kind, name, fitted)
    head = torch.nn.Linear(encoder.dim, 2)
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=0.02)
    tokens = fitted.prepare(fitted.collate([fitted.load(value) for value in values]), training=False)
    labels = torch.arange(32) % 2
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(head(encoder(tokens).mean()), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        right = (head(encoder.eval()(tokens).mean()).argmax(1) == labels).float().mean()
    # one linear map can hold only part of the noise
    assert right >= (0.6 if name == "linear" else 0.95)


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
            return tokens.with_values(values - result.values.mean(0, keepdim=True))
        if self.law == "content":
            return tokens.with_values(values + values.sum(1, keepdim=True))
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
        ("content", "what a masked slot holds"),
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
        ("text", "bag", {"dim": 64, "heads": 3}, "3 heads divide not both the 48 numbers of words and the 16 of pairs"),
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


@pytest.mark.parametrize("name", ["lstm", "gru"])
@pytest.mark.parametrize("depth", [1, 2])
def test_a_masked_token_in_the_middle_is_as_if_it_were_not_there(name: str, depth: int) -> None:
    torch.manual_seed(0)
    encoder = encoders("vector").create(name, modality("vector"), dim=8, depth=depth).eval()
    values, mask = torch.randn(2, 5, 4), torch.tensor([[True, False, True, True, False], [False] * 5])
    with torch.no_grad():
        found = encoder(Tokens(values, mask)).values
        without = encoder(Tokens.full(values[:1, [0, 2, 3]])).values
    assert torch.allclose(found[:1, [0, 2, 3]], without, atol=1e-6)
    assert not found[~mask].any()


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_recurrent_states_know_what_comes_before_and_after(name: str) -> None:
    torch.manual_seed(0)
    encoder = encoders("vector").create(name, modality("vector"), dim=8).eval()
    values = torch.randn(1, 6, 4)
    with torch.no_grad():
        before = encoder(Tokens.full(values)).values
        values[0, 3] += 1
        changed = (encoder(Tokens.full(values)).values != before)[0]  # (T, D)
    assert changed[3:, :4].all() and not changed[:3, :4].any()  # one half reads forward
    assert changed[:4, 4:].all() and not changed[4:, 4:].any()  # the other backward


@pytest.mark.parametrize("name", ["lstm", "gru"])
@pytest.mark.parametrize("present", [0, 1, 2, 3])
def test_recurrent_networks_run_no_steps_for_rows_that_most_lack(name: str, present: int) -> None:
    torch.manual_seed(0)
    encoder = encoders("vector").create(name, modality("vector"), dim=8).eval()
    rows: list[int] = []
    encoder.forth[0].register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    tokens = Tokens.stack([None] * (4 - present) + [torch.randn(3 + row, 4) for row in range(present)], shape=(4,))
    with torch.no_grad():
        found = encoder(tokens)
        alone = [encoder(tokens[row : row + 1]).values[0] for row in range(4)]
    assert rows[0] == (present if present in (1, 2) else 4)
    assert torch.allclose(found.values, torch.stack(alone), atol=1e-6) and torch.equal(found.mask, tokens.mask)


@pytest.mark.parametrize("pairs", [0, 50])
def test_bag_reads_a_single_word(pairs: int) -> None:
    torch.manual_seed(0)
    encoder = encoders("text").create("bag", modality("text"), dim=8, pairs=pairs).eval()
    with torch.no_grad():
        one, padded = encoder(Tokens.full(torch.tensor([[5]]))), encoder(Tokens.stack([torch.tensor([5]), None]))
    assert one.values.shape == (1, 1, 8) and bool(one.values.any())
    assert torch.equal(padded.values[0], one.values[0]) and padded.mask.tolist() == [[True], [False]]


@pytest.mark.parametrize("pairs", [0, 50])
def test_each_head_of_a_bag_has_its_own_idea_of_what_is_important(pairs: int) -> None:
    torch.manual_seed(0)
    encoder = encoders("text").create("bag", modality("text"), dim=16, heads=2, pairs=pairs).eval()
    other = encoders("text").create("bag", modality("text"), dim=16, pairs=pairs).eval()
    other.load_state_dict({**encoder.state_dict(), "importance.weight": torch.zeros_like(other.importance.weight)})
    with torch.no_grad():
        encoder.importance.weight[5, 0] = encoder.importance.weight[6, 1] = 100.0
        found = encoder(Tokens.full(torch.tensor([[4, 5, 6, 7]]))).values[0, 0]
        five, six = (other(Tokens.full(torch.tensor([[word]]))).values[0, 0] for word in (5, 6))
    half = encoder.words.weight.shape[1] // 2
    assert torch.allclose(found[:half], five[:half]) and torch.allclose(found[half : 2 * half], six[half : 2 * half])


def test_piecewise_encoding_is_continuous_and_tells_all_values_apart() -> None:
    fitted = modality("number")
    encoder = make("number", "piecewise", fitted).eval()
    points = torch.linspace(-3, 3, 601).view(-1, 1, 1)
    with torch.no_grad():
        values = encoder(Tokens.full(points)).values[:, 0]
    steps = (values[1:] - values[:-1]).norm(dim=1)
    assert steps.min() > 0 and steps.max() < 1.0


def test_the_small_cnn_tells_bright_from_dark() -> None:
    """Norms over each picture must not take its brightness away."""
    noise = np.random.default_rng(0)
    pictures = [noise.integers(low, low + 80, (16, 16, 3)).astype(np.uint8) for low in (20, 150) * 20]
    fitted = MODALITIES.create("image", size=16).fit(pictures)
    tokens = fitted.prepare(fitted.collate([fitted.load(picture) for picture in pictures]), training=False)
    labels = torch.tensor([0, 1] * 20)
    encoder = make("image", "cnn", fitted)
    head = torch.nn.Linear(encoder.dim, 2)
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=0.01)
    for _ in range(30):
        loss = torch.nn.functional.cross_entropy(head(encoder(tokens[:30]).mean()), labels[:30])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        assert (head(encoder(tokens[30:]).mean()).argmax(1) == labels[30:]).all()
