"""Commands on an index: index, search."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .base import DATA, JSON, RUN, argument, command, load_run, note, print_json, show_events

if TYPE_CHECKING:
    from ..index.base import Hit
    from ..learner import Learner

PLACE = "of the index (default: RUN/index), or a server's, such as postgresql://HOST/DATABASE"
MEDIA = {"image": ("image",), "audio": ("audio", "wave"), "video": ("video",)}
"""The kinds of input that a file is given to, by the option that gives it."""
SHOWN = 4
"""Columns of the table on a terminal, beside the id."""


@command(
    "the rows of a table, embedded by a run, to be searched",
    RUN,
    DATA,
    argument("settings", nargs="*", metavar="key=value", help="options of the index, such as codes=int8"),
    argument("-o", "--index", dest="place", metavar="FOLDER|URL", help=PLACE),
    argument("--id", metavar="COLUMN", help="of the ids (default: the config's data.id, else the rows' numbers)"),
    argument("--columns", metavar="A,B", help="to keep (default: all with short values, and the paths of media)"),
    argument("--kind", choices=["exact", "approximate"], help="of a folder's index (default: exact)"),
    JSON,
    examples=["runs/stamps stamps.csv --id name", "runs/shop products.parquet --kind approximate effort=200"],
)
def index(options: argparse.Namespace) -> int:
    """Embeds rows and keeps them; what is there already is skipped."""
    import yaml

    from ..index.address import shown
    from ..index.make import Made, build_index, default_place

    settings: dict[str, Any] = {}
    for each in options.settings:
        key, mark, value = each.partition("=")
        if not mark:
            raise ConfigError(f"index: {each!r} is no option of the index; write key=value, such as codes=int8")
        settings[key] = yaml.safe_load(value)
    made = Made()
    events = build_index(
        load_run(options.run_folder),
        options.run_folder,
        options.data,
        options.place,
        made=made,
        id=options.id,
        columns=[each.strip() for each in options.columns.split(",")] if options.columns else None,
        kind=options.kind,
        options=settings or None,
    )
    show_events(events, quiet=options.json)
    place = shown(str(options.place or default_place(options.run_folder)))
    if options.json:
        print_json({"index": place, **vars(made)})
        return 0
    counts = {name: number for name, number in vars(made).items() if number and name != "entries"}
    print(f"{made.entries:,} entries ({', '.join(f'{number:,} {name}' for name, number in counts.items())}): {place}")
    return 0


@command(
    "the entries of an index that are nearest to a text, a picture, a sound",
    RUN,
    argument("query", nargs="?", metavar="TEXT", help="what to look for"),
    argument("--image", metavar="FILE", help="look for what is like a picture"),
    argument("--audio", metavar="FILE", help="look for what is like, or said by, a sound"),
    argument("--video", metavar="FILE", help="look for what is like a clip"),
    argument("--give", metavar="INPUT=VALUE", action="append", default=[], help="any input of the run"),
    argument("-k", type=int, default=10, metavar="K", help="how many (default: 10)"),
    argument("--where", metavar="CONDITION", action="append", default=[], help="kind=bus,car or year>=1990"),
    argument("--unseen", action="store_true", help="leave out entries whose ids the query lists, as a history does"),
    argument("--hybrid", metavar="COLUMN", help="search this column's texts by keyword as well"),
    argument("--index", dest="place", metavar="FOLDER|URL", help=PLACE),
    argument("-o", "--output", metavar="FILE.png", help="draw the hits as a sheet of pictures"),
    argument("--caption", metavar="COLUMN", help="what stands below a picture (default: the longest texts)"),
    JSON,
    examples=[
        'runs/stamps "a red bus" -o found.png',
        "runs/stamps --image bus.jpg --where year>=1990",
        "runs/films --give history='50 181' --unseen",
    ],
)
def search(options: argparse.Namespace) -> int:
    """Finds what is nearest to a query."""
    from ..index.find import listed, parse_where, search_index

    if options.output and Path(options.output).suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise ConfigError(f"-o {options.output}: a sheet is a picture, such as found.png")
    learner = load_run(options.run_folder)
    query = _query(learner, options)
    hits = search_index(
        learner,
        options.run_folder,
        query,
        options.place,
        k=options.k,
        where=parse_where(options.where),
        hybrid_column=options.hybrid,
        without=listed(learner, query) if options.unseen else (),
    )
    hits = [hit._replace(columns=_shown(hit.columns)) for hit in hits]
    media = {item.column for inputs in learner.sides_.values() for item in inputs.values() if item.modality.reads_files}
    caption = options.caption or _caption(hits, media)
    if options.output:
        _draw(learner, query, hits, caption, Path(options.output))
        note(f"{len(hits)} hits: {options.output}")
    if options.json:
        found = [{"rank": rank, **hit._asdict()} for rank, hit in enumerate(hits, 1)]
        print_json({"format": 1, "query": query, "hits": found})
    else:
        _print_hits(hits, caption, media)
    return 0


def _query(learner: Learner, options: argparse.Namespace) -> dict[str, Any]:
    """The raw value of each input that the arguments give."""
    from ..index.find import input_of_kind

    query: dict[str, Any] = {}
    for each in options.give:
        name, mark, value = each.partition("=")
        if not mark:
            raise ConfigError(f"--give {each!r}: write INPUT=VALUE")
        query[name] = value
    if options.query is not None:
        query[input_of_kind(learner, ("text",), "a text")] = options.query
    for option, kinds in MEDIA.items():
        file = getattr(options, option)
        if file is not None:
            query[input_of_kind(learner, kinds, f"what --{option} gives")] = str(Path(file).absolute())
    return query


def _shown(columns: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in columns.items() if not name.startswith("_")}


def _caption(hits: Sequence[Hit], media: set[str]) -> str | None:
    """The column with the longest texts that are no paths."""
    lengths: dict[str, int] = {}
    for hit in hits:
        for name, value in hit.columns.items():
            if isinstance(value, str) and name not in media:
                lengths[name] = lengths.get(name, 0) + len(value)
    return max(lengths, key=lambda name: lengths[name]) if lengths else None


def _draw(learner: Learner, query: dict[str, Any], hits: Sequence[Hit], caption: str | None, output: Path) -> None:
    from ..index.sheet import Card, draw_sheet, picture_of

    every = {name: item for inputs in learner.sides_.values() for name, item in inputs.items()}
    asked = [
        Card(name, Path(value).name if every[name].modality.reads_files else str(value), picture_of(every[name], value))
        for name, value in query.items()
    ]
    cards = []
    for rank, hit in enumerate(hits, 1):
        pictures = (
            picture_of(item, hit.columns[item.column])
            for item in every.values()
            if item.modality.reads_files and item.column in hit.columns
        )
        text = str(hit.columns.get(caption, hit.id)) if caption else hit.id
        cards.append(Card(f"{rank} · {hit.score:.3f}", text, next((each for each in pictures if each), None)))
    output.parent.mkdir(parents=True, exist_ok=True)
    draw_sheet(asked, cards).save(output)


def _print_hits(hits: Sequence[Hit], caption: str | None, media: set[str]) -> None:
    """A table on a terminal; elsewhere lines of rank, score, id and caption, separated by tabs."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        for rank, hit in enumerate(hits, 1):
            text = " ".join(str(hit.columns.get(caption, "")).split()) if caption else ""
            print(f"{rank}\t{hit.score:.4f}\t{hit.id}\t{text}")
        return
    names = [*([caption] if caption else []), *dict.fromkeys(name for hit in hits for name in hit.columns)]
    names = list(dict.fromkeys(names))[:SHOWN]
    table = Table("", "score", "id", *names)
    for rank, hit in enumerate(hits, 1):
        cells = [str(hit.columns.get(name, "")) for name in names]
        cells = [Path(cell).name if name in media else cell for name, cell in zip(names, cells, strict=True)]
        table.add_row(str(rank), f"{hit.score:.3f}", hit.id, *cells)
    console.print(table)
