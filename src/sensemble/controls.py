"""Blind controls: does the model use what it is given, and would less than looking have done as well?

On the same test rows stand the model's own answers with every input hidden (`blind`), its answers when one input's
values are those of other rows (`shuffled:NAME`), and the labels of the most alike training rows (`nearest`). Each is
compared with the model by the paired bootstrap, as the verdict's other rivals are.

Legend: n rows, m rows present, D features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from . import evaluate
from .data.load import Input
from .data.rows import Samples
from .metrics.base import Array, difference
from .network import Network
from .tasks.base import Answers, Task

BLIND, NEAREST, SHUFFLED = "blind", "nearest", "shuffled:"
NEIGHBOURS = 5000
"""Training rows among which the nearest is looked for; of more, so many are drawn."""
CHUNK = 512
"""Test rows compared with them at a time."""
FEW = 0.5
"""Below this share of rows whose value changed, a shuffled input that changes no score says little."""
_TITLES = {BLIND: "all hidden", NEAREST: "nearest row"}
_PHRASES = {BLIND: "itself with the input hidden", NEAREST: "the text of the most alike training row"}


@dataclass(frozen=True)
class Control:
    """What a control answers.

    Args:
        answers: one a test row.
        changed: share of the test rows that were shown another value than their own; `None` but for shuffled inputs.
        how: what one must know of it, a sentence; may be empty.
    """

    answers: Answers
    changed: float | None = None
    how: str = ""


def answer(
    network: Network, task: Task, inputs: Sequence[Input], train: Samples, test: Samples, *, seed: int
) -> dict[str, Control]:
    """The controls' answers for the test rows.

    Args:
        network: the model of all inputs.
        task: fitted.
        inputs: the model's.
        train: labelled rows, to copy from.
        test: the rows to answer.
        seed: of the shuffles, and of the training rows drawn.
    """
    stores, views, changed = dict(test.stores), [dict[str, str]()], []
    every = {item.name: item.name for item in inputs}
    for number, item in enumerate(inputs):
        store = test.stores[item.name]
        others = elsewhere(store.index.numpy(), seed=seed * 1009 + number)
        stores[SHUFFLED + item.name] = replace(store, index=store.index[torch.from_numpy(others)])
        views.append({**every, item.name: SHUFFLED + item.name})
        changed.append(float((stores[SHUFFLED + item.name].index != store.index).float().mean()))
    blind, *shuffled = evaluate.answer_views(network, task, replace(test, stores=stores), views)
    found = {BLIND: Control(blind)}
    for item, given, share in zip(inputs, shuffled, changed, strict=True):
        found[SHUFFLED + item.name] = Control(given, share)
    copied = nearest(network, task, inputs, train, test, seed=seed)
    return found if copied is None else {**found, NEAREST: copied}


def elsewhere(values: np.ndarray[Any, Any], *, seed: int) -> np.ndarray[Any, Any]:
    """For each row, the row whose value it is shown instead: another row with another value, where there is one.

    Rows change places with rows that have a value, too; what is missing stays missing. Every value is shown as often as
    it was there. In a random order of the values, with equal ones side by side, all rows move on by the size of the
    largest group: no group of equal values then meets itself, unless it holds more than half of the rows.

    Args:
        values: `(n,)` the number of each row's value, -1 where missing.
        seed: of the order.

    >>> elsewhere(np.array([7, 7, -1, 8, 8]), seed=0).tolist()
    [4, 3, 2, 1, 0]
    """
    random = np.random.default_rng(seed)
    rows = np.flatnonzero(values >= 0)
    result = np.arange(len(values))
    if len(rows) < 2:
        return result
    _, which, counts = np.unique(values[rows], return_inverse=True, return_counts=True)
    order = rows[np.lexsort((random.permutation(len(rows)), random.permutation(len(counts))[which]))]
    largest = int(counts.max())
    result[order] = np.roll(order, -(largest if largest < len(rows) else 1))
    return result


@torch.no_grad()
def nearest(
    network: Network, task: Task, inputs: Sequence[Input], train: Samples, test: Samples, *, seed: int
) -> Control | None:
    """The label of the training row that is most alike, for each test row: the nearest neighbour's caption.

    Alike is by the sum of the inputs' cosines. Of an input it is the mean of its tokens that is compared, around the
    training rows' mean. Where tokens are features made without the target (frozen encoders, ready-made vectors), they
    are taken as they are, else as the model encodes them. A test row with no input gets the trivial answer.

    Returns:
        `None` where the task copies no labels.
    """
    count = len(train)
    if count > NEIGHBOURS:
        drawn = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:NEIGHBOURS]
        train = train.take(drawn.sort().values.numpy())
    assert train.target is not None
    copied = task.copied(train.target)
    if copied is None:
        return None
    known, asked = features(network, inputs, train), features(network, inputs, test)
    means = [each.sum(0) / (each.abs().sum(1) > 0).sum().clamp(min=1) for each in known]
    left, right = (torch.cat([_unit(*pair) for pair in zip(each, means, strict=True)], 1) for each in (asked, known))
    place = torch.cat([(part @ right.T).argmax(1) for part in torch.split(left, CHUNK)]).tolist()
    present = torch.stack([store.present for store in test.stores.values()]).any(0).tolist()
    trivial = task.trivial(len(test))
    answers = [copied[at] if here else trivial[row] for row, (at, here) in enumerate(zip(place, present, strict=True))]
    made = isinstance(trivial, np.ndarray)
    return Control(np.stack(answers) if made else answers, how=_how(inputs, len(train), count))


@torch.no_grad()
def features(network: Network, inputs: Sequence[Input], samples: Samples, *, batch: int = 256) -> list[Tensor]:
    """By input, what rows are compared by, `(n, D)`; zeros where the input is missing."""
    device = next(network.parameters()).device
    network.eval()
    parts: list[list[Tensor]] = [[] for _ in inputs]
    for given in samples.stream(samples.batches(batch)):
        for part, item in zip(parts, inputs, strict=True):
            tokens = given.inputs[item.name].clean()
            if not item.modality.are_features:
                tokens = network.encode({item.name: tokens.to(device)})[item.name]
            part.append(tokens.mean().float().cpu())
    return [torch.cat(part) for part in parts]


def measure(
    task: Task, fused: Answers, controls: Mapping[str, Control], samples: Samples, draws: Array
) -> dict[str, dict[str, Any]]:
    """The task's metric of each control, and by how much the model is better, as `verdict.json` holds them."""
    assert samples.target is not None
    own = task.metrics(fused, samples.target)[task.metric]
    result = {}
    for name, control in controls.items():
        other = task.metrics(control.answers, samples.target)[task.metric]
        score, gain = evaluate.interval(other, draws), difference(own, other, len(samples), draws)
        result[name] = {"what": title(name), **{key: score[key] for key in ("value", "low", "high")}}
        result[name]["gain"] = {"value": gain.value, "low": gain.low, "high": gain.high}
        if control.changed is not None:
            result[name]["changed"] = control.changed
    return result


