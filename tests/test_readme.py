"""The READMEs and CONTRIBUTING.md are run: their commands, their code, their links, their lists of names and files."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from made_layouts import LAYOUTS
from sensemble import config as configs
from sensemble.cli import main
from sensemble.demo import SETS
from sensemble.encoders.base import encoders
from sensemble.fusion.base import FUSIONS
from sensemble.modalities.base import MODALITIES
from sensemble.registry import Registry
from sensemble.tasks.base import TASKS
from sensemble.weights import WEIGHTS

ROOT = Path(__file__).parent.parent
README, CHINESE, CONTRIBUTING = (
    (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md", "CONTRIBUTING.md")
)
BLOCK = re.compile(r"(<!-- run -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = ["README.md", "README.zh.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))]


def blocks(text: str, *, run: bool = False) -> list[tuple[str, str]]:
    """The fenced blocks of a page as (language, content); with `run`, only those marked so."""
    return [(language, content) for mark, language, content in BLOCK.findall(text) if mark or not run]


def section(text: str, title: str) -> str:
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def rows(text: str) -> list[list[str]]:
    """The body of a section's table."""
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def commands(bash: str) -> list[list[str]]:
    """The arguments of each `sensemble` command in a block; variables set before it are left to the test."""
    lines = [shlex.split(line, comments=True) for line in bash.splitlines()]
    return [line[line.index("sensemble") + 1 :] for line in lines if "sensemble" in line]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder on the import path; what is imported and registered from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # else `main` sets what the tests that follow inherit
    registries: list[Registry[Any]] = [FUSIONS, *(encoders(kind) for kind in MODALITIES)]
    for registry in registries:
        assert list(registry)
        monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def run(language: str, content: str, folder: Path) -> None:
    """Runs a block; one that starts with a file's name in a comment becomes that file."""
    named = re.match(r"# ([\w.]+)\n", content)
    if named:
        (folder / named[1]).write_text(content, encoding="utf-8")
    elif language == "python":
        exec(compile(content, "a block of the page", "exec"), {"__name__": "block"})
    else:
        assert language == "bash" and commands(content)
        for arguments in commands(content):
            assert main(arguments) == 0, arguments


def write_table(folder: Path, name: str, count: int, *, users: str, label: bool = True) -> None:
    """Generated rows whose words, photo and age all hint at the label; some photos and ages are missing."""
    random = np.random.default_rng(len(users))
    (folder / "photos").mkdir(exist_ok=True)
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["words", "photo", "age", "user", *(["label"] if label else [])])
        for row in range(count):
            good = row % 2
            words = [("bad tea", "good tea"), ("茶不好", "很好的茶")][int(random.integers(2))][good]
            photo = f"photos/{users}{row}.png"
            pixels = random.integers(0, 200, (24, 24, 3)) + 50 * good
            Image.fromarray(pixels.astype(np.uint8)).save(folder / photo)
            writer.writerow([
                f"{words}, said guest {int(random.integers(1000))} of the day",
                photo if row % 7 else "",
                f"{random.normal(30 + 5 * good, 5):.1f}" if row % 5 else "",
                f"{users}{row // 4}",
                *([("sad", "happy")[good]] if label else []),
            ])  # fmt: skip


def test_both_readmes_hold_the_same_code() -> None:
    assert blocks(README) == blocks(CHINESE)
    assert blocks(README, run=True) == blocks(CHINESE, run=True)
    assert len(blocks(README, run=True)) == 1
    assert README.count("\n## ") == CHINESE.count("\n## ")
    assert "](README.zh.md)" in README and "](README.md)" in CHINESE


