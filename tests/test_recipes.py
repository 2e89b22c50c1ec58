"""Every recipe trains through the command line, on tiny tables laid out like the real ones."""

from __future__ import annotations

import csv
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sensemble.cli import main
from sensemble.data.generate import shapes
from sensemble.data.stampworld import write as stampworld
from sensemble.demo import SETS, WORLDS, recipe, tables
from sensemble.files import read_json

RECIPES = sorted(path.stem for path in (Path(__file__).parent.parent / "recipes").glob("*.yaml"))


def make_reviews(folder: Path) -> Path:
    """120 reviews with the columns of the real table; cells missing in most of them, and one row that stands twice."""
    random = np.random.default_rng(0)
    folder.mkdir()
    good = random.random(120) < 0.7
    frame = pd.DataFrame({
        "Clothing ID": random.integers(800, 812, 120),
        "Age": random.integers(18, 80, 120),
        "Title": [f"{'lovely' if each else 'poor'} dress {i}" for i, each in enumerate(good)],
        "Review Text": [f"It fits {'well' if each else 'badly'}, I wore it on day {i}." for i, each in enumerate(good)],
        "Rating": np.where(good, random.integers(3, 6, 120), random.integers(1, 4, 120)),
        "Recommended IND": good.astype(int),
        "Positive Feedback Count": random.poisson(2, 120),
        "Division Name": random.choice(["General", "General Petite", "Initmates"], 120),
        "Department Name": random.choice(["Tops", "Dresses", "Bottoms"], 120),
        "Class Name": random.choice(["Knits", "Dresses", "Pants", "Blouses"], 120),
    })  # fmt: skip
    frame.loc[::6, "Title"] = None
    frame.loc[::17, "Review Text"] = None
    frame.loc[::40, ["Division Name", "Department Name", "Class Name"]] = None
    frame.iloc[119] = frame.iloc[1]
    frame.to_parquet(folder / "reviews.parquet")
    return folder


def make_easy_vqa(folder: Path) -> Path:
    """24 pictures of 64 x 64 pixels and four questions about each, in the files of the real sample."""
    random = np.random.default_rng(0)
    for split, count in (("train", 16), ("test", 8)):
        (folder / "images" / split).mkdir(parents=True)
        with (folder / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "question", "answer"])
            for number in range(count):
                colour = ("red", "blue")[number % 2]
                path = f"images/{split}/{number}.png"
                pixels = random.integers(0, 60, (64, 64, 3), dtype=np.uint8)
                pixels[16:48, 16:48, 0 if colour == "red" else 2] = 220
                Image.fromarray(pixels).save(folder / path)
                writer.writerow([path, "what color is the shape?", colour])
                writer.writerow([path, f"is there a {colour} shape in the image?", "yes"])
                writer.writerow([path, "does the image contain a green shape?", "no"])
                writer.writerow([path, "is there a green shape?", "no"])
    return folder


