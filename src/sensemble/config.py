"""The config of a run: frozen dataclasses, to and from YAML. Whatever a run does stands in its config.

A component is written as its name, or as a mapping of `name` and options; in Python also as the class itself
or `functools.partial(Class, option=value)`. Component options are checked where the component is made.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from .errors import ConfigError, unknown
from .registry import Registry, check
from .stages.plan import lessons, plan
from .train_config import TrainConfig

Spec = dict[str, Any]
"""A component: `{"name": ..., option: value, ...}`."""


DEFAULT_FUSION = "gate"
MODEL_MARKS = ("config.json", "modules.json")
"""Files of which one is in the folder of every pretrained model."""
RESERVED = ("fused", "stacking", "trivial")
"""Names that stand beside the inputs' in verdicts."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which rows, and what their columns mean beside inputs and target."""

    train: str | dict[str, Any] | None = None
    """Table, folder of class folders, or mapping that names a published layout (`{format: coco_captions, ...}`), to
    learn from; paths start at the config's folder."""
    valid: str | dict[str, Any] | None = None
    """Rows for early stopping and stacking; else split from `train`."""
    test: str | dict[str, Any] | None = None
    """Rows for the evidence; else split from `train`."""
    split: str | None = None
    """Column that says train, valid or test; else random, stratified by the target."""
    group: str | None = None
    """Column whose groups (a user, a patient) never straddle a split, and are resampled whole."""
    id: str | None = None
    """Column copied beside the predictions, and never an input by itself."""
    weight: str | None = None
    """Column of row weights for the loss."""
    valid_share: float = 0.1
    test_share: float = 0.1
    max_unreadable: float = 0.05
    """Share of unreadable values in an input beyond which the run stops."""
    memory: float = 4.0
    """GiB of decoded data kept in memory; what exceeds it is read again for each batch."""
    cache: bool = True
    """Keep decoded media and frozen encoders' features on disk, by content, for the next run."""
    cache_size: float = 10.0
    """GiB on disk; beyond it, what was not used for longest goes."""

    def __post_init__(self) -> None:
        for key in ("valid_share", "test_share", "max_unreadable"):
            if not 0 <= getattr(self, key) <= 1:
                raise ConfigError(f"data.{key}: is a share, from 0 to 1, not {getattr(self, key):g}")
        if not 0 < self.cache_size <= 200:
            raise ConfigError(f"data.cache_size: is above 0 and at most 200 GiB, not {self.cache_size:g}")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything about a run."""

    data: DataConfig = field(default_factory=DataConfig)
    inputs: dict[str, Any] | None = None
    """By name; null leaves one out, as in `inputs.rating=null` on the command line. Null: inferred from the table.
    `{}`: none at all, for a language model."""
    task: Any = field(default_factory=dict)
    fusion: Any = DEFAULT_FUSION
    width: int = 64
    quality: Literal["fast", "offline", "best"] = "fast"
    """Encoders of inputs that name none. `fast`: trained from scratch; `offline`: pretrained, of weights that are here
    (`sensemble weights get`); `best`: pretrained, fetched from the hub. What cannot be had falls back, and is told."""
    train: TrainConfig = field(default_factory=TrainConfig)
    stages: Any = "joint"
    """`joint`, `staged`, `{name: semi, on: INPUT}`, or a list of stages that follow each other, each with keys of its
    own and any of `train:`. See `stages/plan.py`."""
    init: str | None = None
    """A run whose weights are taken where name and shape agree; what agreed is told, and kept in `init.json`."""
    verdict: Literal["auto", "full", "off"] = "auto"
    """`auto`: evidence within twice the time of the fit; `full`: each single input trained as long as it likes."""
    seed: int = 0
    plugins: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in self.inputs or {}:
            if not str(name).strip() or "+" in str(name) or name in RESERVED:
                raise ConfigError(f"inputs: {name!r} cannot be an input's name: reports use it; choose another")
        if self.inputs:
            specs = {str(name): spec for name, spec in self.inputs.items() if spec is not None}
            inputs = {name: _plain(spec, f"inputs.{name}") for name, spec in specs.items()}
            object.__setattr__(self, "inputs", inputs or None)
        object.__setattr__(self, "task", _plain(self.task, "task"))
        fusion = _plain(self.fusion, "fusion")
        object.__setattr__(self, "fusion", {"name": DEFAULT_FUSION, **fusion})
        plan(self.stages, self.train, [])  # what can be checked before the inputs are known

    @property
    def specs(self) -> dict[str, Spec]:
        """The inputs by name; none where they are not inferred yet."""
        return self.inputs or {}

    @property
    def lessons(self) -> list[str]:
        """The columns that stages learn instead of the task's own."""
        return lessons(plan(self.stages, self.train, []))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, all defaults written out."""
        return dataclasses.asdict(self)

    def replace(self, **changes: Any) -> Config:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)


def from_dict(mapping: Mapping[str, Any]) -> Config:
    """A config from plain values.

    Raises:
        ConfigError: an unknown key or a value of the wrong type, by its full key.
    """
    parts = dict(mapping)
    for key, kind in (("data", DataConfig), ("train", TrainConfig)):
        given = parts.get(key, {})
        if given is None:
            given = {}
        if not isinstance(given, kind):
            if not isinstance(given, Mapping):
                raise ConfigError(f"{key}: needs a mapping, not {given!r}")
            parts[key] = kind(**check(kind, given, where=key))
    if isinstance(parts.get("inputs"), Sequence) and not isinstance(parts["inputs"], str):
        raise ConfigError("inputs: needs a mapping of names to modalities, such as {photo: image}")
    if parts.get("verdict") is False:  # YAML reads a bare `off` as false
        parts["verdict"] = "off"
    return Config(**check(Config, parts, where="the config"))


def read(path: str | Path, settings: Sequence[str] = ()) -> Config:
    """A config from a YAML file, with `key.path=value` settings on top.

    Paths under `data:` start at the file's folder; those in settings, where the command is run.
    """
    return from_dict(override(read_mapping(Path(path)), settings))


def read_mapping(path: Path) -> dict[str, Any]:
    """The plain values of a YAML config, its paths made absolute."""
    try:
        mapping = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigError(f"cannot read the config {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(mapping, Mapping):
        raise ConfigError(f"{path}: a config is a mapping of keys, such as `task: classify`")
    return anchor(mapping, path.parent.absolute())


def anchor(mapping: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The mapping with the paths under `data:` and `init`, and the folders of pretrained models, from `folder` on."""
    result = dict(mapping)
    if isinstance(result.get("inputs"), Mapping):
        result["inputs"] = anchor_models(result["inputs"], folder)
    if isinstance(result.get("init"), str):
        result["init"] = str(folder / result["init"])
    if isinstance(result.get("data"), Mapping):
        result["data"] = {
            key: _anchored(value, folder) if key in ("train", "valid", "test") else value
            for key, value in result["data"].items()
        }
    return result


