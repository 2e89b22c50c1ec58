"""Names, options and their errors."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from sensemble.errors import ConfigError, unknown
from sensemble.registry import Registry, check, convert


def make() -> Registry[Any]:
    registry: Registry[Any] = Registry("shape")

    @registry.register("circle")
    class Circle:
        def __init__(self, centre: int = 0, *, radius: float = 1.0, fill: Literal["red", "blue"] = "red") -> None:
            self.radius, self.fill = radius, fill

    @registry.register("square")
    class Square:
        def __init__(self, *, side: int) -> None:
            self.side = side

    return registry


def test_options_are_converted_and_defaults_kept() -> None:
    circle = make().create("circle", radius=2)
    assert circle.radius == 2.0 and isinstance(circle.radius, float) and circle.fill == "red"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("circel", {}, "did you mean 'circle'"),
        ("circle", {"radios": 1}, "did you mean 'radius'"),
        ("circle", {"radius": "wide"}, "needs float, not 'wide'"),
        ("circle", {"fill": "blu"}, "did you mean 'blue'"),
        ("circle", {"centre": 3}, "unknown key"),
        ("square", {}, "'side' is required"),
        ("square", {"side": True}, "needs int, not True"),
    ],
)
def test_every_wrong_name_or_value_is_one_clear_error(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        make().create(name, where="inputs.a", **options)
    assert "inputs.a" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        ("3e-4", float, 3e-4),
        (3.0, int, 3),
        ([1, 2], tuple[int, ...], (1, 2)),
        (None, int | None, None),
        ({"a": 1}, dict[str, float], {"a": 1.0}),
        ("x", str | list[str], "x"),
    ],
)
def test_safe_conversions(value: Any, hint: Any, expected: Any) -> None:
    assert convert(value, hint, where="key") == expected


@pytest.mark.parametrize(
    ("value", "hint"), [(True, int), (1, bool), (1.5, int), ("a", int | None), (3, str), ("ab", list[str])]
)
def test_unsafe_conversions_are_refused(value: Any, hint: Any) -> None:
    with pytest.raises(ConfigError, match="needs"):
        convert(value, hint, where="key")


def test_check_reads_any_signature() -> None:
    def function(*, rows: int = 1) -> None: ...

    assert check(function, {"rows": 2}, where="here") == {"rows": 2}


def test_unknown_lists_all_names_when_none_is_near() -> None:
    assert unknown("fusion", "xyz", ["sum", "gate"]) == "unknown fusion 'xyz': Known: gate, sum"
