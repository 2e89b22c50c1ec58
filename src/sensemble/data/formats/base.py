"""Published layouts of data sets, read as tables: `data.train` may name one, with its files.

A new layout is one file: a registered class whose keyword-only arguments are the files and choices that it needs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import ConfigError, DataError
from ...registry import Registry
from ..read import read
from ..table import Table


class Format(ABC):
    """A published layout. Keyword-only arguments name its files, which start at the folder that `read` is given."""

    @abstractmethod
    def read(self, folder: Path) -> Table:
        """The rows; paths in their cells start at `folder`.

        Raises:
            DataError: a file is missing or is not of this layout; names the entry and what was expected.
        """


FORMATS: Registry[Format] = Registry("format", package="sensemble.data.formats")


def read_format(mapping: Mapping[str, Any], folder: str | Path = ".", *, where: str = "data") -> Table:
    """Reads a data set in a published layout.

    Args:
        mapping: `format`, the layout's name, with its options. `folder`, if it is there, says where the layout's
            files start, itself starting at `folder`.
        folder: where relative paths start.
        where: the config key it came from, for messages ("data.train").

    Returns:
        The rows. What may have several right answers (captions, people's answers) is a column of lists.

    Raises:
        ConfigError: an unknown layout or option.
        DataError: a file is missing or is not of this layout.
    """
    options = dict(mapping)
    name, place = options.pop("format", None), options.pop("folder", "")
    if not isinstance(name, str):
        raise ConfigError(f"{where}: needs a format. Known: {', '.join(FORMATS)}")
    if not isinstance(place, str):
        raise ConfigError(f"{where}, key 'folder': needs a path, not {place!r}")
    root = (Path(folder) / Path(place).expanduser()).resolve()
    if not root.is_dir():
        raise DataError(f"{where}: no such folder {root}, where the files of {name!r} should be")
    return FORMATS.create(name, where=where, **options).read(root)


class Rows:
    """A table in the making, row by row; each row has the same cells."""

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {}

    def add(self, **cells: Any) -> None:
        """One more row; `None` is a missing value."""
        for name, value in cells.items():
            self._columns.setdefault(name, []).append(value)

    def table(self, folder: Path, name: str) -> Table:
        """The rows; a column without any value is left out.

        Args:
            folder: where paths in the cells start.
            name: what messages call the table.
        """
        held = {key: values for key, values in self._columns.items() if any(value is not None for value in values)}
        return Table(read(held, name=name).frame, folder, name)
