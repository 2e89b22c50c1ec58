"""The command line: exit codes, one clear line for each mistake, output that programs can read, Ctrl-C and kill."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from sensemble.cli import main
from sensemble.data.cache import user_cache
from sensemble.parser import make_parser

TINY = ["width=8", "verdict=off", "train.epochs=1", "data.id=key"]


def write_table(path: Path, rows: int = 90, seed: int = 0) -> Path:
    random = np.random.default_rng(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["key", "age", "kind", "标签"])
        for number in range(rows):
            yes = number % 2
            cells = [f"{random.normal(2 * yes):.4f}", random.choice(["甲", "乙"]), "是" if yes else "否"]
            out.writerow([f"行{number}", *cells])
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("data") / "表.csv")


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main(["fit", str(table), "--target", "标签", *TINY, "--run", str(folder)]) == 0
    return folder


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line of a command that fails by the user's mistake."""
    capsys.readouterr()
    try:
        code = main([str(each) for each in arguments])
    except SystemExit as end:
        code = end.code  # type: ignore[assignment]
    err = capsys.readouterr().err
    assert code == 2
    assert len(err.splitlines()) == 1, err
    assert err.startswith("sensemble") and "Traceback" not in err
    return err


def test_unknown_command_and_option(capsys: pytest.CaptureFixture[str], table: Path) -> None:
    assert "unknown command 'fti': did you mean 'fit'?" in fails(capsys, "fti", table)
    error = fails(capsys, "fit", table, "--tagret", "标签")
    assert "unknown option '--tagret': did you mean '--target'?" in error and "sensemble fit --help" in error
    assert "unknown option '--jsn': did you mean '--json'?" in fails(capsys, "evaluate", "run", table, "--jsn=1")
    assert "unexpected argument 'extra'" in fails(capsys, "predict", "run", table, "extra")
    assert "COMMAND" in fails(capsys)
    assert "RUN" in fails(capsys, "evaluate")


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        (["train.epoch=3"], ["'epoch'", "did you mean 'epochs'?"]),
        (["widht=3"], ["'widht'", "did you mean 'width'?"]),
        (["fusion=gatte"], ["fusion", "unknown fusion 'gatte': did you mean 'gate'?"]),
        (["fusion=transformer", "fusion.depht=2"], ["fusion (transformer)", "did you mean 'depth'?"]),
        (["inputs.age=numbr"], ["inputs.age", "did you mean 'number'?"]),
        (["inputs.aeg=number"], ["inputs.aeg.column", "unknown column 'aeg': did you mean 'age'?"]),
        (["task.name=clasify"], ["unknown task 'clasify': did you mean 'classify'?"]),
        (["data.group=kidn"], ["data.group", "unknown column 'kidn': did you mean 'kind'?"]),
        (["data.valid=none.csv"], ["none.csv", "no such file"]),
        (["train.epochs=many"], ["'epochs'", "needs int", "'many'"]),
        (["verdict=maybe"], ["verdict", "'maybe'"]),
        (["epochs"], ["cannot read the setting 'epochs': write key.path=value"]),
        (["train.epochs=[1"], ["cannot read the value of 'train.epochs'"]),
        (["plugins=[no_such_module]"], ["plugins: cannot import 'no_such_module'"]),
        (["data.weight=kind"], ["column 'kind'", "is no row weight"]),
        (["data.test_share=2"], ["test_share"]),
    ],
)
def test_mistakes_in_settings(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    table: Path,
    tmp_path: Path,
    settings: list[str],
    parts: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    error = fails(capsys, "fit", table, *settings, "--target", "标签", "--run", tmp_path / "run")
    for part in parts:
        assert part in error


def test_mistakes_in_sources_and_targets(capsys: pytest.CaptureFixture[str], table: Path, tmp_path: Path) -> None:
    assert "did you mean '表.csv'" in fails(capsys, "fit", table.with_name("标.csv"), "--target", "标签")
    assert "cannot read the config" in fails(capsys, "fit", tmp_path / "no.yaml")
    assert "name the column to predict" in fails(capsys, "fit", table)
    assert "task.target: unknown column '标'" in fails(capsys, "fit", table, "--target", "标")
    assert "unknown column 'nope'" in fails(capsys, "audit", table, "--target", "nope")
    assert "name a config or a table" in fails(capsys, "fit")
    assert "name a table" in fails(capsys, "audit")
    (tmp_path / "bad.yaml").write_text("fusion: [a")
    assert "is not YAML" in fails(capsys, "fit", tmp_path / "bad.yaml")
    (tmp_path / "notes.txt").write_text("a")
    assert "unknown kind of file '.txt'" in fails(capsys, "fit", tmp_path / "notes.txt", "--target", "a")


def test_mistakes_about_runs(capsys: pytest.CaptureFixture[str], table: Path, run: Path, tmp_path: Path) -> None:
    assert "holds no trained model" in fails(capsys, "predict", tmp_path, table)
    assert "holds no trained model" in fails(capsys, "evaluate", tmp_path / "nope", table)
    assert "no such file" in fails(capsys, "evaluate", run, tmp_path / "no.csv")
    assert "already holds a run" in fails(capsys, "fit", table, "--target", "标签", "--run", run)
    assert "is a file: name a folder" in fails(capsys, "fit", table, "--target", "标签", "--run", table)
    fails(capsys, "fit", table, "--target", "标签", "--run", table / "inner")
    fails(capsys, "predict", run, table, "-o", table / "inner" / "out.csv")
    assert ".xls" in fails(capsys, "predict", run, table, "-o", tmp_path / "out.xls")


def test_settings_may_follow_flags(table: Path, tmp_path: Path) -> None:
    arguments = ["fit", str(table), "--target", "标签", "--run", str(tmp_path / "run"), *TINY, "--group", "key"]
    assert main(arguments) == 0
    assert "width: 8" in (tmp_path / "run" / "config.yaml").read_text(encoding="utf-8")


def test_fit_evaluate_predict(run: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("config.yaml", "audit.json", "metrics.json", "history.jsonl", "report.html", "best", "last"):
        assert (run / name).exists()
    assert main(["evaluate", str(run), str(table), "-o", str(tmp_path / "m.json")]) == 0
    out = capsys.readouterr().out
    assert "On 90 test rows" in out and "age+kind" in out
    assert json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))["format"] == 1

    assert main(["predict", str(run), str(table)]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["key"] for row in printed] == [f"行{number}" for number in range(90)]
    assert set(printed[0]) == {"key", "prediction", "probability:是", "probability:否"}
    for suffix in (".csv", ".jsonl", ".parquet"):
        path = tmp_path / f"out{suffix}"
        assert main(["predict", str(run), str(table), "-o", str(path)]) == 0
        captured = capsys.readouterr()
        assert captured.out == "" and "90 predictions" in captured.err
        if suffix == ".csv":
            rows = pd.read_csv(path).to_dict("records")
        elif suffix == ".jsonl":
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        else:
            rows = pq.read_table(path).to_pylist()
        assert [row["prediction"] for row in rows] == [row["prediction"] for row in printed]
        assert rows[3]["probability:是"] == pytest.approx(printed[3]["probability:是"])


