"""The command that makes a run's inputs worse and looks what is left of its score."""

from __future__ import annotations

import argparse
from pathlib import Path

from .base import DATA, JSON, RUN, argument, command, load_run, note, print_json


@command(
    "scores of a run as each input is hidden, blurred, drowned in noise, misspelt",
    RUN,
    DATA,
    argument("--rows", type=int, default=1000, metavar="N", help="most rows scored, drawn of more (default: 1000)"),
    argument("--inputs", metavar="A,B", help="the inputs to make worse (default: all)"),
    argument(
        "-o", "--output", metavar="FILE", help="write robustness.json here; else into the run, and into its report"
    ),
    JSON,
    examples=["runs/mood test.csv", "runs/mood test.csv --inputs photo --rows 300"],
)
def robustness(options: argparse.Namespace) -> int:
    """Scores a run on labelled rows whose inputs are made worse, level by level."""
    from ..files import write_json
    from ..report.page import write_report
    from ..robustness import lines

    names = [name.strip() for name in options.inputs.split(",")] if options.inputs else None
    found = load_run(options.run_folder).robustness(
        options.data, rows=options.rows, inputs=names, progress=lambda about: None if options.json else note(about)
    )
    folder = Path(options.run_folder)
    write_json(Path(options.output) if options.output else folder / "robustness.json", found)
    report = None if options.output else write_report(folder)
    if options.json:
        print_json(found)
        return 0
    for line in lines(found):
        print(line)
    if report:
        print(f"Report: {report}")
    return 0
