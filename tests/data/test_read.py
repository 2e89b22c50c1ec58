"""Reading tables: what each source gives, what stays exact, and how errors name the place."""

from __future__ import annotations

import csv
import datetime
import doctest
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sensemble.data.read as module
from sensemble.data.read import read
from sensemble.data.table import Table
from sensemble.errors import DataError

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ['衬衫很好,"真的"\n值得', "a\r\nb", "\r", "NA", '"', "007", ",", "\u2028", "🙂", "'"]
)


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def present(text: str) -> str | None:
    return text if text.strip() else None


def test_docstring_examples_hold() -> None:
    assert doctest.testmod(module).failed == 0


# CSV and TSV


def column(folder: Path, *cells: str) -> list[Any]:
    return read(write(folder / "t.csv", "a,b\n" + "".join(f"{cell},x\n" for cell in cells))).column("a")


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "", "-3"], [1, None, -3]),
        (["1", "2.5", "NA", "nan", "null"], [1.0, 2.5, None, None, None]),
        (["1e3", ".5", "2."], [1000.0, 0.5, 2.0]),
        (["007", "12"], ["007", "12"]),
        (["+8613800138000"], ["+8613800138000"]),
        (["NA", "None", "null", "x"], ["NA", "None", "null", "x"]),
        (["NA", ""], ["NA", None]),
        (["true", "False", "", "TRUE"], [True, False, None, True]),
        (["true", "NA"], ["true", "NA"]),
        (["true", "1"], ["true", "1"]),
        (["9007199254740993", ""], [9007199254740993, None]),
        (["123456789012345678901"], [123456789012345678901]),
        (["1" * 40], ["1" * 40]),
        (["1_000"], ["1_000"]),
        (["٣"], ["٣"]),
        ([" 1", "2 "], [1, 2]),
        ([" a", "b "], [" a", "b "]),
        (["2024-01-02"], ["2024-01-02"]),
    ],
)
def test_csv_columns_take_the_type_that_all_cells_have(tmp_path: Path, cells: list[str], values: list[Any]) -> None:
    found = column(tmp_path, *cells)
    assert found == values
    assert [type(each) for each in found] == [type(each) for each in values]


def test_infinity_is_a_number(tmp_path: Path) -> None:
    assert column(tmp_path, "1.5", "-inf") == [1.5, -math.inf]


def test_csv_accepts_a_byte_order_mark_blank_lines_and_any_line_end(tmp_path: Path) -> None:
    for end in ("\n", "\r\n", "\r"):
        table = read(write(tmp_path / "t.csv", "\ufeff名,b\n中,1\n\n文,2\n".replace("\n", end)))
        assert table.columns == ["名", "b"]
        assert table.column("名") == ["中", "文"]
        assert list(table.frame.index) == [0, 1]


def test_tsv_is_parted_by_tabs(tmp_path: Path) -> None:
    assert read(write(tmp_path / "t.tsv", "a\tb\n1,5\tx\n")).column("a") == ["1,5"]


def test_columns_without_a_name_are_numbered(tmp_path: Path) -> None:
    assert read(write(tmp_path / "t.csv", ",a,\n0,x,\n")).columns == ["Unnamed: 0", "a", "Unnamed: 2"]


def test_a_cell_may_be_longer_than_the_csv_module_allows(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    assert len(column(tmp_path, "x" * 200_000)[0]) == 200_000
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n1\n", r"t\.csv, line 3: 1 cells, but the header names 2"),
        ('a,b\n"x\ny",2\n1,2,3\n', r"t\.csv, line 4: 3 cells"),
        ('a,b\n1,2\n"x,2\n3,4\n', r"t\.csv, line 3: a quote is opened and never closed"),
        ('a,b\n"x"y,2\n', r"t\.csv, line 2"),
        ("a,a\n1,2\n", r"two columns are called 'a'"),
        ("a,b\n", r"t\.csv: has no rows"),
        ("", r"t\.csv: the file is empty"),
        ("a,b\n1,2\n\u4e2d".encode("gb18030"), r"t\.csv, line 3: the byte 0xd6 is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), r"t\.csv, line 1: the byte 0xff is not UTF-8"),
    ],
)
def test_malformed_csv_is_named_by_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(write(tmp_path / "t.csv", content))


