"""Splits: every row once, units whole, shares met, classes in training, the same seed the same split."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from sensemble.data.equal import duplicate_keys
from sensemble.data.infer import RICH, guess
from sensemble.data.read import read
from sensemble.data.split import split
from sensemble.errors import ConfigError, DataError

quick = settings(max_examples=100, deadline=None, derandomize=True, database=None)


def sides(parts: dict[str, Any], rows: int) -> list[str]:
    """Which split each row is in; fails where a row is in none or in two."""
    assert list(parts) == ["train", "valid", "test"]
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(rows))
    found = [""] * rows
    for name, positions in parts.items():
        assert positions.dtype == np.int64
        assert (np.diff(positions) > 0).all()
        for position in positions:
            found[position] = name
    return found


def counts(parts: dict[str, Any]) -> list[int]:
    return [len(part) for part in parts.values()]


def texts(rows: int) -> list[str]:
    return [f"review number {i} of a shirt" for i in range(rows)]


cells = st.tuples(
    st.sampled_from([None, "a b", "c d", "a", "b", "é", "猫", "狗", ""]),
    st.sampled_from([None, 0, 1, 2]),
    st.sampled_from([None, "u1", "u2", "u3", "u4", "u5", "u6"]),
    st.sampled_from([None, "yes", "no", "可能"]),
)
rows = st.lists(cells, min_size=3, max_size=30).map(
    lambda rows: [dict(zip(("text", "size", "user", "label"), row, strict=True)) for row in rows]
)


@quick
@given(rows, st.booleans(), st.integers(0, 5), st.sampled_from([(0.1, 0.1), (0.2, 0.3), (0, 0.25), (0.4, 0.4)]))
def test_rows_are_parted_and_units_never_cut(
    rows: list[dict[str, Any]], grouped: bool, seed: int, shares: tuple[float, float]
) -> None:
    table = read([{"": number, **row} for number, row in enumerate(rows)])
    group = "user" if grouped else None
    options: dict[str, Any] = {"target": ["label"], "group": group, "seed": seed}
    try:
        parts = split(table, valid=shares[0], test=shares[1], **options)
    except DataError as error:
        assert "cannot split" in str(error)
        assume(False)
    side = sides(parts, len(table))
    assert all(bool(count) == bool(share) for count, share in zip(counts(parts)[1:], shares, strict=True))
    assert counts(parts)[0]
    columns = [table.column(name) for name in ("text", "size")]
    columns += [] if grouped else [table.column("user")]
    if grouped and not any(guess(table, name).kind in RICH for name in ("text", "size", "")):
        columns = []  # few-valued cells are equal by chance: then the group alone decides
    seen: dict[Any, str] = {}
    for key, where in zip(zip(*columns, strict=True), side, strict=True) if columns else ():
        assert set(key) == {None} or seen.setdefault(key, where) == where
    if grouped:
        for user, where in zip(table.column("user"), side, strict=True):
            assert user is None or seen.setdefault(user, where) == where
    else:
        labels = table.column("label")
        for label in set(labels) - {None}:
            places = [where for each, where in zip(labels, side, strict=True) if each == label]
            assert len(places) < 3 or 2 * len(set(labels)) > len(labels) or "train" in places
    again = split(table, valid=shares[0], test=shares[1], **options)
    assert all((again[name] == parts[name]).all() for name in parts)


def test_shares_are_met_and_seeds_differ() -> None:
    table = read({"text": texts(1000)})
    first = split(table, valid=0.1, test=0.2, seed=0)
    second = split(table, valid=0.1, test=0.2, seed=1)
    assert counts(first) == counts(second) == [700, 100, 200]
    assert len(np.intersect1d(first["test"], second["test"])) < 80  # 40 expected by chance
    assert counts(split(table, valid=0, test=0)) == [1000, 0, 0]


def test_each_class_gets_its_share_of_every_split() -> None:
    labels = ["often"] * 800 + ["seldom"] * 190 + ["rare"] * 7 + ["rarest"] * 3
    parts = split(read({"text": texts(1000), "y": labels}), valid=0.1, test=0.1, target=["y"])
    assert counts(parts) == [800, 100, 100]
    for name, share in (("train", 0.8), ("valid", 0.1), ("test", 0.1)):
        inside = [labels[position] for position in parts[name]]
        assert inside.count("often") == pytest.approx(800 * share, abs=2)
        assert inside.count("seldom") == pytest.approx(190 * share, abs=2)
    assert {labels[position] for position in parts["train"]} == set(labels)


def test_many_rare_classes_do_not_starve_a_split() -> None:
    labels = [f"class {i // 4}" for i in range(800)]
    parts = split(read({"text": texts(800), "y": labels}), valid=0.1, test=0.1, target=["y"])
    assert counts(parts) == [640, 80, 80]
    assert len({labels[position] for position in parts["train"]}) == 200


def test_every_class_trains_though_duplicates_have_other_labels() -> None:
    table = read({"text": [f"review {i // 2}" for i in range(40)], "y": ["a", "b"] * 17 + ["a", "c"] * 3})
    for seed in range(20):
        parts = split(table, valid=0.3, test=0.3, target=["y"], seed=seed)
        assert {table.column("y")[position] for position in parts["train"]} == {"a", "b", "c"}


def test_several_targets_are_stratified_together_or_by_the_first_with_few_values() -> None:
    both = read({"text": texts(400), "a": [0, 1] * 200, "b": [0, 0, 1, 1] * 100})
    inside = split(both, valid=0.25, test=0.25, target=["a", "b"])["test"]
    pairs = [(both.column("a")[i], both.column("b")[i]) for i in inside]
    assert {pairs.count(pair) for pair in pairs} == {25}
    mixed = read({"text": texts(400), "score": np.random.default_rng(0).normal(size=400), "a": [0] * 360 + [1] * 40})
    inside = split(mixed, valid=0.25, test=0.25, target=["score", "a"])["test"]
    assert sum(mixed.column("a")[i] for i in inside) == 10


def test_groups_come_as_near_to_the_shares_as_they_can() -> None:
    random = np.random.default_rng(0)
    users = np.repeat(np.arange(60), random.integers(1, 40, 60))
    table = read({"text": texts(len(users)), "user": users})
    parts = split(table, valid=0.1, test=0.1, group="user")
    assert counts(parts)[1:] == pytest.approx([0.1 * len(users)] * 2, abs=2)
    side = sides(parts, len(users))
    assert all(len({side[i] for i in np.flatnonzero(users == user)}) == 1 for user in range(60))
    sizes = np.bincount(users)
    assert sizes[np.unique(users[parts["test"]])].max() > 15  # large groups are tested, too
    other = split(table, valid=0.1, test=0.1, group="user", seed=1)
    assert set(users[other["test"]]) != set(users[parts["test"]])


def test_large_groups_among_many_small_ones_do_not_spoil_the_shares() -> None:
    users = [*np.repeat(np.arange(3), 150), *range(3, 2053)]
    table = read({"text": texts(2500), "user": users})
    for seed in range(15):
        assert counts(split(table, valid=0.1, test=0.1, group="user", seed=seed)) == [2000, 250, 250]


def test_the_last_groups_go_where_most_rows_are_wanted() -> None:
    table = read({"text": texts(100), "user": np.repeat(np.arange(10), 10)})
    assert counts(split(table, valid=0.28, test=0, group="user")) == [70, 30, 0]


def test_few_large_groups_fill_every_split() -> None:
    table = read({"text": texts(40), "user": np.repeat(np.arange(4), 10)})
    assert counts(split(table, valid=0.1, test=0.1, group="user")) == [20, 10, 10]


def test_labels_of_whole_groups_are_met_in_training() -> None:
    users = np.repeat(np.arange(20), 5)
    labels = [("rare",) if user == 7 else ("seldom", "often") if user in (3, 4) else ("often",) for user in users]
    table = read({"text": texts(100), "user": users})
    free = [split(table, valid=0.2, test=0.2, group="user", seed=seed) for seed in range(20)]
    held = [split(table, valid=0.2, test=0.2, group="user", seed=seed, labels=labels) for seed in range(20)]
    assert any(7 not in users[parts["train"]] for parts in free)
    for one, other in zip(free, held, strict=True):
        assert counts(other) == [60, 20, 20]
        sides(other, 100)
        assert {label for position in other["train"] for label in labels[position]} == {"rare", "seldom", "often"}
        if {label for position in one["train"] for label in labels[position]} == {"rare", "seldom", "often"}:
            assert all((one[name] == other[name]).all() for name in one)


def test_labels_that_all_groups_need_to_train_leave_nothing_to_part() -> None:
    table = read({"text": texts(20), "user": np.repeat(np.arange(4), 5)})
    labels = [(str(user),) for user in table.column("user")]
    with pytest.raises(DataError, match="no row is left for valid, as every class needs one to train"):
        split(table, valid=0.2, test=0.2, group="user", labels=labels)


def test_rows_without_a_group_or_without_content_are_units_of_their_own() -> None:
    table = read({"text": [*texts(10), *[None] * 90], "user": ["u"] * 10 + [None] * 90})
    assert counts(split(table, valid=0.2, test=0.2, group="user")) == [60, 20, 20]
    assert counts(split(table, valid=0.2, test=0.2)) == [60, 20, 20]


def test_duplicates_and_groups_join_in_chains() -> None:
    # text a: users 1 and 2; text b: users 2 and 3; so three users are one unit
    table = read({"text": ["a b", "a b", "c d", "c d", *texts(8)], "user": [1, 2, 2, 3, *range(4, 12)]})
    for seed in range(20):
        side = sides(split(table, valid=0.25, test=0.25, group="user", seed=seed), 12)
        assert len(set(side[:4])) == 1


def test_ids_and_the_target_do_not_hide_a_duplicate() -> None:
    columns: dict[str, Any] = {"Unnamed: 0": range(60), "review_id": [f"r{i}" for i in range(60)]}
    columns |= {"text": texts(30) * 2, "code": [f"AX-{i}" for i in range(60)], "y": [0] * 30 + [1] * 30}
    for codes in (True, False):  # the text tells only half of the rows apart, which is enough
        table = read({name: values for name, values in columns.items() if codes or name != "code"})
        side = sides(split(table, valid=0.2, test=0.2, target=["y"]), 60)
        assert side[:30] == side[30:]


def test_codes_that_alone_tell_rows_apart_are_content() -> None:
    formulas = [f"C{i}H{2 * i}O" for i in range(100)]
    table = read({"formula": formulas, "assay": ["one", "two"] * 50, "y": np.random.default_rng(0).normal(size=100)})
    assert counts(split(table, valid=0.2, test=0.2, target=["y"])) == [60, 20, 20]


# A column that says the split


def test_a_column_says_the_split() -> None:
    said = ["train", "VAL", "test", "Train", "validation", "dev", "valid", " test "]
    parts = split(read({"text": ["a"] * 8, "part": said}), valid=0.1, test=0.1, column="part")
    assert {name: part.tolist() for name, part in parts.items()} == {
        "train": [0, 3],
        "valid": [1, 4, 5, 6],
        "test": [2, 7],
    }


def test_what_a_column_never_names_is_taken_from_its_train_rows() -> None:
    table = read({"text": texts(100), "part": ["train"] * 80 + ["test"] * 20})
    parts = split(table, valid=0.1, test=0.5, column="part")
    assert counts(parts) == [72, 8, 20]
    assert parts["test"].tolist() == list(range(80, 100))
    assert counts(split(table, valid=0, test=0.5, column="part")) == [80, 0, 20]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (["train", "tset"], r"the table, row 1, column 'part': says 'tset'; a split is train, valid or test"),
        (["train", None], r"row 1, column 'part': is empty"),
        (["valid", "test"], r"column 'part': no row says train"),
    ],
)
def test_other_words_in_the_column_are_named(said: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        split(read({"text": ["a", "b"], "part": said}), valid=0.1, test=0.1, column="part")


# Errors


def test_splits_that_would_be_empty_are_an_error() -> None:
    with pytest.raises(DataError, match=r"cannot split 2 rows into 3: .* leave 2 that may be parted"):
        split(read({"text": texts(2)}), valid=0.1, test=0.1)
    with pytest.raises(DataError, match="leave 1 that"):
        split(read({"text": texts(9), "user": [1] * 9}), valid=0.1, test=0.1, group="user")
    same = read({"text": [f"text {i // 5} twice" for i in range(15)], "y": [i // 5 for i in range(15)]})
    with pytest.raises(DataError, match="no row is left for valid"):
        split(same, valid=0.1, test=0.1, target=["y"])


@pytest.mark.parametrize("shares", [(-0.1, 0.1), (0.5, 0.5), (0, 1), (float("nan"), 0.1)])
def test_shares_that_leave_nothing_to_train_are_an_error(shares: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="whose sum is below 1"):
        split(read({"text": texts(9)}), valid=shares[0], test=shares[1])


@pytest.mark.parametrize("option", ["group", "column"])
def test_unknown_columns_are_named(option: str) -> None:
    table = read({"text": texts(9), "user": texts(9)})
    with pytest.raises(DataError, match="did you mean 'user'"):
        split(table, valid=0.1, test=0.1, **{option: "usr"})
    with pytest.raises(DataError, match="did you mean 'user'"):
        split(table, valid=0.1, test=0.1, target=["usr"])


# Duplicate keys


@quick
@given(rows)
def test_keys_are_equal_for_equal_rows_only(rows: list[dict[str, Any]]) -> None:
    table = read(rows)
    keys = duplicate_keys(table, ["text", "user"])
    pairs = list(zip(table.column("text"), table.column("user"), strict=True))
    assert keys.shape == (len(rows),)
    assert keys.dtype == np.int64
    assert all((keys[i] == keys[j]) == (pairs[i] == pairs[j]) for i in range(len(rows)) for j in range(i))


def test_keys_compare_what_cells_hold() -> None:
    cells: dict[str, tuple[Any, Any, Any]] = {
        "vector": (np.array([1.0, 2.0], dtype=np.float32), [1, 2], [2, 1]),
        "shape": (np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((3, 2))),
        "zero": ([0.0], [-0.0], [1e-9]),
        "bytes": (b"\x00a", b"\x00a", b"\x00b"),
        "ragged": ([[1], [2, 3]], [[1], [2, 3]], [[1, 2], [3]]),
        "words": (["a", "b"], ("a", "b"), ["ab"]),
        "dict": ({"a": 1, "b": [2]}, {"b": [2], "a": 1}, {"a": 1, "b": [3]}),
        "picture": (Image.new("L", (2, 2), 7), Image.new("L", (2, 2), 7), Image.new("L", (2, 2), 8)),
        "path": ("a.txt", Path("a.txt"), "b.txt"),
        "missing": (None, "  ", 0),
    }
    for name, (one, same, other) in cells.items():
        keys = duplicate_keys(read([{name: one}, {name: same}, {name: other}]), [name])
        assert keys[0] == keys[1] != keys[2], name


def test_media_files_are_compared_by_content(tmp_path: Path) -> None:
    for name, content in {
        "a.png": b"one",
        "b.png": b"one",
        "c.png": b"two",
        "d.png": b"three",
        "a.txt": b"one",
    }.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "t.csv").write_text("file\na.png\nb.png\nc.png\nd.png\na.txt\ngone.png\n")
    table = read(tmp_path / "t.csv")
    assert len(set(duplicate_keys(table, ["file"]).tolist())) == 5
    assert duplicate_keys(table, ["file"])[0] == duplicate_keys(table, ["file"])[1]
    assert len(set(duplicate_keys(table, ["file"], files=False).tolist())) == 6


def test_the_same_picture_under_two_names_stays_on_one_side(tmp_path: Path) -> None:
    for i in range(40):
        path = tmp_path / ("cat" if i % 2 else "dog") / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes([i // 4] * 100))  # four names a picture, two of each label
    table = read(tmp_path)
    pictures = [int(Path(file).stem) // 4 for file in table.column("file")]
    side = sides(split(table, valid=0.2, test=0.2, target=["label"]), 40)
    assert len(set(zip(pictures, side, strict=True))) == 10
    side = sides(split(table, valid=0.2, test=0.2, target=["label"], files=False), 40)
    assert len(set(zip(pictures, side, strict=True))) > 10


def test_a_hundred_thousand_rows_take_seconds() -> None:
    random = np.random.default_rng(0)
    table = read(
        {"text": [f"text {i}" for i in random.integers(0, 90_000, 100_000)], "y": random.integers(0, 5, 100_000)}
    )
    start = time.perf_counter()
    assert counts(split(table, valid=0.1, test=0.1, target=["y"])) == [80_000, 10_000, 10_000]
    assert time.perf_counter() - start < 15  # about one second; the rest is for a busy machine
