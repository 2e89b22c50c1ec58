"""Anything tabular -> `Table`: files, folders of class folders, data frames, `datasets.Dataset`, lists, dicts.

Values keep their text exactly. In CSV, a column becomes numbers or true/false only where every present cell is.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DataError, unknown
from .infer import SUFFIXES
from .table import Table, is_missing

KINDS = (
    "a .csv, .tsv, .jsonl, .ndjson, .json or .parquet file, a folder of class folders, a pandas DataFrame, "
    "a datasets.Dataset, a list of dicts, a dict of columns or a published layout such as {format: coco_captions, ...}"
)
_FILES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
_CODECS = (".brotli", ".gzip", ".gz", ".snappy", ".zstd", ".lz4")
"""What may follow `.parquet`: it names the compression inside the file."""

# No leading zeros, no plus: codes and telephone numbers stay text. Longer digit strings are codes too.
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,29})")
_FLOAT = re.compile(r"-?((0|[1-9][0-9]*)?\.[0-9]+|(0|[1-9][0-9]*)\.?)([eE][+-]?[0-9]{1,4})?|[+-]?inf(inity)?", re.I)
_DIGITS = re.compile(r"-?[0-9]{31,}")
_NOT_A_NUMBER = {"", "na", "n/a", "nan", "null", "none"}
_SPLITS = {"train", "valid", "val", "validation", "dev", "test"}


def read(source: Any, *, name: str | None = None) -> Table:
    """Reads a table.

    Args:
        source: a path, or rows that are in memory already. CSV, TSV and JSON are UTF-8. In CSV and TSV an empty
            cell is missing; `NA`, `NaN`, `null` and `None` are so only in columns of numbers. A folder of class
            folders gives the columns `file` and `label`. Pictures and sounds of a `datasets.Dataset` stay encoded.
            A mapping with a `format` names a published layout and its files (`formats.base.read_format`).
        name: what messages call the table; by default its file.

    Returns:
        The table, its rows numbered from 0. Paths in its cells start at the file's folder. A `Table` comes back
        as it is.

    Raises:
        DataError: nothing there, an unknown kind, other text than UTF-8, a malformed line (named), no rows, or two
            columns of one name.
        ConfigError: an unknown layout, or a wrong option of one.

    >>> read([{"text": "great.", "stars": 5}, {"text": "好", "stars": None}]).column("stars")
    [5, None]
    """
    if isinstance(source, Table):
        return source
    if isinstance(source, str) and "://" in source:
        raise DataError(f"{source} is a web address; download it first, then give {KINDS}")
    if isinstance(source, str | os.PathLike):
        return _read_path(Path(source), name)
    if isinstance(source, Mapping) and isinstance(source.get("format"), str):
        from .formats.base import read_format  # they are read with what stands here

        table = read_format(source)
        return Table(table.frame, table.root, name or table.name)
    name = name or "the table"
    if isinstance(source, pd.DataFrame):
        return _from_frame(source, name)
    if type(source).__module__.partition(".")[0] == "datasets":
        return _from_dataset(source, name)
    if isinstance(source, Mapping):
        return _from_columns(source, name)
    if isinstance(source, Sequence) and not isinstance(source, bytes | bytearray):
        return _from_rows(source, name)
    raise DataError(f"cannot read a table from {type(source).__name__}; give {KINDS}")


def _read_path(path: Path, name: str | None) -> Table:
    given, path = path, Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - keeps links, drops ".."
    name = name or path.name
    if path.is_dir():
        return _from_folder(path.resolve(), name)
    if not path.exists():
        raise DataError(f"{given}: {_nearest_file(path)}")
    suffix = path.with_suffix("").suffix.lower() if path.suffix.lower() in _CODECS else path.suffix.lower()
    # The folder is resolved, not the file: a linked table stands beside its media, wherever the link leads.
    root = path.parent.resolve()
    try:
        if suffix in (".csv", ".tsv"):
            return _from_csv(_text(path, name), "," if suffix == ".csv" else "\t", root, name)
        if suffix in (".jsonl", ".ndjson"):
            return _from_rows(_json_lines(_text(path, name), name), name, root)
        if suffix == ".json":
            return _from_rows(_json(_text(path, name), name), name, root)
        if suffix == ".parquet":
            return _from_arrow(pq.ParquetFile(path).read(), root, name)
    except OSError as error:
        raise DataError(f"{given}: cannot be read ({error.strerror or error})") from error
    except pa.ArrowException as error:
        raise DataError(f"{given}: is no whole Parquet file ({' '.join(str(error).split())[:200]})") from error
    raise DataError(f"{given}: unknown kind of file {path.suffix!r}; give {KINDS}")


def _nearest_file(path: Path) -> str:
    if not path.parent.is_dir():
        return f"no such file, nor its folder {path.parent}"
    tables = [each.name for each in path.parent.iterdir() if set(each.suffixes) & set(_FILES)]
    return f"no such file; {unknown('table', path.name, tables)}" if tables else f"no such file; give {KINDS}"


def _text(path: Path, name: str) -> str:
    data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = max(before.count(b"\n"), before.count(b"\r")) + 1
        raise DataError(
            f"{name}, line {line}: the byte 0x{data[error.start]:02x} is not UTF-8; "
            "save the file as UTF-8 (in Excel: as 'CSV UTF-8')"
        ) from error


def _from_csv(text: str, delimiter: str, root: Path, name: str) -> Table:
    rows: list[list[str]] = []
    line = 1
    limit = csv.field_size_limit(2**31 - 1)  # a cell may hold a long document
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        for row in reader:
            if row:  # a blank line is no row
                if rows and len(row) != len(rows[0]):
                    raise DataError(
                        f"{name}, line {line}: {len(row)} cells, but the header names {len(rows[0])} columns; "
                        "quote cells that hold the separator"
                    )
                rows.append(row)
            line = reader.line_num + 1
    except csv.Error as error:
        reason = "a quote is opened and never closed" if "unexpected end" in str(error) else str(error)
        raise DataError(f"{name}, line {line}: {reason}; double the quotes inside a quoted cell") from error
    finally:
        csv.field_size_limit(limit)
    if not rows:
        raise DataError(f"{name}: the file is empty; its first line names the columns")
    header = [column if column.strip() else f"Unnamed: {place}" for place, column in enumerate(rows.pop(0))]
    cells = zip(*rows, strict=True) if rows else [()] * len(header)
    return _table(header, [_typed(column) for column in cells], root, name)


def _typed(cells: Iterable[str]) -> pd.Series[Any]:
    """A CSV column: whole numbers, numbers, true/false or text, whichever all present cells are."""
    cells = list(cells)
    distinct = {cell.strip() for cell in cells}
    present = {cell for cell in distinct if cell.lower() not in _NOT_A_NUMBER}
    values: dict[str, Any] = {}
    if present and all(_INTEGER.fullmatch(cell) for cell in present):
        values = {cell: int(cell) for cell in present}
    elif present and all(_FLOAT.fullmatch(cell) and not _DIGITS.fullmatch(cell) for cell in present):
        values = {cell: float(cell) for cell in present}
    elif present and {cell.lower() for cell in distinct} <= {"true", "false", ""}:
        values = {cell: cell.lower() == "true" for cell in present}
    if values:
        return _series(values.get(cell.strip()) for cell in cells)
    return _series(cell or None for cell in cells)


def _json_lines(text: str, name: str) -> list[Any]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):  # splitlines would also cut at U+2028 within a text
        if line.strip():
            row = _parse(line, f"{name}, line {number}")
            if not isinstance(row, dict):
                raise DataError(f'{name}, line {number}: needs an object such as {{"text": ...}}, not {line[:40]!r}')
            rows.append(row)
    return rows


def _json(text: str, name: str) -> list[Any]:
    rows = _parse(text, name)
    if not isinstance(rows, list):
        raise DataError(f"{name}: a .json table is a list of objects; name a file of one object a line .jsonl")
    return rows


def _parse(text: str, where: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        row = dict(pairs)
        if len(row) < len(pairs):
            keys = [key for key, _ in pairs]
            raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
        return row

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        line = f", line {error.lineno}" if "\n" in text else ""
        hint = "; name a file of one object a line .jsonl" if error.msg == "Extra data" else ""
        raise DataError(f"{where}{line}: is not JSON ({error.msg}, column {error.colno}){hint}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: cannot be read as JSON ({error})") from error


def _from_rows(rows: Sequence[Any], name: str, root: Path | None = None) -> Table:
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise DataError(f"{name}, row {number}: needs a dict of column and value, not {type(row).__name__}")
    names = dict.fromkeys(key for row in rows for key in row)
    return _table(names, [_series(row.get(key) for row in rows) for key in names], root, name)


def _from_columns(columns: Mapping[Any, Any], name: str) -> Table:
    series = []
    for key, values in columns.items():
        if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__"):
            raise DataError(f"{name}, column {key!r}: needs a list of values; for a single row give [{{...}}]")
        if not isinstance(values, Sequence | pd.Series) and hasattr(values, "__array__"):
            values = np.asarray(values)  # a tensor; its rows become vectors
        series.append(_series(values))
    sizes = {str(key): len(each) for key, each in zip(columns, series, strict=True)}
    if len(set(sizes.values())) > 1:
        raise DataError(f"{name}: the columns differ in length ({sizes})")
    return _table(columns, series, None, name)


def _from_frame(frame: pd.DataFrame, name: str) -> Table:
    named = [place for place, level in enumerate(frame.index.names) if level is not None]  # such an index is a column
    columns = [pd.Series(frame.index.get_level_values(place)) for place in named]
    columns += [frame.iloc[:, place] for place in range(frame.shape[1])]
    names = [*(frame.index.names[place] for place in named), *frame.columns]
    return _table(names, [_tidy(column) for column in columns], None, name)


def _from_dataset(source: Any, name: str) -> Table:
    if isinstance(source, Mapping):
        raise DataError(f"{name}: holds several tables; give one of them: {', '.join(map(repr, source))}")
    if not hasattr(source, "num_rows"):
        raise DataError(f"{name}: is streamed; give its rows as a list, such as list(dataset.take(1000))")
    # The Arrow form is the stored one: nothing is decoded, whatever the features say.
    table = _from_arrow(source.with_format("arrow")[:], None, name)
    labels = {key: each.names for key, each in source.features.items() if type(each).__name__ == "ClassLabel"}
    for key, names in labels.items():
        codes = table.column(key)
        table.frame[key] = _series(None if code is None or code < 0 else names[code] for code in codes)
    return Table(table.frame, None, name)


def _from_arrow(table: pa.Table, root: Path | None, name: str) -> Table:
    names, columns = [], []
    for key, column in zip(table.column_names, table.columns, strict=True):
        if re.fullmatch(r"__index_level_\d+__", key):  # the unnamed index of the data frame it was written from
            continue
        names.append(key)
        if isinstance(column.type, pa.BaseExtensionType):
            column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
        columns.append(_tidy(column.to_pandas(integer_object_nulls=True)))
    return _table(names, columns, root, name)


def _from_folder(folder: Path, name: str) -> Table:
    classes = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith((".", "__MACOSX")))
    if classes and {each.name.lower() for each in classes} <= _SPLITS:
        raise DataError(f"{name}: holds one table a split; give one of {', '.join(str(each) for each in classes)}")
    files, labels = [], []
    for each in classes:
        inner = (Path(place, file) for place, _, found in os.walk(each) for file in found)
        parts = (path.relative_to(folder).parts for path in inner if path.suffix.lower() in SUFFIXES)
        for path in sorted(path for path in parts if not any(part.startswith(".") for part in path)):
            files.append("/".join(path))
            labels.append(each.name)
    if not files:
        tables = sorted(each.name for each in folder.iterdir() if set(each.suffixes) & set(_FILES))
        hint = f"; did you mean a table in it: {', '.join(tables)}?" if tables else ""
        raise DataError(
            f"{name}: no class folder in it holds media files ({' '.join(SUFFIXES)}); "
            f"it needs one folder a class, such as cat/1.jpg{hint}"
        )
    return _table(["file", "label"], [_series(files), _series(labels)], folder, name)


def _table(names: Iterable[Any], columns: Sequence[pd.Series[Any]], root: Path | None, name: str) -> Table:
    names = [str(each) for each in names]
    twice = sorted({each for each in names if names.count(each) > 1})
    if twice:
        raise DataError(f"{name}: two columns are called {twice[0]!r}; rename one")
    if not names or not len(columns[0]):
        raise DataError(f"{name}: has no rows" if names else f"{name}: has no columns and no rows")
    index = pd.RangeIndex(len(columns[0]))
    return Table(
        pd.DataFrame({key: each.set_axis(index) for key, each in zip(names, columns, strict=True)}), root, name
    )


def _tidy(series: pd.Series[Any]) -> pd.Series[Any]:
    return _series(series.tolist()) if series.dtype == object else series


def _series(values: Iterable[Any]) -> pd.Series[Any]:
    """A column of the narrowest type that keeps every value exactly; missing values never turn ints to floats."""
    cells = [_cell(value) for value in values]
    kinds = {type(cell) for cell in cells}
    absent = type(None) in kinds
    kinds.discard(type(None))
    if kinds == {bool}:
        return pd.Series(cells, dtype="boolean" if absent else "bool")
    if kinds == {int} and all(cell is None or -(2**63) <= cell < 2**63 for cell in cells):
        return pd.Series(cells, dtype="Int64" if absent else "int64")
    if float in kinds and kinds <= {int, float} and all(abs(cell) <= 2**53 for cell in cells if type(cell) is int):
        return pd.Series(cells, dtype="float64")
    held = np.empty(len(cells), dtype=object)  # filled one by one: numpy would stack cells that are arrays
    for place, cell in enumerate(cells):
        held[place] = cell
    return pd.Series(held, dtype=object)


def _cell(value: Any) -> Any:
    """One value in plain Python types; arrays stay arrays, of their own memory."""
    if isinstance(value, str):
        return value
    if is_missing(value):
        return None
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else pd.Timestamp(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict) and value.keys() == {"bytes", "path"}:  # a picture or sound of `datasets`
        return value["path"] if value["bytes"] is None else value["bytes"]
    if isinstance(value, np.ndarray):
        if value.dtype == object:  # Arrow's nested lists
            items = [_cell(item) for item in value]
            shapes = {item.shape if isinstance(item, np.ndarray) else None for item in items}
            return np.stack(items) if len(shapes) == 1 and None not in shapes else items
        return value.copy() if not value.flags.writeable else value
    return value
