"""A table into an index: its rows embedded in batches, with their ids and columns. What is there already is skipped."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import config as configs
from ..checkpoint import find
from ..data.load import Input, resolve, shorten
from ..data.read import read
from ..data.table import Table
from ..errors import ConfigError, DataError, unknown
from ..media.source import digest
from ..pipeline import Event
from .base import Index
from .place import describe, open_index, remember
from .where import Flags

if TYPE_CHECKING:
    from ..learner import Learner

BATCH = 1_024
"""Rows embedded and added at once: what a kill can cost."""
CONTENT = "_content"
"""Column that tells whether a row has changed since it was added. Columns with a leading underscore are not shown."""
LONGEST = 500
"""Letters of a text that is kept as a column."""


@dataclass
class Made:
    """What became of the rows.

    Args:
        entries: of the index now.
        added, replaced, skipped: rows that were new, had changed, or were there already.
        missing: rows without any input of the side.
        unreadable: rows whose inputs could not be read.
    """

    entries: int = 0
    added: int = 0
    replaced: int = 0
    skipped: int = 0
    missing: int = 0
    unreadable: int = 0


def run_digest(run: str | Path) -> str:
    """What tells a run's vectors from another's: its weights, and what of its config decides them."""
    folder = find(Path(run))
    config = configs.read(folder / "config.yaml")
    found = hashlib.blake2b(digest_size=20)
    kept = {"inputs": _portable(config.inputs), "task": config.task, "fusion": config.fusion, "width": config.width}
    found.update(json.dumps(kept, sort_keys=True, default=str).encode())
    with (folder / "network.safetensors").open("rb") as file:
        return hashlib.file_digest(file, lambda: found).hexdigest()


def build_index(
    learner: Learner,
    run: str | Path,
    data: Any,
    place: str | Path | None = None,
    *,
    made: Made,
    id: str | None = None,
    columns: Sequence[str] | None = None,
    kind: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Event]:
    """Adds the rows of a table to an index, which is made where there is none; progress as it goes.

    Killed and started again, it goes on where it was: rows whose id is there with the same content are skipped.

    Args:
        learner: of the run.
        run: its folder.
        data: a table, whatever `read` takes.
        place: of the index, a folder or a URL; `None` is `RUN/index`.
        made: is filled with what became of the rows.
        id: the column of the ids; `None` takes the config's, else the rows' numbers.
        columns: to keep; `None` keeps all with short plain values, and the paths of media.
        kind: `exact` or `approximate`, for a folder.
        options: of that kind.

    Raises:
        DataError: ids that are missing or given twice, another run's index, or too many values that cannot be read.
    """
    table, side = read(data), candidate_side(learner)
    inputs = learner.sides_[side]
    ids = _ids(table, id or learner.config.data.id, given=id is not None)
    kept = _columns(table, columns, [item.column for item in inputs.values()])
    lenient = copy.copy(learner)  # the share of unreadable values is judged over all rows, not batch by batch
    lenient.config = learner.config.replace(data=replace(learner.config.data, max_unreadable=1.0))
    yield Event("index", f"Indexing {table.name}: {len(table):,} rows", total=len(table))

    dim = lenient.embed(table.take([0]), side=side).shape[1]
    unreadable, where = list[str](), default_place(run) if place is None else place
    with open_index(where, run_digest(run), dim, kind=kind, options=options) as index:
        if "://" not in str(where):
            before = describe(Path(where)).get("columns", [])
            remember(Path(where), columns=sorted({*before, *kept}), side=side)
        size = math.ceil(len(table) / math.ceil(len(table) / BATCH))
        for start in range(0, len(table), size):
            rows = np.arange(start, min(start + size, len(table)))
            part, names = table.take(rows), ids[start : start + size]
            unreadable += _add(index, lenient, side, part, names, _cells(part, kept, inputs), made)
            yield Event("index", done=int(rows[-1]) + 1, total=len(table))
        yield Event("finish")
        index.finish()
        made.entries, made.unreadable = len(index), len(unreadable)
    _judge(table, unreadable, learner.config.data.max_unreadable)


def default_place(run: str | Path) -> Path:
    """Where the index of a run is unless it is said."""
    return Path(run) / "index"


def candidate_side(learner: Learner) -> str:
    """The side whose rows are searched among: `candidate` where the task has one, else its only or first."""
    sides = learner.sides_
    return "candidate" if "candidate" in sides else next(iter(sides))


def _add(
    index: Index,
    learner: Learner,
    side: str,
    part: Table,
    names: Sequence[str],
    cells: Sequence[dict[str, Any]],
    made: Made,
) -> list[str]:
    """Adds the rows that are new or have changed; returns the ids of those that cannot be read."""
    inputs = learner.sides_[side].values()
    before = index.get(names)
    contents = _contents(part, list(inputs), cells)
    fresh = [row for row, old in enumerate(before) if (old or {}).get(CONTENT) != contents[row]]
    made.skipped += len(names) - len(fresh)
    if not fresh:
        return []
    vectors = learner.embed(part.take(fresh), side=side)
    good: Flags = np.asarray(np.isfinite(vectors).all(axis=1))
    chosen = [row for row, fine in zip(fresh, good.tolist(), strict=True) if fine]
    index.add([names[row] for row in chosen], vectors[good], [{**cells[row], CONTENT: contents[row]} for row in chosen])
    left = [row for row, fine in zip(fresh, good.tolist(), strict=True) if not fine]
    index.delete([names[row] for row in left])
    held = [row for row in left if any(part.column(item.column)[row] is not None for item in inputs)]
    made.missing += len(left) - len(held)
    made.replaced += sum(before[row] is not None for row in chosen)
    made.added += sum(before[row] is None for row in chosen)
    return [names[row] for row in held]


def _ids(table: Table, column: str | None, *, given: bool) -> list[str]:
    """The rows' ids, as texts."""
    if column is None or (column not in table.columns and not given):
        return [str(table.row(position)) for position in range(len(table))]
    found: dict[str, int] = {}
    for position, value in enumerate(table.column(column)):
        where = f"{table.name}, row {table.row(position)}, column {column!r}"
        if value is None:
            raise DataError(f"{where}: has no id; fill it, or name another column (--id)")
        if str(value) in found:
            raise DataError(f"{where}: the id {value!r} stands in row {table.row(found[str(value)])} as well")
        found[str(value)] = position
    return list(found)


