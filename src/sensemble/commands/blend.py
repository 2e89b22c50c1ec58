"""The command that combines trained runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import ConfigError
from .base import DATA, JSON, argument, command, print_json


@command(
    "combine trained runs of one task, fitted on validation rows, scored on others",
    argument("runs", nargs="+", metavar="RUN"),
    DATA,
    argument("--valid", metavar="VALID", help="validation rows, for weights and stack"),
    argument("--how", default="weights", choices=("mean", "weights", "stack"), help="(default: weights)"),
    argument("-o", "--output", metavar="FILE", help="write the blend here, for evaluate and predict"),
    JSON,
    examples=[
        "runs/photo runs/words test.csv --valid valid.csv -o blend.json",
        "runs/one runs/two test.csv --how mean",
    ],
)
def blend(options: argparse.Namespace) -> int:
    """Combines trained runs and scores the whole beside its parts."""
    from ..blend import Blend, lines
    from ..evidence import score_lines

    if options.valid and Path(options.valid).absolute() == Path(options.data).absolute():
        raise ConfigError("blend: --valid and DATA are one file; what is fitted on rows cannot be scored on them")
    blended = Blend(options.runs, options.how).fit(options.valid)
    found = blended.evaluate(options.data)
    if options.output:
        blended.save(options.output)
    if options.json:
        print_json(found)
        return 0
    for line in [*score_lines(found), *lines(found)]:
        print(line)
    return 0
