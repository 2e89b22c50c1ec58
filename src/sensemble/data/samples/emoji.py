"""Emoji: small pictures with names in many languages and English tags."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import DataError
from ..archives import npm_members
from ..carriers import Carrier
from .base import Sample, read_json, write_file, write_parquet

LANGUAGES = ("de", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "sv", "uk", "zh", "zh-hant")
"""Of the names that become columns; English comes first and by itself."""
PICTURE = re.compile(r"package/img/twitter/64/(?P<code>[0-9a-f]+(?:-[0-9a-f]+)*)\.png")
TEXTS = re.compile(rf"package/(?P<what>(?:en|{'|'.join(LANGUAGES)})/data|meta/groups)\.json")
LARGEST = 4 * 2**20
"""Bytes of one picture or one language's texts."""


def unpack(carriers: Sequence[Path], folder: Path) -> None:
    pictures, texts = carriers
    read = {}
    for name, content in npm_members(texts, TEXTS, largest=LARGEST):
        read[name.removeprefix("package/")] = read_json(content, where=f"{texts}: {name}")
    try:
        rows = _rows(read)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{texts}: the names are not laid out as expected ({error!r})") from error
    seen = set()
    for name, content in npm_members(pictures, PICTURE, largest=LARGEST):
        code = _code(name.rpartition("/")[2].removesuffix(".png"))
        if code in rows:
            seen.add(code)
            write_file(folder / "pictures" / f"{code}.png", content)
    if not seen:
        raise DataError(f"{pictures} holds no pictures of the emoji in {texts}")
    write_parquet(folder / "emoji.parquet", [row for code, row in rows.items() if code in seen])


def _rows(read: Mapping[str, Any]) -> dict[str, dict[str, str | int | None]]:
    """A row of the table for each emoji by its code, in the order of Unicode's charts."""
    groups, subgroups = (read["meta/groups.json"][key] for key in ("groups", "subgroups"))
    labels = {
        each: {_code(entry["hexcode"]): str(entry["label"]) for entry in read[f"{each}/data.json"]}
        for each in LANGUAGES
    }
    rows: dict[str, dict[str, str | int | None]] = {}
    for entry in sorted(read["en/data.json"], key=lambda entry: entry.get("order", 0)):
        if "group" in entry:  # parts of flags and other signs that never stand alone have none
            code = _code(entry["hexcode"])
            rows[code] = {
                "image": f"pictures/{code}.png",
                "emoji": str(entry["emoji"]),
                "label": str(entry["label"]),
                "tags": ", ".join(map(str, entry.get("tags", []))) or None,
                "group": str(groups[str(entry["group"])]),
                "subgroup": str(subgroups[str(entry["subgroup"])]),
            }
            rows[code] |= {f"label_{each.replace('-', '_')}": names.get(code) for each, names in labels.items()}
    return rows


def _code(hexcode: str) -> str:
    """A key to join by: the two packages differ in case, and in whether they write the variation selector FE0F."""
    if not re.fullmatch(r"[0-9A-Fa-f]+(-[0-9A-Fa-f]+)*", hexcode):
        raise KeyError(hexcode)  # also keeps anything but a code out of file names
    return "-".join(each for each in hexcode.lower().split("-") if each != "fe0f")


SAMPLE = Sample(
    name="emoji",
    title="Emoji: pictures with names in fifteen languages and tags",
    carriers=(
        Carrier(
            registry="npm",
            package="emoji-datasource-twitter@16.0.0",
            file="emoji-datasource-twitter-16.0.0.tgz",
            sha256="f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
            megabytes=61.7,
        ),
        Carrier(
            registry="npm",
            package="emojibase-data@17.0.0",
            file="emojibase-data-17.0.0.tgz",
            sha256="d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
            megabytes=6.7,
        ),
    ),
    licence=(
        "CC-BY 4.0 for the pictures (Twemoji, copyright Twitter, Inc. and other contributors: name them where you "
        "show them); MIT for the names (emojibase, copyright 2017-2019 Miles Johnson)"
    ),
    rows=1_911,
    purpose=(
        "Retrieval between picture and text, in fifteen languages, and classification by `group` (10) or `subgroup` "
        "(99): 1,911 pictures of 64 x 64 pixels with alpha, one for each emoji without its skin tones. Names are "
        "whole in every language, and none stands twice in English; tags are English, 5.3 on average. Many emoji of "
        "people differ by gender alone, and 270 are flags."
    ),
    tables={"train": "emoji.parquet"},
    unpack=unpack,
)
