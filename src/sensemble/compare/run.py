"""Runs a comparison cell by cell, in processes side by side, and goes on where a killed one stopped."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..data.read import read
from ..errors import ConfigError
from ..files import read_json, to_json, write, write_json
from ..pipeline import Event
from ..plan import complete
from ..prepare import torn_groups
from ..report.leaderboard import write_leaderboard
from .board import board
from .cell import Bench
from .plan import Cell, Variant, fingerprint, key, singles, variants

_bench: Bench | None = None
"""In a worker process: what it measures with."""


def compare(
    mapping: Mapping[str, Any],
    source: Any,
    folder: Path,
    *,
    vary: Mapping[str, Sequence[Any]] | None = None,
    folds: int = 5,
    repeats: int = 1,
    alone: bool = True,
    jobs: int = 0,
) -> Iterator[Event]:
    """Compares variants of a config by cross-validation. Cells that `folder` holds already are not run again.

    Args:
        mapping: the config, as plain values.
        source: all rows, as `data.read` reads them; folds are cut from them.
        folder: gets `cells/`, `compare.json`, `compare.html` and each variant's out-of-fold answers.
        vary: values by key, such as `{"fusion": ["gate", "concat"]}`; several keys make a grid; none: the config
            alone, cross-validated.
        folds: number of folds.
        repeats: how often, each time with other folds and another seed.
        alone: also train each input alone.
        jobs: processes side by side; 0 takes one a core, 4 at most.

    Yields:
        Events with a line for each finished cell and the leaderboard at the end.

    Raises:
        UserError: a config or table that cannot be used.
    """
    if repeats < 1:
        raise ConfigError(f"repeats: must be at least 1, not {repeats}")
    table = read(source)
    plan = [replace(each, config=complete(each.config, table)[0]) for each in variants(mapping, vary or {})]
    if alone:
        plan += singles(plan[0].config, list(plan[0].config.specs))
    bench = Bench(table, plan, folds)
    # what shares its data comes in turn
    order = sorted(range(len(plan)), key=lambda number: repr(bench.shared(number)))
    cells = [Cell(number, repeat, fold) for repeat in range(repeats) for fold in range(folds) for number in order]
    digest = fingerprint(table)
    files = {cell: folder / "cells" / f"{key(plan[cell.variant], cell, folds, digest)}.json" for cell in cells}
    todo = [cell for cell in cells if not files[cell].exists()]
    yield Event(
        "compare",
        f"{len(plan)} variants, {folds} folds, {repeats} repeat{'s' if repeats > 1 else ''}: {len(cells)} models"
        + (f", {len(cells) - len(todo)} of them done before." if len(todo) < len(cells) else "."),
    )
    for warning in torn_groups(plan[0].config, table):
        yield Event("compare", f"group: {warning}")
    started = time.monotonic()
    for done, (cell, found) in enumerate(_measured(bench, todo, _jobs(jobs)), 1):
        write_json(files[cell], found)
        score = found["scores"][found["metric"]]
        left = (time.monotonic() - started) / done * (len(todo) - done)
        yield Event(
            "compare",
            f"[{done}/{len(todo)}] {found['variant']}, fold {cell.fold + 1}"
            + (f", repeat {cell.repeat + 1}" if repeats > 1 else "")
            + f": {found['metric']} {score:.4f} in {found['seconds']:.0f} s; about {left / 60:.0f} min left",
            done,
            len(todo),
        )
    results: dict[int, list[dict[str, Any]]] = {number: [] for number in range(len(plan))}
    for cell in cells:
        results[cell.variant].append(read_json(files[cell]))
    found = board(plan, results)
    for number, variant in enumerate(plan):
        lines = [
            to_json({"repeat": cell["repeat"], "fold": cell["fold"], **answer})
            for cell in results[number]
            for answer in cell["answers"]
        ]
        write(folder / "answers" / f"{_file_name(variant, number)}.jsonl", "\n".join(lines) + "\n")
    write_json(folder / "compare.json", found)
    for line in lines_of(found):
        yield Event("compare", line)
    yield Event("compare", f"Report: {write_leaderboard(folder)}")


def lines_of(found: Mapping[str, Any]) -> list[str]:
    """A leaderboard for a terminal, best first, and what may be concluded."""
    sign = -1 if found["higher"] else 1
    rows = sorted(found["variants"], key=lambda row: (row["mean"] is None, sign * (row["mean"] or 0)))
    width = max(len(row["name"]) for row in rows)
    lines = [f"{found['metric']} over {found['folds']} folds of {found['rows']:,} rows (95 % interval):"]
    for row in rows:
        lines.append(
            f"  {row['name']:<{width}}  {row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
            f"  {row['seconds']:6.1f} s  {row['parameters']:>11,.0f} parameters"
        )
    lines.append(f"  {'trivial':<{width}}  {found['trivial']:.3f}")
    return [*lines, *found["sentences"]]


def _measured(bench: Bench, cells: Sequence[Cell], jobs: int) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Each cell's result as soon as it is there."""
    if jobs == 1 or len(cells) < 2:
        for cell in cells:
            yield cell, bench.measure(cell)
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    pool = ProcessPoolExecutor(
        min(jobs, len(cells)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(bench, threads, os.getpid()),
    )
    waiting: dict[Future[dict[str, Any]], Cell] = {pool.submit(_measure, cell): cell for cell in cells}
    try:
        while waiting:
            ready, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in ready:
                yield waiting.pop(future), future.result()
    finally:
        if waiting:  # stopped in between: what is under way may have minutes to go, and is lost either way
            for process in list(pool._processes.values()):
                process.terminate()
        pool.shutdown(wait=not waiting, cancel_futures=True)


def _start(bench: Bench, threads: int, parent: int) -> None:
    """Readies a worker process; it ends when its parent is gone, even if that was killed."""
    global _bench
    _bench = bench
    torch.set_num_threads(threads)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _measure(cell: Cell) -> dict[str, Any]:
    assert _bench is not None
    return _bench.measure(cell)


def _jobs(jobs: int) -> int:
    if jobs < 0:
        raise ConfigError(f"jobs: must be 0 (one a core) or more, not {jobs}")
    return jobs or min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _file_name(variant: Variant, number: int) -> str:
    """A variant's name as a file name."""
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in variant.name)
    return f"{number:02d}-{safe[:60]}"