def _columns(table: Table, wanted: Sequence[str] | None, media: Sequence[str]) -> list[str]:
    """The columns to keep: those asked for, or all that hold texts of some length, numbers and truth values."""
    if wanted is None:
        return [name for name in table.columns if name in media or all(map(_is_plain, table.column(name)))]
    for name in wanted:
        if name not in table.columns:
            raise ConfigError(f"--columns: {unknown('column', name, table.columns)}")
    return list(dict.fromkeys(wanted))


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST
    return value is None or (isinstance(value, int | float) and math.isfinite(value))


def _cells(part: Table, columns: Sequence[str], inputs: Mapping[str, Input]) -> list[dict[str, Any]]:
    """What is kept of each row; paths of media are complete, so that they are found from anywhere."""
    media = {item.column: item.modality for item in inputs.values() if item.modality.reads_files}
    cells: list[dict[str, Any]] = [{} for _ in range(len(part))]
    for name in columns:
        for cell, value in zip(cells, part.column(name), strict=True):
            if name in media and isinstance(value, str | Path):
                value = str(Path(resolve(value, media[name], part.root)).absolute())
            if value is not None and isinstance(value, str | int | float) and (name in media or _is_plain(value)):
                cell[name] = value
    return cells


def _contents(part: Table, inputs: Sequence[Input], cells: Sequence[dict[str, Any]]) -> list[str]:
    """A digest of each row: of its inputs' contents, whatever their files are called, and of what is kept of it."""
    found = [hashlib.blake2b(json.dumps(cell, sort_keys=True).encode(), digest_size=12) for cell in cells]
    for item in inputs:
        for each, value in zip(found, part.column(item.column), strict=True):
            content = None
            if value is not None:
                raw = resolve(value, item.modality, part.root)
                content = digest(raw, is_file=item.modality.reads_files) or repr(value).encode()
            each.update(item.name.encode() + b"\0" + (content or b"missing") + b"\0")
    return [each.hexdigest() for each in found]


def _judge(table: Table, unreadable: Sequence[str], share: float) -> None:
    if len(unreadable) > share * len(table):
        first = ", ".join(shorten(name, 40) for name in unreadable[:3])
        raise DataError(
            f"{table.name}: the inputs of {len(unreadable):,} of {len(table):,} rows cannot be read, more than the "
            f"{share:.0%} that data.max_unreadable allows (ids {first}); the others are in the index"
        )


def _portable(inputs: Mapping[str, Any]) -> Any:
    """The inputs of a config, their models by name and not by place: a run may be moved."""

    def without(spec: Any) -> Any:
        if isinstance(spec, Mapping):
            return {
                key: Path(value).name if key == "model" and isinstance(value, str) else without(value)
                for key, value in spec.items()
            }
        return list(map(without, spec)) if isinstance(spec, list | tuple) else spec

    return without(inputs)
