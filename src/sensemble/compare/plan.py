"""What is compared: variants of one config, and the cells of the table that they fill, one a fold and repeat."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from .. import config as configs
from ..config import Config
from ..data.table import Table
from ..errors import ConfigError
from ..files import to_json


@dataclass(frozen=True)
class Variant:
    """One way to set the config.

    Args:
        name: as shown: `gate`, or `fusion=gate, width=32` where several keys vary.
        config: the whole config.
        only: the inputs it may use; none: all. For the models of single inputs.
    """

    name: str
    config: Config
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """A variant on one fold of one repeat; each repeat has its own folds and its own seed."""

    variant: int
    repeat: int
    fold: int


def parse(vary: Sequence[str]) -> dict[str, list[Any]]:
    """The values of each key, from texts such as `fusion=concat,gate` or `train.lr=1e-3,3e-4`.

    Commas within brackets and braces belong to a value: `fusion=gate,{name: transformer, depth: 3}`.

    Raises:
        ConfigError: a text without `=`, or a value that is no YAML.

    >>> parse(["width=32,64", "fusion=gate,{name: transformer, depth: 1}"])
    {'width': [32, 64], 'fusion': ['gate', {'name': 'transformer', 'depth': 1}]}
    """
    result: dict[str, list[Any]] = {}
    for text in vary:
        key, equals, values = text.partition("=")
        if not equals or not key or not values:
            raise ConfigError(f"cannot read {text!r}: write key=value,value, such as fusion=concat,gate")
        if key in result:
            raise ConfigError(f"{key} is varied twice; give all of its values at once")
        result[key] = [_value(key, part) for part in _parts(values)]
    return result


def variants(mapping: Mapping[str, Any], vary: Mapping[str, Sequence[Any]]) -> list[Variant]:
    """Every combination of the values, in order; without any, the config as it is.

    Raises:
        ConfigError: a key or value that the config does not know, or two variants that are the same.
    """
    result: list[Variant] = []
    for values in itertools.product(*vary.values()):
        settings = dict(zip(vary, values, strict=True))
        name = ", ".join(f"{key}={_shown(value)}" for key, value in settings.items()) or "the config"
        name = name.partition("=")[2] if len(settings) == 1 else name
        if any(name == other.name for other in result):
            raise ConfigError(f"{name} stands twice among the values")
        text = [f"{key}={yaml.safe_dump(value, default_flow_style=True).strip()}" for key, value in settings.items()]
        text = [each.removesuffix("\n...").removesuffix("...").strip() for each in text]
        result.append(Variant(name, configs.from_dict(configs.override(mapping, text))))
    return result


def singles(config: Config, names: Sequence[str]) -> list[Variant]:
    """The models of each input alone, set as the config says."""
    return [Variant(f"{name} alone", config, (name,)) for name in names] if len(names) > 1 else []


def key(variant: Variant, cell: Cell, folds: int, data: str) -> str:
    """What tells a finished cell from all others: its settings, its place and the table's content.

    Args:
        variant: of the cell.
        cell: its fold and repeat.
        folds: how many there are.
        data: from `fingerprint`.
    """
    config = variant.config.to_dict()
    config["data"] = {k: v for k, v in config["data"].items() if k not in ("train", "memory", "cache", "cache_size")}
    place = {k: v for k, v in asdict(cell).items() if k != "variant"}
    text = to_json([config, list(variant.only), place, folds, data])
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def fingerprint(table: Table) -> str:
    """A digest of a table's cells; media files count by their names."""
    digest = hashlib.blake2b(digest_size=16)
    for name in table.columns:
        digest.update(repr((name, table.column(name))).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _parts(text: str) -> list[str]:
    """The text cut at its outer commas."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _value(key: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"cannot read the value of {key!r}: {text!r}") from error


def _shown(value: Any) -> str:
    """A value as a name: a component by its name and options."""
    if isinstance(value, Mapping) and "name" in value:
        options = ", ".join(f"{key}={item}" for key, item in value.items() if key != "name")
        return f"{value['name']}({options})" if options else str(value["name"])
    return str(value)
