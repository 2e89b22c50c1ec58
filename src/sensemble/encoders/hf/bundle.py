"""A pretrained model's files: found in a folder or on the hub, checked, and told apart by their content.

Only JSON and safetensors are read: no pickle, and no code that lies beside the weights.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ...config import MODEL_MARKS
from ...errors import ConfigError, unknown
from ...files import replace_folder, write

FILES = (
    "config.json", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json",
    "video_preprocessor_config.json", "sentence_bert_config.json",
)  # fmt: skip
"""What rebuilds a model without its weights."""
POOLING = "1_Pooling/config.json"
"""How sentence-transformers pool; under this name whatever their folder calls it."""
VOCABULARY = ("vocab.txt", "vocab.json", "merges.txt", "special_tokens_map.json")
"""What makes a tokenizer where there is no `tokenizer.json`."""
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
VERSION = 1
"""Part of every digest: raised when the same files come to give other features."""
LARGEST = 64 * 2**20
"""Bytes of a JSON file beyond which it is refused."""
LEADS_ON = re.compile(r"auto_map|transformers_weights|_?\w+_implementation(_internal)?")
"""Settings that name code (beside the weights, or on the hub) or other weights: they are left out."""
HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
INSTALL = "pip install 'sensemble[pretrained]'"


@dataclass(frozen=True)
class Bundle:
    """What a model is made from.

    Args:
        files: small text files by name.
        folder: where the weights lie; `None` builds the model untrained.
        digest: of the files and the weights.
    """

    files: Mapping[str, str]
    folder: Path | None
    digest: str

    @property
    def config(self) -> dict[str, Any]:
        """The model's settings, without those that name code or other weights to load."""
        found: dict[str, Any] = _plain(self.json("config.json"))
        return found

    @property
    def kind(self) -> str:
        """The architecture's name, such as `bert`."""
        return str(self.json("config.json").get("model_type", ""))

    def json(self, name: str) -> dict[str, Any]:
        """A file's mapping; empty where there is no such file.

        Raises:
            ConfigError: it is damaged.
        """
        try:
            found = json.loads(self.files.get(name, "{}"))
        except ValueError as error:
            raise ConfigError(f"{self.folder}: {name} is damaged ({error})") from error
        if not isinstance(found, dict):
            raise ConfigError(f"{self.folder}: {name} is damaged (not a mapping)")
        return found

    def copy(self, folder: Path) -> None:
        """Writes all that `read_folder` wants, and nothing else, to another folder."""
        assert self.folder is not None
        with replace_folder(folder) as new:
            for name, text in self.files.items():
                write(new / name, text)
            for path in [*_weights(self.folder), *(self.folder / name for name in (INDEX, *VOCABULARY))]:
                if path.exists():
                    shutil.copyfile(path, new / path.name)


def find(model: str, *, names: Sequence[str] = (), where: str = "") -> Bundle:
    """A model by the name that the user gave it.

    Args:
        model: a folder, or the ID of a model on the hub, which is fetched unless it is there already.
        names: other names that would have been known, for messages.
        where: the config key, for messages.

    Raises:
        ConfigError: nothing there, or nothing that may be read; says what would be.
    """
    place = Path(model).expanduser()
    path = model.startswith((".", "~")) or place.is_absolute() or not HUB_ID.fullmatch(model)
    if place.is_dir() and (path or holds_model(place)):
        return read_folder(place.absolute(), where=where)
    if path:
        raise ConfigError(f"{where}: there is no folder {model}; give one with config.json and {WEIGHTS}")
    return read_folder(_from_hub(model, names, where), where=where)


