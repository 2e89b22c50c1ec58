"""What a search may choose from: a range for each key, typed by the signature behind the key."""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from .build import INPUT_KEYS
from .config import Config, component
from .data.load import Missing
from .encoders.base import encoders
from .errors import ConfigError, unknown
from .fusion.base import FUSIONS
from .impute import How
from .modalities.base import MODALITIES
from .registry import check, convert, options
from .tasks.base import TASKS
from .train_config import TrainConfig

FIXED = ("data", "inputs", "plugins", "quality", "seed", "task", "task.at_precision", "task.metric", "task.name",
         "task.target", "train.device", "verdict")  # fmt: skip
"""Keys that a search leaves alone: they say what is measured, or a better value would be luck."""
NUMBER = re.compile(r"(log|range)\(([^,()]+),([^,()]+)\)$")


@dataclass(frozen=True)
class Range:
    """What one key may be.

    Args:
        key: its path in the config, such as `train.lr`.
        choices: the values, or none for a range of numbers.
        low: the least number.
        high: the largest.
        whole: whether it is a whole number.
        log: whether equal factors are equally likely, and not equal differences.
    """

    key: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    log: bool = False


def parse(texts: Sequence[str], config: Config) -> list[Range]:
    """The ranges that `--search` texts name, for a config whose inputs and task are filled in.

    `key=[a,b]` are choices, `key=range(low,high)` and `key=log(low,high)` numbers; a bare `key` takes every choice of
    its type, where that has a few.

    Raises:
        ConfigError: a key that the config does not have, a value of another type, or a range that cannot be read.
    """
    given: dict[str, str] = {}
    for text in texts:
        key, _, values = text.partition("=")
        key = key.strip()
        if key in given:
            raise ConfigError(f"search: {key} stands twice; give all of its values at once")
        given[key] = values.strip()
    found: list[Range] = []
    for key in sorted(given, key=lambda key: key.count(".")):  # a component's choices before its options
        chosen = {each.key: each.choices for each in found}
        found.append(_range(key, given[key], _hints(key, config, chosen)))
    order = list(given)
    return sorted(found, key=lambda each: order.index(each.key))


def _range(key: str, text: str, hints: Sequence[Any]) -> Range:
    if not text:
        choices = _all(hints[0])
        if not choices:
            raise ConfigError(f"search: {key} needs a range: {key}=[a,b], {key}=range(low,high) or {key}=log(low,high)")
        return Range(key, choices)
    number = NUMBER.match(text.replace(" ", ""))
    if number:
        how, *ends = number.groups()
        whole = all(_is(hint, int) for hint in hints)
        if not all(_is(hint, int) or _is(hint, float) for hint in hints):
            raise ConfigError(f"search: {key} is no number; write its choices: {key}=[a,b]")
        kind: type = int if whole else float
        low, high = (convert(yaml.safe_load(end), float, where=f"search: {key}") for end in ends)
        low, high = (convert(end, kind, where=f"search: {key}") for end in (low, high))
        if not low < high or (how == "log" and low <= 0):
            least = "from above 0 " if how == "log" else ""
            raise ConfigError(f"search: {key}: a range goes {least}up, from low to high, not {text}")
        return Range(key, (), low, high, whole, how == "log")
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError:
        values = None
    if not isinstance(values, list) or not values:
        raise ConfigError(f"search: cannot read {key}={text}: write [a,b], range(low,high) or log(low,high)")
    for hint in hints:
        values = [_converted(value, hint, f"search: {key}") for value in values]
    return Range(key, tuple(values))


def _converted(value: Any, hint: Any, where: str) -> Any:
    if not isinstance(hint, _Component):
        return convert(value, hint, where=where)
    spec = {"name": value} if isinstance(value, str) else value
    if not isinstance(spec, Mapping):
        raise ConfigError(f"{where}: needs names, or mappings of name and options, not {value!r}")
    name, own = component(dict(spec), hint.registry, where=where)
    if name not in hint.registry:
        raise ConfigError(f"{where}: {hint.registry.unknown(name)}")
    check(hint.registry[name], own, where=f"{where} ({name})")
    return value


def _hints(key: str, config: Config, chosen: Mapping[str, Sequence[Any]]) -> list[Any]:
    """The type of a key; of a component's option, in each component that may be chosen."""
    if key in FIXED or key.split(".")[0] in ("data", "plugins"):
        raise ConfigError(f"search: {key} says what is measured, and is not searched; set it: {key}=value")
    first, *rest = key.split(".")
    if first == "train" and len(rest) == 1:
        return [_known(get_type_hints(TrainConfig), rest[0], "train")]
    if first == "fusion":
        return _component(key, "fusion", rest, FUSIONS, _names(config.fusion, chosen.get("fusion", ())))
    if first == "task" and len(rest) == 1:
        return _component(key, "task", rest, TASKS, [str(config.task["name"])])
    if first == "inputs" and len(rest) >= 2:
        name, option, *inner = rest
        spec = _known(config.specs, name, "inputs")
        where = f"inputs.{name}.encoder"
        if option == "encoder":
            default = {"name": MODALITIES[spec["name"]].encoder}
            names = _names(spec.get("encoder") or default, chosen.get(where, ()))
            return _component(key, where, inner, encoders(spec["name"]), names)
        if not inner and option in INPUT_KEYS:
            return [{"missing": Missing, "impute": How}.get(option, str)]
        if not inner:
            return _component(key, f"inputs.{name}", [option], MODALITIES, [spec["name"]])
    if not rest:
        fields = {field.name for field in dataclasses.fields(Config)}
        return [
            _known({name: hint for name, hint in get_type_hints(Config).items() if name in fields}, first, "config")
        ]
    raise ConfigError(
        f"search: {key} is no key of a config, such as width, train.lr, fusion.depth or inputs.NAME.encoder"
    )


def _component(key: str, where: str, rest: Sequence[str], registry: Any, names: Sequence[str]) -> list[Any]:
    if not rest:
        return [_Component(registry)]
    if len(rest) > 1:
        raise ConfigError(f"search: {key} is no key of a config; the options of {where} are {where}.NAME")
    return [_known({k: p.annotation for k, p in options(registry[name]).items()}, rest[0], f"{where} ({name})")
            for name in names]  # fmt: skip


class _Component:
    """Stands for the type of a component: a registered name, or a mapping with one."""

    def __init__(self, registry: Any) -> None:
        self.registry = registry


def _names(spec: Any, choices: Sequence[Any]) -> list[str]:
    """The names of the components that may be chosen."""
    return [str(each["name"] if isinstance(each, Mapping) else each) for each in choices or [spec]]


def _known(hints: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in hints:
        raise ConfigError(f"search: {unknown(f'key in {where}', key, hints)}")
    return hints[key]


def _is(hint: Any, kind: type) -> bool:
    """Whether a number of that kind will do."""
    if get_origin(hint) in (Union, types.UnionType):
        return any(_is(each, kind) for each in get_args(hint))
    return hint is kind


def _all(hint: Any) -> tuple[Any, ...]:
    """Every value of a type that has a few; none of others."""
    if isinstance(hint, _Component):
        return tuple(hint.registry)
    if get_origin(hint) is Literal:
        return get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return next((found for each in get_args(hint) if (found := _all(each))), ())
    return (True, False) if hint is bool else ()
