"""Names for classes, and options checked against signatures.

A component is a class registered under a name. Its keyword-only arguments, with their types and defaults, are
its schema: nothing is declared twice. `check` reads any signature, so config dataclasses use it as well.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import pkgutil
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import ConfigError, unknown

T = TypeVar("T")
Class = TypeVar("Class", bound=type)


class Registry(Generic[T]):
    """Classes of one kind, by name.

    Args:
        kind: what they are, for messages ("fusion").
        package: where the built-in ones live; its modules are imported at the first look-up, so that a new
            component is one new file and listing nothing imports nothing.

    >>> shapes = Registry("shape")
    >>> @shapes.register("circle")
    ... class Circle:
    ...     def __init__(self, *, radius: float = 1.0) -> None:
    ...         self.radius = radius
    >>> shapes.create("circle", radius=2).radius
    2.0
    """

    def __init__(self, kind: str, *, package: str = "") -> None:
        self.kind = kind
        self._package = package
        self._classes: dict[str, type[T]] = {}

    def register(self, name: str) -> Callable[[Class], Class]:
        """Class decorator: makes the class known under `name`."""

        def add(cls: Class) -> Class:
            known = self._classes.get(name)
            assert known is None or known.__qualname__ == cls.__qualname__, f"two classes named {name!r}"
            self._classes[name] = cls
            cls.registered_name = name  # type: ignore[attr-defined]
            return cls

        return add

    def __contains__(self, name: object) -> bool:
        return name in self._all()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._all()))

    def __getitem__(self, name: str) -> type[T]:
        """The class of that name.

        Raises:
            ConfigError: no such name; says which is nearest and which are known.
        """
        if name not in self:
            raise ConfigError(self.unknown(name))
        return self._classes[name]

    def unknown(self, name: object) -> str:
        """The message for a name that is not here."""
        return unknown(self.kind, name, self._all())

    def create(self, name: str, *args: Any, where: str = "", **options: Any) -> T:
        """Builds the class of that name, its options checked first.

        Args:
            name: a registered name.
            args: what the contract of this kind passes to every class.
            where: the config key it came from, for messages ("inputs.photo.encoder").
            options: keyword-only arguments of the class.

        Raises:
            ConfigError: an unknown name or option, or a value of the wrong type.
        """
        try:
            cls = self[name]
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}" if where else str(error)) from None
        return cls(*args, **check(cls, options, where=f"{where or self.kind} ({name})"))

    def _all(self) -> dict[str, type[T]]:
        if self._package:
            _import_package(self._package)
        return self._classes


@cache
def _import_package(package: str) -> None:
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")


def load_plugins(modules: Sequence[str]) -> None:
    """Imports the modules (and the `sensemble.plugins` entry points) that register more components."""
    for point in importlib.metadata.entry_points(group="sensemble.plugins"):
        point.load()
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ConfigError(f"plugins: cannot import {name!r} ({error}); is it on PYTHONPATH?") from error


def options(target: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The options of a class or function: its keyword-only parameters, annotations resolved."""
    hints = get_type_hints(target.__init__ if isinstance(target, type) else target)  # type: ignore[misc]
    return {
        name: parameter.replace(annotation=hints.get(name, Any))
        for name, parameter in inspect.signature(target).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def check(target: Callable[..., Any], given: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Options for `target`, each known and of the declared type; required ones present.

    Raises:
        ConfigError: names the key, the nearest known one and all known ones.
    """
    known = options(target)
    checked = {}
    for key, value in given.items():
        if key not in known:
            raise ConfigError(unknown(f"key in {where}", key, known))
        checked[key] = convert(value, known[key].annotation, where=f"{where}, key {key!r}")
    for key, parameter in known.items():
        if parameter.default is inspect.Parameter.empty and key not in checked:
            raise ConfigError(f"{where}: the key {key!r} is required")
    return checked


def convert(value: Any, hint: Any, *, where: str) -> Any:
    """`value` as the annotated type. Only safe conversions: int -> float, "3e-4" -> float, list -> tuple."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any or origin is Callable:
        return value
    if origin is Literal:
        if value in args and type(value) in {type(each) for each in args}:
            return value
        raise ConfigError(f"{where}: {unknown('value', value, [str(each) for each in args])}")
    if origin in (Union, types.UnionType):
        for each in args:
            try:
                return convert(value, each, where=where)
            except ConfigError:
                continue
    elif origin in (list, tuple, Sequence) and isinstance(value, list | tuple):
        items = [convert(item, args[0] if args else Any, where=where) for item in value]
        if origin is tuple and args and args[-1] is not Ellipsis and len(items) != len(args):
            raise ConfigError(f"{where}: needs {len(args)} values, not {len(items)}")
        return tuple(items) if origin is tuple else items
    elif origin in (dict, Mapping) and isinstance(value, Mapping):
        return {str(key): convert(item, args[1] if args else Any, where=where) for key, item in value.items()}
    elif hint is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            pass
    elif hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    elif isinstance(hint, type) and isinstance(value, hint) and isinstance(value, bool) == (hint is bool):
        return value
    elif hint is type(None) and value is None:
        return None
    raise ConfigError(f"{where}: needs {_name(hint)}, not {value!r}")


def _name(hint: Any) -> str:
    if hint is type(None):
        return "nothing (null)"
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_name(each) for each in get_args(hint))
    return hint.__name__ if isinstance(hint, type) else str(hint)