def title(name: str) -> str:
    """A control's name in a few words."""
    return _TITLES.get(name, f"shuffled {name.removeprefix(SHUFFLED)}")


def lines(verdict: Mapping[str, Any]) -> list[str]:
    """The controls for a terminal."""
    found = verdict["controls"]
    width = max((len(each["what"]) for each in found.values()), default=0)
    result = [f"Controls, and how much better the model is ({verdict['metric']} {verdict['fused']:.3f}):"]
    for each in found.values():
        value, low, high = (each["gain"][key] for key in ("value", "low", "high"))
        result.append(f"  {each['what']:<{width}}  {each['value']:.3f}  {value:+.3f} [{low:+.3f}, {high:+.3f}]")
    return result if found else []


def notes(controls: Mapping[str, Control], found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the controls warn of, and how they were made."""
    result, idle = [], []
    for name, each in found.items():
        gain = each["gain"]
        if gain["low"] > 0:
            continue
        size = f"({gain['value']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}])"
        if name == BLIND:
            result.append(f"With every input hidden the model is not clearly worse {size}: no use of them is shown.")
        elif name == NEAREST:
            result.append(
                f"The model is not clearly better than copying the text of the most alike training row {size}."
            )
        else:
            share = each["changed"]
            few = f" (though only {share:.0%} of the rows got another value)" if share < FEW else ""
            idle.append(name.removeprefix(SHUFFLED) + few)
    if idle:
        own = ", ".join(idle)
        result.append(f"With values from other rows the model is not clearly worse, so no use is shown of: {own}.")
    return result + [control.how for control in controls.values() if control.how]


def sentence(
    metric: str, own: str, fused: float, trivial: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]
) -> str:
    """What the controls say of a model of one input, in plain words.

    Args:
        metric: its name in words.
        own: the input's name.
        fused: the model's score.
        trivial: of the trivial baseline, as `found` holds a control's.
        found: from `measure`.
    """
    shuffled = found[SHUFFLED + own]
    other = f"with {own} from other rows it scores {shuffled['value']:.3f}"
    if not shuffled["gain"]["low"] > 0:
        return f"No use of {own} shown: the model scores {fused:.3f} {metric}; {other}."
    rivals = {"the trivial answer": trivial}
    rivals |= {_PHRASES[name]: each for name, each in found.items() if name in _PHRASES}
    rival = min(rivals, key=lambda name: float(np.nan_to_num(rivals[name]["gain"]["value"], nan=np.inf)))
    gain = rivals[rival]["gain"]
    size = f"{gain['value']:+.3f} {metric} [{gain['low']:+.3f}, {gain['high']:+.3f}]"
    if gain["low"] > 0:
        return f"The input {own} is used: {size} over {rival}; {other}."
    return f"The input {own} is used, but to no clear gain: {size} over {rival}; {other}."


def _unit(vectors: Tensor, mean: Tensor) -> Tensor:
    """Vectors around the mean, of length 1; what is missing, all zeros, stays so."""
    missing = (vectors == 0).all(1, keepdim=True)
    return F.normalize((vectors - mean).masked_fill(missing, 0), dim=1)


def _how(inputs: Sequence[Input], used: int, count: int) -> str:
    ready = [item.name for item in inputs if item.modality.are_features]
    learned = [item.name for item in inputs if not item.modality.are_features]
    parts = [f"{', '.join(ready)} by features made without the target"] if ready else []
    parts += [f"{', '.join(learned)} as the model itself encodes it"] if learned else []
    among = f"{used:,} of {count:,} training rows, drawn at random" if used < count else f"{count:,} training rows"
    return f"The nearest training row was looked for among {among}: {'; '.join(parts)}."
