"""The audit looks at videos, too: equal files, and clips whose mere brightness tells the label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sensemble.data.audit import audit
from sensemble.data.table import Table
from sensemble.data.thumbnails import Thumbnails

av = pytest.importorskip("av")


def write(path: Path, level: int, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(-20, 20, (4, 16, 16, 3))
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=4)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        for picture in np.clip(noise + level, 0, 255).astype(np.uint8):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())


def warnings(root: Path, names: list[str], labels: list[str], extra: list[str] | None = None) -> list[dict[str, Any]]:
    parts = {"train": Table(pd.DataFrame({"clip": names, "label": labels}), root)}
    if extra:
        parts["test"] = Table(pd.DataFrame({"clip": extra, "label": labels[: len(extra)]}), root)
    return list(audit(parts, inputs={"clip": ("video", "clip")}, target=["label"])["warnings"])


def test_a_thumbnail_is_the_mean_of_a_clip(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", 100, 0)
    look = Thumbnails("video")
    assert abs(float(look(str(tmp_path / "a.mp4")).mean()) - 100) < 6
    film = np.concatenate([np.zeros((2, 16, 16, 3), np.uint8), np.full((2, 16, 16, 3), 200, np.uint8)])
    assert (look(film) == 100).all() and look(film).shape == (16, 16, 3)
    assert look("nowhere.mp4") is None


def test_equal_files_and_telling_brightness(tmp_path: Path) -> None:
    labels = [("day", "night")[row % 2] for row in range(80)]
    names = [f"{row}.mp4" for row in range(80)]
    for row, name in enumerate(names):
        write(tmp_path / name, (180, 60)[row % 2], row)
    (tmp_path / "copy.mp4").write_bytes((tmp_path / "3.mp4").read_bytes())
    write(tmp_path / "new.mp4", 120, 99)
    found = warnings(tmp_path, names, labels, ["copy.mp4", "new.mp4"])
    kinds = {warning["kind"]: warning["message"] for warning in found}
    assert "1 of 2 test rows also stand in train, equal in all inputs (test row 0 ~ train row 3)" in kinds["duplicate"]
    assert "one cell of an 8 x 8 thumbnail of `clip` alone predicts `label`" in kinds["leak"]
    mixed = np.random.default_rng(0).permutation(labels).tolist()
    assert warnings(tmp_path, names, mixed) == []
