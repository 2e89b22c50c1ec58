"""A connection to PostgreSQL that opens itself again, and says in one line what went wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, DataError
from .address import Address

if TYPE_CHECKING:
    import psycopg


class Database:
    """One connection, opened at the first use and again at the next use after it was lost.

    Args:
        address: of the database. Options in its query go to libpq.
        place: what messages call it.

    Raises:
        ConfigError: psycopg or pgvector is not installed.
    """

    def __init__(self, address: Address, place: str) -> None:
        try:
            import pgvector  # noqa: F401
            import psycopg  # noqa: F401
        except ImportError as error:
            raise ConfigError(
                f"{place} needs the packages 'psycopg' and 'pgvector'; install them: "
                "pip install 'sensemble[postgresql]'"
            ) from error
        self._settings = _settings(address)
        self._place = place
        self._connection: psycopg.Connection[Any] | None = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Any]]:
        """The connection, within a transaction.

        Raises:
            DataError: it cannot be had, was lost, or the server refused something.
        """
        import psycopg

        try:
            if self._connection is None or self._connection.closed:
                self._connection = None
                self._connection = self._connect()
            with self._connection.transaction():
                yield self._connection
        except psycopg.Error as error:
            said = str(error).strip().splitlines()
            reason = said[0] if said else type(error).__name__
            if self._connection is None:
                reason = f"cannot connect: {reason}"
            elif self._connection.closed:
                reason = f"the connection was lost: {reason}"
            raise DataError(f"{self._place}: {reason}") from error

    @contextlib.contextmanager
    def changed(self, nothing: str) -> Iterator[psycopg.Connection[Any]]:
        """A transaction that changes something.

        Args:
            nothing: what is true when it fails, behind "nothing" ("was deleted").

        Raises:
            DataError: as `transaction`; says whether anything was changed.
        """
        import psycopg

        done = False
        try:
            with self.transaction() as connection:
                yield connection
                done = True  # what fails from here on is the end of the transaction
        except DataError as error:
            cause = error.__cause__
            if not isinstance(cause, psycopg.Error):
                raise
            state = "whether the server still wrote this is not known" if done else f"nothing {nothing}"
            raise DataError(f"{error}; {state}; run the command again to go on") from cause

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> psycopg.Connection[Any]:
        import psycopg

        settings = psycopg.conninfo.make_conninfo(**self._settings)
        connection: psycopg.Connection[Any] = psycopg.connect(settings, autocommit=True)
        try:
            _teach(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def enable_vectors(connection: psycopg.Connection[Any], place: str) -> None:
    """Makes the database know vectors.

    Raises:
        DataError: the server has no pgvector, or the user may not enable it.
    """
    import psycopg

    if not one(connection, "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'"):
        raise DataError(f"{place}: this server has no pgvector; install it there (package pgvector)")
    try:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except psycopg.errors.InsufficientPrivilege as error:
        raise DataError(
            f"{place}: pgvector is not enabled here, and the user may not do so: let the owner of the database run "
            "CREATE EXTENSION vector"
        ) from error
    _teach(connection)


def one(connection: psycopg.Connection[Any], query: Any, *values: Any) -> Any:
    """The only value of a query's only row."""
    row = connection.execute(query, values or None).fetchone()
    assert row is not None
    return row[0]


def holds(value: Any) -> bool:
    """Whether PostgreSQL can keep a value: no text with NUL or half of a surrogate pair."""
    return not isinstance(value, str) or not ("\0" in value or any("\ud800" <= each <= "\udfff" for each in value))


def _settings(address: Address) -> dict[str, str]:
    """What libpq is told. It is never given the URL, as its messages quote parts of one that it cannot read."""
    settings = {
        "user": address.user,
        "password": address.password,
        "dbname": address.path,
        "host": ",".join(host for host, _ in address.hosts),
        "port": ",".join(port for _, port in address.hosts),
    }
    named = {key: value for key, value in settings.items() if value.strip(",")}
    return {"connect_timeout": "10", "application_name": "sensemble"} | address.query | named


def _teach(connection: psycopg.Connection[Any]) -> None:
    """Lets the connection send and read vectors, where the database knows them."""
    from pgvector.psycopg import register_vector

    if one(connection, "SELECT count(*) FROM pg_extension WHERE extname = 'vector'"):
        register_vector(connection)
