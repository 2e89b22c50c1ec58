"""easy-VQA: questions about pictures of one coloured shape."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ...errors import DataError
from ..archives import wheel_member, wheel_members
from ..carriers import Carrier
from .base import Sample, read_json, write_csv, write_file

PICTURE = re.compile(r"easy_vqa/data/(train|test)/images/([0-9]{1,9})\.png")
LARGEST_PICTURE = 2**20


def unpack(carriers: Sequence[Path], folder: Path) -> None:
    (carrier,) = carriers
    pictures: dict[str, set[int]] = {"train": set(), "test": set()}
    for name, content in wheel_members(carrier, PICTURE, largest=LARGEST_PICTURE):
        split, number = PICTURE.fullmatch(name).groups()  # type: ignore[union-attr]  # it was matched to be here
        pictures[split].add(int(number))
        write_file(folder / "images" / split / f"{int(number)}.png", content)
    for split, numbers in pictures.items():
        path = f"easy_vqa/data/{split}/questions.json"
        rows = _questions(wheel_member(carrier, path), numbers, where=f"{carrier}: {path}")
        cells = ((f"images/{split}/{number}.png", question, answer) for question, answer, number in rows)
        write_csv(folder / f"{split}.csv", ("image", "question", "answer"), cells)
    (folder / "LICENCE.txt").write_bytes(wheel_member(carrier, "easy_vqa-1.0.dist-info/LICENSE"))


def _questions(content: bytes, pictures: set[int], *, where: str) -> list[tuple[str, str, int]]:
    """The `[question, answer, picture]` triples of a JSON list, each checked."""
    triples = read_json(content, where=where)
    rows = []
    for position, triple in enumerate(triples if isinstance(triples, list) else [triples]):
        match triple:
            case [str(question), str(answer), int(picture)] if picture in pictures and type(picture) is int:  # no bool
                rows.append((question, answer, picture))
            case _:
                raise DataError(f"{where}, item {position}: needs [question, answer, known picture], not {triple!r}")
    return rows


SAMPLE = Sample(
    name="easy_vqa",
    title="easy-VQA: questions about pictures of one coloured shape",
    carriers=(
        Carrier(
            package="easy-vqa==1.0",
            file="easy_vqa-1.0-py3-none-any.whl",
            sha256="fcb51b309b78c7b00f97b64cdbcbcf5c105f94da1b39c0796cee5a787c4f650f",
            megabytes=3.2,
        ),
    ),
    licence="MIT, copyright 2019 Victor Zhou (LICENCE.txt)",
    rows=48_248,
    purpose=(
        "Visual question answering where neither picture nor question suffices: 5,000 pictures of 64 x 64 "
        "pixels, 13 answers. train.csv and test.csv share no picture file; split validation rows from "
        "train.csv by picture (`group: image`)."
    ),
    tables={"train": "train.csv", "test": "test.csv"},
    unpack=unpack,
)
