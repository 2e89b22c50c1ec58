"""What the run measured, as the template wants it: the verdict, the test scores, the score of every subset.

Each function takes the whole run and returns a view, or None where the run has nothing to show for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .charts import Axis, axis
from .context import Run, View, chosen_metric, configured, higher_is_better, strings
from .formats import finite, listed

MOST_SUBSETS = 31
"""Above this many subsets, only the telling ones stand open: all inputs, all but one, the best of each size, one."""

_VERDICTS = {
    "fusion_helps": ("good", "Fusion helps"),
    "no_gain": ("plain", "No gain from fusion"),
    "fusion_hurts": ("bad", "Fusion hurts"),
    "single_input": ("plain", "One input"),
}


@dataclass(frozen=True)
class Score:
    """One score with its interval, as a row of a chart."""

    label: str
    kind: str
    """How its dot is drawn: fused, stacking, single, trivial, control or subset."""
    value: Any
    low: Any
    high: Any
    rows: Any = None
    members: tuple[str, ...] = ()


def verdict(run: Run) -> View | None:
    """The sentence, the gain, and what stands behind them on one scale: rivals first, then blind controls."""
    given = run.get("verdict")
    if not given:
        return None
    intervals, singles = given.get("intervals") or {}, given.get("singles") or {}

    def score(key: str, label: str, kind: str, value: Any) -> Score:
        low, high = _pair(intervals.get(key))
        return Score(label, kind, value, low, high)

    alone = given.get("verdict") == "single_input"
    singles = {} if alone else singles  # the model itself
    rows = [score("fused", "model" if alone else "fused", "fused", given.get("fused"))]
    if given.get("stacking") is not None:
        rows.append(score("stacking", "late stacking", "stacking", given["stacking"]))
    rows += _sorted([score(name, name, "single", value) for name, value in singles.items()], run)
    if given.get("trivial") is not None:
        rows.append(score("trivial", "trivial", "trivial", given["trivial"]))
    blind = [_control(name, entry or {}) for name, entry in (given.get("controls") or {}).items()]
    scale = _axis([*rows, *(score for score, _ in blind)])
    tone, badge = _VERDICTS.get(str(given.get("verdict")), ("plain", str(given.get("verdict") or "Verdict")))
    return {
        "tone": tone,
        "badge": badge,
        "sentence": given.get("sentence") or badge,
        "metric": given.get("metric") or chosen_metric(run),
        "rows": given.get("rows"),
        "alone": alone,
        "gain": None if alone else given.get("gain"),
        "gain_over_stacking": given.get("gain_over_stacking"),
        "gain_over_trivial": given.get("gain_over_trivial") if alone else None,
        "best_single": None if alone else given.get("best_single"),
        "guide": singles.get(given.get("best_single")),
        "synergy": None if alone else given.get("synergy"),
        "notes": strings(given.get("notes")),
        "scores": rows,
        "controls": blind,
        "fused": given.get("fused"),
        "axis": scale,
        "higher": higher_is_better(run),
    }


def scores(run: Run) -> View | None:
    """Every test metric beside the trivial baseline; the one that models are chosen by comes first."""
    given = (run.get("metrics") or {}).get("test") or {}
    main = chosen_metric(run)
    rows = [
        {**_estimate(entry), "name": name, "trivial": (entry or {}).get("trivial"), "main": name == main}
        for name, entry in sorted(given.items(), key=lambda pair: pair[0] != main)
    ]
    for row in rows:  # scores of 0 to 1 can share one scale; an error in the target's unit cannot
        known = [finite(row[key]) for key in ("value", "low", "high", "trivial")]
        row["drawn"] = known[0] is not None and all(each is None or 0 <= each <= 1 for each in known)
    return {"rows": rows, "axis": axis([0.0, 1.0])} if rows else None


def subsets(run: Run) -> View | None:
    """Scores by which inputs are present, in groups: few subsets by size, many by what they tell."""
    given = (run.get("metrics") or {}).get("subsets") or {}
    entries = {tuple(key.split("+")): metrics for key, metrics in given.items() if metrics}
    if not entries:
        return None
    first = next(iter(entries.values()))
    main = chosen_metric(run) if chosen_metric(run) in first else next(iter(first))
    found = [
        Score(listed(members), "subset", **_estimate(metrics.get(main)), members=members)
        for members, metrics in entries.items()
    ]
    names = _ordered({name: None for score in found for name in score.members}, configured(run)["inputs"])
    found = [_with_kind(score, len(names)) for score in _sorted(found, run)]
    full = next((score for score in found if len(score.members) == len(names)), None)
    groups, rest = _telling(found, len(names)) if len(found) > MOST_SUBSETS else (_by_size(found, len(names)), [])
    return {
        "metric": main,
        "names": names,
        "groups": groups,
        "rest": rest,
        "num_rest": sum(len(members) for _, members in rest),
        "total": len(found),
        "axis": _axis(found),
        "guide": full.value if full else None,
        "higher": higher_is_better(run),
        "with_rows": len({score.rows for score in found}) > 1,
    }


def _control(name: str, entry: Mapping[str, Any]) -> tuple[Score, Any]:
    """A control's score, and how much better the model is."""
    return Score(str(entry.get("what") or name), "control", **_interval(entry)), entry.get("gain")


