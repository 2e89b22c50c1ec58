"""`sensemble demo`: the main job on real sample data; on generated data where there is no network."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from . import config as configs
from .data.generate import shapes
from .data.samples import SAMPLES, get
from .errors import ConfigError, DataError, unknown
from .learner import Learner
from .pipeline import Event
from .weights import get as get_weights

SETS = ("reviews", "easy_vqa", "stamps", "shapes")
GENERATED = {"train": "train.csv", "test": "test.csv"}
"""The tables of a generated set, within its folder."""
CARRIED = {"stamps": ("efficientnet_lite0", "minilm")}
"""Small pretrained weights that a set is too small to do without; where they cannot be had, encoders learn anew."""


def run_demo(
    name: str | None, folder: Path | None, show: Callable[[Iterable[Event]], None], say: Callable[[str], None]
) -> list[Path]:
    """Fits one set, or `reviews` and `easy_vqa`. Returns the reports.

    Args:
        name: of the set; `None` takes both real ones.
        folder: where the runs go; an earlier demo's runs there are replaced.
        show: shows the events of a fit.
        say: says a line.
    """
    if name is not None and name not in SETS:
        raise ConfigError(unknown("demo", name, SETS))
    folder = folder or Path("runs") / "demo"
    reports = []
    for each in (name,) if name else SETS[:2]:
        try:
            data = get(each, say=say) if each in SAMPLES else shapes(folder / "data" / each, seed=0)
        except DataError as error:
            if name:
                raise
            say(f"{error}\nThe real sample data cannot be had here, so the demo goes on with generated data.")
            each, data = "shapes", shapes(folder / "data" / "shapes", seed=0)
        for weights in CARRIED.get(each, ()):
            try:
                get_weights(weights, say=say)
            except DataError as error:
                say(f"{error}\nIts encoder is trained from scratch instead.")
        say(f"\n== {each} ==")
        reports.append(fit_recipe(each, data, folder / each, show))
        if each == "shapes":
            break
    return reports


def fit_recipe(name: str, data: Path, run: Path, show: Callable[[Iterable[Event]], None]) -> Path:
    """Fits the recipe of that name on the sample's tables. Returns the report."""
    tables = SAMPLES[name].tables if name in SAMPLES else GENERATED
    settings = [f"data.{part}={data / file}" for part, file in tables.items()]
    config = configs.read(recipe(name), settings)
    if run.exists() and not (run / "audit.json").exists() and any(run.iterdir()):
        raise DataError(f"{run} is there but holds no run; choose another folder (--run)")
    shutil.rmtree(run, ignore_errors=True)
    show(Learner.from_config(config).steps(run=run))
    return run.absolute() / "report.html"


def recipe(name: str) -> Path:
    """The file of a recipe: within the installed package, or in the checkout it runs from."""
    here = Path(__file__).parent
    for folder in (here / "recipes", here.parent.parent / "recipes"):
        if (folder / f"{name}.yaml").exists():
            return folder / f"{name}.yaml"
    raise ConfigError(f"there is no recipe {name!r}")
