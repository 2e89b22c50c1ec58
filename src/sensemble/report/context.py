"""What the run was made of, as the template wants it: its task, its data, its worst mistakes, its settings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from .formats import finite, listed

Run = Mapping[str, Any]
View = dict[str, Any]

MOST_LABELS = 20
"""Classes of the target that stand open, the commonest first."""
CLAMP = 220
"""Texts wider than this many letters are folded."""
MOST_LINES = 6
"""Texts of more lines than this are folded, too."""

_WARNINGS = {
    "leak": ("bad", "Leak", "A column may give the answer away. Then scores look too good."),
    "duplicate": ("bad", "Duplicates", "The same content stands in more than one row."),
    "group": ("bad", "Groups on both sides", "Rows of one group stand in more than one split."),
    "missing_informative": ("warn", "Missing values tell", "Whether a value is there says something about the target."),
    "id": ("plain", "Identifiers", "A column looks like a row's name. There is nothing to learn from it."),
    "constant": ("plain", "Constant columns", "A column holds one value. There is nothing to learn from it."),
    "imbalance": ("warn", "Imbalance", "Some classes are rare. Read the scores of each class, not accuracy alone."),
}
_MEDIA = re.compile(r"data:(image/(?:png|jpeg|gif|webp)|audio/(?:wav|mpeg|ogg|flac));base64,[A-Za-z0-9+/]+={0,2}")


def configured(run: Run) -> View:
    """The task's name and target and the inputs' modalities, as far as the config can be read."""
    try:
        config = yaml.safe_load(run.get("config") or "")
    except (yaml.YAMLError, ValueError, RecursionError):
        config = None
    config = config if isinstance(config, dict) else {}
    task, inputs = config.get("task"), config.get("inputs")
    task = task if isinstance(task, dict) else {"name": task}
    inputs = inputs if isinstance(inputs, dict) else {}
    target = task.get("target")
    return {
        "task": str(task.get("name") or ""),
        "target": listed(strings(target)) if isinstance(target, list) else "" if target is None else str(target),
        "inputs": {
            str(name): str((spec.get("name") if isinstance(spec, dict) else spec) or name)
            for name, spec in inputs.items()
        },
    }


def header(run: Run) -> View:
    """What the run does, and its size, in a line."""
    audit, details = run.get("audit") or {}, run.get("details") or {}
    splits = {name: count for name, count in (audit.get("splits") or {}).items() if count is not None}
    return {
        **configured(run),
        "name": str(run.get("name") or ""),
        "rows": audit.get("rows"),
        "splits": splits,
        "parameters": details.get("parameters"),
        "seconds": (details.get("seconds") or {}).get("fit"),
        "version": (details.get("versions") or {}).get("sensemble"),
    }


def audit(run: Run) -> View | None:
    """Warnings by kind, worst first; then every input's column, gaps and unreadable values."""
    given = run.get("audit")
    if not given:
        return None
    return {
        "warnings": _warnings(given.get("warnings") or []),
        "num_warnings": len(given.get("warnings") or []),
        "inputs": [_input(name, entry or {}, given) for name, entry in (given.get("inputs") or {}).items()],
        "targets": [_target(each) for each in [given.get("target"), *(given.get("further_targets") or [])] if each],
    }


def mistakes(run: Run) -> list[View]:
    """The worst mistakes, each with what the model was given."""
    return [
        {
            "row": each.get("row"),
            "truth": each.get("truth"),
            "prediction": each.get("prediction"),
            "score": each.get("score"),
            "right": str(each.get("truth")) == str(each.get("prediction")),
            "inputs": [_content(str(name), value) for name, value in (each.get("inputs") or {}).items()],
        }
        for each in (run.get("details") or {}).get("mistakes") or []
    ]


def setting(run: Run) -> View:
    """Config, versions, seed, sizes and times: what one needs to repeat the run."""
    details = run.get("details") or {}
    keys = ("seed", "train_rows", "dropped", "parameters")
    return {
        "config": run.get("config"),
        "versions": list((details.get("versions") or {}).items()),
        "seconds": list((details.get("seconds") or {}).items()),
        **{key: details.get(key) for key in keys},
    }


