"""Shows the events of a job: a bar with rows/s and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from .pipeline import Event

BUSY = {
    "load": "Reading",
    "audit": "Auditing",
    "fit": "Training",
    "evaluate": "Evaluating",
    "verdict": "Verdict",
    "compare": "Comparing",
    "tune": "Tuning",
}


def show(events: Iterable[Event], *, quiet: bool = False) -> None:
    """Consumes the events. `quiet` sends every line to the error stream, so that output stays for programs."""
    console = Console(stderr=quiet, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        for event in events:
            if event.text:
                print(event.text, file=sys.stderr if quiet else sys.stdout, flush=True)
        return
    bar = Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console, transient=True,
    )  # fmt: skip
    with bar:
        task, doing = bar.add_task("Starting", total=None, rate=""), ""
        for event in events:
            if event.text:
                console.print(event.text, markup=False)
            label = BUSY.get(event.stage, event.stage) + (f": {event.about}" if event.about else "")
            if label != doing:
                bar.remove_task(task)  # a reset bar would keep the total of what was done before
                task = bar.add_task(label, total=event.total or None, rate="")
                doing = label
            rate = f"{event.progress.rows_per_second:,.0f} rows/s" if event.progress else ""
            bar.update(task, completed=event.done, total=event.total or None, rate=rate)
