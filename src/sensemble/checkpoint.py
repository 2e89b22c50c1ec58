"""Models on disk: a folder with the weights (safetensors) and what rebuilds the model (YAML, JSON). No pickle.

What a pretrained body brings and training leaves alone is not among the weights: it is read from where it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from .errors import DataError
from .files import read_json, recover, remove_folder, replace_folder, write, write_json
from .network import Network

WEIGHTS, OPTIMIZER, PROGRESS = "network.safetensors", "optimizer.safetensors", "progress.json"


@dataclass(frozen=True)
class Place:
    """Where a training keeps its models.

    Args:
        folder: holds `best/` and `last/`.
        extras: text files written into each, by name: what a reader needs beside the weights.
    """

    folder: Path
    extras: Mapping[str, str]

    def clear(self) -> None:
        """Removes what an earlier training left."""
        for name in ("best", "last"):
            remove_folder(self.folder / name)

    def save(self, name: str, network: Network) -> None:
        """Writes `best` or `last` without the optimiser."""
        with replace_folder(self.folder / name) as new:
            self._write(new, learned(network))

    def amend(self, name: str) -> None:
        """Writes the extras beside the weights of `best` or `last` anew, each file whole or not at all."""
        if recover(self.folder / name):
            for file, text in self.extras.items():
                write(self.folder / name / file, text)

    def save_last(self, network: Network, optimizer: torch.optim.Optimizer, progress: dict[str, Any]) -> None:
        """Writes `last` with all that a resumed run needs."""
        with replace_folder(self.folder / "last") as new:
            self._write(new, learned(network, resumed=True))
            save_file(optimizer_tensors(optimizer), new / OPTIMIZER)
            write_json(new / PROGRESS, progress)

    def load_last(self, network: Network, optimizer: torch.optim.Optimizer) -> dict[str, Any] | None:
        """Reads `last` into a network and its optimiser; `None` where there is nothing to resume."""
        folder = self.folder / "last"
        if not recover(folder) or not (folder / PROGRESS).exists():
            return None
        load_weights(network, folder)
        try:
            load_optimizer(optimizer, load_file(folder / OPTIMIZER))
            progress: dict[str, Any] = read_json(folder / PROGRESS)
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            raise DataError(f"cannot resume from {folder}: {error}; remove the folder to train anew") from error
        return progress

    def progress(self) -> dict[str, Any]:
        """What `save_last` was told last; empty where nothing is kept."""
        path = self.folder / "last" / PROGRESS
        found: dict[str, Any] = read_json(path) if path.exists() else {}
        return found

    def _write(self, folder: Path, state: Mapping[str, Tensor]) -> None:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / WEIGHTS)
        for name, text in self.extras.items():
            write(folder / name, text)


def find(run: Path) -> Path:
    """The folder of a run's model: `best/`, or `last/` where the run was stopped before its first validation.

    Raises:
        DataError: no run there.
    """
    for name in ("best", "last"):
        if recover(run / name):
            return run / name
    if recover(run) and (run / WEIGHTS).exists():
        return run
    raise DataError(f"{run} holds no trained model (no best/ or last/): give the folder that `fit --run` wrote")


def load_weights(network: Network, folder: Path) -> None:
    """Reads the weights of a folder into a network of the same build.

    Raises:
        DataError: a damaged file, or weights of another model.
    """
    try:
        set_learned(network, load_file(folder / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise DataError(f"cannot load {folder / WEIGHTS}: {first}") from error


def learned(network: Network, *, resumed: bool = False) -> dict[str, Tensor]:
    """A network's state without what pretrained bodies brought.

    Args:
        network: the model.
        resumed: with what only a training needs that is to be resumed.
    """
    left = network.given() if resumed else network.given() | network.passing()
    return {name: tensor for name, tensor in network.state_dict().items() if name not in left}


def set_learned(network: Network, state: Mapping[str, Tensor]) -> None:
    """Undoes `learned`; what passes stays as it is where the state lacks it.

    Raises:
        RuntimeError: something else is missing, left over or of another shape.
    """
    given = network.given()
    kept = given | network.passing()
    brought = {name: tensor for name, tensor in network.state_dict().items() if name in kept}
    left_over = sorted(given & set(state))
    if left_over:
        raise RuntimeError(f"{left_over[0]} belongs to the pretrained body, yet is saved")
    network.load_state_dict({**brought, **state})


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's state as flat tensors: `NUMBER.exp_avg` and so on."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{key}": torch.as_tensor(value).contiguous()
        for index, values in state.items()
        for key, value in values.items()
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Undoes `optimizer_tensors`."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    whole = optimizer.state_dict()
    whole["state"] = state
    optimizer.load_state_dict(whole)