@quick
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=6))
def test_csv_keeps_text_exactly(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("a", "b"), ("词", "词"), *rows])  # one word makes the columns text
    table = read(path)
    assert table.column("a")[1:] == [present(a) for a, _ in rows]
    assert table.column("b")[1:] == [present(b) for _, b in rows]


# JSON


values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts


@quick
@given(st.lists(st.fixed_dictionaries({"中": values, "b": values}), min_size=1, max_size=6))
def test_json_keeps_values_and_types(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    folder = tmp_path_factory.mktemp("json")
    lines = write(folder / "t.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    whole = write(folder / "t.json", json.dumps(rows))
    for path in (lines, whole):
        table = read(path)
        for name in ("中", "b"):
            wanted = [None if isinstance(row[name], str) and not row[name].strip() else row[name] for row in rows]
            assert table.column(name) == wanted
            for found, want in zip(table.column(name), wanted, strict=True):
                assert type(found) is type(want) or {type(found), type(want)} == {int, float}


def test_json_lines_may_lack_keys_and_hold_lists(tmp_path: Path) -> None:
    table = read(write(tmp_path / "t.ndjson", '{"v": [1, 2.5], "id": "007"}\n\n{"w": NaN, "id": "01"}\n'))
    assert table.column("v") == [[1, 2.5], None]
    assert table.column("w") == [None, None]
    assert table.column("id") == ["007", "01"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.jsonl", '{"a": 1}\n\n{"a": }\n', r"t\.jsonl, line 3: is not JSON \(Expecting value, column 7\)"),
        ("t.jsonl", '{"a": 1}\n[2]\n', r"t\.jsonl, line 2: needs an object"),
        ("t.jsonl", '{"a": 1, "a": 2}\n', r"t\.jsonl, line 1: .*'a' stands twice"),
        ("t.jsonl", '{"a": ' + "[" * 100_000 + "\n", r"t\.jsonl, line 1: cannot be read as JSON"),
        ("t.jsonl", '{"a": ' + "9" * 5000 + "}\n", r"t\.jsonl, line 1: cannot be read as JSON"),
        ("t.jsonl", "\n", r"has no columns and no rows"),
        ("t.json", '{"a": 1}\n{"a": 2}\n', r"t\.json, line 2: .*\.jsonl"),
        ("t.json", '{"a": [1]}', r"t\.json: a \.json table is a list of objects"),
        ("t.json", "[1]", r"t\.json, row 0: needs a dict"),
        ("t.json", "[]", r"has no columns and no rows"),
    ],
)
def test_malformed_json_is_named_by_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(write(tmp_path / name, content))


# Parquet


@pytest.mark.parametrize("suffix", [".parquet", ".parquet.brotli", ".PARQUET"])
def test_parquet_keeps_types(tmp_path: Path, suffix: str) -> None:
    moment = datetime.datetime(2024, 1, 2, 3, 4)
    columns = {
        "文": ["衬衫", None, "NA"],
        "big": [2**53 + 1, None, -1],
        "flag": [True, None, False],
        "real": [1.5, None, 2.0],
        "when": [moment, None, moment],
        "bytes": [b"\x00\xff", None, b""],
        "vector": [[1.0, 2.0], None, [3.0]],
        "steps": [[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], None, [[7.0, 8.0]]],
        "words": [["a", "b"], None, []],
        "image": [{"bytes": b"png", "path": "x.png"}, None, {"bytes": None, "path": "y.png"}],
    }
    pq.write_table(pa.table(columns), tmp_path / f"t{suffix}", compression="brotli")
    table = read(tmp_path / f"t{suffix}")
    for name in ("文", "big", "flag", "real", "when", "bytes"):
        assert table.column(name) == columns[name]
    assert type(table.column("big")[0]) is int
    vector, steps = table.column("vector"), table.column("steps")
    assert vector[0].tolist() == [1.0, 2.0]
    assert vector[1] is None
    assert vector[0].flags.writeable
    assert steps[0].shape == (3, 2)
    assert steps[2].dtype == np.float64
    assert table.column("words") == [["a", "b"], None, []]
    assert table.column("image") == [b"png", None, "y.png"]


@quick
@given(st.lists(texts, min_size=1, max_size=6))
def test_parquet_keeps_text_exactly(tmp_path_factory: pytest.TempPathFactory, rows: list[str]) -> None:
    path = tmp_path_factory.mktemp("parquet") / "t.parquet"
    pq.write_table(pa.table({"a": rows}), path)
    assert read(path).column("a") == [present(text) for text in rows]


def test_parquet_leaves_out_the_unnamed_index_of_pandas(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1, 2]}, index=[5, 3]).to_parquet(tmp_path / "t.parquet")
    table = read(tmp_path / "t.parquet")
    assert table.columns == ["a"]
    assert [table.row(0), table.row(1)] == [0, 1]


