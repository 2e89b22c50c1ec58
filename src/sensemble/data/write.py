"""Predictions -> a file that other programs read: CSV, JSON lines or Parquet, by the file's suffix."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .. import files
from ..errors import DataError, unknown

SUFFIXES = (".csv", ".jsonl", ".parquet")


def check_suffix(path: str | Path) -> str:
    """The suffix of a file that `write_predictions` can write; ask before the work that fills it.

    Raises:
        DataError: another suffix; names the known ones.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: {unknown('kind of file', suffix, SUFFIXES)}")
    return suffix


def write_predictions(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes rows to a file, whole or not at all.

    CSV is UTF-8 as in RFC 4180: a missing value is an empty cell, lists and dicts are JSON. In Parquet, a column
    of mixed types is text. Columns stand in the order in which the rows first name them.

    Args:
        path: ends in `.csv`, `.jsonl` or `.parquet`.
        rows: plain values by column; a row may lack some.

    Raises:
        DataError: another suffix, or a place that cannot be written.
    """
    suffix = check_suffix(path)
    plain = [{str(name): _plain(value) for name, value in row.items()} for row in rows]
    names = list(dict.fromkeys(name for row in plain for name in row))
    content = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}[suffix](names, plain)
    try:
        files.write(Path(path), content)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}") from error


def _csv(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerows([names] if names else [])
    writer.writerows([_text(row.get(name)) for name in names] for row in rows)
    return _utf8(file.getvalue())


def _jsonl(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    return _utf8("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _parquet(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        try:
            columns[name] = pa.array(values)
        except (pa.ArrowException, OverflowError, UnicodeError):
            columns[name] = pa.array([None if value is None else _utf8(_text(value)).decode() for value in values])
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _utf8(text: str) -> bytes:
    """Half a surrogate pair, which a file name may hold, is written as its escape."""
    return text.encode("utf-8", "backslashreplace")


def _plain(value: Any) -> Any:
    """A value as JSON knows it; NaN and infinity, which it does not, are missing."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
