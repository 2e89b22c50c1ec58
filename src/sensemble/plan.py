"""What to do with a table when the config leaves it open: which columns are inputs, which task fits the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .config import Config, Spec
from .data.infer import Guess, infer
from .data.table import Table
from .errors import ConfigError, unknown
from .modalities.base import MODALITIES
from .presets import choose_encoders
from .tasks.base import TASKS, Task

LEFT_OUT = ("id", "constant")
"""Kinds of column that are no inputs unless the config says so."""


def complete(config: Config, table: Table) -> tuple[Config, dict[str, str], dict[str, dict[str, str]]]:
    """The config with its inputs and task filled in from the table.

    Returns:
        The config, for each input why it has its modality, and the columns left out, with what they seem to hold.

    Raises:
        ConfigError: no target, or a target, group, split, weight or id that is no column.
    """
    targets, keys = target_columns(config), _target_keys(config.task)
    if not targets and _needs_target(config):
        raise ConfigError("task.target: name the column to predict (on the command line: --target COLUMN)")
    for name in targets:
        if name not in table.columns:
            raise ConfigError(f"task.{keys[0]}: {unknown('column', name, table.columns)}")
    roles = {"group": config.data.group, "split": config.data.split, "weight": config.data.weight, "id": config.data.id}
    for key, column in roles.items():
        if column is not None and column not in table.columns:
            raise ConfigError(f"data.{key}: {unknown('column', column, table.columns)}")
    guesses = infer(table)
    if "name" not in config.task and "tasks" in config.task:
        config = config.replace(task={"name": "several", **config.task})
    if "name" not in config.task:
        name = "regress" if guesses[targets[0]].kind == "number" else "classify"
        config = config.replace(task={"name": name, **config.task})
    inputs, reasons = choose_inputs(config, table, guesses)
    inputs, reasons = choose_encoders(config.replace(inputs=inputs), table, reasons)
    config = config.replace(inputs=inputs)
    return config, reasons, left_out(config, guesses)


def choose_inputs(config: Config, table: Table, guesses: Mapping[str, Guess]) -> tuple[dict[str, Spec], dict[str, str]]:
    """The inputs, as the config names them or as the values suggest, and why each has its modality."""
    if config.inputs is not None:
        return config.inputs, {
            name: _reason(spec, guesses.get(str(spec.get("column", name)))) for name, spec in config.inputs.items()
        }
    chosen = {
        column: guess
        for column, guess in guesses.items()
        if column not in _roles(config) and guess.kind not in LEFT_OUT and guess.kind in MODALITIES
    }
    if not chosen:
        found = ", ".join(f"{column}: {guess.kind}" for column, guess in guesses.items())
        raise ConfigError(f"{table.name} has no column that can be an input ({found}); name them under `inputs:`")
    return (
        {column: {"name": guess.kind} for column, guess in chosen.items()},
        {column: f"inferred: {guess.reason}" for column, guess in chosen.items()},
    )


def left_out(config: Config, guesses: Mapping[str, Guess]) -> dict[str, dict[str, str]]:
    """The columns that are no inputs and have no other role, with what they seem to hold: `type` and `reason`."""
    used = {str(spec.get("column", name)) for name, spec in config.specs.items()} | _roles(config)
    return {name: {"type": guess.kind, "reason": guess.reason} for name, guess in guesses.items() if name not in used}


def _roles(config: Config) -> set[str]:
    """The columns that mean something else than an input."""
    data = config.data
    return {
        *target_columns(config),
        *config.lessons,
        *(name for name in (data.group, data.split, data.weight, data.id) if name),
    }


def target_columns(config: Config) -> list[str]:
    """The columns that the task wants to predict, before the task is made; none where the config names none."""
    return _targets(config.task)


def _targets(task: Mapping[str, Any]) -> list[str]:
    inner = task.get("tasks")
    if isinstance(inner, Mapping):  # several tasks in one
        found = (name for each in inner.values() if isinstance(each, Mapping) for name in _targets(each))
        return list(dict.fromkeys(found))
    given = [task.get(key) or [] for key in _target_keys(task)]
    return [str(name) for names in given for name in ([names] if isinstance(names, str) else names)]


def _target_keys(task: Mapping[str, Any]) -> tuple[str, ...]:
    """The task's options that name such columns."""
    name = task.get("name")
    return TASKS[name].target_keys if isinstance(name, str) and name in TASKS else Task.target_keys


def _needs_target(config: Config) -> bool:
    name = config.task.get("name")
    return TASKS[name].needs_target if name in TASKS else True


def _reason(spec: Mapping[str, object], guess: Guess | None) -> str:
    if guess is None:
        return "named in the config"
    if guess.kind == spec.get("name"):
        return "named in the config"
    return f"named in the config; from the values alone it would be {guess.kind} ({guess.reason})"
