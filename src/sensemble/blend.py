"""Blends: trained runs combined by their answers, how being learned on validation rows only.

Members may read different inputs, and be of any size; they must answer the same question with the same labels. A blend
is saved as a small JSON file that names its runs and what they held: it refuses runs that have changed since.

Legend: n rows, K answers of a row, m members.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from . import checkpoint, evaluate
from .data.read import read
from .data.rows import Samples
from .errors import ConfigError, DataError, UserError, unknown
from .files import read_json, write_json
from .learner import Learner
from .metrics.base import difference
from .tasks.base import Answers, Stacker, Task

How = Literal["mean", "weights", "stack"]
STEPS = 40
"""Members are added to a weighted mean so many times: weights are multiples of a fortieth or less fine."""
MODEL_FILES = (checkpoint.WEIGHTS, "state.json", "config.yaml")
"""What a run's digest is of."""


class Blend:
    """Several fitted learners as one.

    Args:
        members: fitted, or folders of runs; two at least.
        how: `mean` of their answers; `weights`, a weighted mean whose weights are searched on validation rows; `stack`,
            the task's late stacking fitted on validation rows (logistic or ridge regression, votes for texts). A mean
            needs answers that are numbers; any task can be stacked. With few validation rows take `mean`.

    Fitted: `weights_`, one a member; `None` for a stack.

    Source of the search: Caruana et al. 2004, "Ensemble Selection from Libraries of Models", section 2.1: the member
    that raises the score most is added, again and again, and the best of all mixtures on the way is kept.

    >>> import sensemble as se
    >>> table = se.generate.redundant(300, seed=0)
    >>> task, rest = {"target": "label"}, {"train": {"epochs": 2}, "verdict": "off"}
    >>> alone = [se.Learner({name: "vector"}, task, **rest).fit(table) for name in ("left", "right")]
    >>> Blend(alone, how="mean").fit().weights_
    [0.5, 0.5]
    """

    def __init__(self, members: Sequence[Learner | str | Path], how: How = "mean") -> None:
        if how not in get_args(How):
            raise ConfigError(f"blend: {unknown('how', how, get_args(How))}")
        if len(members) < 2:
            raise ConfigError(f"blend: needs two runs or more, not {len(members)}")
        self.members = [each if isinstance(each, Learner) else Learner.load(each) for each in members]
        self.how: How = how
        self.weights_: list[float] | None = None
        self._stacker: Stacker | None = None
        self._valid: Path | None = None
        first = self._task
        self.names = [_name(each, place) for place, each in enumerate(self.members)]
        for name, each in zip(self.names[1:], self.members[1:], strict=True):
            _check_alike(first, each._model()[0], self.names[0], name)
        if how != "stack" and not _are_numbers(first):
            raise ConfigError(f"blend: the answers of this task are no numbers to take a {how} of; use how: stack")

    def fit(self, valid: Any = None) -> Blend:
        """Learns the weights or the stacking. Returns self.

        Args:
            valid: labelled rows that no member learned from and that are not for testing; not read for `mean`.

        Raises:
            ConfigError: rows are needed and none given, or a member was trained on that file.
            DataError: no target column, or no row with a label.
        """
        if self.how == "mean":
            self.weights_ = [1 / len(self.members)] * len(self.members)
            return self
        if valid is None:
            raise ConfigError(f"blend: {self.how} are fitted on validation rows; give some (--valid)")
        self._valid = Path(valid).absolute() if isinstance(valid, str | os.PathLike) else None
        for name, each in zip(self.names, self.members, strict=True):
            if self._valid is not None and str(self._valid) == each.config.data.train:
                raise ConfigError(f"blend: {name} learned from {self._valid.name}; give rows that no run has seen")
        found, samples = self._answers(valid, labelled=True)
        assert samples.target is not None
        if self.how == "stack":
            self._stacker = self._task.stack(found, samples.target)
        else:
            self.weights_ = search([np.asarray(each) for each in found], self._score(samples))
        return self

    def predict(self, data: Any) -> list[dict[str, Any]]:
        """Answers for new rows, in their order: records as `Learner.predict` gives them."""
        table = read(data)
        found, _ = self._answers(table, labelled=False)
        records = self._task.records(self._combined(found))
        name = self.members[0].config.data.id
        if name in table.columns:
            return [{str(name): key, **each} for key, each in zip(table.column(str(name)), records, strict=True)]
        return records

    def evaluate(self, data: Any) -> dict[str, Any]:
        """Scores on labelled rows, with intervals, beside those of each member.

        Returns:
            As `metrics.json`, without subsets; `members` is a list of `name`, `weight` (`null` in a stack), `value`,
            `low`, `high` of the task's metric, and `gain`: by how much the blend is better, on the same resamples.
        """
        found, samples = self._answers(data, labelled=True)
        assert samples.target is not None
        blended = self._combined(found)
        draws = evaluate.weights(samples, seed=self.members[0].config.seed)
        metric = self._task.metrics(blended, samples.target)[self._task.metric]
        members = []
        for place, (name, each) in enumerate(zip(self.names, found, strict=True)):
            own = self._task.metrics(each, samples.target)[self._task.metric]
            score, gain = evaluate.interval(own, draws), difference(metric, own, len(samples), draws)
            members.append(
                {
                    "name": name,
                    "weight": None if self.weights_ is None else self.weights_[place],
                    **{key: score[key] for key in ("value", "low", "high")},
                    "gain": {"value": gain.value, "low": gain.low, "high": gain.high},
                }
            )
        return {
            "format": 1,
            "metric": self._task.metric,
            "higher": metric.higher,
            "how": self.how,
            "test": evaluate.scores(self._task, blended, samples, draws),
            "subsets": {},
            "members": members,
        }

    def save(self, path: str | Path) -> Path:
        """Writes a JSON file that names the runs, relative to itself; move them together.

        Raises:
            UserError: not fitted, a member that is in no folder, or a stack whose validation rows came from no file.
        """
        path = Path(path).absolute()
        self._check_fitted()
        if self.how == "stack" and self._valid is None:
            raise UserError("a stack is saved with the file of its validation rows: give fit a file")
        runs = []
        for name, each in zip(self.names, self.members, strict=True):
            folder = each._fitted().folder
            if folder is None or not folder.exists():
                raise UserError(f"{name} is in no folder yet: save it (Learner.save), load it and blend it again")
            runs.append({"path": _relative(folder, path), "digest": digest(folder)})
        valid = None
        if self.how == "stack" and self._valid is not None:
            valid = {"path": _relative(self._valid, path), "digest": _digest([self._valid])}
        write_json(path, {"format": 1, "how": self.how, "runs": runs, "weights": self.weights_, "valid": valid})
        return path

    @classmethod
    def load(cls, path: str | Path) -> Blend:
        """A saved blend. A stack is fitted again on its validation rows, which must be what they were.

        Raises:
            DataError: no blend, or a run or the validation rows have changed or gone.
        """
        path = Path(path).absolute()
        try:
            saved = read_json(path)
            runs = [(path.parent / each["path"], str(each["digest"])) for each in saved["runs"]]
            how, weights, valid = saved["how"], saved["weights"], saved["valid"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} holds no blend ({type(error).__name__}: {error})") from error
        for folder, known in runs:
            if digest(folder) != known:
                raise DataError(f"{folder} is not the run that was blended: blend anew (sensemble blend)")
        blend = cls([folder for folder, _ in runs], how)
        if valid is not None:
            rows = path.parent / valid["path"]
            if not rows.is_file() or _digest([rows]) != valid["digest"]:
                raise DataError(f"{rows} does not hold the rows that were stacked on: blend anew (sensemble blend)")
            return blend.fit(rows)
        blend.weights_ = None if weights is None else [float(each) for each in weights]
        return blend

    @property
    def _task(self) -> Task:
        return self.members[0]._model()[0]

    def _check_fitted(self) -> None:
        if self.weights_ is None and self._stacker is None:
            raise UserError("this blend is not fitted yet: call fit")

    def _answers(self, data: Any, *, labelled: bool) -> tuple[list[Answers], Samples]:
        """Each member's answers for the same rows."""
        table = read(data)
        found = []
        for each in self.members:
            samples = each._labelled(table) if labelled else each._samples(each._table(table), with_target=False)
            found.append(each._answers(samples, 256))
        return found, samples

    def _combined(self, found: Sequence[Answers]) -> Answers:
        self._check_fitted()
        if self._stacker is not None:
            return self._stacker(found)
        assert self.weights_ is not None
        return mix([np.asarray(each) for each in found], self.weights_)

    def _score(self, samples: Samples) -> Callable[[NDArray[Any]], float]:
        """How good answers are, more being better; what has no score is worst."""

        def score(answers: NDArray[Any]) -> float:
            assert samples.target is not None
            metric = self._task.metrics(answers, samples.target)[self._task.metric]
            value = float(metric.statistic(np.ones((1, len(samples))))[0])
            return -np.inf if np.isnan(value) else value if metric.higher else -value

        return score


