"""Stamps by kind from picture, written and spoken name: encoders from scratch beside frozen pretrained ones.

    python benchmarks/stamps.py                 # five grouped folds, every stamp tested once

Both see the same rows: 5 folds of whole groups (equal captions or shared clips), an eighth of the rest for validation.
Out-of-fold answers are pooled; intervals are bootstrap over groups. Fetches the sample `stamps` and the weights
`efficientnet_lite0` and `minilm` where they are not there yet (the voice is encoded from scratch either way).
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch

from sensemble import config as configs
from sensemble import evaluate, weights
from sensemble.data.read import read
from sensemble.data.rows import Samples
from sensemble.data.samples import SAMPLES, get
from sensemble.data.split import split
from sensemble.data.table import Table
from sensemble.demo import CARRIED, recipe
from sensemble.pipeline import Job

WAYS = {"scratch": "fast", "frozen": "offline"}


def folds(table: Table, count: int) -> list[np.ndarray[Any, np.dtype[np.int64]]]:
    """The positions of each fold's rows, whole groups each."""
    left, found = np.arange(len(table)), []
    for index in range(count - 1):
        share = 1 / (count - index)
        places = split(table.take(left), valid=0, test=share, target=["kind"], group="group", seed=index)
        found.append(left[places["test"]])
        left = left[places["train"]]
    return [*found, left]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()
    table = read(get("stamps", say=print) / SAMPLES["stamps"].tables["train"])
    for name in CARRIED["stamps"]:
        weights.get(name, say=print)
    answers: dict[str, dict[tuple[str, ...], list[Any]]] = {way: {} for way in WAYS}
    tested: list[Samples] = []
    for fold, places in enumerate(folds(table, options.folds)):
        rest = table.take(np.setdiff1d(np.arange(len(table)), places))
        for way, quality in WAYS.items():
            mapping = configs.override(configs.read_mapping(recipe("stamps")), [f"quality={quality}", f"seed={fold}"])
            mapping["data"] = {"group": "group", "valid_share": 0.125, "test_share": 0}
            job = Job(configs.from_dict(mapping))
            for events in (job._prepare(rest, None, table.take(places)), job._fit()):
                for _ in events:
                    pass
            assert job.network is not None and job.task is not None
            names = evaluate.subsets(job.task, [item.name for item in job.inputs])
            test = job.parts["test"]
            for subset, given in zip(names, evaluate.answer_subsets(job.network, job.task, test, names), strict=True):
                answers[way].setdefault(subset, []).append(_by_label(given, job.task))
            score = evaluate.values(job.task, evaluate.answers(job.network, job.task, test), test)["accuracy"]
            print(f"fold {fold}  {way:<8} accuracy {score:.3f}  ({len(test):,} test rows)", flush=True)
        tested.append(job.parts["test"])
    right = {
        way: {
            subset: np.concatenate(
                [(a == np.array(t.table.column("kind"))).astype(float) for a, t in zip(parts, tested, strict=True)]
            )
            for subset, parts in found.items()
        }
        for way, found in answers.items()
    }
    groups = np.concatenate([np.array(part.table.column("group")) for part in tested])
    report(right, np.unique(groups, return_inverse=True)[1])


def _by_label(given: Any, task: Any) -> np.ndarray[Any, Any]:
    return np.array([record["prediction"] for record in task.records(given)])


def report(right: dict[str, dict[tuple[str, ...], Any]], groups: np.ndarray[Any, np.dtype[np.int64]]) -> None:
    """Accuracy of every subset, and the paired gain of frozen over scratch and of all over the best single input."""
    rng = np.random.default_rng(0)
    count = int(groups.max()) + 1
    draws = np.stack([np.bincount(rng.integers(count, size=count), minlength=count)[groups] for _ in range(2000)])

    def interval(values: Any) -> str:
        means = (draws * values).sum(1) / draws.sum(1)
        low, high = np.quantile(means, [0.025, 0.975])
        return f"{values.mean():+.3f} [{low:+.3f}, {high:+.3f}]"

    print(f"\n{len(groups)} stamps, {count} groups")
    for subset in right["scratch"]:
        shown = "   ".join(f"{way} {interval(right[way][subset])}" for way in right)
        gain = interval(right["frozen"][subset] - right["scratch"][subset])
        print(f"{'+'.join(subset):<22} {shown}   gain {gain}")
    for way, found in right.items():
        whole = max(found, key=len)
        best = max((subset for subset in found if len(subset) == 1), key=lambda subset: found[subset].mean())
        print(f"{way}: all inputs over {best[0]} alone {interval(found[whole] - found[best])}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
