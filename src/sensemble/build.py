"""From a config and the training rows to inputs, a task and a network; and back from a saved folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from . import config as configs
from .checkpoint import load_weights
from .config import Config, Spec, component
from .data.load import Input, Missing, resolve
from .data.table import Table
from .encoders import base as encoders
from .errors import ConfigError, DataError, Unreadable, unknown
from .files import read_json
from .fusion.base import FUSIONS, NoFusion
from .impute import How, Imputer
from .modalities.base import MODALITIES
from .network import Network
from .registry import convert, load_plugins
from .tasks.base import TASKS, Task

INPUT_KEYS = ("column", "encoder", "missing", "impute")
"""Keys of an input that are not options of its modality."""
FIT_SAMPLE = 50_000
"""Training rows from which vocabularies and scales are learned."""


def make_inputs(config: Config, columns: Sequence[str]) -> list[Input]:
    """The inputs of a complete config, their modalities not yet fitted.

    Raises:
        ConfigError: an unknown modality, column or option.
    """
    inputs = []
    for name, spec in config.specs.items():
        where = f"inputs.{name}"
        kind, options = component(spec, MODALITIES, where=where)
        own: Spec = {key: options.pop(key) for key in INPUT_KEYS if key in options}
        column = convert(own.get("column", name), str, where=f"{where}.column")
        if column not in columns:
            raise ConfigError(f"{where}.column: {unknown('column', column, columns)}")
        inputs.append(
            Input(
                name=name,
                column=column,
                kind=kind,
                modality=encoders.create_modality(kind, options, own.get("encoder", {}), where=where),
                encoder=own.get("encoder", {}),
                missing=convert(own.get("missing", "mask"), Missing, where=f"{where}.missing"),
                impute=convert(own.get("impute", "most_frequent"), How, where=f"{where}.impute"),
            )
        )
    return inputs


def fit_inputs(inputs: Sequence[Input], table: Table, *, seed: int) -> None:
    """Fits the modalities on the training rows' present values.

    Raises:
        DataError: an input without a single value.
    """
    for item in inputs:
        values = [resolve(value, item.modality, table.root) for value in table.column(item.column) if value is not None]
        if not values:
            raise DataError(
                f"{table.name}, column {item.column!r}: every training row lacks it; leave the input {item.name!r} out"
            )
        if len(values) > FIT_SAMPLE:
            chosen = torch.randperm(len(values), generator=torch.Generator().manual_seed(seed))[:FIT_SAMPLE]
            values = [values[index] for index in chosen.tolist()]
        try:
            item.modality.fit(values)
        except Unreadable as error:
            raise DataError(f"{table.name}, column {item.column!r}, as {item.kind}: {error}") from error


def make_task(config: Config) -> Task:
    """The task of a config, not yet fitted.

    Raises:
        ConfigError: no such task or option, or no inputs where the task cannot do without.
    """
    name, options = component(config.task, TASKS, where="task")
    task = TASKS.create(name, where="task", **options)
    task.bind({name: str(spec.get("column", name)) for name, spec in config.specs.items()})
    if config.lessons:
        task.also(config.lessons)
    return task.without_inputs() if config.inputs == {} else task


def make_network(config: Config, inputs: Sequence[Input], task: Task, *, only: Sequence[str] | None = None) -> Network:
    """A freshly initialised network for fitted inputs and task; the same seed gives the same weights.

    Args:
        only: the names of the inputs to take, for the models of single inputs that a verdict needs.
    """
    torch.manual_seed(config.seed)
    chosen = [item for item in inputs if only is None or item.name in only]
    built = {
        item.name: encoders.create(item.kind, item.modality, item.encoder, where=f"inputs.{item.name}.encoder")
        for item in chosen
    }
    name, options = component(config.fusion, FUSIONS, where="fusion")
    if built:
        fusion = task.fusion(
            lambda names: FUSIONS.create(name, names, config.width, where="fusion", **options), list(built)
        )
    else:
        fusion = NoFusion(config.width)
    imputers = {
        item.name: Imputer(
            item.impute, name=item.name, others=tuple(name for name in built if name != item.name), width=config.width
        )
        for item in chosen
        if item.missing == "impute" and len(chosen) > 1  # what lacks its only input has nothing to guess for
    }
    modalities = {item.name: item.modality for item in chosen}
    network = Network(modalities, built, fusion, task.head(config.width), imputers)
    task.begin(network)
    return network


def state(inputs: Sequence[Input], task: Task) -> dict[str, Any]:
    """What was fitted, as plain JSON values: vocabularies, scales, labels."""
    return {
        "format": 1,
        "inputs": {item.name: item.modality.state() for item in inputs},
        "task": task.state(),
    }


def restore(folder: Path) -> tuple[Config, list[Input], Task, Network]:
    """A model from the folder of a checkpoint.

    Raises:
        DataError: a file is missing or damaged.
    """
    try:
        config = configs.read(folder / "config.yaml")
        saved: Mapping[str, Any] = read_json(folder / "state.json")
        load_plugins(config.plugins)
        columns = [str(spec.get("column", name)) for name, spec in config.specs.items()]
        inputs = make_inputs(config, columns)
        for item in inputs:
            item.modality.restore(saved["inputs"][item.name])
        task = make_task(config).restore(saved["task"])
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{folder} holds no readable model: {error}") from error
    network = make_network(config, inputs, task)
    load_weights(network, folder)
    network.eval()
    return config, inputs, task, network
