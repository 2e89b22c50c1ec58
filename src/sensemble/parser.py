"""The parser of the command line: the commands in the order of the help, each with its arguments."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from .commands import blend, chat, compare, get, robustness, runs, search

COMMANDS = (
    get.demo, get.samples, get.weights, get.cache,
    runs.audit, runs.fit, compare.compare, runs.evaluate, robustness.robustness,
    blend.blend, runs.predict,
    chat.chat, search.index, search.search,
)  # fmt: skip


def make_parser() -> tuple[Parser, dict[str, Parser]]:
    """The parser, and those of the commands by name."""
    parser = Parser(
        prog="sensemble",
        description="Many senses, one model: multimodal learning on tables, with evidence that fusion helped.",
        epilog="Start with: sensemble demo",
    )
    parser.add_argument("--version", action=_Version, help="print the version and exit")
    parsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        lines = [f"  sensemble {command.name} {each}".rstrip() for each in command.examples]
        made = parsers.add_parser(
            command.name,
            help=command.text,
            description=command.text,
            epilog="\n".join(["examples:", *lines]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for each in command.arguments:
            made.add_argument(*each.names, **each.options)
        made.set_defaults(run=command.run, command=command.name)
    return parser, dict(parsers.choices)


class Parser(argparse.ArgumentParser):
    """Argument errors in one line."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)

    def long_options(self) -> list[str]:
        """The options it knows, such as `--target`."""
        return [name for action in self._actions for name in action.option_strings if name.startswith("--")]


class _Version(argparse.Action):
    """Looks the version up only when asked."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, *_: Any) -> NoReturn:
        from importlib.metadata import version

        print(version("sensemble"))
        raise SystemExit(0)
