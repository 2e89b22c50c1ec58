"""From tables to rows that a task and a network can use: split, audited, labelled, weighed, grouped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch

from . import build
from .config import Config
from .data.audit import audit
from .data.cache import Cache, user_cache
from .data.groups import straddling_groups
from .data.infer import infer
from .data.joined import Joined
from .data.leaks import Target
from .data.load import Input, Problem, check_unreadable, load
from .data.rows import Samples
from .data.split import split
from .data.table import Table
from .errors import DataError
from .plan import choose_inputs, left_out, target_columns
from .tasks.base import Task

MOST_LINES = 8
"""Columns left out that are told one by one."""


def cache_of(config: Config) -> Cache | None:
    """Where decoded values and features are kept on disk, unless the config says not to."""
    return user_cache(limit=config.data.cache_size) if config.data.cache else None


def split_tables(tables: dict[str, Table], config: Config, task: Task) -> dict[str, Table]:
    """The tables of `train`, `valid` and `test`; those not given are split from `train`.

    Every label that must be known to be scored is met in training; in given files, a label of theirs alone is an error.
    """
    data = config.data
    wanted = {"valid": data.valid_share, "test": data.test_share}
    if data.split is None and all(name in tables or share <= 0 for name, share in wanted.items()):
        return tables
    whole = tables["train"]
    shares = {name: 0.0 if name in tables else share for name, share in wanted.items()}
    places = split(
        whole, valid=shares["valid"], test=shares["test"], target=task.columns, group=data.group,
        column=data.split, seed=config.seed, labels=task.labels(whole),
    )  # fmt: skip
    return {**{name: whole.take(rows) for name, rows in places.items() if len(rows)}, **{
        name: table for name, table in tables.items() if name != "train"
    }}  # fmt: skip


def make_samples(
    table: Table, stores: Mapping[str, Any], inputs: list[Input], task: Task | None, config: Config
) -> tuple[Samples, dict[str, int]]:
    """Rows with labels, weights and groups; those that cannot be used left out, and counted by reason."""
    target = task.collate(table) if task else None
    data = config.data
    weight = groups = None
    if data.weight and data.weight in table.columns:  # only training needs it
        given = table.column(data.weight)
        values = pd.to_numeric(pd.Series(given, dtype=object), errors="coerce").to_numpy(dtype=float)
        wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
        if len(wrong):
            row, value = table.row(int(wrong[0])), given[wrong[0]]
            raise DataError(
                f"{table.name}, row {row}, column {data.weight!r}: {value!r} is no row weight; give a number from 0"
            )
        weight = torch.tensor(values, dtype=torch.float32)
    if data.group and data.group in table.columns:
        codes, _ = pd.factorize(pd.Series(table.column(data.group)).astype("string"))
        groups = np.where(codes < 0, codes.max(initial=0) + 1 + np.arange(len(codes)), codes)
    samples = Samples(table, stores, target, weight, groups)
    keep, dropped = np.ones(len(table), dtype=bool), {}
    if target is not None and not bool(target.present.all()):
        keep &= target.present.numpy()
        dropped["no label"] = int((~target.present).sum())
    for item in inputs:
        if item.missing == "drop":
            lacking = ~stores[item.name].present.numpy() & keep
            keep &= ~lacking
            if lacking.any():
                dropped[f"no {item.name}, which is marked `missing: drop`"] = int(lacking.sum())
    return (samples if keep.all() else samples.take(np.flatnonzero(keep))), dropped


def make_parts(config: Config, tables: Mapping[str, Table]) -> tuple[Task, list[Input], dict[str, Samples]]:
    """Task and inputs fitted on the rows of `train`, and the rows of every table ready for a network.

    Args:
        config: with its inputs and task filled in.
        tables: `train` and others; a part without a usable row is left out.
    """
    task = build.make_task(config).fit(tables["train"])
    inputs = build.make_inputs(config, tables["train"].columns)
    build.fit_inputs(inputs, tables["train"], seed=config.seed)
    parts = {}
    for name, table in tables.items():
        stores, problems = load(table, inputs, memory=config.data.memory, cache=cache_of(config))
        if name == "train":  # a small part may have more than the share by chance
            check_unreadable(table, problems, config.data.max_unreadable)
        samples, _ = make_samples(table, stores, inputs, task, config)
        if len(samples):
            parts[name] = samples
    return task, inputs, parts


def audit_table(config: Config, table: Table) -> tuple[dict[str, Any], list[Problem]]:
    """The audit of one table that nobody trains on yet; the config's inputs, if any, else the inferred ones.

    Returns:
        What `audit.json` holds, and every value that cannot be read.
    """
    guesses = infer(table)
    chosen, reasons = choose_inputs(config, table, guesses)
    config = config.replace(inputs=chosen)
    inputs = build.make_inputs(config, table.columns)
    build.fit_inputs(inputs, table, seed=config.seed)
    _, problems = load(table, inputs, memory=0.0, cache=cache_of(config))
    parts = {"all": table}
    if config.data.split:
        places = split(table, valid=0, test=0, column=config.data.split)
        parts = {name: table.take(rows) for name, rows in places.items() if len(rows)}
    found = audit(
        parts,
        inputs={item.name: (item.kind, item.column) for item in inputs},
        target=target_columns(config),
        group=config.data.group,
        reasons=reasons,
        problems=problems,
        seed=config.seed,
    )
    return {**found, "left_out": left_out(config, guesses)}, problems


def torn_groups(config: Config, table: Table) -> list[str]:
    """What the audit says of columns whose groups random folds would tear apart; nothing where `data.group` is set.

    Args:
        config: complete.
        table: all rows.
    """
    inputs = {name: (str(spec["name"]), str(spec.get("column", name))) for name, spec in config.specs.items()}
    rows, columns = Joined({"all": table}), target_columns(config)
    targets = [Target.read(column, rows.column(column)) for column in columns]
    inputs = {name: each for name, each in inputs.items() if each[1] not in columns}
    return [each["message"] for each in straddling_groups(rows, inputs, targets, group=config.data.group)]


def left_out_lines(found: Mapping[str, Any]) -> list[str]:
    """The columns left out, for a terminal: one line each, or one for all where they are many."""
    left = found["left_out"]
    if len(left) > MOST_LINES:
        return [f"no input: {len(left)} columns: {', '.join(left)}"]
    return [f"no input: {name} ({column['type']}: {column['reason']})" for name, column in left.items()]
