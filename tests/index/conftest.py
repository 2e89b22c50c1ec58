"""A real PostgreSQL with pgvector, started by the tests and stopped with them."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


class Postgres:
    """A server in a folder of its own, reached through a socket there."""

    def __init__(self, pgserver: Any, folder: Path) -> None:
        self._pgserver, self._folder, self._server = pgserver, folder, None

    def start(self) -> None:
        if self._server is None:
            self._server = self._pgserver.get_server(self._folder / "pg")
            self.run("ALTER SYSTEM SET fsync = off")
            self.run("SELECT pg_reload_conf()")

    def stop(self) -> None:
        if self._server is not None:
            self._server.cleanup()
            atexit.unregister(self._server._cleanup)  # it would look for its folder once more
            self._server = None

    def url(self, *, user: str = "postgres", database: str = "postgres", **options: str) -> str:
        query = "&".join(f"{key}={value}" for key, value in {"host": str(self._folder / "pg"), **options}.items())
        return f"postgresql://{user}@/{database}?{query}"

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """One statement by the database's owner, from a connection of its own."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    for package in ("psycopg", "pgvector"):
        pytest.importorskip(package)
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # short: the path of a socket may have some 100 letters
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        try:
            pgserver = pytest.importorskip("pgserver", reason="pgserver, which starts a PostgreSQL, is not installed")
            server = Postgres(pgserver, folder)
            server.start()
            yield server
            server.stop()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def url_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., str]:
    """`url_of(kind)`: the place of an index that is not there yet; Qdrant's may be in memory, where it is faster."""

    def make(kind: str, *, memory: bool = False) -> str:
        if kind == "qdrant":
            pytest.importorskip("qdrant_client")
            return f"qdrant+local://{':memory:' if memory else tmp_path}/entries"
        server = request.getfixturevalue("postgres")
        server.start()
        server.run("DROP TABLE IF EXISTS entries")
        server.run("DROP TABLE IF EXISTS sensemble_indexes")
        return str(server.url(table="entries"))

    return make
