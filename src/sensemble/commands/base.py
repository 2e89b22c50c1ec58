"""What a command is: a function, and above it how it is called. Nothing heavy is imported before one runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..blend import Blend
    from ..learner import Learner
    from ..pipeline import Event

Run = Callable[[argparse.Namespace], int]


@dataclass(frozen=True)
class Argument:
    """One argument of a command: what `argparse.ArgumentParser.add_argument` takes."""

    names: tuple[str, ...]
    options: dict[str, Any]


@dataclass(frozen=True)
class Command:
    """A command.

    Args:
        name: as it is typed.
        text: what it is for, in a few words.
        arguments: in the order of its help.
        examples: what may follow the name, shown by its help.
        run: does it; returns the exit code.
    """

    name: str
    text: str
    arguments: tuple[Argument, ...]
    examples: tuple[str, ...]
    run: Run


def argument(*names: str, **options: Any) -> Argument:
    """An argument, as `argparse` takes it."""
    return Argument(names, options)


def command(text: str, *arguments: Argument, examples: Iterable[str]) -> Callable[[Run], Command]:
    """Makes a function a command of the same name.

    >>> @command("says a word", argument("word"), examples=["hello"])
    ... def say(options: argparse.Namespace) -> int:
    ...     print(options.word)
    ...     return 0
    >>> say.name, say.run(argparse.Namespace(word="hello"))
    hello
    ('say', 0)
    """
    return lambda run: Command(run.__name__, text, arguments, tuple(examples), run)


JSON = argument("--json", action="store_true", help="print JSON")
RUN = argument("run_folder", metavar="RUN")
DATA = argument("data", metavar="DATA")


def load_run(folder: str) -> Learner:
    """The model of a run folder."""
    from ..learner import Learner

    return Learner.load(folder)


def load_model(path: str) -> Learner | Blend:
    """The model of a run folder, or the blend of a JSON file."""
    if path.endswith(".json"):
        from ..blend import Blend

        return Blend.load(path)
    return load_run(path)


def show_events(events: Iterable[Event], *, quiet: bool = False) -> None:
    from ..progress import show

    show(events, quiet=quiet)


def print_json(value: Any) -> None:
    """JSON for a program."""
    from ..files import to_json

    print(to_json(value, indent=2))


def note(text: str) -> None:
    """A line for the person, not for a program that reads the output."""
    print(text, file=sys.stderr)
