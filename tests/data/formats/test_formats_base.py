"""Published layouts as a whole: from a mapping, through `read`, up to decoded pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from sensemble.data.formats.base import FORMATS, Format, Rows, read_format
from sensemble.data.load import Input, load
from sensemble.data.read import read
from sensemble.data.table import Table
from sensemble.encoders.base import create_modality
from sensemble.registry import options

Put = Callable[..., Path]


@pytest.fixture
def dataset(put: Put) -> Path:
    """COCO captions of two pictures that can be decoded, and a third that is not there."""
    names = [f"{number:012d}.jpg" for number in (1, 2, 3)]
    put(
        "data/captions.json",
        {
            "images": [{"id": place, "file_name": name} for place, name in enumerate(names)],
            "annotations": [{"id": 5, "image_id": 1, "caption": "a"}],
        },
    )
    folder = put("data/val/x.txt")
    for name in names[:2]:
        Image.new("RGB", (8, 8)).save(folder / "data/val" / name)
    return folder


MAPPING = {"format": "coco_captions", "folder": "data", "annotations": "captions.json", "images": "val"}


def test_read_takes_a_mapping_with_a_format(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(dataset)
    table = read(MAPPING)
    assert (table.name, table.root, len(table)) == ("captions.json", (dataset / "data").resolve(), 3)
    assert read(MAPPING, name="mine").name == "mine"
    assert read({**MAPPING, "folder": str(dataset / "data")}).root == table.root
    assert read({"format": ["png", "jpg"]}).column("format") == ["png", "jpg"]  # a column of that name


def test_paths_lead_to_the_pictures(dataset: Path) -> None:
    modality = create_modality("image", {"size": 8}, {}, where="inputs.image")
    table = read_format(MAPPING, dataset)
    item = Input(name="image", column="image", kind="image", modality=modality, encoder={}, missing="mask")
    stores, problems = load(table, [item])
    assert [problem.row for problem in problems] == [2]
    assert stores["image"].size(torch.arange(3)).tolist() == [1, 1, 0]


def test_every_layout_is_documented_and_its_options_have_types() -> None:
    assert set(FORMATS) == {
        "coco_captions",
        "vqa",
        "visdial",
        "multi30k",
        "msvd_qa",
        "next_qa",
        "llava",
        "interactions",
    }
    for name in FORMATS:
        found = options(FORMATS[name])
        assert found and all(each.annotation is not None for each in found.values())
        assert "Columns: " in (FORMATS[name].__doc__ or "")


def test_a_new_layout_is_one_class(tmp_path: Path) -> None:
    @FORMATS.register("numbers_for_a_test")
    class Numbers(Format):
        def __init__(self, *, up_to: int = 2) -> None:
            self.up_to = up_to

        def read(self, folder: Path) -> Table:
            rows = Rows()
            for number in range(self.up_to):
                rows.add(number=number, odd=number % 2 == 1, nothing=None)
            return rows.table(folder, "numbers")

    try:
        table = read_format({"format": "numbers_for_a_test", "up_to": 3}, tmp_path)
        assert (table.column("number"), table.columns) == ([0, 1, 2], ["number", "odd"])
    finally:
        del FORMATS._classes["numbers_for_a_test"]
