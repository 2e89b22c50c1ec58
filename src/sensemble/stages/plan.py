"""The stages of a training, as a config says them: what is seen, what learns, by which objective; and presets.

stages:
  - {name: space, task: contrast, train: [encoders, fusion], epochs: 30}
  - {name: head, inputs: [caption], valid_inputs: [photo], train: head, lr: 1e-2}
  - {name: easy, rows: {type: [colour, size]}, epochs: 3}
  - {name: words, target: alt_text, epochs: 3}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from ..errors import ConfigError, unknown
from ..registry import check, convert, options
from ..train_config import TrainConfig

Spec = dict[str, Any]
PARTS = ("all", "encoders", "fusion", "head")
"""What may learn, beside single inputs by their names."""
PAIRED = ("contrast",)
"""Objectives that need two inputs or more."""
FINE = 0.1
"""Learning rate of `staged`'s last stage, as a share of the run's."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One training of several that follow each other, each from the weights of the one before.

    Args:
        name: stands in `history.jsonl`; unlike the other stages'.
        inputs: that are seen; `None`: all. Training rows that have none of them are left out.
        valid_inputs: that are seen in validation; `None`: the same.
        rows: which rows it learns from, and which validate it, where any do: those whose columns, by name, hold a
            value, or one of a list; `null` is a missing one. `None`: all.
        target: columns that it learns instead of the task's own, by the same head, as a task that writes texts can;
            rows without it are left out, rows without the task's own target are not. `None`: the task's own.
        train: parts that learn: `all`, `encoders` (with what brings them to the common width), `fusion`, `head`,
            or an input's name for its encoder. All others stand still, without dropout.
        task: name and options of a self-supervised objective; `None`: the run's own task.
        head: `own`: a new head of the stage's own, right on the inputs' tokens without the fusion, dropped after it.
        settings: the run's `train:` with what the stage says otherwise. With a self-supervised objective, `hide` is
            0 unless the stage names it.
    """

    name: str = ""
    inputs: list[str] | None = None
    valid_inputs: list[str] | None = None
    rows: dict[str, Any] | None = None
    target: list[str] | None = None
    train: list[str] = dataclasses.field(default_factory=lambda: ["all"])
    task: Any = None
    head: Literal["shared", "own"] = "shared"
    settings: TrainConfig

    def learns(self, part: str) -> bool:
        """Whether a part learns: `fusion`, `head`, or an input by its name."""
        if part not in PARTS and self.inputs is not None and part not in self.inputs:
            return False
        return "all" in self.train or part in self.train or (part not in PARTS and "encoders" in self.train)


def joint(names: Sequence[str], train: TrainConfig) -> list[Spec]:
    """Synchronous: all inputs, all parts, at once."""
    return [{}]


def staged(names: Sequence[str], train: TrainConfig) -> list[Spec]:
    """Asynchronous: each input alone with a head of its own; then the fusion of what stands; then all, gently."""
    if len(names) < 2:
        return [{}]
    alone = [{"name": f"{name} alone", "inputs": [name], "head": "own"} for name in names]
    return [
        *alone,
        {"name": "fusion", "train": ["fusion", "head"]},
        {"name": "all", "lr": train.lr * FINE},
    ]


def semi(names: Sequence[str], train: TrainConfig, *, on: str) -> list[Spec]:
    """Semi-synchronous: a common space of all inputs by contrast; then a head on one input, validated on the others.

    Args:
        on: the input that has labels, so to say: from it alone the head learns.
    """
    others = [name for name in names if name != on]
    return [
        {"name": "common space", "task": "contrast", "train": ["encoders", "fusion"]},
        {"name": f"head on {on}", "inputs": [on], "valid_inputs": others or None, "train": ["head"]},
    ]


PRESETS: dict[str, Callable[..., list[Spec]]] = {"joint": joint, "staged": staged, "semi": semi}


def plan(spec: Any, train: TrainConfig, names: Sequence[str], *, only: Sequence[str] | None = None) -> list[Stage]:
    """The stages of a training.

    Args:
        spec: a preset's name, a mapping of its name and options, or a list of stages as mappings.
        train: the run's settings.
        names: of all inputs; none where they are not known yet, which checks everything else.
        only: the inputs that a model has, where it has not all of them. What the stages say of others is left out;
            where then some part would never learn, the training is joint.

    Raises:
        ConfigError: an unknown key, preset, input or part, or a value of the wrong type.
    """
    given = _specs(spec, train, names)
    stages = [_stage(each, train, names, f"stages, number {place}") for place, each in enumerate(given, 1)]
    if not stages:
        raise ConfigError("stages: needs one stage at least, or leave the key out")
    if len(stages) > 1:
        stages = [replace(s, name=s.name or f"stage {place}") for place, s in enumerate(stages, 1)]
    doubled = {stage.name for stage in stages if [each.name for each in stages].count(stage.name) > 1}
    if doubled:
        raise ConfigError(f"stages: two are named {min(doubled)!r}; give each a name of its own")
    if stages[-1].target:
        raise ConfigError("stages: the last one is to learn the run's own target; leave its key 'target' out")
    if only is not None and set(only) != set(names):
        stages = _restrict(stages, only, train)
    return stages


def lessons(stages: Sequence[Stage]) -> list[str]:
    """The columns that stages learn instead of the task's own."""
    return list(dict.fromkeys(column for stage in stages for column in stage.target or ()))


