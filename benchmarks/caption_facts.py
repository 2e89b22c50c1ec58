"""Do captions of StampWorld (generated, synthetic scenes) state the facts of their pictures?

    sensemble demo captioning
    python benchmarks/caption_facts.py runs/demo/captioning runs/demo/data/pictures

A caption's facts are read back by `stampworld.facts` and held against the scene graph, on the test split or another:
`counts` is whether it names just the things that are there, each with its number; `all facts` whether, beside that,
everything else it says (a relation) is true, too. Novel rows are those that hold what training never shows. Beside the
model: another picture's caption, and always the same one. 95 % bootstrap.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from means import mean

import sensemble as se
from sensemble.data.stampworld import facts
from sensemble.data.stampworld.captions import scene_facts
from sensemble.data.stampworld.scene import Scene
from sensemble.metrics.base import resample


def right(text: str, scene: Scene) -> tuple[bool, bool]:
    """Whether a caption's counts, and all its facts, are those of the scene."""
    said, true = facts(text), scene_facts(scene)
    counts = {fact for fact in true if fact[0] == "count"}
    exact = counts == {fact for fact in said if fact[0] == "count"}
    return exact, exact and said <= true


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", choices=("valid", "test"), default="test")
    options = parser.parse_args()
    table = options.data / "captions" / f"{options.split}.csv"
    rows = pd.read_csv(table)
    lines = (options.data / "scenes" / f"{options.split}.jsonl").read_text(encoding="utf-8").splitlines()
    graphs = {
        record["image"]: Scene.from_json({key: record[key] for key in ("things", "look", "novel")})
        for record in map(json.loads, lines)
    }
    written = [record["prediction"] for record in se.Learner.load(options.run).predict(str(table))]
    novel = rows["novel"].notna().to_numpy()
    draws = resample(len(rows))

    def show(name: str, texts: Sequence[str]) -> None:
        found = np.array([right(text, graphs[image]) for text, image in zip(texts, rows["image"], strict=True)], float)
        for which, kept in (("all rows", np.ones(len(rows), bool)), ("novel rows", novel)):
            if not kept.any():
                continue
            for column, what in enumerate(("counts", "all facts")):
                print(f"{name:<18} {what:<10} {mean(found[:, column], kept, draws)}  ({kept.sum()} {which})")

    show("model", written)
    show("another picture's", [*written[1:], written[0]])
    show("always the same", [str(pd.read_csv(options.data / "captions" / "train.csv")["caption"][0])] * len(rows))


if __name__ == "__main__":
    main()
