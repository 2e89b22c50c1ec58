"""An index in PostgreSQL with the pgvector extension: one table an index, for more than one machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, DataError
from .address import Address, truth, whole
from .base import INDEXES, Hit, Index, Vectors, Where
from .check import check_entries, check_vectors
from .postgres import Database, enable_vectors, holds, one
from .where import conditions

if TYPE_CHECKING:
    import psycopg

FORMAT = 1
REGISTER = "sensemble_indexes"
"""The table that says of each index which run made it."""
NAME = re.compile(r"[a-z_][a-z0-9_]{0,47}")
LONGEST = 2000
"""D up to which pgvector builds an HNSW index."""
MOST = 1000
"""The largest `hnsw.ef_search`; longer answers are searched for exactly."""
OPTIONS: dict[str, Callable[[str], Any]] = {"table": str, "approximate": truth, "ef_search": whole}


@INDEXES.register("postgresql")
class PgVector(Index):
    """Entries in a table of PostgreSQL. Take it where several machines search or add, or a database is at hand.

    A search is exact: a scan of the table. With `approximate` it goes through an HNSW index (Malkov & Yashunin,
    arXiv:1603.09320), which `finish` builds; searches with conditions, or for more than 1000 hits, stay exact, as
    that index would lose entries. Each `add` is one transaction. A lost connection is opened again by the next call.

    Args:
        place: `postgresql://USER@HOST/DATABASE`, with options of ours (`table`, `approximate`, `ef_search`) and of
            libpq (`sslmode`, `connect_timeout`) behind `?`. Leave the password to `PGPASSWORD` or `~/.pgpass`.
        run: digest of the run that makes the vectors.
        dim: D.
        create: make the index where there is none.
        table: its table: lower-case letters, digits and `_`.
        approximate: search through an HNSW index.
        ef_search: how many entries such a search looks at; more is slower and finds more.

    Raises:
        ConfigError: a wrong URL or option, or psycopg and pgvector are not installed.
        DataError: the server cannot be reached or lacks pgvector; there is no such index; another run made it.
    """

    def __init__(
        self,
        place: str,
        run: str,
        dim: int,
        *,
        create: bool = True,
        table: str = "sensemble",
        approximate: bool = False,
        ef_search: int = 100,
    ) -> None:
        address = Address(place)
        given = address.take(OPTIONS)
        table = given.get("table", table)
        self._approximate: bool = given.get("approximate", approximate)
        self._ef_search: int = given.get("ef_search", ef_search)
        if not NAME.fullmatch(table) or table == REGISTER:
            raise ConfigError(
                f"{address}: table {table!r}: needs at most 48 lower-case letters, digits and '_', not a digit first, "
                f"and not {REGISTER}"
            )
        if self._approximate and dim > LONGEST:
            raise ConfigError(f"{address}: pgvector searches approximately up to {LONGEST} dimensions, not {dim}")
        self.run, self.dim, self._table = run, dim, table
        self._place = f"{address}, table {table}"
        self._database = Database(address, self._place)
        try:
            with self._database.transaction() as connection:
                self._open(connection, create=create)
        except BaseException:
            self.close()
            raise

    def add(self, ids: Sequence[str], vectors: Vectors, columns: Sequence[Mapping[str, Any]]) -> None:
        ids, rows, cells = check_entries(ids, vectors, columns, self.dim)
        told = [_json(name, each) for name, each in zip(ids, cells, strict=True)]
        with self._database.changed("of this batch was written") as connection:
            connection.execute(
                "CREATE TEMP TABLE sensemble_batch (id text, vector vector, columns jsonb) ON COMMIT DROP"
            )
            with connection.cursor().copy("COPY sensemble_batch FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["text", "vector", "jsonb"])
                for row in zip(ids, rows, told, strict=True):
                    copy.write_row(row)
            connection.execute(
                self._sql(
                    "INSERT INTO {table} SELECT id, vector, columns FROM sensemble_batch "
                    'ORDER BY id COLLATE "C" ON CONFLICT (id) '
                    "DO UPDATE SET vector = excluded.vector, columns = excluded.columns"
                )
            )

    def delete(self, ids: Sequence[str]) -> int:
        known = [name for name in ids if holds(name)]
        with self._database.changed("was deleted") as connection:
            return connection.execute(self._sql("DELETE FROM {table} WHERE id = ANY(%s::text[])"), [known]).rowcount

    def search(self, queries: Vectors, *, k: int = 10, where: Where | None = None) -> list[list[Hit]]:
        if k < 1:
            raise ConfigError(f"k: needs a whole number from 1, not {k}")
        queries = check_vectors(queries, self.dim)
        fits, values = _condition(where)
        through = self._approximate and not where and k <= MOST
        # Only an order by `vector <#> query` alone goes through the HNSW index; by a score it never does.
        order = "vector <#> %(query)s" if through else "score DESC, id"
        search = self._sql(
            "SELECT * FROM (SELECT id, -(vector <#> %(query)s) AS score, columns FROM {table} "
            f"WHERE {fits} ORDER BY {order} LIMIT %(k)s) AS near ORDER BY score DESC, id"
        )
        with self._database.transaction() as connection:
            if through:
                wide = str(min(max(self._ef_search, k), MOST))
                connection.execute("SELECT set_config('hnsw.ef_search', %s, true)", [wide])
            return [
                [
                    Hit(name, min(max(score, -1.0), 1.0), columns)
                    for name, score, columns in connection.execute(search, {**values, "query": query, "k": k})
                ]
                for query in queries
            ]

    def ids(self) -> list[str]:
        with self._database.transaction() as connection:
            return [name for (name,) in connection.execute(self._sql("SELECT id FROM {table} ORDER BY id"))]

    def __len__(self) -> int:
        with self._database.transaction() as connection:
            return int(one(connection, self._sql("SELECT count(*) FROM {table}")))

    def get(self, ids: Sequence[str]) -> list[dict[str, Any] | None]:
        known = [name for name in ids if holds(name)]
        with self._database.transaction() as connection:
            query = self._sql("SELECT id, columns FROM {table} WHERE id = ANY(%s::text[])")
            found: dict[str, dict[str, Any]] = dict(connection.execute(query, [known]).fetchall())
        return [found.get(name) for name in ids]

    def finish(self) -> None:
        """Builds the HNSW index of an approximate search, where there is none yet."""
        from psycopg import sql

        if self._approximate:
            with self._database.transaction() as connection:
                name = sql.Identifier(f"{self._table}_hnsw")
                make = "CREATE INDEX IF NOT EXISTS {name} ON {table} USING hnsw (vector vector_ip_ops)"
                connection.execute(self._sql(make, name=name))

    def close(self) -> None:
        self._database.close()

    def _open(self, connection: psycopg.Connection[Any], *, create: bool) -> None:
        """Checks whose index it is; makes it first where it is to be made."""
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [REGISTER])  # one maker at a time
        if create and not one(connection, "SELECT to_regclass(%s) IS NOT NULL", self._table):
            enable_vectors(connection, self._place)
            self._create(connection)
        self._check(connection)

    def _create(self, connection: psycopg.Connection[Any]) -> None:
        from psycopg import sql

        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {REGISTER} "
            "(name text PRIMARY KEY, format integer NOT NULL, run text NOT NULL, dim integer NOT NULL)"
        )
        connection.execute(
            self._sql(
                'CREATE TABLE {table} (id text COLLATE "C" PRIMARY KEY, vector vector({dim}) NOT NULL, '
                "columns jsonb NOT NULL)",
                dim=sql.Literal(self.dim),
            )
        )
        connection.execute(
            f"INSERT INTO {REGISTER} VALUES (%s, %s, %s, %s) ON CONFLICT (name) "
            "DO UPDATE SET format = excluded.format, run = excluded.run, dim = excluded.dim",
            [self._table, FORMAT, self.run, self.dim],
        )

    def _check(self, connection: psycopg.Connection[Any]) -> None:
        if not one(connection, "SELECT to_regclass(%s) IS NOT NULL", self._table):
            raise DataError(f"{self._place}: there is no index yet; make it with `sensemble index`")
        known = None
        if one(connection, "SELECT to_regclass(%s) IS NOT NULL", REGISTER):
            known = connection.execute(
                f"SELECT format, run, dim FROM {REGISTER} WHERE name = %s", [self._table]
            ).fetchone()
        if known is None:
            raise DataError(f"{self._place}: that table is there but is no index; name another with ?table=NAME")
        format, run, dim = known
        if format != FORMAT:
            raise DataError(f"{self._place}: its format is {format}, and this version reads {FORMAT}")
        if run != self.run:
            raise DataError(
                f"{self._place}: another run made this index ({run}, not {self.run}), and its vectors cannot be "
                "compared with this run's; name another table with ?table=NAME"
            )
        if dim != self.dim:
            raise DataError(f"{self._place} holds vectors of {dim} dimensions, not {self.dim}")

    def _sql(self, text: str, **names: Any) -> Any:
        from psycopg import sql

        return sql.SQL(text).format(table=sql.Identifier(self._table), **names)


def _json(name: str, cells: Mapping[str, Any]) -> Any:
    """The columns of an entry for a `jsonb`, if PostgreSQL can hold them and the entry's id.

    Raises:
        DataError: a text has a NUL, or half of a surrogate pair.
    """
    from psycopg.types.json import Jsonb

    for text in (name, *cells, *cells.values()):
        if not holds(text):
            raise DataError(f"the entry {name!r}: PostgreSQL keeps no text with NUL or a lone surrogate ({text!r})")
    return Jsonb(cells)


def _condition(where: Where | None) -> tuple[str, dict[str, Any]]:
    """What stands behind WHERE, and the values of its parameters; nothing of the user's stands in the SQL."""
    from psycopg.types.json import Jsonb

    parts, values = ["true"], dict[str, Any]()
    for place, each in enumerate(conditions(where)):
        wanted = [value for value in each.values or () if holds(value)]
        if not all(map(holds, (each.column, each.least, each.most))):
            return "false", {}
        values[f"column_{place}"] = each.column
        column, text = f"(columns -> %(column_{place})s)", f"(columns ->> %(column_{place})s)"
        if each.values is not None:
            parts.append(f"{column} = ANY(%(values_{place})s::jsonb[])")
            values[f"values_{place}"] = [Jsonb(value) for value in wanted]
            continue
        bounds = {name: bound for name, bound in (("least", each.least), ("most", each.most)) if bound is not None}
        kinds = {"string" if isinstance(bound, str) else "number" for bound in bounds.values()} or {"string", "number"}
        parts.append(f"jsonb_typeof{column} = ANY(%(kinds_{place})s)")
        values[f"kinds_{place}"] = sorted(kinds)
        for name, bound in bounds.items():
            sign = ">=" if name == "least" else "<="
            values[f"{name}_{place}"] = bound if isinstance(bound, str) else Jsonb(bound)
            left = f'{text} COLLATE "C"' if isinstance(bound, str) else column
            parts.append(f"{left} {sign} %({name}_{place})s")
    return " AND ".join(parts), values
