"""One model for three questions about a review, beside three models for one question each.

    python benchmarks/several.py                # the table
    python benchmarks/several.py --choose       # what the way of training was chosen by: validation rows alone

Would the customer recommend it, how many stars, which department? All models see the same inputs: title, review, age,
and how many found the review useful; not the clothing's id, division or class, which name the department, nor one
target to guess another. One split, the same rows and seeds for all; validation rows choose each model's epoch.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch

from sensemble import build, evaluate
from sensemble import config as configs
from sensemble.config import Config
from sensemble.data.read import read
from sensemble.data.rows import Samples
from sensemble.data.samples import SAMPLES, get
from sensemble.data.split import split
from sensemble.data.table import Table
from sensemble.demo import recipe
from sensemble.metrics.base import Estimate, Metric, difference, estimate, resample
from sensemble.prepare import make_parts
from sensemble.stages.run import fit

TASKS: dict[str, dict[str, Any]] = {
    "recommend": {"name": "classify", "target": "Recommended IND", "metric": "roc_auc"},
    "rating": {"name": "regress", "target": "Rating", "metric": "r2"},
    "department": {"name": "classify", "target": "Department Name", "metric": "accuracy"},
}
INPUTS = ("title", "review", "age", "feedback")
LONGER = {"train.epochs": 10, "task.metric": "department.accuracy"}


def words(numbers: int, heads: int = 1, dropout: float = 0.3) -> dict[str, Any]:
    """How many numbers a word is, in how many parts that each weigh the words anew, and how many are dropped."""
    options = {"dim": numbers, "heads": heads, "dropout": dropout}
    return {f"inputs.{name}.encoder.{key}": value for name in ("title", "review") for key, value in options.items()}


ALONE = {"train.epochs": 10, **words(96, dropout=0.5)}
"""The models of one task, chosen likewise and trained as long."""
CHOSEN = {**LONGER, **words(192, heads=3, dropout=0.5), "task.weights": {"department": 1.5}}
"""By validation rows: see `--choose`."""
WAYS: dict[str, dict[str, Any]] = {
    "one each": {},
    "one each, 10 epochs": {"train.epochs": 10},
    "one each, 96 numbers": {**ALONE, **words(96)},
    "one each, 96 numbers, dropout .5": ALONE,
    "one each, 192 in 3 parts, dropout .5": {**ALONE, **words(192, heads=3, dropout=0.5)},
    "sum of losses": {},
    "uncertainty": {"task.weights": "uncertainty"},
    "uncertainty, width 128": {"task.weights": "uncertainty", "width": 128},
    "10 epochs, chosen by the department": LONGER,
    "96 numbers": {**LONGER, **words(96)},
    "96 numbers, uncertainty": {**LONGER, **words(96), "task.weights": "uncertainty"},
    "96 in 3 parts": {**LONGER, **words(96, heads=3)},
    "96, dropout .5": {**LONGER, **words(96, dropout=0.5)},
    "192, dropout .5": {**LONGER, **words(192, dropout=0.5)},
    "192 in 3 parts": {**LONGER, **words(192, heads=3)},
    "192 in 3 parts, dropout .5": {**LONGER, **words(192, heads=3, dropout=0.5)},
    "these, the department counts 1.5": CHOSEN,
    "these, the department counts 2": {**CHOSEN, "task.weights": {"department": 2.0}},
    "288 in 3 parts instead": {**CHOSEN, **words(288, heads=3, dropout=0.5)},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--ways", nargs="*", default=[])
    options = parser.parse_args()
    table = rows_of()
    targets = [task["target"] for task in TASKS.values()]
    places = split(table, valid=0.1, test=0.2, target=targets, seed=0)
    tables = {name: table.take(rows) for name, rows in places.items()}
    print({name: len(part) for name, part in tables.items()}, flush=True)
    if options.choose:
        for way, settings in WAYS.items():
            if options.ways and way not in options.ways:
                continue
            scores: dict[str, list[float]] = {name: [] for name in TASKS}
            for seed in range(options.seeds):
                for name in TASKS if way.startswith("one each") else [""]:
                    found, part, _, _ = measure(config_of(name, settings), tables, seed, "valid")
                    for task, (metric, _) in found.items():
                        scores[task].append(float(metric.statistic(np.ones((1, len(part))))[0]))
            print(f"{way:<38}", {name: f"{np.mean(each):.4f}" for name, each in scores.items()}, flush=True)
        return
    draws: Any = None
    for seed in range(options.seeds):
        one, part, seconds, size = measure(config_of("", CHOSEN), tables, seed, "test")
        draws = resample(len(part), resamples=1000, seed=0) if draws is None else draws
        print(f"seed {seed}: one model, {seconds:.0f} s, {size:,} parameters", flush=True)
        for name in TASKS:
            single, _, seconds, size = measure(config_of(name, ALONE), tables, seed, "test")
            ours, theirs = one[name], single[name]
            gap = difference(ours[0], theirs[0], len(part), draws)
            cells = [shown(estimate(each, len(part), draws)) for each in (ours[0], theirs[0])]
            cells += [f"{theirs[1]:.4f}", shown(gap, sign="+")]
            print(f"| {seed} | {name}, {TASKS[name]['metric']} | {' | '.join(cells)} |", flush=True)
            print(f"(alone: {seconds:.0f} s, {size:,} parameters)", flush=True)


def shown(found: Estimate, *, sign: str = "") -> str:
    """A value with its interval."""
    return f"{found.value:{sign}.4f} [{found.low:{sign}.4f}, {found.high:{sign}.4f}]"


def rows_of() -> Table:
    """The reviews that have all three labels."""
    table = read(get("reviews", say=print) / SAMPLES["reviews"].tables["train"])
    known = [all(table.column(task["target"])[row] is not None for task in TASKS.values()) for row in range(len(table))]
    return table.take(np.flatnonzero(known))


def config_of(name: str, settings: dict[str, Any]) -> Config:
    """The recipe `reviews` for one of the tasks, or without a name for all of them."""
    mapping = configs.read_mapping(recipe("reviews"))
    mapping["inputs"] = {key: spec for key, spec in mapping["inputs"].items() if key in INPUTS}
    mapping["task"] = TASKS[name] if name else {"name": "several", "tasks": TASKS}
    mapping["train"] = {**mapping["train"], "patience": 0}
    return configs.from_dict(configs.override(mapping, [f"{key}={value}" for key, value in settings.items()]))


def measure(
    config: Config, tables: dict[str, Table], seed: int, where: str
) -> tuple[dict[str, Any], Samples, float, int]:
    """Trains a model: of each task its metric on some rows and the trivial score; the rows, seconds, parameters."""
    task, inputs, parts = make_parts(config, tables)
    config = config.replace(seed=seed)
    network = build.make_network(config, inputs, task)
    before = time.process_time()
    for _ in fit(network, task, parts["train"], parts["valid"], config, seed=seed):
        pass
    seconds = time.process_time() - before
    part = parts[where]
    assert part.target is not None
    found = task.metrics(evaluate.answers(network, task, part), part.target)
    trivial = evaluate.values(task, task.trivial(len(part)), part)
    result: dict[str, tuple[Metric, float]] = {}
    for name, spec in TASKS.items():
        key = f"{name}.{spec['metric']}" if config.task["name"] == "several" else spec["metric"]
        if config.task["name"] == "several" or config.task["target"] == spec["target"]:
            result[name] = (found[key], trivial[key])
    return result, part, seconds, sum(each.numel() for each in network.parameters())


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
