"""A head that learns from words alone and is tested on pictures alone: stamps, through a common space.

    python benchmarks/semi.py

Frozen EfficientNet-Lite0 and MiniLM features. First the pictures and written names of the training rows come into one
space by contrast, without labels; then a head learns the kind of stamp from the names. Beside it the same head without
the first stage (the space is random), and a model trained on labelled pictures. Five folds of whole groups, every stamp
tested once; accuracy with bootstrap intervals over groups. The head's epoch is chosen on pictures of validation rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sensemble import build, evaluate, weights
from sensemble import config as configs
from sensemble.data.folds import folds
from sensemble.data.read import read
from sensemble.data.samples import SAMPLES, get
from sensemble.demo import CARRIED, recipe
from sensemble.metrics.base import Metric, estimate, quotient, resample
from sensemble.plan import complete
from sensemble.prepare import make_parts
from sensemble.stages.run import fit

SPACE = {
    "name": "common space", "task": "contrast", "train": ["encoders", "fusion"],
    "epochs": 60, "batch": 256, "weight_decay": 0.1, "patience": 10,
}  # fmt: skip
HEAD = {
    "name": "head on names", "inputs": ["name"], "valid_inputs": ["picture"], "train": ["head"],
    "epochs": 60, "lr": 1e-2, "patience": 10,
}  # fmt: skip
WAYS: dict[str, tuple[Any, list[str]]] = {
    "semi": ([SPACE, HEAD], ["picture", "name"]),
    "without the space": ([HEAD], ["picture", "name"]),
    "labelled pictures": ("joint", ["picture"]),
}
FOLDS = 5


def main() -> None:
    table = read(get("stamps", say=print) / SAMPLES["stamps"].tables["train"])
    for name in CARRIED["stamps"]:
        weights.get(name, say=print)
    mapping = configs.override(
        configs.read_mapping(recipe("stamps")), ["inputs.voice=null", "fusion=sum", "width=128", "quality=offline"]
    )
    mapping["data"] = {"group": "group"}
    config, _, _ = complete(configs.from_dict(mapping), table)
    right: dict[str, list[Any]] = {}
    groups: list[Any] = []
    for fold, places in enumerate(folds(table, FOLDS, target=["kind"], group="group", valid=0.125, seed=0)):
        task, inputs, parts = make_parts(config, {name: table.take(rows) for name, rows in places.items()})
        truth = np.array(task.truth(parts["test"].target))
        groups += parts["test"].table.column("group")
        answers = {"commonest kind": task.trivial(len(truth))}
        for way, (stages, names) in WAYS.items():
            own = config.replace(stages=stages, seed=fold, inputs={name: config.specs[name] for name in names})
            network = build.make_network(own, inputs, task, only=names)
            learn, valid = parts["train"].only(names), parts["valid"].only(names)
            for _ in fit(network, task, learn, valid, own, seed=fold):
                pass
            (answers[way],) = evaluate.answer_subsets(network, task, parts["test"], [["picture"]])
        for way, given in answers.items():
            found = np.array([record["prediction"] for record in task.records(given)]) == truth
            right.setdefault(way, []).append(found)
        shown = "  ".join(f"{way} {parts[-1].mean():.3f}" for way, parts in right.items())
        print(f"fold {fold}, {len(truth)} test rows, on pictures alone: {shown}", flush=True)
    report({way: np.concatenate(parts).astype(float) for way, parts in right.items()}, np.array(groups))


def report(right: dict[str, Any], groups: Any) -> None:
    """Each way's accuracy and how much better it is than always the commonest kind."""
    count = len(np.unique(groups))
    draws = resample(len(groups), resamples=2000, groups=np.unique(groups, return_inverse=True)[1])

    def interval(values: Any) -> str:
        found = estimate(Metric(quotient(values)), len(values), draws)
        return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"

    print(f"\n{len(groups)} stamps, {count} groups")
    for way, values in right.items():
        print(f"{way:<20} {interval(values)}   over the commonest kind {interval(values - right['commonest kind'])}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