def read_folder(folder: Path, *, where: str = "") -> Bundle:
    """The model in a folder.

    Raises:
        ConfigError: it lacks its config or its weights in safetensors, or holds an adapter alone.
    """
    root, pooling = folder, folder / POOLING
    try:
        for module in json.loads(_text(folder / "modules.json") or "[]"):  # a sentence-transformers folder
            kind, path = str(module["type"]).rsplit(".", 1)[-1], Path(str(module["path"]))
            if path.is_absolute() or ".." in path.parts:
                raise ConfigError(f"{where}: {folder}: modules.json leads out of its folder ({path})")
            if kind == "Transformer":
                root = folder / path
            elif kind == "Pooling":
                pooling = folder / path / "config.json"
    except (TypeError, KeyError, AttributeError, json.JSONDecodeError) as error:
        raise ConfigError(f"{where}: {folder}: modules.json is damaged ({error!r})") from error
    places = {**{name: root / name for name in FILES}, POOLING: pooling}
    texts = {name: _text(path) for name, path in places.items()}
    files = {name: text for name, text in texts.items() if text is not None}
    if "config.json" not in files:
        raise ConfigError(f"{where}: {folder} holds no config.json; give the folder of a pretrained model")
    if (root / "adapter_config.json").exists():
        raise ConfigError(f"{where}: {folder} holds an adapter; merge it into its base model first")
    weights = _weights(root)
    if not weights:
        pickled = any(root.glob("*.bin")) or any(root.glob("*.pt*"))
        found = "only pickled weights, which are never read" if pickled else "no weights"
        raise ConfigError(
            f"{where}: {folder} holds {found}; give a folder with {WEIGHTS} (transformers' `save_pretrained` writes it)"
        )
    digest = hashlib.blake2b(f"transformers {VERSION}".encode(), digest_size=20)
    for name in sorted(files):
        digest.update(f"\0{name}\0{len(files[name])}\0{files[name]}".encode())
    for path in weights:
        state = path.stat()
        digest.update(f"\0{path.name}\0".encode() + _hash(path, state.st_size, state.st_mtime_ns))
    return Bundle(files, root, digest.hexdigest())


def holds_model(folder: Path) -> bool:
    """Whether a folder looks like that of a pretrained model."""
    return any((folder / name).is_file() for name in MODEL_MARKS)


def need(package: str) -> Any:
    """An optional package.

    Raises:
        ConfigError: it is missing; names the command that installs it.
    """
    try:
        return __import__(package)
    except ImportError as error:
        raise ConfigError(f"pretrained encoders need the package {package!r}; install it: {INSTALL}") from error


def _plain(value: Any) -> Any:
    """Settings without those that lead on to something else."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: _plain(each) for key, each in value.items() if not LEADS_ON.fullmatch(key)}


def _from_hub(model: str, names: Sequence[str], where: str) -> Path:
    """The folder where the hub's client keeps a model: as it is, else fetched."""
    wanted = [*FILES, *VOCABULARY, "modules.json", POOLING, "model*.safetensors", INDEX]
    need("transformers")
    from huggingface_hub import snapshot_download

    folder = None
    for local in (True, False):
        try:
            folder = Path(snapshot_download(model, allow_patterns=wanted, local_files_only=local))
        except Exception as error:  # its client raises whatever its network raises
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        else:
            if (folder / "config.json").exists():
                return folder
            reason = "it holds no config.json"
    raise ConfigError(
        f"{where}: {unknown('pretrained model', model, names)}. As an ID of the hub it is not here and cannot be "
        f"fetched ({reason}). Or give a folder with config.json and {WEIGHTS}"
    )


def _weights(folder: Path) -> list[Path]:
    """The files with the weights: one, or those that an index names."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    index = _text(folder / INDEX)
    if index is None:
        return []
    try:
        names = sorted(set(json.loads(index)["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ConfigError(f"{folder / INDEX} is damaged ({error!r})") from error
    if not all(isinstance(name, str) and Path(name).name == name and name.endswith(".safetensors") for name in names):
        raise ConfigError(f"{folder / INDEX} names files that are no safetensors beside it")
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ConfigError(f"{folder} lacks {missing[0]}, which its index names")
    return [folder / name for name in names]


def _text(path: Path) -> str | None:
    try:
        if path.stat().st_size > LARGEST:
            raise ConfigError(f"{path} is larger than {LARGEST // 2**20} MiB")
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({error})") from error


@cache
def _hash(path: Path, size: int, changed: int) -> bytes:
    """Of a file's content; once for each state of it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
