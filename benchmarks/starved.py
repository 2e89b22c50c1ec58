"""Joint training starves the weaker input: what helps the voice of stamps beside frozen picture and word features.

    python benchmarks/starved.py

The recipe `stamps` (picture and written name frozen, the voice encoded from scratch, fusion concat) as it is, and with
one setting changed. Five folds of whole groups, every stamp tested once; out-of-fold accuracy of the same model on the
voice alone and on all three, with paired bootstrap intervals over groups. The settings were fixed beforehand.
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

WAYS: dict[str, list[str]] = {
    "joint": [],
    "alone: 1": ["train.alone=1"],
    "modulate: 0.5": ["train.modulate=0.5"],
    "hide: 0.1 to 0.5": ["train.hide={from: 0.1, to: 0.5}"],
    "staged": ["stages=staged"],
    "voice only": ["inputs.picture=null", "inputs.name=null"],
}
VIEWS = {"voice": ["voice"], "all": ["picture", "name", "voice"]}
FOLDS = 5


def main() -> None:
    table = read(get("stamps", say=print) / SAMPLES["stamps"].tables["train"])
    for name in CARRIED["stamps"]:
        weights.get(name, say=print)
    mapping = configs.override(configs.read_mapping(recipe("stamps")), ["quality=offline"])
    mapping["data"] = {"group": "group"}
    whole = complete(configs.from_dict(mapping), table)[0].to_dict()
    right: dict[str, dict[str, list[Any]]] = {view: {way: [] for way in WAYS} for view in VIEWS}
    groups: list[Any] = []
    for fold, places in enumerate(folds(table, FOLDS, target=["kind"], group="group", valid=0.125, seed=0)):
        config = configs.from_dict(whole)
        task, inputs, parts = make_parts(config, {name: table.take(rows) for name, rows in places.items()})
        truth = np.array(task.truth(parts["test"].target))
        groups += parts["test"].table.column("group")
        for way, settings in WAYS.items():
            own = configs.from_dict(configs.override(whole, [*settings, f"seed={fold}"]))
            names = list(own.specs)
            network = build.make_network(own, inputs, task, only=names)
            for _ in fit(network, task, parts["train"].only(names), parts["valid"].only(names), own, seed=fold):
                pass
            for view, shown in VIEWS.items():
                seen = [name for name in shown if name in names]
                (given,) = evaluate.answer_subsets(network, task, parts["test"], [seen])
                found = np.array([record["prediction"] for record in task.records(given)]) == truth
                right[view][way].append(found.astype(float))
        print(f"fold {fold} of {FOLDS} done", flush=True)
        report(right, np.array(groups))


def report(right: dict[str, dict[str, list[Any]]], groups: Any) -> None:
    """Each way's accuracy, and its gain over joint training as it is."""
    count = len(np.unique(groups))
    draws = resample(len(groups), resamples=2000, groups=np.unique(groups, return_inverse=True)[1])

    def interval(values: Any) -> str:
        found = estimate(Metric(quotient(values)), len(values), draws)
        return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"

    print(f"{len(groups)} stamps, {count} groups")
    for view, ways in right.items():
        plain = np.concatenate(ways["joint"])
        for way, parts in ways.items():
            values = np.concatenate(parts)
            print(f"  {view:<6} {way:<18} {interval(values)}   gain {interval(values - plain)}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
