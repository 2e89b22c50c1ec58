"""The indexes in a folder: the battery, brute force as the judge, kills, compaction, and what lies beside the store."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from index_battery import CHECKS, DIM, brute_force, fill, names, units

from sensemble.errors import ConfigError, DataError
from sensemble.index import nearest as module
from sensemble.index.base import INDEXES, Index
from sensemble.index.keyword import Keywords
from sensemble.index.place import describe, open_index
from sensemble.index.quantise import Int8

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "exact": ("exact", {}),
    "int8": ("exact", {"codes": "int8", "rescore": 8}),
    "lists": ("approximate", {"smallest": 1, "structure": "lists"}),
    "graph": ("approximate", {"smallest": 1, "structure": "graph"}),
}


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Index]:
    kind, options = KINDS[request.param]

    def open_again(run: str = "a", dim: int = DIM) -> Index:
        return INDEXES.create(kind, str(tmp_path / "index"), run, dim, **options)

    return open_again


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_battery(make: Callable[..., Index], check: Callable[[Callable[..., Index]], None]) -> None:
    check(make)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "delete", "finish", "search"]),
            st.lists(st.integers(0, 30), min_size=1, max_size=12, unique=True),
            st.integers(1, 40),
        ),
        max_size=12,
    ),
    st.sampled_from(sorted(KINDS)),
)
def test_whatever_is_done_it_equals_brute_force(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any], name: str
) -> None:
    kind, options = KINDS[name]
    few = units(6, seed=3)  # so that many are equal
    entries: dict[str, tuple[Any, dict[str, Any]]] = {}
    with INDEXES.create(kind, str(tmp_path_factory.mktemp("any")), "a", DIM, **options) as index:
        for step, numbers, k in steps:
            ids = [f"i{number:02}" for number in numbers]
            if step == "add":
                vectors = few[[(number + k) % 6 for number in numbers]]
                columns = [{"even": number % 2 == 0} for number in numbers]
                index.add(ids, vectors, columns)
                entries |= dict(zip(ids, zip(vectors, columns, strict=True), strict=True))
            elif step == "delete":
                assert index.delete(ids) == sum(entries.pop(each, None) is not None for each in ids)
            elif step == "finish":
                index.finish()
            else:
                assert index.ids() == sorted(entries)
                if kind == "approximate":  # of equal ones by the dozen, any may be among the candidates
                    continue
                query = units(1, seed=k)
                for where, fits in (({}, None), ({"even": True}, lambda cells: cells["even"])):
                    wanted = brute_force(entries, query[0], k, fits)
                    assert names(index.search(query, k=k, where=where)[0]) == wanted


@pytest.mark.parametrize("rows", [1, 15, 33, 2_048, 2_049, 5_000])
@pytest.mark.parametrize("share", [1.0, 0.5, 0.1])
def test_blocks_and_groups_change_nothing(rows: int, share: float) -> None:
    matrix, queries = units(rows), units(7, seed=1)
    allowed = np.random.default_rng(2).random(rows) < share
    for k in (1, 10, 200):
        found = module.nearest(module.Cosine(matrix, queries), rows, 7, k, None if share == 1 else allowed)
        for query, some in zip(queries, found, strict=True):
            scores = module.cosines(matrix, some, query)
            every = np.sort((matrix.astype(np.float64) @ query)[allowed if share < 1 else slice(None)])[::-1][:k]
            assert np.allclose(np.sort(scores)[::-1][:k], every, atol=1e-6) and len(some) >= len(every)
            assert share == 1 or allowed[some].all()
            assert len(np.unique(some)) == len(some)


def test_queries_are_taken_in_turns_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, queries = units(5_000), units(9, seed=1)
    whole = module.nearest(module.Cosine(matrix, queries), 5_000, 9, 4)
    monkeypatch.setattr(module, "MOST", 1_000)
    turns = module.nearest(module.Cosine(matrix, queries), 5_000, 9, 4)
    for one, other in zip(whole, turns, strict=True):
        assert set(one.tolist()) == set(other.tolist())


WRITER = """
import sys
import numpy as np
from sensemble.index.approximate import Approximate
from sensemble.index.exact import Exact

