"""Every fusion on generated (synthetic) sets whose best scores are known: does each land where theory says?

    python benchmarks/fusion_truths.py              # runs/truths/{xor,redundant,noise_input,pointer}

`xor` needs a product of both inputs, `redundant` gains from averaging, `noise_input` has nothing to gain, `pointer`
needs attention from a token of one input to those of the other. Three folds each; run again, it goes on where it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sensemble.compare.run import compare
from sensemble.data import generate
from sensemble.data.table import Table
from sensemble.files import read_json
from sensemble.fusion.base import FUSIONS

SETS: dict[str, tuple[Callable[[], Table], dict[str, Any]]] = {
    "xor": (lambda: generate.xor(600), {"epochs": 15}),
    "redundant": (lambda: generate.redundant(1200), {"epochs": 8}),
    "noise_input": (lambda: generate.noise_input(1200), {"epochs": 8}),
    "pointer": (lambda: generate.pointer(6000, length=8), {"epochs": 15, "batch": 64, "hide": 0.0}),
}
BEST = {
    "xor": "1.0 with a product, .5 without",
    "redundant": "accuracy .921 with both, .841 with one",
    "noise_input": "accuracy .841, with both as with `left`",
    "pointer": "1.0 with attention from token to token, about .76 by pooling",
}
MORE: dict[str, list[Any]] = {"pointer": [{"name": "film", "by": ["cue"]}]}
"""Fusions beside the registered ones. By itself `film` lets the last input ask; here the first one does."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/truths"))
    options = parser.parse_args()
    for name in options.sets:
        make, settings = SETS[name]
        mapping = {
            "task": {"name": "classify", "target": "label", "metric": "accuracy"}, "width": 32,
            "train": {"batch": 32, "lr": 3e-3, "patience": 0, **settings},
        }  # fmt: skip
        for event in compare(
            mapping,
            make(),
            options.output / name,
            vary={"fusion": [*FUSIONS, *MORE.get(name, [])]},
            folds=3,
            jobs=options.jobs,
        ):
            if event.text:
                print(f"{name}: {event.text}", flush=True)
    boards = {name: read_json(options.output / name / "compare.json") for name in options.sets}
    print("\n| fusion | " + " | ".join(f"{name} ({BEST[name]})" for name in boards) + " |")
    print("|---" * (len(boards) + 1) + "|")
    names = dict.fromkeys(row["name"] for board in boards.values() for row in board["variants"] if not row["single"])
    for variant in [*names, "best single input"]:
        cells = []
        for board in boards.values():
            wanted = board["best_single"] if variant == "best single input" else variant
            row = next((each for each in board["variants"] if each["name"] == wanted), None)
            cells.append(f"{row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" if row else "")
        print(f"| {variant} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