def chosen_metric(run: Run) -> Any:
    """The metric that models are chosen by; None where the run does not say."""
    return (run.get("metrics") or {}).get("metric") or (run.get("verdict") or {}).get("metric")


def higher_is_better(run: Run) -> bool | None:
    """Whether more is better; None where the run does not say."""
    told = (run.get("metrics") or {}).get("higher", (run.get("verdict") or {}).get("higher"))
    return told if isinstance(told, bool) else None


def strings(values: Any) -> list[str]:
    """Values as texts; nothing gives no texts."""
    return [str(value) for value in values or []]


def fold(text: str, widest: int = CLAMP) -> str | None:
    """The beginning of a text too long to stand open; None where it is short enough.

    A Chinese character is as wide as two letters, and counts as two.
    """
    width, lines = 0, 0
    for place, letter in enumerate(text):
        width += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        lines += letter == "\n"
        if width > widest or lines > MOST_LINES:
            beginning = text[:place]
            last_space = beginning.rfind(" ")
            return (beginning[:last_space] if last_space > place - 20 and last_space > 0 else beginning).rstrip() + " …"
    return None


def _warnings(given: Sequence[Mapping[str, Any]]) -> list[View]:
    kinds: dict[str, list[View]] = {kind: [] for kind in _WARNINGS}
    for each in given:
        message = str(each.get("message") or "")
        columns = [name for name in strings(each.get("columns")) if name not in message]
        parts = message.split("`") if message.count("`") % 2 == 0 else [message]  # each second one is a name
        item = {"columns": columns, "parts": parts}
        kinds.setdefault(str(each.get("kind") or "other"), []).append(item)
    groups = []
    for kind, items in kinds.items():
        tone, title, meaning = _WARNINGS.get(kind, ("warn", kind, ""))
        if items:
            groups.append({"tone": tone, "title": title, "meaning": meaning, "items": items})
    return groups


def _target(given: Mapping[str, Any]) -> View:
    """A target's classes, the commonest first, or its numbers."""
    balance = sorted((given.get("balance") or {}).items(), key=lambda pair: -(finite(pair[1]) or 0))
    most = max((finite(count) or 0 for _, count in balance), default=0) or 1
    bars = [{"label": label, "count": count, "share": (finite(count) or 0) / most} for label, count in balance]
    facts = [(name, given[name]) for name in ("missing", "mean", "std", "min", "median", "max") if name in given]
    facts = [(name, value) for name, value in facts if name != "missing" or value != 0]
    return {
        "column": given.get("column"),
        "facts": facts,
        "balance": bars[:MOST_LABELS],
        "rest": bars[MOST_LABELS:],
    }


def _input(name: str, entry: Mapping[str, Any], given: Mapping[str, Any]) -> View:
    rows, missing = finite(given.get("rows")), finite(entry.get("missing"))
    return {
        "name": name,
        "type": entry.get("type"),
        "column": entry.get("column"),
        "reason": entry.get("reason"),
        "missing": entry.get("missing"),
        "share": min(missing / rows, 1.0) if rows and missing else 0.0,
        "unreadable": [
            {key: bad.get(key) for key in ("row", "value", "reason")} for bad in entry.get("unreadable") or []
        ],
    }


def _content(name: str, value: Mapping[str, Any] | None) -> View:
    """One input of one row. Media pass only as embedded data of known kinds: the page fetches nothing."""
    if value is None:
        return {"name": name, "kind": "missing", "text": "", "data": ""}
    if "unreadable" in value:
        return {"name": name, "kind": "unreadable", "text": str(value["unreadable"]), "data": ""}
    data = str(value.get("data") or "")
    if data:
        match = _MEDIA.fullmatch(data)
        if not match:
            return {"name": name, "kind": "refused", "text": "", "data": ""}
        return {"name": name, "kind": match[1].split("/")[0], "text": str(value.get("text") or ""), "data": data}
    text = value.get("text")
    return {"name": name, "kind": "text", "text": "" if text is None else str(text), "data": ""}
