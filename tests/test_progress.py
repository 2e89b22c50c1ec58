"""Progress for people: plain lines in a pipe, a bar on a terminal that no text can break."""

from __future__ import annotations

import functools
import io

import pytest
from rich.console import Console

from sensemble import progress
from sensemble.pipeline import Event
from sensemble.train import Progress

RECORD = Progress(epoch=1, step=2, steps=4, rows=64, loss=0.5, valid=None, seconds=1.0, rows_per_second=1234.0)
EVENTS = [
    Event("read", "Read 3 rows: [train] 3."),
    Event("load", done=1, total=3, about="[/bold]"),
    Event("load", done=3, total=3, about="[/bold]"),
    Event("audit", "leak: [red]`文字`[/]", about="[x]"),
    Event("fit", "", 2, 4, RECORD),
    Event("evaluate", about="every subset"),
    Event("verdict", "", 1, 4, RECORD, about="[photo]"),
    Event("verdict", "Verdict: [+0.1, +0.2]"),
    Event("report", "Report: [a].html"),
]
TEXTS = [event.text for event in EVENTS if event.text]


def test_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    progress.show(EVENTS)
    out, err = capsys.readouterr()
    assert out.splitlines() == TEXTS
    assert err == ""


def test_quiet_leaves_the_output_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    progress.show(EVENTS, quiet=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == TEXTS


def on_terminal(monkeypatch: pytest.MonkeyPatch, events: list[Event]) -> str:
    screen = io.StringIO()
    terminal = functools.partial(Console, file=screen, force_terminal=True, width=120)
    monkeypatch.setattr(progress, "Console", terminal)
    progress.show(events)
    return screen.getvalue()


def test_a_terminal_shows_every_event_with_brackets_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = on_terminal(monkeypatch, EVENTS)
    for text in TEXTS:
        assert text in shown


@pytest.mark.parametrize("name", ["[photo]", "[/photo]", "照片"])
def test_the_bar_names_what_is_worked_on(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    shown = on_terminal(monkeypatch, [Event("verdict", "", 1, 4, RECORD, about=name)])
    assert f"Verdict: {name}" in shown
    assert "1,234 rows/s" in shown


def test_an_error_in_the_events_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken():  # type: ignore[no-untyped-def]
        yield EVENTS[0]
        raise ValueError("no such column")

    with pytest.raises(ValueError, match="no such column"):
        on_terminal(monkeypatch, broken())
