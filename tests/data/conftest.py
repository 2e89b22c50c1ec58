"""Samples that accept packages made by the tests, and the promise that nothing is fetched."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sensemble.data import samples


@pytest.fixture
def pin(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes a sample accept files made here: their sha256 take the places of the real ones'."""

    def accept(name: str, *paths: Path) -> None:
        pairs = zip(samples.SAMPLES[name].carriers, paths, strict=True)
        made = tuple(replace(each, sha256=hashlib.sha256(path.read_bytes()).hexdigest()) for each, path in pairs)
        monkeypatch.setitem(samples.SAMPLES, name, replace(samples.SAMPLES[name], carriers=made))

    return accept


@pytest.fixture
def no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("nothing should be downloaded")

    monkeypatch.setattr(subprocess, "run", refuse)
