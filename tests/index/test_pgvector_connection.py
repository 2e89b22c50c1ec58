"""PostgreSQL going away, whole or in part: one clear line, nothing finished lost, and the next call goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("psycopg")
pytest.importorskip("pgvector")

from sensemble.errors import ConfigError, DataError, UserError
from sensemble.index.pgvector import PgVector
from sensemble.index.place import open_index

RUN, DIM = "a1b2c3", 8
PLENTY = 30
"""Seconds until a wait counts as failed."""


@pytest.fixture
def place(url_of: Callable[..., str]) -> str:
    return url_of("postgresql")


@pytest.fixture
def index(place: str) -> Iterator[PgVector]:
    with PgVector(place, RUN, DIM) as made:
        yield made


def batch(first: int, num: int = 50) -> tuple[list[str], np.ndarray, list[dict[str, Any]]]:
    vectors = np.random.default_rng(first).normal(size=(num, DIM))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [f"{first + place:04d}" for place in range(num)], vectors.astype(np.float32), [{"batch": first}] * num


def wait_for(holds: Callable[[], Any]) -> Any:
    for _ in range(PLENTY * 50):
        if found := holds():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come")


def test_a_connection_ended_in_the_middle_of_a_batch(index: PgVector, postgres: Any) -> None:
    import psycopg

    index.add(*batch(0))
    said: list[str] = []

    def adds() -> None:
        try:
            index.add(*batch(50))
        except UserError as error:
            said.append(str(error))

    with psycopg.connect(postgres.url()) as other:
        other.execute("LOCK TABLE entries IN SHARE MODE")  # the batch is copied, then waits to be put into the table
        adding = threading.Thread(target=adds)
        adding.start()
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO%'"
        ((process,),) = wait_for(lambda: postgres.run(waiting))
        postgres.run("SELECT pg_terminate_backend(%s)", process)
        adding.join(PLENTY)
    (line,) = said
    assert "table entries: the connection was lost: terminating connection" in line
    assert line.endswith("nothing of this batch was written; run the command again to go on") and "\n" not in line
    assert len(index) == 50  # connected anew
    index.add(*batch(50))
    assert index.ids() == batch(0, 100)[0]


def test_a_server_that_stops_and_comes_back(index: PgVector, postgres: Any) -> None:
    index.add(*batch(0))
    found = index.search(batch(0)[1][:3])
    postgres.stop()
    try:
        with pytest.raises(DataError, match="nothing of this batch was written; run the command again to go on"):
            index.add(*batch(50))
        for call in (lambda: index.add(*batch(50)), lambda: index.search(batch(0)[1]), lambda: index.delete(["0000"]),
                     index.ids, lambda: len(index), lambda: index.get(["0000"])):  # fmt: skip
            with pytest.raises(DataError, match="table entries: cannot connect: ") as raised:
                call()
            assert "\n" not in str(raised.value)
    finally:
        postgres.start()
    assert index.search(batch(0)[1][:3]) == found and len(index) == 50
    index.add(*batch(50))
    assert index.ids() == batch(0, 100)[0]


def test_a_batch_that_the_server_refuses_is_not_written_in_part(index: PgVector, postgres: Any) -> None:
    index.add(*batch(0))
    postgres.run("ALTER TABLE entries ADD CONSTRAINT few CHECK (id < '0080')")
    with pytest.raises(DataError, match=r"violates check constraint.*nothing of this batch was written"):
        index.add(*batch(50))
    assert len(index) == 50


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@127.0.0.1:1/shop",
        "postgresql://me:s3%63ret@127.0.0.1:1,[::1]:1/shop",
        "postgresql://me@127.0.0.1:1/shop?password=s3cret",
        "postgresql://me:s3cret@127.0.0.1:port/shop",
        "postgresql://me:x@s3cret@127.0.0.1:1/shop",
        "postgresql://me:s3cret@[127/shop",
        "postgresql://me:s3cret@127.0.0.1:1/shop?colour=s3cret",
        "postgresql://me:s3cret@127.0.0.1:1/shop?approximate=perhaps",
        "postgresql://me:s3cret@127.0.0.1:1/shop?table=a&table=b",
        "postgresql://me:s3cret@127.0.0.1:1/shop?table=Drop+Table",
        "postgres:me:s3cret@shop",
        "mysql://me:s3cret@shop/a",
    ],
)
def test_no_message_shows_a_password(url: str) -> None:
    if "://" not in url:
        with pytest.raises(UserError) as raised:
            PgVector(url, RUN, DIM)
    else:
        with pytest.raises(UserError) as raised:
            open_index(url, RUN, DIM)
    assert "s3cret" not in str(raised.value) and "s3%63ret" not in str(raised.value)
    assert "\n" not in str(raised.value) and str(raised.value)


def test_a_server_without_pgvector_is_told(postgres: Any, place: str) -> None:
    postgres.run("CREATE SCHEMA IF NOT EXISTS bare")
    postgres.run("CREATE OR REPLACE VIEW bare.pg_available_extensions AS SELECT 'other' AS name")
    with pytest.raises(DataError, match="this server has no pgvector; install it there"):
        PgVector(f"{place}&options=-csearch_path%3Dbare,pg_catalog,public", RUN, DIM)
    assert postgres.run("SELECT to_regclass('entries')") == [(None,)]


def test_a_user_who_may_not_enable_pgvector_is_told(postgres: Any) -> None:
    if not postgres.run("SELECT 1 FROM pg_roles WHERE rolname = 'guest'"):
        postgres.run("CREATE ROLE guest LOGIN")
        postgres.run("CREATE DATABASE hall OWNER guest")
    with pytest.raises(DataError, match="let the owner of the database run CREATE EXTENSION vector"):
        PgVector(postgres.url(user="guest", database="hall"), RUN, DIM)


def test_another_table_is_left_alone(postgres: Any, place: str) -> None:
    postgres.run("CREATE TABLE entries (price integer)")
    postgres.run("INSERT INTO entries VALUES (3)")
    with pytest.raises(DataError, match="table entries: that table is there but is no index"):
        PgVector(place, RUN, DIM)
    assert postgres.run("SELECT price FROM entries") == [(3,)]


@pytest.mark.parametrize("name", ["", "Entries", "a b", "1a", 'x"; DROP TABLE y', "ä", "a" * 49, "sensemble_indexes"])
def test_a_table_is_named_by_plain_letters(place: str, name: str) -> None:
    with pytest.raises(ConfigError, match="lower-case letters"):
        PgVector(place.replace("&table=entries", ""), RUN, DIM, table=name)


def test_a_format_of_the_future_is_refused(index: PgVector, place: str, postgres: Any) -> None:
    postgres.run("UPDATE sensemble_indexes SET format = 2")
    with pytest.raises(DataError, match="its format is 2, and this version reads 1"):
        PgVector(place, RUN, DIM)


def test_texts_that_postgresql_cannot_hold_are_refused(index: PgVector) -> None:
    for name, columns in (("a\0b", {}), ("a", {"x": "\0"}), ("a", {"\0": 1}), ("\ud800", {})):
        with pytest.raises(DataError, match="PostgreSQL keeps no text with NUL or a lone surrogate"):
            index.add([name], batch(0, 1)[1], [columns])
    assert index.delete(["a\0b"]) == 0 and index.get(["a\0b"]) == [None]


def test_an_approximate_search_goes_through_its_index(place: str, postgres: Any) -> None:
    ids, vectors, columns = batch(0, 1500)
    queries = batch(7, 20)[1]
    with PgVector(place, RUN, DIM) as index:
        index.add(ids, vectors, columns)
        exact = index.search(queries)
    with open_index(f"{place}&approximate=true&ef_search=40", RUN, DIM) as index:
        assert index.search(queries) == exact  # nothing to go through yet
        index.finish()
        found = index.search(queries)
        both = [
            len({hit.id for hit in hits} & {hit.id for hit in best}) for hits, best in zip(found, exact, strict=True)
        ]
        assert sum(both) / 200 > 0.9
        used = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'entries_hnsw'"
        wait_for(lambda: postgres.run(used)[0][0] >= 20)  # statistics come a little later
        assert index.search(queries, where={"batch": 0}) == exact  # conditions are looked up exactly
        assert len(index.search(queries[:1], k=1200)[0]) == 1200
    with PgVector(place, RUN, DIM) as index:
        assert index.search(queries) == exact
    with pytest.raises(ConfigError, match="up to 2000 dimensions"):
        PgVector(place, RUN, 2001, approximate=True)
