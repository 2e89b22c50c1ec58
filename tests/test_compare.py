"""Comparison: folds, resuming, statistics, and what each fusion can and cannot learn."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch.utils.flop_counter import FlopCounterMode

import sensemble as se
from sensemble import build
from sensemble import config as configs
from sensemble.cli import main
from sensemble.compare import cell as cells
from sensemble.compare.board import corrected, holm
from sensemble.compare.cell import flops
from sensemble.compare.plan import parse, variants
from sensemble.compare.run import compare
from sensemble.data.folds import folds
from sensemble.data.table import Table
from sensemble.errors import ConfigError, DataError
from sensemble.files import read_json
from sensemble.fusion.base import FUSIONS
from sensemble.prepare import make_parts

SMALL = {"task": {"target": "label"}, "width": 8, "train": {"epochs": 2, "batch": 32, "lr": 3e-3}}


def run(folder: Path, rows: int = 90, **options: Any) -> dict[str, Any]:
    table = se.generate.xor(rows, seed=0).frame
    for _ in compare(SMALL, table, folder, folds=3, jobs=1, **options):
        pass
    return dict(read_json(folder / "compare.json"))


def test_every_row_is_tested_once_and_never_by_who_saw_its_group() -> None:
    frame = pd.DataFrame({"x": np.arange(60.0), "user": [f"u{i // 4}" for i in range(60)], "label": [0, 1] * 30})
    found = folds(Table(frame), 5, target=["label"], group="user", seed=3)
    assert sorted(np.concatenate([fold["test"] for fold in found]).tolist()) == list(range(60))
    for fold in found:
        sides = {name: set(frame["user"].iloc[rows]) for name, rows in fold.items()}
        assert not sides["test"] & (sides["train"] | sides["valid"]) and not sides["train"] & sides["valid"]
        assert sum(map(len, fold.values())) == 60


def test_folds_hold_equal_shares_of_each_label_and_twins_stay_together() -> None:
    texts = [f"text {i // 2}" for i in range(80)]  # each stands twice
    frame = pd.DataFrame({"text": texts, "label": [int(i % 8 < 2) for i in range(80)]})
    found = folds(Table(frame), 4, target=["label"], seed=1)
    assert {int(frame["label"].iloc[fold["test"]].sum()) for fold in found} <= {4, 6}  # of 20, in pairs
    for fold in found:
        assert not set(frame["text"].iloc[fold["test"]]) & set(frame["text"].iloc[fold["train"]])


def test_too_few_folds_or_groups_are_refused() -> None:
    frame = pd.DataFrame({"x": np.arange(6.0), "user": ["a", "b"] * 3, "label": [0, 1] * 3})
    with pytest.raises(ConfigError, match="folds: needs at least 2"):
        folds(Table(frame), 1)
    with pytest.raises(DataError, match="cannot part 6 rows into 5"):
        folds(Table(frame), 5, group="user")


def test_values_are_read_as_yaml_and_make_a_grid() -> None:
    vary = parse(["fusion=gate,{name: transformer, depth: 3}", "train.lr=1e-3,3e-3"])
    found = variants({"task": {"target": "y"}}, vary)
    assert [each.name for each in found][-1] == "fusion=transformer(depth=3), train.lr=3e-3"
    assert found[-1].config.fusion == {"name": "transformer", "depth": 3} and found[-1].config.train.lr == 3e-3
    assert [each.name for each in variants({}, parse(["width=8,16"]))] == ["8", "16"]
    assert [each.name for each in variants({}, {})] == ["the config"]


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        (["fusion"], "write key=value"),
        (["width=8", "width=16"], "varied twice"),
        (["width={a"], "cannot read the value of 'width'"),
        (["width=8,8"], "twice among the values"),
        (["wdith=8"], "did you mean 'width'"),
        (["train.epoch=8"], "did you mean 'epochs'"),
    ],
)
def test_what_cannot_be_varied_is_refused(vary: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        variants({"task": {"target": "y"}}, parse(vary))


def test_the_corrected_test_is_that_of_nadeau_and_bengio() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        count, ratio = int(random.integers(2, 12)), float(random.uniform(0.1, 1))
        first, second = random.normal(size=(2, count))
        found = corrected(first, second, ratio)
        difference = first - second
        t = difference.mean() / np.sqrt((1 / count + ratio) * difference.var(ddof=1))
        assert found["p"] == pytest.approx(2 * stats.t.sf(abs(t), count - 1), abs=1e-9)
        assert (found["low"] > 0 or found["high"] < 0) == (found["p"] < 0.05)
    same = corrected(np.ones(3), np.ones(3), 0.5)
    assert same == {"value": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    assert np.isnan(corrected(np.ones(1), np.zeros(1), 0.5)["p"])


def test_holm_keeps_order_and_bounds() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([]) == []


def test_a_comparison_writes_its_evidence_and_goes_on_where_it_was(tmp_path: Path) -> None:
    found = run(tmp_path, vary={"fusion": ["sum", "gate"]})
    assert [row["name"] for row in found["variants"]] == ["sum", "gate", "left alone", "right alone"]
    assert found["rows"] == 90 and found["folds"] == 3 and found["metric"] == "roc_auc"
    lines = (tmp_path / "answers" / "00-sum.jsonl").read_text("utf-8").splitlines()
    assert sorted(json.loads(line)["row"] for line in lines) == list(range(90))
    assert "gate" in (tmp_path / "compare.html").read_text("utf-8")
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").iterdir()}
    assert len(kept) == 12
    gone = sorted(kept)[0]
    gone.unlink()
    again = run(tmp_path, vary={"fusion": ["sum", "gate", "concat"]})
    assert [path for path, time in kept.items() if path.stat().st_mtime_ns != time] == [gone]
    assert len(list((tmp_path / "cells").iterdir())) == 15
    assert again["variants"][0]["folds"] == found["variants"][0]["folds"]  # the lost cell came out the same


@pytest.mark.parametrize("fusion", [*FUSIONS])
def test_operations_of_every_fusion_are_counted_with_the_head(fusion: str) -> None:
    table = se.generate.xor(20, seed=0)
    given = {"inputs": {"left": "vector", "right": "vector"}, "task": {"name": "classify", "target": "label"}}
    config = configs.from_dict({**given, "fusion": fusion, "width": 8})
    task, inputs, parts = make_parts(config, {"train": table})
    network = build.make_network(config, inputs, task)
    with FlopCounterMode(display=False) as counter:
        network(parts["train"].batch(torch.arange(8)).inputs)
    headless = counter.get_total_flops() / 8
    assert headless > 0 and flops(network, task, parts["train"]) >= headless + 2 * 8  # a weight a feature at least


def test_variants_that_read_the_data_alike_share_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    make = cells.make_parts
    monkeypatch.setattr(cells, "make_parts", lambda *given: made.append(given) or make(*given))
    inputs = [{"left": "vector", "right": {"name": "vector", "missing": way}} for way in ("mask", "drop")]
    found = run(tmp_path, rows=30, vary={"fusion": ["sum", "gate"], "inputs": inputs}, alone=False)
    assert len(found["variants"]) == 4 and len(made) == 2 * 3  # of three folds


def test_groups_that_random_folds_tear_apart_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "speakers.parquet"
    se.generate.group_leak(120, seed=0, speakers=12, width=4).frame.to_parquet(table)
    settings = ["--target", "label", "width=8", "train.epochs=1", "inputs={voice: vector, words: vector}"]
    folds = ["--folds", "2", "--jobs", "1", "--no-singles"]
    assert main(["audit", str(table), "--target", "label"]) == 0
    assert "split by it (data.group: speaker)" in capsys.readouterr().out
    assert main(["compare", str(table), *settings, *folds, "-o", str(tmp_path / "random")]) == 0
    assert "group: `speaker` repeats (12 values of 10 rows each" in capsys.readouterr().out
    assert main(["compare", str(table), *settings, *folds, "data.group=speaker", "-o", str(tmp_path / "whole")]) == 0
    assert "group:" not in capsys.readouterr().out


def test_other_rows_or_folds_are_other_cells(tmp_path: Path) -> None:
    run(tmp_path, alone=False)
    run(tmp_path, rows=96, alone=False)
    assert len(list((tmp_path / "cells").iterdir())) == 6


def test_side_by_side_gives_what_one_process_gives(tmp_path: Path) -> None:
    one = run(tmp_path / "one", alone=False, repeats=2)
    table = se.generate.xor(90, seed=0).frame
    for _ in compare(SMALL, table, tmp_path / "two", folds=3, jobs=2, alone=False, repeats=2):
        pass
    two = read_json(tmp_path / "two" / "compare.json")
    assert one["repeats"] == 2 and one["variants"][0]["folds"] == two["variants"][0]["folds"]


def test_the_command_line_compares_and_survives_a_kill(tmp_path: Path) -> None:
    table = tmp_path / "xor.csv"
    frame = se.generate.xor(120, seed=0).frame
    wide = pd.DataFrame({f"{side}{i}": [v[i] for v in frame[side]] for side in ("left", "right") for i in range(2)})
    wide.assign(label=frame["label"]).to_csv(table, index=False)
    folder = tmp_path / "cmp"
    arguments = [
        "compare", str(table), "--target", "label", "width=8", "train.epochs=2", "--vary", "fusion=sum,gate",
        "--folds", "3", "--no-singles", "-o", str(folder), "--jobs", "1",
    ]  # fmt: skip
    call = "import sys; from sensemble.cli import main; sys.exit(main())"
    started = subprocess.Popen([sys.executable, "-c", call, *arguments], stdout=subprocess.DEVNULL)
    place = folder / "cells"
    for _ in range(2400):
        if place.exists() and any(place.glob("*.json")):
            break
        time.sleep(0.05)
    os.kill(started.pid, signal.SIGKILL)
    started.wait()
    kept = {path: path.stat().st_mtime_ns for path in place.glob("*.json")}
    assert kept
    assert main([*arguments, "--json"]) == 0
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    assert len(list(place.glob("*.json"))) == 6


def test_a_wrong_variant_is_one_clear_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = tmp_path / "x.csv"
    pd.DataFrame({"a": np.arange(30) / 7 % 1, "b": np.arange(30) / 3 % 1.1, "label": [0, 1] * 15}).to_csv(
        table, index=False
    )
    code = main(["compare", str(table), "--target", "label", "--vary", "fusion=sum,gates", "-o", str(tmp_path / "c")])
    assert code == 2 and "did you mean 'gate'" in capsys.readouterr().err
