"""How often is a fitted recipe right on StampWorld (generated, synthetic scenes), by type and for what is new?

    sensemble demo vqa
    python benchmarks/stampworld_answers.py runs/demo/vqa runs/demo/data/pictures/vqa

Rows of the test split; `novel` are those that join what training never joined, such as a colour and a kind. Beside the
model: the answer that the very question had most often in training, and the most that anybody could reach who sees the
picture without the question (both counted, not trained). 95 % bootstrap over pictures.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from means import mean

import sensemble as se
from sensemble.data.stampworld import controls
from sensemble.data.stampworld.build import DESCRIBE
from sensemble.metrics.base import resample


def read(folder: Path, split: str) -> pd.DataFrame:
    """A split's table, without the rows that only teach."""
    path = folder / f"{split}.csv"
    table = pd.read_csv(path, keep_default_na=False)
    return table[table["type"] != DESCRIBE].reset_index(drop=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("data", type=Path)
    options = parser.parse_args()
    train, test = read(options.data, "train"), read(options.data, "test")
    learner = se.Learner.load(options.run)
    given = learner.predict(str(options.data / "test.csv"))
    right = np.array(
        [each["prediction"] == answer for each, answer in zip(given, test["answer"].astype(str), strict=True)], float
    )
    records: Any = [frame.astype(str).to_dict("records") for frame in (train, test)]
    lookup = controls.question_only(*records)
    draws = resample(len(test), groups=pd.factorize(test["image"])[0])

    def show(name: str, rows: np.ndarray[Any, Any], beside: str = "") -> None:
        print(f"{name:<12} {mean(right, rows, draws)}  {rows.sum():>6} rows  {beside}")

    counts = test["type"].value_counts()
    blind = sum(lookup[kind] * number for kind, number in counts.items()) / len(test)
    show(
        "all",
        np.ones(len(test), bool),
        f"question only {blind:.3f}, picture only {controls.media_only(records[1]):.3f}",
    )
    show("novel", (test["novel"] != "").to_numpy())
    for kind in sorted(counts.index):
        show(kind, (test["type"] == kind).to_numpy(), f"question only {lookup[kind]:.3f}")


if __name__ == "__main__":
    main()
