"""Where an index is: a folder, whose kind and options it remembers, or the URL of a server.

Beside the entries, `index.json` holds `{"format": 1, "kind": .., "options": {..}, "run": .., "columns": [..]}`: the
columns are those that `sensemble index` kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigError, DataError, unknown
from ..files import read_json, write_json
from .base import INDEXES, Index

FILE = "index.json"
EMBEDDED = ("exact", "approximate")
"""Kinds whose place is a folder."""


def open_index(
    place: str | Path,
    run: str,
    dim: int,
    *,
    create: bool = True,
    kind: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Index:
    """The index at a place.

    Args:
        place: a folder, or a URL whose scheme names the kind, such as `postgresql://HOST/DATABASE`.
        run: digest of the run that makes the vectors.
        dim: their size.
        create: make it where there is none.
        kind: of a folder's index, `exact` or `approximate`; `None` takes what the folder says, else `exact`.
        options: of that kind; `None` takes what the folder says.

    Raises:
        ConfigError: an unknown kind, scheme or option.
        DataError: no index there, or one of another run.
    """
    scheme, mark, _ = str(place).partition("://")
    if mark:
        name = {"postgres": "postgresql"}.get(scheme.lower(), scheme.lower().partition("+")[0])
        if name not in INDEXES or name in EMBEDDED:
            known = [f"{each}://" for each in INDEXES if each not in EMBEDDED]
            raise ConfigError(unknown("kind of place of an index", f"{scheme}://", known))
        return INDEXES.create(name, str(place), run, dim, where="index", **{"create": create, **(options or {})})
    folder = Path(place)
    about = describe(folder)
    if not about and not create:
        raise DataError(f"{folder} holds no index: make one with `sensemble index RUN DATA`")
    if kind is None or kind == about.get("kind"):
        kind = str(about.get("kind", "exact"))
        options = about.get("options", {}) if options is None else options
    index = INDEXES.create(kind, str(folder), run, dim, where="index", **(options or {}))
    remember(folder, kind=kind, options=dict(options or {}), run=run)
    return index


def describe(folder: Path) -> dict[str, Any]:
    """What `index.json` says; nothing where there is none."""
    try:
        found = read_json(folder / FILE) if (folder / FILE).exists() else {}
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{folder / FILE} cannot be read ({error}); remove it, the entries stay") from error
    if not isinstance(found, dict) or found.get("format", 1) != 1:
        raise DataError(f"{folder / FILE} is of another version of sensemble, or is no index")
    return found


def remember(folder: Path, **about: Any) -> None:
    """Writes more into `index.json`."""
    before = describe(folder)
    after = {"format": 1, **before, **about}
    if after != before:
        write_json(folder / FILE, after)
