"""MovieLens-100K: who rated which film when, with who made the films and who plays in them."""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import DataError
from ..archives import wheel_member
from ..carriers import Carrier
from .base import Sample, read_text, write_parquet

FOLDER = "recbole/dataset_example/ml-100k/ml-100k"
DATABASE = "bokeh_sampledata/_data/movies.db"
ARTICLES = r"The|A|An|La|Le|Les|L'|Il|El|Los|Das|Der|Die|De|Den|O"
BEHIND = re.compile(rf"(.*), ({ARTICLES})")
"""A title with its article behind: "Usual Suspects, The"."""
BEFORE = re.compile(r"(the|a|an|la|le|les|l|il|el|los|das|der|die|de|den|o) ")
BRACKETS = re.compile(r"(.*?)\s*\((.*)\)")
APART = 1
"""Years by which two sources may differ about the same film."""
FACTS = ("director", "writer", "cast", "language", "country", "minutes")
"""What the second source adds to a film."""
Row = dict[str, str | int | None]


def unpack(carriers: Sequence[Path], folder: Path) -> None:
    lens, facts = carriers
    tables = {
        kind: _table(read_text(wheel_member(lens, f"{FOLDER}.{kind}"), where=f"{lens}: ml-100k.{kind}"), lens, kind)
        for kind in ("inter", "item", "user")
    }
    try:
        films = _films(tables["item"], _known(wheel_member(facts, DATABASE)))
        ratings = _ratings(tables["inter"], {row["user_id"]: row for row in tables["user"]})
    except (KeyError, ValueError, sqlite3.Error) as error:
        raise DataError(f"the tables in {lens} and {facts} are not laid out as expected ({error!r})") from error
    write_parquet(folder / "films.parquet", films)
    write_parquet(folder / "ratings.parquet", ratings)


def names(title: str) -> list[str]:
    """The titles that one line of MovieLens holds, articles in front.

    >>> names("City of Lost Children, The (Cité des enfants perdus, La)")
    ['The City of Lost Children', 'La Cité des enfants perdus']
    """
    found = BRACKETS.fullmatch(title)
    parts = [found[1], found[2]] if found and found[1] else [title]
    turned = [BEHIND.fullmatch(part) for part in parts]
    return [f"{match[2]} {match[1]}" if match else part for match, part in zip(turned, parts, strict=True)]


def _films(items: Sequence[Mapping[str, str]], known: Mapping[str, Sequence[tuple[int, Row]]]) -> list[Row]:
    films: list[Row] = []
    first: dict[tuple[str, int | None], int] = {}
    for item in items:
        title, *others = names(item["movie_title"])
        year = int(item["release_year"]) if item["release_year"].isdigit() else None
        film = int(item["item_id"])
        row: Row = {"film": film, "work": first.setdefault((title, year), film), "title": title, "year": year}
        row["genres"] = ", ".join(item["class"].split())
        row |= dict.fromkeys(FACTS) | _facts([title, *others], year, known)
        row["text"] = _text(row)
        films.append(row)
    return films


def _facts(titles: Sequence[str], year: int | None, known: Mapping[str, Sequence[tuple[int, Row]]]) -> Row:
    """What is known of the film of one of the titles whose year is nearest; nothing where none is near."""
    if year is None:
        return {}
    found = [each for title in titles for each in known.get(_key(title), ())]
    near = [(abs(released - year), place) for place, (released, _) in enumerate(found)]
    distance, place = min(near, default=(APART + 1, 0))
    return found[place][1] if distance <= APART else {}


def _known(content: bytes) -> dict[str, list[tuple[int, Row]]]:
    """Year and facts of films by the key of their title."""
    films: dict[str, list[tuple[int, Row]]] = {}
    connection = sqlite3.connect(":memory:")
    try:
        connection.deserialize(content)
        query = 'SELECT Title, Year, Director, Writer, "Cast", Language, Country, Runtime FROM omdb ORDER BY ID'
        for title, year, *facts, minutes in connection.execute(query):
            row: Row = {name: value or None for name, value in zip(FACTS, facts, strict=False)}
            films.setdefault(_key(title), []).append((year, row | {"minutes": int(minutes) if minutes else None}))
    finally:
        connection.close()
    return films


def _ratings(lines: Sequence[Mapping[str, str]], users: Mapping[str, Mapping[str, str]]) -> list[Row]:
    """One row a rating, in the order of time."""
    rows: list[Row] = []
    for line in lines:
        who = users[line["user_id"]]
        row: Row = {"user": int(line["user_id"]), "film": int(line["item_id"]), "rating": int(float(line["rating"]))}
        row |= {"time": int(float(line["timestamp"])), "age": int(who["age"])}
        rows.append(row | {name: who[column] for name, column in USER.items()})
    return sorted(rows, key=lambda row: (row["time"], row["user"], row["film"]))


USER = {"gender": "gender", "occupation": "occupation", "zip": "zip_code"}


def _text(row: Row) -> str:
    """All that is known of a film, in words."""
    parts = [f"{row['title']} ({row['year']})" if row["year"] else row["title"], row["genres"]]
    parts += [f"{what} {row[name]}" for what, name in (("directed by", "director"), ("with", "cast")) if row[name]]
    return ". ".join(map(str, parts))


def _key(title: str) -> str:
    """A title without case, accents, signs and article."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower().replace("&", " and ")
    return BEFORE.sub("", re.sub(r"[^a-z0-9]+", " ", plain).strip() + " ", count=1).strip()


def _table(text: str, carrier: Path, kind: str) -> list[dict[str, str]]:
    """A table whose header says `name:type`, separated by tabs."""
    header, *lines = text.splitlines() or [""]
    columns = [name.partition(":")[0] for name in header.split("\t")]
    rows = [dict(zip(columns, line.split("\t"), strict=False)) for line in lines if line]
    if not rows or any(len(row) != len(columns) for row in rows):
        raise DataError(f"{carrier}: ml-100k.{kind} is no table")
    return rows


SAMPLE = Sample(
    name="movies",
    title="MovieLens-100K: ratings of films by people, and what the films are",
    carriers=(
        Carrier(
            package="recbole==1.2.1",
            file="recbole-1.2.1-py3-none-any.whl",
            sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
            megabytes=2.1,
        ),
        Carrier(
            package="bokeh-sampledata==2026.1",
            file="bokeh_sampledata-2026.1-py3-none-any.whl",
            sha256="f40331a40ca30c64a1c1471835aad9006b61b0d9731a3f649ee8cbbf48d3822f",
            megabytes=12.8,
        ),
    ),
    licence=(
        "MovieLens 100K, copyright GroupLens Research, University of Minnesota: for research, not for revenue, and not "
        "to be passed on without their permission (https://files.grouplens.org/datasets/movielens/ml-100k-README.txt); "
        'name F. M. Harper and J. A. Konstan, "The MovieLens Datasets", 2015. Directors, writers and casts: '
        "Wikidata, CC0 1.0"
    ),
    rows=101_682,
    purpose=(
        "Recommendation: 100,000 ratings from 1 to 5, of 943 people with age, gender, occupation and zip code, in "
        "seven months of 1997 and 1998 (`ratings.parquet`), and 1,682 films with title, year and genres "
        "(`films.parquet`). Director, writer, cast, language, country and minutes are known of those films whose "
        "title and year (within one) stand in Wikidata, and `text` tells a film in words; there are no plots. Eighteen "
        "films stand twice under different numbers: `work` is the same for both. Most people rated all their films "
        "within minutes, in the order in which the site showed them."
    ),
    tables={"train": "ratings.parquet", "films": "films.parquet"},
    unpack=unpack,
)
