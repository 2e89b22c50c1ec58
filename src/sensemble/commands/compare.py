"""Commands that compare settings."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import ConfigError
from .base import argument, command, print_json, show_events
from .runs import SOURCE, mapping_of, new_folder


@command(
    "cross-validate a config, or several that differ in some keys, on the same folds",
    *SOURCE,
    argument(
        "--vary", action="append", default=[], metavar="KEY=A,B,...", help="a key and its values; several make a grid"
    ),
    argument("--folds", type=int, default=5, metavar="K", help="number of folds (default: 5)"),
    argument("--repeats", type=int, default=1, metavar="N", help="how often, each with other folds and another seed"),
    argument("--no-singles", action="store_true", help="do not train each input alone"),
    argument("--jobs", type=int, default=0, metavar="N", help="processes side by side (default: a core each)"),
    argument("-o", "--output", metavar="DIR", help="its folder; run again, it goes on (default: a new one)"),
    examples=[
        "config.yaml --vary fusion=concat,gate,transformer -o runs/fusions",
        "train.csv --target label --vary width=32,64 --vary train.lr=1e-3,3e-3 --folds 3",
        "train.csv --target label --group user --folds 10",
    ],
)
def compare(options: argparse.Namespace) -> int:
    """Cross-validates variants of a config; what was finished before is not run again."""
    from ..compare.plan import parse
    from ..compare.run import compare as run
    from ..files import read_json

    mapping = mapping_of(options)
    source = (mapping.get("data") or {}).get("train")
    if source is None:
        raise ConfigError("compare: name a table, or set data.train in the config")
    stem = Path(options.source or (source if isinstance(source, str) else "run")).absolute().stem
    folder = Path(options.output) if options.output else new_folder(Path("runs"), f"compare-{stem}")
    events = run(
        mapping, source, folder,
        vary=parse(options.vary), folds=options.folds, repeats=options.repeats,
        alone=not options.no_singles, jobs=options.jobs,
    )  # fmt: skip
    show_events(events, quiet=options.json)
    if options.json:
        print_json(read_json(folder / "compare.json"))
    return 0
