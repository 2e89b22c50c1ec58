"""Do questions of a dialogue about generated (synthetic) pictures need what was said before, and the picture?

    python benchmarks/dialogue.py                  # data, models and controls, in runs/dialogue
    python benchmarks/dialogue.py --split valid    # what the recipe was chosen by

Fits `recipes/dialogue.yaml` as it stands, without history, and without the picture, on the same rows with the same
settings, and holds their rankings of 20 candidates against each other: R@1 and MRR on all rows, on those whose question
means nothing without the history (coreference; by type, too), and on those that hold what training never shows; and the
paired differences. 95 % bootstrap over whole pictures. A run that is there already is read instead of trained.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import sensemble as se
from sensemble import config as configs
from sensemble.data.stampworld.tables import write as stampworld
from sensemble.demo import recipe, tables
from sensemble.metrics.base import resample

MODELS: dict[str, tuple[str, ...]] = {
    "model": (),
    "no history": ("inputs.history=null", "fusion.by=[question]"),
    "no picture": ("inputs.image=null", "fusion.by=[question]", "train.together=null"),
}


def ranks(data: Path, settings: tuple[str, ...], run: Path, split: str, rows: pd.DataFrame) -> NDArray[np.float64]:
    """`(n,)` where each row's right candidate comes, counted from 1; the model is trained if it is not there."""
    if not (run / "metrics.json").exists():
        files = [f"data.{part}={data / file}" for part, file in tables("dialogue").items()]
        for _ in se.Learner.from_config(configs.read(recipe("dialogue"), [*files, *settings])).steps(run=run):
            pass
    answers = se.Learner.load(run).predict(str(data / tables("dialogue")[split]))
    pairs = zip(answers, rows["answer_index"].astype(int), strict=True)
    return np.array([1.0 + record["ranking"].index(right) for record, right in pairs])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/dialogue"))
    parser.add_argument("--scenes", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0, help="of the data")
    parser.add_argument("--split", choices=("valid", "test"), default="test")
    options = parser.parse_args()
    data = options.folder / "pictures"
    if not data.exists():
        stampworld(data, scenes=options.scenes, seed=options.seed)
    rows = pd.read_json(data / tables("dialogue")[options.split], lines=True)
    found: dict[str, NDArray[np.float64]] = {}
    for name, settings in MODELS.items():
        started = time.process_time()
        found[name] = ranks(data, settings, options.folder / name.replace(" ", "_"), options.split, rows)
        print(f"{name}: {time.process_time() - started:.0f} s of processor time", flush=True)
    draws = resample(len(rows), groups=pd.factorize(rows["image"])[0])

    def show(what: str, values: NDArray[np.float64], which: NDArray[np.bool_]) -> None:
        part = draws[:, which]
        low, high = np.nanquantile(part @ values[which] / np.where(part.sum(1), part.sum(1), np.nan), [0.025, 0.975])
        print(f"  {what:<30} {values[which].mean():+.3f} [{low:+.3f}, {high:+.3f}]")

    leaning = rows["coreference"].to_numpy(bool)
    groups = {"all": np.ones(len(rows), bool), "coreference": leaning, "no coreference": ~leaning}
    groups |= {"novel": (rows["novel"] != "").to_numpy()}
    groups |= {
        f"coreference, {kind}": leaning & (rows["type"] == kind) for kind in sorted(rows["type"][leaning].unique())
    }
    for group, chosen in groups.items():
        which = np.asarray(chosen, bool)
        print(f"{group}: {which.sum():,} rows")
        if not which.any():
            continue
        for score, of in (("R@1", lambda rank: (rank == 1).astype(float)), ("MRR", lambda rank: 1 / rank)):
            for name, rank in found.items():
                show(f"{score} {name}", of(rank), which)
            for name in list(MODELS)[1:]:
                show(f"{score} model minus {name}", of(found["model"]) - of(found[name]), which)


if __name__ == "__main__":
    main()
