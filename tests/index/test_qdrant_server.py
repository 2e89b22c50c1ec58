"""Qdrant over HTTP: requests as its client sends them, answered by its local engine; a server that goes away."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

pytest.importorskip("qdrant_client")

from index_battery import CHECKS, check_readers_while_a_writer_adds
from qdrant_client import QdrantClient, models

from sensemble.errors import ConfigError, DataError
from sensemble.index.base import Index
from sensemble.index.place import open_index


class Server:
    """Answers what this index asks of Qdrant's HTTP interface. Its entries outlive a stop."""

    def __init__(self) -> None:
        self.engine = QdrantClient(":memory:")
        self.port, self.seen, self.fails_after = 0, list[str](), 1 << 60
        self._lock = threading.Lock()
        self.start()

    def start(self) -> None:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else {}
                server.seen.append(self.headers.get("api-key") or "")
                if len(server.seen) > server.fails_after:
                    self.close_connection = True
                    return  # the connection ends without an answer
                with server._lock:
                    found = server.ask(self.command, self.path.partition("?")[0], body)
                content = json.dumps({"result": found, "status": "ok", "time": 0.0}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = answer

            def log_message(self, *_: Any) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def ask(self, method: str, path: str, body: dict[str, Any]) -> Any:
        match = re.fullmatch(r"/collections/(\w+)(/.*)?", path)
        assert match, path
        name, engine = match[1], self.engine
        fits = models.Filter(**body["filter"]) if body.get("filter") else None
        match (method, match[2] or ""):
            case ("GET", "/exists"):
                return {"exists": engine.collection_exists(name)}
            case ("PUT", ""):
                return engine.create_collection(
                    name, models.VectorParams(**body["vectors"]), metadata=body.get("metadata")
                )
            case ("GET", ""):
                return engine.get_collection(name).model_dump(mode="json")
            case ("PUT", "/points"):
                points = engine.upsert(name, models.Batch(**body["batch"]))
                return points.model_dump(mode="json")
            case ("POST", "/points/delete"):
                return engine.delete(name, models.PointIdsList(points=body["points"])).model_dump(mode="json")
            case ("POST", "/points/query"):
                assert body["params"]["exact"] and body["with_payload"]
                found = engine.query_points(name, body["query"]["nearest"], query_filter=fits, limit=body["limit"])
                return found.model_dump(mode="json")
            case ("POST", "/points/scroll"):
                points, place = engine.scroll(name, limit=body["limit"], offset=body.get("offset"))
                return {"points": [each.model_dump(mode="json") for each in points], "next_page_offset": place}
            case ("POST", "/points/count"):
                return engine.count(name).model_dump(mode="json")
            case ("POST", "/points"):
                return [each.model_dump(mode="json") for each in engine.retrieve(name, body["ids"])]
        raise AssertionError((method, path))


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()
    made.engine.close()


@pytest.mark.parametrize(
    "check",
    [each for each in CHECKS if each is not check_readers_while_a_writer_adds],
    ids=lambda check: check.__name__,
)
def test_battery(server: Server, check: Callable[[Callable[..., Index]], None]) -> None:
    if check is check_readers_while_a_writer_adds:
        pytest.skip("the local engine behind this server is not made for it")
    check(lambda run="a", dim=8: open_index(f"qdrant://127.0.0.1:{server.port}/entries", run, dim))


def batch(first: int, num: int = 30) -> tuple[list[str], np.ndarray, list[dict[str, Any]]]:
    vectors = np.random.default_rng(first).normal(size=(num, 8))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return [f"{first + place:03d}" for place in range(num)], unit, [{"batch": first}] * num


def test_a_server_that_goes_away_and_comes_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensemble.index.qdrant.BATCH", 8 * 10)  # three requests for thirty entries
    with open_index(f"qdrant://127.0.0.1:{server.port}/entries", "a", 8) as index:
        index.add(*batch(0))
        server.fails_after = len(server.seen) + 1
        with pytest.raises(
            DataError, match=r"a part of this batch may not be written; run the command again"
        ) as raised:
            index.add(*batch(30))
        assert str(raised.value).startswith(f"qdrant://127.0.0.1:{server.port}/entries: ")
        assert "\n" not in str(raised.value)
        server.fails_after = 1 << 60
        assert index.ids() == batch(0, 40)[0]  # the first request of three
        server.stop()
        for call in (lambda: index.search(batch(0)[1]), lambda: len(index), index.ids, lambda: index.delete(["000"])):
            with pytest.raises(DataError, match=r"Connection refused") as raised:
                call()
            assert "\n" not in str(raised.value)
        server.start()
        index.add(*batch(30))
        assert index.ids() == batch(0, 60)[0]


def test_the_key_is_sent_and_not_shown(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", "s3cret")
    url = f"qdrant://127.0.0.1:{server.port}/entries"
    with pytest.warns(UserWarning, match="insecure"):
        open_index(url, "a", 8).close()
    assert set(server.seen) == {"s3cret"}
    with pytest.warns(UserWarning, match="insecure"), pytest.raises(DataError) as raised:
        open_index(url.replace("qdrant://", "qdrant://:s3cret@"), "b", 8)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("qdrant://127.0.0.1:1/entries", "refused"),
        ("qdrant://127.0.0.1:6333/", "needs the name of a collection"),
        ("qdrant://127.0.0.1:6333/a/b", "is named by qdrant://HOST:PORT/COLLECTION"),
        ("qdrant:///entries", "is named by qdrant://HOST:PORT/COLLECTION"),
        ("qdrant://127.0.0.1:port/entries", "is named by qdrant://HOST:PORT/COLLECTION"),
        ("qdrant+ftp://127.0.0.1/entries", "is named by qdrant://HOST:PORT/COLLECTION"),
        ("qdrant+local://entries", "needs the name of a collection"),
        ("qdrant+local:///entries", "is named by qdrant+local:///FOLDER/COLLECTION"),
        ("qdrant://127.0.0.1:6333/entries?exact=true", "unknown option 'exact'"),
        ("qdrant://127.0.0.1:6333/entries?ef_search=0", "ef_search: needs a whole number from 1"),
    ],
)
def test_wrong_urls_are_told(url: str, message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=re.escape(message)):
        open_index(url, "a", 8)
