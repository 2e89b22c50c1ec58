"""Generated data says what it promises: where the label hides, and that one seed gives the same bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from sensemble import config
from sensemble.data import generate
from sensemble.data.folds import folds
from sensemble.data.table import Table
from sensemble.errors import DataError

RECIPE = Path(__file__).parents[2] / "recipes" / "shapes.yaml"


def vectors(table: Table, *names: str) -> np.ndarray:
    return np.concatenate([np.array(table.column(name)) for name in names], axis=1)


def accuracy(make, *names: str, rows: int = 4000) -> float:
    """Of logistic regression trained on one seed and scored on another."""
    train, test = make(rows, seed=1), make(rows, seed=2)
    model = LogisticRegression().fit(vectors(train, *names), train.column("label"))
    return model.score(vectors(test, *names), test.column("label"))


@pytest.mark.parametrize("make", [generate.xor, generate.redundant, generate.noise_input])
class TestTables:
    def test_one_seed_gives_one_table(self, make) -> None:
        assert make(20, seed=3).frame.equals(make(20, seed=3).frame)
        assert not make(20, seed=3).frame.equals(make(20, seed=4).frame)

    def test_columns_and_balance(self, make) -> None:
        table = make(100, seed=0, width=5)
        assert table.columns == ["left", "right", "label"]
        assert sorted(set(table.column("label"))) == [0, 1]
        assert sum(table.column("label")) == 50
        for name in ("left", "right"):
            assert all(isinstance(value, list) and len(value) == 5 for value in table.column(name))
            assert isinstance(table.column(name)[0][0], float)
        assert list(table.frame.index) == list(range(100))

    def test_a_table_of_no_rows_and_of_one(self, make) -> None:
        assert len(make(0, seed=0)) == 0
        assert len(make(1, seed=0)) == 1


class TestXor:
    def test_no_sum_of_the_inputs_tells_the_label(self) -> None:
        for names in (("left",), ("right",), ("left", "right")):
            assert abs(accuracy(generate.xor, *names) - 0.5) < 0.04

    def test_products_of_the_inputs_tell_all(self) -> None:
        train, test = generate.xor(500, seed=1), generate.xor(500, seed=2)

        def product(table: Table) -> np.ndarray:
            left, right = vectors(table, "left"), vectors(table, "right")
            return np.einsum("ni,nj->nij", left, right).reshape(len(table), -1)

        model = LogisticRegression().fit(product(train), train.column("label"))
        assert model.score(product(test), test.column("label")) == 1.0

    def test_each_pair_of_bits_stands_equally_often(self) -> None:
        table = generate.xor(400, seed=0, noise=0.0)
        pairs = np.unique(np.sign(vectors(table, "left", "right"))[:, [0, 8]], axis=0, return_counts=True)
        assert pairs[1].tolist() == [100] * 4


def test_redundant_inputs_gain_as_stated() -> None:
    single = max(accuracy(generate.redundant, name) for name in ("left", "right"))
    assert single == pytest.approx(norm.cdf(1), abs=0.02)
    assert accuracy(generate.redundant, "left", "right") == pytest.approx(norm.cdf(np.sqrt(2)), abs=0.02)


def test_the_noise_input_tells_nothing_and_adds_nothing() -> None:
    left = accuracy(generate.noise_input, "left")
    assert left == pytest.approx(norm.cdf(1), abs=0.02)
    assert abs(accuracy(generate.noise_input, "right") - 0.5) < 0.03
    assert accuracy(generate.noise_input, "left", "right") == pytest.approx(left, abs=0.01)
    # nor in its spread, or together with the other input: what a linear model could not see
    table = generate.noise_input(4000, seed=0)
    label, right = 2 * np.array(table.column("label")) - 1, vectors(table, "right")
    assert np.abs(np.corrcoef(label, (right**2).sum(1))[0, 1]) < 0.05
    assert max(abs(np.corrcoef(label, part)[0, 1]) for part in (vectors(table, "left") * right).T) < 0.06


class TestGroupLeak:
    def test_a_speaker_has_one_label_and_one_voice(self) -> None:
        table = generate.group_leak(400, seed=0, speakers=20, width=8)
        assert table.columns == ["speaker", "voice", "words", "label"]
        by_speaker = table.frame.groupby("speaker")
        assert by_speaker.size().unique().tolist() == [20] and (by_speaker["label"].nunique() == 1).all()
        assert by_speaker["label"].first().sum() == 10
        voices, speakers = vectors(table, "voice"), np.array(table.column("speaker"))
        means = {name: voices[speakers == name].mean(0) for name in set(speakers)}
        nearest = [min(means, key=lambda name: ((means[name] - voice) ** 2).sum()) for voice in voices]
        assert np.mean(np.array(nearest) == speakers) > 0.99
        assert table.frame.equals(generate.group_leak(400, seed=0, speakers=20, width=8).frame)

    def test_words_tell_new_speakers_as_stated(self) -> None:
        assert accuracy(generate.group_leak, "words") == pytest.approx(norm.cdf(1), abs=0.02)

    def test_random_folds_say_too_much_and_folds_of_groups_do_not(self) -> None:
        table = generate.group_leak(1000, seed=0, width=32)
        features, label = vectors(table, "voice", "words"), np.array(table.column("label"))

        def score(group: str | None) -> float:
            right = [
                LogisticRegression().fit(features[fold["train"]], label[fold["train"]])
                .score(features[fold["test"]], label[fold["test"]])
                for fold in folds(table, 5, target=["label"], group=group, valid=0)
            ]  # fmt: skip
            return float(np.mean(right))

        train = LogisticRegression().fit(features, label)
        new = generate.group_leak(4000, seed=1, speakers=400, width=32)
        truth = train.score(vectors(new, "voice", "words"), new.column("label"))
        assert score(None) > truth + 0.1
        assert score("speaker") == pytest.approx(truth, abs=0.05)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate.shapes(tmp_path_factory.mktemp("catalogue") / "shapes", rows=1500, seed=0)


@pytest.fixture(scope="module")
def frame(catalogue: Path) -> pd.DataFrame:
    return pd.concat([pd.read_csv(catalogue / f"{part}.csv") for part in ("train", "test")], ignore_index=True)


class TestShapes:
    def test_one_seed_gives_the_same_bytes(self, tmp_path: Path) -> None:
        first = digests(generate.shapes(tmp_path / "a", rows=40, seed=7))
        assert first == digests(generate.shapes(tmp_path / "b", rows=40, seed=7))
        other = digests(generate.shapes(tmp_path / "c", rows=40, seed=8))
        assert first["train.csv"] != other["train.csv"]
        assert first == digests(generate.shapes(tmp_path / "c", rows=40, seed=7))  # made anew, nothing left over

    def test_tables_hold_the_rows_asked_for(self, catalogue: Path) -> None:
        train, test = (pd.read_csv(catalogue / f"{part}.csv") for part in ("train", "test"))
        assert (len(train), len(test)) == (1200, 300)
        assert list(train.columns) == list(test.columns) == ["image", "question", "price", "shelf", "answer"]
        assert train["answer"].notna().all()
        assert not set(train["image"].dropna()) & set(test["image"].dropna())
        assert "generated" in (catalogue / "README.txt").read_text(encoding="utf-8")

    def test_a_tenth_of_each_input_is_missing(self, frame: pd.DataFrame) -> None:
        for name in ("image", "question", "price", "shelf"):
            assert frame[name].isna().mean() == pytest.approx(0.1, abs=0.03)

    def test_every_picture_named_is_there_and_no_other(self, catalogue: Path, frame: pd.DataFrame) -> None:
        named = set(frame["image"].dropna())
        assert {path.relative_to(catalogue).as_posix() for path in (catalogue / "images").iterdir()} == named
        for name in sorted(named)[:50]:
            with Image.open(catalogue / name) as picture:
                assert (picture.size, picture.mode, picture.format) == ((32, 32), "RGB", "PNG")

    def test_questions_come_in_both_languages(self, frame: pd.DataFrame) -> None:
        chinese = frame["question"].dropna().str.contains("[一-鿿]")
        assert 0.4 < chinese.mean() < 0.6

    def test_question_and_picture_together_tell_the_answer_and_neither_alone(
        self, catalogue: Path, frame: pd.DataFrame
    ) -> None:
        rows = frame.dropna(subset=["image", "question"])
        by_question = rows.groupby("question")["answer"].value_counts(normalize=True).groupby("question").max()
        assert by_question.max() < 0.45
        about_colour = rows["question"].isin(generate.QUESTIONS["colour"])
        assert set(rows["answer"][about_colour]) == set(generate.COLOURS)
        assert set(rows["answer"][~about_colour]) == set(generate.SHAPES)
        assert about_colour.mean() == pytest.approx(0.5, abs=0.05)  # the picture alone leaves it open
        seen = [_look(catalogue / image) for image in rows["image"]]
        answers = [colour if asked else shape for (colour, shape), asked in zip(seen, about_colour, strict=True)]
        assert np.mean(np.array(answers) == rows["answer"].to_numpy()) > 0.99

    def test_price_and_shelf_are_hints(self, frame: pd.DataFrame) -> None:
        prices = frame.groupby("answer")["price"].mean()
        for shape, price in zip(generate.SHAPES, generate.PRICES, strict=True):
            assert prices[shape] == pytest.approx(price, abs=1.0)
        shelves = frame.dropna(subset=["shelf"])
        for colour, shelf in zip(generate.COLOURS, generate.SHELVES, strict=True):
            share = (shelves["shelf"][shelves["answer"] == colour] == shelf).mean()
            assert share == pytest.approx(generate.TRUE_SHELF, abs=0.12)

    def test_the_users_own_folder_is_never_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").write_text("years of work")
        with pytest.raises(DataError, match="choose another folder"):
            generate.shapes(tmp_path, rows=10)
        assert (tmp_path / "thesis.txt").read_text() == "years of work"

    def test_too_few_rows_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="at least 5 rows"):
            generate.shapes(tmp_path / "new", rows=4)
        assert len(pd.read_csv(generate.shapes(tmp_path / "new", rows=5) / "test.csv")) == 1

    def test_the_recipe_reads_its_columns(self, frame: pd.DataFrame) -> None:
        recipe = config.read(RECIPE)
        assert {*recipe.inputs, recipe.task["target"]} == set(frame.columns)
        assert recipe.inputs["image"]["size"] == generate.SIDE


def _look(path: Path) -> tuple[str, str]:
    """Colour and shape of a picture, read off its pixels without knowing how it was drawn."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture, dtype=int)
    inside = pixels.min(-1) < 150  # the ground is light in every channel, no fill is
    mean = pixels[inside].mean(0)
    colour = min(generate.COLOURS, key=lambda name: np.abs(mean - generate.COLOURS[name]).sum())
    ys, xs = np.nonzero(inside)
    filled = inside.sum() / ((np.ptp(ys) + 1) * (np.ptp(xs) + 1))  # 1, pi/4 or about 1/2 of the box
    shares = {"square": 1.0, "circle": np.pi / 4, "triangle": 0.5}
    return colour, min(shares, key=lambda name: abs(shares[name] - filled))
