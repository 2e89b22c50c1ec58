"""Tux Paint stamps: cut-out pictures with captions in many languages, spoken names and sound effects."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...errors import DataError
from ..archives import debian_members
from ..carriers import Carrier
from .base import Sample, read_text, write_file, write_parquet

LANGUAGES = (
    *("be", "ca", "cs", "da", "de", "el", "es", "fr", "it", "ja"),
    *("ko", "nl", "pl", "pt", "ro", "ru", "sv", "uk", "zh_CN", "zh_TW"),
)
"""Of the captions that become columns; English comes first and by itself."""
SPOKEN = ("en", "be", "ca", "da", "el", "es", "fr", "ro", "ru")
"""Of the spoken names that become columns."""
RARE = ("medical", "military", "naturalforces", "people")
"""Folders of 3 to 8 pictures, which `kind` joins to `other`."""
ROOT = "usr/share/tuxpaint/stamps/"
STEM = r"(?P<stem>(?:[A-Za-z0-9_-]+/)+[A-Za-z0-9_.-]+?)"
SMALL = re.compile(rf"{ROOT}{STEM}\.(?P<kind>txt|png)")
MEDIA = re.compile(rf"{ROOT}{STEM}(?P<kind>\.png|\.ogg|_desc(?:_(?:{'|'.join(SPOKEN[1:])}))?\.ogg)")
CAPTION = re.compile(r"([A-Za-z]{2,3}(?:_[A-Z]{2})?(?:@[a-z]+)?)\.utf8=(.*)")
LARGEST = 2 * 2**20
"""Bytes of one picture, clip or caption file."""


def unpack(carriers: Sequence[Path], folder: Path) -> None:
    (carrier,) = carriers
    texts: dict[str, dict[str, str]] = {}
    pictures = set()
    for name, content in debian_members(carrier, SMALL, largest=LARGEST):
        stem, kind = _parts(SMALL, name)
        if kind == "png":
            pictures.add(stem)
        else:
            texts[stem] = captions(read_text(content, where=f"{carrier}: {name}"))
    stems = sorted(stem for stem in pictures if "en" in texts.get(stem, {}))
    if not stems:
        raise DataError(f"{carrier} holds no stamps")
    media: dict[str, dict[str, str]] = {stem: {} for stem in stems}  # stem -> kind of file -> its sum
    for name, content in debian_members(carrier, MEDIA, largest=LARGEST):
        stem, kind = _parts(MEDIA, name)
        if stem in media:
            media[stem][kind] = hashlib.sha256(content).hexdigest()
            write_file(folder / "stamps" / f"{stem}{kind}", content)
    groups = _groups((texts[stem]["en"].casefold(), media[stem].values()) for stem in stems)
    rows = [_row(stem, texts[stem], media[stem], group) for stem, group in zip(stems, groups, strict=True)]
    write_parquet(folder / "stamps.parquet", rows)


def captions(text: str) -> dict[str, str]:
    """The captions of a stamp by language: the first line is English, then `LANG.utf8=TEXT`. Empty ones are left out.

    >>> captions("A frog.\\nzh_TW.utf8=青蛙\\nde.utf8=\\n")
    {'en': 'A frog.', 'zh_TW': '青蛙'}
    """
    first, *others = text.split("\n")
    found = {"en": first.strip()}
    for line in others:
        match = CAPTION.fullmatch(line.strip())
        if match:
            found[match[1]] = match[2].strip()
    return {language: caption for language, caption in found.items() if caption}


def _row(stem: str, texts: Mapping[str, str], media: Mapping[str, str], group: str) -> dict[str, str | None]:
    def path(kind: str) -> str | None:
        return f"stamps/{stem}{kind}" if kind in media else None

    top, *_ = stem.split("/")
    row: dict[str, str | None] = {
        "image": path(".png"),
        "caption": texts["en"],
        "folder": top,
        "kind": "other" if top in RARE else top,
        "path": stem.rpartition("/")[0],
        "group": group,
        "sound": path(".ogg"),
    }
    row |= {f"speech_{each}": path("_desc.ogg" if each == "en" else f"_desc_{each}.ogg") for each in SPOKEN}
    return row | {f"caption_{each.lower()}": texts.get(each) for each in LANGUAGES}


def _groups(rows: Iterable[tuple[str, Iterable[str]]]) -> list[str]:
    """One group a row: rows of one caption share it, and so do captions that share a file."""
    leader: dict[str, str] = {}
    owner: dict[str, str] = {}

    def find(caption: str) -> str:
        while leader.setdefault(caption, caption) != caption:
            caption = leader[caption]
        return caption

    seen = []
    for caption, sums in rows:
        seen.append(caption)
        for each in sums:
            leader[find(caption)] = find(owner.setdefault(each, caption))
    return [find(caption) for caption in seen]


def _parts(pattern: re.Pattern[str], name: str) -> tuple[str, str]:
    match = pattern.fullmatch(name)
    assert match  # the archive gives no other names
    return match["stem"], match["kind"]


SAMPLE = Sample(
    name="stamps",
    title="Tux Paint stamps: pictures, names in many languages, spoken names and sounds",
    carriers=(
        Carrier(
            registry="Debian",
            package="tuxpaint-stamps-default=2022.06.04-1",
            file="tuxpaint-stamps-default_2022.06.04-1_all.deb",
            sha256="6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
            megabytes=160.9,
        ),
    ),
    licence="GPL-2.0-or-later, copyright 2002-2022 Bill Kendrick and contributors; do not ship it with other software",
    rows=785,
    purpose=(
        "Classification (target `kind`: the top folder, where four folders of 3 to 8 pictures are one, `other`), "
        "captioning, retrieval and translation across picture, text, speech and sound, with inputs missing by nature: "
        "785 pictures (538 without symbols), English captions and those of 20 more languages (Chinese 713 and 749), "
        "spoken names (French 767, Greek 646, Belarusian 538, Danish 290, English 65, of animals only) and 131 sounds "
        "(28 of symbols, most of them spoken letters and digits). Captions stand up to six times and letters share "
        "their clips: split by `group` (643). 165 stamps that are drawn as SVG alone are left out."
    ),
    tables={"train": "stamps.parquet"},
    unpack=unpack,
)
