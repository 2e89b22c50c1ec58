"""Fillets: the acted dialogue of a puzzle game, spoken in Czech and Dutch, written in twelve languages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import DataError
from ..archives import debian_members
from ..carriers import Carrier
from .base import Sample, read_text, write_file, write_parquet
from .lua import Line, dialogue, picture, turns

LANGUAGES = ("cs", "nl", "bg", "de", "es", "fr", "it", "pl", "ru", "sl", "sv")
"""Of the texts that become columns; English comes first and by itself."""
SPOKEN = ("cs", "nl")
"""Of the clips, in the order of their carriers."""
SHARED = {"black": "blackjokes", "bore": "borejokes", "border": "border", "shout": "border", "intro": "intro"}
"""Scripts of lines that any level may use, and the folder of their clips, which stands for their level."""
SHARING = {"cabin2": "cabin1"}
"""Levels that use clips of another one, which is their group."""
ROOT = "usr/share/games/fillets-ng"
SCRIPT = re.compile(
    rf"{ROOT}/script/(?P<level>[a-z0-9]+)/"
    rf"(?P<file>code|models|(?:(?P<part>[a-z]+)_)?dialogs_(?P<language>en|{'|'.join(LANGUAGES)}))\.lua"
)
CLIP = re.compile(rf"{ROOT}/sound/(?:share/)?(?P<level>[a-z0-9]+)/(?P<language>cs|nl)/(?P<id>[A-Za-z0-9_-]+)\.ogg")
PICTURE = re.compile(rf"{ROOT}/images/(?P<level>[a-z0-9]+)/(?P<file>[A-Za-z0-9_.-]+\.png)")
LARGEST = 4 * 2**20
"""Bytes of one script, clip or picture."""


@dataclass
class _Game:
    """What the scripts say. A line's key is its level and its id."""

    written: dict[str, dict[tuple[str, str], Line]] = field(default_factory=lambda: {"en": {}})
    before: dict[tuple[str, str], str] = field(default_factory=dict)
    rooms: dict[str, str | None] = field(default_factory=dict)


def unpack(carriers: Sequence[Path], folder: Path) -> None:
    carrier, *spoken = carriers
    game = _read(carrier)
    lines = {key: line for key, line in game.written["en"].items() if line.english.strip() and "%1" not in line.english}
    if not lines:
        raise DataError(f"{carrier} holds no dialogue")
    levels = {level for level, _ in lines}
    files: set[str] = set()

    def keep(path: str, content: bytes) -> None:
        write_file(folder / path, content)
        files.add(path)

    for name, content in debian_members(carrier, PICTURE, largest=LARGEST):
        level, file = PICTURE.fullmatch(name).groups()  # type: ignore[union-attr]  # it was matched to be here
        if level in levels and game.rooms.get(level) == file:
            keep(f"pictures/{level}.png", content)
    for expected, clips in zip(SPOKEN, spoken, strict=True):
        for name, content in debian_members(clips, CLIP, largest=LARGEST):
            level, language, line = CLIP.fullmatch(name).groups()  # type: ignore[union-attr]
            if language == expected and (level, line) in lines:
                keep(f"speech/{language}/{level}/{line}.ogg", content)
    write_parquet(folder / "fillets.parquet", _rows(game, lines, files))


def _read(carrier: Path) -> _Game:
    game = _Game(written={language: {} for language in ("en", *LANGUAGES)})
    for name, content in debian_members(carrier, SCRIPT, largest=LARGEST):
        level, file, part, language = SCRIPT.fullmatch(name).groups()  # type: ignore[union-attr]
        text = read_text(content, where=f"{carrier}: {name}")
        if file == "code":
            game.before |= {(level, line): before for line, before in turns(text).items()}
        elif file == "models":
            game.rooms[level] = picture(text)
        else:
            place = SHARED.get(part, level) if level == "share" else level
            game.written[language] |= {(place, line): said for line, said in dialogue(text).items()}
    return game


def _rows(game: _Game, lines: dict[tuple[str, str], Line], files: set[str]) -> list[dict[str, str | int | None]]:
    rows: list[dict[str, str | int | None]] = []
    orders: dict[str, int] = {}
    for (level, line), said in sorted(lines.items(), key=lambda item: item[0][0]):  # by level; the lines as they stand
        orders[level] = orders.get(level, 0) + 1
        before = game.before.get((level, line))
        row: dict[str, str | int | None] = {
            "id": f"{level}/{line}",
            "level": level,
            "group": SHARING.get(level, level),
            "order": orders[level],
            "follows": f"{level}/{before}" if (level, before) in lines else None,
            "speaker": said.speaker or None,
            "text_en": said.english.strip(),
        }
        for language in LANGUAGES:
            found = game.written[language].get((level, line))
            row[f"text_{language}"] = ((found and found.text) or "").strip() or None
        for column, path in (
            *((f"speech_{each}", f"speech/{each}/{level}/{line}.ogg") for each in SPOKEN),
            ("picture", f"pictures/{level}.png"),
        ):
            row[column] = path if path in files else None
        rows.append(row)
    return rows


SAMPLE = Sample(
    name="fillets",
    title="Fillets: acted dialogue, spoken in Czech and Dutch, written in twelve languages",
    carriers=(
        Carrier(
            registry="Debian",
            package="fillets-ng-data=1.0.1-1.1",
            file="fillets-ng-data_1.0.1-1.1_all.deb",
            sha256="25de89afd8b1adf7bcace8290248a6a22c89cd42300317e69000e162c032cf84",
            megabytes=70.6,
        ),
        Carrier(
            registry="Debian",
            package="fillets-ng-data-cs=1.0.1-1.1",
            file="fillets-ng-data-cs_1.0.1-1.1_all.deb",
            sha256="3ecef99b9456f1c80c9625c6f2418642b52d58e7167a46bad7a412db17991b14",
            megabytes=39.0,
        ),
        Carrier(
            registry="Debian",
            package="fillets-ng-data-nl=1.0.1-1.1",
            file="fillets-ng-data-nl_1.0.1-1.1_all.deb",
            sha256="afb4443fda9ab507dee578b75be857d121718a1cd6017a474f30e0eb13dc9d10",
            megabytes=32.6,
        ),
    ),
    licence="GPL-2.0, copyright ALTAR interactive, Ivo Danihelka and contributors; do not ship it with other software",
    rows=1_997,
    purpose=(
        "Speech recognition, speech and text translation, and dialogue: 1,997 lines in English and 11 more languages "
        "(Czech 1,944, Dutch 1,979, Slovene 387), 1,804 spoken in Czech (1.73 h) and 1,615 in Dutch (1.60 h; two clips "
        "are empty), with the background picture of 80 levels. `order` is a line's place in its level's script; "
        "`follows` (397) is the line that is planned right before it; `speaker` is small, big, or another character. "
        "Split by `group`: the level, where cabin1 and cabin2, which share clips, are one. Noises without words and "
        "texts with a placeholder are left out."
    ),
    tables={"train": "fillets.parquet"},
    unpack=unpack,
)
