"""Reading packages of every kind, whole, damaged and hostile."""

from __future__ import annotations

import gzip
import lzma
import random
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_packages import PACK, Content, ar, link, tar, write_deb, write_npm, write_wheel

from sensemble.data.archives import debian_members, npm_members, wheel_member, wheel_members
from sensemble.errors import DataError

Read = Callable[..., Iterator[tuple[str, bytes]]]
FORMATS = {"wheel": (write_wheel, wheel_members, ""), "Debian": (write_deb, debian_members, ""),
           "npm": (write_npm, npm_members, "package/")}  # fmt: skip
ANY = re.compile(r".*")
MEMBERS: dict[str, Content] = {"a/one.txt": "eins 一", "a/two.png": bytes(range(256)), "b.txt": ""}


@pytest.fixture(params=sorted(FORMATS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def read(kind: str, tmp_path: Path) -> Callable[..., dict[str, bytes]]:
    """Writes a package of each kind and reads it back."""
    write, members, top = FORMATS[kind]

    def found(made: dict[str, Content], wanted: str = ".*", **limits: int) -> dict[str, bytes]:
        path = write(tmp_path / "carrier", made)
        return dict(members(path, re.compile(top + wanted), **limits))

    found.top = top  # type: ignore[attr-defined]
    return found


def test_the_files_asked_for_come_whole(read: Callable[..., dict[str, bytes]]) -> None:
    top = read.top  # type: ignore[attr-defined]
    assert read(MEMBERS) == {
        f"{top}a/one.txt": "eins 一".encode(), f"{top}a/two.png": bytes(range(256)), f"{top}b.txt": b""
    }  # fmt: skip
    assert list(read(MEMBERS, r"[^/]+/.*\.txt")) == [f"{top}a/one.txt"]
    assert read(MEMBERS, "a/one") == {}  # a pattern is for the whole name


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil", "a//evil", "a/./evil", "a\\evil", "a\nevil"])
def test_names_that_could_lead_elsewhere_are_passed_over(read: Callable[..., dict[str, bytes]], name: str) -> None:
    assert list(read({name: "evil", "good": "good"}, "(?s:.*)").values()) == [b"good"]


def test_a_large_file_is_refused_and_none_is_read_past_its_limit(read: Callable[..., dict[str, bytes]]) -> None:
    assert len(read({"big": bytes(1000)}, largest=1000)) == 1
    with pytest.raises(DataError, match="big is larger than 999 bytes"):
        read({"big": bytes(1000)}, largest=999)
    assert read({"big": bytes(1000), "small": "x"}, "small", largest=10)  # only what is asked for is judged


def test_too_many_files_are_refused(read: Callable[..., dict[str, bytes]]) -> None:
    many: dict[str, Content] = {f"{number}.txt": "x" for number in range(5)}
    assert len(read(many, most=5)) == 5
    with pytest.raises(DataError, match="holds more than 4 files"):
        read(many, most=4)
    assert len(read(many, "[0-3].txt", most=4)) == 4


@pytest.mark.parametrize(("write", "members"), [(write_deb, debian_members), (write_npm, npm_members)])
def test_what_expands_beyond_all_bounds_is_refused(tmp_path: Path, write: Callable[..., Path], members: Read) -> None:
    path = write(tmp_path / "bomb", {"unwanted": bytes(20 * 2**20), "wanted": "x"})
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match="bomb expands to more than 1,000,000 bytes"):
        list(members(path, re.compile(".*wanted"), whole=1_000_000))


@pytest.mark.parametrize(("write", "members"), [(write_deb, debian_members), (write_npm, npm_members)])
@pytest.mark.parametrize(
    "other", [link("/etc/passwd"), link("good", tarfile.LNKTYPE), link("", tarfile.CHRTYPE), link("", tarfile.FIFOTYPE),
              link("", tarfile.DIRTYPE)],
)  # fmt: skip
def test_links_and_devices_are_passed_over(
    tmp_path: Path, write: Callable[..., Path], members: Read, other: tarfile.TarInfo
) -> None:
    path = write(tmp_path / "carrier", {"good": "good", "other": other})
    assert [content for _, content in members(path, ANY)] == [b"good"]


def test_a_link_in_a_wheel_is_passed_over(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("evil")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
        archive.writestr("good", "good")
    assert dict(wheel_members(tmp_path / "x.whl", ANY)) == {"good": b"good"}


def test_a_header_that_understates_a_size_is_no_way_around_the_limit(tmp_path: Path) -> None:
    path = write_wheel(tmp_path / "bomb.whl", {"big": bytes(10_000)})
    path.write_bytes(path.read_bytes().replace((10_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(DataError, match="big is damaged"):
        wheel_member(path, "big", largest=100)
    content = bytearray(tar({"big": bytes(10_000), "next": "x"}))
    content[124:136] = b"00000000012\0"  # ten bytes, by its header
    content[148:156] = b"%06o\0 " % (sum(content[:148]) + 8 * 32 + sum(content[156:512]))
    path.write_bytes(ar({"debian-binary": b"2.0\n", "data.tar": bytes(content)}))
    assert all(len(found) <= 10 for _, found in debian_members(path, ANY, largest=100))


def test_a_truncated_archive_is_named(tmp_path: Path, kind: str) -> None:
    write, members, _ = FORMATS[kind]
    noise = random.Random(0).randbytes(40_000)
    path = write(tmp_path / "carrier", {"one": noise, "two": noise[::-1]})
    whole = path.read_bytes()
    for share in (0.3, 0.6, 0.999):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(DataError, match=r"carrier is (damaged|no wheel)"):
            list(members(path, ANY))


def test_a_file_of_another_kind_is_named(tmp_path: Path, kind: str) -> None:
    members = FORMATS[kind][1]
    for content in (b"", b"hello", b"<html>" * 1000):
        (tmp_path / "carrier").write_bytes(content)
        with pytest.raises(DataError, match=r"carrier (is damaged|is no wheel|is no Debian package)"):
            list(members(tmp_path / "carrier", ANY))


class TestWheelMember:
    def test_one_file(self, tmp_path: Path) -> None:
        path = write_wheel(tmp_path / "x.whl", {"a+b.txt": "plus", "aab.txt": "other"})
        assert wheel_member(path, "a+b.txt") == b"plus"

    def test_a_missing_one_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"x\.whl holds no gone"):
            wheel_member(write_wheel(tmp_path / "x.whl", MEMBERS), "gone")

    def test_a_locked_one_is_damaged(self, tmp_path: Path) -> None:
        path = write_wheel(tmp_path / "x.whl", {"one": "text"})
        content = bytearray(path.read_bytes())
        content[6] |= 1  # the flag "encrypted", in both headers
        content[content.index(b"PK\x01\x02") + 8] |= 1
        path.write_bytes(content)
        with pytest.raises(DataError, match="one is damaged"):
            wheel_member(path, "one")


class TestDebian:
    @pytest.mark.parametrize("suffix", sorted(PACK))
    def test_every_compression(self, tmp_path: Path, suffix: str) -> None:
        path = write_deb(tmp_path / "x.deb", MEMBERS, suffix=suffix)
        assert dict(debian_members(path, re.compile("a/.*txt"))) == {"a/one.txt": "eins 一".encode()}
        path.write_bytes(path.read_bytes()[:-60])
        with pytest.raises(DataError, match=r"x\.deb is damaged"):
            list(debian_members(path, ANY))

    def test_parts_of_odd_length_are_stepped_over(self, tmp_path: Path) -> None:
        data = lzma.compress(tar({"./one": "1"}))
        (tmp_path / "x.deb").write_bytes(ar({"debian-binary": b"2.0", "odd": b"x", "data.tar.xz/": data}))
        assert dict(debian_members(tmp_path / "x.deb", ANY)) == {"one": b"1"}

    def test_what_follows_the_data_is_not_read(self, tmp_path: Path) -> None:
        tail = gzip.compress(tar({"./evil": "evil"}))
        (tmp_path / "x.deb").write_bytes(ar({"data.tar.gz": gzip.compress(tar({"./one": "1"})), "data.tar.gz2": tail}))
        assert dict(debian_members(tmp_path / "x.deb", ANY)) == {"one": b"1"}

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (ar({"debian-binary": b"2.0\n"}), "holds no data.tar"),
            (ar({"data.tar.br": b"x"}), r"cannot read data\.tar\.br"),
            (b"!<arch>\n" + b"x" * 60, "is damaged"),
            (b"!<arch>\n" + b"x" * 30, "is damaged"),
            (ar({"a": b"1"}).replace(b"1         `", b"-1        `"), "is damaged"),
            (ar({"a": b"1"}).replace(b"1         `", b"9999999999`"), "holds no data.tar"),
        ],
    )
    def test_headers_of_another_shape(self, tmp_path: Path, content: bytes, message: str) -> None:
        (tmp_path / "x.deb").write_bytes(content)
        with pytest.raises(DataError, match=message):
            list(debian_members(tmp_path / "x.deb", ANY))

    def test_a_damaged_middle_is_named(self, tmp_path: Path) -> None:
        path = write_deb(tmp_path / "x.deb", {"one": bytes(range(256)) * 50})
        content = bytearray(path.read_bytes())
        content[-200:-150] = bytes(50)
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"x\.deb is damaged"):
            list(debian_members(path, ANY))


def test_an_error_of_the_reader_is_left_as_it_is(tmp_path: Path) -> None:
    """What goes wrong while a member is used, such as a full disk, is no damage of the archive."""
    path = write_deb(tmp_path / "x.deb", MEMBERS)
    with pytest.raises(OSError, match="disk full"):
        for _ in debian_members(path, ANY):
            raise OSError("disk full")
