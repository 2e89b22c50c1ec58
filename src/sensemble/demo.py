"""`sensemble demo`: any recipe on its data, real or generated; generated where there is no network."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata, util
from pathlib import Path

from . import config as configs
from .data.generate import shapes
from .data.samples import SAMPLES, get
from .data.stampworld.build import SPLITS, Kind
from .data.stampworld.tables import write as stampworld
from .errors import ConfigError, DataError, unknown
from .files import write
from .learner import Learner
from .pipeline import Event
from .weights import get as get_weights

WORLDS: dict[str, tuple[Kind, str]] = {
    "captioning": ("pictures", "captions/{}.csv"),
    "vqa": ("pictures", "vqa/{}.csv"),
    "dialogue": ("pictures", "dialogue/{}.jsonl"),
    "picture_translation": ("pictures", "translation/{}.csv"),
    "video_qa": ("clips", "video_qa/{}.csv"),
}
"""Recipes on StampWorld: the kind of its scenes, and where the table of a split is."""
BORROWED = {"translation": "stamps", "retrieval": "stamps", "recommend": "movies"}
"""Recipes on the sample of another name."""
LAID_OUT = {"recommend": dict.fromkeys(("train.folder", "valid.folder", "test.folder"), "")}
"""Recipes that name the files of each part themselves: where in their `data` the folder of these is wanted."""
SETS = ("reviews", "easy_vqa", "stamps", "shapes", *WORLDS, *BORROWED)
DRAWN_BY = {"pillow": "PIL", "av": "av"}
"""The libraries that draw and encode what is generated, and their modules."""
GENERATED = {"train": "train.csv", "test": "test.csv"}
"""The tables of `shapes`, within its folder."""
CARRIED = dict.fromkeys(("stamps", "retrieval"), ("efficientnet_lite0", "minilm")) | {"recommend": ("minilm",)}
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
            data = make(each, folder / "data", say)
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


def make(name: str, folder: Path, say: Callable[[str], None]) -> Path:
    """Fetches the sample that a recipe is for, or generates its data in `folder`. Returns where it is."""
    if name in WORLDS:
        kind, file = WORLDS[name]
        return _world(kind, Path(file).parent.name, folder, say)
    if name == "shapes":
        return shapes(folder / name, seed=0)
    return get(BORROWED.get(name, name), say=say)


def _world(kind: Kind, table: str, folder: Path, say: Callable[[str], None]) -> Path:
    """StampWorld of a kind with one of its tables: generated, unless an earlier demo of this very version did so.

    The first demo makes its own table alone, which is quicker; one that needs another then makes all.
    """
    world, version = folder / kind, _version()
    note = world / "version.txt"
    known = note.exists() and note.read_text(encoding="utf-8") == version
    if known and (world / table).exists():
        say(f"Generated before: {world}")
        return world
    stampworld(world, seed=0, kind=kind, tables=None if known else (table,))
    write(note, version)
    return world


def _version() -> str:
    """What the bytes of generated data hang on: the generator's code, and the libraries that draw and encode."""
    sources = sorted((Path(__file__).parent / "data" / "stampworld").glob("*.py"))
    code = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    drawn = [f"{each} {metadata.version(each)}" for each, module in DRAWN_BY.items() if util.find_spec(module)]
    return "\n".join([f"sensemble {code}", *drawn, ""])


def tables(name: str) -> Mapping[str, str]:
    """The tables of a recipe's data by their place in its `data`, within its folder."""
    if name in LAID_OUT:
        return LAID_OUT[name]
    if name in WORLDS:
        return {split: WORLDS[name][1].format(split) for split in SPLITS}
    return GENERATED if name == "shapes" else SAMPLES[BORROWED.get(name, name)].tables


def fit_recipe(name: str, data: Path, run: Path, show: Callable[[Iterable[Event]], None]) -> Path:
    """Fits the recipe of that name on the sample's tables. Returns the report."""
    settings = [f"data.{part}={data / file}" for part, file in tables(name).items()]
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
