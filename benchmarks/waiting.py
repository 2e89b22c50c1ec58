"""How a thread that waits for another should wait: small models learn fastest if it looks a while before it sleeps.

    python benchmarks/waiting.py

Trains one small model (64 wide, four convolutions and a Transformer decoder, batches of 32), in fresh processes one
after the other: with one thread; with two that sleep at once (`OMP_WAIT_POLICY=PASSIVE`); with two that look 100 to
10,000 times first (`sensemble` sets 1,000); and with two as OpenMP has it, 300,000 times. Then all again beside one
process that keeps a core busy. Ratios are to one thread on the idle machine. Needs two cores, no download.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack

WAYS = {
    "one thread": {"OMP_NUM_THREADS": "1"},
    "two, asleep at once": {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"},
    "two, 100 looks": {"OMP_NUM_THREADS": "2", "GOMP_SPINCOUNT": "100"},
    "two, 1,000 looks": {"OMP_NUM_THREADS": "2", "GOMP_SPINCOUNT": "1000"},
    "two, 10,000 looks": {"OMP_NUM_THREADS": "2", "GOMP_SPINCOUNT": "10000"},
    "two, 300,000 looks": {"OMP_NUM_THREADS": "2"},
}
SET = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=0, help="train here, so many steps, and say how many a second")
    options = parser.parse_args()
    if options.steps:
        print(rate(options.steps))
        return
    base = 0.0
    for busy in (False, True):
        with ExitStack() as stack:
            if busy:
                hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
                stack.callback(hog.kill)
            found: dict[str, list[float]] = {way: [] for way in WAYS}
            for _ in range(options.rounds):
                for way, settings in WAYS.items():
                    found[way].append(measured(settings))
        base = base or statistics.median(found["one thread"])
        print("beside a busy process" if busy else "on an idle machine")
        for way, rates in found.items():
            shown = ", ".join(f"{each / base:.2f}" for each in rates)
            print(f"  {way:<22} {statistics.median(rates) / base:.2f} ({shown})", flush=True)


def measured(settings: dict[str, str]) -> float:
    """Steps a second in a fresh process."""
    clean = {key: value for key, value in os.environ.items() if key not in SET}
    command = [sys.executable, __file__, "--steps", "60"]
    return float(subprocess.run(command, env={**clean, **settings}, check=True, capture_output=True, text=True).stdout)


def rate(steps: int) -> float:
    """Trains a captioner of noise and counts its steps a second, the first ten left out."""
    import torch

    from sensemble.decoders.transformer import TransformerDecoder
    from sensemble.encoders.image import halving
    from sensemble.tokens import Tokens

    torch.manual_seed(0)
    eye, decoder = halving((3, 32, 64, 96, 64)), TransformerDecoder(64, 400, depth=3, dropout=0.0)
    parameters = [*eye.parameters(), *decoder.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, fused=True)
    pictures, ids = torch.randn(32, 3, 48, 48), torch.randint(400, (32, 40))
    started = 0.0
    for step in range(steps + 10):
        if step == 10:
            started = time.perf_counter()
        seen = Tokens.full(eye(pictures).flatten(2).transpose(1, 2))
        scores = decoder.scores(decoder(seen, ids))
        torch.nn.functional.cross_entropy(scores.flatten(0, 1), ids.flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()
    return steps / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