def test_parquet_columns_are_not_made_from_folder_names(tmp_path: Path) -> None:
    (tmp_path / "year=2024").mkdir()
    pq.write_table(pa.table({"a": [1]}), tmp_path / "year=2024" / "t.parquet")
    assert read(tmp_path / "year=2024" / "t.parquet").columns == ["a"]


def test_a_broken_parquet_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.parquet: is no whole Parquet file"):
        read(write(tmp_path / "t.parquet", b"PAR1 and no more"))


# Folders


def test_a_folder_of_class_folders_gives_files_and_labels(tmp_path: Path) -> None:
    for file in ("猫/2.PNG", "猫/10.jpg", "dog/sub/a.wav", "dog/.b.png", "dog/notes.txt", ".git/c.png", "d.png"):
        write(tmp_path / file, b"")
    table = read(tmp_path)
    assert table.column("file") == ["dog/sub/a.wav", "猫/10.jpg", "猫/2.PNG"]
    assert table.column("label") == ["dog", "猫", "猫"]
    assert table.root == tmp_path.resolve()
    assert all((table.root / file).exists() for file in table.column("file"))


def test_a_folder_of_splits_or_tables_says_what_to_read(tmp_path: Path) -> None:
    write(tmp_path / "a" / "train" / "cat" / "1.png", b"")
    write(tmp_path / "a" / "test" / "cat" / "1.png", b"")
    write(tmp_path / "b" / "reviews.csv", "a\n1\n")
    with pytest.raises(DataError, match=r"one table a split; give one of .*test, .*train"):
        read(tmp_path / "a")
    with pytest.raises(DataError, match=r"did you mean a table in it: reviews\.csv"):
        read(tmp_path / "b")


# What is in memory


def test_a_data_frame_keeps_values_and_is_renumbered() -> None:
    frame = pd.DataFrame({"a": ["x", None], 3: [1.5, float("nan")]}, index=[7, 7])
    table = read(frame, name="reviews")
    assert table.columns == ["a", "3"]
    assert table.column("3") == [1.5, None]
    assert table.column("a") == ["x", None]
    assert [table.row(0), table.row(1)] == [0, 1]
    assert (table.name, table.root) == ("reviews", None)
    frame.loc[7, "a"] = "changed"
    assert table.column("a") == ["x", None]
    assert read(frame).frame["a"].tolist() == ["changed", "changed"]


