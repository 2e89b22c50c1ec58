"""Text: nothing is lost, nothing fails, and the same texts give the same pieces."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sensemble.errors import ConfigError, DataError, Unreadable
from sensemble.modalities.base import MODALITIES
from sensemble.modalities.text import Text

CORPUS = [
    "The dress is lovely, the colour is not.",
    "今天的天气很好，今天去公园。",
    "I love the dress! 👗",
    "天气不好，今天不去。",
    "Ça coûte déjà trop cher",
] * 3
TEXT = Text(vocab=400).fit(CORPUS)
ANY_TEXT = st.text(st.characters(), max_size=60)  # lone surrogates among them


def composed(text: str) -> str:
    """What a text is after a trip through ids."""
    if not text.strip():
        return ""
    return unicodedata.normalize("NFC", text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


@settings(deadline=None, max_examples=300)
@given(ANY_TEXT)
def test_any_text_loads_and_comes_back(text: str) -> None:
    ids = TEXT.load(text)
    assert ids.dtype == TEXT.dtype == torch.int64
    assert 1 <= len(ids) <= TEXT.length
    assert int(ids.min()) >= 0 and int(ids.max()) < TEXT.num_tokens
    assert TEXT.decode(ids) == composed(text)


@settings(deadline=None, max_examples=300)
@given(ANY_TEXT)
def test_descriptions_join_to_the_text(text: str) -> None:
    pieces = TEXT.describe(text)
    assert len(pieces) == len(TEXT.load(text))
    joined = "".join(pieces) if composed(text) else ""
    assert joined.replace("·", "") == composed(text).replace("·", "")


@settings(deadline=None, max_examples=50)
@given(st.lists(ANY_TEXT, min_size=1, max_size=8))
def test_many_at_once_agree_with_one_by_one(texts: list[str]) -> None:
    for many, one in zip(TEXT.load_many(texts), texts, strict=True):
        assert torch.equal(many, TEXT.load(one))


@settings(deadline=None, max_examples=25)
@given(st.lists(ANY_TEXT, max_size=6), ANY_TEXT)
def test_any_corpus_will_do(corpus: list[str], text: str) -> None:
    fitted = Text(vocab=300).fit(corpus)
    assert fitted.num_tokens <= 300
    assert fitted.decode(fitted.load(text)) == composed(text)


def test_frequent_words_and_chinese_words_become_pieces() -> None:
    assert TEXT.describe("I love the dress") == ["I", " love", " the", " dress"]
    assert TEXT.describe("今天天气很好") == ["今天", "天气", "很好"]


def test_a_character_of_several_tokens_stands_at_its_first() -> None:
    assert TEXT.describe("鑫") == ["鑫", "·", "·"]
    assert TEXT.describe("🦄a") == ["🦄", "·", "·", "a"]


def test_a_blank_is_one_token_of_its_own() -> None:
    for blank in ("", "  \n\t", "\u3000"):
        assert TEXT.load(blank).tolist() == [0]
        assert TEXT.describe(blank) == ["(blank)"]
    assert 0 not in TEXT.load("a b").tolist()
    assert TEXT.decode([0]) == ""


def test_text_that_looks_like_a_special_token_is_plain_text() -> None:
    for text in ("<blank>", "[PAD]", "</s><unk>"):
        assert TEXT.decode(TEXT.load(text)) == text
        assert 0 not in TEXT.load(text).tolist()


def test_accents_written_in_two_ways_are_one_text() -> None:
    assert torch.equal(TEXT.load("de\u0301ja\u0300"), TEXT.load("d\u00e9j\u00e0"))


def test_lowercase_is_an_option() -> None:
    lower = Text(vocab=400, lowercase=True).fit(CORPUS)
    assert torch.equal(lower.load("THE Dress"), lower.load("the dress"))
    assert not torch.equal(TEXT.load("THE Dress"), TEXT.load("the dress"))


@pytest.mark.parametrize(("truncate", "kept"), [("end", slice(None, 4)), ("start", slice(-4, None))])
def test_too_long_a_text_is_cut_at_the_named_end(truncate: str, kept: slice) -> None:
    text = "the dress, the colour, the dress"
    short = MODALITIES.create("text", vocab=400, length=4, truncate=truncate).fit(CORPUS)
    assert len(TEXT.load(text)) > 4
    assert torch.equal(short.load(text), TEXT.load(text)[kept])
    assert torch.equal(short.load_many([text])[0], short.load(text))
    assert short.describe(text) == TEXT.describe(text)[kept]


def test_state_survives_json() -> None:
    again = Text(vocab=400).restore(json.loads(json.dumps(TEXT.state())))
    assert again.num_tokens == TEXT.num_tokens
    for text in CORPUS:
        assert torch.equal(again.load(text), TEXT.load(text))
    assert again.state() == TEXT.state()


def test_a_damaged_state_is_a_users_error() -> None:
    with pytest.raises(DataError, match="tokenizer is damaged"):
        Text().restore({"tokenizer": "{"})


def test_fit_is_the_same_in_every_process() -> None:
    script = f"from sensemble.modalities.text import Text; print(Text(vocab=350).fit({CORPUS!r}).state()['tokenizer'])"
    other = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": "7", "RAYON_NUM_THREADS": "3", "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert other.stdout.strip() == Text(vocab=350).fit(CORPUS).state()["tokenizer"]


def test_threads_agree() -> None:
    texts = [f"{text} {number}" for number, text in enumerate(CORPUS * 20)]
    with ThreadPoolExecutor(8) as pool:
        for found, text in zip(pool.map(TEXT.load, texts), texts, strict=True):
            assert torch.equal(found, TEXT.load(text))


def test_what_is_no_string_is_read_as_written() -> None:
    assert torch.equal(TEXT.load(12), TEXT.load("12"))
    assert torch.equal(TEXT.load("天气".encode()), TEXT.load("天气"))
    with pytest.raises(Unreadable, match="not UTF-8"):
        TEXT.load(b"\xff\xfe\x00")
    with pytest.raises(Unreadable, match="none of the 1 training values is text"):
        Text().fit([b"\xff"])


def test_batches_are_padded_and_masked() -> None:
    tokens = TEXT.collate([TEXT.load(" the dress"), None, TEXT.load("")])
    assert tokens.values.dtype == torch.int64
    assert tokens.mask.sum(1).tolist() == [2, 0, 1]
    assert TEXT.collate([None]).values.shape == (1, 1)


def test_impossible_options_and_ids_are_named() -> None:
    with pytest.raises(ConfigError, match="vocab must be at least 257"):
        Text(vocab=256)
    with pytest.raises(ConfigError, match="length must be at least 1"):
        Text(length=0)
    with pytest.raises(IndexError, match="no token"):
        TEXT.decode([TEXT.num_tokens])
