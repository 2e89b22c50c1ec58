"""Small models and tables that many tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from sensemble import build
from sensemble import config as configs
from sensemble.data.load import Input, load
from sensemble.data.table import Table
from sensemble.network import Network
from sensemble.prepare import make_samples
from sensemble.tasks.base import Task

torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests keep nothing in the user's own cache, and find nothing there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SENSEMBLE_HOME", str(tmp_path_factory.mktemp("home")))
        yield


INPUTS: dict[str, Any] = {
    "words": {"name": "text", "vocab": 300, "encoder": {"name": "transformer", "dim": 16, "depth": 1, "heads": 2}},
    "photo": {"name": "image", "size": 16, "encoder": {"name": "cnn", "channels": [8, 16]}},
    "age": "number",
    "kind": "category",
    "voice": {
        "name": "audio",
        "rate": 8000,
        "bands": 16,
        "encoder": {"name": "cnn", "channels": [8, 8], "dim": 16},
    },
    "steps": {"name": "vector", "encoder": {"name": "lstm", "dim": 16}},
}


def make_table(rows: int = 24, *, seed: int = 0, missing: float = 0.3) -> Table:
    """Rows with an input of every modality, cells missing at random, and two targets."""
    random = np.random.default_rng(seed)
    words = ["good tea 很好", "bad", "今天的茶", "so so, not bad at all"]
    columns: dict[str, list[Any]] = {
        "words": [words[i] for i in random.integers(0, 4, rows)],
        "photo": [Image.fromarray(random.integers(0, 255, (16, 16, 3), dtype=np.uint8)) for _ in range(rows)],
        "age": random.normal(40, 10, rows).tolist(),
        "kind": random.choice(["a", "b", "c"], rows).tolist(),
        "voice": [
            {"array": random.normal(size=int(n)) * 0.1, "sampling_rate": 8000} for n in random.integers(200, 1600, rows)
        ],
        "steps": [random.normal(size=(int(n), 3)).tolist() for n in random.integers(1, 6, rows)],
    }
    for values in columns.values():
        for row in np.flatnonzero(random.random(rows) < missing):
            values[row] = None
    columns["label"] = [("yes", "no", "maybe")[i % 3] for i in range(rows)]
    columns["price"] = random.normal(size=rows).tolist()
    return Table(pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()}))


Built = tuple[Network, Task, Any, list[Input]]


@pytest.fixture
def built() -> Callable[..., Built]:
    """Makes an untrained model over every modality: `built(fusion=..., task=...)`."""

    def make(fusion: Any = "concat", task: Any = None, rows: int = 24, **inputs: Any) -> Built:
        table = make_table(rows)
        config = configs.from_dict(
            {
                "inputs": inputs or INPUTS,
                "fusion": fusion,
                "width": 16,
                "task": task or {"name": "classify", "target": "label"},
            }
        )
        made = build.make_inputs(config, table.columns)
        build.fit_inputs(made, table, seed=0)
        fitted = build.make_task(config).fit(table)
        stores, problems = load(table, made)
        assert not problems
        samples, _ = make_samples(table, stores, made, fitted, config)
        network = build.make_network(config, made, fitted)
        return network.eval(), fitted, samples, made

    return make
