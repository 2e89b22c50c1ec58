"""Writing predictions: what is written reads back the same."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensemble.data.read import read
from sensemble.data.write import SUFFIXES, check_suffix, write_predictions
from sensemble.errors import DataError

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ['他说"好"，\n然后走了', "a\r\nb", "\r", "NA", '"', "1", "true", ",", "\u2028\x00"]
)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.tuples(texts, st.floats(0, 1), st.none() | st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=5)
)
def test_rows_read_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, rows: list[tuple[str, float, int | None]]
) -> None:
    path = tmp_path_factory.mktemp("write") / f"out{suffix}"
    rows = [("词", 0.5, 7), *rows]  # CSV knows no types: one word makes a column text
    write_predictions(path, [dict(zip(("id", "probability:猫", "count"), row, strict=True)) for row in rows])
    table = read(path)
    assert table.columns == ["id", "probability:猫", "count"]
    assert table.column("id") == [text if text.strip() else None for text, _, _ in rows]
    assert table.column("probability:猫") == [share for _, share, _ in rows]
    assert table.column("count") == [count for _, _, count in rows]


def test_csv_is_rfc_4180(tmp_path: Path) -> None:
    rows = [{"a": 'x,"y"', "b": True}, {"b": None, "c": ["猫", 1]}]
    write_predictions(tmp_path / "out.csv", rows)
    wanted = 'a,b,c\r\n"x,""y""",true,\r\n,,"[""猫"", 1]"\r\n'
    assert (tmp_path / "out.csv").read_bytes() == wanted.encode()


def test_values_that_json_lacks_become_plain(tmp_path: Path) -> None:
    row: dict[str, Any] = {
        "array": np.arange(2, dtype=np.float32),
        "number": np.int64(3),
        "nan": float("nan"),
        "inf": np.float32("inf"),
        "when": datetime.date(2024, 1, 2),
        "path": Path("a.png"),
        "inner": {"x": (1, float("nan"))},
    }
    write_predictions(tmp_path / "out.jsonl", [row])
    found = json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))
    assert found == {
        "array": [0.0, 1.0],
        "number": 3,
        "nan": None,
        "inf": None,
        "when": "2024-01-02",
        "path": "a.png",
        "inner": {"x": [1, None]},
    }


def test_a_parquet_column_of_mixed_types_is_text(tmp_path: Path) -> None:
    write_predictions(tmp_path / "out.parquet", [{"id": 1}, {"id": "b"}, {"id": 2**70}, {}])
    assert pq.read_table(tmp_path / "out.parquet").column("id").to_pylist() == ["1", "b", str(2**70), None]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_half_a_surrogate_pair_is_written_as_its_escape(tmp_path: Path, suffix: str) -> None:
    write_predictions(tmp_path / f"out{suffix}", [{"file": "a\udce9.png", "b": 1}])
    assert read(tmp_path / f"out{suffix}").column("file")[0].replace("\udce9", "\\udce9") == "a\\udce9.png"


def test_other_suffixes_and_places_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"unknown kind of file '\.xlsx': .*Known: \.csv, \.jsonl, \.parquet"):
        write_predictions(tmp_path / "out.xlsx", [{"a": 1}])
    assert check_suffix("out.CSV") == ".csv"
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot write"):
        write_predictions(tmp_path / "file" / "out.csv", [{"a": 1}])


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.csv"
    write_predictions(path, [{"a": 1}])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sensemble.files.os.fsync", full)
    with pytest.raises(DataError, match="No space left"):
        write_predictions(path, [{"a": 2}])
    assert path.read_bytes() == b"a\r\n1\r\n"
