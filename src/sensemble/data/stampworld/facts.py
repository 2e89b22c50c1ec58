"""Reads facts out of captions, whoever wrote them: for scoring described scenes exactly. Facts as in `captions.py`.

What is not in the world's own language is passed over, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .captions import Fact
from .questions import PLACES
from .scene import COLOURS, RELATIONS, SHAPES, Name
from .words import language

_TURNED = {"right": "left", "below": "above"}


def facts(caption: str, *, kinds: Sequence[str] = (), names: Mapping[str, str] | None = None) -> frozenset[Fact]:
    """The facts that a caption states, English or Chinese.

    Args:
        caption: any text.
        kinds: cut-outs that it may name beside the plain shapes.
        names: Chinese names of cut-outs by kind.

    >>> sorted(facts("There are two red stars and a blue bar. The blue bar is below the green heart."), key=repr)
    [('above', ('green', 'heart'), ('blue', 'bar')), ('count', 'blue', 'bar', 1), ('count', 'red', 'star', 2)]
    >>> sorted(facts("In the centre, below the green heart, is the blue bar."), key=repr)
    [('above', ('green', 'heart'), ('blue', 'bar')), ('at', 'blue', 'bar', 'centre')]
    """
    code = "zh" if re.search(r"[\u4e00-\u9fff]", caption) else "en"
    reader = _reader(code, tuple(kinds), tuple(sorted((names or {}).items())))
    return frozenset(reader.read(" ".join(caption.lower().split())))


@dataclass(frozen=True)
class _Reader:
    """The patterns of one language, and what their words mean."""

    patterns: Mapping[str, Sequence[re.Pattern[str]]]
    keys: Mapping[str, str]
    numbers: Mapping[str, int]

    def read(self, text: str) -> Iterator[Fact]:
        for found in self._found("count", text):
            yield "count", *self._name(found), self.numbers[found["number"]]
        for found in self._found("at", text):
            yield "at", *self._name(found), self.keys[found["place"]]
        for found in self._found("relation", text):
            first, second, side = self._name(found), self._name(found, "b"), self.keys[found["side"]]
            yield (_TURNED[side], second, first) if side in _TURNED else (side, first, second)
        moving = [(self._name(found), self.keys[found["way"]]) for found in self._found("moves", text)]
        for place, (name, way) in enumerate(moving):
            yield "moves", *name, way
            for later, _ in moving[place + 1 :]:
                yield "before", name, later
        for kind in ("stays", "sounds"):
            for found in self._found(kind, text):
                yield kind, *self._name(found)

    def _found(self, kind: str, text: str) -> Iterator[re.Match[str]]:
        for pattern in self.patterns[kind]:
            yield from pattern.finditer(text)

    def _name(self, found: re.Match[str], place: str = "a") -> Name:
        colour = found[f"{place}_colour"] or found[f"{place}_card"]
        kind = found[f"{place}_shape"] or found[f"{place}_cutout"]
        return self.keys[colour], self.keys[kind]


@lru_cache(maxsize=16)
def _reader(code: str, kinds: tuple[str, ...], names: tuple[tuple[str, str], ...]) -> _Reader:
    words = language(code, dict(names) if code == "zh" else {})
    sides, places = [f"is {side}" for side in RELATIONS], [f"at {place}" for place in PLACES]
    keys = {words.word(key): key for key in (*COLOURS, "left", "right", "up", "down")}
    keys |= {words.word(key): key.split(" ", 1)[1] for key in (*sides, *places)}
    forms: dict[str, list[str]] = {"shapes": [], "cutouts": []}
    for kind in (*SHAPES, *kinds):
        for form in words.forms(kind):
            keys[form] = kind
            forms["shapes" if kind in SHAPES else "cutouts"].append(form)
    parts = {key: _any(values) for key, values in forms.items()}
    parts["colours"] = _any(words.word(colour) for colour in COLOURS)
    parts["sides"], parts["places"] = (_any(words.word(key) for key in some) for some in (sides, places))
    parts["numbers"] = _any(words.numbers)
    for place in ("a", "b"):
        parts[place] = words.naming.format(**parts, place=place)
    patterns = {key: [re.compile(text.format(**parts)) for text in texts] for key, texts in words.patterns.items()}
    return _Reader(patterns, keys, words.numbers)


def _any(words: Iterable[str]) -> str:
    """A pattern for any of some words, the longest first; for none it never matches."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)) or "(?!)"
