"""The dialogue of Fillets from packages laid out like the real ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from made_packages import Content, write_deb

from sensemble.cli import main
from sensemble.data import samples
from sensemble.errors import DataError

ROOT = "usr/share/games/fillets-ng"
SHIP = {
    "en": """dialogId("m-hi", "font_small", "What a ship!")
dialogId("v-yes", "font_big", "Yes, \\"indeed\\".")
dialogId("x-gr", "", "")
dialogId("k", "font_white", "A%1.")
""",
    "cs": """dialogId("m-hi", "font_small", "What a ship!")
dialogStr("To je loď!")
dialogId("v-yes", "", "")
dialogStr(" ")
""",
    "nl": """dialogId("v-yes", "font_big", "Yes.")
dialogStr("Ja, \\"zeker\\".")
dialogId("other", "", "x")
dialogStr("y")
""",
    "ru": 'dialogId("m-hi", "font_small", "x")\ndialogStr("Корабль!")',
}
GAME: dict[str, Content] = {
    **{f"{ROOT}/script/ship/dialogs_{language}.lua": text for language, text in SHIP.items()},
    f"{ROOT}/script/ship/dialogs_ja.lua": 'dialogId("m-hi", "font_small", "x")\ndialogStr("船")',
    f"{ROOT}/script/ship/code.lua": 'addm(1, "m-hi")\naddv(random(3), "v-yes")\naddm(0, "x-gr")\naddm(0, "m-hi")',
    f"{ROOT}/script/ship/models.lua": 'createRoom(9, 9, "images/"..codename.."/ship-p.png")',
    f"{ROOT}/images/ship/ship-p.png": b"background",
    f"{ROOT}/images/ship/ship-w.png": b"walls",
    f"{ROOT}/images/menu/ship-p.png": b"of no level",
    f"{ROOT}/script/cabin2/demo_dialogs_en.lua": 'dialogId("m-hi", "font_poster", "A message.")',
    f"{ROOT}/script/share/black_dialogs_en.lua": 'dialogId("smrt", "font_both", "Oh!")',
    f"{ROOT}/script/share/black_dialogs_cs.lua": 'dialogId("smrt", "font_both", "Oh!")\ndialogStr("Ó!")',
    f"{ROOT}/sound/ship/cs/m-hi.ogg": b"not from the package of clips",
}
CZECH: dict[str, Content] = {
    f"{ROOT}/sound/ship/cs/m-hi.ogg": b"lod",
    f"{ROOT}/sound/ship/cs/x-gr.ogg": b"a noise",
    f"{ROOT}/sound/ship/nl/v-yes.ogg": b"of another language",
    f"{ROOT}/sound/share/blackjokes/cs/smrt.ogg": b"o",
    f"{ROOT}/sound/ship/cs/../../../evil.ogg": b"evil",
}
DUTCH: dict[str, Content] = {f"{ROOT}/sound/ship/nl/m-hi.ogg": b"schip", f"{ROOT}/sound/ship/nl/unknown.ogg": b"?"}


@pytest.fixture
def fillets(tmp_path: Path, pin: Callable[..., None]) -> Callable[..., Path]:
    def prepared(*members: dict[str, Content]) -> Path:
        files = [tmp_path / each.file for each in samples.SAMPLES["fillets"].carriers]
        for path, each in zip(files, members, strict=True):
            write_deb(path, each)
        pin("fillets", *files)
        return samples.get("fillets", folder=tmp_path / "kept", from_file=files[::-1])

    return prepared


@pytest.mark.usefixtures("no_client")
class TestUnpack:
    def test_lines_are_joined_across_languages_and_packages(self, fillets: Callable[..., Path]) -> None:
        place = fillets(GAME, CZECH, DUTCH)
        table = pd.read_parquet(place / "fillets.parquet")
        assert table["id"].tolist() == ["blackjokes/smrt", "cabin2/m-hi", "ship/m-hi", "ship/v-yes"]
        assert table["level"].tolist() == ["blackjokes", "cabin2", "ship", "ship"]
        assert table["group"].tolist() == ["blackjokes", "cabin1", "ship", "ship"]
        assert table["order"].tolist() == [1, 1, 1, 2]
        assert table["speaker"].tolist() == ["both", "poster", "small", "big"]
        assert table["text_en"].tolist() == ["Oh!", "A message.", "What a ship!", 'Yes, "indeed".']
        table = table.set_index("id").astype(object).where(lambda frame: frame.notna(), None)
        assert table["text_cs"].tolist() == ["Ó!", None, "To je loď!", None]
        assert table["text_nl"].tolist() == [None, None, None, 'Ja, "zeker".']
        assert table["text_ru"].tolist() == [None, None, "Корабль!", None]
        assert table["follows"].tolist() == [None, None, None, "ship/m-hi"]
        assert table["picture"].tolist() == [None, None, *["pictures/ship.png"] * 2]
        assert table["speech_cs"].tolist() == ["speech/cs/blackjokes/smrt.ogg", None, "speech/cs/ship/m-hi.ogg", None]
        assert table["speech_nl"].tolist() == [None, None, "speech/nl/ship/m-hi.ogg", None]
        files = {path.relative_to(place).as_posix(): path for path in place.rglob("*") if path.is_file()}
        named = {cell for column in ("picture", "speech_cs", "speech_nl") for cell in table[column] if cell}
        assert set(files) == named | {"fillets.parquet", "README.txt", "complete"}
        assert files["speech/cs/ship/m-hi.ogg"].read_bytes() == b"lod"
        assert files["pictures/ship.png"].read_bytes() == b"background"

    @pytest.mark.parametrize(
        ("game", "message"),
        [
            ({f"{ROOT}/script/ship/code.lua": "x = 1"}, "holds no dialogue"),
            ({f"{ROOT}/script/ship/dialogs_en.lua": b'dialogId("a", "", "\xe9")'}, r"dialogs_en\.lua is not UTF-8"),
        ],
    )
    def test_a_package_of_another_shape_leaves_nothing(
        self, fillets: Callable[..., Path], tmp_path: Path, game: dict[str, Content], message: str
    ) -> None:
        with pytest.raises(DataError, match=message):
            fillets(game, CZECH, DUTCH)
        assert not (tmp_path / "kept" / "fillets").exists()

    def test_every_carrier_is_needed_and_named_in_the_readme(
        self, fillets: Callable[..., Path], tmp_path: Path
    ) -> None:
        text = (fillets(GAME, CZECH, DUTCH) / "README.txt").read_text(encoding="utf-8")
        pinned = samples.SAMPLES["fillets"].carriers
        assert all(each.package in text and each.sha256 in text for each in pinned)
        with pytest.raises(DataError, match=f"no {pinned[1].file} there"):
            samples.get("fillets", folder=tmp_path / "other", from_file=tmp_path / pinned[0].file)
        assert not (tmp_path / "other" / "fillets").exists()


@pytest.mark.usefixtures("no_client")
@pytest.mark.parametrize("how", ["files", "folder"])
def test_the_command_takes_several_files_or_their_folder(
    tmp_path: Path, pin: Callable[..., None], capsys: pytest.CaptureFixture[str], how: str
) -> None:
    files = [tmp_path / each.file for each in samples.SAMPLES["fillets"].carriers]
    for path, members in zip(files, (GAME, CZECH, DUTCH), strict=True):
        write_deb(path, members)
    pin("fillets", *files)
    given = files if how == "files" else [tmp_path]
    options = [word for path in given for word in ("--from", str(path))]
    assert main(["samples", "get", "fillets", "-o", str(tmp_path / "kept"), *options]) == 0
    captured = capsys.readouterr()
    assert captured.out.strip() == str(tmp_path / "kept" / "fillets")
    assert "licence: GPL-2.0" in captured.err
    assert main(["samples", "get", "fillets", "-o", str(tmp_path / "other"), "--from", str(files[0])]) == 2
    assert f"no {files[1].name} there" in capsys.readouterr().err
