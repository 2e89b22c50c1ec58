"""A query, by text, picture, sound or any other input of a run, to the entries of its index that are nearest."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.load import Input
from ..errors import ConfigError, DataError, Unreadable, unknown
from .base import Hit, Where
from .keyword import Keywords, hybrid
from .make import default_place, run_digest
from .place import describe, open_index

if TYPE_CHECKING:
    from ..learner import Learner

SOME = 100
"""Entries by which the columns of a server's index are known, where nothing was found."""
_CONDITION = re.compile(r"(?P<column>.+?)(?P<sign>>=|<=|=)(?P<value>.*)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def search_index(
    learner: Learner,
    run: str | Path,
    query: Mapping[str, Any],
    place: str | Path | None = None,
    *,
    k: int = 10,
    where: Where | None = None,
    hybrid_column: str | None = None,
    without: Collection[str] = (),
) -> list[Hit]:
    """The entries of a run's index that are nearest to a query.

    Args:
        learner: of the run.
        run: its folder.
        query: a raw value for each of some inputs, all of one side.
        place: of the index, a folder or a URL; `None` is `RUN/index`.
        k: hits wanted.
        where: conditions on columns.
        hybrid_column: a column of texts that is searched by keyword as well, for the query's text.
        without: ids of entries that are not wanted.

    Raises:
        ConfigError: an unknown input or column, inputs of two sides, or a keyword search without a text.
        DataError: no index there, another run's, or a query that cannot be read.
    """
    side, inputs = _side(learner, query)
    place = default_place(run) if place is None else place
    _check_columns(place, [*(where or {}), *([hybrid_column] if hybrid_column else [])])
    text = " ".join(str(value) for name, value in query.items() if isinstance(value, str) and _is_text(inputs[name]))
    if hybrid_column and not text:
        raise ConfigError("--hybrid: a keyword search needs a query with a text")
    vector = learner.embed([{inputs[name].column: value for name, value in query.items()}], side=side)
    if vector.size and not vector[0, 0] == vector[0, 0]:
        raise DataError(f"the query holds nothing that the run can read ({', '.join(query)})")
    with open_index(place, run_digest(run), vector.shape[1], create=False) as index:
        more = max(k, learner.rerank_) + len(without) if k > 0 else k  # as many may be found and left out
        if hybrid_column:
            hits = hybrid(index, Keywords(index, hybrid_column), vector, text, k=more, where=where)
        else:
            hits = index.search(vector, k=more, where=where)[0]
        if not hits and where:
            some = index.search(vector, k=SOME)[0]
            _check_known(where, {name for hit in some for name in hit.columns if not name.startswith("_")})
    hits = [hit for hit in hits if hit.id not in without]
    return look_again(learner, side, query, hits)[:k]


def look_again(learner: Learner, side: str, query: Mapping[str, Any], hits: Sequence[Hit]) -> list[Hit]:
    """The hits in the order of a second look, where the run takes one and the index keeps what it needs.

    The first ones (`task.rerank`) are read together with the query, by the columns that are kept of them. Their score
    is then the chance that both belong together; those behind keep theirs. Nothing changes where no hit has such a
    column, or the query is of the side that is found.
    """
    sides = list(learner.sides_.items())
    first, rest = list(hits[: learner.rerank_]), list(hits[learner.rerank_ :])
    if not first or side != sides[0][0]:
        return [*first, *rest]
    found = [item.column for item in sides[-1][1].values()]
    rows = [{column: hit.columns.get(column) for column in found} for hit in first]
    if not any(value is not None for row in rows for value in row.values()):
        return [*first, *rest]
    asked = {sides[0][1][name].column: value for name, value in query.items()}
    chances = learner.match([{**row, **asked} for row in rows])
    assert chances is not None
    judged = [hit._replace(score=float(chance)) for hit, chance in zip(first, chances, strict=True)]
    return [*sorted(judged, key=lambda hit: -hit.score), *rest]


