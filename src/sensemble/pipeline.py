"""The main job from table to evidence, as a generator of events: read, audit, fit, evaluate, verdict, report."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import build, controls, evaluate, transfer
from . import config as configs
from . import verdict as verdicts
from .checkpoint import Place
from .config import Config
from .data.audit import audit, summary
from .data.load import Input, Loaded, check_unreadable, loading
from .data.read import read
from .data.rows import Samples
from .data.table import Table
from .errors import ConfigError, DataError, unknown
from .evidence import epoch_line, metrics_file, mistakes, score_lines, versions
from .files import read_json, to_json, write, write_json
from .history import History, whole_lines
from .metrics.base import Array
from .network import Network
from .plan import complete
from .prepare import cache_of, left_out_lines, make_samples, split_tables
from .registry import load_plugins
from .report.page import write_report
from .stages import run as stages
from .tasks.base import Answers, Task
from .train import Progress, parameters

EVIDENCE = ("audit", "metrics", "verdict", "details")
"""Parts of a job that a run folder keeps, each in its JSON file."""


@dataclass(frozen=True)
class Event:
    """Something the user may want to see.

    Args:
        stage: `read`, `load`, `audit`, `fit`, `evaluate`, `verdict` or `report`.
        text: a line to print; empty for mere progress.
        done: how far the stage is.
        total: of how much; 0 where unknown.
        progress: the training record, while training.
        about: what is being worked on, such as the input whose single model is trained.
    """

    stage: str
    text: str = ""
    done: int = 0
    total: int = 0
    progress: Progress | None = None
    about: str = ""


@dataclass
class Job:
    """One run of the main job, and what it has found so far.

    Args:
        config: as given; `run` fills it in.
        folder: the run's folder, or `None` to keep everything in memory.
        resume: go on where a killed run stopped.
    """

    config: Config
    folder: Path | None = None
    resume: bool = False
    inputs: list[Input] = field(default_factory=list)
    task: Task | None = None
    network: Network | None = None
    parts: dict[str, Samples] = field(default_factory=dict)
    unlabelled: Samples | None = None
    """The training rows with those that lack a label: for self-supervised stages."""
    answers: Answers | None = None
    draws: Array | None = None
    """Bootstrap resamples of the test rows, under which all evidence is measured."""
    audit: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    verdict: dict[str, Any] | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    dropped: int = 0

    def run(self, train_source: Any, valid_source: Any = None, test_source: Any = None) -> Iterator[Event]:
        """Does it all. Sources are whatever `data.read` reads; those left out are split from the first."""
        yield from self._timed("load", self._prepare(train_source, valid_source, test_source))
        yield from self._timed("fit", self._fit())
        if "test" not in self.parts:
            yield Event("evaluate", "No test rows: nothing is measured. Give data.test or data.test_share.")
        else:
            yield from self._timed("evaluate", self._evaluate())
            if self.config.verdict != "off" and (self._rivals() or len(self.inputs) == 1):
                yield from self._timed("verdict", self._judge())
            self.details = self._details()
            if self.folder:
                write_json(self.folder / "details.json", self.details)
        if self.folder:
            yield Event("report", f"Report: {write_report(self.folder)}")

    def write_evidence(self, folder: Path) -> None:
        """Writes whatever has been found so far to a run folder, and its report."""
        write(folder / "config.yaml", configs.dump(self.config))
        for name in EVIDENCE:
            if getattr(self, name):
                write_json(folder / f"{name}.json", getattr(self, name))
        if self.history:
            write(folder / "history.jsonl", "".join(to_json(line) + "\n" for line in self.history))
        write_report(folder)

    def read_evidence(self, folder: Path) -> None:
        """Undoes `write_evidence`; what is not there stays empty."""
        path = folder
        try:
            for name in EVIDENCE:
                path = folder / f"{name}.json"
                if path.exists():
                    setattr(self, name, read_json(path))
            path = folder / "history.jsonl"
            if path.exists():
                self.history = [json.loads(line) for line in whole_lines(path)]
        except ValueError as error:
            raise DataError(f"{path} is damaged ({error}); remove it to load the model without it") from error

    def _prepare(self, train_source: Any, valid_source: Any, test_source: Any) -> Iterator[Event]:
        load_plugins(self.config.plugins)
        sources = {"train": train_source, "valid": valid_source, "test": test_source}
        tables = {name: read(source) for name, source in sources.items() if source is not None}
        self.config, reasons, left = complete(self.config, tables["train"])
        self.task = build.make_task(self.config)
        stages.check(self.config, tables["train"].columns)
        whole, tables = tables, split_tables(tables, self.config, self.task)
        sizes = ", ".join(f"{name} {len(table):,}" for name, table in tables.items())
        yield Event("read", f"Read {sum(map(len, tables.values())):,} rows: {sizes}.")

        self.task.fit(tables["train"])
        self.inputs = build.make_inputs(self.config, tables["train"].columns)
        together, names = self.config.train.together, [item.name for item in self.inputs]
        if together is not None and together not in names:
            raise ConfigError(f"train.together: {unknown('input', together, names)}")
        build.fit_inputs(self.inputs, tables["train"], seed=self.config.seed)
        stores, problems = {}, {}
        for name, table in tables.items():
            stores[name], problems[name] = yield from self._load(table)
        yield Event("audit", about="looking for leaks, duplicates and groups")
        self.audit = audit(
            tables,
            inputs={item.name: (item.kind, item.column) for item in self.inputs},
            target=self.task.columns,
            group=self.config.data.group,
            reasons=reasons,
            problems=[problem for found in problems.values() for problem in found],
            seed=self.config.seed,
        )
        self.audit["left_out"] = left
        if self.folder:
            write_json(self.folder / "audit.json", self.audit)
            write(self.folder / "config.yaml", configs.dump(self.config))
        for line in [*summary(self.audit), *left_out_lines(self.audit)]:
            yield Event("audit", line)
        for name, table in whole.items():  # the share is of the file: a small split may have more by chance
            split_off = [other for other in tables if other not in whole] if name == "train" else []
            found = [problem for part in (name, *split_off) for problem in problems[part]]
            check_unreadable(table, found, self.config.data.max_unreadable)
        for name, table in tables.items():
            self.parts[name], dropped = make_samples(table, stores[name], self.inputs, self.task, self.config)
            self.dropped += sum(dropped.values())
            for reason, count in dropped.items():
                yield Event("audit", f"{name}: {count:,} rows left out: {reason}.")
        self.unlabelled, _ = make_samples(tables["train"], stores["train"], [], None, self.config)
        if not len(self.parts["train"]):
            raise DataError("no training row is left: every row lacks its label or an input marked `missing: drop`")
        for name in ("valid", "test"):
            if name in self.parts and not len(self.parts[name]):
                del self.parts[name]

    def _load(self, table: Table) -> Generator[Event, None, Loaded]:
        steps = loading(table, self.inputs, memory=self.config.data.memory, cache=cache_of(self.config))
        while True:
            try:
                about, done, total = next(steps)
            except StopIteration as end:
                loaded: Loaded = end.value
                return loaded
            yield Event("load", "", done, total, about=about)

    def _fit(self) -> Iterator[Event]:
        assert self.task is not None
        self.network = build.make_network(self.config, self.inputs, self.task)
        count = parameters(self.network)
        fusion = self.config.fusion["name"]
        how = f"fusion {fusion}" if self.inputs else "without any input"
        yield Event("fit", f"Training {count:,} parameters on {len(self.parts['train']):,} rows, {how}.")
        taken = transfer.initialise(self.network, self.inputs, self.task, self.config)
        if taken and self.folder:
            write_json(self.folder / "init.json", taken)
        for line in transfer.lines(taken):
            yield Event("fit", line)
        steps = stages.fit(
            self.network, self.task, self.parts["train"], self.parts.get("valid"), self.config,
            seed=self.config.seed, place=self._place(), resume=self.resume, unlabelled=self.unlabelled,
        )  # fmt: skip
        log = History(self.folder / "history.jsonl" if self.folder else None, keep=self.resume)
        for progress in steps:
            log.add(progress)
            text = epoch_line(progress, self.config, self.task.metric)
            yield Event("fit", text, progress.step, progress.steps, progress)
        self.history = log.lines
        self.task = evaluate.tuned(self.network, self.task, self.parts.get("valid"))
        if self.task.told():
            place = self._place()
            if place is not None:
                place.amend("best")
            yield Event("fit", self.task.told())

    def _evaluate(self) -> Iterator[Event]:
        assert self.task is not None and self.network is not None
        test = self.parts["test"]
        yield Event("evaluate", about="every subset of the inputs")
        names = evaluate.subsets(self.task, [item.name for item in self.inputs])
        found = evaluate.answer_subsets(self.network, self.task, test, names)
        self.draws = evaluate.weights(test, seed=self.config.seed)
        self.answers = found[-1]
        self.metrics = metrics_file(self.task, found, names, test, self.draws)
        if self.folder:
            write_json(self.folder / "metrics.json", self.metrics)
        for line in score_lines(self.metrics):
            yield Event("evaluate", line)

    def _judge(self) -> Iterator[Event]:
        assert self.task is not None and self.network is not None and self.answers is not None
        test = self.parts["test"]
        alone: dict[str, dict[str, Answers]] = {}
        if len(self.inputs) > 1:
            yield from self._train_singles(alone)
            alone = {name: alone[name] for name in self._rivals()}  # in the config's order again
        else:
            alone = {self.inputs[0].name: {"test": self.answers, "cut": [False]}}
        yield Event("verdict", about="blind controls")
        blind = controls.answer(
            self.network, self.task, self.inputs, self.parts["train"], test, seed=self.config.seed
        )  # fmt: skip
        assert self.draws is not None
        self.verdict = verdicts.judge(self.task, self.answers, alone, self.parts, self.draws, blind)
        if self.folder:
            write_json(self.folder / "verdict.json", self.verdict)
        yield Event("verdict", f"Verdict: {self.verdict['sentence']}")
        for line in controls.lines(self.verdict):
            yield Event("verdict", line)
        for note in self.verdict["notes"]:
            yield Event("verdict", f"Note: {note}")

    def _train_singles(self, alone: dict[str, dict[str, Answers]]) -> Iterator[Event]:
        assert self.task is not None
        seconds = self.history[-1]["seconds"] if self.history else self.seconds["fit"]
        for name, step in verdicts.singles(
            self.config, self.inputs, self.task, self.parts,
            seconds=seconds, place=self._place, resume=self.resume,
        ):  # fmt: skip
            if isinstance(step, Progress):
                yield Event("verdict", "", step.step, step.steps, step, about=name)
            else:
                alone[name] = step
                self._amend_single(name, step)

    def _amend_single(self, name: str, answers: dict[str, Answers]) -> None:
        """Keeps what the model of a single input chooses on validation rows beside it."""
        valid = self.parts.get("valid")
        if self.folder is None or self.task is None or not self.task.tunes or valid is None:
            return
        assert valid.target is not None
        place = self._place(name, self.task.tuned(answers["valid"], valid.target))
        assert place is not None
        place.amend("best")

    def _details(self) -> dict[str, Any]:
        assert self.task is not None and self.network is not None and self.answers is not None
        test = self.parts["test"]
        assert test.target is not None
        return {
            **self.task.details(self.answers, test.target, self.draws),
            "mistakes": mistakes(self.task, self.answers, test, self.inputs),
            "versions": versions(),
            "seed": self.config.seed,
            "train_rows": len(self.parts["train"]),
            "dropped": self.dropped,
            "parameters": parameters(self.network),
            "seconds": self.seconds,
        }

    def _place(self, single: str | None = None, task: Task | None = None) -> Place | None:
        """Where the model is kept, or that of a single input, with another task if one is given."""
        task = task or self.task
        if self.folder is None or task is None:
            return None
        if single is None:
            return Place(self.folder, model_files(self.config, self.inputs, task))
        names = self._rivals()[single]
        config = self.config.replace(inputs={name: self.config.specs[name] for name in names})
        inputs = [item for item in self.inputs if item.name in names]
        return Place(self.folder / "singles" / safe_name(single), model_files(config, inputs, task))

    def _rivals(self) -> dict[str, list[str]]:
        """The inputs that the verdict trains alone, and what each needs beside it."""
        assert self.task is not None
        return verdicts.rivals(self.task, [item.name for item in self.inputs])

    def _timed(self, stage: str, events: Iterator[Event]) -> Iterator[Event]:
        started = time.monotonic()
        yield from events
        self.seconds[stage] = round(time.monotonic() - started, 2)


def model_files(config: Config, inputs: list[Input], task: Task) -> dict[str, str]:
    """The text files that stand beside a model's weights and rebuild it."""
    state = to_json(build.state(inputs, task))
    return {"config.yaml": configs.dump(config), "state.json": state}


def safe_name(name: str) -> str:
    """An input's name as a folder name."""
    plain = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
    return plain if plain == name else f"{plain}-{sum(name.encode()) % 9973}"
