"""Fonts for pictures: Pillow's own for Latin letters, one of the system's where a text needs others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from PIL import ImageFont

FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)
NAMES = (
    "notosanscjk", "notosanssc", "sourcehansans", "wqy-", "droidsansfallback", "arphic", "uming", "pingfang",
    "hiragino", "stheiti", "msyh", "simsun", "simhei", "arialunicode", "unifont", "dejavusans", "notosans", "arial",
)  # fmt: skip
"""Of files, in small letters, those that know Chinese first."""
_NOBODY = "\U0010ffff"


def font_for(text: str, size: int) -> Any | None:
    """A font that has every letter of a text; `None` where no such font is installed."""
    for font in _fonts(size):
        if covers(font, text):
            return font
    return None


def covers(font: Any, text: str) -> bool:
    """Whether a font has every letter of a text."""
    if text.isascii():
        return True
    lacking = _drawn(font, _NOBODY)
    return all(letter.isspace() or letter.isascii() or _drawn(font, letter) != lacking for letter in set(text))


def _fonts(size: int) -> Iterator[Any]:
    yield ImageFont.load_default(size)
    for file in _files():
        try:
            yield ImageFont.truetype(file, size)
        except OSError:  # a damaged file, or of a kind that Pillow does not read
            continue


@cache
def _files() -> tuple[str, ...]:
    """The font files of this system whose names promise something."""
    found: list[tuple[int, str]] = []
    for folder in FOLDERS:
        for place, _, files in os.walk(Path(folder).expanduser()):
            for file in sorted(files):
                name = file.lower().replace(" ", "")
                rank = next((rank for rank, each in enumerate(NAMES) if name.startswith(each)), None)
                if rank is not None and name.endswith((".ttf", ".ttc", ".otf")):
                    found.append((rank, str(Path(place, file))))
    return tuple(file for _, file in sorted(found))


def _drawn(font: Any, letter: str) -> tuple[Any, bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)
