"""Robustness: the score of a fitted model as each input is hidden in more and more rows, or made worse and worse.

A curve goes from the score on the rows as they are, at level 0, to the score with all that the level 1 means; every
point is scored on the same rows under the same bootstrap resamples. What a level of a corruption is, in pixels,
decibels or shares, `corrupt.py` says.

Legend: n rows, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import evaluate
from .data.load import CHUNK, Input
from .data.rows import Samples, Store
from .data.table import is_missing
from .errors import ConfigError, Unreadable, unknown
from .metrics.base import Array, Metric, difference
from .network import Network
from .tasks.base import Answers, Task

LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
ROWS = 1000
"""Rows that are scored; of more, so many are drawn."""
HIDDEN = "hidden"
"""The name of the curve over the share of rows in which an input is hidden."""


@dataclass(frozen=True)
class Curve:
    """One input made worse in one way.

    Args:
        input: its name.
        how: `hidden`, or the corruption's name.
        unit: what amounts count.
        amounts: one a level; `None` at the level 0.
        answers: one a level above 0, each for all rows.
    """

    input: str
    how: str
    unit: str
    amounts: Sequence[float | None]
    answers: Sequence[Answers]


def measure(
    network: Network,
    task: Task,
    inputs: Sequence[Input],
    samples: Samples,
    *,
    names: Sequence[str] | None = None,
    rows: int = ROWS,
    seed: int = 0,
    batch: int = 256,
    progress: Callable[[str], None] = lambda about: None,
) -> dict[str, Any]:
    """What `robustness.json` holds.

    Args:
        network: the model.
        task: fitted.
        inputs: the model's.
        samples: labelled rows that it never learned from.
        names: the inputs to make worse; `None` takes all.
        rows: most rows that are scored; of more, so many are drawn.
        seed: of the rows drawn, of what is hidden, of all corruptions and of the bootstrap.
        batch: rows at a time.
        progress: is told what comes next.

    Raises:
        ConfigError: no such input, or no rows wanted.
    """
    known = [item.name for item in inputs]
    for name in names or ():
        if name not in known:
            raise ConfigError(f"robustness: {unknown('input', name, known)}")
    if not known:
        raise ConfigError("robustness: this model has no input that could be made worse")
    if rows < 2:
        raise ConfigError(f"robustness: rows must be at least 2, not {rows}")
    given = len(samples)
    if given > rows:
        samples = samples.take(np.sort(np.random.default_rng(seed).permutation(given)[:rows]))
    assert samples.target is not None
    target = samples.target
    draws = evaluate.weights(samples, seed=seed)
    (clean,) = evaluate.answer_subsets(network, task, samples, [known], batch=batch)

    def scored(answers: Answers) -> Metric:
        return _once(task.metrics(answers, target)[task.metric], draws)

    base = scored(clean)
    trivial = task.metrics(task.trivial(len(samples)), target)[task.metric]
    made = []
    for item in inputs:
        if names is None or item.name in names:
            for curve in _curves(network, task, inputs, item, samples, seed=seed, batch=batch, progress=progress):
                made.append(_summary(curve, base, [scored(each) for each in curve.answers], draws))
    return {
        "format": 1,
        "metric": task.metric,
        "higher": base.higher,
        "rows": len(samples),
        "of": given,
        "seed": seed,
        "clean": evaluate.interval(base, draws),
        "trivial": float(trivial.statistic(np.ones((1, len(samples))))[0]),
        "curves": made,
    }


def lines(found: Mapping[str, Any]) -> list[str]:
    """The curves for a terminal."""
    base = found["clean"]
    drawn = f", drawn from {found['of']:,}" if found["of"] > found["rows"] else ""
    score = f"{base['value']:.3f} [{base['low']:.3f}, {base['high']:.3f}]"
    result = [
        f"{found['metric']} {score} on {found['rows']:,} rows{drawn}; "
        f"without looking {found['trivial']:.3f}. As each input gets worse:"
    ]
    titles = [f"{each['input']}: {each['how']}" for each in found["curves"]]
    width = max(map(len, titles), default=0)
    head = "  ".join(f"{level:>5.0%}" for level in LEVELS)
    result.append(f"  {'':<{width}}  {head}   area under the curve")
    for title, each in zip(titles, found["curves"], strict=True):
        values = "  ".join(f"{point['value']:5.3f}" for point in each["points"])
        area = each["area"]
        result.append(f"  {title:<{width}}  {values}   {area['value']:.3f} [{area['low']:.3f}, {area['high']:.3f}]")
    return result


def hide(store: Store, share: float, *, seed: Sequence[int]) -> Store:
    """The same values, hidden in a share of all rows: of a larger share, the same rows and more."""
    order = np.random.default_rng(seed).permutation(len(store.index))
    index = store.index.clone()
    index[torch.from_numpy(order[: round(share * len(order))])] = -1
    return replace(store, index=index)


def worsen(store: Store, name: str, level: float, *, seed: Sequence[int]) -> Store:
    """The same rows with every value made worse, each by chance of its own; what is missing stays missing.

    Nothing of it is kept on disk. A value that cannot be read any more, or of which nothing is left, is missing.

    Args:
        store: of the rows as they are.
        name: of a corruption of its modality.
        level: 0 to 1.
        seed: of the chance; a row's is its own at every level.
    """
    modality = store.modality
    index = torch.full_like(store.index, -1)
    parts: list[Tensor] = []
    raws: list[Any] = []
    here = torch.nonzero(store.index >= 0).flatten().tolist()
    for start in range(0, len(here), CHUNK):
        rows, worse = [], []
        for row in here[start : start + CHUNK]:
            raw = store.raws[int(store.index[row])]
            try:
                value = modality.corrupt(raw, name, level, np.random.default_rng([*seed, row]))
            except Unreadable:
                continue
            if not is_missing(value):
                rows.append(row)
                worse.append(value)
        for row, raw, loaded in zip(rows, worse, modality.load_many(worse), strict=True):
            if isinstance(loaded, Tensor):
                index[row] = len(parts)
                parts.append(loaded)
                raws.append(raw)
    empty = torch.zeros(0, *modality.shape, dtype=modality.dtype)
    lengths = torch.tensor([len(each) for each in parts], dtype=torch.int64)
    return Store(modality, index, lengths, torch.cat(parts) if parts else empty, raws)


def _curves(
    network: Network,
    task: Task,
    inputs: Sequence[Input],
    item: Input,
    samples: Samples,
    *,
    seed: int,
    batch: int,
    progress: Callable[[str], None],
) -> Iterator[Curve]:
    """All curves of one input, made and answered one level after another, so that little is held at once."""
    every = {each.name: each.name for each in inputs}
    place = [each.name for each in inputs].index(item.name)
    store = samples.stores[item.name]

    def answer(worse: Store) -> Answers:
        own = replace(samples, stores={**samples.stores, item.name: worse})
        return evaluate.answer_views(network, task, own, [every], batch=batch)[0]

    progress(f"{item.name}: {HIDDEN}")
    found = [answer(hide(store, level, seed=[seed, place])) for level in LEVELS[1:]]
    yield Curve(item.name, HIDDEN, "share of rows", [None, *LEVELS[1:]], found)
    for number, (name, corruption) in enumerate(item.modality.corruptions().items(), 1):
        progress(f"{item.name}: {name}")
        found = [answer(worsen(store, name, level, seed=[seed, place, number])) for level in LEVELS[1:]]
        yield Curve(item.name, name, corruption.unit, [None, *map(corruption.amount, LEVELS[1:])], found)


def _summary(curve: Curve, base: Metric, worse: Sequence[Metric], draws: Array) -> dict[str, Any]:
    """A curve's points with their intervals, and the area under it."""
    metrics = [base, *worse]
    points = []
    for level, amount, metric in zip(LEVELS, curve.amounts, metrics, strict=True):
        change = difference(metric, base, draws.shape[1], draws)
        points.append(
            {
                "level": level,
                "amount": amount,
                **evaluate.interval(metric, draws),
                "change": {"value": change.value, "low": change.low, "high": change.high},
            }
        )
    area = evaluate.interval(_area(metrics), draws)
    return {
        "input": curve.input,
        "how": curve.how,
        "unit": curve.unit,
        "area": {key: area[key] for key in ("value", "low", "high")},
        "points": [{key: value for key, value in point.items() if key != "rows"} for point in points],
    }


def _area(metrics: Sequence[Metric]) -> Metric:
    """The mean height of a curve over the levels, by trapezoids: that of a flat one is its score."""

    def statistic(weights: Array) -> Array:
        return np.asarray(np.trapezoid([each.statistic(weights) for each in metrics], LEVELS, axis=0))

    return Metric(statistic, metrics[0].higher)


def _once(metric: Metric, draws: Array) -> Metric:
    """The same metric, which knows its values under the resamples: they are asked for several times."""
    known = metric.statistic(draws)
    return Metric(lambda weights: known if weights is draws else metric.statistic(weights), metric.higher)
