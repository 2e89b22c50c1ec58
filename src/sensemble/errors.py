"""The errors that users see: one clear sentence each, with the nearest right name. Imports nothing of ours."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something the user can mend. The command line prints it as one line and exits with 2."""


class ConfigError(UserError):
    """A wrong key, name or value in a config."""


class DataError(UserError):
    """A table, a column or a value that cannot be used."""


class Unreadable(DataError):
    """One value that cannot be decoded. Its message is the reason alone; the caller adds row and column."""


class Absent(Unreadable):
    """A value that is sound, but holds nothing of what an input reads: that input is missing, and nothing is broken."""


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """Says that `name` is no known `kind`, with the nearest known name and all known ones.

    >>> unknown("fusion", "gates", ["gate", "sum"])
    "unknown fusion 'gates': did you mean 'gate'? Known: gate, sum"
    """
    names = sorted(known)
    close = difflib.get_close_matches(str(name).lower(), [each.lower() for each in names], n=1, cutoff=0.5)
    nearest = next((each for each in names if close and each.lower() == close[0]), None)
    hint = f"did you mean {nearest!r}? " if nearest else ""
    return f"unknown {kind} {name!r}: {hint}Known: {', '.join(names) or 'none'}"
