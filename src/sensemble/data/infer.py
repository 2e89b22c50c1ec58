"""Guesses what each column of a table holds, and says in one sentence which counts decided.

Types are judged on up to 1,000 present values spread over the table; distinct values are counted over all rows.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from .table import Table

Media = Literal["image", "audio", "video"]
Kind = Literal["text", "image", "audio", "video", "number", "category", "datetime", "vector", "id", "constant"]

SAMPLE = 1000
"""Present values looked at to tell a column's type."""
MAJORITY = 0.8
"""Share of the values that must be media, dates or vectors; the rest may be slips."""
NEARLY = 0.98
"""Share of distinct values from which a column counts as unique."""

MEDIA = frozenset(("image", "audio", "video"))
RICH = MEDIA | {"text", "vector"}
"""Kinds of which two values are rarely equal by chance."""
SUFFIXES: dict[str, Media] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"), "image"),
    **dict.fromkeys((".wav", ".flac", ".ogg", ".mp3", ".m4a", ".opus"), "audio"),
    **dict.fromkeys((".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".flv"), "video"),
}
"""Media kinds by file suffix."""

_ISO = re.compile(
    r"\d{4}(?P<mark>[-/.])(0?[1-9]|1[0-2])(?P=mark)(0?[1-9]|[12]\d|3[01])"
    r"([T ]\s?([01]?\d|2[0-4]):[0-5]\d(:[0-6]\d([.,]\d+)?)?\s?(Z|[+-]\d\d:?(\d\d)?)?)?"
    r"|\d{4}年(0?[1-9]|1[0-2])月(0?[1-9]|[12]\d|3[01])日"
)
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff]")  # Thai, kana, Chinese characters
_ID_NAME = re.compile(
    r"(^|[\s_.-])(id|Id|ID|uuid|UUID|guid|GUID|index)$|(?<=[a-z\u4e00-\u9fff])(Id|ID)$|(编号|序号|編號|序號)$"
)
_UNNAMED = re.compile(r"(Unnamed: \d+|__index_level_\d+__|index|)$", re.IGNORECASE)


@dataclass(frozen=True)
class Guess:
    """What a column holds.

    Args:
        kind: a modality's name, or `datetime`, `id` (tells rows apart, predicts nothing) or `constant`.
        reason: one sentence with the counts that decided.
    """

    kind: Kind
    reason: str


def infer(table: Table) -> dict[str, Guess]:
    """A guess for every column of a table, by column name."""
    return {name: guess(table, name) for name in table.columns}


def guess(table: Table, name: str) -> Guess:
    """What one column holds.

    Raises:
        DataError: no such column.
    """
    present = [value for value in table.column(name) if value is not None]
    if not present:
        return Guess("constant", f"none of the {len(table):,} rows has a value.")
    places = np.linspace(0, len(present) - 1, min(SAMPLE, len(present))).round().astype(int)
    sample = [present[place] for place in places]
    forms = Counter(_form(value) for value in sample)
    shares = {form: count / len(sample) for form, count in forms.items()}

    if not shares.keys() & {"blob", "vector", "other"}:
        one = _single_value(present, len(table))
        if one:
            return one
    for media in get_args(Media):
        if shares.get(media, 0) + shares.get("blob", 0) > MAJORITY and shares.get(media, 0) >= 0.5:
            files = sum(isinstance(value, str | Path) for value in sample)
            return Guess(media, f"{forms[media]:,} of {len(sample):,} values are {media}s, {files:,} of them files.")
    if shares.get("vector", 0) > MAJORITY:
        return _vector([value for value in sample if _form(value) == "vector"])
    if shares.get("datetime", 0) > MAJORITY:
        return Guess("datetime", f"{forms['datetime']:,} of {len(sample):,} values are dates or times.")
    if shares.keys() <= {"bool"}:
        return Guess("category", f"true or false in {len(present):,} rows.")
    if shares.keys() <= {"bool", "number"} and all(isinstance(value, int | float | np.number) for value in present):
        return _number(name, present, first=table.columns[0] == name)
    if shares.keys() & {"blob", "other", "vector"}:
        kinds = " and ".join(sorted({type(value).__name__ for value in sample}))
        return Guess("id", f"no modality reads its {len(present):,} values of type {kinds}, so it can only name rows.")
    return _string(name, [_string_of(value) for value in present], [_string_of(value) for value in sample])


def media_kind(value: Any) -> Media | None:
    """Whether a raw value is an image, a sound or a video: a path by its suffix, bytes by their first few."""
    if isinstance(value, str | Path):
        text = str(value)
        if len(text) > 1000 or "\n" in text or text.startswith(("http://", "https://")):
            return None
        return SUFFIXES.get("." + text.rpartition(".")[2].lower()) if "." in text else None
    if isinstance(value, bytes | bytearray | memoryview):
        return _magic(bytes(value[:32]))
    if isinstance(value, dict) and {"array", "sampling_rate"} <= value.keys():  # as `datasets` decodes sounds
        return "audio"
    is_picture = any(cls.__module__ == "PIL.Image" and cls.__name__ == "Image" for cls in type(value).__mro__)
    return "image" if is_picture else None


def names_id(name: str) -> bool:
    """Whether a column's name says that it holds ids: `user_id`, `PassengerId`, `用户编号`."""
    return bool(_ID_NAME.search(name))


