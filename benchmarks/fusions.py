"""Every fusion on three real sets, five folds each, by one command.

    python benchmarks/fusions.py                    # runs/fusions/{reviews,easy_vqa,stamps}: tables, compare.html
    python benchmarks/fusions.py --sets stamps --folds 3

A set's recipe is taken as it is but for the fusion, and trained on part of the rows, so that all models fit into an
hour of two cores: 4,000 reviews, the questions of 400 pictures of easy-VQA, all 785 stamps. Run again, it goes on where
it was. Fetches the samples and weights where they are not there yet.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from sensemble import config as configs
from sensemble import weights
from sensemble.compare.board import corrected, holm
from sensemble.compare.run import compare
from sensemble.data.read import read
from sensemble.data.samples import SAMPLES, get
from sensemble.data.table import Table
from sensemble.demo import CARRIED, recipe
from sensemble.files import read_json
from sensemble.fusion.base import FUSIONS

ROWS = {"reviews": 4_000, "easy_vqa": 400, "stamps": 785}
"""Of the reviews and stamps, rows; of easy-VQA, pictures."""
SETTINGS: dict[str, dict[str, Any]] = {
    "easy_vqa": {"train": {"epochs": 12, "patience": 0, "together": "image"}},
    "stamps": {"train": {"epochs": 10, "patience": 3}},
}
"""What few rows need otherwise than the recipe has it; a picture is encoded once for all its questions."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--fusions", nargs="+", choices=list(FUSIONS), default=list(FUSIONS))
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/fusions"))
    options = parser.parse_args()
    for name in options.sets:
        mapping = configs.read_mapping(recipe(name))
        for key, value in SETTINGS.get(name, {}).items():
            mapping[key] = {**mapping.get(key, {}), **value}
        for carried in CARRIED.get(name, ()):
            weights.get(carried, say=print)
        events = compare(
            mapping, rows_of(name), options.output / name,
            vary={"fusion": options.fusions}, folds=options.folds, jobs=options.jobs,
        )  # fmt: skip
        for event in events:
            if event.text:
                print(f"{name}: {event.text}", flush=True)
    for name in options.sets:
        found = read_json(options.output / name / "compare.json")
        print(f"\n{markdown(name, found)}\n{over_concat(found, options.output / name)}")


def rows_of(name: str) -> Table:
    """The rows of a set, drawn with seed 0: whole pictures where many rows share one."""
    table = read(get(name, say=print) / SAMPLES[name].tables["train"])
    random = np.random.default_rng(0)
    if name == "easy_vqa":
        pictures = np.array(table.column("image"))
        chosen = random.choice(np.unique(pictures), ROWS[name], replace=False)
        return table.take(np.flatnonzero(np.isin(pictures, chosen)))
    return table.take(np.sort(random.choice(len(table), min(ROWS[name], len(table)), replace=False)))


def markdown(name: str, found: dict[str, Any]) -> str:
    """A table for RESULTS.md."""
    lines = [
        f"{name}: {found['metric']}, {found['rows']:,} rows, {found['folds']} folds; trivial {found['trivial']:.3f}",
        "",
        "| model | mean [95 %] | minus the best [95 %] | p (Holm) | seconds a fit | parameters | million operations |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in sorted(found["variants"], key=lambda row: row["mean"], reverse=found["higher"]):
        against = row.get("against_best")
        gap = f"{against['value']:+.3f} [{against['low']:+.3f}, {against['high']:+.3f}]" if against else ""
        p = f"{against['p_holm']:.3f}" if against else ""
        lines.append(
            f"| {row['name']} | {row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}] | {gap} | {p} "
            f"| {row['processor_seconds']:.0f} | {row['parameters']:,.0f} | {row['flops'] / 1e6:.2f} |"
        )
    return "\n".join([*lines, "", *found["sentences"]])


def over_concat(found: dict[str, Any], folder: Path) -> str:
    """Which fusions are better than plain concatenation, by the same test as against the best."""
    if "concat" not in (row["name"] for row in found["variants"]):
        return ""
    cells = [cell for cell in map(read_json, (folder / "cells").glob("*.json")) if cell["variant"] == "concat"]
    ratio, sign = float(np.mean([cell["rows"] / cell["train_rows"] for cell in cells])), 1 if found["higher"] else -1
    folds = {row["name"]: sign * np.array(row["folds"]) for row in found["variants"] if not row["single"]}
    plain = folds.pop("concat")
    tests = [corrected(scores, plain, ratio) for scores in folds.values()]
    said: dict[bool, list[str]] = {True: [], False: []}
    for name, test, p in zip(folds, tests, holm([test["p"] for test in tests]), strict=True):
        if p < 0.05:
            said[test["value"] > 0].append(f"{name} {test['value']:+.3f} [{test['low']:+.3f}, {test['high']:+.3f}]")
    better, worse = (", ".join(names) or "none" for names in said.values())
    return f"Shown to be better than concat (p < .05, Holm): {better}; worse: {worse}."


if __name__ == "__main__":
    main()
