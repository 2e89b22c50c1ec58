"""A dialogue's past as one text: readers and generators write it, models learn from it, and a chat goes on with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Turn(NamedTuple):
    """What was asked and what was answered; either may be missing."""

    question: str | None
    answer: str | None


def write_history(turns: Iterable[Turn], opening: str | None = None) -> str | None:
    """What was said before a question, as the text of an input named `history`.

    The marks [C], [Q] and [A] stand before what opens the dialogue (such as a picture's caption), each question and
    each answer, for not every question ends in a question mark, and some answers have several lines. A model reads the
    last turns of a long history if its input says `truncate: start`.

    Returns:
        The text; `None`, a missing value, where nothing was said.

    >>> write_history([Turn("Is it a dog?", "yes"), Turn("what colour", "brown")], "An animal in the snow")
    '[C] An animal in the snow [Q] Is it a dog? [A] yes [Q] what colour [A] brown'
    """
    said = [("[C]", opening), *(part for turn in turns for part in zip(("[Q]", "[A]"), turn, strict=True))]
    return " ".join(f"{mark} {text.strip()}" for mark, text in said if text and text.strip()) or None
