"""A generated world's recipe as it stands, and again without some of its inputs, on the same rows: for benchmarks."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from means import show
from numpy.typing import NDArray

import sensemble as se
from sensemble import config as configs
from sensemble.data.stampworld.tables import write as stampworld
from sensemble.demo import WORLDS, recipe, tables

MODEL = "model"


def arguments(description: str) -> argparse.ArgumentParser:
    """What such a benchmark can be told."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/demo"), help="of the data and the runs")
    parser.add_argument("--scenes", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0, help="of the data, where it is not there yet")
    parser.add_argument("--split", choices=("valid", "test"), default="test")
    return parser


def answers(
    name: str, rivals: Mapping[str, Sequence[str]], options: argparse.Namespace
) -> tuple[pd.DataFrame, dict[str, list[dict[str, Any]]]]:
    """The rows of a split, and what each model answers to them; trains those that are not there yet.

    Args:
        name: of the recipe; its run and its data are where `sensemble demo NAME --run FOLDER` puts them.
        rivals: settings by model, beside the recipe as it stands.
        options: of `arguments`.
    """
    kind, _ = WORLDS[name]
    data = options.folder / "data" / kind
    if not data.exists():
        stampworld(data, scenes=options.scenes, seed=options.seed, kind=kind)
    table = data / tables(name)[options.split]
    found = {}
    for model, settings in {MODEL: (), **rivals}.items():
        run = options.folder / (name if model == MODEL else f"{name}_{model.replace(' ', '_')}")
        started = time.process_time()
        if not (run / "metrics.json").exists():
            files = [f"data.{part}={data / file}" for part, file in tables(name).items()]
            config = configs.read(recipe(name), [*files, *settings, "verdict=off"])
            for _ in se.Learner.from_config(config).steps(run=run):
                pass
        found[model] = se.Learner.load(run).predict(str(table))
        print(f"{model}: {time.process_time() - started:.0f} s of processor time", flush=True)
    if table.suffix == ".jsonl":
        return pd.read_json(table, lines=True), found
    return pd.read_csv(table, keep_default_na=False), found


def show_scores(
    scores: Mapping[str, NDArray[np.float64]], groups: Mapping[str, NDArray[np.bool_]], draws: NDArray[np.float64]
) -> None:
    """Prints, for each group of rows, each model's mean score, and by how much `MODEL` is better than each other."""
    for group, which in groups.items():
        print(group)
        for name, values in scores.items():
            show(name, values, which, draws)
        for name in scores:
            if name != MODEL:
                show(f"{MODEL} minus {name}", scores[MODEL] - scores[name], which, draws)


def exact(found: Mapping[str, Sequence[Mapping[str, Any]]], truth: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Which answers of each model are the very text, `(n,)` of 0 and 1."""
    return {
        name: np.array([float(each["prediction"] == text) for each, text in zip(given, truth, strict=True)])
        for name, given in found.items()
    }