def listed(learner: Learner, query: Mapping[str, Any]) -> set[str]:
    """What the query itself lists, such as the things of a history: ids of entries that need not be found again.

    Raises:
        ConfigError: no input of the query is a list.
        DataError: a list that cannot be read.
    """
    _, inputs = _side(learner, query)
    try:
        found = {name: inputs[name].modality.names(value) for name, value in query.items()}
    except Unreadable as error:
        raise DataError(f"the query {error}") from error
    if not any(found.values()):
        raise ConfigError("--unseen leaves out what the query lists; give a list, such as --give history='50 181'")
    return {each for names in found.values() for each in names}


def input_of_kind(learner: Learner, kinds: Sequence[str], what: str) -> str:
    """The name of the one input that reads a kind of value, on the side of the queries before the others.

    Args:
        kinds: names of modalities.
        what: for messages.

    Raises:
        ConfigError: none does, or several.
    """
    every: list[str] = []
    for inputs in learner.sides_.values():
        found = [name for name, item in inputs.items() if item.kind in kinds]
        if len(found) == 1:
            return found[0]
        if found:
            names = " or ".join(f"--give {name}=..." for name in found)
            raise ConfigError(f"several inputs of the run read {what}: say which, {names}")
        every += [f"{name} ({item.kind})" for name, item in inputs.items()]
    raise ConfigError(f"no input of the run reads {what}; its inputs: {', '.join(every)}")


def parse_where(conditions: Sequence[str]) -> dict[str, Any]:
    """Conditions as they are typed: `kind=animals`, `kind=animals,plants`, `year>=1990`, `year<=2000`.

    What looks like a number or a truth value is looked for both as such and as text.

    Raises:
        ConfigError: none of these forms.

    >>> parse_where(["kind=bus,car", "year>=1990", "year<=2000"])
    {'kind': ['bus', 'car'], 'year': {'min': 1990, 'max': 2000}}
    """
    where: dict[str, Any] = {}
    for each in conditions:
        parts = _CONDITION.fullmatch(each)
        if parts is None:
            raise ConfigError(f"--where {each!r}: write COLUMN=VALUE, COLUMN>=NUMBER or COLUMN<=NUMBER")
        column, sign, value = parts["column"].strip(), parts["sign"], parts["value"]
        before = where.get(column)
        if sign == "=":
            if isinstance(before, dict):
                raise ConfigError(f"--where: the column {column!r} has both a bound and a value; give one of them")
            where[column] = [*(before or []), *(each for some in value.split(",") for each in _readings(some))]
            continue
        if isinstance(before, list):
            raise ConfigError(f"--where: the column {column!r} has both a bound and a value; give one of them")
        where[column] = {**(before or {}), "min" if sign == ">=" else "max": _readings(value)[0]}
    return where


def _readings(value: str) -> list[Any]:
    """A typed value as what a column may hold, the likeliest first."""
    value = value.strip()
    if _NUMBER.fullmatch(value):
        number = float(value)
        return [int(value) if value.lstrip("+-").isdecimal() else number, value]
    return [value.lower() == "true", value] if value.lower() in ("true", "false") else [value]


def _side(learner: Learner, query: Mapping[str, Any]) -> tuple[str, dict[str, Input]]:
    """The side that has all inputs of the query, the queries' before the others."""
    sides = learner.sides_
    if not query:
        raise ConfigError("search: give a text, a file or --give INPUT=VALUE")
    for side, inputs in sides.items():
        if query.keys() <= inputs.keys():
            return side, inputs
    known = [name for inputs in sides.values() for name in inputs]
    for name in query:
        if name not in known:
            raise ConfigError(f"search: {unknown('input', name, known)}")
    raise ConfigError(f"search: {', '.join(query)} are of two sides ({', '.join(sides)}); give those of one")


def _check_columns(place: str | Path, names: Sequence[str]) -> None:
    """A column that no entry has is a slip of the pen, not an empty answer."""
    known = describe(Path(place)).get("columns") if "://" not in str(place) else None
    if known is not None:
        _check_known(names, known)


def _check_known(names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if known and name not in known:
            raise ConfigError(f"search: {unknown('column', name, sorted(known))}")


def _is_text(item: Input) -> bool:
    return item.kind == "text"
