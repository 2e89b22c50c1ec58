"""Texts -> words: as translations are scored, and as captions are; unspaced languages by character.

Chinese, Japanese, Thai, Lao, Khmer and Burmese put no spaces between words: each of their characters is a token
by itself, and the spaced text among them is cut as usual.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from ..errors import ConfigError

Rules = Literal["13a", "zh", "unspaced"]
"""Whether characters stand alone: none, Chinese ones, or those of every unspaced script."""

UNSPACED_SHARE = 0.1
"""From which share of texts with unspaced characters on a collection counts as unspaced."""

_HAN = "\u3400-\u4db5\u4e00-\u9fbb\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9"
# What sacrebleu's `zh` takes apart: Chinese characters and signs, and from U+2001 on general punctuation and symbols.
_CHINESE = _HAN + (
    "\u2001-\u2a6d\u2e80-\u2fdf\u2ff0-\u303f\u3100-\u312f\u31a0-\u31bf\u31c0-\u31ef\u3200-\u33ff"
    "\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef\u2600-\u27bf"
)
# Kana, Thai, Lao, Burmese, Khmer, and the rarer Chinese characters.
_OTHERS = "\u3040-\u30ff\u31f0-\u31ff\u0e01-\u0e5b\u0e81-\u0edf\u1000-\u109f\u1780-\u17ff\u9fbc-\u9fff" + (
    "\U00020000-\U0003ffff"
)
_HAN_LETTER = re.compile(f"[{_HAN}]")
_OTHER_LETTER = re.compile(f"[{_OTHERS}]")
_ALONE = {
    "zh": re.compile(f"([{_CHINESE}])"),
    "unspaced": re.compile(f"([{_CHINESE}{_OTHERS}])"),
}

_LANGUAGES: dict[str, Rules] = {
    **dict.fromkeys(("zh", "yue", "wuu", "lzh"), "zh"),
    **dict.fromkeys(("ja", "th", "lo", "km", "my"), "unspaced"),
}
_CODE = re.compile(r"[a-z]{2,3}([-_][A-Za-z0-9]+)*")

# NIST's mteval-v13a, in its order: ASCII marks but ' , - . stand alone; so do a full stop and a comma with no digit
# before, or none behind; so does a hyphen behind a digit.
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_MTEVAL = (
    (re.compile(r"""([!"#$%&()*+/:;<=>?@[\\\]^_`{|}~])"""), r" \1 "),
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])-"), r"\1 - "),
)
# Letters and digits, with the marks that belong to them: accents, and whole blocks of scripts that write with marks.
_MARKS = (
    "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff"
)
_WORD = re.compile(rf"(?:[^\W_]|[{_MARKS}])+")


def tokenize(text: str, language: str = "auto") -> list[str]:
    """The tokens of a text as BLEU counts them: case and punctuation kept.

    Spaced text is cut as sacrebleu's `13a` does (NIST's mteval), Chinese as its `zh` does: by character.

    Args:
        text: any.
        language: a code such as `en` or `zh`; `auto` looks at the text's characters.

    Raises:
        ConfigError: no such language code.

    >>> tokenize("It's 3.5 m, he says."), tokenize("三只小猫 3.5米")
    (["It's", '3.5', 'm', ',', 'he', 'says', '.'], ['三', '只', '小', '猫', '3.5', '米'])
    """
    return cut(text, rules_for([text], language))


def rules_for(texts: Iterable[str], language: str = "auto") -> Rules:
    """How a collection of texts is cut, by its language, or else by what a tenth of the texts hold.

    Raises:
        ConfigError: no such language code.
    """
    if language != "auto":
        if not _CODE.fullmatch(language):
            raise ConfigError(f"language: needs 'auto' or a code such as 'en' or 'zh', not {language!r}")
        return _LANGUAGES.get(re.split("[-_]", language)[0], "13a")
    texts = [text for text in texts if text]
    for rules, letter in (("unspaced", _OTHER_LETTER), ("zh", _HAN_LETTER)):
        if sum(letter.search(text) is not None for text in texts) > UNSPACED_SHARE * len(texts):
            return rules  # type: ignore[return-value]
    return "13a"


def cut(text: str, rules: Rules) -> list[str]:
    """A text's tokens under known rules: `tokenize` for many texts of one collection."""
    if rules == "13a":
        text = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
        if "&" in text:
            for name, mark in _ENTITIES:
                text = text.replace(name, mark)
        text = f" {text} "
    else:
        text = _ALONE[rules].sub(r" \1 ", text.strip())
    for pattern, spaced in _MTEVAL:
        text = pattern.sub(spaced, text)
    return text.split()


def spoken(text: str, rules: Rules) -> list[str]:
    """A transcript's words, just as they stand between spaces; characters of unspaced scripts stand alone."""
    return (text if rules == "13a" else _ALONE[rules].sub(r" \1 ", text)).split()


def plain(text: str, rules: Rules) -> list[str]:
    """A text's words as ROUGE and CIDEr count them: in lower case, without punctuation; characters stand alone."""
    text = text.lower()
    if rules != "13a":
        text = _ALONE[rules].sub(r" \1 ", text)
    return _WORD.findall(text)
