"""Chart geometry: values become places in per cent; the template draws them as inline SVG.

Drawn by hand rather than by matplotlib: places in per cent let a chart stretch from a phone to paper while its
text keeps its size, colours follow the page's theme, labels stay text that can be read aloud and searched, and
255 subsets cost a line of markup each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .formats import finite

MOST_POINTS = 600
"""More than this many points in one chart are thinned evenly: they would only cover each other."""


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: its text and its place in per cent."""

    label: str
    place: float


@dataclass(frozen=True)
class Axis:
    """A linear scale from `low` to `high`."""

    low: float
    high: float
    ticks: tuple[Tick, ...]

    def place(self, value: Any) -> float | None:
        """Where a value lies, 0 to 100; what exceeds the axis lies at its end; None for no number."""
        known = finite(value)
        if known is None:
            return None
        return min(max((known - self.low) / (self.high - self.low), 0.0), 1.0) * 100


@dataclass(frozen=True)
class Point:
    """A point of a plot, in per cent from the left and from the top, with the values it stands for."""

    x: float
    y: float
    at: float
    value: float
    size: float = 0.0
    """0 to 1, for points drawn by weight."""


@dataclass(frozen=True)
class Plot:
    """Points on two axes. `lines` are runs of points between gaps, as SVG `points` of a 100 x 100 box."""

    x: Axis
    y: Axis
    points: tuple[Point, ...]
    lines: tuple[str, ...] = ()
    best: Point | None = None
    total: int = 0
    """Points given, of which `points` may be a thinned selection."""


def axis(values: Iterable[Any], *, whole: bool = False, around: bool = True, marks: int = 5) -> Axis:
    """A scale with round ticks that holds all values that are numbers.

    Args:
        values: what must fit; no number at all gives 0 to 1.
        whole: ticks at whole numbers only (epochs, steps).
        around: whether the ends are widened to the next tick.
        marks: about how many ticks.
    """
    known = [each for each in map(finite, values) if each is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
        pad = 0.5 if whole else abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    step = _round_step((high - low) / marks)
    if whole:
        step = max(1.0, step)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if around:
        low, high = first * step, last * step
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    ticks = [each * step for each in range(first, last + 1) if low - 1e-9 * step <= each * step <= high + 1e-9 * step]
    return Axis(low, high, tuple(Tick(_label(at, decimals), (at - low) / (high - low) * 100) for at in ticks))


def curve(points: Sequence[tuple[Any, Any]], *, best: Any = None) -> Plot | None:
    """A line over whole steps; a value that is no number leaves a gap.

    Args:
        points: (step, value), in order.
        best: the step to mark.
    """
    known = [(at, finite(value)) for step, value in points if (at := finite(step)) is not None]
    total = sum(value is not None for _, value in known)
    if not total:
        return None
    x, y = axis((at for at, _ in known), whole=True, around=False), axis(value for _, value in known)
    marked = [_point(x, y, at, value) for at, value in known if value is not None and at == finite(best)]
    runs: list[list[Point]] = [[]]
    for at, value in thin(known):
        if value is None:
            runs.append([])
        else:
            runs[-1].append(_point(x, y, at, value))
    lines = tuple(" ".join(f"{point.x:.2f},{point.y:.2f}" for point in run) for run in runs if len(run) > 1)
    every = tuple(point for run in runs for point in run)
    return Plot(x, y, every, lines, marked[0] if marked else None, total)


def scatter(across: Sequence[Any], up: Sequence[Any]) -> Plot | None:
    """Points on one scale for both directions, so that the diagonal means agreement."""
    both = [(finite(x), finite(y)) for x, y in zip(across, up, strict=False)]
    pairs = [(x, y) for x, y in both if x is not None and y is not None]
    if not pairs:
        return None
    scale = axis((value for pair in pairs for value in pair), around=False)
    return Plot(scale, scale, tuple(_point(scale, scale, x, y) for x, y in thin(pairs)), total=len(pairs))


def reliability(bins: Sequence[tuple[Any, Any, Any]]) -> Plot | None:
    """Confidence against accuracy, both 0 to 1.

    Args:
        bins: (confidence, accuracy, rows) of each bin; the points' areas go with the rows.
    """
    known = [(finite(x), finite(y), finite(rows) or 0.0) for x, y, rows in bins]
    most = max((rows for _, _, rows in known), default=0.0) or 1.0
    scale = axis([0.0, 1.0])
    points = [
        _point(scale, scale, x, y, math.sqrt(max(rows, 0.0) / most))
        for x, y, rows in known
        if x is not None and y is not None
    ]
    line = " ".join(f"{point.x:.2f},{point.y:.2f}" for point in points)
    return Plot(scale, scale, tuple(points), (line,), total=len(points)) if points else None


def thin(items: Sequence[Any], most: int = MOST_POINTS) -> list[Any]:
    """At most `most` of the items, evenly spaced, first and last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]


def _point(x: Axis, y: Axis, at: float, value: float, size: float = 0.0) -> Point:
    return Point(x.place(at) or 0.0, 100 - (y.place(value) or 0.0), at, value, size)


def _round_step(rough: float) -> float:
    """The nearest round number: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return min((factor * power for factor in (1, 2, 5, 10)), key=lambda step: abs(math.log(step / rough)))


def _label(value: float, decimals: int) -> str:
    text = f"{value:.1e}" if decimals > 6 or abs(value) >= 1e7 else f"{value + 0.0:,.{decimals}f}"
    return ("0" if not text.strip("-0.,") else text).replace("-", "−")
