"""The command line: runs a command, and turns its errors into one line and an exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .errors import UserError, unknown
from .parser import make_parser

SPINS = "1000"
"""How often a thread that waits for others looks before it sleeps, beside other programs. OpenMP's usual 300,000 times
make small models learn fastest on an idle machine, and slowest on a busy one. See benchmarks/waiting.py."""
LOAD = Path("/proc/loadavg")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command. Returns 0 on success, 2 on a user's error, 130 on Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser, names = make_parser()
    if given and not given[0].startswith("-") and given[0] not in names:
        print(f"sensemble: {unknown('command', given[0], names)}", file=sys.stderr)
        return 2
    options, rest = parser.parse_known_args(given)
    strange = next((each for each in rest if each.startswith("-")), None)
    if strange is not None:
        names[given[0]].error(unknown("option", strange.partition("=")[0], names[given[0]].long_options()))
    if hasattr(options, "settings"):  # argparse takes no settings that stand after a flag
        options.settings += rest
    elif rest:
        names[given[0]].error(f"unexpected argument {rest[0]!r}")
    for stream in (sys.stdout, sys.stderr):  # a terminal that knows no Chinese gets escapes, not a traceback
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if "OMP_WAIT_POLICY" not in os.environ and _busy():  # before torch loads
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    try:
        result: int = options.run(options)
    except UserError as error:
        print(f"sensemble: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("sensemble: stopped; what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        print(f"sensemble: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 2
    return result


def _busy() -> bool:
    """Whether other programs use half of the cores or more, for a while and just now; also where no one can tell."""
    try:
        minute, _, _, now, *_ = LOAD.read_text(encoding="ascii").split()
        others = min(float(minute), int(now.partition("/")[0]) - 1)  # this program runs, too
    except (OSError, ValueError):
        return True
    return 2 * others >= (os.cpu_count() or 1)
