"""The report of a run: one HTML file that opens from disk and shows the evidence."""

from __future__ import annotations

from typing import Any

__all__ = ["render", "write_report"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import page

        return getattr(page, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
