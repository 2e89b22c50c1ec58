"""One rare class among twenty: what weights, focal loss, balanced epochs, adjusted logits and thresholds each bring.

    python benchmarks/imbalance.py

Generated (synthetic) rows: two vectors show a bit each under noise, and a row is `rare` if both are one, once in 21
rows. As two classes, and as label sets in which two frequent labels show one bit each. All ways learn from the same
rows, with two seeds, and are scored on the same 6,000 test rows: intervals are paired bootstrap over test rows, of
the mean over seeds. Thresholds are chosen on validation rows for a precision of a half, then measured on test rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sensemble import build, evaluate
from sensemble import config as configs
from sensemble.data.table import Table
from sensemble.metrics.base import Metric, resample
from sensemble.metrics.classification import classification_metrics
from sensemble.metrics.curves import at_name
from sensemble.prepare import make_parts
from sensemble.tasks import thresholds
from sensemble.train import train

SHARE = 1 / 21
PRECISION = 0.5
NOISE = 0.8
WAYS: dict[str, dict[str, dict[str, Any]]] = {
    "none": {},
    "class weights": {"task": {"class_weights": "balanced"}},
    "focal loss": {"task": {"loss": "focal"}},
    "balanced sampler": {"train": {"sampler": "balanced"}},
    "adjusted logits": {"task": {"adjust": 1.0}},
}
KINDS: dict[str, dict[str, Any]] = {"label sets": {"target": "labels", "many": True}, "two classes": {"target": "rare"}}
Array = NDArray[np.float64]


def rows(count: int, seed: int) -> Table:
    """Rows of two bits under noise; both are one in one row of 21, and the other three pairs are equally frequent."""
    random = np.random.default_rng(seed)
    pair = random.choice(4, count, p=[(1 - SHARE) / 3] * 3 + [SHARE])
    bits = np.stack([pair % 2, pair // 2])  # (2, n)
    directions = np.random.default_rng(20).normal(size=(2, 8))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    signs = 2.0 * bits - 1
    left, right = (signs[i][:, None] * directions[i] + NOISE * random.normal(size=(count, 8)) for i in range(2))
    sets = [
        [name for name, one in zip(("left", "right", "rare"), (*row, row.all()), strict=True) if one] for row in bits.T
    ]
    columns = {"left": list(left), "right": list(right), "rare": bits.all(0).astype(int), "labels": sets}
    return Table(pd.DataFrame({name: pd.Series(values) for name, values in columns.items()}), name="generated data")


def fit(kind: str, way: str, seed: int, tables: dict[str, Table]) -> dict[str, Array]:
    """The probability of the rare class in each validation and test row."""
    given = WAYS[way]
    config = configs.from_dict(
        {
            "inputs": {"left": "vector", "right": "vector"}, "fusion": "concat", "width": 16, "seed": seed,
            "task": {"name": "classify", **KINDS[kind], **given.get("task", {})},
            "train": {"epochs": 8, "batch": 64, "lr": 3e-3, "hide": 0.0, "patience": 0, **given.get("train", {})},
        }
    )  # fmt: skip
    task, inputs, parts = make_parts(config, tables)
    network = build.make_network(config, inputs, task)
    for _ in train(network, task, parts["train"], parts["valid"], config.train, seed=seed):
        pass
    place = -1 if kind == "two classes" else task.state()["classes_"].index("rare")
    return {name: np.asarray(evaluate.answers(network, task, parts[name]))[:, place] for name in ("valid", "test")}


def metric(answers: Sequence[Array], cuts: Sequence[float], truth: NDArray[np.int64], name: str) -> Metric:
    """A score of the rare class, the mean over seeds, answered from each seed's threshold on."""
    each = [
        classification_metrics(
            np.stack([1 - p, p], 1), truth, ["no", "rare"], 1, (p >= cut).astype(int), PRECISION
        )[name]
        for p, cut in zip(answers, cuts, strict=True)
    ]  # fmt: skip
    return Metric(lambda weights: np.mean([one.statistic(weights) for one in each], axis=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    tables = {"train": rows(3_000, 1), "valid": rows(1_500, 2), "test": rows(6_000, 3)}
    truths = {name: np.array(table.column("rare")).astype(np.int64) for name, table in tables.items()}
    print(", ".join(f"{name}: {len(truth):,} rows, {truth.sum()} rare" for name, truth in truths.items()))
    test = truths["test"]
    draws = resample(len(test), resamples=500, seed=0)
    ones = np.ones((1, len(test)))
    best = at_name(PRECISION)
    for kind in KINDS:
        print(f"\n| {kind} | {best} | minus none | recall, from .5 | precision, from .5 | recall, threshold | "
              "precision, threshold | recall minus none from .5 |")  # fmt: skip
        print("|---|---|---|---|---|---|---|---|")
        first: list[Array] = []
        for way in WAYS:
            found = [fit(kind, way, seed, tables) for seed in range(options.seeds)]
            answers, half = [each["test"] for each in found], [0.5] * options.seeds
            chosen = [
                thresholds.choose(f"precision={PRECISION}", each["valid"], truths["valid"] == 1) for each in found
            ]
            metrics = [
                metric(answers, half, test, best),
                *(metric(answers, cuts, test, name) for cuts in (half, chosen) for name in ("recall", "precision")),
            ]
            # Each score first on the rows as they are, then on every resample: (1 + R,)
            scores = [each.statistic(np.concatenate([ones, draws])) for each in metrics]
            first = first or scores
            cells = [shown(each) for each in scores]
            gains = [shown(scores[at] - first[against], signed=True) for at, against in ((0, 0), (3, 1))]
            print(f"| {way} | {cells[0]} | {gains[0]} | {' | '.join(cells[1:])} | {gains[1]} |", flush=True)


def shown(values: Array, *, signed: bool = False) -> str:
    """A score, or a difference, with the 95 % interval of its resamples."""
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return "{:{f}} [{:{f}}, {:{f}}]".format(values[0], low, high, f="+.3f" if signed else ".3f")


if __name__ == "__main__":
    main()
