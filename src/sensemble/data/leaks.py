"""What tells the target and should not: an input that nearly gives it away alone, or by its mere absence.

How well an input tells the target alone is measured in `alone.py`; here stands what is made of it.

Legend: n rows, K classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from .alone import Score
from .joined import Finding, Inputs
from .shallow import Array

HIGH = 0.95
"""Single score (ROC-AUC, or Spearman correlation) from which an input is suspect ..."""
RATIO = 2.0
"""... if its error, 1 - score, is also this many times smaller than that of the next best input."""
HIGH_ALONE = 0.99
"""The same bar where no other input has a score."""
FEWEST_ABSENT = 20
P_VALUE = 1e-4
EFFECT = 0.1
"""Cramér's V of absence with the label, or |2 ROC-AUC - 1| of absence for a number, that is worth a warning."""


@dataclass(frozen=True)
class Target:
    """One target column as the checks need it.

    Args:
        column: its name.
        kind: `classes`, `number`, or `other` (captions, lists), which is only counted.
        values: `(n,)` class numbers or numbers; NaN where missing.
        names: the classes, the commonest first.
    """

    column: str
    kind: Literal["classes", "number", "other"]
    values: Array
    names: tuple[str, ...] = ()

    @classmethod
    def read(cls, column: str, values: Sequence[Any]) -> Target:
        """Few distinct whole numbers are classes, and so are texts that repeat; `None` is a missing label."""
        present = [value for value in values if value is not None]
        numeric = all(isinstance(value, bool | int | float | np.bool_ | np.number) for value in present)
        if numeric or all(isinstance(value, str | bool | int | float | np.generic) for value in present):
            counts = Counter(_class_name(value) for value in present)
            whole = not numeric or all(float(value).is_integer() for value in present)
            if whole and len(counts) <= max(2, min(20 if numeric else 1_000, len(present) // 2)):
                names = sorted(counts, key=lambda name: (-counts[name], name))
                number = {name: float(place) for place, name in enumerate(names)}
                codes = [np.nan if value is None else number[_class_name(value)] for value in values]
                return cls(column, "classes", np.array(codes, dtype=float), tuple(names))
        kind: Literal["number", "other"] = "number" if numeric else "other"
        floats = [np.nan if value is None else float(value) if numeric else 0.0 for value in values]
        return cls(column, kind, np.nan_to_num(np.array(floats, dtype=float), nan=np.nan, posinf=np.nan, neginf=np.nan))

    def take(self, rows: NDArray[Any] | slice) -> Target:
        """Some of the rows."""
        return Target(self.column, self.kind, self.values[rows], self.names)

    def counts(self) -> dict[str, int]:
        """Rows of each class, the commonest first; nothing where the target is not of classes."""
        if self.kind != "classes":
            return {}
        known = self.values[~np.isnan(self.values)].astype(int)
        return dict(zip(self.names, np.bincount(known, minlength=len(self.names)).tolist(), strict=True))


def leaks(scores: Mapping[str, Score], inputs: Inputs, target: Target) -> list[Finding]:
    """Which inputs tell the target suspiciously well: a high single score, and a gap below it.

    Inputs of like strength vouch for each other, so a leak is looked for at the largest gap-ended top: several
    leaks do not hide each other, and a row of ever stronger honest inputs raises no alarm.

    Args:
        scores: by input name.
        inputs: (kind, column) by input name.
        target: what is told.
    """
    singles = {name: score.single for name, score in scores.items() if score.single >= HIGH}
    suspects = sorted(singles, key=lambda name: -singles[name])
    rest = {name: score.full for name, score in scores.items() if name not in singles}
    measure = "Spearman correlation" if target.kind == "number" else "ROC-AUC"
    measure += " (each class against its nearest)" if len(target.names) > 2 else ""
    for size in range(len(suspects), 0, -1):
        below = rest | {name: singles[name] for name in suspects[size:]}
        best = max(below, key=lambda name: below[name], default=None)
        bar = HIGH_ALONE if best is None else 1 - (1 - below[best]) / RATIO
        if singles[suspects[size - 1]] < bar:
            continue
        other = "" if best is None else f", next best `{inputs[best][1]}` {_points(below[best])}"
        return [_leak(inputs[name][1], scores[name], target, measure, other) for name in suspects[:size]]
    return []


def _leak(column: str, score: Score, target: Target, measure: str, other: str) -> Finding:
    what = f"{score.what} of `{column}`" if score.what else f"`{column}`"
    message = (
        f"{what} alone predicts `{target.column}` with {measure} {_points(score.single)} on {score.rows:,} rows{other}"
        ": is it known when you predict? If not, leave it out (inputs)"
    )
    return {"kind": "leak", "columns": [column], "message": message}


def informative_absence(column: str, absent: NDArray[np.bool_], target: Target) -> Finding | None:
    """A warning where the absence of an input tells the label: chi-square, or Mann-Whitney for a number."""
    known = ~np.isnan(target.values)
    absent, labels = absent[known], target.values[known]
    if target.kind == "other" or min(absent.sum(), (~absent).sum()) < FEWEST_ABSENT:
        return None
    if target.kind == "number":
        test = stats.mannwhitneyu(labels[absent], labels[~absent])
        effect = abs(2 * float(test.statistic) / (absent.sum() * (~absent).sum()) - 1)
        says = f"the mean of `{target.column}` is {labels[absent].mean():.4g}, against {labels[~absent].mean():.4g}"
    else:
        counts = [np.bincount(labels[side].astype(int), minlength=len(target.names)) for side in (absent, ~absent)]
        table = np.stack(counts)  # (2, K)
        seen = np.flatnonzero(table.any(0))
        if len(seen) < 2:
            return None
        test = stats.chi2_contingency(table[:, seen], correction=False)
        effect = float(np.sqrt(test.statistic / table.sum()))
        shares = table / table.sum(1, keepdims=True)
        most = int(np.abs(shares[0] - shares[1]).argmax())
        says = f"`{target.column}` is {target.names[most]!r} in {shares[0, most]:.0%}, against {shares[1, most]:.0%}"
    if float(test.pvalue) >= P_VALUE or effect < EFFECT:
        return None
    message = (
        f"where `{column}` is missing ({int(absent.sum()):,} rows), {says} elsewhere (p < .0001): its absence tells "
        "the target; will it be missing for the same reason when you predict? If not, leave it out (inputs)"
    )
    return {"kind": "missing_informative", "columns": [column], "message": message}


def _points(score: float) -> str:
    return f"{score:.3f}".removeprefix("0")


def _class_name(value: Any) -> str:
    """A label as text. In a column with gaps 1 stands as 1.0, which is the same class."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return str(value)
