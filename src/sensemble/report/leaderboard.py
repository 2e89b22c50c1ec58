"""A comparison's `compare.json` -> `compare.html`: leaderboard, forest plots and conclusions on one page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import files
from .charts import axis
from .evidence import Score
from .formats import finite
from .page import template


def render_leaderboard(found: Mapping[str, Any], name: str = "") -> str:
    """The page of a comparison as HTML; it needs no network, no script and no other file.

    Args:
        found: what `compare.json` holds.
        name: what to call the comparison.
    """
    sign = -1 if found["higher"] else 1
    rows = sorted(found["variants"], key=lambda row: (finite(row["mean"]) is None, sign * (finite(row["mean"]) or 0.0)))
    scores = [
        Score(row["name"], _kind(row, found), row["mean"], row["low"], row["high"], members=(row["name"],))
        for row in rows
    ]
    scores.append(Score("trivial", "trivial", found["trivial"], None, None))
    gains = [
        Score(row["name"], _kind(row, found), *(row["against_best"][key] for key in ("value", "low", "high")))
        for row in rows
        if row.get("against_best")
    ]
    page = template("leaderboard.html.jinja").render(
        name=name,
        found=found,
        rows=rows,
        scores=scores,
        axis=axis(each for score in scores for each in (score.value, score.low, score.high)),
        gains=gains,
        gain_axis=axis([0.0, *(each for gain in gains for each in (gain.value, gain.low, gain.high))]),
        others=[key for key in found["variants"][0]["scores"] if key != found["metric"]],
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def write_leaderboard(folder: Path) -> Path:
    """Reads a comparison's `compare.json` and writes its page beside it, whole or not at all."""
    path = folder / "compare.html"
    files.write(path, render_leaderboard(files.read_json(folder / "compare.json"), folder.resolve().name))
    return path


def _kind(row: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    if row["single"]:
        return "single"
    return "fused" if row["name"] == found["best"] else "subset"
