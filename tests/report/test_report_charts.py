"""Where values are drawn, and how they are written."""

from __future__ import annotations

import doctest
import math
from typing import Any

import pytest

from sensemble.report import charts, context, evidence, formats, inspection, page


@pytest.mark.parametrize("module", [formats, page])
def test_examples(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted and not result.failed


@pytest.mark.parametrize(
    ("values", "low", "high", "labels"),
    [
        ([0.52, 0.98], 0.5, 1.0, ["0.5", "0.6", "0.7", "0.8", "0.9", "1.0"]),
        ([-3, 8], -4, 8, ["−4", "−2", "0", "2", "4", "6", "8"]),
        ([1200, 8000], 1000, 8000, [f"{each},000" for each in range(1, 9)]),
        ([], 0.0, 1.0, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
    ],
)
def test_axis_ends_on_round_ticks(values: list[float], low: float, high: float, labels: list[str]) -> None:
    axis = charts.axis(values)
    assert (axis.low, axis.high) == pytest.approx((low, high))
    assert [tick.label for tick in axis.ticks] == labels
    assert [tick.place for tick in axis.ticks] == pytest.approx(
        [100 * at / (len(labels) - 1) for at in range(len(labels))]
    )


@pytest.mark.parametrize(
    "values", [[5.0], [0.0], [1e-30, 2e-30], [1e100, -1e100], [0.3, 0.3 + 1e-12], [1e300], ["x", None, math.nan]]
)
def test_axis_survives_any_values(values: list[Any]) -> None:
    axis = charts.axis(values)
    assert axis.low < axis.high and axis.ticks
    for value in values:
        place = axis.place(value)
        assert place is None or 0 <= place <= 100


def test_whole_axes_have_whole_ticks() -> None:
    assert [tick.label for tick in charts.axis([1, 3], whole=True, around=False).ticks] == ["1", "2", "3"]
    assert [tick.label for tick in charts.axis([1], whole=True, around=False).ticks] == ["1"]


def test_curve_is_broken_at_gaps_and_marks_the_best() -> None:
    plot = charts.curve([(1, 0.5), (2, 0.7), (3, math.nan), (4, 0.9), (5, 0.8)], best=4)
    assert plot is not None and plot.best is not None
    assert [line.count(",") for line in plot.lines] == [2, 2]
    assert (plot.best.at, plot.best.value, plot.best.x, plot.best.y) == pytest.approx((4, 0.9, 75, 0))
    assert plot.total == 4
    assert charts.curve([(1, None)]) is None


def test_scatter_shares_one_scale_and_thins() -> None:
    plot = charts.scatter([0.0, 10.0, None], [10.0, 0.0, 4.0])
    assert plot is not None and plot.x == plot.y and plot.total == 2
    assert [(point.x, point.y) for point in plot.points] == [(0, 0), (100, 100)]
    many = charts.scatter(list(range(5000)), list(range(5000)))
    assert many is not None and many.total == 5000
    assert [many.points[0].at, many.points[-1].at, len(many.points)] == [0, 4999, charts.MOST_POINTS]


def test_reliability_points_go_with_their_rows() -> None:
    plot = charts.reliability([(0.25, 0.5, 100), (0.75, 0.5, 400), (None, 0.1, 3)])
    assert plot is not None
    assert [(point.x, point.y, point.size) for point in plot.points] == [(25, 50, 0.5), (75, 50, 1.0)]


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, True, [], {}, 10**400])
def test_no_number_is_a_dash(value: Any) -> None:
    assert formats.number(value) == formats.signed(value) == formats.duration(value) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12, "12"),
        (12000, "12,000"),
        (0.98123, "0.981"),
        (0.0, "0.000"),
        (-0.004, "−0.004"),
        (31.456, "31.46"),
        (1234.5, "1,234"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert formats.number(value) == text


def test_folding_counts_chinese_as_wide() -> None:
    assert context.fold("a" * context.CLAMP) is None
    assert context.fold("词" * (context.CLAMP // 2)) is None
    folded = context.fold("词" * context.CLAMP)
    assert folded == "词" * (context.CLAMP // 2) + " …"
    assert context.fold("one two " * 100, 10) == "one two …"
    assert context.fold("\n" * 20) == " …"


def test_best_epoch_is_the_lowest_where_lower_is_better(rich: dict[str, Any]) -> None:
    rich["metrics"]["higher"] = False
    (view,) = inspection.curves(rich)
    assert view["best"]["epoch"] == 1
    rich["history"][5]["best"] = True
    (view,) = inspection.curves(rich)
    assert view["best"]["epoch"] == 6, "what the training chose counts"


def test_short_runs_show_every_step_and_repeats_count_once() -> None:
    history = [
        {"epoch": 1, "step": step, "loss": loss, "valid": None}
        for step, loss in [(10, 2.0), (20, 1.5), (20, 1.4), (30, 1.0)]
    ]
    (view,) = inspection.curves({"history": history})
    assert view["unit"] == "step" and view["valid"] is None
    assert [(point.at, point.value) for point in view["loss"].points] == [(10, 2.0), (20, 1.4), (30, 1.0)]
    later = [
        {**record, "epoch": epoch, "step": record["step"] + 100 * epoch} for epoch in (1, 2, 3) for record in history
    ]
    (view,) = inspection.curves({"history": later})
    assert view["unit"] == "epoch" and [point.at for point in view["loss"].points] == [1, 2, 3]
    staged = [{**record, "stage": "see" if record["epoch"] < 2 else "say"} for record in later]
    views = inspection.curves({"history": staged})
    assert [(view["stage"], [point.at for point in view["loss"].points]) for view in views] == [
        ("see", [110, 120, 130]),
        ("say", [210, 220, 230, 310, 320, 330]),
    ]


def test_many_subsets_show_the_telling_ones_first(rich: dict[str, Any]) -> None:
    view = evidence.subsets(rich)
    assert view is not None and view["total"] == 255
    assert [(title, len(rows)) for title, rows in view["groups"]] == [
        ("all inputs", 1),
        ("all but one", 8),
        ("the best of each size between", 5),
        ("one input alone", 8),
    ]
    every = [score.members for group in ("groups", "rest") for _, rows in view[group] for score in rows]
    assert len(every) == len(set(every)) == 255
    best = max(
        (entry["roc_auc"]["value"], key) for key, entry in rich["metrics"]["subsets"].items() if key.count("+") == 2
    )
    assert best[1].split("+") in [list(score.members) for score in view["groups"][2][1]]


def test_few_subsets_are_grouped_by_size_best_first(rich: dict[str, Any]) -> None:
    given = rich["metrics"]["subsets"]
    rich["metrics"]["subsets"] = {key: given[key] for key in given if set(key.split("+")) <= {"text", "photo", "age"}}
    view = evidence.subsets(rich)
    assert view is not None and not view["rest"] and view["names"] == ["text", "photo", "age"]
    assert [title for title, _ in view["groups"]] == ["all inputs", "2 inputs", "one input alone"]
    values = [score.value for score in view["groups"][2][1]]
    assert values == sorted(values, reverse=True)
    rich["metrics"]["higher"] = False
    view = evidence.subsets(rich)
    assert view is not None and [score.value for score in view["groups"][2][1]] == values[::-1]


def test_many_classes_become_a_list_of_confusions(rich: dict[str, Any]) -> None:
    labels = [f"class {place}" for place in range(30)]
    counts = [[50 if row == column else 0 for column in range(30)] for row in range(30)]
    counts[3][7], counts[20][1] = 5, 9
    rich["details"]["confusion"] = {"labels": labels, "counts": counts}
    view = inspection.confusion(rich)
    assert view is not None and not view["rows"]
    assert view["top"] == [
        {"truth": "class 20", "prediction": "class 1", "count": 9},
        {"truth": "class 3", "prediction": "class 7", "count": 5},
    ]
    html = page.render(rich)
    assert "Confusion matrix" not in html and "class 20" in html


def test_warnings_are_grouped_gravest_first(rich: dict[str, Any]) -> None:
    rich["audit"]["warnings"].append({"kind": "strange", "columns": ["x"], "message": "odd"})
    view = context.audit(rich)
    assert view is not None and view["num_warnings"] == 21
    titles = [group["title"] for group in view["warnings"]]
    assert titles[0] == "Leak" and titles[-1] == "strange"
    assert sum(len(group["items"]) for group in view["warnings"]) == 21