def test_a_named_index_becomes_a_column_and_twin_names_are_an_error() -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=pd.Index(["u", "v"], name="user"))
    assert read(frame).column("user") == ["u", "v"]
    with pytest.raises(DataError, match="two columns are called '1'"):
        read(pd.DataFrame([[1, 2]], columns=[1, "1"]))


def test_a_list_of_dicts_and_a_dict_of_columns_agree() -> None:
    rows = [{"a": 1, "v": np.arange(3.0)}, {"a": None, "v": np.arange(3.0), "c": "好"}]
    by_row = read(rows)
    by_column = read({"a": [1, None], "v": np.tile(np.arange(3.0), (2, 1)), "c": [None, "好"]})
    for table in (by_row, by_column):
        assert table.columns == ["a", "v", "c"]
        assert table.column("a") == [1, None]
        assert [each.tolist() for each in table.column("v")] == [[0, 1, 2]] * 2
        assert table.column("c") == [None, "好"]


def test_a_table_comes_back_as_it_is() -> None:
    table = Table(pd.DataFrame({"a": [1]}))
    assert read(table) is table


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (42, "cannot read a table from int; give a .csv"),
        (b"a,b", "cannot read a table from bytes"),
        ([], "no rows"),
        ([{"a": 1}, 3], "row 1: needs a dict of column and value, not int"),
        ({"a": "text"}, r"column 'a': needs a list of values; for a single row give \[\{"),
        ({"a": [1], "b": [1, 2]}, r"the columns differ in length \(\{'a': 1, 'b': 2\}\)"),
        (pd.DataFrame({"a": []}), "no rows"),
        ("https://example.org/t.csv", "is a web address; download it first"),
    ],
)
def test_other_sources_are_clear_errors(source: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(source)


def test_datasets_stay_encoded_and_class_labels_get_their_names() -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["cat", "狗"]),
            "grid": datasets.Array2D((2, 2), "float32"),
        }
    )
    held = datasets.Dataset.from_dict(
        {
            "image": [{"bytes": b"no picture", "path": None}, {"bytes": None, "path": "a.png"}, None],
            "label": [1, -1, 0],
            "grid": [[[1, 2], [3, 4]]] * 3,
        },
        features=features,
    )
    table = read(held.select([1, 0, 2]))
    assert table.column("image") == ["a.png", b"no picture", None]
    assert table.column("label") == [None, "狗", "cat"]
    assert np.asarray(table.column("grid")[0]).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(DataError, match="give one of them: 'train', 'test'"):
        read(datasets.DatasetDict({"train": held, "test": held}))
    with pytest.raises(DataError, match="is streamed"):
        read(held.to_iterable_dataset())


# Paths


def test_paths_start_at_the_files_folder_wherever_we_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "data" / "t.csv", "a\n1\n")
    monkeypatch.chdir(tmp_path)
    table = read(os.path.join("data", "..", "data", "t.csv"))  # noqa: PTH118 - a Path would drop nothing either
    assert table.root == (tmp_path / "data").resolve()
    assert table.name == "t.csv"
    assert read(Path("data/t.csv"), name="mine").name == "mine"


def test_a_linked_table_stands_beside_its_link(tmp_path: Path) -> None:
    blob = write(tmp_path / "blobs" / "0a1b", "a\n1\n")
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "t.csv").symlink_to(blob)
    assert read(tmp_path / "snapshot" / "t.csv").root == (tmp_path / "snapshot").resolve()


def test_missing_files_and_unknown_kinds_name_what_would_do(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "a\n1\n")
    write(tmp_path / "t.xlsx", b"PK")
    with pytest.raises(DataError, match=r"did you mean 'train\.csv'"):
        read(tmp_path / "trian.csv")
    with pytest.raises(DataError, match="nor its folder"):
        read(tmp_path / "nowhere" / "train.csv")
    with pytest.raises(DataError, match=r"unknown kind of file '\.xlsx'; give a \.csv, \.tsv"):
        read(tmp_path / "t.xlsx")
