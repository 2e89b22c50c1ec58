"""A planted leak: random folds say too much of rows that come in groups, folds of whole groups do not.

    python benchmarks/group_leak.py                 # runs/group_leak/{random,grouped}

Generated (synthetic) rows of 100 speakers whose label is the speaker's own. Random folds test rows of speakers that
training has heard, and may reach 1; new speakers can be answered from their words alone, .841 at best. Both are
measured beside the truth: rows of 400 other speakers, drawn with another seed, that no model saw. Last, what the
audit says of the table.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import sensemble as se
from sensemble import config as configs
from sensemble.compare.run import compare
from sensemble.data import generate
from sensemble.data.table import Table
from sensemble.files import read_json
from sensemble.prepare import audit_table

INPUTS = {"voice": "vector", "words": "vector"}
TASK = {"name": "classify", "target": "label", "metric": "accuracy"}
SETTINGS: dict[str, Any] = {"width": 32, "train": {"epochs": 8, "batch": 32, "lr": 3e-3, "patience": 0}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/group_leak"))
    options = parser.parse_args()
    table = generate.group_leak(options.rows)
    print("| accuracy | both inputs | voice alone | words alone | trivial |\n|---|---|---|---|---|")
    for name, data in {"random": {}, "grouped": {"group": "speaker"}}.items():
        mapping = {"inputs": INPUTS, "task": TASK, "data": data, **SETTINGS}
        folder = options.output / name
        for _ in compare(mapping, table, folder, folds=options.folds, repeats=options.repeats, jobs=1):
            pass
        board = read_json(options.output / name / "compare.json")
        cells = [f"{row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" for row in board["variants"]]
        print(f"| {name} folds | {' | '.join(cells)} | {board['trivial']:.3f} |", flush=True)
    print(f"| 400 new speakers | {new_speakers(table)} | | | |\n")
    found, _ = audit_table(configs.from_dict({"task": TASK}), table)
    print("\n".join(f"{each['kind']}: {each['message']}" for each in found["warnings"]))


def new_speakers(table: Table) -> str:
    """Accuracy, with its interval over whole speakers, of a model of all rows on speakers drawn anew."""
    learner = se.Learner(INPUTS, TASK, verdict="off", data={"group": "speaker", "test_share": 0.0}, **SETTINGS)
    learner.fit(table)
    found = learner.evaluate(generate.group_leak(4000, seed=1, speakers=400))["test"]["accuracy"]
    return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


if __name__ == "__main__":
    main()
