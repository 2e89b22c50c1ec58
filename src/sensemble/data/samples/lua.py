"""Reads what a game's dialogue scripts say without running them: text calls, turns and a background picture.

Only calls whose arguments are plain strings are seen; everything else in a script is passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

STRING = r'"((?:[^"\\]|\\.)*)"'
COMMENT = r"--\[\[.*?\]\]|--[^\n]*"
DIALOGUE = re.compile(
    rf"{COMMENT}|\bdialogId\(\s*{STRING}\s*,\s*{STRING}\s*,\s*{STRING}\s*\)|\bdialogStr\(\s*{STRING}\s*\)", re.DOTALL
)
PICTURE = re.compile(
    rf'{COMMENT}|\bcreateRoom\(\s*\d+\s*,\s*\d+\s*,\s*"images/"\s*\.\.\s*codename\s*\.\.\s*"/([^"\\]+)"\s*\)', re.DOTALL
)
TURN = re.compile(r'\s*add[mv]\([^"\n]*"([^"\\\n]+)"\s*\)\s*')
ESCAPE = re.compile(r"\\(\d{1,3}|.)", re.DOTALL)
CONTROL = {"n": "\n", "t": "\t", "r": "\r", "a": "", "b": "", "f": "", "v": ""}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a dialogue.

    Args:
        speaker: the name of its font without `font_`: `small` and `big` are the two fish.
        english: its text in English.
        text: its text in the script's language; nothing where the script does not give one.
    """

    speaker: str
    english: str
    text: str | None = None


def dialogue(script: str) -> dict[str, Line]:
    """The lines of a dialogue script by their id, in the script's order.

    >>> dialogue('dialogId("a-m", "font_small", "Hi!")\\ndialogStr("Ahoj!")')
    {'a-m': Line(speaker='small', english='Hi!', text='Ahoj!')}
    """
    lines: dict[str, Line] = {}
    last: str | None = None
    for match in DIALOGUE.finditer(script):
        name, font, english, text = match.groups()
        if name is not None:
            last = unescape(name)
            lines[last] = Line(speaker=unescape(font).removeprefix("font_"), english=unescape(english))
        elif text is not None and last is not None:
            lines[last] = Line(speaker=lines[last].speaker, english=lines[last].english, text=unescape(text))
            last = None
    return lines


def turns(script: str) -> dict[str, str]:
    """The line that comes just before, for lines that a script plans one right after the other.

    >>> turns('addm(6, "a")\\naddv(random(4), "b")\\nroom.x = 1\\naddm(0, "c")')
    {'b': 'a'}
    """
    before: dict[str, str] = {}
    last: str | None = None
    for row in script.split("\n"):
        match = TURN.fullmatch(row)
        if match and last is not None and match[1] != last:
            before.setdefault(match[1], last)
        last = match[1] if match else None
    return before


def picture(script: str) -> str | None:
    """The file name of a room's background picture."""
    return next((match[1] for match in PICTURE.finditer(script) if match[1]), None)


def unescape(text: str) -> str:
    """The inside of a quoted string with its escapes resolved; a byte by its number only where it is ASCII."""

    def resolve(match: re.Match[str]) -> str:
        each = match[1]
        if each.isdecimal():
            return chr(int(each)) if 32 <= int(each) < 127 else ""
        return CONTROL.get(each, each)

    return ESCAPE.sub(resolve, text)
