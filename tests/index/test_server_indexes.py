"""PostgreSQL and Qdrant find what a plain product finds, under every condition; strange names harm nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from index_battery import CHECKS, check_readers_while_a_writer_adds

from sensemble.errors import ConfigError, DataError
from sensemble.index.base import Index
from sensemble.index.place import open_index

RUN, DIM = "a1b2c3", 16
STRANGE = [
    "'; DROP TABLE entries; --",
    '" OR 1=1; --',
    "%s %(id)s {table} \\",
    "a.b[0].c",
    'say "hi" %22 100%',
    "图片/一号 🐸",
    "é e\u0301",
    "x" * 3000,
]
Fits = Callable[[Mapping[str, Any]], bool]
Entries = dict[str, tuple[np.ndarray, dict[str, Any]]]


@pytest.fixture(params=["postgresql", "qdrant"])
def place(request: pytest.FixtureRequest, url_of: Callable[..., str]) -> str:
    return url_of(request.param)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_battery(place: str, check: Callable[[Callable[..., Index]], None]) -> None:
    if place.startswith("qdrant") and check is check_readers_while_a_writer_adds:
        pytest.skip("Qdrant's local engine lets one process in at a time")
    check(lambda run="a", dim=8: open_index(place, run, dim))


@pytest.fixture(params=["postgresql", "qdrant"])
def index(request: pytest.FixtureRequest, url_of: Callable[..., str]) -> Iterator[Index]:
    with open_index(url_of(request.param, memory=True), RUN, DIM) as made:
        yield made


def units(num: int, *, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(num, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def fill(index: Index, num: int = 300, *, seed: int = 0) -> Entries:
    """Entries with columns of every kind, some absent, added in three batches."""
    random = np.random.default_rng(seed)
    entries: Entries = {}
    for place, vector in enumerate(units(num, seed=seed)):
        columns: dict[str, Any] = {
            "kind": str(random.choice(["frog", "bus", "青蛙"])),
            "year": int(random.integers(1990, 1999)),
        }
        columns |= {
            "price": float(random.normal()),
            "sold": bool(random.integers(2)),
            "mixed": [1, 1.0, True, "1"][place % 4],
        }
        if place % 5 == 0:
            del columns["year"]
        entries[f"图 {place}"] = (vector, columns)
    ids = list(entries)
    for start in range(0, num, num // 3):
        some = ids[start : start + num // 3]
        index.add(some, np.stack([entries[each][0] for each in some]), [entries[each][1] for each in some])
    return entries


def nearest(
    entries: Entries, query: np.ndarray, k: int, fits: Callable[[Mapping[str, Any]], bool]
) -> list[tuple[str, float]]:
    scores = [
        (name, float(vector.astype(float) @ query)) for name, (vector, columns) in entries.items() if fits(columns)
    ]
    return sorted(scores, key=lambda each: (-each[1], each[0]))[:k]


def test_finds_what_a_plain_product_finds(index: Index) -> None:
    entries = fill(index)
    queries = units(20, seed=1)
    for k in (1, 10, 400):
        found = index.search(queries, k=k)
        for query, hits in zip(queries, found, strict=True):
            expected = nearest(entries, query, k, lambda columns: True)
            assert [hit.id for hit in hits] == [name for name, _ in expected]
            assert [hit.score for hit in hits] == pytest.approx([score for _, score in expected], abs=1e-5)
            assert all(hit.columns == entries[hit.id][1] for hit in hits)
    assert index.search(np.empty((0, DIM), np.float32)) == []


@pytest.mark.parametrize(
    ("where", "fits"),
    [
        ({"kind": "青蛙"}, lambda columns: columns["kind"] == "青蛙"),
        ({"kind": ["frog", "bus", "no such"]}, lambda columns: columns["kind"] in ("frog", "bus")),
        ({"kind": []}, lambda columns: False),
        ({"kind": "' OR '1'='1"}, lambda columns: False),
        ({"year": 1995}, lambda columns: columns.get("year") == 1995),
        ({"year": 1995.0}, lambda columns: columns.get("year") == 1995),
        ({"year": "1995"}, lambda columns: False),
        ({"year": {"min": 1994}}, lambda columns: columns.get("year", 0) >= 1994),
        ({"year": {"min": 1994, "max": 1996.5}}, lambda columns: 1994 <= columns.get("year", 0) <= 1996),
        ({"price": {"max": 0}}, lambda columns: columns["price"] <= 0),
        ({"sold": True}, lambda columns: columns["sold"]),
        ({"sold": 1}, lambda columns: False),
        ({"sold": {"min": 0}}, lambda columns: False),
        ({"mixed": 1}, lambda columns: columns["mixed"] == 1 and columns["mixed"] is not True),
        ({"mixed": True}, lambda columns: columns["mixed"] is True),
        ({"mixed": ["1", True]}, lambda columns: columns["mixed"] == "1" or columns["mixed"] is True),
        ({"mixed": {"min": 1}}, lambda columns: columns["mixed"] == 1 and columns["mixed"] is not True),
        ({"mixed": {}}, lambda columns: columns["mixed"] is not True),
        ({"kind": "frog", "sold": False, "price": {"min": -1, "max": 1}}, None),
        ({"no such": 1}, lambda columns: False),
        ({"kind": {"min": "c", "max": "z"}}, lambda columns: columns["kind"] == "frog"),
        ({"year": {"min": "0"}}, lambda columns: False),
    ],
)  # fmt: skip
def test_conditions(index: Index, where: dict[str, Any], fits: Fits | None) -> None:
    fits = fits or (lambda columns: columns["kind"] == "frog" and not columns["sold"] and -1 <= columns["price"] <= 1)
    entries = fill(index, 60)
    query = units(1, seed=2)
    expected = nearest(entries, query[0], 60, fits)
    assert [hit.id for hit in index.search(query, k=60, where=where)[0]] == [name for name, _ in expected]


def test_what_is_not_there_is_not_made_for_a_search(place: str) -> None:
    with pytest.raises(DataError, match="no index yet; make it with `sensemble index`"):
        open_index(place, RUN, DIM, create=False)


def test_strange_ids_and_columns_harm_nothing(index: Index) -> None:
    vectors = units(len(STRANGE))
    columns = [{name: name, "place": place} for place, name in enumerate(STRANGE)]
    index.add(STRANGE, vectors, columns)
    for place, name in enumerate(STRANGE):
        hits = index.search(vectors[:1], k=100, where={name: name})[0]
        assert [(hit.id, hit.columns) for hit in hits] == [(name, columns[place])]
        assert index.search(vectors[:1], where={name: {"min": 0}}) == [[]]
    assert index.ids() == sorted(STRANGE) and index.get(STRANGE) == columns
    assert index.delete(STRANGE[:4]) == 4 and len(index) == len(STRANGE) - 4


@pytest.mark.parametrize(
    ("package", "url", "extra"),
    [
        ("psycopg", "postgresql://h/d", "postgresql"),
        ("pgvector", "postgresql://h/d", "postgresql"),
        ("qdrant_client", "qdrant://h/c", "qdrant"),
    ],
)
def test_a_missing_package_is_named_with_its_command(
    monkeypatch: pytest.MonkeyPatch, package: str, url: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf"pip install 'sensemble\[{extra}\]'"):
        open_index(url, RUN, DIM)
