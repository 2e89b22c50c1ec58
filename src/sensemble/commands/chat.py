"""The command `chat`: questions from a terminal or a pipe, answers on stdout, everything else on stderr."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, UserError, unknown
from .base import JSON, RUN, argument, command, load_run, note

if TYPE_CHECKING:
    from ..chat import Chat

ORDERS = {
    "new": "forgets what was said",
    "undo": "takes the last question and answer back",
    "image": "FILE: talk about this picture; without FILE, about none",
    "give": "NAME=VALUE: sets another input",
    "help": "this list",
    "quit": "ends, as Ctrl-D does",
}


@command(
    "a dialogue with a run, which keeps what was said",
    RUN,
    argument("--image", metavar="FILE", help="the picture to talk about: short for --give image=FILE"),
    argument("--give", metavar="NAME=VALUE", action="append", default=[], help="what another input holds"),
    argument("--opening", metavar="TEXT", help="what opens the dialogue, such as the picture's caption"),
    argument("--candidates", metavar="FILE", help="answers to choose from, one a line"),
    argument("--question", metavar="INPUT", help="the input of questions (default: `question`, or the only text)"),
    argument("--history", metavar="INPUT", help="the input of what was said (default: `history`, if there is one)"),
    JSON,
    examples=["runs/talk --image photo.png", "runs/talk --json < questions.txt"],
)
def chat(options: argparse.Namespace) -> int:
    """Answers each line of stdin."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    talk = load_run(options.run_folder).chat(
        question=options.question,
        history=options.history,
        opening=options.opening,
        candidates=_lines(options.candidates) if options.candidates else None,
    )
    for each in [*options.give, *([f"image={options.image}"] if options.image else [])]:
        _give(talk, *_parted(each))
    if sys.stdin.isatty():
        note("Ask, or type /help.")
    for line in _typed():
        try:
            if line.startswith("/"):
                if line == "/quit":
                    break
                _obey(talk, line)
            else:
                _answer(talk, line, as_json=options.json)
        except UserError as error:
            note(f"sensemble: {error}")
            if options.json and not line.startswith("/"):
                _print_line({"question": line, "error": str(error)})
    return 0


def _typed() -> Iterator[str]:
    """The lines that hold something; a person is asked for them."""
    person = sys.stdin.isatty()
    while True:
        if person:
            print("> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            break
        if line.strip():
            yield line.strip()
    if person:
        note("")


def _answer(talk: Chat, question: str, *, as_json: bool) -> None:
    from ..chat import answer_text

    record = talk.ask(question)
    if as_json:
        _print_line({"question": question, **record})
    else:
        print(answer_text(record), flush=True)


def _obey(talk: Chat, line: str) -> None:
    """Does what a line such as `/image photo.png` says."""
    order, _, rest = line[1:].partition(" ")
    if order == "new":
        talk.restart()
    elif order == "undo":
        if talk.undo() is None:
            note("nothing was said yet")
    elif order == "image":
        _give(talk, "image", rest.strip())
    elif order == "give":
        _give(talk, *_parted(rest))
    elif order == "help":
        for name, text in ORDERS.items():
            note(f"/{name}  {text}")
    else:
        raise ConfigError(unknown("order", f"/{order}", [f"/{name}" for name in ORDERS]))


def _give(talk: Chat, name: str, value: str) -> None:
    talk.give(name, str(Path(value).expanduser()) if value.startswith("~") else value or None)


def _parted(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ConfigError(f"cannot read {text!r}: write NAME=VALUE, such as image=photo.png")
    return name.strip(), value.strip()


def _lines(path: str) -> list[str]:
    try:
        lines = [line.strip() for line in Path(path).read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text") from error
    return [line for line in lines if line]


def _print_line(record: dict[str, Any]) -> None:
    from ..files import to_json

    print(to_json(record), flush=True)
