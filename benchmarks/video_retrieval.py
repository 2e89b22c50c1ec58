"""Retrieval of clips by captions on StampWorld (generated, synthetic), where only the moves tell clips apart.

    python benchmarks/video_retrieval.py           # all frames beside one frame, on held-out combinations
    python benchmarks/video_retrieval.py --valid   # scores on validation clips instead: for choosing settings

Three things of some colours and shapes are filmed in several takes: the same things, of which others move, elsewhere,
in other directions and another order. A caption says what moves where, in order, and what stays. All test clips hold a
colour and a shape that training never shows together. A model of single frames can find the takes of a cast at best,
and hardly the take: by chance the right one is 1 in TAKES. The gallery is all test clips. 95 % bootstrap over casts.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import sensemble as se
from sensemble import config as configs
from sensemble.data.stampworld.captions import caption_clip, clip_facts
from sensemble.data.stampworld.sample import clip
from sensemble.data.stampworld.scene import Scene
from sensemble.data.stampworld.video import save_clip
from sensemble.data.stampworld.words import language
from sensemble.metrics.retrieval import NAMES, rank_scores

TAKES = 8
CASTS = {"train": 400, "valid": 40, "test": 60}
SHOWN = ("recall_1", "recall_5", "recall_10", "mrr")
CONFIG: dict[str, Any] = {
    "inputs": {
        "caption": {"name": "text", "encoder": {"name": "gru", "dropout": 0.0}},
        "clip": {"name": "video", "frames": 8, "size": 32, "encoder": {"name": "motion", "channels": [16, 32, 96]}},
    },
    "task": {"name": "retrieve", "query": "caption", "candidate": "clip", "dropout": 0.0},
    "fusion": {"name": "transformer", "depth": 1, "dropout": 0.0},
    "width": 128,
    "train": {"epochs": 40, "batch": 256, "lr": 2e-3, "hide": 0.0, "patience": 0},
    "data": {"valid_share": 0.0, "test_share": 0.0},
    "verdict": "off",
}


def takes(random: np.random.Generator, novel: str) -> list[Scene]:
    """Clips of one cast, no two of which the same caption fits: each moves as the things of another clip did."""
    cast = clip(random, novel=novel)
    found: dict[Any, Scene] = {}
    while len(found) < TAKES:
        other = clip(random)
        things = zip(other.things, cast.things, strict=True)
        scene = replace(
            other, things=tuple(replace(a, kind=b.kind, colour=b.colour) for a, b in things), novel=cast.novel
        )
        found.setdefault(frozenset(fact for fact in clip_facts(scene) if fact[0] != "sounds"), scene)
    return list(found.values())


def write(folder: Path, split: str, seed: int) -> pd.DataFrame:
    """Clips of a split with a caption each, but for what is heard. Columns `clip`, `caption`, `cast`."""
    random = np.random.default_rng([seed, list(CASTS).index(split)])
    rows = []
    for cast in range(CASTS[split]):
        for scene in takes(random, "combination" if split == "test" else ""):
            path = folder / f"{split}{len(rows):05d}.mp4"
            save_clip(scene, path)
            (caption,) = caption_clip(scene, language("en"), random, number=1)
            said = [part for part in re.split(r"(?<=\.) ", caption) if "sound" not in part]
            rows.append({"clip": str(path), "caption": " ".join(said), "cast": cast})
    return pd.DataFrame(rows)


def ranks(learner: se.Learner, rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Each caption's scores among all clips, `(n, len(NAMES))`; and whether the first clip is of its cast, `(n,)`."""
    queries, clips = (learner.embed(rows, side=side) for side in ("query", "candidate"))
    scores = queries @ clips.T
    cast = rows["cast"].to_numpy()
    found = rank_scores(scores, np.eye(len(rows), dtype=bool))
    result = {name: found[:, NAMES.index(name)] for name in SHOWN}
    own = cast[:, None] == cast[None]
    result["cast_1"] = own[np.arange(len(rows)), scores.argmax(1)].astype(float)
    takes = np.where(own, scores, -np.inf)
    result["take_1"] = (takes.argmax(1) == np.arange(len(rows))).astype(float)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", nargs="*", help="such as train.lr=1e-3")
    parser.add_argument("--valid", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    held = "valid" if options.valid else "test"
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        train, test = (write(Path(folder), split, options.seed) for split in ("train", held))
        print(f"{len(train)} clips to learn, {len(test)} to find; {time.process_time() - started:.0f} s to make them")
        for frames in (8, 1):
            started = time.process_time()
            settings = [f"inputs.clip.frames={frames}", f"seed={options.seed}", *options.settings]
            learner = se.Learner.from_config(configs.from_dict(configs.override(CONFIG, settings)))
            learner.fit(train.drop(columns="cast"))
            found[frames] = ranks(learner, test)
            print(f"{frames} frames: {time.process_time() - started:.0f} s of processor time", flush=True)
    cast = test["cast"].to_numpy()
    draws = np.random.default_rng(0).multinomial(cast.max() + 1, np.ones(cast.max() + 1) / (cast.max() + 1), 2000)
    weights = draws[:, cast] / draws[:, cast].sum(1, keepdims=True)
    size = len(test)
    chance = {f"recall_{k}": k / size for k in (1, 5, 10)} | {"cast_1": TAKES / size, "take_1": 1 / TAKES}
    for name in found[8]:
        cells = {"8 frames": found[8][name], "1 frame": found[1][name], "gain": found[8][name] - found[1][name]}
        text = []
        for way, values in cells.items():
            low, high = np.quantile(weights @ values, [0.025, 0.975])
            text.append(f"{way} {100 * values.mean():.1f} [{100 * low:.1f}, {100 * high:.1f}]")
        print(f"{name:<10} {'   '.join(text)}   chance {100 * chance.get(name, np.nan):.1f}")


if __name__ == "__main__":
    main()
