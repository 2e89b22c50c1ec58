"""Hits as one picture: thumbnails with rank, score and caption, the query above them."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from ..data.load import Input
from ..errors import Unreadable
from .font import font_for

ACROSS = 5
"""Hits side by side."""
CELL = 190
THUMB = 170
"""Pixels of a cell's width, and of the box that its picture fits in."""
LINE = 18
LINES = 3
"""Of a caption, at most."""
EDGE = 20
SIZE = 14
INK, FAINT, PAPER, BOX, ACCENT = "#1a1a1a", "#6b6b6b", "#ffffff", "#f1f1f1", "#2a6fb0"


@dataclass(frozen=True)
class Card:
    """What is drawn of a query or a hit.

    Args:
        title: in one line.
        caption: below it, cut where it is too long.
        picture: above them; `None` where there is none.
    """

    title: str
    caption: str = ""
    picture: Pillow.Image | None = None


def draw_sheet(query: Sequence[Card], hits: Sequence[Card]) -> Pillow.Image:
    """The sheet. A caption whose letters no installed font has is left out.

    Args:
        query: a card for each of its inputs.
        hits: the best first.
    """
    rows = max(1, -(-len(hits) // ACROSS))
    above = THUMB + 2 * LINE if any(card.picture for card in query) else LINE * 2
    high = THUMB + LINE * (1 + LINES) + 14 if any(card.picture for card in hits) else LINE * (1 + LINES) + 14
    sheet = Pillow.new("RGB", (EDGE * 2 + CELL * ACROSS, EDGE * 3 + above + rows * high), PAPER)
    draw = ImageDraw.Draw(sheet)
    x = EDGE
    for card in query:
        wide = CELL if card.picture else CELL * max(1, ACROSS - sum(bool(each.picture) for each in query))
        y = EDGE + _place(sheet, card.picture, x, EDGE)
        _write(draw, card.title, x, y, wide - 10, FAINT, 1)
        _write(draw, card.caption, x, y + LINE, wide - 10, INK, 1 if card.picture else 2, SIZE + (not card.picture) * 4)
        x += wide
    line = EDGE * 2 + above
    draw.line((EDGE, line - EDGE // 2, EDGE + CELL * ACROSS - 10, line - EDGE // 2), fill=BOX, width=2)
    for place, card in enumerate(hits):
        x, y = EDGE + place % ACROSS * CELL, line + place // ACROSS * high
        y += _place(sheet, card.picture, x, y)
        _write(draw, card.title, x, y, CELL - 20, ACCENT, 1)
        _write(draw, card.caption, x, y + LINE, CELL - 20, INK, LINES)
    return sheet


def picture_of(item: Input, raw: Any) -> Pillow.Image | None:
    """What a report shows of a value, as a picture; of a sound its wave. `None` where it shows a text, or cannot."""
    try:
        shown = item.modality.show(raw)
    except (Unreadable, OSError):
        return None
    _, mark, content = shown.get("data", "").partition("base64,")
    if not mark:
        return None
    data = base64.b64decode(content)
    if shown["kind"] == "audio":
        return _wave(data)
    image = Pillow.open(io.BytesIO(data), formats=["JPEG", "PNG"])
    return image.convert("RGB")


def _wave(data: bytes) -> Pillow.Image:
    """The loudness of a WAV file over time."""
    with wave.open(io.BytesIO(data)) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2").astype(np.float32)
    image = Pillow.new("RGB", (THUMB, THUMB * 2 // 3), BOX)
    draw, middle = ImageDraw.Draw(image), image.height // 2
    loudest = max(float(np.abs(samples).max(initial=0.0)), 1.0)
    for x, part in enumerate(np.array_split(samples, THUMB)):
        reach = int(float(np.abs(part).max(initial=0.0)) / loudest * (middle - 4))
        draw.line((x, middle - reach, x, middle + reach), fill=ACCENT)
    return image


def _place(sheet: Pillow.Image, picture: Pillow.Image | None, x: int, y: int) -> int:
    """Puts a picture into its box; returns the height that is used."""
    if picture is None:
        return 0
    small = picture.copy()
    small.thumbnail((THUMB, THUMB))
    ImageDraw.Draw(sheet).rectangle((x, y, x + THUMB, y + THUMB), fill=BOX)
    sheet.paste(small, (x + (THUMB - small.width) // 2, y + (THUMB - small.height) // 2))
    return THUMB + 4


def _write(
    draw: ImageDraw.ImageDraw, text: str, x: int, y: int, wide: int, colour: str, lines: int, size: int = SIZE
) -> None:
    font = font_for(text, size)
    if font is None:
        return
    for number, line in enumerate(_lines(text, font, wide, lines)):
        draw.text((x, y + number * (LINE + size - SIZE)), line, fill=colour, font=font)


def _lines(text: str, font: Any, wide: int, most: int) -> Iterator[str]:
    """A text in lines of a width, broken at spaces, and within words or Chinese where there are none."""
    rest = " ".join(text[: 10 * wide].split())
    for number in range(most):
        if len(rest) <= wide and font.getlength(rest) <= wide:
            if rest:
                yield rest
            return
        last = number == most - 1
        end = min(len(rest), wide)  # no letter is narrower than a pixel
        while end > 1 and font.getlength(rest[:end] + "…" * last) > wide:
            end -= 1
        if last:
            yield rest[:end] + "…"
            return
        space = rest.rfind(" ", 0, end + 1)
        cut = space if space > 0 else end
        yield rest[:cut]
        rest = rest[cut:].lstrip()