def _anchored(source: Any, folder: Path) -> Any:
    """A table's path, or the folder of a published layout's files, starting at `folder`."""
    if isinstance(source, Mapping):
        return {**source, "folder": str(folder / str(source.get("folder", "")))}
    return str(folder / source) if isinstance(source, str) else source


def anchor_models(inputs: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Inputs with `encoder.model` absolute where it names a model's folder in `folder`, and not something elsewhere."""
    result = dict(inputs)
    for name, spec in inputs.items():
        encoder = spec.get("encoder") if isinstance(spec, Mapping) else None
        if not isinstance(encoder, Mapping):
            continue
        model = encoder.get("model")
        if isinstance(model, str) and any((folder / model / mark).is_file() for mark in MODEL_MARKS):
            result[name] = {**spec, "encoder": {**encoder, "model": str((folder / model).resolve())}}
    return result


def dump(config: Config) -> str:
    """The config as YAML, every default written out."""
    return yaml.safe_dump(_yaml(config.to_dict()), sort_keys=False, allow_unicode=True)


def override(mapping: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """A plain config with `key.path=value` settings applied; values are read as YAML.

    >>> override({"fusion": "gate"}, ["train.epochs=3", "fusion.name=sum"])
    {'fusion': {'name': 'sum'}, 'train': {'epochs': 3}}
    """
    result: dict[str, Any] = _yaml(mapping)
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals or not path:
            raise ConfigError(f"cannot read the setting {setting!r}: write key.path=value")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"cannot read the value of {path!r}: {text!r}") from error
        *parents, last = path.split(".")
        place = result
        for key in parents:
            inner = place.get(key)
            if isinstance(inner, str):  # a bare name becomes a mapping that can hold options
                inner = {"name": inner}
            place[key] = inner = {} if inner is None else inner
            if not isinstance(inner, dict):
                raise ConfigError(f"cannot set {path!r}: {key!r} is {inner!r}, not a mapping")
            place = inner
        place[last] = value
    return result


def component(spec: Spec, registry: Registry[Any], *, default: str = "", where: str) -> tuple[str, Spec]:
    """The name and the options of a component, or one clear error."""
    options = dict(spec)
    name = options.pop("name", default)
    if not name:
        raise ConfigError(f"{where}: needs a name. Known: {', '.join(registry)}")
    if not isinstance(name, str):
        raise ConfigError(f"{where}: {unknown(registry.kind, name, registry)}")
    return name, options


def _plain(spec: Any, where: str) -> Spec:
    """A component spec as a mapping, whichever way it was written."""
    if isinstance(spec, str):
        return {"name": spec}
    if isinstance(spec, type | functools.partial):
        cls, options = (spec.func, spec.keywords) if isinstance(spec, functools.partial) else (spec, {})
        if not hasattr(cls, "registered_name"):
            raise ConfigError(f"{where}: {cls!r} is not a registered component; see `register`")
        return {"name": cls.registered_name, **options}
    if isinstance(spec, Mapping):
        result = {str(key): value for key, value in spec.items()}
        for key in ("encoder", "decoder"):
            if key in result:
                result[key] = _plain(result[key], f"{where}.{key}")
        return result
    raise ConfigError(f"{where}: needs a name or a mapping of name and options, not {spec!r}")


def _yaml(value: Any) -> Any:
    """Deep copy with tuples as lists, as YAML and JSON want them."""
    if isinstance(value, Mapping):
        return {key: _yaml(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_yaml(item) for item in value]
    return value