def _magic(head: bytes) -> Media | None:
    inner = head[8:12]
    if head.startswith(b"RIFF"):
        return {b"WEBP": "image", b"WAVE": "audio", b"AVI ": "video"}.get(inner)  # type: ignore[return-value]
    if head[4:8] == b"ftyp":  # MP4 and its kin; the brand tells which
        if inner in (b"avif", b"avis", b"heic", b"heix", b"mif1"):
            return None
        return "audio" if inner in (b"M4A ", b"M4B ") else "video"
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")):
        return "image"
    if head.startswith(b"BM") and head[6:10] == bytes(4):
        return "image"
    if head.startswith((b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2")):
        return "audio"
    if head.startswith(b"\x1a\x45\xdf\xa3") or head[4:8] in (b"moov", b"mdat", b"wide"):
        return "video"
    return None


def _form(value: Any) -> str:
    """The type of one value, in the few words that the rules need."""
    media = media_kind(value)
    if media:
        return media
    if isinstance(value, bytes | bytearray | memoryview):
        return "text" if _string_of(value).isprintable() else "blob"
    if isinstance(value, str):
        return "datetime" if _ISO.fullmatch(value.strip()) else "text"
    if isinstance(value, bool | np.bool_):
        return "bool"
    if isinstance(value, int | float | np.integer | np.floating):
        return "number"
    if isinstance(value, date | np.datetime64):
        return "datetime"
    if isinstance(value, Path):
        return "text"
    if isinstance(value, list | tuple | np.ndarray) or hasattr(value, "__array__"):
        try:
            array = np.asarray(value)
        except (ValueError, TypeError, RuntimeError):  # ragged
            return "other"
        return "vector" if array.dtype.kind in "iufb" and array.ndim in (1, 2) else "other"
    return "other"


def _string_of(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace").replace("\ufffd", "\0")
    return str(value)


def _single_value(present: Sequence[Any], rows: int) -> Guess | None:
    try:
        if rows < 2 or len(set(present[:SAMPLE])) > 1 or len(set(present)) > 1:
            return None
    except TypeError:  # pictures, or lists among scalars
        return None
    value = " ".join(str(present[0]).split())[:40]
    if len(present) == rows:
        return Guess("constant", f"all {rows:,} rows hold {value!r}.")
    return Guess("category", f"{len(present):,} of {rows:,} rows hold {value!r}, the others nothing.")


def _vector(sample: Sequence[Any]) -> Guess:
    shapes = [np.shape(value) for value in sample]
    dims = {len(shape) for shape in shapes}
    lengths = sorted({shape[0] for shape in shapes})
    count = f"{lengths[0]:,}" if len(lengths) == 1 else f"{lengths[0]:,} to {lengths[-1]:,}"
    if dims == {1}:
        return Guess("vector", f"lists of {count} numbers in {len(sample):,} values looked at.")
    widths = ", ".join(f"{width:,}" for width in sorted({shape[-1] for shape in shapes}))
    return Guess("vector", f"{count} steps of {widths} numbers in {len(sample):,} values looked at.")


def _number(name: str, present: Sequence[Any], *, first: bool) -> Guess:
    distinct = set(present)
    rows, different = len(present), len(distinct)
    counts = f"{different:,} distinct numbers in {rows:,} rows"
    low, high = min(distinct), max(distinct)
    if not all(isinstance(value, int | np.integer) or float(value).is_integer() for value in distinct):
        return Guess("number", f"{counts}, with decimals, from {low:.6g} to {high:.6g}.")
    named = names_id(name) or (first and bool(_UNNAMED.match(name)))
    if different >= NEARLY * rows:
        dense = high - low < 1.1 * different
        rising = all(left <= right for left, right in itertools.pairwise(present))
        if named:
            return Guess("id", f"{counts}, and the name {name!r} says that they tell rows apart.")
        if rows >= 20 and (dense or rising):
            how = "without gaps" if dense else "in rising order"
            return Guess("id", f"{counts}, all whole and {how}, so they number the rows.")
    if different <= 10 and 2 * different <= rows:
        return Guess("category", f"{counts}, all whole, so each is repeated {rows / different:,.0f} times on average.")
    if named and 2 * different <= rows:
        return Guess("category", f"{counts}, and the name {name!r} says that they are codes, not amounts.")
    return Guess("number", f"{counts}, all whole, from {float(low):,.10g} to {float(high):,.10g}.")


def _string(name: str, present: Sequence[str], sample: Sequence[str]) -> Guess:
    rows, different = len(present), len(set(present))
    texts = [value.strip() for value in sample]
    characters = float(np.mean([len(text) for text in texts]))
    words = float(np.mean([len(text.split()) for text in texts]))
    unspaced = float(np.mean([3 * len(_UNSPACED.findall(text)) > len(text) for text in texts])) > 0.5
    one_word = not unspaced and float(np.mean([len(text.split()) > 1 for text in texts])) < 0.05
    size = f"{characters:.3g} characters" if unspaced else f"{words:.3g} word{'' if words == 1 else 's'}"
    counts = f"{different:,} distinct strings of {size} on average in {rows:,} rows"

    short = characters <= 8 if unspaced else words <= 3 and characters <= 40
    brief = characters <= 30 if unspaced else words < 8
    codes = one_word and float(np.mean([_is_code(text) for text in texts])) > 0.5
    if different > rows / 2 and (codes or (short and names_id(name))):
        return Guess("id", f"{counts}, most of them codes that hardly repeat.")
    if 2 * different <= rows and (
        (short and (one_word or different <= max(50, 0.05 * rows)))
        or (brief and different <= 10 and 5 * different <= rows)
    ):
        return Guess("category", f"{counts}, each repeated {rows / different:,.0f} times on average.")
    if rows < 20 and one_word and short and different < rows:
        return Guess("category", f"{counts}, single words of which some repeat.")
    return Guess("text", f"{counts}.")


def _is_code(text: str) -> bool:
    """Whether a string without spaces looks made for machines: digits, joints, or capitals alone."""
    return any(mark.isdigit() or mark in "_-/\\@:#" for mark in text) or (len(text) > 2 and text.isupper())
