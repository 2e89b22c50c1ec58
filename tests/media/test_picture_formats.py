"""Pictures that are odd, mislabelled, broken or hostile: each comes out right, or has its reason, within bounds."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from made_media import BLUE, GREEN, GREY, RED, png, png_bomb, quarters
from made_media import picture_bytes as encoded
from sensemble.errors import Unreadable
from sensemble.media.picture import read_picture


def corners(raw: Any, size: int = 16) -> list[list[int]]:
    """The colours of the quarters, row by row, as they are read."""
    pixels = np.asarray(read_picture(raw, size, "crop"))
    assert pixels.shape == (size, size, 3) and pixels.dtype == np.uint8
    places = (size // 4, size - size // 4 - 1)
    return [pixels[y, x].tolist() for y in places for x in places]


def close(found: Any, expected: Any, by: int = 12) -> bool:
    return bool(np.abs(np.array(found, int) - np.array(expected, int)).max() <= by)


# Odd, and right


@pytest.mark.parametrize("name", ["a.png", "a.txt", "a", "图.jpeg"])
def test_the_content_tells_and_not_the_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(encoded(quarters(), "JPEG", quality=95))
    assert close(corners(tmp_path / name), [RED, GREEN, BLUE, GREY])


def test_16_bit_colour() -> None:
    """Pillow keeps the upper byte of each channel."""
    deep = np.asarray(quarters()).astype(">u2") * 257
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    assert close(corners(png(80, 80, 16, 2, rows)), [RED, GREEN, BLUE, GREY], by=2)


def test_16_bit_colour_with_transparency() -> None:
    deep = np.dstack([np.asarray(quarters()), np.full((80, 80), 255)]).astype(">u2") * 257
    deep[:40, :40, 3] = 0
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    assert close(corners(png(80, 80, 16, 6, rows)), [(255,) * 3, GREEN, BLUE, GREY], by=2)


def test_16_bit_grey_with_transparency() -> None:
    pixels = np.zeros((80, 80, 2), ">u2")
    pixels[..., 0], pixels[40:, :, 1] = 200 * 257, 65535
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    assert close(corners(png(80, 80, 16, 4, rows)), [(255,) * 3] * 2 + [(200,) * 3] * 2, by=2)


def test_grey_with_transparency() -> None:
    image = Pillow.new("LA", (80, 80), (90, 255))
    image.paste((0, 0), (0, 0, 40, 40))
    image.paste((90, 128), (40, 40, 80, 80))
    for data in (encoded(image), image):
        assert close(corners(data), [(255,) * 3, (90,) * 3, (90,) * 3, (172,) * 3], by=2)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_a_pixel_reach_white(bits: int) -> None:
    """Left half black, right half white."""
    row = b"\0" + bytes(bits) + b"\xff" * bits
    assert corners(png(16, 16, bits, 0, row * 16)) == [[0] * 3, [255] * 3] * 2
    assert corners(encoded(Pillow.new("1", (16, 16), 1))) == [[255] * 3] * 4


def test_a_palette_with_several_degrees_of_transparency() -> None:
    palette = bytes([*RED, *GREEN, *BLUE, *GREY])
    rows = b"".join(b"\0" + bytes([0] * 8 + [1] * 8) for _ in range(8)) + b"".join(
        b"\0" + bytes([2] * 8 + [3] * 8) for _ in range(8)
    )
    data = png(16, 16, 8, 3, rows, (b"PLTE", palette), (b"tRNS", bytes([0, 128, 255])))
    assert close(corners(data), [(255,) * 3, (137, 227, 142), BLUE, GREY], by=3)


@pytest.mark.parametrize("marked", [True, False])
def test_cmyk_is_stored_inverted_with_and_without_adobes_marker(marked: bool) -> None:
    data = encoded(quarters().convert("CMYK"), "JPEG", quality=95, subsampling=0)
    marker = data.find(b"\xff\xee\0\x0eAdobe")
    assert marker > 0
    data = data if marked else data[:marker] + data[marker + 16 :]
    assert close(corners(data), [RED, GREEN, BLUE, GREY], by=25)


def test_ycck_jpegs() -> None:
    """Ink as brightness, colour and black, with marker 2."""
    data = bytearray(encoded(quarters().convert("CMYK"), "JPEG", quality=95, subsampling=0))
    data[data.find(b"\xff\xee\0\x0eAdobe") + 15] = 2
    pixels = np.asarray(read_picture(bytes(data), 16, "crop"))
    assert pixels.shape == (16, 16, 3)


@pytest.mark.parametrize(("kind", "alpha", "shown"), [("GIF", 255, BLUE), ("WEBP", 128, (137, 142, 237))])
def test_an_animation_that_starts_clear(kind: str, alpha: int, shown: tuple[int, int, int]) -> None:
    clear = Pillow.new("RGBA", (80, 80), (0, 0, 0, 0))
    clear.paste((*BLUE, alpha), (40, 40, 80, 80))
    more = [quarters().convert("RGBA") for _ in range(3)]
    data = encoded(clear, kind, save_all=True, append_images=more, duration=50, lossless=True)
    assert close(corners(data), [(255,) * 3] * 3 + [shown])


def test_a_huge_exif_block_costs_nothing() -> None:
    """Several blocks of 64 KB, thousands of entries, each pointing far beyond the end."""
    entries = b"".join(struct.pack(">HHII", 0x9000, 2, 2**31, 2**31) for _ in range(5000))
    turn = struct.pack(">HHIHH", 0x0112, 3, 1, 3, 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 5001) + entries + turn
    assert close(corners(encoded(quarters(), "JPEG", exif=exif, quality=95)), [GREY, BLUE, GREEN, RED])
    data = encoded(quarters(), "JPEG", quality=95)
    block = b"\xff\xe1\xff\xffExif\0\0" + bytes(65_533 - 6)
    assert close(corners(data[:2] + block * 40 + data[2:]), [RED, GREEN, BLUE, GREY])


# Broken or hostile, and named


def test_texts_and_other_files_named_like_pictures(tmp_path: Path) -> None:
    import zipfile

    for name, content, reason in [
        ("page.jpg", b"<html>not found</html>", r"^not an image \(text file\?\)$"),
        ("table.png", "名字,年龄\n".encode(), r"^not an image \(text file\?\)$"),
        ("drawing.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", r"^not an image \(text file\?\)$"),
        ("photo.heic", b"\0\0\0\x18ftypheic\0\0\0\0", r"^not an image \(read are JPEG"),
        ("clip.gif", b"\0\0\0\x18ftypisom\0\0\0\0", r"^not an image \(read are JPEG"),
        ("none.gif", b"", "^file is empty$"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Unreadable, match=reason):
            read_picture(tmp_path / name, 16, "crop")
    with zipfile.ZipFile(tmp_path / "zip.jpg", "w") as file:
        file.writestr("a", "b" * 100)
    with pytest.raises(Unreadable, match=r"^not an image"):
        read_picture(tmp_path / "zip.jpg", 16, "crop")


def sized(kind: str, width: int, height: int) -> bytes:
    """A small file whose header states another size."""
    if kind == "PNG":
        return png(width, height, 8, 2, bytes(100))
    data = bytearray(encoded(Pillow.new("RGB", (9, 9)), kind))
    if kind == "JPEG":
        start = data.find(b"\xff\xc0") + 5
        data[start : start + 4] = struct.pack(">HH", min(height, 65535), min(width, 65535))
    elif kind == "GIF":
        data[6:10] = struct.pack("<HH", min(width, 65535), min(height, 65535))
    elif kind == "BMP":
        data[18:26] = struct.pack("<ii", width, height)
    elif kind == "TIFF":
        for tag, value in ((256, width), (257, height)):
            entry = struct.pack("<HH", tag, 4 if struct.pack("<HH", tag, 4) in data else 3)
            start = data.find(entry)
            data[start : start + 12] = struct.pack("<HHII", tag, 4, 1, value)
    elif kind == "PPM":
        data = bytearray(data.replace(b"9 9", f"{width} {height}".encode()))
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM"])
def test_sizes_that_no_picture_has(kind: str) -> None:
    for width, height in ((0, 0), (0, 5), (5, 0)) if kind != "GIF" else ():  # where the first frame's size counts
        with pytest.raises(Unreadable, match=r"no pixels|damaged|cut off"):
            read_picture(sized(kind, width, height), 16, "crop")
    for width, height in ((60_000, 60_000), (2**30, 2**30), (2**31 - 1, 2000)):
        with pytest.raises(Unreadable, match=r"max_pixels|damaged|cut off"):
            read_picture(sized(kind, width, height), 16, "crop")
    with pytest.raises(Unreadable, match="max_pixels"):
        read_picture(sized(kind, 60_000, 60_000), 16, "crop")


def bombs() -> dict[str, bytes]:
    """Small files, true to their headers, of 400 million pixels."""
    side = 20_000
    strip = zlib.compress(bytes(side // 8 * side), 9)
    tags = {256: side, 257: side, 258: 1, 259: 8, 262: 1, 273: 8, 277: 1, 278: side, 279: len(strip)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    tiff = b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + struct.pack("<H", len(tags)) + entries + bytes(4)
    webp = bytearray(encoded(Pillow.new("RGB", (16, 16)), "WEBP", lossless=True))
    assert webp[12:16] == b"VP8L"
    webp[21:25] = struct.pack("<I", (16_383) | (16_383 << 14))
    return {
        "png": png_bomb(side),
        "tiff": tiff,
        "webp": bytes(webp),
        "text": png(16, 16, 8, 0, bytes(17 * 16), (b"zTXt", b"a\0\0" + zlib.compress(bytes(2**28), 9))),
        "profile": png(16, 16, 8, 0, bytes(17 * 16), (b"iCCP", b"a\0\0" + zlib.compress(bytes(2**28), 9))),
    }


PEAK = """
import sys, time
from pathlib import Path
from sensemble.media.picture import read_picture
from sensemble.errors import Unreadable
peak = lambda: int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
before, started = peak(), time.process_time()
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        answer = read_picture(path, 16, "crop").size
    except Unreadable as error:
        answer = error
    print(path.name, answer, sep=": ")
print(peak() - before, peak(), time.process_time() - started)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell a process's peak memory")
def test_bombs_go_off_in_no_memory(tmp_path: Path) -> None:
    for name, data in bombs().items():
        assert len(data) < 10**6
        (tmp_path / name).write_bytes(data)
    done = subprocess.run([sys.executable, "-c", PEAK, str(tmp_path)], capture_output=True, text=True, check=True)
    *answers, numbers = done.stdout.splitlines()
    told = dict(answer.split(": ", 1) for answer in answers)
    for name in ("png", "tiff", "webp"):
        assert "more than max_pixels allows" in told[name]
    for name in ("text", "profile"):  # a packed comment of 256 MB beside a small picture
        assert told[name] == "(16, 16)" or "damaged" in told[name]
    grown, whole, seconds = map(float, numbers.split())
    assert grown < 60 and whole < 200 and seconds < 2
