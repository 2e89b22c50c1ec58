"""Tiny files in published layouts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    """`put("a/b.json", content)` writes text, bytes, or anything else as JSON; gives the folder of all files."""

    def write(path: str, content: Any = b"") -> Path:
        whole = tmp_path / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            content = content.encode()
        whole.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return tmp_path

    return write
