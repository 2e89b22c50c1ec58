"""Groups that stand in two splits: the same speaker in train and test makes scores too good.

Legend: n rows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .infer import guess
from .joined import Finding, Inputs, Joined, Places
from .leaks import Target

STRADDLING = 0.01
"""Share of a split's rows whose group also stands in train that is worth a warning."""
AGREEMENT = 0.2
"""How much more than by chance a group's rows must agree on the target, where its name says nothing."""
FEWEST_NAMED = 5
"""Distinct values of a column whose name says that they are persons or things."""
FEWEST = 20
"""Distinct values of other columns."""
PER_GROUP = (2, 50)
"""Rows of each value on average, for other columns."""
FILES = frozenset(("image", "audio", "video"))
"""Kinds whose repeated values are one thing each."""

_THING = re.compile(
    r"(actor|artist|author|client|clip|conversation|customer|dialog|dialogue|document|family|film|household|image|movie"
    r"|participant|patient|person|photo|picture|player|product|recording|reviewer|scene|session|singer|speaker|student"
    r"|subject|user|video|worker)s?(id)?"
)
_MARKS = frozenset(("id", "name", "no", "nr", "number", "code", "key", "uuid", "path", "file"))
_CHINESE = re.compile(r"用户|用戶|患者|病人|说话人|說話人|作者|客户|客戶|会话|會話|被试|受试者|演员|图片|视频|商品")


def straddling_groups(
    rows: Joined, inputs: Inputs, targets: Sequence[Target] = (), *, group: str | None = None
) -> list[Finding]:
    """Warns of columns whose values are one person or thing each and stand both in train and in another split.

    A column counts if its name says so (speaker, user id, image); if it is an input of files that repeat; or if
    it is no input, holds ids or categories, and the rows of one value agree on the target far beyond chance. With
    one split only, the warning is that a random one would tear such groups apart.

    Args:
        rows: all rows.
        inputs: (kind, column) by input name.
        targets: of all rows; agreement is measured on the first.
        group: the column that the splits were made by. It is checked, too.
    """
    labels = {target.column for target in targets}
    found: dict[bytes, Finding] = {}
    for column in rows.columns:
        codes = None if column in labels else _codes(rows.column(column))
        if codes is None:
            continue
        partition = codes.tobytes()
        if partition in found:  # a second name for the same groups
            found[partition]["columns"].append(column)
            continue
        agreement = Agreement.measure(codes, targets[0]) if targets else Agreement()
        named = _is_group(rows, column, codes, inputs, agreement) and not _numbered_afresh(rows, column, codes, inputs)
        if column == group or named:
            message = _message(rows, column, codes, agreement, group)
            if message:
                found[partition] = {"kind": "group", "columns": [column], "message": message}
    return list(found.values())


def names_a_thing(column: str) -> bool:
    """Whether a column's name says that each of its values is one person or thing.

    >>> [names_a_thing(name) for name in ("speaker", "UserID", "user_age", "rating")]
    [True, True, False, False]
    """
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", column)]
    if words and words[-1] in _MARKS:
        words.pop()
    return bool(_CHINESE.search(column) or (words and _THING.fullmatch(words[-1])))


@dataclass(frozen=True)
class Agreement:
    """How much more alike two rows of one group are than any two.

    Args:
        value: 1 if always the same, 0 by chance.
        pairs: pairs of rows that it was measured on.
        text: the same for messages.
    """

    value: float = 0.0
    pairs: int = 0
    text: str = ""

    @classmethod
    def measure(cls, codes: Places, target: Target) -> Agreement:
        """From group numbers, -1 for none, and a target.

        >>> Agreement.measure(np.array([0, 0, 1, 1]), Target.read("mood", ["good", "good", "bad", "bad"])).value
        1.0
        """
        labelled = (codes >= 0) & ~np.isnan(target.values)
        groups, labels = codes[labelled], target.values[labelled]
        sizes = np.bincount(groups)  # (groups,)
        pairs = int((sizes * (sizes - 1)).sum()) // 2
        if target.kind == "other" or not pairs:
            return cls()
        if target.kind == "number":
            labels = labels - labels.mean()
            inner = (sizes * np.bincount(groups, labels**2) - np.bincount(groups, labels) ** 2).sum() / (2 * pairs)
            value = 1 - float(inner) / float(labels.var()) if labels.any() else 0.0
            return cls(value, pairs, f", which explain {max(value, 0):.0%} of the variance of `{target.column}`")
        counts = np.bincount(groups * len(target.names) + labels.astype(int))
        alike = float((counts * (counts - 1)).sum()) / (2 * pairs)
        chance = float(((np.bincount(labels.astype(int)) / len(labels)) ** 2).sum())
        value = (alike - chance) / (1 - chance) if chance < 1 else 0.0
        says = f"; two of one value agree on `{target.column}` in {alike:.0%}, by chance in {chance:.0%}"
        return cls(value, pairs, says)


