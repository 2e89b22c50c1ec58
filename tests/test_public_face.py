"""The public face: its names, how fast and light it starts, and that imports run downward."""

from __future__ import annotations

import ast
import resource
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import sensemble
from sensemble.decoders.base import DECODERS
from sensemble.encoders.base import encoders
from sensemble.fusion.base import FUSIONS
from sensemble.modalities.base import MODALITIES
from sensemble.tasks.base import TASKS

SOURCE = Path(sensemble.__file__).parent
HEAVY = (
    *("torch", "pandas", "numpy", "sklearn", "PIL", "pyarrow", "tokenizers", "jinja2", "rich", "lmdb"),
    *("av", "soundfile", "soxr", "transformers", "peft", "ctranslate2"),
)
STARTS = {
    "import": "import sensemble",
    "help": "from sensemble.cli import main; main(['--help'])",
    "fit help": "from sensemble.cli import main; main(['fit', '--help'])",
}
LIMIT = 0.3
"""Seconds of processor time that a start may take beyond an empty program's."""
GENERIC = ("train", "evaluate", "verdict", "pipeline", "cli", "parser", "learner", "commands.base", "commands.runs")
"""Modules that may not know any concrete component."""


def test_public_names_resolve() -> None:
    assert sensemble.__all__ == sorted(["Batch", "Config", "Learner", "Tokens", "UserError", "generate", "read"])
    assert dir(sensemble) == sensemble.__all__
    for name in sensemble.__all__:
        assert getattr(sensemble, name).__name__.split(".")[-1] == name
    with pytest.raises(AttributeError, match="no attribute 'Lerner'"):
        _ = sensemble.Lerner


@pytest.mark.parametrize("start", STARTS)
def test_starting_loads_nothing_heavy(start: str) -> None:
    code = (
        f"import sys\ntry:\n    {STARTS[start]}\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print(sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert ("usage: sensemble" in done.stdout) == ("help" in start)


@pytest.mark.parametrize("start", STARTS)
def test_starting_is_fast(start: str) -> None:
    assert processor_time(STARTS[start]) - processor_time("pass") < LIMIT


def processor_time(code: str) -> float:
    """Seconds of processor time that a new Python takes for some code: the best of five."""
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


@cache
def modules() -> dict[str, ast.Module]:
    """Every source file, parsed, by module name; a package's `__init__` has the package's name."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = ("sensemble", *path.relative_to(SOURCE).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def at_import(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """The import statements that run when the module is imported: not those in functions or for type checkers."""
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield statement
        elif isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from at_import(statement.orelse)
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in ("body", "orelse", "finalbody"):
                yield from at_import(getattr(statement, part, []))
            for handler in getattr(statement, "handlers", []):
                yield from at_import(handler.body)


def imports(name: str, trees: dict[str, ast.Module], *, package: bool) -> set[str]:
    """Which of our modules a module imports."""
    found = set()
    for statement in at_import(trees[name].body):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
            continue
        origin = statement.module or ""
        if statement.level:
            parents = name.split(".") if package else name.split(".")[:-1]
            base = parents[: len(parents) - statement.level + 1]
            origin = ".".join([*base, *([origin] if origin else [])])
        for alias in statement.names:
            whole = f"{origin}.{alias.name}"
            found.add(whole if whole in trees else origin)
    return {each for each in found if each in trees}


@cache
def graph() -> dict[str, set[str]]:
    trees = modules()
    packages = {".".join(name.split(".")[:-1]) for name in trees} | {"sensemble"}
    return {name: imports(name, trees, package=name in packages) for name in trees}


def test_imports_run_downward_without_a_circle() -> None:
    edges = graph()
    assert "sensemble.errors" in edges["sensemble.registry"]
    assert {"sensemble.build", "sensemble.train"} <= edges["sensemble.pipeline"], "imports are not found"
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            for other in sorted(edges[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in edges:
        visit(name, ())
    assert done == set(edges)


def test_the_registry_knows_only_errors() -> None:
    edges = graph()
    assert edges["sensemble.registry"] == {"sensemble.errors"}
    assert edges["sensemble.errors"] == set()


@pytest.mark.parametrize("module", GENERIC)
def test_generic_modules_name_no_component(module: str) -> None:
    known = {*MODALITIES, *FUSIONS, *TASKS, *DECODERS, *(name for kind in MODALITIES for name in encoders(kind))}
    assert {"classify", "image", "gate", "lstm"} <= known
    tree = modules()[f"sensemble.{module}"]
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    literals = {
        node.value: node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
    }
    assert literals, "no literals are found"
    assert {name: line for name, line in literals.items() if name in known} == {}
    for kind in ("modalities", "fusion", "tasks", "encoders", "decoders"):
        concrete = {each for each in graph()[f"sensemble.{module}"] if each.startswith(f"sensemble.{kind}.")}
        assert concrete <= {f"sensemble.{kind}.base"}
