"""The audit: what is in the data and what is wrong with it, named and counted before a minute of training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..modalities.base import MODALITIES
from .alone import score_alone
from .duplicates import duplicates
from .groups import straddling_groups
from .infer import guess
from .joined import Finding, Inputs, Joined
from .leaks import Target, informative_absence, leaks
from .load import Problem
from .shallow import Look
from .soundprints import SOUNDS
from .table import Table
from .thumbnails import Thumbnails
from .twins import PICTURES, near_pictures, near_texts

ROWS = 5_000
"""Rows on which each input's score is measured; fewer pictures, sounds and videos, as they must be decoded."""
VIDEOS = 500
RARE = 0.05
"""Share of the rarest class that counts as imbalance; with many classes, a quarter of an even share."""
KINDS = ("leak", "duplicate", "group", "missing_informative", "id", "constant", "imbalance")
"""Warnings in the order in which they are told."""
STAGES = ("values", "duplicates", "near texts", "groups", "near pictures", "leaks", "done")


def audit(
    parts: Mapping[str, Table],
    *,
    inputs: Mapping[str, tuple[str, str]],
    target: Sequence[str] = (),
    group: str | None = None,
    reasons: Mapping[str, str] | None = None,
    problems: Sequence[Problem] = (),
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Examines a data set before training.

    Large tables are sampled for leaks and near twins; the messages say how many rows were looked at.

    Args:
        parts: tables by split, or one table under any name where nothing is split yet.
        inputs: (kind, column) by input name.
        target: columns of the label.
        group: column by which the splits were made.
        reasons: why each input has its kind, by input name.
        problems: values that could not be read.
        seed: of the samples and folds.
        progress: told the stage, the stages done and all stages.

    Returns:
        What `audit.json` holds: `format`, `rows`, `splits`, `inputs`, `target` (the first; `None` without one),
        `further_targets` and `warnings`, each `{"kind", "columns", "message"}`.

    Raises:
        DataError: a column that no part has; says which is nearest.
    """
    filled = {name: part for name, part in parts.items() if len(part)}
    order = sorted(filled, key=lambda name: name != "train")  # the others are compared with train
    paths = {column for kind, column in inputs.values() if kind in MODALITIES and MODALITIES[kind].reads_files}
    rows = Joined({name: filled[name] for name in order}, frozenset(paths))
    warnings: list[Finding] = []
    targets: list[Target] = []
    if filled:
        for column in [*(column for _, column in inputs.values()), *([group] if group else [])]:
            rows.column(column)
        targets = [Target.read(column, rows.column(column)) for column in target]
        warnings = _warnings(rows, inputs, targets, group, seed, progress)
    described = [_target(each) for each in targets]
    return {
        "format": 1,
        "rows": len(rows),
        "splits": {name: len(part) for name, part in parts.items()},
        "inputs": {
            name: _input(rows, name, kind, column, (reasons or {}).get(name, ""), problems)
            for name, (kind, column) in inputs.items()
        },
        "target": described[0] if described else None,
        "further_targets": described[1:],
        "warnings": sorted(warnings, key=lambda warning: KINDS.index(warning["kind"])),
    }


def summary(result: Mapping[str, Any]) -> list[str]:
    """An audit as plain lines for a terminal, warnings first."""
    lines = [f"{warning['kind']}: {warning['message']}" for warning in result["warnings"]] or ["no warnings"]
    splits = ", ".join(f"{name} {count:,}" for name, count in result["splits"].items())
    lines.append(f"{result['rows']:,} rows ({splits})")
    for name, entry in result["inputs"].items():
        column = "" if entry["column"] == name else f" from column `{entry['column']}`"
        reason = f"; {entry['reason']}" if entry["reason"] else ""
        lines.append(f"input {name}: {entry['type']}{column}, {entry['missing']:,} missing{reason}")
        bad = entry["unreadable"]
        if bad:
            first = "; ".join(f"row {each['row']}: {each['value']}: {each['reason']}" for each in bad[:3])
            lines.append(f"input {name}: {len(bad):,} unreadable ({first}{'; …' if len(bad) > 3 else ''})")
    for entry in [result["target"], *result["further_targets"]] if result["target"] else []:
        what = f", {entry['missing']:,} missing"
        if "balance" in entry:
            what += f", {len(entry['balance']):,} classes: {_counts(entry['balance'])}"
        elif "mean" in entry:
            what += (
                f", mean {entry['mean']:.4g}, standard deviation {entry['std']:.4g}, "
                f"from {entry['min']:.4g} to {entry['max']:.4g}, median {entry['median']:.4g}"
            )
        lines.append(f"target {entry['column']}{what}")
    return lines


def _warnings(
    rows: Joined,
    inputs: Inputs,
    targets: Sequence[Target],
    group: str | None,
    seed: int,
    progress: Callable[[str, int, int], None],
) -> list[Finding]:
    labels = {target.column for target in targets}
    inputs = {name: (kind, column) for name, (kind, column) in inputs.items() if column not in labels}
    stages = iter(enumerate(STAGES))

    def next_stage() -> None:
        done, stage = next(stages)
        progress(stage, done, len(STAGES) - 1)

    look, look_at_videos = Thumbnails(), Thumbnails("video")
    next_stage()
    found = _columns(rows, inputs)
    found += [finding for target in targets for finding in _imbalance(rows, target)]
    next_stage()
    known = np.zeros(len(rows), dtype=bool)
    if inputs:
        equal, known = duplicates(rows, inputs, [target.column for target in targets])
        found += equal
    next_stage()
    found += near_texts(rows, inputs, known, seed=seed)
    next_stage()
    groups = straddling_groups(rows, inputs, targets, group=group)
    found += groups
    next_stage()
    reported = {column for warning in groups for column in warning["columns"]}
    others = {name: (kind, column) for name, (kind, column) in inputs.items() if column not in reported}
    found += near_pictures(rows, others, known, look, seed=seed)
    next_stage()
    for target in targets:
        found += _telling(rows, inputs, target, {"image": look, "video": look_at_videos}, seed)
    next_stage()
    return found


def _telling(rows: Joined, inputs: Inputs, target: Target, looks: Mapping[str, Look], seed: int) -> list[Finding]:
    """Leaks and telling absences, judged on the first split alone."""
    scores, found = {}, []
    for name, (kind, column) in inputs.items():
        most = {"image": PICTURES[0], "audio": SOUNDS, "video": VIDEOS}.get(kind, ROWS)
        places = rows.sample(rows.first, most, seed, rows.present(column) & ~np.isnan(target.values))
        values = [rows.column(column)[place] for place in places]
        look = looks.get(kind, looks["image"])
        score = score_alone(kind, values, target.values[places], classes=target.kind == "classes", look=look, seed=seed)
        if score is not None:
            scores[name] = score
        own = rows.spans[rows.first]
        absence = informative_absence(column, ~rows.present(column)[own], target.take(own))
        found += [absence] if absence else []
    return leaks(scores, inputs, target) + found


def _columns(rows: Joined, inputs: Inputs) -> list[Finding]:
    """Inputs that tell nothing: always the same, or only which row it is."""
    found = []
    for column in dict.fromkeys(column for _, column in inputs.values()):
        present = rows.present(column)
        if len(np.unique(rows.keys([column]))) == 1 and len(rows) > 1:
            what = "holds the same value in" if present.any() else "is empty in"
            message = f"`{column}` {what} all {len(rows):,} rows: it tells nothing; leave it out (inputs)"
            found.append({"kind": "constant", "columns": [column], "message": message})
            continue
        kinds = {kind for kind, name in inputs.values() if name == column}
        if kinds & {"number", "category", "text"}:
            judged = guess(rows.parts[rows.first], column)
            if judged.kind == "id":
                message = (
                    f"`{column}` looks like an id ({judged.reason.rstrip('.')}): it tells rows apart and nothing about "
                    "new ones; leave it out (inputs)"
                )
                found.append({"kind": "id", "columns": [column], "message": message})
    return found


def _imbalance(rows: Joined, target: Target) -> list[Finding]:
    """A class that is too rare among the rows to learn from, or the only one."""
    counts = {name: count for name, count in target.take(rows.spans[rows.first]).counts().items() if count}
    total = sum(counts.values())
    if not counts or total < 2:
        return []
    rarest, fewest = list(counts.items())[-1]
    if len(counts) == 1:
        message = f"`{target.column}` is {rarest!r} in all {total:,} labelled rows: there is nothing to learn"
    elif fewest / total < min(RARE, 1 / (4 * len(counts))):
        message = (
            f"`{target.column}`: the rarest class, {rarest!r}, has {fewest:,} of {total:,} rows ({fewest / total:.1%});"
            " judge by macro F1 or PR-AUC, not by accuracy, and add rows of it or weigh them (data.weight). "
            f"Rows: {_counts(counts)}"
        )
    else:
        return []
    return [{"kind": "imbalance", "columns": [target.column], "message": message}]


def _counts(counts: Mapping[str, int], most: int = 6) -> str:
    """Class counts for messages: the commonest, and the rarest."""
    items = [f"{name} {count:,}" for name, count in counts.items()]
    return ", ".join(items if len(items) <= most else [*items[: most - 1], "…", items[-1]])


def _input(rows: Joined, name: str, kind: str, column: str, reason: str, problems: Sequence[Problem]) -> dict[str, Any]:
    missing = int((~rows.present(column)).sum()) if len(rows) else 0
    own = [problem for problem in problems if problem.input == name]
    bad = [problem for problem in own if not problem.absent]
    missing += len(own) - len(bad)
    return {
        "type": kind,
        "column": column,
        "reason": reason,
        "missing": missing,
        "missing_share": missing / max(len(rows), 1),
        "unreadable": [
            {"table": each.table, "row": each.row, "column": column, "value": each.value, "reason": each.reason}
            for each in bad
        ],
    }


def _target(target: Target) -> dict[str, Any]:
    known = target.values[~np.isnan(target.values)]
    result: dict[str, Any] = {"column": target.column, "missing": len(target.values) - len(known)}
    if target.kind == "classes":
        return {**result, "balance": target.counts()}
    if target.kind == "number" and len(known):
        numbers = {"mean": known.mean(), "std": known.std(), "min": known.min(), "median": np.median(known)}
        return {**result, **{name: float(value) for name, value in numbers.items()}, "max": float(known.max())}
    return result
