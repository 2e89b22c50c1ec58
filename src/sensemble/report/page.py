"""A run's files -> `report.html`: one page that needs no network, no script and no other file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2

from .. import files
from ..errors import UserError
from . import context, evidence, formats, inspection, robust

_PARTS = ("audit", "metrics", "verdict", "details", "robustness")
_SECTIONS: dict[ModuleType, tuple[str, ...]] = {
    context: ("header", "audit", "mistakes", "setting"),
    evidence: ("verdict", "scores", "subsets"),
    robust: ("robustness",),
    inspection: ("curves", "confusion", "texts", "per_class", "residuals", "calibration"),
}
"""Who makes each view of the template."""


def render(run: Mapping[str, Any]) -> str:
    """The report of a run as HTML.

    All text of the run is escaped; the page carries a policy that forbids scripts and every outside resource.

    Args:
        run: the contents of the run's files, each of which may be absent or None: `config` (YAML text), `history`
            (a list of progress records), `audit`, `metrics`, `verdict`, `details`, `robustness` (mappings); and `name`,
            what to call the run, and `problems`, sentences about files that could not be read.

    Example:
        >>> "<h1>" in render({"config": "task: {name: classify, target: mood}"})
        True
    """
    views = {name: getattr(module, name)(run) for module, names in _SECTIONS.items() for name in names}
    page = template("page.html.jinja").render(
        **views,
        problems=context.strings(run.get("problems")),
        absent=[name for name in ("audit", "metrics", "verdict", "details", "history") if not run.get(name)],
    )
    return page.encode("utf-8", "replace").decode("utf-8")  # JSON may carry lone surrogates, which no file can


def write_report(folder: Path) -> Path:
    """Reads a run folder and writes its `report.html`, whole or not at all.

    Files that are absent leave their sections out; files that cannot be read are named on the page.

    Raises:
        UserError: the folder holds no run.
    """
    folder = Path(folder)
    if not (folder / "config.yaml").is_file():
        raise UserError(f"{folder} is no run: it holds no config.yaml; name a folder that `sensemble fit` has written")
    path = folder / "report.html"
    files.write(path, render(_read(folder)))
    return path


def _read(folder: Path) -> dict[str, Any]:
    problems: list[str] = []
    run: dict[str, Any] = {"name": folder.resolve().name, "problems": problems}
    run["config"] = (folder / "config.yaml").read_text(encoding="utf-8", errors="replace")
    for part in _PARTS:
        path = folder / f"{part}.json"
        if path.is_file():
            try:
                run[part] = files.read_json(path)
                if not isinstance(run[part], dict):
                    raise ValueError("it holds no mapping")
            except ValueError as error:
                run[part] = None
                problems.append(f"{path.name} cannot be read ({error}).")
    run["history"] = _read_history(folder / "history.jsonl", problems)
    return run


def _read_history(path: Path, problems: list[str]) -> list[dict[str, Any]]:
    """The progress records; a killed run may have left its last line unfinished."""
    if not path.is_file():
        return []
    records, bad = [], 0
    text = path.read_text(encoding="utf-8", errors="replace")
    for line in text.split("\n"):  # not splitlines: the texts within may hold other line ends
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict):
            records.append(record)
        elif line.strip():
            bad += 1
    if bad:
        problems.append(f"{path.name}: {bad} {'line' if bad == 1 else 'lines'} cannot be read and left out.")
    return records


@cache
def template(name: str) -> jinja2.Template:
    """One of the templates in this folder, with our filters."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": formats.number,
        "signed": formats.signed,
        "duration": formats.duration,
        "percent": formats.percent,
        "metric": formats.metric,
        "listed": formats.listed,
        "fold": context.fold,
    }
    return environment.get_template(name)
