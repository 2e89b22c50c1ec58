"""Names and sentences in one language: noun phrases in the forms that templates ask for.

A template is a format string whose places hold a `Noun` or a word: "Is there {0:a}?" gives "Is there a red star?".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...errors import ConfigError, unknown
from . import chinese, english
from .scene import SHAPES, Name


@dataclass(frozen=True)
class Language:
    """Words and templates of one language.

    Args:
        code: `en` or `zh`.
        names: words by key; a key that is not there is its own word.
        templates: sentences by key, several paraphrases of each.
        naming: regular expression of what stands for a thing in a caption.
        patterns: regular expressions that read captions, by kind of fact.
        numbers: numbers by the words that mean them.
        phrase: makes a noun phrase of word, colour, form, and whether it is a cut-out on a card.
        forms: all forms of a word by number.
        join: what stands between sentences.
        gap: what stands between words.
        comma, last: what stands between the parts of a list, and before its last part.
        stop: what ends a sentence.
        cutouts: words of cut-outs by kind.
    """

    code: str
    names: Mapping[str, str]
    templates: Mapping[str, Sequence[str]]
    naming: str
    patterns: Mapping[str, Sequence[str]]
    numbers: Mapping[str, int]
    phrase: Callable[[str, str, str, bool], str]
    inflect: Callable[[str], Sequence[str]]
    join: str
    gap: str
    comma: str
    last: str
    stop: str
    cutouts: Mapping[str, str] = field(default_factory=dict)

    def word(self, key: str) -> str:
        """An answer, a colour, a kind, a direction or a relation in this language."""
        return self.cutouts.get(key) or self.names.get(key, key)

    def forms(self, kind: str) -> Sequence[str]:
        """What a kind is called, one and several of them."""
        return self.inflect(self.word(kind))

    def noun(self, name: Name) -> Noun:
        return Noun(name, self)

    def uncoloured(self) -> Language:
        """The same language, in which no thing has a colour."""
        return replace(self, phrase=lambda word, colour, form, card: self.phrase(word, "", form, card))

    def say(self, template: str, topic: Sequence[Name | str] = ()) -> str:
        """Fills a template: names become nouns, other keys become words."""
        parts = [self.word(part) if isinstance(part, str) else self.noun(part) for part in topic]
        text = template.format(*parts)
        return text[:1].upper() + text[1:]

    def listed(self, parts: Sequence[str]) -> str:
        """Parts as a sentence lists them: "a, b and c"."""
        return self.last.join([self.comma.join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


@dataclass(frozen=True)
class Noun:
    """A thing as a sentence names it, in the forms of a format specification.

    `a` one of them, `the` that one, `bare` without an article, `many` several, `tint` what has the colour (the shape,
    or the card under a cut-out), `tints` likewise of several; a number counts them.
    """

    name: Name
    language: Language

    def __format__(self, form: str) -> str:
        colour, kind = self.name
        word = self.language.word(kind or "thing")
        return self.language.phrase(word, colour and self.language.word(colour), form, kind not in ("", *SHAPES))


_LANGUAGES = {
    "en": Language(
        code="en",
        names=english.NAMES,
        templates=english.TEMPLATES,
        naming=english.NAME_PATTERN,
        patterns=english.PATTERNS,
        numbers={**{word: place for place, word in enumerate(english.NUMBERS)}, "a": 1, "an": 1},
        phrase=english.noun,
        inflect=lambda word: (word, english.plural(word)),
        join=" ",
        gap=" ",
        comma=", ",
        last=" and ",
        stop=".",
    ),
    "zh": Language(
        code="zh",
        names=chinese.NAMES,
        templates=chinese.TEMPLATES,
        naming=chinese.NAME_PATTERN,
        patterns=chinese.PATTERNS,
        numbers={**{word: place for place, word in enumerate(chinese.NUMBERS)}, "二": 2},
        phrase=chinese.noun,
        inflect=lambda word: (word,),
        join="",
        gap="",
        comma="、",
        last="和",
        stop="。",
    ),
}


def language(code: str, cutouts: Mapping[str, str] | None = None) -> Language:
    """The language of a code.

    Args:
        code: `en` or `zh`.
        cutouts: words of cut-outs in that language by kind; one that is not there is called by its kind.

    Raises:
        ConfigError: another code.
    """
    if code not in _LANGUAGES:
        raise ConfigError(f"language: {unknown('language', code, _LANGUAGES)}")
    return replace(_LANGUAGES[code], cutouts=dict(cutouts or {}))