def _codes(values: Sequence[Any]) -> Places | None:
    """`(n,)` group numbers, -1 where missing; `None` for values that cannot be names."""
    numbers: dict[Any, int] = {}
    if any(isinstance(value, float) and not value.is_integer() for value in values):
        return None
    try:
        codes = [-1 if value is None else numbers.setdefault(value, len(numbers)) for value in values]
    except TypeError:  # lists, arrays
        return None
    return np.array(codes, dtype=np.int64)


def _is_group(rows: Joined, column: str, codes: Places, inputs: Inputs, agreement: Agreement) -> bool:
    distinct = int(codes.max(initial=-1)) + 1
    each = int((codes >= 0).sum()) / max(distinct, 1)
    kinds = {kind for kind, name in inputs.values() if name == column}
    if names_a_thing(column) or kinds & FILES:
        return distinct >= FEWEST_NAMED and each >= 1.1 and not kinds & {"text", "number"}
    if kinds or distinct < FEWEST or not PER_GROUP[0] <= each <= PER_GROUP[1]:
        return False
    if agreement.value < max(AGREEMENT, 4 / np.sqrt(max(agreement.pairs, 1))):
        return False
    return guess(rows.parts[rows.first], column).kind in ("id", "category")


def _numbered_afresh(rows: Joined, column: str, codes: Places, inputs: Inputs) -> bool:
    """Whether each split counts its files from the start, so that one number names different files."""
    if any(isinstance(value, str) for value in rows.column(column)):
        return False
    for kind, other in inputs.values():
        if other == column or kind not in FILES:
            continue
        keys = rows.keys([other])
        pairs = {
            split: set(zip(codes[span].tolist(), keys[span].tolist(), strict=True))
            for split, span in rows.spans.items()
        }
        own = pairs[rows.first]
        one_file = len(own) == len({code for code, _ in own}) < 0.9 * len(rows.parts[rows.first])
        if one_file and rows.others and all(own.isdisjoint(pairs[split]) for split in rows.others):
            return True
    return False


def _message(rows: Joined, column: str, codes: Places, agreement: Agreement, group: str | None) -> str:
    """What to say of a group column; empty where its groups stay on one side."""
    distinct = int(codes.max(initial=-1)) + 1
    counts = f"{distinct:,} values of {(codes >= 0).sum() / max(distinct, 1):.3g} rows each{agreement.text}"
    torn = []
    for split in rows.others:
        own = codes[rows.spans[split]]
        common = int((np.isin(own, codes[rows.spans[rows.first]]) & (own >= 0)).sum())
        if common > (0 if column == group else STRADDLING * len(own)):
            torn.append(f"{common:,} of {len(own):,} {split} rows")
    where = f"{' and '.join(torn)} have a value of `{column}` that also stands in {rows.first} ({counts})"
    remedy = f"if you will meet new values, split by it (data.group: {column})"
    if torn and column == group:
        return f"{where}, although data.group is {column}: make these splits anew"
    if torn:
        return f"{where}: new ones may be answered worse than the scores say; {remedy}"
    if not rows.others and group is None:
        return f"`{column}` repeats ({counts}): a random split puts the same one in train and test; {remedy}"
    return ""
