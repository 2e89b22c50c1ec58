"""Tokens: sacrebleu's own, unspaced languages by character, and words without punctuation."""

from __future__ import annotations

import doctest
import random

import pytest
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sacrebleu.tokenizers.tokenizer_zh import TokenizerZh

from sensemble.errors import ConfigError
from sensemble.metrics import words
from sensemble.metrics.words import cut, plain, rules_for, spoken, tokenize

PIECES = [
    *"ab1 2.,-'\"&;<>/[]()_{|}~^`\\@!#$%*+:=? \n\t中文。，“”…ー日のカ①ß№\u2000\u2001\u2a6d\u2a6e\u3000\u00a0",
    *("&amp;", "&lt;", "&quot;", "<skipped>", "-\n", "\u2028", "\U00020000"),
]


def test_docstring_examples_hold() -> None:
    assert doctest.testmod(words).failed == 0


def test_cuts_as_sacrebleu_does() -> None:
    draw = random.Random(0)
    western, chinese = Tokenizer13a(), TokenizerZh()
    for _ in range(4000):
        text = "".join(draw.choices(PIECES, k=draw.randint(0, 14)))
        assert cut(text, "13a") == western(text.rstrip()).split(), repr(text)
        assert cut(text, "zh") == chinese(text.rstrip()).split(), repr(text)


def test_every_character_stands_alone_or_not_as_in_sacrebleu() -> None:
    text = "".join(f"a{chr(code)}b " for code in [*range(0x1E00, 0xD800), *range(0xE000, 0x10200)])
    assert cut(text, "zh") == TokenizerZh()(text).split()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("ねこが two いる", ["ね", "こ", "が", "two", "い", "る"]),
        ("แมว 2 ตัว", ["แ", "ม", "ว", "2", "ต", "ั", "ว"]),
        ("고양이가 앉았다.", ["고양이가", "앉았다", "."]),  # Korean has spaces
        ("", []),
    ],
)
def test_auto_cuts_unspaced_scripts_by_character(text: str, tokens: list[str]) -> None:
    assert tokenize(text) == tokens


def test_a_language_overrules_what_the_text_looks_like() -> None:
    assert tokenize("小猫 sat.", "en") == ["小猫", "sat", "."]
    assert tokenize("小猫 sat.", "zh-Hant") == tokenize("小猫 sat.", "yue") == ["小", "猫", "sat", "."]
    assert tokenize("小の", "ja") == ["小", "の"] and tokenize("小の", "zh") == ["小", "の"]
    assert tokenize("ののの", "zh") == ["ののの"]
    for wrong in ("German", "", "z", "中文"):
        with pytest.raises(ConfigError, match="language: needs 'auto' or a code"):
            tokenize("a", wrong)


def test_a_collection_is_judged_as_a_whole() -> None:
    assert rules_for(["a cat"] * 95 + ["一只猫"] * 5) == "13a"
    assert rules_for(["a cat"] * 80 + ["一只猫"] * 20) == "zh"
    assert rules_for(["一只猫"] * 80 + ["ねこ"] * 20) == "unspaced"
    assert rules_for([]) == rules_for(["", ""]) == "13a"


def test_plain_words_have_no_case_or_punctuation_and_keep_marks() -> None:
    assert plain("The dog's 3.5 FÜSSE, snake_case!", "13a") == ["the", "dog", "s", "3", "5", "füsse", "snake", "case"]
    assert plain("हिन्दी में।", "13a") == ["हिन्दी", "में"]
    assert plain("两只Dogs，跑。", "zh") == ["两", "只", "dogs", "跑"]
    assert plain("cafe\u0301", "13a") == ["cafe\u0301"]
    assert plain("...", "13a") == []


def test_spoken_words_stay_as_they_are() -> None:
    assert spoken(" It's  done. ", "13a") == ["It's", "done."]
    assert spoken("好 OK吗", "zh") == ["好", "OK", "吗"]