def search(answers: Sequence[NDArray[Any]], score: Callable[[NDArray[Any]], float]) -> list[float]:
    """The weights of a mean of answers that score best: members are added greedily, each as often as it helps.

    Args:
        answers: one array `(n, K)` a member.
        score: of answers; more is better.

    Returns:
        m weights that add up to 1. Of equal mixtures the one found first, with the fewest members, is taken.

    >>> search([np.array([[1.0]]), np.array([[0.0]])], lambda mixed: -abs(float(mixed[0, 0]) - 0.5))
    [0.5, 0.5]
    """
    counts = np.zeros(len(answers))
    best, weights = -np.inf, np.full(len(answers), 1 / len(answers))
    for step in range(1, STEPS + 1):
        tried = [(counts + extra) / step for extra in np.eye(len(answers))]
        scores = [score(mix(answers, each)) for each in tried]
        place = int(np.argmax(scores))
        counts[place] += 1
        if scores[place] > best:
            best, weights = scores[place], tried[place]
    return [float(each) for each in weights]


def mix(answers: Sequence[NDArray[Any]], weights: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """The weighted mean of arrays of one shape."""
    mixed: NDArray[np.float64] = np.tensordot(np.asarray(weights), np.stack(answers), axes=1)  # (m,), (m, n, K)
    return mixed


def lines(found: dict[str, Any]) -> list[str]:
    """The members' scores for a terminal, and the blend's gain over each."""
    width = max(len(each["name"]) for each in found["members"])
    result = [f"{found['metric']} of each run, and how much better the blend is:"]
    for each in found["members"]:
        score = f"{each['value']:.3f} [{each['low']:.3f}, {each['high']:.3f}]"
        gain = "{value:+.3f} [{low:+.3f}, {high:+.3f}]".format(**each["gain"])
        weight = "" if each["weight"] is None else f"  weight {each['weight']:.2f}"
        result.append(f"  {each['name']:<{width}}  {score}  {gain}{weight}")
    return result


def digest(folder: Path) -> str:
    """What tells a run's model from another.

    Raises:
        DataError: no model there.
    """
    place = checkpoint.find(folder)
    return _digest([place / name for name in MODEL_FILES])


def _digest(paths: Sequence[Path]) -> str:
    found = hashlib.blake2b(digest_size=20)
    for path in paths:
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20)).digest())
    return found.hexdigest()


