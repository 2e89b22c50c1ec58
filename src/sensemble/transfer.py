"""`init: RUN`: weights of another run where name and shape agree, and an account of what agreed.

Rows of a table of words are matched by the words, as two runs' vocabularies differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from . import config as configs
from .checkpoint import WEIGHTS, find, learned
from .config import Config
from .data.load import Input
from .errors import DataError
from .files import read_json
from .modalities.base import MODALITIES
from .network import Network
from .tasks.base import Task

HEAD, FUSION = "head", "fusion"


def initialise(network: Network, inputs: Sequence[Input], task: Task, config: Config) -> dict[str, Any]:
    """Takes the weights that the config's `init` names into a network, where it names any.

    Args:
        network: freshly made, for all of the inputs or some of them.
        inputs: fitted.
        task: fitted.
        config: of the new run.

    Returns:
        What `init.json` holds: for each part how many of its tensors came, of how many, and words or the reason
        where some did not. Empty without `init`.

    Raises:
        DataError: no run there, or a damaged one.
    """
    if config.init is None:
        return {}
    folder = find(Path(config.init))
    try:
        saved, state = load_file(folder / WEIGHTS), read_json(folder / "state.json")
        other = configs.read(folder / "config.yaml")
        theirs = {name: (str(other.specs[name]["name"]), known) for name, known in state["inputs"].items()}
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"init: cannot read the model in {folder}: {error}") from error
    parts: dict[str, Any] = {}
    for item in (item for item in inputs if item.name in network.modalities):
        prefixes = network.prefixes(item.name)
        words = _words(item, *theirs[item.name]) if item.name in theirs else None
        parts[item.name] = _take(network, saved, prefixes, words)
    reason = _other_fusion(network, config, other, list(theirs))
    parts[FUSION] = _take(network, saved, [FUSION + "."], refused=reason)
    parts[HEAD] = _take(network, saved, [HEAD + "."], refused=_other_head(task, config, other, state["task"]))
    return {"format": 1, "run": str(config.init), "parts": parts}


def lines(found: Mapping[str, Any]) -> list[str]:
    """The account for a terminal, one line a part."""
    result = []
    for name, part in found.get("parts", {}).items():
        words = f", {part['words']:,} of {part['vocabulary']:,} words" if "words" in part else ""
        reason = f" ({part['reason']})" if part.get("reason") else ""
        result.append(f"init: {name}: {part['taken']} of {part['tensors']} tensors{words}{reason}.")
    return result


Words = tuple[list[str], list[str]]
"""What the ids of a new and of an old vocabulary stand for, from id 0 on."""


def _take(
    network: Network,
    saved: Mapping[str, Tensor],
    prefixes: Sequence[str],
    words: Words | None = None,
    refused: str = "",
) -> dict[str, Any]:
    """Copies the tensors under some prefixes, and counts them."""
    heads = {name for name, _ in network.named_buffers() if name.startswith(HEAD + ".")}  # the prior is the new rows'
    own = {
        name: tensor
        for name, tensor in learned(network).items()
        if name.startswith(tuple(prefixes)) and name not in heads
    }
    taken, lacking, matched = 0, [], 0
    for name, tensor in own.items():
        old = saved.get(name)
        if refused or old is None:
            lacking.append(name)
        elif words is not None and _is_table(tensor, old, words):
            pairs = _pairs(words)
            matched = len(pairs)
            tensor[pairs[:, 0]] = old[pairs[:, 1]].to(tensor)
            taken += 1
        elif old.shape == tensor.shape:
            tensor.copy_(old)
            taken += 1
        else:
            lacking.append(name)
    reason = refused
    if lacking and not refused:
        first = lacking[0]
        here = tuple(saved[first].shape) if first in saved else None
        shape = f"is {here} there and {tuple(own[first].shape)} here" if here else "is not there"
        reason = f"{first} {shape}"
    result: dict[str, Any] = {"taken": taken, "tensors": len(own), "reason": reason}
    return {**result, "words": matched, "vocabulary": len(words[0])} if words is not None and matched else result


def _is_table(tensor: Tensor, old: Tensor, words: Words) -> bool:
    sizes = len(tensor) == len(words[0]) and len(old) == len(words[1]) if tensor.dim() and old.dim() else False
    return sizes and tensor.dim() > 1 and tensor.shape[1:] == old.shape[1:]


def _pairs(words: Words) -> Tensor:
    """`(n, 2)`: the new and the old id of each word that both know."""
    places = {word: place for place, word in enumerate(words[1])}
    found = [(place, places[word]) for place, word in enumerate(words[0]) if word in places]
    return torch.tensor(found, dtype=torch.long).view(-1, 2)


def _words(item: Input, kind: str, state: Mapping[str, Any]) -> Words | None:
    """The vocabularies of an input here and there; `None` where its tokens are not words of its own."""
    own = item.modality.words()
    if own is None or kind != item.kind:
        return None
    try:
        return own, MODALITIES[kind]().restore(dict(state)).words() or []
    except (KeyError, TypeError, DataError):
        return None


def _other_fusion(network: Network, config: Config, other: Config, names: Sequence[str]) -> str:
    """Why the fusion cannot be taken, if so."""
    if config.fusion["name"] != other.fusion["name"]:
        return f"{other.fusion['name']} there, {config.fusion['name']} here"
    if list(network.fusion.names) != [name for name in other.specs if name in names]:
        return f"of {', '.join(names)} there, of {', '.join(network.fusion.names)} here"
    return ""


def _other_head(task: Task, config: Config, other: Config, state: Mapping[str, Any]) -> str:
    """Why the head cannot be taken, if so: another task, or other labels."""
    if config.task.get("name") != other.task.get("name"):
        return f"task {other.task.get('name')} there, {config.task.get('name')} here"
    ours, theirs = task.state().get("classes_"), state.get("classes_")
    if ours != theirs:
        return f"{len(theirs or [])} labels there, {len(ours or [])} here, or others"
    return ""
