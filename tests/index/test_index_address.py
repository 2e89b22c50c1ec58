"""URLs of indexes, taken apart."""

from __future__ import annotations

import doctest

import pytest

from sensemble.errors import ConfigError
from sensemble.index import address
from sensemble.index.address import Address, shown, truth, whole


def test_docstring_examples_hold() -> None:
    assert doctest.testmod(address).failed == 0


@pytest.mark.parametrize(
    ("url", "hosts", "path", "told"),
    [
        ("postgresql:///shop", [], "shop", "postgresql:///shop"),
        ("PostgreSQL://a,b:5433/x", [("a", ""), ("b", "5433")], "x", "postgresql://a,b:5433/x"),
        ("qdrant://[::1]:6333/c", [("::1", "6333")], "c", "qdrant://[::1]:6333/c"),
        ("qdrant://[::1]/c", [("::1", "")], "c", "qdrant://[::1]/c"),
        ("postgresql://%2Ftmp%2Fpg/x", [("/tmp/pg", "")], "x", "postgresql:///tmp/pg/x"),
        ("qdrant+local:///tmp/%E5%9B%BE/c", [], "tmp/图/c", "qdrant+local:///tmp/图/c"),
        ("postgresql://u%40x:p%3Aq@h/", [("h", "")], "", "postgresql://u@x@h/"),
    ],
)
def test_parts(url: str, hosts: list[tuple[str, str]], path: str, told: str) -> None:
    found = Address(url)
    assert (found.hosts, found.path, str(found)) == (hosts, path, told)
    assert "p:q" not in str(found) and (found.password == "p:q") == ("p%3Aq" in url)


def test_options_are_taken_and_the_rest_stays() -> None:
    found = Address("qdrant://h/c?approximate=True&ef_search=7&sslmode=require")
    assert found.take({"approximate": truth, "ef_search": whole}) == {"approximate": True, "ef_search": 7}
    assert found.query == {"sslmode": "require"}
    with pytest.raises(ConfigError, match="qdrant://h/c: unknown option 'sslmode'"):
        found.refuse({"approximate": truth})


def test_a_folder_is_shown_as_it_is() -> None:
    assert shown("runs/a:b@c") == "runs/a:b@c"
    with pytest.raises(ConfigError, match="is a folder or a URL"):
        Address("runs/a")
