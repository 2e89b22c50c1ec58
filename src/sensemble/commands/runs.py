"""Commands on tables and runs: audit, fit, evaluate, predict."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .base import DATA, JSON, RUN, argument, command, load_model, load_run, note, print_json, show_events

if TYPE_CHECKING:
    from ..config import Config

CONFIGS = (".yaml", ".yml")
SOURCE = (
    argument("source", nargs="?", metavar="CONFIG|DATA", help="a .yaml config, a table or a folder of folders"),
    argument("settings", nargs="*", metavar="key.path=value", help="config settings, such as train.epochs=5"),
    argument("--target", metavar="COLUMN", help="the column to predict"),
    argument("--group", metavar="COLUMN", help="its groups never straddle a split"),
    JSON,
)


@command(
    "what is in a table, and what is wrong with it",
    *SOURCE,
    argument("-o", "--output", metavar="FILE", help="write audit.json here"),
    examples=["train.csv --target label", "config.yaml --json"],
)
def audit(options: argparse.Namespace) -> int:
    """Says what is in a table and what is wrong with it."""
    from ..data.audit import summary
    from ..data.load import check_unreadable
    from ..data.read import read
    from ..files import write_json
    from ..prepare import audit_table, left_out_lines

    config = _config(options)
    if config.data.train is None:
        raise ConfigError("audit: name a table, or set data.train in the config")
    table = read(config.data.train)
    found, problems = audit_table(config, table)
    if options.output:
        write_json(Path(options.output), found)
    if options.json:
        print_json(found)
    else:
        for line in summary(found):
            print(line)
        for problem in problems:
            print(f"  unreadable: {problem}")
        for line in left_out_lines(found):
            print(line)
    check_unreadable(table, problems, config.data.max_unreadable)
    return 0


@command(
    "audit, train, evaluate and judge",
    *SOURCE,
    argument("--run", dest="run_dir", metavar="DIR", help="folder of the run (default: a new one in runs/)"),
    argument("--resume", action="store_true", help="go on with the run in that folder"),
    examples=[
        "train.csv --target label",
        "config.yaml train.epochs=5 fusion=concat --run runs/mood",
        "--run runs/mood --resume",
    ],
)
def fit(options: argparse.Namespace) -> int:
    """Audits, trains, evaluates and judges."""
    from ..learner import Learner

    folder = Path(options.run_dir) if options.run_dir else None
    _sort_settings(options)
    if options.source is None and folder is not None and options.resume:
        options.source = str(folder / "config.yaml")
    if options.source is None and not options.settings:
        raise ConfigError("fit: name a config or a table (or --run DIR --resume to go on with a run)")
    config = _config(options)
    if folder is None:
        named = config.data.train if isinstance(config.data.train, str) else None
        source = options.source or named or "run"
        folder = new_folder(Path("runs"), Path(source).absolute().stem)
    learner = Learner.from_config(config)
    show_events(learner.steps(run=folder, resume=options.resume), quiet=options.json)
    if options.json:
        print_json({"run": str(folder), "metrics": learner.metrics_, "verdict": learner.verdict_})
    else:
        print(f"Run: {folder}")
    return 0


@command(
    "scores of a run on labelled rows, for every subset of inputs",
    RUN,
    DATA,
    argument("-o", "--output", metavar="FILE", help="write metrics.json here"),
    JSON,
    examples=["runs/mood test.csv"],
)
def evaluate(options: argparse.Namespace) -> int:
    """Scores a run on labelled rows."""
    from ..evidence import score_lines
    from ..files import write_json

    metrics = load_model(options.run_folder).evaluate(options.data)
    if options.output:
        write_json(Path(options.output), metrics)
    if options.json:
        print_json(metrics)
        return 0
    for line in score_lines(metrics):
        print(line)
    if metrics["subsets"]:
        print(f"{metrics['metric']} by the inputs it may see:")
    for name, scores in metrics["subsets"].items():
        score = scores[metrics["metric"]]
        print(f"  {name:<40} {score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]")
    return 0


@command(
    "answers for new rows",
    RUN,
    DATA,
    argument("-o", "--output", metavar="FILE", help=".csv, .jsonl or .parquet; else JSON lines are printed"),
    argument("--labels", metavar="A,B,C", help="zero-shot: the label whose text is nearest, by a retrieval run"),
    argument("--prompt", metavar="TEXT", action="append", help="about a label, {} (default: 'a picture of a {}.')"),
    examples=[
        "runs/mood new.csv -o answers.csv",
        "runs/retrieval photos.csv --labels dog,cat,bus --prompt 'A {}.' --prompt 'a photo of a {}'",
    ],
)
def predict(options: argparse.Namespace) -> int:
    """Answers for new rows."""
    from ..data.write import check_suffix, write_predictions

    if options.output:
        check_suffix(Path(options.output))  # before the work, not after it
    if options.prompt and not options.labels:
        raise ConfigError("predict: --prompt is about labels; name them: --labels a,b,c")
    if options.labels:
        from ..zero_shot import PROMPT, zero_shot

        labels = [each.strip() for each in options.labels.split(",") if each.strip()]
        learner = load_run(options.run_folder)
        records = zero_shot(learner, options.data, labels, prompt=options.prompt or PROMPT)
    else:
        records = load_model(options.run_folder).predict(options.data)
    if options.output:
        write_predictions(Path(options.output), records)
        note(f"{len(records):,} predictions: {options.output}")
    else:
        for record in records:
            print(json.dumps(record, ensure_ascii=False))
    return 0


def _config(options: argparse.Namespace) -> Config:
    """The config that the source, the settings and the flags ask for together."""
    from .. import config as configs

    return configs.from_dict(mapping_of(options))


def mapping_of(options: argparse.Namespace) -> dict[str, Any]:
    """The config that the command line asks for, as plain values not yet checked."""
    from .. import config as configs

    _sort_settings(options)
    source, settings = options.source, options.settings
    mapping: dict[str, Any] = {}
    if source and Path(source).suffix in CONFIGS:
        mapping = configs.read_mapping(Path(source))
    elif source:
        mapping = {"data": {"train": source}}
    mapping = configs.override(mapping, settings)
    if options.target:
        task = mapping.get("task") or {}
        mapping["task"] = {**({"name": task} if isinstance(task, str) else task), "target": options.target}
    if options.group:
        mapping["data"] = {**(mapping.get("data") or {}), "group": options.group}
    return mapping


def _sort_settings(options: argparse.Namespace) -> None:
    """A first argument such as `train.epochs=5` is a setting, not a source."""
    if options.source and "=" in options.source and not Path(options.source).exists():
        options.source, options.settings = None, [options.source, *options.settings]


def new_folder(parent: Path, stem: str) -> Path:
    """The first free name: `runs/train`, `runs/train-2`, ..."""
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, 10_000))
    return next(parent / name for name in names if not (parent / name).exists())