index = Exact(sys.argv[1], "a", 8) if sys.argv[2] == "exact" else Approximate(sys.argv[1], "a", 8, smallest=1)
for batch in range(10_000):
    rows = np.random.default_rng(batch).standard_normal((50, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index.add([f"{batch}-{number}" for number in range(50)], rows, [{"batch": batch}] * 50)
    if batch % 4 == 3:
        index.delete([f"{batch - 1}-{number}" for number in range(50)])
    if batch % 6 == 5:
        index.finish()
    print(batch, flush=True)
"""


@pytest.mark.parametrize("kind", ["exact", "approximate"])
def test_a_kill_loses_no_finished_batch(tmp_path: Path, kind: str) -> None:
    for round_ in range(2):
        folder = tmp_path / f"index{round_}"
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(folder), kind], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        last = -1
        while last < 7 + 3 * round_:
            last = int(process.stdout.readline())
        time.sleep(0.003 * round_)
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        process.wait()
        process.stdout.close()
        last = max([last, *(int(each) for each in rest)])
        with INDEXES.create(kind, str(folder), "a", 8) as index:
            ids = index.ids()
            deleted = {batch - 1 for batch in range(3, last + 1, 4)}
            kept = {f"{batch}-{number}" for batch in range(last + 1) if batch not in deleted for number in range(50)}
            maybe = {f"{batch}-{number}" for batch in (last, last + 1) for number in range(50)}
            assert kept - maybe <= set(ids) <= kept | maybe
            assert all(sum(each.startswith(f"{last + 1}-") for each in ids) in (0, 50) for _ in "x"), "half a batch"
            (hits,) = index.search(units(1), k=len(index) + 5)
            assert sorted(names(hits)) == ids, "what is there is not found"
            rows = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            for number, (hit,) in enumerate(index.search(rows, k=1, where={"batch": 0})):
                assert hit.id == f"0-{number}" and hit.score == pytest.approx(1, abs=1e-5)
            index.add(["more"], rows[:1], [{}])
            index.finish()
            assert len(index) == len(ids) + 1


def test_compaction_keeps_readers_right(tmp_path: Path) -> None:
    folder = str(tmp_path)
    with INDEXES.create("exact", folder, "a", DIM) as reader, INDEXES.create("exact", folder, "a", DIM) as writer:
        vectors = fill(writer)
        before = reader.search(vectors[30:31], k=3, where={"year": {"min": 2000}})
        writer.delete([f"e{row:02}" for row in range(5, 20)])
        writer.finish()
        assert [each.name for each in sorted(tmp_path.glob("*.f32"))] == ["vectors-1.f32"]
        assert (tmp_path / "vectors-1.f32").stat().st_size == 25 * DIM * 4
        after = reader.search(vectors[30:31], k=3, where={"year": {"min": 2010}})
        assert names(after[0])[0] == names(before[0])[0] == "e30"
        assert len(reader) == 25 and reader.ids() == writer.ids()


def test_codes_and_graphs_are_used_and_replaced(tmp_path: Path) -> None:
    rows = units(400, dim=64)
    with INDEXES.create("exact", str(tmp_path), "a", 64, codes="binary", rescore=3) as index:
        index.add([f"{row:03}" for row in range(300)], rows[:300], [{}] * 300)
        index.finish()
        assert (tmp_path / "binary-0-300" / "complete").exists()
        index.add([f"{row:03}" for row in range(300, 400)], rows[300:], [{}] * 100)
        for hits, row in zip(index.search(rows, k=3), range(400), strict=True):
            assert hits[0].id == f"{row:03}" and len(hits) == 3, "an entry does not find itself"
        index.finish()
        assert [each.name for each in tmp_path.glob("binary-*")] == ["binary-0-400"]
    with INDEXES.create("approximate", str(tmp_path), "a", 64, smallest=1, structure="graph") as index:
        index.finish()
        assert (tmp_path / "graph-0-400").exists()
        assert [hits[0].id for hits in index.search(rows, k=1)] == [f"{row:03}" for row in range(400)]
        index.delete([f"{row:03}" for row in range(50)])
        assert all(int(hits[0].id) >= 50 for hits in index.search(rows[:50], k=1)), "a deleted entry is found"


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
@pytest.mark.parametrize("structure", ["lists", "graph"])
def test_nearly_all_are_found(tmp_path: Path, structure: str, precision: str) -> None:
    rows = units(3_000, dim=16)
    queries = units(50, seed=1, dim=16)
    options = {"smallest": 1, "structure": structure, "precision": precision, "rescore": 4, "effort": 48}
    with (
        INDEXES.create("exact", str(tmp_path), "a", 16) as exact,
        INDEXES.create("approximate", str(tmp_path), "a", 16, **options) as index,
    ):
        index.add([str(row) for row in range(3_000)], rows, [{"third": row % 3 == 0} for row in range(3_000)])
        index.finish()
        for where in ({}, {"third": True}):
            wanted, found = exact.search(queries, where=where), index.search(queries, where=where)
            shared = [len({*names(a)} & {*names(b)}) / 10 for a, b in zip(wanted, found, strict=True)]
            assert np.mean(shared) >= 0.95


def test_int8_codes_lose_little(tmp_path: Path) -> None:
    rows = units(3_000, dim=32)
    with (
        INDEXES.create("exact", str(tmp_path), "a", 32) as exact,
        INDEXES.create("exact", str(tmp_path), "a", 32, codes="int8") as coded,
    ):
        exact.add([str(row) for row in range(3_000)], rows, [{}] * 3_000)
        coded.finish()
        queries = units(50, seed=1, dim=32)
        shared = [
            len({*names(a)} & {*names(b)}) / 10
            for a, b in zip(exact.search(queries), coded.search(queries), strict=True)
        ]
        assert np.mean(shared) >= 0.99


def test_a_folder_remembers_its_kind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no index"):
        open_index(tmp_path / "none", "a", DIM, create=False)
    place = tmp_path / "index"
    with open_index(place, "a", DIM, kind="exact", options={"codes": "int8"}) as index:
        fill(index)
    assert describe(place)["kind"] == "exact" and describe(place)["run"] == "a"
    with open_index(place, "a", DIM) as index:
        assert len(index) == 40
    with open_index(place, "a", DIM, kind="approximate"):
        assert describe(place)["kind"] == "approximate" and describe(place)["options"] == {}
    with pytest.raises(DataError, match="another run"):
        open_index(place, "b", DIM)
    with pytest.raises(ConfigError, match="unknown kind of place"):
        open_index("ftp://somewhere/x", "a", DIM)
    with pytest.raises(ConfigError, match="unknown index 'exacd': did you mean 'exact'"):
        open_index(place, "a", DIM, kind="exacd")


def test_options_are_checked(tmp_path: Path) -> None:
    for kind, options in (("exact", {"codes": "int4"}), ("exact", {"rescore": 0}), ("approximate", {"effort": -1})):
        with pytest.raises(ConfigError):
            INDEXES.create(kind, str(tmp_path), "a", DIM, **options)


def test_a_closed_or_damaged_index_says_so(tmp_path: Path) -> None:
    index = INDEXES.create("exact", str(tmp_path / "index"), "a", DIM)
    fill(index)
    index.close()
    index.close()
    with pytest.raises(DataError, match="is closed"):
        len(index)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be used"):
        INDEXES.create("exact", str(tmp_path / "file"), "a", DIM)
    (tmp_path / "index" / "vectors-0.f32").unlink()
    with INDEXES.create("exact", str(tmp_path / "index"), "a", DIM) as index, pytest.raises(DataError, match="lacks"):
        index.search(units(1))


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with INDEXES.create("approximate", str(tmp_path), "a", DIM, smallest=1) as index:
        fill(index)
        assert len(index.search(units(1))[0]) == 10, "without a structure it is exact"
        with pytest.raises(ConfigError, match=r"pip install 'sensemble\[search\]'"):
            index.finish()
        with pytest.raises(ConfigError, match=r"pip install 'sensemble\[search\]'"):
            Keywords(index, "kind")


def test_a_far_away_filter_is_right(tmp_path: Path) -> None:
    """What is allowed lies far from the query, where lists and graphs look last."""
    near, far = units(2)
    random = np.random.default_rng(0)
    rows = np.where(np.arange(2_000)[:, None] % 8 == 0, far, near) + 0.05 * random.standard_normal((2_000, DIM))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    for structure in ("lists", "graph"):
        place = str(tmp_path / structure)
        with INDEXES.create("approximate", place, "a", DIM, smallest=1, structure=structure, effort=4) as index:
            index.add([f"{row:04}" for row in range(2_000)], rows, [{"far": row % 8 == 0} for row in range(2_000)])
            index.finish()
            hits = index.search(near[None], k=20, where={"far": True})[0]
            assert len(hits) == 20 and all(hit.columns["far"] for hit in hits)
            scores = np.sort(rows[::8] @ near)[::-1][:20]
            assert np.mean([hit.score >= scores[-1] - 1e-5 for hit in hits]) >= 0.9


def test_a_structure_is_read_once_and_a_damaged_one_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with INDEXES.create("exact", str(tmp_path), "a", DIM, codes="int8", rescore=9) as index:
        vectors = fill(index)
        index.finish()
        index.add(["late"], units(1, seed=5), [{}])
        reads: list[int] = []
        inner = Int8.read
        monkeypatch.setattr(Int8, "read", lambda *given: reads.append(1) or inner(*given))
        for _ in range(3):
            assert names(index.search(vectors[3:4], k=1)[0]) == ["e03"]
        assert len(reads) == 1
    for file in tmp_path.glob("int8-*/codes.npy"):
        file.write_bytes(b"damaged")
    with INDEXES.create("exact", str(tmp_path), "a", DIM, codes="int8") as index:
        assert names(index.search(vectors[3:4], k=1)[0]) == ["e03"]
