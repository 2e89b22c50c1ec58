"""The facade: one object that fits, judges, evaluates, predicts, saves and loads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from . import build, checkpoint, evaluate, robustness
from . import config as configs
from .chat import Chat
from .config import Config
from .data.load import Input, check_unreadable, load
from .data.read import read
from .data.rows import Samples
from .data.table import Table
from .errors import ConfigError, DataError, UserError, unknown
from .evidence import metrics_file
from .files import write
from .network import Network
from .pipeline import Event, Job, model_files
from .prepare import cache_of, make_samples
from .tasks.base import Answers, Task


class Learner:
    """A multimodal model with its evidence.

    Args:
        inputs: modality by input name, `{"text": "text", "photo": {"name": "image", "size": 128}}`; `None` infers
            them from the table, `{}` is none at all.
        task: what to predict, `{"name": "classify", "target": "label"}`; without a name it is inferred.
        fusion: how inputs are joined: a name, or a mapping of name and options.
        settings: any other key of the config, such as `train={"epochs": 5}`, `width=32` or `verdict="off"`.

    Fitted attributes: `verdict_`, `metrics_`, `audit_`, `history_`, `config_`.

    >>> import sensemble as se
    >>> table = se.generate.xor(400, seed=0)
    >>> learner = se.Learner(task={"target": "label"}, train={"epochs": 2}, verdict="off").fit(table)
    >>> sorted(learner.predict(table.take([0]))[0])
    ['prediction', 'probability:0', 'probability:1']
    """

    def __init__(
        self,
        inputs: Mapping[str, Any] | None = None,
        task: Any = None,
        fusion: Any = None,
        **settings: Any,
    ) -> None:
        given = {"inputs": inputs, "task": task, "fusion": fusion}
        self.config = configs.from_dict({**{k: v for k, v in given.items() if v is not None}, **settings})
        self._job: Job | None = None
        self._inputs: list[Input] = []
        self._task: Task | None = None
        self._network: Network | None = None

    @classmethod
    def from_config(cls, config: Config) -> Learner:
        """A learner for a config that was read or built."""
        learner = cls()
        learner.config = config
        return learner

    def fit(
        self,
        train: Any = None,
        valid: Any = None,
        test: Any = None,
        *,
        run: str | Path | None = None,
        resume: bool = False,
        say: Callable[[str], None] | None = None,
    ) -> Learner:
        """Audits, trains, evaluates and judges. Returns self.

        Args:
            train: a file, a folder of class folders, a DataFrame, a `datasets.Dataset`, a list of dicts; `None`
                takes the config's `data.train`.
            valid: likewise; `None` takes `data.valid`, or splits rows from `train`.
            test: likewise.
            run: the folder to write; `None` keeps everything in memory.
            resume: go on with the run in that folder.
            say: called with each line of progress, such as `print`.

        Raises:
            UserError: a config or table that cannot be used; says what to do.
        """
        for event in self.steps(train, valid, test, run=run, resume=resume):
            if say and event.text:
                say(event.text)
        return self

    def steps(
        self,
        train: Any = None,
        valid: Any = None,
        test: Any = None,
        *,
        run: str | Path | None = None,
        resume: bool = False,
    ) -> Iterator[Event]:
        """`fit` as a generator of events, for whoever wants to show progress."""
        data = self.config.data
        train = data.train if train is None else train
        valid = data.valid if valid is None else valid
        test = data.test if test is None else test
        if train is None:
            raise UserError("no training data: name a table, or set data.train in the config")
        folder = Path(run) if run is not None else None
        if folder and folder.exists() and not folder.is_dir():
            raise UserError(f"{folder} is a file: name a folder for the run (--run)")
        if folder and not resume and any((folder / name).exists() for name in ("best", "last", "stages")):
            raise UserError(f"{folder} already holds a run: resume it (--resume), or name another folder (--run)")
        # The run's config names tables and models wherever it is read, so that it is found again and can be resumed.
        places = replace(data, train=_path(train), valid=_path(valid), test=_path(test))
        inputs = self.config.inputs and configs.anchor_models(self.config.inputs, Path())
        init = self.config.init and str(Path(self.config.init).expanduser().absolute())
        config = self.config.replace(data=places, inputs=inputs, init=init)
        job = self._job = Job(config, folder, resume)
        try:
            yield from job.run(train, valid, test)
        finally:
            self.config, self._inputs = job.config, job.inputs
            self._task, self._network = job.task, job.network

    @property
    def config_(self) -> Config:
        """The config with everything that was inferred filled in."""
        return self.config

    @property
    def verdict_(self) -> dict[str, Any] | None:
        """What `verdict.json` holds; `None` where none was asked for, or there were no test rows."""
        return self._fitted().verdict

    @property
    def metrics_(self) -> dict[str, Any]:
        """What `metrics.json` holds: test scores with intervals, and those of every subset of inputs."""
        return self._fitted().metrics

    @property
    def audit_(self) -> dict[str, Any]:
        """What `audit.json` holds."""
        return self._fitted().audit

    @property
    def history_(self) -> list[dict[str, Any]]:
        """Progress records, about a hundred over the whole training."""
        return self._fitted().history

    @torch.no_grad()
    def predict(self, data: Any, *, batch: int = 256) -> list[dict[str, Any]]:
        """Answers for new rows, in their order; any input may be missing from any row.

        Returns:
            One record a row: the id column if the config names one, `prediction`, and `probability:LABEL` for
            each class where the task has classes.

        Raises:
            DataError: too many values cannot be read; names row and column.
        """
        task, _ = self._model()
        table = self._table(data)
        samples = self._samples(table, with_target=False)
        records = task.records(self._answers(samples, batch))
        if self.config.data.id in table.columns:
            name = str(self.config.data.id)
            return [{name: key, **record} for key, record in zip(table.column(name), records, strict=True)]
        return records

    @property
    def sides_(self) -> dict[str, dict[str, Input]]:
        """The inputs by what the task needs them for: one side for most, queries and candidates for retrieval."""
        inputs = {item.name: item for item in self._inputs}
        sides = self._model()[0].sides(list(inputs))
        return {side: {name: inputs[name] for name in own} for side, own in sides.items()}

    @property
    def rerank_(self) -> int:
        """How many of the nearest the task looks at a second time."""
        return self._model()[0].rerank

    @torch.no_grad()
    def embed(self, data: Any, *, side: str | None = None, batch: int = 256) -> NDArray[np.float32]:
        """Vectors of length 1, whose products say how near rows are: for an index, or for comparing rows.

        Args:
            data: rows; only the inputs of the side are read.
            side: of a task with several, such as `query` or `candidate` of retrieval; `None` takes the first.
            batch: rows at a time.

        Returns:
            `(n, E)`, NaN in rows that lack all inputs of the side.

        Raises:
            ConfigError: the task has no such side.
            DataError: too many values cannot be read; names row and column.
        """
        task, network = self._model()
        sides = self.sides_
        chosen = next(iter(sides)) if side is None else side
        if chosen not in sides:
            raise ConfigError(f"embed: {unknown('side', chosen, sides)}")
        inputs = [item for item in self._inputs if item.name in sides[chosen]]
        samples = self._read(self._table(data, inputs), inputs)
        return evaluate.embed(network, task, samples, chosen, batch=batch)

    @torch.no_grad()
    def match(self, data: Any, *, batch: int = 256) -> NDArray[np.float32] | None:
        """How likely each row's query and candidate belong together, both read at once: see `task.rerank`.

        Args:
            data: rows, each with a query and a candidate.
            batch: rows at a time.

        Returns:
            `(n,)`; `None` where the run has no model that reads both.

        Raises:
            DataError: too many values cannot be read; names row and column.
        """
        task, network = self._model()
        return evaluate.match(network, task, self._read(self._table(data), self._inputs), batch=batch)

    def evaluate(self, data: Any, *, batch: int = 256) -> dict[str, Any]:
        """Scores on rows with labels, with intervals, for all inputs and every subset of them.

        Returns:
            What `metrics.json` holds.

        Raises:
            DataError: no target column, or no row with a label.
        """
        task, network = self._model()
        samples = self._labelled(data)
        names = evaluate.subsets(task, [item.name for item in self._inputs])
        found = evaluate.answer_subsets(network, task, samples, names, batch=batch)
        draws = evaluate.weights(samples, seed=self.config.seed)
        return metrics_file(task, found, names, samples, draws)

    @torch.no_grad()
    def robustness(
        self,
        data: Any,
        *,
        rows: int = robustness.ROWS,
        inputs: Sequence[str] | None = None,
        batch: int = 256,
        progress: Callable[[str], None] = lambda about: None,
    ) -> dict[str, Any]:
        """Scores on labelled rows as each input is hidden in more rows, and as its values are made worse.

        Args:
            data: labelled rows that the model never learned from.
            rows: most rows that are scored; of more, so many are drawn, by the config's seed.
            inputs: which inputs to make worse; `None` takes all.
            batch: rows at a time.
            progress: is told what comes next.

        Returns:
            What `robustness.json` holds.

        Raises:
            DataError: no target column, or no row with a label.
            ConfigError: no such input.
        """
        task, network = self._model()
        return robustness.measure(
            network, task, self._inputs, self._labelled(data),
            names=inputs, rows=rows, seed=self.config.seed, batch=batch, progress=progress,
        )  # fmt: skip

    def chat(
        self,
        *,
        question: str | None = None,
        history: str | None = None,
        opening: str | None = None,
        candidates: Sequence[str] | None = None,
        **given: Any,
    ) -> Chat:
        """A dialogue with the model, which keeps the turns and gives them to the model as history.

        Args:
            question: the input of questions; `None` takes the one called `question`, or the only text.
            history: the input that reads what was said; `None` takes the one called `history`, if there is one.
            opening: what opens the dialogue, such as a picture's caption.
            candidates: answers to choose from, for a model that ranks them.
            given: other inputs, the same for every question: `image="photo.png"`. What is not given is missing.

        Raises:
            UserError: no such input, or a value that cannot be read.
        """
        task, _ = self._model()
        return Chat(
            self.predict, self._inputs, task.needs, cache=cache_of(self.config),
            question=question, history=history, opening=opening, candidates=candidates, given=given,
        )  # fmt: skip

    def save(self, folder: str | Path, *, whole: bool = False) -> Path:
        """Writes the model, with the evidence where there is any, to a folder that `load` reads.

        Args:
            folder: of the run.
            whole: copy there the pretrained weights that the model needs beside its own, so that it can be moved to
                another machine. Without it they are looked for where they were.

        Raises:
            ConfigError: `whole`, and a pretrained model that comes by name and not from a folder.
        """
        task, network = self._model()
        folder = Path(folder)
        copied = {item.name: item.modality.copy_base(folder) for item in self._inputs} if whole else {}
        outer, inner = self.config, self.config  # as seen from the run's folder, and from its model's
        for item in self._inputs:
            if (place := copied.get(item.name)) is not None:
                outer = _with_model(outer, item, place.relative_to(folder))
                inner = _with_model(inner, item, ".." / place.relative_to(folder))
        checkpoint.Place(folder, model_files(inner, self._inputs, task)).save("best", network)
        self._fitted().write_evidence(folder)
        write(folder / "config.yaml", configs.dump(outer))
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Learner:
        """A fitted learner from a run folder.

        Raises:
            DataError: no model there, or a damaged one.
        """
        folder = Path(folder)
        config, inputs, task, network = build.restore(checkpoint.find(folder))
        learner = cls.from_config(config)
        learner._inputs, learner._task, learner._network = inputs, task, network
        learner._job = Job(config, folder, inputs=inputs, task=task, network=network)
        learner._job.read_evidence(folder)
        return learner

    def _fitted(self) -> Job:
        if self._job is None:
            raise UserError("this learner is not fitted yet: call fit, or Learner.load")
        return self._job

    def _model(self) -> tuple[Task, Network]:
        if self._task is None or self._network is None:
            raise UserError("this learner is not fitted yet: call fit, or Learner.load")
        return self._task, self._network

    def _table(self, data: Any, inputs: Sequence[Input] | None = None) -> Table:
        """The rows with every input's column; a column that is not there is missing throughout."""
        table = read(data)
        columns = [item.column for item in inputs or self._inputs]
        lacking = [column for column in columns if column not in table.columns]
        if lacking and len(lacking) == len(columns):
            known = ", ".join(columns)
            raise DataError(f"{table.name} has none of the model's input columns ({known})")
        frame = table.frame.assign(**dict.fromkeys(lacking)) if lacking else table.frame
        return Table(frame, table.root, table.name)

    def _labelled(self, data: Any) -> Samples:
        """The rows that have a label.

        Raises:
            DataError: no target column, or no such row.
        """
        task, _ = self._model()
        table = self._table(data)
        for name in task.columns:
            table.column(name)  # a clear error where it is missing
        samples = self._samples(table, with_target=True)
        if not len(samples):
            raise DataError(f"{table.name}: no row has a label in {', '.join(task.columns)}")
        return samples

    def _samples(self, table: Table, *, with_target: bool) -> Samples:
        samples = self._read(table, self._inputs)
        if not with_target:
            return replace(samples, target=self._model()[0].given(table))
        return make_samples(table, samples.stores, [], self._task, self.config)[0]

    def _read(self, table: Table, inputs: Sequence[Input]) -> Samples:
        """Rows without labels."""
        data = self.config.data
        stores, problems = load(table, inputs, memory=data.memory, cache=cache_of(self.config))
        check_unreadable(table, problems, data.max_unreadable)
        return Samples(table, stores)

    def _answers(self, samples: Samples, batch: int) -> Answers:
        task, network = self._model()
        return evaluate.answers(network, task, samples, batch=batch)


def _with_model(config: Config, item: Input, place: Path) -> Config:
    """The config with the pretrained model of one input read from another place."""
    spec = {**config.specs[item.name], "encoder": {**item.encoder, "model": place.as_posix()}}
    return config.replace(inputs={**config.specs, item.name: spec})


def _path(source: Any) -> str | dict[str, Any] | None:
    """Where a table can be found from anywhere; `None` where it is in memory."""
    if isinstance(source, Mapping) and isinstance(source.get("format"), str):
        return {**source, "folder": str(Path(source.get("folder", "")).expanduser().absolute())}
    if isinstance(source, str | os.PathLike) and "://" not in str(source):
        return str(Path(source).expanduser().absolute())
    return None