def _specs(spec: Any, train: TrainConfig, names: Sequence[str]) -> list[Any]:
    if isinstance(spec, Sequence) and not isinstance(spec, str):
        return list(spec)
    given = {"name": spec} if isinstance(spec, str) else spec
    if not isinstance(given, Mapping):
        raise ConfigError(f"stages: needs a list of stages, or a preset ({', '.join(PRESETS)}), not {spec!r}")
    name = given.get("name")
    if name not in PRESETS:
        raise ConfigError(f"stages: {unknown('preset', name, PRESETS)}")
    own = check(PRESETS[name], {k: v for k, v in given.items() if k != "name"}, where=f"stages ({name})")
    if names and own.get("on", names[0]) not in names:
        raise ConfigError(f"stages.on: {unknown('input', own['on'], names)}")
    return PRESETS[name](names, train, **own)


def _stage(spec: Any, train: TrainConfig, names: Sequence[str], where: str) -> Stage:
    if not isinstance(spec, Mapping):
        raise ConfigError(f"{where}: needs a mapping of keys, such as {{train: head, epochs: 5}}, not {spec!r}")
    own, common = dict(spec), options(TrainConfig)
    known = [field.name for field in fields(Stage) if field.name != "settings"]
    for key in own:
        if key not in known and key not in common:
            raise ConfigError(unknown(f"key in {where}", key, [*known, *common]))
    changes = {key: own.pop(key) for key in list(own) if key in common}
    if own.get("task") is not None:
        own["task"] = _objective(own["task"], where)
        changes = {"hide": 0.0, **changes}
    for key in ("inputs", "valid_inputs", "train", "target"):
        if isinstance(own.get(key), str):
            own[key] = [own[key]]
    for key in ("inputs", "valid_inputs", "train") if names else ():
        for name in own.get(key) or []:
            parts = PARTS if key == "train" else ()
            if name not in names and name not in parts:
                raise ConfigError(f"{where}, key {key!r}: {unknown('input', name, [*parts, *names])}")
    try:
        settings = replace(train, **check(TrainConfig, changes, where=where))
    except ConfigError as error:
        text = str(error)
        raise ConfigError(text if text.startswith((where, "unknown")) else f"{where}: {text}") from None
    hints = {name: field.annotation for name, field in options(Stage).items()}
    values = {key: convert(value, hints[key], where=f"{where}, key {key!r}") for key, value in own.items()}
    stage = Stage(**values, settings=settings)
    if stage.task is not None and stage.head == "own":
        raise ConfigError(f"{where}: a self-supervised task brings its own head; leave `head` out")
    if stage.task is not None and stage.target is not None:
        raise ConfigError(f"{where}: a self-supervised task learns no column; leave `target` out")
    for key in ("inputs", "train", "valid_inputs", "rows", "target"):
        if getattr(stage, key) in ([], {}):
            raise ConfigError(f"{where}, key {key!r}: name one at least")
    if names and stage.task and stage.task["name"] in PAIRED and len(stage.inputs or names) < 2:
        raise ConfigError(f"{where}: the task {stage.task['name']} needs two inputs or more")
    return stage


def _objective(task: Any, where: str) -> Spec:
    if isinstance(task, str):
        return {"name": task}
    if not isinstance(task, Mapping) or not isinstance(task.get("name"), str):
        raise ConfigError(f"{where}, key 'task': needs a name, or a mapping of name and options, not {task!r}")
    return {str(key): value for key, value in task.items()}


def _restrict(stages: Sequence[Stage], only: Sequence[str], train: TrainConfig) -> list[Stage]:
    """The stages for a model of some of the inputs; joint training where they would leave a part untouched."""
    kept = []
    for stage in stages:
        seen = [name for name in only if stage.inputs is None or name in stage.inputs]
        parts = [part for part in stage.train if part in PARTS or part in only]
        if not seen or not parts or (stage.task and stage.task["name"] in PAIRED and len(seen) < 2):
            continue
        valid = [name for name in stage.valid_inputs or [] if name in only] or None
        kept.append(replace(stage, inputs=seen, valid_inputs=valid, train=parts))
    needed = ["fusion", "head", *only]
    if not all(any(stage.learns(part) and _reaches(stage, part) for stage in kept) for part in needed):
        return [Stage(settings=train)]
    return kept


def _reaches(stage: Stage, part: str) -> bool:
    """Whether a stage's loss depends on a part at all."""
    if part == "head":
        return stage.task is None and stage.head == "shared"
    return part != "fusion" or stage.head == "shared"