def test_readme_python(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for language, content in blocks(README, run=True):
        run(language, content, place)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith(("Fusion helps", "No gain shown", "Fusion hurts"))
    assert "'prediction'" in printed[1]
    assert (place / "runs/readme/best/network.safetensors").exists()


def test_contributing(place: Path) -> None:
    marked = blocks(CONTRIBUTING, run=True)
    assert {language for language, _ in marked} == {"python", "yaml", "bash"}
    for language, content in marked:
        run(language, content, place)
    assert "mean" in encoders("vector") and "max" in FUSIONS
    assert "mean_encoder" in (place / "runs/steps/best/config.yaml").read_text(encoding="utf-8")
    assert (place / "runs/steps/verdict.json").exists()


def test_your_own_table(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_table(place, "train.csv", 80, users="ann")
    write_table(place, "test.csv", 40, users="bo")
    write_table(place, "new.csv", 6, users="cleo", label=False)
    part = section(README, "Your own table")
    [config] = [content for language, content in blocks(part) if language == "yaml"]
    run("yaml", config, place)
    given = [line for language, bash in blocks(part) if language == "bash" for line in commands(bash)]
    assert [arguments[0] for arguments in given] == ["audit", "fit", "evaluate", "predict", "fit", "fit"]
    for arguments in given:
        if arguments[0] == "fit" and not arguments[1].startswith("-"):  # shorter: one more setting, after the others
            flags = next(index for index, each in enumerate(arguments) if each.startswith("--"))
            arguments = [*arguments[:flags], "train.epochs=1", *arguments[flags:]]
        assert main(arguments) == 0, (arguments, capsys.readouterr().err)
    assert len((place / "answers.csv").read_text(encoding="utf-8").splitlines()) == 7
    promised = [name for row in rows(section(README, "A run")) for name in names(row[0])]
    assert len(promised) >= 8
    for folder in ("runs/mood", "runs/mood-concat"):
        for name in promised:
            assert (place / folder / name).exists(), f"{folder}/{name}"
    assert "fusion:\n  name: concat\n" in (place / "runs/mood-concat/config.yaml").read_text(encoding="utf-8")


def test_writing_text(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every published layout that the page names trains and is scored, by the commands that it shows."""
    part = section(README, "Writing text")
    for language, content in blocks(part):
        if language == "yaml":
            run("yaml", content, place)
    for config, write in LAYOUTS.items():
        assert (place / config).exists(), "the page has a config for each layout"
        write(place)
    (place / "lines.csv").write_text("text\n" + "one two three\ntwo three four\n" * 20, encoding="utf-8")
    (place / "answers.txt").write_text("yes\nno\n", encoding="utf-8")
    Image.new("RGB", (32, 32), "white").save(place / "photo.png")
    monkeypatch.setattr("sys.stdin", io.StringIO("is it bright\nare you sure\n"))
    wanted = {"captions.yaml": "cider", "vqa.yaml": "vqa_accuracy", "visdial.yaml": "ndcg", "multi30k.yaml": "bleu",
              "lines.csv": "perplexity"}  # fmt: skip
    for arguments in (line for language, bash in blocks(part) if language == "bash" for line in commands(bash)):
        if arguments[0] == "demo":  # takes minutes
            assert arguments[1] in SETS
            continue
        if arguments[0] == "fit":
            source = arguments[1]
            small = ["train.epochs=1", "width=16", "verdict=off", "data.cache=false"]
            config = (
                configs.read_mapping(place / source) if source.endswith(".yaml") else {"task": {"name": "generate"}}
            )
            small += ["inputs.image.size=16"] if "image" in config.get("inputs", {}) else []
            small += ["task.length=8", "task.decoder.depth=1"] if config["task"]["name"] == "generate" else []
            arguments = [*arguments, *small]
            metric = wanted.pop(source)
        assert main(arguments) == 0, (arguments, capsys.readouterr().err)
        printed = capsys.readouterr().out
        if arguments[0] == "fit":
            [score] = [line.split()[1] for line in printed.splitlines() if line.split()[:1] == [metric]]
            assert np.isfinite(float(score))
        else:
            assert len(printed.splitlines()) == 2 and set(printed.split()) <= {"yes", "no"}
    assert not wanted


def test_finding_things_and_comparing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_table(place, "train.csv", 80, users="ann")
    write_table(place, "test.csv", 20, users="bo")
    write_table(place, "new.csv", 12, users="cleo", label=False)
    Image.new("RGB", (24, 24), "white").save(place / "photo.png")
    for title in ("Your own table", "Finding things"):
        for language, content in blocks(section(README, title)):
            if language == "yaml":
                run("yaml", content, place)
    assert main(["fit", "train.csv", "--target", "label", "--run", "runs/mood", "train.epochs=1", "width=16"]) == 0
    parts = [section(README, title) for title in ("Finding things", "Comparing")]
    for arguments in (line for part in parts for language, bash in blocks(part) if language == "bash"
                      for line in commands(bash)):  # fmt: skip
        if arguments[0] == "demo":  # takes minutes
            assert arguments[1] in SETS
            continue
        small = ["train.epochs=1", "width=16"] if arguments[0] in ("fit", "compare", "tune") else []
        assert main([*arguments, *small]) == 0, (arguments, capsys.readouterr().err)
        printed = capsys.readouterr().out
        if arguments[0] == "search":
            assert len([line for line in printed.splitlines() if line[:1].isdigit()]) == 3, printed
    with Image.open(place / "hits.png") as sheet:
        assert sheet.width > 100
    assert "gate" in (place / "runs/fusions/compare.html").read_text(encoding="utf-8")


def test_pretrained_encoders(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = section(README, "Pretrained encoders")
    [content] = [content for language, content in blocks(part) if language == "yaml"]
    config = configs.from_dict(yaml.safe_load(content))
    named = {spec["encoder"]["model"] for spec in config.inputs.values()}
    for arguments in (line for language, bash in blocks(part) if language == "bash" for line in commands(bash)):
        if arguments[:2] == ["weights", "get"]:  # fetches from a registry
            named.add(arguments[2])
        else:
            assert main(arguments) == 0, (arguments, capsys.readouterr().err)
    assert named <= set(WEIGHTS)


def test_every_key_of_a_run_is_documented(place: Path) -> None:
    write_table(place, "train.csv", 60, users="ann")
    assert main(["fit", "train.csv", "train.epochs=1", "--target", "label", "--run", "run"]) == 0
    page = (ROOT / "docs/files.md").read_text(encoding="utf-8")
    # written for other tasks, and in trainings of several stages
    only = {"details.json": {"residuals", "examples", "lengths", "thresholds"}, "history.jsonl": {"stage"}}
    for file in ("audit.json", "metrics.json", "verdict.json", "details.json", "history.jsonl"):
        lines = (place / "run" / file).read_text(encoding="utf-8")
        written = set(json.loads(lines.splitlines()[-1] if file.endswith("l") else lines))
        documented = {name for row in rows(section(page, file)) for name in names(row[0]) if "*" not in name}
        assert written == documented - only.get(file, set()), file


def test_every_key_of_a_comparison_is_documented(place: Path) -> None:
    write_table(place, "train.csv", 40, users="ann")
    given = ["train.csv", "train.epochs=1", "width=8", "--target", "label", "--folds", "2", "--jobs", "1", "-o", "cmp"]
    assert main(["compare", *given]) == 0
    found = json.loads((place / "cmp/compare.json").read_text(encoding="utf-8"))
    page = section((ROOT / "docs/files.md").read_text(encoding="utf-8"), "A comparison")
    cells = {names(row[0])[0]: names(row[1]) for row in rows(page)}
    assert set(found) == {name for row in rows(page) for name in names(row[0])}
    assert {key for row in found["variants"] for key in row} <= set(cells["variants"])


def test_every_component_is_named_and_every_named_one_is_there() -> None:
    registered = [
        set(MODALITIES),
        set(encoders("text")),
        set(encoders("image")),
        set(encoders("audio")),
        set(encoders("video")),
        {*encoders("number"), *encoders("category")},
        set(encoders("vector")),
        set(encoders("items")),
        set(FUSIONS),
        set(TASKS),
    ]
    assert set(MODALITIES) == {"text", "image", "audio", "video", "number", "category", "vector", "items"}, (
        "a modality without its row above"
    )
    for text, title in ((README, "What there is"), (CHINESE, "现有组件")):
        assert [set(names(row[1])) for row in rows(section(text, title))] == registered


def test_both_readmes_name_the_same_files() -> None:
    english, chinese = (rows(section(text, title)) for text, title in ((README, "A run"), (CHINESE, "一次运行")))
    assert [names(row[0]) for row in english] == [names(row[0]) for row in chinese]


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_resolve(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        if "://" not in link:
            assert ((ROOT / page).parent / link.split("#")[0]).exists(), link


def test_make_targets_exist_and_ci_runs_what_the_readme_says() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    named = {
        line.split()[1]
        for text in (README, CHINESE, CONTRIBUTING)
        for language, bash in blocks(text)
        for line in bash.splitlines()
        if language == "bash" and line.startswith("make ")
    }
    assert {"demo", "test"} <= named <= targets
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").split("\n")
    assert [line for line in lines if "make" in line] == ["exec make test"]
