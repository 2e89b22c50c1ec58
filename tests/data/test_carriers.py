"""Fetching with every registry's client, choosing among given files, and checking. Nothing leaves the machine."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sensemble.data import carriers
from sensemble.data.carriers import Carrier, check, fetch, gather
from sensemble.errors import DataError

SUM = hashlib.sha256(b"content").hexdigest()
PYPI = Carrier(package="a-b==1.0", file="a_b-1.0-py3-none-any.whl", sha256=SUM, megabytes=3.25)
DEBIAN = Carrier(registry="Debian", package="c=2-1", file="c_2-1_all.deb", sha256=SUM, megabytes=160)
NPM = Carrier(registry="npm", package="d@3.0.0", file="d-3.0.0.tgz", sha256=SUM, megabytes=6)
ALL = {"pip": PYPI, "apt-get": DEBIAN, "npm": NPM}


def ignore(line: str) -> None:
    """Says nothing."""


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[list[str], dict[str, Any]]]]:
    """Stands in for every client: each call writes a file or fails, and is kept."""

    def stand_in(
        brings: str | None = None, *, returns: int = 0, says: str = "", fails: Exception | None = None
    ) -> list[tuple[list[str], dict[str, Any]]]:
        calls: list[tuple[list[str], dict[str, Any]]] = []

        def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
            calls.append((command, options))
            if fails:
                raise fails
            if brings:
                places = {"-d", "--pack-destination"} & set(command)
                folder = Path(command[command.index(min(places)) + 1] if places else options["cwd"])
                (folder / brings).write_bytes(b"content")
            return subprocess.CompletedProcess(command, returns, "", says)

        monkeypatch.setattr(subprocess, "run", run)
        monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{Path(name).name}")
        return calls

    return stand_in


class TestFetch:
    @pytest.mark.parametrize(
        ("carrier", "words"),
        [
            (PYPI, ["pip", "download", "--no-deps", "--only-binary", ":all:", "a-b==1.0"]),
            (DEBIAN, ["/bin/apt-get", "download", "c=2-1"]),
            (NPM, ["/bin/npm", "pack", "d@3.0.0", "--ignore-scripts"]),
        ],
    )
    def test_each_registry_has_its_client_which_installs_nothing(
        self, tmp_path: Path, client: Callable[..., Any], carrier: Carrier, words: list[str]
    ) -> None:
        calls = client(carrier.file)
        said: list[str] = []
        path = fetch(carrier, tmp_path, said.append, instead="")
        assert path == tmp_path / carrier.file and path.read_bytes() == b"content"
        assert said == [f"downloading {carrier.package} from {carrier.registry} ({carrier.megabytes:g} MB)"]
        ((command, options),) = calls
        assert set(words) <= set(command)
        assert not {"install", "update", "-y"} & set(command)
        assert not options.get("shell") and options["stdin"] is subprocess.DEVNULL
        assert options["timeout"] == carriers.TIMEOUT

    @pytest.mark.parametrize(
        ("name", "outcome", "reason"),
        [
            ("pip", {"returns": 1, "says": "python: No module named pip\n"}, "No module named pip"),
            ("pip", {"returns": 1, "says": "ERROR: first\nERROR: No matching distribution\n"}, "No matching"),
            ("pip", {"returns": 3}, "pip ended with 3"),
            ("pip", {}, r"pip brought no a_b-1\.0-py3-none-any\.whl"),
            ("pip", {"brings": "a_b-1.1-py3-none-any.whl"}, r"pip brought no a_b-1\.0"),
            ("pip", {"fails": subprocess.TimeoutExpired("pip", 1)}, "no answer within 1800 s"),
            ("pip", {"fails": FileNotFoundError(2, "No such file or directory")}, "No such file or directory"),
            (
                "apt-get",
                {"returns": 100, "says": "W: unsandboxed\nE: Version '2-1' for 'c' was not found\nE: more\n"},
                r"Version '2-1' for 'c' was not found, and perhaps .* `apt-get update` renews them",
            ),
            ("apt-get", {"returns": 100}, "apt-get ended with 100"),
            ("apt-get", {}, r"apt-get brought no c_2-1_all\.deb"),
            ("npm", {"returns": 1, "says": "npm error code E404\nnpm error 404 Not Found\n"}, "code E404"),
            ("npm", {"returns": 1, "says": "npm ERR! code ENOTFOUND\n"}, "code ENOTFOUND"),
            ("npm", {}, r"npm brought no d-3\.0\.0\.tgz"),
        ],
    )
    def test_whatever_a_client_does_the_error_names_the_way_out(
        self, tmp_path: Path, client: Callable[..., Any], name: str, outcome: dict[str, Any], reason: str
    ) -> None:
        client(**outcome)
        carrier = ALL[name]
        with pytest.raises(DataError, match=reason) as caught:
            fetch(carrier, tmp_path, ignore, instead=f"sensemble get x --from {carrier.file}")
        message = str(caught.value)
        assert "\n" not in message
        for part in (carrier.package, carrier.registry, carrier.file, SUM, f"`sensemble get x --from {carrier.file}`"):
            assert part in message

    @pytest.mark.parametrize("carrier", [DEBIAN, NPM])
    def test_a_client_that_is_not_there_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, carrier: Carrier
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        name = {"Debian": "apt-get", "npm": "npm"}[carrier.registry]
        with pytest.raises(DataError, match=rf"\({name} is not installed here\).*{SUM}.*--from {carrier.file}"):
            fetch(carrier, tmp_path, ignore, instead=f"x --from {carrier.file}")


class TestCheck:
    def test_the_right_content_passes_under_any_name(self, tmp_path: Path) -> None:
        (tmp_path / "any").write_bytes(b"content")
        check(PYPI, tmp_path / "any")

    def test_another_is_refused_with_both_sums(self, tmp_path: Path) -> None:
        (tmp_path / PYPI.file).write_bytes(b"content!")
        with pytest.raises(DataError, match=f"{hashlib.sha256(b'content!').hexdigest()}, but {PYPI.file}.*{SUM}"):
            check(PYPI, tmp_path / PYPI.file)

    def test_one_that_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        for path in (tmp_path / "gone", tmp_path):
            with pytest.raises(DataError, match=f"cannot read {path}"):
                check(PYPI, path)


@pytest.mark.usefixtures("no_client")
class TestGiven:
    @pytest.fixture
    def shelf(self, tmp_path: Path) -> Path:
        for carrier in ALL.values():
            (tmp_path / carrier.file).write_bytes(b"content")
        return tmp_path

    def test_one_file_for_one_carrier_may_have_any_name(self, tmp_path: Path) -> None:
        (tmp_path / "renamed").write_bytes(b"content")
        assert gather([NPM], [tmp_path / "renamed"], tmp_path, ignore, command="x") == [tmp_path / "renamed"]

    def test_a_folder_holds_them_all(self, shelf: Path) -> None:
        found = gather([NPM, PYPI], [shelf], shelf, ignore, command="x")
        assert found == [shelf / NPM.file, shelf / PYPI.file]

    def test_files_are_told_apart_by_name_whatever_their_order(self, shelf: Path) -> None:
        given = [shelf / PYPI.file, shelf / DEBIAN.file, shelf / NPM.file]
        assert gather([NPM, PYPI], given, shelf, ignore, command="x") == [shelf / NPM.file, shelf / PYPI.file]

    def test_files_and_folders_go_together(self, shelf: Path) -> None:
        (shelf / "deep").mkdir()
        (shelf / NPM.file).rename(shelf / "deep" / NPM.file)
        found = gather([NPM, PYPI], [shelf / "deep", shelf / PYPI.file], shelf, ignore, command="x")
        assert found == [shelf / "deep" / NPM.file, shelf / PYPI.file]

    def test_one_that_is_lacking_is_not_fetched_but_named(self, shelf: Path) -> None:
        with pytest.raises(DataError, match=rf"no {DEBIAN.file} there \(sha256 {SUM}, c=2-1 of Debian\)"):
            gather([NPM, DEBIAN], [shelf / NPM.file], shelf, ignore, command="x")
        with pytest.raises(DataError, match=f"no {DEBIAN.file} there"):
            gather([DEBIAN], [shelf / "..", shelf / NPM.file], shelf, ignore, command="x")

    def test_each_is_checked(self, shelf: Path) -> None:
        (shelf / NPM.file).write_bytes(b"other")
        with pytest.raises(DataError, match=f"{NPM.file} is not the right file"):
            gather([PYPI, NPM], [shelf], shelf, ignore, command="x")


def test_what_is_fetched_is_checked_and_the_way_out_names_every_file(
    tmp_path: Path, client: Callable[..., Any]
) -> None:
    client(NPM.file)
    assert gather([NPM], [], tmp_path, ignore, command="x") == [tmp_path / NPM.file]
    (tmp_path / NPM.file).unlink()
    with pytest.raises(DataError, match=f"`x get y --from {NPM.file} --from {PYPI.file}`"):
        gather([NPM, PYPI], [], tmp_path, ignore, command="x get y")
