"""The fusion verdict: did using the inputs together help, and is the evidence enough to say so?

On the same test rows stand the fused model, every single input trained alone in the same way, late stacking of
those single models (fitted on the validation rows), and the trivial baseline. The gain is the paired bootstrap
of the fused model minus the best single input. As the best one is picked by its score on these very rows, the
comparison leans against fusion, never for it. Beside them stand the blind controls of `controls.py`; of a model of one
input they are all that can be said.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from . import controls, evaluate
from .build import make_network
from .checkpoint import Place
from .config import Config
from .controls import Control
from .data.load import Input
from .data.rows import Samples
from .metrics.base import Array, Estimate, difference
from .stages.run import fit
from .tasks.base import Answers, Task
from .train import Progress
from .transfer import initialise

SINGLES_SHARE = 2.0
"""With `verdict: auto`, all single models together may take this many times as long as the fit took."""
LEAST_SECONDS = 20.0
"""They may always take this long: it matters to nobody."""


def singles(
    config: Config,
    inputs: Sequence[Input],
    task: Task,
    parts: dict[str, Samples],
    *,
    seconds: float,
    place: Callable[[str], Place | None] = lambda name: None,
    resume: bool = False,
) -> Iterator[tuple[str, Progress | dict[str, Answers]]]:
    """Trains each input alone, with the same encoder, fusion, head and settings as the fused model.

    Args:
        parts: the rows of `train`, `valid` and `test`.
        seconds: how long the fit took: the measure of the budget.
        place: where a single model is kept.
        resume: go on from what is kept.

    Yields:
        `(name, progress)` while training, then `(name, answers)` with those for `valid` and `test`, and
        `"cut"`, whether time ran out.
    """
    budget = float("inf") if config.verdict == "full" else max(SINGLES_SHARE * seconds, LEAST_SECONDS)
    sets = rivals(task, [item.name for item in inputs])
    alone = [item for item in inputs if item.name in sets]
    for done, item in enumerate(sorted(alone, key=lambda item: _bulk(parts["train"], item))):
        network = make_network(config, inputs, task, only=sets[item.name])
        initialise(network, inputs, task, config)
        own = {name: part.only(sets[item.name]) for name, part in parts.items()}
        learn = own["train"].take(np.flatnonzero(own["train"].stores[item.name].present.numpy()))
        started, share, cut = time.monotonic(), budget / (len(alone) - done), False
        steps = fit(
            network, task, learn, own.get("valid"), config,
            seed=config.seed, place=place(item.name), resume=resume,
        )  # fmt: skip
        validated = False
        for progress in steps:
            yield item.name, progress
            validated = validated or progress.valid is not None
            if validated and time.monotonic() - started > share:
                cut = progress.step < progress.steps
                steps.close()  # type: ignore[attr-defined]
                break
        budget -= time.monotonic() - started
        found: dict[str, Answers] = {
            name: evaluate.answers(network, task, own[name]) for name in ("valid", "test") if name in own
        }
        yield item.name, {**found, "cut": [cut]}


def rivals(task: Task, names: Sequence[str]) -> dict[str, list[str]]:
    """The inputs that are trained alone, by name, each with all those that it cannot do without.

    They are those of the first side that has several: the others of that side are left out. Empty where no side has:
    then nothing is fused.
    """
    sides = task.sides(names).values()
    side: tuple[str, ...] = next((own for own in sides if len(own) > 1), ())
    return {name: [each for each in names if each == name or each not in side] for name in side}


def _bulk(samples: Samples, item: Input) -> int:
    """How much there is to read of an input: the small ones go first and leave their time to the large ones."""
    return int(samples.stores[item.name].size(torch.arange(len(samples))).sum()) * math.prod(item.modality.shape)


def judge(
    task: Task,
    fused: Answers,
    alone: dict[str, dict[str, Answers]],
    parts: dict[str, Samples],
    draws: Array,
    blind: Mapping[str, Control] | None = None,
) -> dict[str, Any]:
    """The verdict, as `verdict.json` holds it.

    Args:
        fused: the fused model's answers for the test rows.
        alone: by input, that model's answers for `valid` and `test`; of a single input, the model's own for `test`.
        parts: the labelled rows of `valid` and `test`.
        draws: bootstrap resamples of the test rows.
        blind: the controls' answers for the test rows.
    """
    test = parts["test"]
    assert test.target is not None
    rivals: dict[str, Answers] = {name: found["test"] for name, found in alone.items()}
    rivals["trivial"] = task.trivial(len(test))
    tasks = dict.fromkeys(rivals, task)  # each with what it chooses on the validation rows, as the model itself
    if "valid" in parts and len(alone) > 1:
        known = parts["valid"].target
        assert known is not None
        tasks |= {name: task.tuned(found["valid"], known) for name, found in alone.items()}
        stacker = task.stack([found["valid"] for found in alone.values()], known)
        rivals["stacking"] = stacker([found["test"] for found in alone.values()])
        tasks["stacking"] = task.tuned(stacker([found["valid"] for found in alone.values()]), known)
    metric = task.metrics(fused, test.target)[task.metric]
    others = {name: tasks[name].metrics(given, test.target)[task.metric] for name, given in rivals.items()}
    sign = 1 if metric.higher else -1
    values = {name: evaluate.interval(each, draws) for name, each in {"fused": metric, **others}.items()}
    best = max(alone, key=lambda name: np.nan_to_num(sign * values[name]["value"], nan=-np.inf))
    rows = len(test)
    gain = difference(metric, others[best], rows, draws)
    over_stacking = difference(metric, others["stacking"], rows, draws) if "stacking" in others else None
    over_trivial = difference(metric, others["trivial"], rows, draws)
    blind = blind or {}
    measured = controls.measure(task, fused, blind, test, draws)
    decision = "fusion_helps" if gain.low > 0 else "fusion_hurts" if gain.high < 0 else "no_gain"
    synergy = decision == "fusion_helps" and over_stacking is not None and over_stacking.low > 0
    cut = [name for name, found in alone.items() if found["cut"][0]]
    said = sentence(task.metric, decision, gain, best, synergy)
    if len(alone) == 1:
        decision = "single_input"
        trivial = {"gain": _plain(over_trivial)}
        said = controls.sentence(_words(task.metric), best, values["fused"]["value"], trivial, measured)
    return {
        "format": 1,
        "metric": task.metric,
        "higher": metric.higher,
        "rows": rows,
        "fused": values["fused"]["value"],
        "singles": {name: values[name]["value"] for name in alone},
        "best_single": best,
        "trivial": values["trivial"]["value"],
        "stacking": values["stacking"]["value"] if "stacking" in values else None,
        "gain": _plain(gain),
        "gain_over_stacking": _plain(over_stacking) if over_stacking else None,
        "gain_over_trivial": _plain(over_trivial),
        "intervals": {name: [each["low"], each["high"]] for name, each in values.items()},
        "verdict": decision,
        "synergy": synergy,
        "sentence": said,
        "controls": measured,
        "notes": _notes(cut, over_stacking, over_trivial, len(alone)) + controls.notes(blind, measured),
    }


def sentence(metric: str, decision: str, gain: Estimate, best: str, synergy: bool) -> str:
    """The verdict in plain words."""
    size = f"{gain.value:+.3f} {_words(metric)} [{gain.low:+.3f}, {gain.high:+.3f}]"
    if decision == "fusion_helps":
        text = f"Fusion helps: {size} over the best single input ({best})."
        if synergy:
            text += " The inputs say more together than their separate answers combined: synergy."
        return text
    if decision == "fusion_hurts":
        return f"Fusion hurts: {size} against the best single input. Ship {best} only."
    return f"No gain shown: fusion is {size} over the best single input. Ship {best} only, or bring more test rows."


def _notes(cut: Sequence[str], stacking: Estimate | None, trivial: Estimate, inputs: int) -> list[str]:
    notes = []
    if trivial.low <= 0:
        notes.append("The model is not clearly better than the trivial baseline: there is little to compare.")
    if stacking is not None and stacking.high < 0:
        notes.append("Late stacking of the single models is better than this fusion: another fusion may be, too.")
    if cut:
        names = ", ".join(cut)
        notes.append(
            f"Time ran out before the models of {names} had finished; with `verdict: full` they train to the end."
        )
    if inputs == 1:
        notes.append("There is only one input, so there is nothing to fuse.")
    return notes


def _words(metric: str) -> str:
    """A metric's name."""
    plain = metric.replace("_", " ")
    return plain.replace("roc auc", "ROC-AUC").replace("pr auc", "PR-AUC").replace("cider", "CIDEr")


def _plain(estimate: Estimate) -> dict[str, Any]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}
