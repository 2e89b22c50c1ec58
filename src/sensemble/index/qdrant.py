"""An index in Qdrant: one collection an index, on a server or in the client's own local engine."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import ConfigError, DataError
from .address import Address, truth, whole
from .base import INDEXES, Hit, Index, Vectors, Where
from .check import check_entries, check_vectors
from .where import Condition, conditions

FORMAT = 1
MARK = "sensemble"
"""The key of a collection's metadata that says which run made it."""
SPACE = uuid.UUID("6f0f0b52-6a0b-5c1e-9d53-2f8f3c1f2a77")
"""Ids of points are made from those of entries and this."""
MEMORY = ":memory:"
SERVERS = {"qdrant": False, "qdrant+https": True}
BATCH = 1 << 20
"""Numbers that one request carries: some 10 MB as JSON, and a server takes 32."""
CLOSE = 1e-6
"""Scores nearer than this are held equal while the last hit is decided: engines differ by so much."""
KINDS = ("texts", "numbers", "truths")
"""Of values, which a payload keeps apart."""
OPTIONS: dict[str, Callable[[str], Any]] = {"approximate": truth, "ef_search": whole, "timeout": whole}


@INDEXES.register("qdrant")
class Qdrant(Index):
    """Entries in a collection of Qdrant. Take it where such a server is at hand.

    A search is exact, a scan, unless `approximate` lets the server use its HNSW index. Qdrant has no transactions:
    what `add` has returned from is written, but where it fails a part of its entries may be there; adding them again
    replaces them.

    The local engine is for trials: it searches in Python, and `qdrant+local` reads its folder with pickle. Open no
    such folder that somebody else made.

    Args:
        place: `qdrant://HOST:PORT/COLLECTION` or `qdrant+https://...`, with options behind `?` (`approximate`,
            `ef_search`, `timeout`); `qdrant+local:///FOLDER/COLLECTION`; `qdrant+local://:memory:/COLLECTION`. The
            server's key is taken from `QDRANT_API_KEY`.
        run: digest of the run that makes the vectors.
        dim: D.
        create: make the index where there is none.
        approximate: let the server search through its HNSW index.
        ef_search: how many entries such a search looks at; more is slower and finds more.
        timeout: seconds that a request may take.

    Raises:
        ConfigError: a wrong URL or option, or qdrant-client is not installed.
        DataError: the server cannot be reached; there is no such index; another run made it.
    """

    def __init__(
        self,
        place: str,
        run: str,
        dim: int,
        *,
        create: bool = True,
        approximate: bool = False,
        ef_search: int = 128,
        timeout: int = 60,
    ) -> None:
        address = Address(place)
        given = address.take(OPTIONS)
        address.refuse(OPTIONS)
        self.run, self.dim, self._place = run, dim, str(address)
        self._approximate: bool = given.get("approximate", approximate)
        self._ef_search: int = given.get("ef_search", ef_search)
        self._local = address.scheme == "qdrant+local"
        self._folder, _, self._name = address.path.rpartition("/")
        if not self._name:
            raise ConfigError(f"{address}: needs the name of a collection at its end")
        with self._told("the index was not opened"):
            self._client = self._connect(address, timeout=given.get("timeout", timeout))
            try:
                self._open(create=create)
            except BaseException:
                self._client.close()
                raise

    def add(self, ids: Sequence[str], vectors: Vectors, columns: Sequence[Mapping[str, Any]]) -> None:
        from qdrant_client import models

        ids, rows, cells = check_entries(ids, vectors, columns, self.dim)
        told = [{"id": name, **_payload(each)} for name, each in zip(ids, cells, strict=True)]
        step = max(1, BATCH // self.dim)
        with self._told("a part of this batch may not be written; run the command again to go on"):
            for start in range(0, len(ids), step):
                some = slice(start, start + step)
                points = models.Batch(
                    ids=[_point(name) for name in ids[some]], vectors=rows[some].tolist(), payloads=told[some]
                )
                self._client.upsert(self._name, points, wait=True)

    def delete(self, ids: Sequence[str]) -> int:
        from qdrant_client import models

        with self._told("a part may not be deleted; run the command again to go on"):
            before = len(self)
            points: list[Any] = [_point(name) for name in dict.fromkeys(ids)]
            if points:
                self._client.delete(self._name, models.PointIdsList(points=points), wait=True)
            return before - len(self)

    def search(self, queries: Vectors, *, k: int = 10, where: Where | None = None) -> list[list[Hit]]:
        if k < 1:
            raise ConfigError(f"k: needs a whole number from 1, not {k}")
        queries = check_vectors(queries, self.dim)
        asked = conditions(where)
        if any(each.values == () for each in asked):  # none of no values
            return [[] for _ in queries]
        with self._told("nothing was found"):
            return [self._nearest(query.tolist(), k, asked) for query in queries]

    def ids(self) -> list[str]:
        found: list[str] = []
        place = None
        with self._told("nothing was read"):
            while True:
                points, place = self._client.scroll(self._name, limit=1000, offset=place, with_payload=["id"])
                found += [point.payload["id"] for point in points if point.payload]
                if place is None:
                    return sorted(found)

    def __len__(self) -> int:
        with self._told("nothing was counted"):
            return int(self._client.count(self._name, exact=True).count)

    def get(self, ids: Sequence[str]) -> list[dict[str, Any] | None]:
        with self._told("nothing was read"):
            points = self._client.retrieve(self._name, [_point(name) for name in ids], with_payload=True)
        found = {point.payload["id"]: _columns(point.payload) for point in points if point.payload}
        return [found.get(name) for name in ids]

    def close(self) -> None:
        self._client.close()

    def _nearest(self, query: list[float], k: int, asked: Sequence[Condition]) -> list[Hit]:
        """The k nearest. More are asked for until the score of the last one is told from those of all left out."""
        from qdrant_client import models

        how = None if self._local else models.SearchParams(exact=not self._approximate, hnsw_ef=self._ef_search)
        fits, limit = _filter(asked), k + 10
        while True:
            points = self._client.query_points(
                self._name, query=query, limit=limit, query_filter=fits, search_params=how, with_payload=True
            ).points
            hits = [Hit(point.payload["id"], float(point.score), _columns(point.payload)) for point in points]
            kept = [hit for hit in hits if _within(hit.columns, asked)]
            if len(hits) < limit or (len(kept) >= k and hits[-1].score < kept[k - 1].score - CLOSE):
                break
            limit *= 4
        return sorted(kept, key=lambda hit: (-hit.score, hit.id))[:k]

    def _connect(self, address: Address, *, timeout: int) -> Any:
        try:
            import qdrant_client
        except ImportError as error:
            raise ConfigError(
                f"{address} needs the package 'qdrant-client'; install it: pip install 'sensemble[qdrant]'"
            ) from error
        if self._local:
            if address.hosts == [("", "memory:")]:
                return qdrant_client.QdrantClient(MEMORY)
            if address.hosts or not self._folder:
                raise ConfigError(f"{address}: the local engine is named by qdrant+local:///FOLDER/COLLECTION")
            return qdrant_client.QdrantClient(path=str(Path("/", self._folder)))
        host, port = address.hosts[0] if len(address.hosts) == 1 else ("", "")
        port = port or "6333"
        if address.scheme not in SERVERS or not host or not port.isdecimal() or self._folder:
            raise ConfigError(f"{address}: Qdrant is named by qdrant://HOST:PORT/COLLECTION")
        return qdrant_client.QdrantClient(
            host=host,
            port=int(port),
            https=SERVERS[address.scheme],
            api_key=address.password or os.environ.get("QDRANT_API_KEY") or None,
            timeout=timeout,
            check_compatibility=False,
        )

    def _open(self, *, create: bool) -> None:
        """Checks whose index it is; makes it first where it is to be made."""
        from qdrant_client import models

        if not self._client.collection_exists(self._name):
            if not create:
                raise DataError(f"{self._place}: there is no index yet; make it with `sensemble index`")
            self._client.create_collection(
                self._name,
                vectors_config=models.VectorParams(size=self.dim, distance=models.Distance.DOT),
                metadata={MARK: {"format": FORMAT, "run": self.run, "dim": self.dim}},
            )
        known = (self._client.get_collection(self._name).config.metadata or {}).get(MARK)
        if known is None:
            raise DataError(
                f"{self._place}: that collection is no index, or the server is older than Qdrant 1.16; name another"
            )
        if known["format"] != FORMAT:
            raise DataError(f"{self._place}: its format is {known['format']}, and this version reads {FORMAT}")
        if known["run"] != self.run:
            raise DataError(
                f"{self._place}: another run made this index ({known['run']}, not {self.run}), and its vectors cannot "
                "be compared with this run's; name another collection"
            )
        if known["dim"] != self.dim:
            raise DataError(f"{self._place} holds vectors of {known['dim']} dimensions, not {self.dim}")

    @contextlib.contextmanager
    def _told(self, state: str) -> Iterator[None]:
        """Whatever goes wrong with the server is told in one line. The client connects anew with each request."""
        try:
            yield
        except Exception as error:
            theirs = type(error).__module__.partition(".")[0] in ("qdrant_client", "httpx", "grpc")
            if not theirs and not isinstance(error, RuntimeError | OSError):
                raise
            said = str(error).strip().splitlines()
            reason = said[0] if said else type(error).__name__
            raise DataError(f"{self._place}: {reason}; {state}") from error


def _point(name: str) -> str:
    """The id of the point of an entry: Qdrant takes numbers and UUIDs alone."""
    return str(uuid.uuid5(SPACE, name))


def _payload(columns: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Columns by the kind of their values, so that a condition on numbers never meets a truth value or a text."""
    payload: dict[str, dict[str, Any]] = {}
    for name, value in columns.items():
        payload.setdefault(_kind(value), {})[_key(name)] = value
    return payload


def _columns(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.replace("%22", '"').replace("%25", "%"): value
        for kind in KINDS
        for name, value in payload.get(kind, {}).items()
    }


def _kind(value: str | int | float) -> str:
    return "texts" if isinstance(value, str) else "truths" if isinstance(value, bool) else "numbers"


def _key(column: str) -> str:
    """The column's name as it may stand within quotes in Qdrant's paths, which know no way to write a quote."""
    return column.replace("%", "%25").replace('"', "%22")


def _filter(asked: Sequence[Condition]) -> Any:
    """The conditions as Qdrant knows them. It has no bounds of texts: then any text fits, and `_within` looks."""
    from qdrant_client import models

    def field(kind: str, column: str, **how: Any) -> Any:
        return models.FieldCondition(key=f'{kind}."{_key(column)}"', **how)

    def equals(column: str, value: Any) -> Any:
        if _kind(value) == "numbers":  # an equality there is for whole numbers only
            return field("numbers", column, range=models.Range(gte=value, lte=value))
        return field(_kind(value), column, match=models.MatchValue(value=value))

    def one(each: Condition) -> Any:
        if each.values is not None:
            return models.Filter(should=[equals(each.column, value) for value in each.values])
        bounds = [bound for bound in (each.least, each.most) if bound is not None]
        if bounds and not isinstance(bounds[0], str):
            return field("numbers", each.column, range=models.Range(gte=each.least, lte=each.most))
        lacks = [field(kind, each.column, is_empty=True) for kind in (("texts",) if bounds else ("texts", "numbers"))]
        return models.Filter(must_not=[models.Filter(must=lacks)])

    return models.Filter(must=[one(each) for each in asked]) if asked else None


def _within(columns: Mapping[str, Any], asked: Sequence[Condition]) -> bool:
    """Whether texts are within their bounds."""
    return all(
        (not isinstance(each.least, str) or columns[each.column] >= each.least)
        and (not isinstance(each.most, str) or columns[each.column] <= each.most)
        for each in asked
    )
