"""Searches options by their score on validation rows: Optuna's proposals, hopeless trials cut short, resumable.

Test rows are split off as `fit` splits them, and are never looked at here: what a search has chosen among many is
flattered by its own validation score, and `fit best.yaml` measures it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from . import build
from . import config as configs
from .compare.plan import fingerprint
from .config import Config
from .data.load import Input
from .data.read import read
from .data.rows import Samples
from .data.table import Table
from .errors import ConfigError, DataError, UserError
from .files import to_json, write, write_json
from .pipeline import Event
from .plan import complete
from .prepare import make_parts, split_tables
from .ranges import Range, parse
from .registry import load_plugins
from .stages.plan import plan
from .stages.run import fit
from .tasks.base import Task
from .transfer import initialise

if TYPE_CHECKING:
    import optuna

LOG = "trials.log"
STARTUP = 5
"""Trials that run to their end before any is cut short."""


def tune(
    mapping: Mapping[str, Any],
    folder: Path,
    *,
    search: Sequence[str],
    trials: int = 20,
    minutes: float = 0.0,
    tables: Mapping[str, Table] | None = None,
) -> Iterator[Event]:
    """Searches for the options that score best on the validation rows. Trials that `folder` holds are not run again.

    Args:
        mapping: the config, as plain values; `data.train` names the rows.
        folder: gets `trials.log` (Optuna's journal), `tune.json` and `best.yaml`. One search at a time.
        search: the keys and their ranges, as `ranges.parse` reads them.
        trials: how many in all, those of earlier sittings included; trials that failed do not count.
        minutes: after so long no further one is begun; 0 sets no end.
        tables: `train` and `valid`, in place of those that the config names, for a config whose inputs and task are
            filled in.

    Yields:
        Events with a line for each finished trial.

    Raises:
        UserError: a config, table or range that cannot be used, or Optuna is missing.
    """
    if not search:
        raise ConfigError("tune: name what to search, such as --search 'train.lr=log(1e-4,1e-2)'")
    if trials < 1 or minutes < 0:
        raise ConfigError(f"tune: needs at least 1 trial and no negative time, not {trials} and {minutes:g}")
    library = _optuna()
    bench = _Bench(mapping, tables)
    ranges = parse(search, bench.config)
    study = _study(library, folder, bench, ranges)
    before = sum(each.state.name in ("COMPLETE", "PRUNED") for each in study.trials)
    keys, known = ", ".join(each.key for each in ranges), f", {before} of them done before" if before else ""
    yield Event(
        "tune",
        f"Searching {keys} by {bench.metric} on {bench.rows['valid']:,} validation rows: {trials} trials{known}.",
    )
    started, done, error = time.monotonic(), before, None
    failed = 0
    while done < trials and not (minutes and done + failed > before and time.monotonic() - started > 60 * minutes):
        study.sampler = library.samplers.TPESampler(
            seed=bench.config.seed * 100_003 + len(study.trials), n_startup_trials=STARTUP, multivariate=False
        )
        trial = study.ask()
        values = {each.key: _propose(trial, each) for each in ranges}
        shown = ", ".join(f"{key}={_shown(value)}" for key, value in values.items())
        try:
            score, pruned = yield from _run(bench, trial, values, f"trial {done + 1}")
        except UserError as caught:
            error, failed = caught, failed + 1
            trial.set_user_attr("reason", str(caught))
            study.tell(trial, state=library.trial.TrialState.FAIL)
            yield Event("tune", f"[{done}/{trials}] {shown}: failed: {caught}", done, trials)
            if failed >= max(3, trials):
                break
            continue
        state = library.trial.TrialState.PRUNED if pruned else library.trial.TrialState.COMPLETE
        study.tell(trial, None if pruned else score, state=state)
        done += 1
        end = " (cut short)" if pruned else ""
        yield Event("tune", f"[{done}/{trials}] {shown}: {bench.metric} {score:.4f}{end}", done, trials)
        _write(study, bench, folder, ranges)
    if not any(each.state.name == "COMPLETE" for each in study.trials):
        raise error or ConfigError("tune: no trial has ended yet; give more --trials or --minutes")
    best = _write(study, bench, folder, ranges)
    yield Event("tune", f"Best on validation rows: {bench.metric} {study.best_value:.4f} with {_words(best)}.")
    if tables is None:
        yield Event("tune", f"Measure it on test rows: sensemble fit {folder / 'best.yaml'}")


class _Bench:
    """Trains and scores settings of one config on its training and validation rows.

    Args:
        mapping: the config, as plain values.
        tables: its rows by part, where they are not to be read and split as the config says.
    """

    def __init__(self, mapping: Mapping[str, Any], tables: Mapping[str, Table] | None = None) -> None:
        self.config = configs.from_dict(mapping)
        load_plugins(self.config.plugins)
        self.tables = self._read() if tables is None else {name: tables[name] for name in tables if name != "test"}
        if "valid" not in self.tables:
            raise ConfigError("tune: needs validation rows; give data.valid or data.valid_share")
        self.rows = {name: len(table) for name, table in self.tables.items()}
        self._kept: dict[str, tuple[Task, list[Input], dict[str, Samples]]] = {}
        task, _, parts = self.prepare(self.config)
        assert parts["valid"].target is not None
        self.metric = task.metric
        self.higher = task.metrics(task.trivial(len(parts["valid"])), parts["valid"].target)[task.metric].higher

    def _read(self) -> dict[str, Table]:
        """The rows that the config names, without those for testing; fills the config in."""
        given = self.config
        if given.data.train is None:
            raise ConfigError("tune: name a table, or set data.train in the config")
        sources = {"train": given.data.train, "valid": given.data.valid}
        tables = {name: read(source) for name, source in sources.items() if source is not None}
        self.config, _, _ = complete(given, tables["train"])
        data = self.config.data
        if data.test is not None:  # then none are split off
            data = dataclasses.replace(data, test_share=0.0)
        tables = split_tables(tables, self.config.replace(data=data), build.make_task(self.config))
        return {name: table for name, table in tables.items() if name != "test"}

    def set(self, values: Mapping[str, Any]) -> Config:
        """The config with some keys set; a component chosen by name loses the options of the one before."""
        mapping = self.config.to_dict()
        for key in sorted(values, key=lambda key: key.count(".")):
            text = yaml.safe_dump(values[key], default_flow_style=True).strip().removesuffix("...").strip()
            mapping = configs.override(mapping, [f"{key}={text}"])
        return configs.from_dict(mapping)

    def prepare(self, config: Config) -> tuple[Task, list[Input], dict[str, Samples]]:
        """Task, inputs and rows of a config; those prepared last are kept."""
        about = repr((config.specs, config.task))
        if about not in self._kept:
            self._kept.clear()
            found = make_parts(config, self.tables)
            for name in ("train", "valid"):
                if not len(found[2].get(name, ())):
                    raise DataError(f"{self.tables[name].name}: no {name} row is left that has a label")
            self._kept[about] = found
        return self._kept[about]

    def digest(self, ranges: Sequence[Range]) -> str:
        """What tells this search from others: config, ranges and rows."""
        config = self.config.to_dict()
        config["data"] = {k: v for k, v in config["data"].items() if k not in ("train", "valid", "test", "memory")}
        rows = {name: fingerprint(Table(table.frame)) for name, table in self.tables.items()}
        text = to_json([config, [vars(each) for each in ranges], rows])
        return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _run(
    bench: _Bench, trial: optuna.Trial, values: Mapping[str, Any], about: str
) -> Generator[Event, None, tuple[float, bool]]:
    """Trains one setting. Returns its best validation score, and whether it was cut short."""
    config = bench.set(values)
    task, inputs, parts = bench.prepare(config)
    if task.metric != bench.metric:
        raise ConfigError(f"chosen by {task.metric}, not by {bench.metric} as the others")
    network = build.make_network(config, inputs, task)
    initialise(network, inputs, task, config)
    stages = plan(config.stages, config.train, list(config.specs))
    best, pruned, started = math.nan, False, time.monotonic()
    steps = fit(network, task, parts["train"], parts["valid"], config, seed=config.seed)
    for progress in steps:
        yield Event("tune", "", progress.step, progress.steps, progress, about=about)
        last = len(stages) == 1 or progress.stage == stages[-1].name  # earlier stages have other heads, or see less
        score = (progress.valid or {}).get(task.metric, math.nan) if last else math.nan
        if math.isnan(score):
            continue
        best = score if math.isnan(best) else max(best, score) if bench.higher else min(best, score)
        trial.report(best, progress.epoch)
        trial.set_user_attr("epochs", progress.epoch)
        if progress.epoch < stages[-1].settings.epochs and trial.should_prune():
            pruned = True
            break
    steps.close()  # type: ignore[attr-defined]
    trial.set_user_attr("seconds", round(time.monotonic() - started, 3))
    if math.isnan(best):
        raise DataError(f"the validation rows give no {task.metric}: they may hold one class only")
    return best, pruned


def _study(library: Any, folder: Path, bench: _Bench, ranges: Sequence[Range]) -> optuna.Study:
    """The search that the folder holds, or a new one; what a kill interrupted is tried again first."""
    library.logging.set_verbosity(library.logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    backend = library.storages.journal.JournalFileBackend(str(folder / LOG))
    study: optuna.Study = library.create_study(
        study_name="tune",
        storage=library.storages.JournalStorage(backend),
        direction="maximize" if bench.higher else "minimize",
        pruner=library.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=1),
        load_if_exists=True,
    )
    digest = bench.digest(ranges)
    if study.user_attrs.setdefault("digest", digest) != digest:
        raise ConfigError(f"{folder} holds a search of another config, ranges or rows; name another folder (-o)")
    study.set_user_attr("digest", digest)
    for trial in study.trials:
        if trial.state.name == "RUNNING":
            study.tell(trial.number, state=library.trial.TrialState.FAIL)
            study.enqueue_trial(trial.params)
    return study


def _propose(trial: optuna.Trial, each: Range) -> Any:
    if each.choices:
        return json.loads(str(trial.suggest_categorical(each.key, [to_json(value) for value in each.choices])))
    if each.whole:
        return trial.suggest_int(each.key, int(each.low), int(each.high), log=each.log)
    return trial.suggest_float(each.key, each.low, each.high, log=each.log)


def _write(study: optuna.Study, bench: _Bench, folder: Path, ranges: Sequence[Range]) -> dict[str, Any]:
    """Writes `tune.json` and `best.yaml`. Returns the best values."""
    choices = {each.key for each in ranges if each.choices}
    table = [
        {
            "number": each.number,
            "state": {"COMPLETE": "complete", "PRUNED": "pruned"}.get(each.state.name, "failed"),
            "score": max(each.intermediate_values.values(), key=lambda value: value if bench.higher else -value)
            if each.intermediate_values
            else None,
            "epochs": each.user_attrs.get("epochs", 0),
            "seconds": each.user_attrs.get("seconds"),
            "reason": each.user_attrs.get("reason", ""),
            "values": {key: json.loads(v) if key in choices else v for key, v in each.params.items()},
        }
        for each in study.trials
        if each.state.is_finished()
    ]
    complete_ = [each for each in table if each["state"] == "complete"]
    best = next((each for each in complete_ if each["number"] == study.best_trial.number), None) if complete_ else None
    found = {
        "format": 1,
        "metric": bench.metric,
        "higher": bench.higher,
        "rows": bench.rows,
        "searched": [each.key for each in ranges],
        "best": best["number"] if best else None,
        "trials": table,
    }
    write_json(folder / "tune.json", found)
    values: dict[str, Any] = best["values"] if best else {}
    if best:
        write(folder / "best.yaml", configs.dump(bench.set(values)))
    return values


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={_shown(value)}" for key, value in values.items())


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ConfigError("tune searches with Optuna, which is missing: pip install 'sensemble[tune]'") from error
    return optuna
