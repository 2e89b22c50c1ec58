"""How much a second fit saves where a frozen encoder's features are kept: encoding alone, and the whole fit.

    python benchmarks/encode_once.py

Pictures are generated: JPEGs of 320 x 240 with a camera's noise. The encoder is EfficientNet-Lite0 where
`sensemble weights get efficientnet_lite0` has brought it, else a ViT of random weights, which costs as much as a
trained one. Everything is written to a temporary folder and the cache starts empty, so the first fit encodes each
picture. Needs no download.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image as Pillow

import sensemble as se
from sensemble import build, files, weights
from sensemble import config as configs
from sensemble.data.cache import Cache
from sensemble.data.load import Input, load
from sensemble.data.rows import Store
from sensemble.data.table import Table

TARGET = 20
"""The second encoding should be so many times faster."""


def write_pictures(folder: Path, count: int) -> Table:
    """JPEGs of two looks, and the table that names them."""
    for place in range(count):
        write_picture(folder / f"{place}.jpg", seed=place, light=place % 2)
    names = [f"{place}.jpg" for place in range(count)]
    labels = [("dark", "light")[place % 2] for place in range(count)]
    return Table(pd.DataFrame({"photo": names, "label": labels}), folder)


def write_picture(path: Path, *, seed: int, light: int) -> None:
    random = np.random.default_rng(seed)
    coarse = random.integers(60 * light, 200 + 55 * light, (7, 9, 3), dtype=np.uint8)
    smooth = np.asarray(Pillow.fromarray(coarse).resize((320, 240), Pillow.Resampling.BICUBIC), dtype=float)
    pixels = np.clip(smooth + random.normal(0, 8, smooth.shape), 0, 255).astype(np.uint8)
    Pillow.fromarray(pixels).save(path, "JPEG", quality=90)


def choose_model(folder: Path) -> tuple[str, str]:
    """What goes into the config, and what to call it."""
    if weights.present("efficientnet_lite0"):
        return "efficientnet_lite0", "EfficientNet-Lite0"
    import json

    from transformers import ViTConfig, ViTModel

    torch.manual_seed(0)
    shape: dict[str, Any] = {"hidden_size": 192, "num_hidden_layers": 12, "num_attention_heads": 3}
    ViTModel(ViTConfig(image_size=224, patch_size=16, intermediate_size=768, **shape)).save_pretrained(folder)
    mean = [0.5] * 3
    preprocessor = {"size": {"height": 224, "width": 224}, "image_mean": mean, "image_std": mean, "resample": 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return str(folder), "a ViT of 12 layers, 192 wide, random weights"


def timed(job: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = job()
    return time.perf_counter() - started, result


def features(store: Store) -> torch.Tensor:
    assert store.flat is not None
    return store.flat


def report(what: str, count: int, first: float, second: float) -> None:
    print(f"{what:22} {count:6} files {first:9.2f} s {second:9.3f} s {first / second:9.1f} x")


def measure(root: Path, count: int, repeats: int) -> float:
    """Prints everything. Returns how many times faster the second encoding was."""
    pictures = root / "pictures"
    pictures.mkdir()
    table = write_pictures(pictures, count)
    model, title = choose_model(root / "model")
    settings: dict[str, Any] = {
        "inputs": {"photo": {"name": "image", "encoder": {"name": "pretrained", "model": model, "pool": "mean"}}},
        "task": {"name": "classify", "target": "label"},
        "train": {"epochs": 3},
        "verdict": "off",
    }
    config = configs.from_dict(settings)

    def encode(cache: Cache | None) -> tuple[float, torch.Tensor]:
        """Seconds and features of one encoding; the body is built anew, as a second fit does, outside the clock."""
        made: list[Input] = build.make_inputs(config, table.columns)
        made[0].modality.load(np.zeros((240, 320, 3), np.uint8))  # warm up
        seconds, (stores, problems) = timed(lambda: load(table, made, cache=cache))
        assert not problems
        return seconds, features(stores["photo"])

    print(f"{title}, {torch.get_num_threads()} thread")
    print(f"{'':22} {'':12} {'first':>11} {'second':>11} {'ratio':>11}")
    cache = Cache(root / "cache")
    first, made = encode(cache)
    again = [encode(cache) for _ in range(repeats)]
    second = statistics.median(seconds for seconds, _ in again)
    report("encoding", count, first, second)
    assert all(torch.equal(kept, made) for _, kept in again)

    # What a fit keeps goes to the user's own folder: here a fresh one, with the same weights.
    home = root / "home"
    home.mkdir()
    if (files.home() / "weights").is_dir():
        (home / "weights").symlink_to((files.home() / "weights").absolute())
    before = os.environ.get("SENSEMBLE_HOME")
    os.environ["SENSEMBLE_HOME"] = str(home)
    try:
        whole = [timed(lambda: se.Learner(**settings).fit(table))[0] for _ in range(1 + repeats)]
    finally:
        os.environ.pop("SENSEMBLE_HOME")
        if before is not None:
            os.environ["SENSEMBLE_HOME"] = before
    report("the whole Learner.fit", count, whole[0], statistics.median(whole[1:]))

    _, online = encode(None)
    _, kept = encode(cache)
    print(f"largest difference of kept from online features: {float((kept - online).abs().max()):.1e}")
    write_picture(pictures / "3.jpg", seed=count + 3, light=1)
    misses = cache.misses
    encode(cache)
    print(f"one changed file of {count}: {cache.misses - misses} encoded again")
    return first / second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3, help="of the second time; the median counts")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        ratio = measure(Path(folder), options.files, options.repeats)
    print(f"target of {TARGET} x: {'met' if ratio >= TARGET else 'missed'}")


if __name__ == "__main__":
    main()