def test_json_for_programs(run: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def strict(text: str) -> object:
        return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))

    folder = tmp_path / "run"
    assert main(["fit", str(table), "--target", "标签", "--json", "--run", str(folder), *TINY]) == 0
    out, err = capsys.readouterr()
    found = strict(out)
    assert isinstance(found, dict) and found["run"] == str(folder) and found["metrics"]["format"] == 1
    assert "Read 90 rows" in err
    one_class = write_table(tmp_path / "one.csv", 20).read_text(encoding="utf-8").splitlines()
    (tmp_path / "one.csv").write_text("\n".join([line for line in one_class if "否" not in line]), encoding="utf-8")
    assert main(["evaluate", str(run), str(tmp_path / "one.csv"), "--json"]) == 0
    found = strict(capsys.readouterr().out)
    assert isinstance(found, dict) and found["test"]["roc_auc"]["value"] is None
    assert main(["evaluate", str(run), str(tmp_path / "one.csv")]) == 0
    assert main(["audit", str(table), "--target", "标签", "--json"]) == 0
    text = capsys.readouterr().out
    assert "标签" in text
    assert main(["samples", "list", "--json"]) == 0
    assert isinstance(strict(capsys.readouterr().out), list)


def test_runs_are_named_by_their_source(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "mood.csv", 60)
    assert main(["fit", "mood.csv", "--target", "标签", *TINY]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Run: {Path('runs/mood')}"
    assert main(["fit", "mood.csv", "--target", "标签", *TINY]) == 0
    assert main(["fit", "data.train=mood.csv", "task.target=标签", *TINY]) == 0
    assert sorted(each.name for each in (tmp_path / "runs").iterdir()) == ["mood", "mood-2", "mood-3"]
    # A finished run, made from a path relative to where the command ran, is found again from its own folder.
    assert main(["fit", "--run", "runs/mood", "--resume"]) == 0


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    def printed(*arguments: str) -> str:
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        assert end.value.code == 0
        return capsys.readouterr().out

    assert printed("--version").strip()[0].isdigit()
    assert "sensemble demo" in printed("--help")
    for name in (*make_parser()[1],):
        text = printed(name, "--help")
        assert "examples:" in text and f"\n  sensemble {name}" in text.split("examples:")[1]


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from sensemble.parser import make_parser; make_parser()[0].format_help();"
        "sys.exit(any(name in sys.modules for name in ('torch', 'pandas', 'numpy', 'rich')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_runs_as_a_module() -> None:
    def lines(*command: str) -> str:
        return subprocess.run([sys.executable, *command], check=True, capture_output=True, text=True).stdout

    shown = lines("-m", "sensemble", "--version")
    assert shown == lines("-c", "from sensemble.cli import main; main(['--version'])")


@pytest.mark.parametrize(
    ("given", "load", "wanted"),
    [
        ({}, "0.11 0.40 0.30 1/90 4711", None),
        ({}, "2.00 0.40 0.30 1/90 4711", None),  # what ran has ended
        ({}, "0.11 0.40 0.30 3/90 4711", None),  # what runs is short
        ({}, "1.00 0.40 0.30 2/90 4711", "1000"),
        ({}, None, "1000"),
        ({}, "no numbers", "1000"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, None, None),
        ({"GOMP_SPINCOUNT": "7"}, None, "7"),
    ],
)
def test_threads_sleep_soon_unless_the_machine_is_idle(
    given: dict[str, str], load: str | None, wanted: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")  # so that it is put back afterwards
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("sensemble.cli.LOAD", tmp_path / "loadavg")
    if load is not None:
        (tmp_path / "loadavg").write_text(load)
    assert main(["audit", str(write_table(tmp_path / "t.csv", 20)), "--target", "kind"]) == 0
    assert os.environ.get("GOMP_SPINCOUNT") == wanted


@contextmanager
def fitting(table: Path, folder: Path, *settings: str) -> Iterator[subprocess.Popen[str]]:
    """A fit in a process of its own that hears Ctrl-C, which what is started in the background does not by itself."""
    hears = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{hears}; import sys; from sensemble.cli import main; sys.exit(main())", "fit"]
    process = subprocess.Popen(
        [*command, table.name, "--target", "标签", "--run", str(folder), "width=8", "train.patience=0", *settings],
        cwd=table.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], start: str) -> None:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.strip().startswith(start):
            return
    error = process.stderr.read() if process.stderr else ""
    pytest.fail(f"no line {start!r} in {lines}\n{error}")


def test_ctrl_c_keeps_a_model_that_predicts_and_resumes(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    with fitting(table, folder, "verdict=off", "train.epochs=60") as process:
        read_until(process, "epoch 2/60")
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 130
        assert error == "sensemble: stopped; what was finished is kept\n"
    assert main(["predict", str(folder), str(table)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 90
    before = [json.loads(line)["epoch"] for line in (folder / "history.jsonl").read_text().splitlines()]
    assert 2 <= before[-1] < 60 and not (folder / "metrics.json").exists()
    assert main(["fit", "--run", str(folder), "--resume"]) == 0
    out = capsys.readouterr().out
    assert "epoch 1/60" not in out and "epoch 60/60" in out
    steps = [json.loads(line)["step"] for line in (folder / "history.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps)) and (folder / "report.html").exists()


def test_a_kill_during_the_verdict_does_not_cost_the_fused_model(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    with fitting(table, folder, "verdict=full", "train.epochs=40") as process:
        read_until(process, "ece")
        process.kill()
        process.communicate()
    assert not (folder / "verdict.json").exists()
    weights, history = folder / "best" / "network.safetensors", folder / "history.jsonl"
    before = weights.stat().st_mtime_ns, history.read_text()
    assert main(["fit", "--run", str(folder), "--resume"]) == 0
    assert (weights.stat().st_mtime_ns, history.read_text()) == before
    assert "epoch " not in capsys.readouterr().out
    verdict = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    assert set(verdict["singles"]) == {"age", "kind"}
    assert main(["fit", "--run", str(folder), "--resume"]) == 0  # nothing left to do, and nothing changes
    assert json.loads((folder / "verdict.json").read_text(encoding="utf-8")) == verdict


def test_cache_info_and_clear(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SENSEMBLE_HOME", str(tmp_path))
    user_cache().put([b"key"], [torch.zeros(10)])
    assert main(["cache", "info"]) == 0
    assert capsys.readouterr().out.startswith("1 entries")
    assert main(["cache", "clear", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["removed"] == 1
    assert main(["cache", "info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entries"] == 0
