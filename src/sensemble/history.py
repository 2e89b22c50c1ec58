"""`history.jsonl`: what a training went through, line by line, also across a kill and a resume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .files import to_json, write
from .train import Progress


class History:
    """`history.jsonl`: about ten lines an epoch, written as they come; a resumed run goes on from its own step."""

    def __init__(self, path: Path | None, *, keep: bool) -> None:
        self.path = path
        self.lines: list[dict[str, Any]] = []
        self._fresh = True
        if path and keep and path.exists():
            self.lines = [json.loads(line) for line in whole_lines(path)]

    def add(self, progress: Progress) -> None:
        if self._fresh:  # what a killed run wrote after its last checkpoint happens again
            self.lines = [line for line in self.lines if line["step"] < progress.step]
            if self.path:
                write(self.path, "".join(to_json(line) + "\n" for line in self.lines))
            self._fresh = False
        if progress.valid is None and progress.step % max(1, progress.steps // 100) != 0 and not progress.best:
            return
        self.lines.append(progress.record())
        if self.path:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(to_json(self.lines[-1]) + "\n")


def whole_lines(path: Path) -> list[str]:
    """The complete lines of a file that may end in a torn one."""
    text = path.read_text(encoding="utf-8")
    return [line for line in text[: text.rfind("\n") + 1].splitlines() if line]
