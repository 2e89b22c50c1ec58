"""Generated (synthetic) data sets whose best possible scores are known: for checks, examples and an offline demo.

Four tables of vectors each make one point about fusion: `xor` needs both inputs, `redundant` gains a little from
the second one, `noise_input` gains nothing, `pointer` needs attention from one input to another's tokens. `group_leak`
makes one about evaluation: scores of random splits are too good where rows come in groups. `shapes` writes real files,
and so does `stampworld`: pictures or clips with captions, questions and dialogues.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .. import files
from ..errors import DataError
from .stampworld import write as stampworld
from .table import Table

__all__ = ["group_leak", "noise_input", "pointer", "redundant", "shapes", "stampworld", "xor"]

Array = NDArray[np.float64]

COLOURS = {"red": (208, 52, 48), "green": (52, 160, 72), "blue": (48, 92, 200), "yellow": (228, 196, 48)}
SHAPES = ("circle", "square", "triangle")
QUESTIONS = {
    "colour": ("What colour is it?", "Which colour does the shape have?", "它是什么颜色？", "图中的形状是哪种颜色？"),
    "shape": ("What shape is it?", "Which shape is in the picture?", "它是什么形状？", "图中画的是哪种形状？"),
}
SHELVES = ("north", "east", "south", "west")
PRICES = (10.0, 20.0, 30.0)
TRUE_SHELF = 0.7
SIDE = 32
MISSING = 0.1


def xor(rows: int, *, seed: int = 0, width: int = 8, noise: float = 0.1) -> Table:
    """Synthetic rows whose label is the exclusive or of two bits, one hidden in each input.

    Each input is plus or minus a fixed direction, plus noise. Either input alone, and any sum of functions of
    the two, says nothing about the label; the product of the two signs says all: accuracy .5 against
    `Phi(1/noise) ** 2 + (1 - Phi(1/noise)) ** 2`, which is 1.0 at the default noise.

    Args:
        rows: the four pairs of bits stand equally often, up to the remainder.
        seed: of bits and noise. The directions never change, so tables of two seeds serve as train and test.
        width: numbers in each vector.
        noise: standard deviation of the noise, where the bit is worth 1.

    Returns:
        Columns `left`, `right` (lists of `width` floats) and `label` (0 or 1).
    """
    random = np.random.default_rng(seed)
    pairs = random.permutation(rows) % 4
    left, right = pairs % 2, pairs // 2
    return _vectors(left, right, left ^ right, random, width=width, noise=noise)


def redundant(rows: int, *, seed: int = 0, width: int = 8, noise: float = 1.0) -> Table:
    """Synthetic rows in which both inputs show the label, each under noise of its own.

    Fusion gains moderately, by averaging the noise away: the best accuracy is `Phi(1/noise)` from one input and
    `Phi(sqrt(2)/noise)` from both, .841 and .921 at the default noise. Arguments and columns as for `xor`.
    """
    random = np.random.default_rng(seed)
    label = random.permutation(rows) % 2
    return _vectors(label, label, label, random, width=width, noise=noise)


def noise_input(rows: int, *, seed: int = 0, width: int = 8, noise: float = 1.0) -> Table:
    """Synthetic rows in which `left` shows the label under noise and `right` is noise alone.

    Fusion has nothing to gain: the best accuracy is `Phi(1/noise)` from `left`, from both inputs too (.841 at
    the default noise), and .5 from `right`. Arguments and columns as for `xor`.
    """
    random = np.random.default_rng(seed)
    label = random.permutation(rows) % 2
    return _vectors(label, None, label, random, width=width, noise=noise)


def pointer(rows: int, *, seed: int = 0, length: int = 16, width: int = 4) -> Table:
    """Synthetic rows in which a token of one input points at a token of another: sequences that are not aligned.

    `memory` is a sequence of steps, each a random unit vector, its key, and a bit, half of them 0 and half 1. `cue`
    is a sequence of another length, of steps marked as chaff and one that is the key of a step of `memory`, whose
    bit is the label. Attention from `cue` to `memory` finds it: accuracy 1. What pools `memory` before it has seen the
    cue must carry all bits in one vector, and reads them mixed: with linear maps and a product of both, about
    `Phi(sqrt(width / length))`, .69 at the defaults. Either input alone says nothing: .5.

    Args:
        rows: the labels stand equally often, up to the remainder.
        seed: of everything.
        length: steps of `memory`, an even number; `cue` has a third of it, at least 2.
        width: numbers in a key; the fewer, the worse pooling does.

    Returns:
        Columns `cue`, lists of lists of `width + 1` floats, `memory`, likewise, and `label` (0 or 1).
    """
    random = np.random.default_rng(seed)
    count = max(2, length // 3)
    label = random.permutation(rows) % 2
    keys = random.normal(size=(rows, length, width))
    keys /= np.linalg.norm(keys, axis=2, keepdims=True)
    bits = random.permuted(np.tile(np.arange(length) % 2, (rows, 1)), axis=1)  # (n, length)
    wanted = (random.random(bits.shape) * (bits == label[:, None])).argmax(1)  # a step whose bit is the label
    memory = np.concatenate([keys, 2.0 * bits[:, :, None] - 1], 2)  # (n, length, width + 1)
    chaff = random.normal(size=(rows, count, width))
    chaff /= np.linalg.norm(chaff, axis=2, keepdims=True)
    cue = np.concatenate([chaff, -np.ones((rows, count, 1))], 2)
    cue[np.arange(rows), random.integers(count, size=rows)] = np.concatenate(
        [keys[np.arange(rows), wanted], np.ones((rows, 1))], 1
    )
    columns = {name: pd.Series(values.tolist(), dtype=object) for name, values in (("cue", cue), ("memory", memory))}
    return Table(pd.DataFrame({**columns, "label": label}), name="generated data")


def group_leak(rows: int, *, seed: int = 0, speakers: int = 100, width: int = 64, noise: float = 1.0) -> Table:
    """Synthetic rows of a few speakers, whose label is the speaker's: voices give away who it is, words what is said.

    Whoever has heard a speaker in training knows the label by the voice: tested on other rows of the same speakers, as
    in random splits, the best accuracy is 1. Of a speaker never heard the voice says nothing, and the best is
    `Phi(1/noise)` from the words, .841 at the default noise. Only splits by `speaker` tell how new ones are answered.

    Args:
        rows: the speakers have equally many, up to the remainder.
        seed: of everything but the direction in which words differ.
        speakers: half of them have label 0, half 1.
        width: numbers in each vector; with fewer, voices are harder to tell apart.
        noise: standard deviation of the noise in the words, where the label is worth 1.

    Returns:
        Columns `speaker` (names), `voice`, `words` (lists of `width` floats) and `label` (0 or 1).
    """
    random = np.random.default_rng(seed)
    voices = random.normal(size=(speakers, width))
    who = random.permutation(rows) % speakers
    label = (random.permutation(speakers) % 2)[who]
    frame = _vectors(label, None, label, random, width=width, noise=noise).frame
    voice = voices[who] + 0.3 * random.normal(size=(rows, width))  # (n, width)
    columns = {"voice": pd.Series(voice.tolist(), dtype=object), "words": frame["left"], "label": frame["label"]}
    return Table(pd.DataFrame({"speaker": [f"speaker {number}" for number in who], **columns}), name="generated data")


def shapes(folder: Path, *, rows: int = 2000, seed: int = 0) -> Path:
    """Writes a synthetic catalogue with real files: pictures, questions in English and Chinese, a number, a category.

    Each row has a picture of one coloured shape and a question about its colour or its shape. The answer needs
    both: the question alone leaves 3 or 4 answers, the picture alone 2. Where the picture is missing, `price`
    (tells the shape, nearly) and `shelf` (tells the colour, 7 times in 10) help. Every input is missing from about
    a tenth of the rows, by design, so that the best accuracy is about .92. The same arguments write the same bytes,
    under one version of Pillow.

    Args:
        folder: created, or made anew where an earlier call wrote it.
        rows: in train.csv (four fifths) and test.csv together; at least 5.
        seed: of everything random.

    Returns:
        The folder: train.csv and test.csv with the columns `image`, `question`, `price`, `shelf` and `answer`,
        the pictures (PNG, 32 x 32 pixels) and a README.txt.

    Raises:
        DataError: too few rows, or a folder that holds something else.
    """
    if rows < 5:
        raise DataError(f"shapes: needs at least 5 rows to make a train and a test table, not {rows}")
    if not files.recover(folder) and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is there but holds no generated data; choose another folder")
    random = np.random.default_rng(seed)
    with files.replace_folder(folder) as new:
        (new / "images").mkdir()
        cells = [_shape_row(number, new, random) for number in range(rows)]
        split = rows * 4 // 5
        files.write(new / "train.csv", _csv(cells[:split]))
        files.write(new / "test.csv", _csv(cells[split:]))
        files.write(new / "README.txt", _README.format(rows=rows, seed=seed))
    return folder


def _vectors(
    left: NDArray[np.int64],
    right: NDArray[np.int64] | None,
    label: NDArray[np.int64],
    random: np.random.Generator,
    *,
    width: int,
    noise: float,
) -> Table:
    """A table of two vector inputs that show the given bits; `None` shows nothing."""
    # not drawn from the caller's seed: two tables of one kind must be about the same directions
    directions = np.random.default_rng(20).normal(size=(2, width))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    columns: dict[str, Any] = {}
    for name, bits, direction in zip(("left", "right"), (left, right), directions, strict=True):
        sign = np.zeros(len(label)) if bits is None else 2.0 * bits - 1.0  # (n,)
        values: Array = sign[:, None] * direction + noise * random.normal(size=(len(label), width))  # (n, width)
        columns[name] = pd.Series(values.tolist(), dtype=object)
    return Table(pd.DataFrame({**columns, "label": label}), name="generated data")


def _shape_row(number: int, folder: Path, random: np.random.Generator) -> list[str]:
    """Draws one picture and returns the row's cells, in the order of the CSV's columns."""
    kind, colour = int(random.integers(len(SHAPES))), int(random.integers(len(COLOURS)))
    names = {"colour": list(COLOURS)[colour], "shape": SHAPES[kind]}
    asked = ("colour", "shape")[int(random.integers(2))]
    question = QUESTIONS[asked][int(random.integers(len(QUESTIONS[asked])))]
    price = f"{PRICES[kind] + random.normal(scale=4):.2f}"
    others = [shelf for place, shelf in enumerate(SHELVES) if place != colour]
    shelf = SHELVES[colour] if random.random() < TRUE_SHELF else others[int(random.integers(len(others)))]
    picture, image = _draw(SHAPES[kind], COLOURS[names["colour"]], random), f"images/{number}.png"
    cells = [image, question, price, shelf]
    cells = ["" if gone else cell for cell, gone in zip(cells, random.random(len(cells)) < MISSING, strict=True)]
    if cells[0]:
        picture.save(folder / image)
    return [*cells, names[asked]]


def _draw(shape: str, colour: tuple[int, int, int], random: np.random.Generator) -> Image.Image:
    """One filled shape of random size and place, on a light ground with a band across that makes pictures differ."""
    ground, band = (tuple(int(part) for part in random.integers(190, 256, size=3)) for _ in range(2))
    picture = Image.new("RGB", (SIDE, SIDE), ground)
    fill = tuple(int(part) for part in np.clip(np.array(colour) + random.integers(-20, 21, size=3), 0, 255))
    radius = int(random.integers(7, 13))
    x, y = (int(place) for place in random.integers(radius + 1, SIDE - radius - 1, size=2))
    box = (x - radius, y - radius, x + radius, y + radius)
    draw = ImageDraw.Draw(picture)
    start, end = sorted(int(place) for place in random.integers(SIDE, size=2))
    draw.rectangle((start, 0, end, SIDE) if random.random() < 0.5 else (0, start, SIDE, end), fill=band)
    if shape == "circle":
        draw.ellipse(box, fill=fill)
    elif shape == "square":
        draw.rectangle(box, fill=fill)
    else:
        draw.polygon([(x, y - radius), (x - radius, y + radius), (x + radius, y + radius)], fill=fill)
    return picture


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("image", "question", "price", "shelf", "answer"))
    writer.writerows(rows)
    return text.getvalue()


_README = """\
Coloured shapes: generated (synthetic) data, no real catalogue.

{rows} rows made by sensemble with seed {seed}, four fifths of them in train.csv. Each has a picture of one shape, a
question about its colour or shape (English or Chinese), a price that hints at the shape, a shelf that hints at the
colour, and the answer. About a tenth of each input's cells are empty on purpose; the best possible accuracy is
about 0.92.
"""
