"""Do questions about clips of StampWorld (generated, synthetic) need the frames' order, the sound, the clip at all?

    python benchmarks/video_qa.py --scenes 3000

Fits `recipes/video_qa.yaml` as it stands, with one frame, with one frame and no sound, and with the question alone, on
the same rows with the same settings, and holds their answers to the test split against each other: exact match by type
of question, for rows that hold what training never shows, and the paired differences. 95 % bootstrap over whole clips.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import sensemble as se
from sensemble import config as configs
from sensemble.data.stampworld.tables import write as stampworld
from sensemble.demo import recipe, tables

MODELS: dict[str, tuple[str, ...]] = {
    "model": (),
    "one frame and sound": ("inputs.clip.frames=1",),
    "one frame": ("inputs.clip.frames=1", "inputs.sound=null"),
    "question only": ("inputs.clip=null", "inputs.sound=null", "train.together=null"),
}
DRAWS = 2000


def right(data: Path, settings: tuple[str, ...], run: Path, rows: pd.DataFrame) -> np.ndarray:
    """Which test rows a model answers exactly right, `(n,)` of 0 and 1."""
    files = [f"data.{part}={data / file}" for part, file in tables("video_qa").items()]
    learner = se.Learner.from_config(configs.read(recipe("video_qa"), [*files, *settings, "verdict=off"]))
    for _ in learner.steps(run=run):
        pass
    given = [record["prediction"] for record in learner.predict(str(data / tables("video_qa")["test"]))]
    return (np.array(given) == rows["answer"].astype(str).to_numpy()).astype(float)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = stampworld(Path(folder) / "clips", scenes=options.scenes, seed=options.seed, kind="clips")
        rows = pd.read_csv(data / tables("video_qa")["test"], keep_default_na=False)
        found = {}
        for name, settings in MODELS.items():
            started = time.process_time()
            found[name] = right(data, settings, Path(folder) / name.replace(" ", "_"), rows)
            print(f"{name}: {time.process_time() - started:.0f} s of processor time", flush=True)
    clips = rows["clip"].astype("category").cat.codes.to_numpy()
    draws = np.random.default_rng(0).multinomial(clips.max() + 1, np.ones(clips.max() + 1) / (clips.max() + 1), DRAWS)
    weights = draws[:, clips]  # (DRAWS, n)

    def show(name: str, values: np.ndarray, which: np.ndarray) -> None:
        part = weights[:, which]
        low, high = np.quantile(part @ values[which] / part.sum(1).clip(min=1), [0.025, 0.975])
        print(f"  {name:<32} {values[which].mean():+.3f} [{low:+.3f}, {high:+.3f}]  ({which.sum()} rows)")

    groups = {"all": np.ones(len(rows), bool), "held out": (rows["novel"] != "").to_numpy()}
    groups |= {kind: (rows["type"] == kind).to_numpy() for kind in sorted(rows["type"].unique())}
    for group, which in groups.items():
        print(group)
        for name, values in found.items():
            show(name, values, which)
        for name in list(MODELS)[1:]:
            show(f"model minus {name}", found["model"] - found[name], which)


if __name__ == "__main__":
    main()
