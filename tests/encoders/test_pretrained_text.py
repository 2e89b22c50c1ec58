"""Text bodies: the battery over every family, and the numbers that transformers itself gives."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sensemble.encoders.backbone import encode
from sensemble.encoders.base import create, create_modality
from sensemble.encoders.hf.load import load_backbone
from sensemble.encoders.hf.text import TextBody
from sensemble.errors import ConfigError
from sensemble.testing import check_encoder, check_modality
from sensemble.tokens import Tokens

Tiny = Callable[..., Path]
TEXTS = ["good", "not bad at all, 很好的茶", "so so", "a longer text of many words, good and bad", " "]
KINDS = ["bert", "roberta", "distilbert", "minilm", "gpt2", "qwen2", "clip"]


def check(folder: Path, tune: str, pool: str = "tokens") -> None:
    spec = {"name": "pretrained", "model": str(folder), "tune": tune, "pool": pool, "last": 1}
    modality = create_modality("text", {}, spec, where="inputs.words").fit(TEXTS)
    check_modality(modality, TEXTS)

    def make() -> Any:
        torch.manual_seed(1)
        return create("text", modality, spec, where="inputs.words.encoder")

    check_encoder(make, modality, TEXTS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tune", ["frozen", "full"])
def test_battery(tiny: Tiny, kind: str, tune: str) -> None:
    check(tiny(kind), tune)


@pytest.mark.parametrize(("kind", "tune"), [("bert", "lora"), ("gpt2", "lora"), ("roberta", "last_k")])
@pytest.mark.parametrize("pool", ["mean", "cls"])
def test_battery_of_the_other_ways(tiny: Tiny, kind: str, tune: str, pool: str) -> None:
    check(tiny(kind), tune, pool)


@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2", "qwen2"])
def test_tokens_are_those_of_the_model_run_by_hand(tiny: Tiny, kind: str) -> None:
    from transformers import AutoModel

    body = load_backbone("text", str(tiny(kind)), {})
    model = AutoModel.from_pretrained(tiny(kind)).eval()
    found = encode(body, body.source.collate([body.source.load(text) for text in TEXTS]), "tokens")
    for row, text in enumerate(TEXTS):
        ids = body.source.load(text).unsqueeze(0)
        with torch.no_grad():
            expected = model(input_ids=ids).last_hidden_state[0]
        assert torch.allclose(found.values[row][found.mask[row]], expected, atol=1e-5)


def test_left_padding_and_holes_are_as_if_they_were_not_there(tiny: Tiny) -> None:
    for kind in ("roberta", "gpt2"):
        body = load_backbone("text", str(tiny(kind)), {})
        ids = body.source.load("not bad at all")
        spread = torch.full((1, 2 * len(ids)), 7)
        spread[0, 1::2] = ids
        holes = Tokens(spread, torch.tensor([[False, True] * len(ids)]))
        for how in ("tokens", "cls", "mean"):
            one, other = (encode(body, tokens, how) for tokens in (Tokens.full(ids.unsqueeze(0)), holes))  # type: ignore[arg-type]
            assert torch.allclose(one.values[one.mask], other.values[other.mask], atol=1e-6)


@pytest.mark.parametrize(("kind", "place"), [("bert", 0), ("gpt2", -1), ("clip", -1), ("minilm", None)])
def test_the_summary_is_what_the_model_was_trained_to_give(tiny: Tiny, kind: str, place: int | None) -> None:
    body = load_backbone("text", str(tiny(kind)), {})
    tokens = body.source.collate([body.source.load(text) for text in TEXTS])
    every, summary = encode(body, tokens, "tokens"), encode(body, tokens, "cls")
    for row in range(len(TEXTS)):
        real = every.values[row][every.mask[row]]
        expected = real.mean(0) if place is None else real[place]
        assert torch.allclose(summary.values[row, 0], expected, atol=1e-6)


def test_clip_gives_its_pooled_text(tiny: Tiny) -> None:
    from transformers import CLIPTextModel

    body = load_backbone("text", str(tiny("clip")), {})
    ids = body.source.load("good tea").unsqueeze(0)
    with torch.no_grad():
        expected = CLIPTextModel.from_pretrained(tiny("clip"))(input_ids=ids).pooler_output
    assert torch.allclose(encode(body, Tokens.full(ids), "cls").values[:, 0], expected, atol=1e-6)


def test_a_folders_padding_is_ignored_and_its_marks_are_named(tiny: Tiny) -> None:
    source = load_backbone("text", str(tiny("bert")), {}).source
    assert source.describe("good tea")[0] == "[CLS]" and source.describe("good tea")[-1] == "[SEP]"
    assert len(source.load("good")) < 8


def test_length_and_truncation_are_the_users(tiny: Tiny) -> None:
    text = "a longer text of many words, good and bad"
    cut = {end: load_backbone("text", str(tiny("bert")), {"length": 6, "truncate": end}) for end in ("end", "start")}
    whole = load_backbone("text", str(tiny("bert")), {}).source.load(text)
    assert cut["end"].source.load(text).tolist() == [*whole[:5].tolist(), whole[-1].item()]
    assert cut["start"].source.load(text).tolist() == [whole[0].item(), *whole[-5:].tolist()]
    assert cut["end"].source.fingerprint() != cut["start"].source.fingerprint()
    assert len(load_backbone("text", str(tiny("minilm")), {}).source.load(text * 9)) == 32  # as the folder says


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("bert", {"vocab": 300}, "brings its own tokenizer; leave 'vocab' out"),
        ("bert", {"lowercase": True}, "leave 'lowercase' out"),
        ("bert", {"length": 65}, "length must be from 3 to 64 for this model, not 65"),
        ("roberta", {"length": 65}, "from 3 to 64"),
        ("bert", {"lenght": 5}, "did you mean 'length'"),
        ("vit", {}, "holds no usable tokenizer.json"),
    ],
)
def test_options_that_do_not_suit_the_model(tiny: Tiny, kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"inputs\.words.*{message}"):
        load_backbone("text", str(tiny(kind)), options, where="inputs.words")


def test_a_vocabulary_makes_a_tokenizer(tiny: Tiny, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    shutil.copytree(tiny("bert"), folder)
    (folder / "tokenizer.json").unlink()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "tea", "##s"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    body = load_backbone("text", str(folder), {})
    assert isinstance(body, TextBody) and body.source.describe("good teas") == ["[CLS]", "good", "tea", "s", "[SEP]"]
    body.copy(tmp_path / "copy")
    assert load_backbone("text", str(tmp_path / "copy"), {}).digest == body.digest
