"""The cache: what is kept is what was made; other content or settings are another entry; nothing corrupts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from torch import Tensor

from sensemble.data import cache as module
from sensemble.data.cache import Cache, load_many, make_key
from sensemble.errors import DataError, Unreadable
from sensemble.modalities.base import Modality
from sensemble.modalities.image import Image


class Shout(Modality):
    """A text as its bytes, plus a number; counts what it decodes; cannot read what starts with `!`."""

    encoder = "none"
    dtype = torch.int64

    def __init__(self, plus: int = 0) -> None:
        self.plus, self.loads = plus, []

    @property
    def shape(self) -> tuple[int, ...]:
        return ()

    def load(self, raw: Any) -> Tensor:
        self.loads.append(raw)
        if raw.startswith("!"):
            raise Unreadable("starts with a mark")
        return torch.tensor(list(raw.encode())) + self.plus

    def fingerprint(self) -> str:
        return f"shout {self.plus}"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", limit=0.01)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["float32", "uint8", "int64", "float16", "bool"]), st.lists(st.integers(0, 4), max_size=4)
        ),
        max_size=4,
    )
)
def test_any_tensor_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, kinds: list[Any]) -> None:
    tensors = [torch.arange(int(np.prod(shape))).view(shape).to(getattr(torch, kind)) for kind, shape in kinds]
    keys = [bytes([number]) for number in range(len(tensors))]
    cache = Cache(tmp_path_factory.getbasetemp() / "any")
    cache.put(keys, tensors)
    for tensor, found in zip(tensors, cache.get(keys), strict=True):
        assert found is not None and found.dtype == tensor.dtype and torch.equal(found, tensor)


def test_a_value_is_made_once_and_its_name_does_not_matter(cache: Cache) -> None:
    shout = Shout()
    first = load_many(shout, ["one", "two", "one"], cache)
    assert shout.loads == ["one", "two"]
    again = load_many(shout, ["two", "one", "three"], cache)
    assert shout.loads == ["one", "two", "three"]
    assert torch.equal(first[1], again[0]) and torch.equal(first[0], first[2])  # type: ignore[arg-type]
    assert cache.hits == 2


def test_one_changed_file_of_many_is_decoded_again(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = []
    for number in range(6):
        paths.append(str(tmp_path / f"{number}.png"))
        Pillow.new("RGB", (8, 8), (number * 20, 0, 0)).save(paths[-1])
    image = Image(size=8)
    before = load_many(image, paths, cache)
    Pillow.new("RGB", (8, 8), "white").save(paths[2])
    decoded = []
    inner = Image.load
    monkeypatch.setattr(Image, "load", lambda self, raw: decoded.append(raw) or inner(self, raw))
    after = load_many(image, paths, cache)
    assert decoded == [paths[2]]
    for place, (old, new) in enumerate(zip(before, after, strict=True)):
        assert torch.equal(old, new) == (place != 2)  # type: ignore[arg-type]
    load_many(Image(size=4), paths, cache)
    assert len(decoded) == 7, "another size is another entry"


def test_other_settings_are_another_entry(cache: Cache) -> None:
    load_many(Shout(), ["one"], cache)
    other = Shout(plus=1)
    (found,) = load_many(other, ["one"], cache)
    assert isinstance(found, Tensor) and other.loads == ["one"] and found[0] == ord("o") + 1


def test_what_cannot_be_read_is_not_kept(cache: Cache) -> None:
    shout = Shout()
    for _ in range(2):
        good, bad = load_many(shout, ["good", "!bad"], cache)
        assert isinstance(good, Tensor) and isinstance(bad, Unreadable)
    assert shout.loads == ["good", "!bad", "!bad"]


def test_the_least_recently_used_go_first(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(module.time, "time", lambda: clock[0])
    size = cache.limit // 10 // 4
    keys = [bytes([number]) for number in range(9)]
    for key in keys:
        clock[0] += 1
        cache.put([key], [torch.zeros(size)])
    assert cache.info()["entries"] == 9
    clock[0] += module.FRESH + 100
    assert cache.get(keys[:1])[0] is not None  # used again: the oldest no longer
    clock[0] += 1
    cache.put([b"x", b"y"], [torch.zeros(size), torch.ones(size)])
    info = cache.info()
    assert info["bytes"] <= cache.limit
    kept = [key for key, found in zip(keys, cache.get(keys), strict=True) if found is not None]
    assert keys[0] in kept and keys[1] not in kept and keys[8] in kept
    assert torch.equal(cache.get([b"y"])[0], torch.ones(size))  # type: ignore[arg-type]


def test_writing_an_entry_again_counts_it_once_and_one_too_large_is_not_kept(cache: Cache) -> None:
    for _ in range(3):
        cache.put([b"a"], [torch.zeros(5000)])
    info = cache.info()
    assert info["entries"] == 1 and 20_000 <= info["bytes"] <= 28_000
    cache.put([b"large"], [torch.zeros(cache.limit // 4)])
    assert cache.get([b"large"]) == [None]


def test_clear(cache: Cache) -> None:
    assert cache.clear() == 0
    cache.put([b"a", b"b"], [torch.zeros(3), torch.ones(2)])
    assert cache.clear() == 2
    assert cache.get([b"a"]) == [None] and cache.info()["bytes"] == 0


def test_a_place_that_cannot_be_used_costs_a_warning_not_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    cache = Cache(tmp_path / "file" / "cache")
    with pytest.raises(DataError, match="cannot be used"):
        cache.get([b"a"])
    with pytest.warns(RuntimeWarning, match="going on without it"):
        (found,) = load_many(Shout(), ["one"], cache)
    assert isinstance(found, Tensor)
    load_many(Shout(), ["two"], cache)  # said once


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(DataError, match="remove that folder"):
        Cache(tmp_path).info()


def test_without_a_cache_or_a_fingerprint_nothing_is_kept(cache: Cache) -> None:
    shout = Shout()
    load_many(shout, ["one"], None)
    shout.fingerprint = lambda: None  # type: ignore[method-assign, assignment, return-value]
    load_many(shout, ["one"], cache)
    assert shout.loads == ["one", "one"] and cache.info()["entries"] == 0


WRITER = """
import sys, torch
from pathlib import Path
from sensemble.data.cache import Cache
cache, start, stop = Cache(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
for number in range(start, stop):
    key = number.to_bytes(4, "big")
    (found,) = cache.get([key])
    cache.put([key], [torch.full((2000,), float(number))])
"""


def writer(folder: Path, start: int, stop: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(start), str(stop)], stdout=subprocess.PIPE, text=True
    )


def entries(cache: Cache, numbers: range) -> dict[int, Tensor]:
    found = cache.get([number.to_bytes(4, "big") for number in numbers])
    return {number: tensor for number, tensor in zip(numbers, found, strict=True) if tensor is not None}


def test_two_processes_fill_it_at_once_and_a_kill_leaves_it_whole(tmp_path: Path) -> None:
    both = [writer(tmp_path, 0, 60), writer(tmp_path, 30, 90), writer(tmp_path, 1000, 10**6)]
    for process in both[:2]:
        assert process.wait(timeout=60) == 0
    cache = Cache(tmp_path)
    deadline = time.monotonic() + 30
    while not entries(cache, range(1000, 1001)) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(both[2].pid, signal.SIGKILL)  # in the middle of writing
    assert both[2].wait(timeout=30) == -signal.SIGKILL
    for process in both:
        assert process.stdout is not None
        process.stdout.close()
    found = entries(cache, range(90))
    assert len(found) == 90
    killed = entries(cache, range(1000, 3000))
    assert killed
    for number, tensor in {**found, **killed}.items():
        assert torch.equal(tensor, torch.full((2000,), float(number)))
    assert cache.info()["entries"] == 90 + len(entries(cache, range(1000, 20_000)))
    cache.put([b"after"], [torch.ones(3)])
    assert cache.get([b"after"])[0] is not None


def test_keys_hold_content_and_settings() -> None:
    assert make_key(None, "a") is None
    assert len({make_key(b"x", "a"), make_key(b"x", "b"), make_key(b"y", "a")}) == 3
