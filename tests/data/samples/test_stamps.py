"""Tux Paint stamps from a package laid out like the real one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from made_packages import Content, link, write_deb

from sensemble import config
from sensemble.data import samples
from sensemble.data.samples.stamps import LANGUAGES, SPOKEN, captions
from sensemble.errors import DataError

ROOT = "usr/share/tuxpaint/stamps"
FROG = "A frog.\nca@valencia.utf8=Una granota.\ncs.utf8=Žába.\nde.utf8=Ein Frosch.\nja.utf8=カエル\nzh_TW.utf8=青蛙。\n"
MEMBERS: dict[str, Content] = {
    "usr/share/doc/tuxpaint-stamps-default/copyright": "GPL-2",
    f"{ROOT}/animals/amphibians/frog.png": b"frog",
    f"{ROOT}/animals/amphibians/frog.txt": FROG,
    f"{ROOT}/animals/amphibians/frog.ogg": b"croak",
    f"{ROOT}/animals/amphibians/frog.dat": "nomirror",
    f"{ROOT}/animals/amphibians/frog_desc.ogg": b"a frog",
    f"{ROOT}/animals/amphibians/frog_desc_el.ogg": b"vatrachos",
    f"{ROOT}/animals/amphibians/frog_desc_pt_BR.wav": b"wave",
    f"{ROOT}/animals/amphibians/frog_desc_xx.ogg": b"unknown language",
    f"{ROOT}/animals/amphibians/frog_mirror.png": b"a picture without a text",
    f"{ROOT}/medical/aid.kit_2.png": b"kit",
    f"{ROOT}/medical/aid.kit_2.txt": "A FROG.\r\nzh_CN.utf8=急救箱\r\n",
    f"{ROOT}/town/drawn.svg": b"<svg/>",
    f"{ROOT}/town/drawn.txt": "Drawn alone.\n",
    f"{ROOT}/town/drawn_desc_el.ogg": b"of no picture",
    f"{ROOT}/town/untitled.png": b"no caption",
    f"{ROOT}/town/untitled.txt": "\nde.utf8=Ohne\n",
    f"{ROOT}/town/a.png": b"a",
    f"{ROOT}/town/a.txt": "One house.",
    f"{ROOT}/town/a_desc_fr.ogg": b"une maison",
    f"{ROOT}/town/b.png": b"b",
    f"{ROOT}/town/b.txt": "A house.",
    f"{ROOT}/town/b_desc_fr.ogg": b"une maison",
    f"{ROOT}/town/c.png": b"b",
    f"{ROOT}/town/c.txt": "A cottage.",
    f"{ROOT}/town/d.png": b"d",
    f"{ROOT}/town/d.txt": "A church.",
}


@pytest.fixture
def stamps(tmp_path: Path, pin: Callable[..., None]) -> Callable[[dict[str, Content]], Path]:
    """The folder of stamps from a package of these members."""

    def prepared(members: dict[str, Content]) -> Path:
        carrier = write_deb(tmp_path / "stamps.deb", members)
        pin("stamps", carrier)
        return samples.get("stamps", folder=tmp_path / "kept", from_file=carrier)

    return prepared


@pytest.mark.usefixtures("no_client")
class TestUnpack:
    def test_pictures_texts_and_clips_become_a_table(self, stamps: Callable[..., Path]) -> None:
        place = stamps(MEMBERS)
        table = pd.read_parquet(place / "stamps.parquet")
        assert table["image"].tolist() == [
            f"stamps/{stem}.png"
            for stem in ("animals/amphibians/frog", "medical/aid.kit_2", "town/a", "town/b", "town/c", "town/d")
        ]
        frog = table.iloc[0]
        assert frog[["caption", "folder", "kind", "path"]].tolist() == [
            *("A frog.", "animals", "animals", "animals/amphibians")
        ]
        assert frog[["caption_cs", "caption_ja", "caption_zh_tw"]].tolist() == ["Žába.", "カエル", "青蛙。"]
        assert frog[["caption_ca", "caption_fr", "caption_zh_cn", "speech_fr", "speech_ro"]].isna().all()
        for column, content in (("sound", b"croak"), ("speech_en", b"a frog"), ("speech_el", b"vatrachos")):
            assert (place / frog[column]).read_bytes() == content
        kit = table.iloc[1]
        assert kit[["caption", "folder", "kind", "caption_zh_cn"]].tolist() == ["A FROG.", "medical", "other", "急救箱"]
        assert kit[["sound", *(f"speech_{each}" for each in SPOKEN)]].isna().all()
        assert set(table) >= {f"caption_{each.lower()}" for each in LANGUAGES}

    def test_only_what_the_table_names_is_kept(self, stamps: Callable[..., Path]) -> None:
        place = stamps(MEMBERS)
        kept = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
        table = pd.read_parquet(place / "stamps.parquet")
        named = {cell for column in table for cell in table[column].dropna() if str(cell).startswith("stamps/")}
        assert kept == named | {"stamps.parquet", "README.txt", "complete"}
        assert len(named) == 6 + 3 + 2

    def test_equal_captions_pictures_and_clips_share_a_group(self, stamps: Callable[..., Path]) -> None:
        groups = pd.read_parquet(stamps(MEMBERS) / "stamps.parquet")["group"].tolist()
        assert groups[0] == groups[1]  # one caption, whatever its case
        assert groups[2] == groups[3] == groups[4]  # one clip, then one picture
        assert len(set(groups)) == 3

    def test_hostile_members_are_passed_over(self, stamps: Callable[..., Path], tmp_path: Path) -> None:
        evil: dict[str, Content] = {
            f"{ROOT}/../../../../evil.png": "evil",
            f"{ROOT}/town/../evil.txt": "evil",
            f"{ROOT}/town/e;vil.png": "evil",
            f"{ROOT}/town/d_desc_el.ogg": link("/etc/passwd"),
            f"{ROOT}/evil.png": "in no folder",
            f"{ROOT}/evil.txt": "in no folder",
        }
        place = stamps({**MEMBERS, **evil})
        assert not [path for path in tmp_path.rglob("*") if "evil" in path.name or "vil.png" in path.name]
        assert pd.read_parquet(place / "stamps.parquet")["speech_el"].notna().tolist() == [True] + [False] * 5

    @pytest.mark.parametrize(
        ("members", "message"),
        [
            ({"usr/share/doc/copyright": "x"}, "holds no stamps"),
            ({**MEMBERS, f"{ROOT}/town/d.txt": b"\xff\xfe"}, r"town/d\.txt is not UTF-8"),
            ({**MEMBERS, f"{ROOT}/town/d.ogg": bytes(2**21 + 1)}, r"d\.ogg is larger than 2,097,152 bytes"),
        ],
    )
    def test_a_package_of_another_shape_leaves_nothing(
        self, stamps: Callable[..., Path], tmp_path: Path, members: dict[str, Content], message: str
    ) -> None:
        with pytest.raises(DataError, match=message):
            stamps(members)
        assert not (tmp_path / "kept" / "stamps").exists()

    def test_a_kill_between_the_clips_leaves_no_half_sample(
        self, stamps: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from sensemble.data.samples import stamps as module

        write, written = module.write_file, []

        def killed(path: Path, content: bytes) -> None:
            written.append(path)
            if len(written) == 4:
                raise KeyboardInterrupt
            write(path, content)

        monkeypatch.setattr(module, "write_file", killed)
        with pytest.raises(KeyboardInterrupt):
            stamps(MEMBERS)
        assert not (tmp_path / "kept" / "stamps").exists()
        monkeypatch.setattr(module, "write_file", write)
        assert len(pd.read_parquet(stamps(MEMBERS) / "stamps.parquet")) == 6


class TestCaptions:
    def test_languages_with_countries_and_scripts(self) -> None:
        text = "A red kangaroo.\nsr@latin.utf8=Crveni kengur.\nzh_CN.utf8=一只红色的袋鼠。\nshs.utf8=Tsiqw\n"
        assert captions(text) == {
            "en": "A red kangaroo.",
            "sr@latin": "Crveni kengur.",
            "zh_CN": "一只红色的袋鼠。",
            "shs": "Tsiqw",
        }

    def test_odd_lines(self) -> None:
        text = " A menorah—a “holder”. \r\n\r\nde.utf8= Ein = Zeichen \r\nfr.utf8=\nes=sin codificación\n"
        text += "nonsense\nel.utf8=Α\u2028Β"
        assert captions(text) == {"en": "A menorah—a “holder”.", "de": "Ein = Zeichen", "el": "Α\u2028Β"}

    def test_without_an_english_line(self) -> None:
        assert captions("") == {}
        assert captions("\nde.utf8=Ein Frosch.") == {"de": "Ein Frosch."}


def test_the_recipe_splits_by_group_and_reads_columns_that_are_there(stamps: Callable[..., Path]) -> None:
    recipe = config.read(Path(__file__).parents[3] / "recipes" / "stamps.yaml")
    table = pd.read_parquet(stamps(MEMBERS) / "stamps.parquet")
    columns = {spec.get("column", name) for name, spec in recipe.inputs.items()}
    assert {recipe.data.group, recipe.task["target"], *columns} <= set(table)
    assert recipe.data.group == "group" and recipe.task["target"] == "kind"
