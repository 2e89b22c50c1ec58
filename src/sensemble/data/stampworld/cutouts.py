"""Cut-outs for the generated world, from the prepared sample `stamps` (its `image`, `caption`, `folder`, `sound`)."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image

from ...errors import DataError, Unreadable
from ...media.source import check_length, read_file
from ..read import read
from ..table import Table
from . import chinese
from .scene import COLOURS, SHAPES, number

LIMIT = 40
"""Kinds of cut-outs that are taken: few enough for each to be seen often in a small set."""
COLUMNS = ("image", "caption")
MAX_PIXELS = 16_000_000
CHINESE = ("caption_zh_cn", "caption_zh")
"""Columns that hold a Chinese name, if the sample has one."""


@dataclass(frozen=True)
class Cutout:
    """A picture with a transparent ground.

    Args:
        image: its file.
        sound: the file of its sound effect, if there is one.
        chinese: its Chinese name, if there is one.
    """

    image: Path
    sound: Path | None = None
    chinese: str = ""


def read_cutouts(folder: Path, *, limit: int = LIMIT) -> dict[str, Cutout]:
    """The cut-outs of a sample's folder by kind: those whose caption is one or two plain words.

    Those with a sound of their own come first; the rest in an order that is as good as any, the same each time.

    Args:
        folder: where `sensemble samples get stamps` put the tables.
        limit: the highest number of kinds.

    Raises:
        DataError: no table there, or none with fitting cut-outs.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix in (".csv", ".parquet")) if folder.is_dir() else []
    found: dict[str, Cutout] = {}
    for path in paths:
        table = read(path)
        if not set(COLUMNS) <= set(table.columns):
            continue
        names = next((name for name in CHINESE if name in table.columns), "")
        columns = [_column(table, name) for name in (*COLUMNS, "folder", "sound", names)]
        for image, caption, group, sound, other in zip(*columns, strict=True):
            kind = kind_of(caption)
            file = path.parent / image
            if kind and kind not in found and group != "symbols" and file.suffix.lower() == ".png" and file.is_file():
                heard = path.parent / sound if sound else None
                found[kind] = Cutout(file, heard if heard and heard.is_file() else None, _chinese(other))
    if not found:
        raise DataError(
            f"{folder} holds no cut-outs: it needs tables with the columns image and caption, as "
            "`sensemble samples get stamps` makes them; leave stamps out for plain shapes"
        )
    order = sorted(found, key=lambda kind: (found[kind].sound is None, number(kind)))
    return {kind: found[kind] for kind in sorted(order[:limit])}


def _column(table: Table, name: str) -> list[str]:
    """A column's texts, empty where there are none."""
    if name not in table.columns:
        return [""] * len(table)
    return ["" if value is None else str(value) for value in table.column(name)]


def kind_of(caption: str) -> str:
    """The kind that a caption names: "A Polar bear." is "polar bear"; empty where it is more than a plain name."""
    text = re.sub(r"^(an?|the)\s+", "", caption.strip().rstrip(".").lower())
    known = {*COLOURS, *SHAPES, "thing", "card"}
    plain = re.fullmatch(r"[a-z]{2,14}( [a-z]{2,14})?", text) and not text.endswith("s")  # "drums" has no plural
    return text if plain and not known & set(text.split()) else ""


@lru_cache(maxsize=256)
def picture(path: Path, side: int) -> Image.Image:
    """A cut-out's picture, RGBA, trimmed to what is visible, its longer side of that many pixels.

    Raises:
        DataError: it cannot be read.
    """
    try:
        data = read_file(path, "picture")
        check_length(data)
        with Image.open(io.BytesIO(data), formats=("PNG",)) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise Unreadable(f"it has {opened.width} x {opened.height} pixels, more than {MAX_PIXELS:,}")
            image = opened.convert("RGBA")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: the cut-out cannot be read ({' '.join(str(error).split())[:120]})") from error
    box = image.getchannel("A").getbbox()
    image = image.crop(box) if box else image
    scale = side / max(image.size)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    return image.resize(size, Image.Resampling.BOX)


def chinese_names(cutouts: Mapping[str, Cutout]) -> dict[str, str]:
    """Chinese names by kind, those that name one kind alone; the others keep their English name."""
    counts = Counter(cutout.chinese for cutout in cutouts.values())
    return {kind: cutout.chinese for kind, cutout in cutouts.items() if cutout.chinese and counts[cutout.chinese] == 1}


def _chinese(caption: str) -> str:
    """A Chinese caption as a name: without stops, and without "a" and its measure word at the start."""
    name = re.sub(r"^一[只个头条匹张把辆朵架艘]", "", caption.strip().rstrip("。.！!").strip())
    return name if re.fullmatch(r"[\u4e00-\u9fff]{1,8}", name) and name not in chinese.NAMES.values() else ""
