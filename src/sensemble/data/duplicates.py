"""Rows that stand twice, equal in all inputs: within a split they count double, across splits they were seen before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .infer import RICH
from .joined import Finding, Flags, Inputs, Joined, Places

INDIVIDUAL = 0.3
"""Share of distinct values from which the same holds for numbers."""


def duplicates(rows: Joined, inputs: Inputs, targets: Sequence[str] = ()) -> tuple[list[Finding], Flags]:
    """Warns of rows that are equal in all inputs. Missing equals missing; files are compared by what they hold.

    Nothing is said where equal rows are to be expected: a row counts if it has a text, a medium, a vector or a number
    of an input with many values.

    Args:
        rows: all rows.
        inputs: (kind, column) by input name.
        targets: columns of the label, to count equal rows whose labels differ.

    Returns:
        The warnings, and for each row of a further split whether it also stands in the first.
    """
    columns = sorted({column for _, column in inputs.values()})
    individual = [column for kind, column in inputs.values() if _individual(kind, rows.column(column))]
    everyone = np.arange(len(rows))
    if not individual:
        return [], np.zeros(len(rows), dtype=bool)
    bare = ~np.any([rows.present(column) for column in individual], axis=0)
    keys = np.where(bare, -1 - everyone, rows.keys(columns))  # likeness of the other inputs proves nothing

    earliest = everyone.copy()  # the first row of the same split with this content
    for span in rows.spans.values():
        _, index, inverse = np.unique(keys[span], return_index=True, return_inverse=True)
        earliest[span] = index[inverse] + span.start
    found = []
    repeats = np.flatnonzero(earliest != everyone)
    if len(repeats):
        where = " of their split" if rows.others else ""
        message = (
            f"{len(repeats):,} of {len(rows):,} rows repeat an earlier row{where} in all inputs "
            f"({rows.pairs(repeats, earliest[repeats])})"
            f"{_contradictions(rows, targets, repeats, earliest[repeats])}: each counts more than once; "
            "drop the repeats unless they really happened"
        )
        found.append({"kind": "duplicate", "columns": columns, "message": message})

    _, index, inverse = np.unique(keys, return_index=True, return_inverse=True)
    twins, end = index[inverse], rows.spans[rows.first].stop  # the first row of all with this content
    again = (twins < end) & (everyone >= end)
    for split in rows.others:
        span = rows.spans[split]
        across = np.flatnonzero(again[span]) + span.start
        if len(across):
            message = (
                f"{len(across):,} of {span.stop - span.start:,} {split} rows also stand in {rows.first}, equal in all "
                f"inputs ({rows.pairs(across, twins[across])}){_contradictions(rows, targets, across, twins[across])}: "
                f"the {split} scores will look too good; drop these rows from one side"
            )
            found.append({"kind": "duplicate", "columns": columns, "message": message})
    return found, again


def _individual(kind: str, values: Sequence[object]) -> bool:
    """Whether two equal values of this input mean something."""
    if kind != "number":
        return kind in RICH
    present = [value for value in values if value is not None]
    return len(set(present)) >= INDIVIDUAL * len(present) > 0


def _contradictions(rows: Joined, targets: Sequence[str], left: Places, right: Places) -> str:
    """How many of the pairs have other labels, for messages."""
    if not targets:
        return ""
    keys, known = rows.keys(targets), np.all([rows.present(target) for target in targets], axis=0)
    count = int(((keys[left] != keys[right]) & known[left] & known[right]).sum())
    return f", {count:,} of them with another {' and '.join(f'`{target}`' for target in targets)}" if count else ""
