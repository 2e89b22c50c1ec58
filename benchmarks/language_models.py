"""Language models of real text: n-grams beside decoders without any input, and with the review as input.

    python benchmarks/language_models.py

Titles of the clothing reviews, one split (80/10/10, seed 0) for all: perplexity a token and a byte of the test rows,
95 % bootstrap intervals of the same resamples. All models share one vocabulary, so both perplexities compare. The
n-grams (interpolated Kneser-Ney) count all training titles. Models are chosen by validation perplexity. Fetches the
data set `reviews` where it is not there yet.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch

import sensemble as se
from sensemble.data.read import read
from sensemble.data.samples import SAMPLES, get
from sensemble.data.split import split
from sensemble.metrics.base import Metric, difference, estimate, resample
from sensemble.tasks.language import Baseline, perplexities

USUAL = "4-gram"
"""What a run's metrics show as trivial."""
REVIEW = {"review": {"name": "text", "column": "Review Text", "encoder": "bag"}}
MODELS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "recurrent, no input": ({}, {"name": "recurrent"}),
    "transformer, no input": ({}, {"name": "transformer", "depth": 2}),
    "transformer, the review": (REVIEW, {"name": "transformer", "depth": 2}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--orders", type=int, nargs="*", default=[4, 1, 2, 3, 5])
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = read(get("reviews", say=print) / SAMPLES["reviews"].tables["train"])
    table = table.take(np.flatnonzero([title is not None for title in table.column("Title")]))
    parts = {
        name: table.take(rows) for name, rows in split(table, valid=0.1, test=0.1, target=["Title"], seed=0).items()
    }
    print({name: len(part) for name, part in parts.items()})
    draws = resample(len(parts["test"]))
    found: dict[str, dict[str, Metric]] = {}

    def show(name: str, metrics: dict[str, Metric]) -> None:
        found[name] = metrics
        shown = []
        for metric in ("perplexity", "byte_perplexity"):
            each = estimate(metrics[metric], len(parts["test"]), draws)
            shown.append(f"{metric} {each.value:.3f} [{each.low:.3f}, {each.high:.3f}]")
        if USUAL in found:
            gain = difference(metrics["perplexity"], found[USUAL]["perplexity"], len(parts["test"]), draws)
            shown.append(f"better than the {USUAL} by {gain.value:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]")
        print(f"{name:<26} {'  '.join(shown)}", flush=True)

    for name, (inputs, decoder) in MODELS.items():
        learner = se.Learner(
            inputs=inputs,
            task={
                "name": "generate", "target": "Title", "vocab": 4000, "length": 24, "decoder": decoder,
                "metric": "perplexity", "valid_rows": 0,
            },
            fusion="concat",
            width=128,
            train={"epochs": options.epochs, "lr": 2e-3, "batch": 64, "device": "cpu"},
            verdict="off",
        )  # fmt: skip
        started = time.process_time()
        learner.fit(parts["train"], parts["valid"], parts["test"])
        seconds = time.process_time() - started
        job = learner._fitted()
        task, network = learner._model()
        target, answers = job.parts["test"].target, job.answers
        assert target is not None and answers is not None
        if not found:
            references, train = task.references, job.parts["train"].target  # type: ignore[attr-defined]
            for order in options.orders:
                model = Baseline(references, train, order=order)
                show(f"{order}-gram", perplexities([None] * len(target), target, references, model))
        epochs = [round(line["valid"]["perplexity"], 2) for line in learner.history_ if line["valid"]]
        size = sum(each.numel() for each in network.parameters())
        print(f"{name}: {size:,} parameters, {seconds:.0f} s of one core, validation perplexity {epochs}")
        show(name, task.metrics(answers, target))


if __name__ == "__main__":
    main()
