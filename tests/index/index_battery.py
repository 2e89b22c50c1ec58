"""The battery that every index must pass, whatever it is kept in: each check takes a function that opens it.

Called again, the function opens the same index anew, as another process would; `run` names the run that asks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from sensemble.errors import ConfigError, DataError
from sensemble.index.base import Hit, Index, Vectors

Open = Callable[..., Index]
"""`open(run="a", dim=8) -> Index`."""
DIM = 8


def units(count: int, seed: int = 0, dim: int = DIM) -> Vectors:
    """`(count, dim)` unit vectors."""
    rows = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def fill(index: Index, count: int = 40, seed: int = 0) -> Vectors:
    """Adds entries `e00`, `e01`, ... whose columns can be filtered."""
    vectors = units(count, seed)
    index.add([f"e{row:02}" for row in range(count)], vectors, [cells(row) for row in range(count)])
    return vectors


def cells(row: int) -> dict[str, Any]:
    found = {"kind": ["plant", "animal", "东西"][row % 3], "year": 1990 + row, "good": row % 2 == 0, "weight": row / 4}
    return found if row % 5 else {key: value for key, value in found.items() if key != "kind"}


def brute_force(
    entries: Mapping[str, tuple[Any, Mapping[str, Any]]], query: Any, k: int, fits: Callable[[Any], bool] | None = None
) -> list[str]:
    """The ids that a search must give, by comparing with every entry."""
    scores = {
        name: float((np.float64(vector) * np.float64(query)).sum())
        for name, (vector, columns) in entries.items()
        if fits is None or fits(columns)
    }
    return sorted(scores, key=lambda name: (-round(scores[name], 6), name))[:k]


def names(hits: Sequence[Hit]) -> list[str]:
    return [hit.id for hit in hits]


def check_finds_the_nearest(open_index: Open) -> None:
    with open_index() as index:
        vectors = fill(index)
        queries = units(5, seed=1)
        entries = {f"e{row:02}": (vectors[row], cells(row)) for row in range(40)}
        found = index.search(queries, k=7)
        assert [names(hits) for hits in found] == [brute_force(entries, query, 7) for query in queries]
        for hits, query in zip(found, queries, strict=True):
            for hit in hits:
                row = int(hit.id[1:])
                assert hit.score == pytest.approx(float(vectors[row] @ query), abs=1e-5)
                assert hit.columns == cells(row)


def check_empty_and_few(open_index: Open) -> None:
    with open_index() as index:
        assert len(index) == 0 and index.ids() == []
        assert index.search(units(2)) == [[], []]
        assert index.search(units(1), where={"kind": "plant"}) == [[]]
        index.add([], np.zeros((0, DIM), dtype=np.float32), [])
        assert index.delete(["nobody"]) == 0 and index.get(["nobody"]) == [None]
        fill(index, 3)
        assert len(index.search(units(1), k=50)[0]) == 3
        assert index.search(np.zeros((0, DIM), dtype=np.float32)) == []
        index.finish()
        assert len(index.search(units(1), k=50)[0]) == 3
        assert index.delete(["e00", "e01", "e02"]) == 3
        index.finish()
        assert index.search(units(1)) == [[]] and len(index) == 0


def check_replaces_and_deletes(open_index: Open) -> None:
    with open_index() as index:
        vectors = fill(index)
        index.add(["e01", "new"], vectors[[7, 8]], [{"year": 1}, {}])
        assert len(index) == 41 and index.get(["e01", "new", "gone", "e02"]) == [{"year": 1}, {}, None, cells(2)]
        assert names(index.search(vectors[7:8], k=2)[0]) == ["e01", "e07"]
        assert "e01" not in names(index.search(vectors[1:2], k=1)[0])
        assert index.delete(["e01", "e07", "e07", "gone"]) == 2
        assert len(index) == 39 and "e01" not in index.ids() and "e07" not in index.ids()
        assert not {"e01", "e07"} & set(names(index.search(vectors[7:8], k=39)[0]))
        index.add(["e07"], vectors[7:8], [{}])
        assert names(index.search(vectors[7:8], k=1)[0]) == ["e07"]
        index.delete([f"e{row:02}" for row in range(30)])
        index.finish()
        expected = sorted(["new", *(f"e{row:02}" for row in range(30, 40))])
        assert index.ids() == expected == sorted(names(index.search(vectors[7:8], k=99)[0]))
        assert index.get(["e31"]) == [cells(31)]


def check_filters(open_index: Open) -> None:
    cases: list[tuple[dict[str, Any], Callable[[Any], bool]]] = [
        ({"kind": "plant"}, lambda c: c.get("kind") == "plant"),
        ({"kind": "东西"}, lambda c: c.get("kind") == "东西"),
        ({"kind": ["plant", "animal"]}, lambda c: c.get("kind") in ("plant", "animal")),
        ({"year": {"min": 2010}}, lambda c: c["year"] >= 2010),
        ({"year": {"min": 1995, "max": 1999.5}}, lambda c: 1995 <= c["year"] <= 1999),
        ({"weight": {"max": 2}}, lambda c: c["weight"] <= 2),
        ({"weight": 2}, lambda c: c["weight"] == 2),
        ({"good": True}, lambda c: c["good"]),
        ({"good": False, "kind": "plant"}, lambda c: not c["good"] and c.get("kind") == "plant"),
        ({"good": 1}, lambda c: False),
        ({"year": "1995"}, lambda c: False),
        ({"kind": {"min": "b"}}, lambda c: c.get("kind", "") >= "b"),
        ({"kind": []}, lambda c: False),
        ({"nothing": 1}, lambda c: False),
        ({}, lambda c: True),
    ]
    with open_index() as index:
        vectors = fill(index)
        entries = {f"e{row:02}": (vectors[row], cells(row)) for row in range(40)}
        for where, fits in cases:
            for k in (3, 40):
                (hits,) = index.search(units(1, seed=2), k=k, where=where)
                assert names(hits) == brute_force(entries, units(1, seed=2)[0], k, fits), where
        fill(index, 50)  # what is added later is filtered as well
        (hits,) = index.search(units(1), k=50, where={"year": {"min": 2030}})
        assert sorted(names(hits)) == [f"e{row}" for row in range(40, 50)]
        for wrong in ({"year": {"from": 3}}, {"year": {"min": 1, "max": "x"}}, {"year": None}, {"year": [None]}):
            with pytest.raises(ConfigError, match="where, column 'year'"):
                index.search(units(1), where=wrong)
        with pytest.raises(ConfigError, match="whole number"):
            index.search(units(1), k=0)


def check_ties(open_index: Open) -> None:
    """Equal vectors come in the order of their ids, wherever they lie."""
    with open_index() as index:
        one, other = units(2)
        order = [f"t{number:03}" for number in np.random.default_rng(0).permutation(60)]
        index.add(order, np.stack([one] * 60), [{}] * 60)
        index.add(["far"], other[None], [{}])
        assert names(index.search(one[None], k=5)[0]) == [f"t{number:03}" for number in range(5)]
        assert names(index.search(one[None], k=61)[0]) == [*(f"t{number:03}" for number in range(60)), "far"]


def check_refuses(open_index: Open) -> None:
    with open_index() as index:
        vectors = fill(index, 4)
        broken = vectors.copy()
        broken[2, 3] = np.nan
        for ids, rows, message in (
            (["a", "b", "c", "d"], broken, "'c' is not finite"),
            (["a", "b", "c", "d"], vectors * 2, "'a' has length 2"),
            (["a", "a", "c", "d"], vectors, "'a' is given twice"),
            (["", "b", "c", "d"], vectors, "an id is a text"),
            (["a", "b"], vectors, "2 x 8, not 4 x 8"),
            (["a", "b", "c", "d"], units(4, dim=9), "4 x 8, not 4 x 9"),
        ):
            with pytest.raises(DataError, match=message):
                index.add(ids, rows, [{}] * len(ids))
        with pytest.raises(DataError, match="column 'x'"):
            index.add(["a"], vectors[:1], [{"x": [1, 2]}])
        with pytest.raises(DataError, match="columns of 2"):
            index.add(["a"], vectors[:1], [{}, {}])
        with pytest.raises(DataError, match="not finite"):
            index.search(broken)
        with pytest.raises(DataError):
            index.search(units(1, dim=9))
        assert len(index) == 4, "what was refused was added all the same"
        index.add(["a"], vectors[:1], [{"x": None, "y": float("nan"), "z": np.int64(3)}])
        assert index.get(["a"]) == [{"z": 3}]


def check_another_run(open_index: Open) -> None:
    with open_index(run="a") as index:
        fill(index)
    with pytest.raises(DataError, match="another run"):
        open_index(run="b")
    with pytest.raises(DataError, match="dimensions"):
        open_index(run="a", dim=DIM + 1)
    with open_index(run="a") as index:
        assert len(index) == 40


def check_is_kept(open_index: Open) -> None:
    with open_index() as index:
        vectors = fill(index)
        index.delete(["e03"])
        before = index.search(units(3, seed=4), k=9, where={"good": True})
    with open_index() as index:
        assert len(index) == 39
        assert index.search(units(3, seed=4), k=9, where={"good": True}) == before
        index.finish()
        assert index.search(units(3, seed=4), k=9, where={"good": True}) == before
        index.add(["later"], vectors[3:4], [{}])
    with open_index() as index:
        assert names(index.search(vectors[3:4], k=1)[0]) == ["later"]
        assert index.ids() == sorted(["later", *(f"e{row:02}" for row in range(40) if row != 3)])


def check_strange_texts(open_index: Open) -> None:
    with open_index() as index:
        ids = ["编号 1", "x" * 900, "x" * 899 + "y", "a/b?c=%27'\"\\", "🙂"]
        index.add(ids, units(5), [{"text": each, "with space 列": 1} for each in ids])
        assert index.ids() == sorted(ids)
        assert index.get(ids) == [{"text": each, "with space 列": 1} for each in ids]
        assert names(index.search(units(1), where={"text": "🙂"})[0]) == ["🙂"]
        assert len(index.search(units(1), where={"with space 列": 1})[0]) == 5
        assert index.delete(ids[1:2]) == 1 and index.get(ids[:3]) == [
            {"text": ids[0], "with space 列": 1}, None, {"text": ids[2], "with space 列": 1},
        ]  # fmt: skip


def check_readers_while_a_writer_adds(open_index: Open) -> None:
    """Whoever reads sees whole batches."""
    with open_index() as first:
        first.add(["first"], units(1), [{"batch": 0}])
    counts: list[list[int]] = [[], []]
    errors: list[BaseException] = []
    done = threading.Event()

    def read(own: list[int]) -> None:
        try:
            with open_index() as index:
                while not done.is_set():
                    (hits,) = index.search(units(1), k=1000)
                    own.append(len(hits))
                    assert hits[0].id == "first" and len(hits) % 10 == 1, "half a batch was seen"
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=read, args=(own,)) for own in counts]
    for thread in threads:
        thread.start()
    with open_index() as writer:
        for batch in range(1, 13):
            ids = [f"b{batch:02}-{number}" for number in range(10)]
            writer.add(ids, units(10, seed=batch), [{"batch": batch}] * 10)
        writer.finish()
    done.set()
    for thread in threads:
        thread.join()
    assert not errors, errors
    assert all(own == sorted(own) for own in counts), "an entry was there and then was not"
    with open_index() as index:
        assert len(index) == 121


CHECKS = [
    check_finds_the_nearest,
    check_empty_and_few,
    check_replaces_and_deletes,
    check_filters,
    check_ties,
    check_refuses,
    check_another_run,
    check_is_kept,
    check_strange_texts,
    check_readers_while_a_writer_adds,
]