def _by_size(found: Sequence[Score], num_inputs: int) -> list[tuple[str, list[Score]]]:
    sizes = sorted({len(score.members) for score in found}, reverse=True)
    return [(_size(size, num_inputs), [score for score in found if len(score.members) == size]) for size in sizes]


def _telling(
    found: Sequence[Score], num_inputs: int
) -> tuple[list[tuple[str, list[Score]]], list[tuple[str, list[Score]]]]:
    """The subsets that tell most, and the rest by size. `found` is sorted best first."""
    sizes = {size: [score for score in found if len(score.members) == size] for size in range(num_inputs, 0, -1)}
    best = [sizes[size][0] for size in range(num_inputs - 2, 1, -1) if sizes[size]]
    groups = [
        ("all inputs", sizes[num_inputs]),
        ("all but one", sizes[num_inputs - 1]),
        ("the best of each size between", best),
        ("one input alone", sizes[1]),
    ]
    shown = {score.members for _, members in groups for score in members}
    rest = [score for score in found if score.members not in shown]
    return [group for group in groups if group[1]], _by_size(rest, num_inputs)


def _size(size: int, num_inputs: int) -> str:
    if size == num_inputs:
        return "all inputs"
    return "one input alone" if size == 1 else f"{size} inputs"


def _with_kind(score: Score, num_inputs: int) -> Score:
    kind = "fused" if len(score.members) == num_inputs else "single" if len(score.members) == 1 else "subset"
    return replace(score, kind=kind)


def _ordered(names: Iterable[str], first: Iterable[str]) -> list[str]:
    known = list(names)
    return [name for name in first if name in known] + [name for name in known if name not in set(first)]


def _sorted(found: Iterable[Score], run: Run) -> list[Score]:
    """Best first; those without a value last."""
    sign = 1 if higher_is_better(run) is False else -1

    def key(score: Score) -> tuple[bool, float]:
        value = finite(score.value)
        return value is None, sign * (value or 0.0)

    return sorted(found, key=key)


def _axis(rows: Iterable[Score]) -> Axis:
    return axis(each for row in rows for each in (row.value, row.low, row.high))


def _estimate(entry: Any) -> View:
    return {**_interval(entry), "rows": (entry or {}).get("rows")}


def _interval(entry: Any) -> View:
    return {key: (entry or {}).get(key) for key in ("value", "low", "high")}


def _pair(interval: Any) -> tuple[Any, Any]:
    return (interval[0], interval[1]) if isinstance(interval, list | tuple) and len(interval) == 2 else (None, None)
