"""How much time the training loop adds to a hand-written PyTorch loop: text + image, same model, same batches.

    python benchmarks/training_loop.py

The hand-written loop reads preloaded, already padded tensors and does only what learning needs: forward, loss,
backward, clip, step. Both see the same rows in the same order, in turns, so that a busy machine slows both. The
ratio is hand-written time over ours: 1 means that the loop is free. Needs no download.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

from sensemble import build
from sensemble import config as configs
from sensemble.data.load import load
from sensemble.data.rows import Samples
from sensemble.data.table import Table
from sensemble.network import Network
from sensemble.optimise import make_optimizer, schedule
from sensemble.prepare import make_samples
from sensemble.tasks.base import Task
from sensemble.tokens import Tokens
from sensemble.train import train

WORDS = [
    *("the", "a", "dress", "fits", "well", "but", "colour", "faded", "after", "one", "wash", "love", "it", "not"),
    *("true", "to", "size", "soft", "warm", "tight", "loose"),
]


def make_table(rows: int) -> Table:
    """Generated reviews of 20 to 60 words, each with a 64 x 64 picture."""
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, random.integers(20, 60))) for _ in range(rows)]
    pictures = [random.integers(0, 255, (64, 64, 3), dtype=np.uint8) for _ in range(rows)]
    labels = random.integers(0, 2, rows).tolist()
    return Table(pd.DataFrame({"text": texts, "photo": pd.Series(pictures, dtype=object), "label": labels}))


def hand_written(
    network: Network, task: Task, samples: Samples, config: configs.TrainConfig, seed: int
) -> Iterator[None]:
    """A plain loop over tensors that were padded and stacked before."""
    optimizer = make_optimizer(network, config)
    batches = samples.shuffled(config.batch, seed=seed, epoch=0)
    assert samples.target is not None
    labels = samples.target.values[:, 0]
    ready = [({name: store.tokens(rows) for name, store in samples.stores.items()}, labels[rows]) for rows in batches]
    network.train()
    for step, (inputs, wanted) in enumerate(ready):
        for group in optimizer.param_groups:
            group["lr"] = config.lr * schedule(step, len(ready), config.warmup)
        encoded = {}
        for name, tokens in inputs.items():
            given = network.modalities[name].prepare(tokens, training=True)
            tokens = network.encoders[f"input_{name}"](given)
            encoded[name] = Tokens(network.project[f"input_{name}"](tokens.values), tokens.mask)
        loss = F.cross_entropy(network.head(network.fusion(encoded)), wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), config.clip)
        optimizer.step()
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    table = make_table(options.rows)
    config = configs.from_dict(
        {
            "inputs": {"text": {"name": "text", "encoder": "transformer"}, "photo": "image"},
            "task": {"name": "classify", "target": "label"},
            "fusion": "concat",
            "train": {"batch": options.batch, "epochs": 1, "hide": 0.0, "device": "cpu"},
        }
    )
    task = build.make_task(config).fit(table)
    inputs = build.make_inputs(config, table.columns)
    build.fit_inputs(inputs, table, seed=0)
    samples, _ = make_samples(table, load(table, inputs)[0], inputs, task, config)
    steps = len(samples.shuffled(options.batch, seed=0, epoch=0)) - 1
    ratios, rates = [], []
    for _ in range(options.repeats):
        ours = train(build.make_network(config, inputs, task), task, samples, None, replace(config.train), seed=0)
        theirs = hand_written(build.make_network(config, inputs, task), task, samples, config.train, 0)
        next(ours), next(theirs)  # warm up, and pad what is padded beforehand
        spent = [0.0, 0.0]
        for _ in range((steps - 1) // 8):  # in turns of eight steps
            for place, loop in enumerate((ours, theirs)):
                started = time.perf_counter()
                for _ in islice(loop, 8):
                    pass
                spent[place] += time.perf_counter() - started
        ratios.append(spent[1] / spent[0])
        rates.append((steps - 1) // 8 * 8 * options.batch / spent[0])
    low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
    print(f"text + image, {options.rows:,} rows, batch {options.batch}, {options.threads} thread(s)")
    print(f"ours: {statistics.median(rates):,.0f} rows/s")
    print(f"hand-written time / ours: median {middle:.3f} (min {low:.3f}, max {high:.3f}, {options.repeats} repeats)")


if __name__ == "__main__":
    main()