def make_stamps(folder: Path) -> Path:
    """48 stamps in three folders, each caption twice; a quarter have no Greek name."""
    random = np.random.default_rng(0)
    kinds = ("animals", "food", "symbols")
    rows = []
    for number in range(48):
        kind = kinds[number % 3]
        stem = f"stamps/{kind}/{number}"
        (folder / stem).parent.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 60, (24, 24, 4), dtype=np.uint8)
        pixels[4:20, 4:20, number % 3] = 220
        Image.fromarray(pixels, "RGBA").save(folder / f"{stem}.png")
        if number % 4:
            tone = np.sin(np.arange(4000) * (0.05 + 0.1 * (number % 3))) * 8000 + random.normal(0, 200, 4000)
            with wave.open(str(folder / f"{stem}_desc_el.wav"), "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes(tone.astype("<i2").tobytes())
        caption = f"A {kind[:-1]} called {number // 6}."
        rows.append({
            "image": f"{stem}.png", "caption": caption, "folder": kind, "kind": kind, "group": caption.casefold(),
            "caption_de": f"Ein {kind[:-1]} namens {number // 6}.",
            "speech_el": f"{stem}_desc_el.wav" if number % 4 else None,
        })  # fmt: skip
    pd.DataFrame(rows).to_parquet(folder / "stamps.parquet")
    return folder


def make_movies(folder: Path) -> Path:
    """24 people who had a dozen films each, of 40 in two genres."""
    random = np.random.default_rng(0)
    folder.mkdir()
    films = [
        {"film": film, "work": film, "title": f"Film {film}", "genres": ("Drama", "Comedy, War")[film % 2],
         "text": f"Film {film} (1990). {('Drama', 'Comedy, War')[film % 2]}"}
        for film in range(1, 41)
    ]  # fmt: skip
    ratings = [
        {"user": user, "film": film, "rating": 4, "time": 100 * user + place}
        for user in range(1, 25)
        for place, film in enumerate((2 * random.permutation(20)[:12] + 1 + user % 2).tolist())
    ]
    pd.DataFrame(films).to_parquet(folder / "films.parquet")
    pd.DataFrame(ratings).to_parquet(folder / "ratings.parquet")
    return folder


MAKERS: dict[str, Callable[[Path], Path]] = {
    "reviews": make_reviews,
    "easy_vqa": make_easy_vqa,
    "stamps": make_stamps,
    "shapes": lambda folder: shapes(folder, rows=150),
    "translation": make_stamps,
    "retrieval": make_stamps,
    "recommend": make_movies,
    **{name: lambda folder, kind=kind: stampworld(folder, scenes=40, kind=kind) for name, (kind, _) in WORLDS.items()},
}
TEXTS = ("captioning", "vqa", "dialogue", "video_qa", "translation", "picture_translation")
UNJUDGED = ("vqa", "dialogue", "video_qa", "picture_translation")
"""Recipes with `verdict: off`: models of each input would take longer than is left."""
SMALLER = ["task.decoder.depth=1", "width=32", "task.length=12"]
"""Settings that make a recipe of texts fit a test's few seconds."""


def test_the_demo_knows_every_recipe_and_its_data() -> None:
    assert sorted(SETS) == RECIPES == sorted(MAKERS)


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_trains(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # else `main` sets what the tests that follow inherit
    data = MAKERS[name](tmp_path / "data")
    settings = [f"data.{part}={data / file}" for part, file in tables(name).items()]
    settings += SMALLER if name in TEXTS else []
    run = tmp_path / "run"
    code = main(["fit", str(recipe(name)), *settings, "train.epochs=1", "--run", str(run)])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    metrics, audit = (read_json(run / f"{part}.json") for part in ("metrics", "audit"))
    inputs = list(audit["inputs"])
    if name in TEXTS:
        assert 'id="texts"' in (run / "report.html").read_text(encoding="utf-8")
    if name == "retrieval":  # one query, one candidate: nothing is fused
        assert metrics["test"][metrics["metric"]]["rows"] > 0 and not (run / "verdict.json").exists()
        return
    if name in UNJUDGED:
        assert not (run / "verdict.json").exists() and len(metrics["subsets"]) == 2 ** len(inputs) - 1
        return
    if name == "recommend":  # all films are ranked for each user's last one
        galleries = read_json(run / "details.json")["galleries"]
        assert galleries["query"] == {"queries": 24, "entries": 40} and not (run / "verdict.json").exists()
        return
    assert "Verdict: " in captured.out
    verdict = read_json(run / "verdict.json")
    assert {f"shuffled:{each}" for each in inputs} | {"blind"} <= set(verdict["controls"])
    assert sorted(verdict["singles"]) == sorted(inputs)
    if name in TEXTS:
        assert "nearest" in verdict["controls"]
    if len(inputs) == 1:
        assert metrics["test"][metrics["metric"]]["rows"] > 0 and verdict["verdict"] == "single_input"
        return
    assert verdict["best_single"] in inputs and verdict["stacking"] is not None
    assert verdict["fused"] == metrics["test"][verdict["metric"]]["value"]
    assert len(metrics["subsets"]) == 2 ** len(inputs) - 1
    page = (run / "report.html").read_text(encoding="utf-8")
    assert verdict["sentence"].split(":")[0] in page
    if name == "reviews":
        assert audit["inputs"]["title"]["missing"] > 0
        assert "duplicate" in {warning["kind"] for warning in audit["warnings"]}