def _relative(path: Path, origin: Path) -> str:
    """A path as seen from the folder of a file, with forward slashes."""
    return Path(os.path.relpath(path.absolute(), origin.parent)).as_posix()


def _name(member: Learner, place: int) -> str:
    folder = member._fitted().folder
    return f"run {place + 1}" if folder is None else folder.name


def _check_alike(one: Task, other: Task, name: str, own: str) -> None:
    """Refuses members that answer different questions."""
    asked, answered = (f"{type(task).__name__.lower()} {', '.join(task.columns)}" for task in (one, other))
    if asked != answered:
        raise ConfigError(f"blend: {name} was trained to {asked}, but {own} to {answered}: blend runs of one task")
    keys, others = (list(task.records(task.trivial(1))[0]) for task in (one, other))
    if keys != others:
        lacking = [key for key in (*keys, *others) if (key in keys) != (key in others)]
        shown = f"; only one has {', '.join(lacking[:3])}" if lacking else ""
        raise ConfigError(f"blend: {name} and {own} have different labels{shown}: train them on the same ones")


def _are_numbers(task: Task) -> bool:
    """Whether a mean of answers is an answer: one row of numbers for each row."""
    answers = task.trivial(1)
    return isinstance(answers, np.ndarray) and answers.ndim == 2
