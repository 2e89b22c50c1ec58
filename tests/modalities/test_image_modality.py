"""Pictures: every mode and format comes out right, every broken file has a reason, chance only in training."""

from __future__ import annotations

import base64
import io
import itertools
import json
import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from sensemble.errors import ConfigError, Unreadable
from sensemble.media import source
from sensemble.modalities.base import MODALITIES
from sensemble.modalities.image import Image
from sensemble.modalities.pixels import MEAN, STD

RED, GREEN, BLUE, GREY = (230, 20, 20), (20, 200, 30), (20, 30, 220), (128, 128, 128)
FORMATS: list[tuple[str, dict[str, Any]]] = [
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("PNG", {}),
    ("GIF", {}),
    ("BMP", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("PPM", {}),
]
NAMES = [f"{kind}{''.join(options)}" for kind, options in FORMATS]


def quarters(width: int = 80, height: int = 80) -> Pillow.Image:
    """Red, green / blue, grey: tells every turn and mirror apart."""
    image = Pillow.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    image.paste(GREY, (width // 2, height // 2, width, height))
    return image


def encoded(image: Pillow.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def corners(values: torch.Tensor) -> list[tuple[int, ...]]:
    """The colours of a loaded picture's quarters, row by row."""
    side = values.shape[-1]
    places = (side // 4, side - side // 4 - 1)
    return [tuple(values[0, :, y, x].tolist()) for y in places for x in places]


def close(found: list[tuple[int, ...]], expected: list[tuple[int, ...]], by: int = 12) -> bool:
    return bool(np.abs(np.array(found) - np.array(expected)).max() <= by)


FOUR = [RED, GREEN, BLUE, GREY]


# What can be read


@pytest.mark.parametrize(("kind", "options"), FORMATS, ids=NAMES)
def test_every_format_from_a_file_and_from_bytes(kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    data = encoded(quarters(), kind, **options)
    path = tmp_path / "图 片.bin"  # the content says what it is, not the name
    path.write_bytes(data)
    image = Image(size=32)
    loaded = image.load(str(path))
    assert loaded.shape == (1, 3, 32, 32) and loaded.dtype == image.dtype == torch.uint8
    assert close(corners(loaded), FOUR)
    for same in (path, data, bytearray(data), {"bytes": data, "path": None}, {"bytes": None, "path": str(path)}):
        assert torch.equal(image.load(same), loaded)


def test_pillow_images_and_arrays() -> None:
    image, array = Image(size=32), np.asarray(quarters())
    loaded = image.load(quarters())
    assert close(corners(loaded), FOUR, by=0)
    assert torch.equal(image.load(array), loaded)
    assert torch.equal(image.load(np.dstack([array, np.full((80, 80), 255, np.uint8)])), loaded)
    assert torch.equal(image.load(np.asarray(quarters(160, 80))[:, ::2]), loaded)
    grey = array[:, :, 0]
    assert torch.equal(image.load(grey), image.load(grey[:, :, None]))
    assert corners(image.load(grey)) == [(value,) * 3 for value in (230, 20, 20, 128)]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    white = Pillow.new("L", (10, 10), 255)
    if mode.startswith("I"):
        white = Pillow.fromarray(np.full((10, 10), 65535, np.uint16 if mode == "I;16" else np.int32))
        assert white.mode == mode
    elif mode in ("YCbCr", "HSV", "CMYK"):
        white = white.convert("RGB").convert(mode)
    else:
        white = white.convert(mode)
    assert Image(size=4).load(white).unique().tolist() == [255]


def test_a_cmyk_jpeg_is_not_inverted() -> None:
    loaded = Image(size=16).load(encoded(quarters().convert("CMYK"), "JPEG", quality=95))
    assert close(corners(loaded), FOUR, by=25)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_are_scaled_and_not_cut(kind: str) -> None:
    ramp = np.repeat(np.linspace(0, 65535, 256).astype(np.uint16)[None], 256, 0)
    loaded = Image(size=256).load(encoded(Pillow.fromarray(ramp), kind))
    assert loaded[0, 0, 0].tolist() == list(range(256))


def test_numbers_without_a_scale_are_refused() -> None:
    for array, reason in ((np.zeros((4, 4), np.float32), "decimal"), (np.full((4, 4), 70000, np.int32), "32-bit")):
        with pytest.raises(Unreadable, match=reason):
            Image().load(encoded(Pillow.fromarray(array), "TIFF"))


def test_transparency_becomes_white() -> None:
    clear = quarters().convert("RGBA")
    clear.paste((0, 0, 0, 0), (0, 0, 40, 40))
    palette = clear.quantize(16)
    keyed = quarters()
    white = [(255, 255, 255), GREEN, BLUE, GREY]
    assert "transparency" in Pillow.open(io.BytesIO(encoded(palette))).info
    for data in (encoded(clear), encoded(palette), encoded(clear, "WEBP", lossless=True), encoded(clear, "GIF"),
                 encoded(keyed, "PNG", transparency=RED)):  # fmt: skip
        assert close(corners(Image(size=16).load(data)), white)


def test_half_transparent_is_half_white_and_hidden_colours_do_not_bleed() -> None:
    half = Pillow.new("RGBA", (8, 8), (200, 0, 0, 128))
    loaded = Image(size=8).load(half)
    assert close(corners(loaded), [(227, 127, 127)] * 4, by=1)
    hidden = Pillow.new("RGBA", (64, 64), (0, 255, 0, 0))  # green that nobody sees
    hidden.paste((255, 255, 255, 255), (0, 0, 33, 64))
    assert int(Image(size=8).load(hidden).min()) == 255


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_cameras_orientation_is_applied(orientation: int, kind: str) -> None:
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the turn that `orientation` undoes, as Pillow numbers them
    stored = quarters(96, 80)
    if orientation in back:
        stored = stored.transpose(Pillow.Transpose(back[orientation]))
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    data = encoded(stored, kind, exif=exif)
    for framing in ("crop", "pad", "stretch"):
        loaded = MODALITIES.create("image", size=32, fit=framing).load(data)
        assert close(corners(loaded), FOUR, by=20), framing


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\x7f", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b""]
)
def test_a_damaged_exif_block_is_passed_over(exif: bytes) -> None:
    assert close(corners(Image(size=16).load(encoded(quarters(), "JPEG", exif=exif))), FOUR)


def test_an_exif_block_with_wild_offsets_still_tells_the_orientation() -> None:
    entries = struct.pack(">HHII", 0x010F, 2, 100, 9999) + struct.pack(">HHIHH", 0x0112, 3, 1, 3, 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 2) + entries
    loaded = Image(size=16).load(encoded(quarters(), "JPEG", exif=exif))
    assert close(corners(loaded), FOUR[::-1])


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_pictures_the_first(kind: str) -> None:
    more = [Pillow.new("RGB", (80, 80), colour) for colour in (BLUE, RED)]
    data = encoded(quarters(), kind, save_all=True, append_images=more)
    assert close(corners(Image(size=16).load(data)), FOUR)


@pytest.mark.parametrize("framing", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (7, 9), (300, 200)])
def test_any_proportions(framing: str, shape: tuple[int, int]) -> None:
    loaded = MODALITIES.create("image", size=24, fit=framing).load(encoded(Pillow.new("RGB", shape, GREEN)))
    assert loaded.shape == (1, 3, 24, 24)
    assert loaded[0, :, 11, 11].tolist() == list(GREEN)


def test_crop_pad_and_stretch() -> None:
    wide = Pillow.new("RGB", (300, 100), GREEN)
    wide.paste(RED, (0, 0, 100, 100))
    wide.paste(BLUE, (200, 0, 300, 100))
    crop, pad, stretch = (Image(size=30, fit=framing).load(wide)[0] for framing in ("crop", "pad", "stretch"))
    assert crop[:, :, 2:-2].flatten(1).unique(dim=1).T.tolist() == [list(GREEN)]
    assert [tuple(stretch[:, 15, x].tolist()) for x in (3, 15, 27)] == [RED, GREEN, BLUE]
    assert [tuple(pad[:, 15, x].tolist()) for x in (3, 15, 27)] == [RED, GREEN, BLUE]
    assert [tuple(pad[:, y, 15].tolist()) for y in (0, 9, 10, 19, 20, 29)] == [(124, 116, 104)] * 2 + [GREEN] * 2 + [
        (124, 116, 104)
    ] * 2


@pytest.mark.parametrize("framing", ["crop", "pad", "stretch"])
def test_a_jpeg_decoded_small_equals_one_decoded_whole(framing: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (9, 16, 3), dtype=np.uint8)
    smooth = Pillow.fromarray(pixels).resize((1600, 900), Pillow.Resampling.BICUBIC)
    data, image = encoded(smooth, "JPEG", quality=95), Image(size=48, fit=framing)
    whole = Pillow.open(io.BytesIO(data)).convert("RGB")
    difference = (image.load(data).int() - image.load(whole).int()).abs()
    assert float(difference.float().mean()) < 0.5


def test_shrinking_averages() -> None:
    """A fine chessboard is grey from afar, not black or white."""
    board = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    loaded = Image(size=16).load(board)
    assert int(loaded.min()) >= 120 and int(loaded.max()) <= 135


# What cannot


@pytest.mark.parametrize(("kind", "options"), FORMATS, ids=NAMES)
def test_no_cut_off_file_passes(kind: str, options: dict[str, Any]) -> None:
    """Cut anywhere, a file is either refused or had lost nothing of its pixels."""
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    data = encoded(Pillow.fromarray(pixels), kind, **options)
    image = Image(size=40)
    whole, refused = image.load(data), 0
    ends = sorted({*range(len(data) - 20, len(data)), *range(1, len(data), max(1, len(data) // 60))})
    for end in ends:
        try:
            assert torch.equal(image.load(data[:end]), whole), end
        except Unreadable:
            refused += 1
    assert refused >= 50
    with pytest.raises(Unreadable, match=r"cut off|damaged"):
        image.load(data[: len(data) // 2])


@pytest.mark.parametrize("size", [8, 300])
def test_a_cut_off_jpeg_is_said_to_be_cut_off(size: int, tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    path.write_bytes(encoded(quarters(400, 300), "JPEG")[:-200])
    with pytest.raises(Unreadable, match=r"^image is cut off \(truncated\)$"):
        Image(size=size).load(path)


def test_files_that_are_no_pictures_have_a_plain_reason(tmp_path: Path) -> None:
    image = Image()
    for name, content, reason in [
        ("empty.png", b"", "file is empty"),
        ("text.png", "这不是图片".encode(), r"not an image \(text file\?\)"),
        ("page.jpg", b"<!DOCTYPE html><html>404</html>", r"not an image \(text file\?\)"),
        ("sound.png", b"RIFF\x24\0\0\0WAVEfmt \0\0\0", "not an image"),
        ("zip.png", b"PK\x03\x04\0\0\0\0", "not an image"),
        ("word.bmp", b"BMW is a brand of cars, and this is no picture", "damaged|cut off"),
        ("head.png", b"\x89PNG\r\n\x1a\n", "damaged|cut off"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Unreadable, match=reason):
            image.load(str(tmp_path / name))
        with pytest.raises(Unreadable, match=reason):
            image.load(content)
    with pytest.raises(Unreadable, match="file does not exist"):
        image.load(tmp_path / "none.png")
    with pytest.raises(Unreadable, match="is a folder"):
        image.load(tmp_path)
    with pytest.raises(Unreadable, match="web address"):
        image.load(str(tmp_path / "https://example.org/a.png"))
    for path in ("a\0b.png", "x" * 5000):
        with pytest.raises(Unreadable):
            image.load(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(Unreadable, match="not a plain file"):
        Image().load(tmp_path / "pipe.png")


@pytest.mark.parametrize(
    "raw",
    [None, 3, 3.5, [[1, 2]], {}, {"bytes": None}, {"bytes": b""}, np.zeros((4, 4)), np.zeros((4, 4, 2), np.uint8),
     np.zeros((0, 4), np.uint8), np.zeros(4, np.uint8), np.array("x", dtype=object)],
    ids=str,
)  # fmt: skip
def test_values_that_are_no_pictures(raw: object) -> None:
    with pytest.raises(Unreadable):
        Image().load(raw)


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header promises many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))


def test_bombs_are_refused_by_their_header(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 1
    webp = bytearray(encoded(Pillow.new("RGB", (9, 9)), "WEBP", exif=exif))
    assert webp[12:16] == b"VP8X"
    webp[24:30] = b"\xff\x3f\0\xff\x3f\0"  # 16,384 x 16,384
    gif = bytearray(encoded(Pillow.new("L", (9, 9)), "GIF"))
    gif[6:10] = b"\xff\xff\xff\xff"
    # The sizes lie below Pillow's own warning, between its warning and its error, and above both.
    for bomb in (png_of_size(8_000, 9_000), png_of_size(10_000, 10_000), png_of_size(10**5, 10**5), webp, gif):
        with pytest.raises(Unreadable, match=r"more than max_pixels allows \(64,000,000\)"):
            Image().load(bomb)


@pytest.mark.parametrize(("kind", "options"), FORMATS, ids=NAMES)
def test_max_pixels_counts_before_decoding(kind: str, options: dict[str, Any]) -> None:
    data = encoded(quarters(), kind, **options)
    assert Image(size=8, max_pixels=6400).load(data).shape == (1, 3, 8, 8)
    for raw in (data, quarters(), np.asarray(quarters())):
        with pytest.raises(Unreadable, match="image has 80 x 80 pixels, more than max_pixels allows"):
            Image(size=8, max_pixels=6399).load(raw)


def test_large_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(encoded(quarters()) + bytes(1000))
    assert Image(size=8).load(path).shape == (1, 3, 8, 8)
    monkeypatch.setattr(source, "MAX_BYTES", 900)
    with pytest.raises(Unreadable, match="file is larger than"):
        Image(size=8).load(path)
    with pytest.raises(Unreadable, match="file is larger than"):
        Image(size=8).load(path.read_bytes())


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(range(len(FORMATS))), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6))
def test_damaged_bytes_are_read_or_named(which: int, changes: list[tuple[int, int]]) -> None:
    kind, options = FORMATS[which]
    data = bytearray(encoded(quarters(16, 16), kind, **options))
    for place, value in changes:
        data[place % len(data)] = value
    try:
        assert Image(size=8, max_pixels=10**6).load(bytes(data)).shape == (1, 3, 8, 8)
    except Unreadable as error:
        assert 0 < len(str(error)) < 200


# In threads, in batches, in training


def test_threads_agree(tmp_path: Path) -> None:
    raws: list[Any] = []
    for number, (kind, options) in enumerate(FORMATS * 6):
        path = tmp_path / str(number)
        path.write_bytes(encoded(quarters(60 + number, 90), kind, **options))
        raws.append(path)
    broken = encoded(quarters(), "JPEG")[:-40]
    image = Image(size=32)

    def load(raw: Any) -> torch.Tensor | str:
        try:
            return image.load(raw)
        except Unreadable as error:
            return str(error)

    mixed = list(itertools.chain.from_iterable((raw, broken) for raw in raws))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(load, mixed))
    for result, raw in zip(found, mixed, strict=True):
        expected = load(raw)
        assert result == expected if isinstance(expected, str) else torch.equal(result, expected)  # type: ignore[arg-type]


def test_prepare_standardises_and_keeps_missing_rows_at_zero() -> None:
    image = Image(size=4)
    tokens = image.collate([torch.full((1, 3, 4, 4), 255, dtype=torch.uint8), None])
    assert tokens.values.dtype == torch.uint8 and tokens.values.shape == (2, 1, 3, 4, 4)
    ready = image.prepare(tokens, training=False)
    assert ready.mask.tolist() == [[True], [False]]
    assert ready.values[1].abs().max() == 0
    expected = (1 - torch.tensor(MEAN)) / torch.tensor(STD)
    torch.testing.assert_close(ready.values[0, 0, :, 2, 2], expected)
    assert image.collate([None]).values.shape == (1, 1, 3, 4, 4)


CHANCES = [{"flip": True}, {"shift": 0.2}, {"zoom": 0.3}, {"jitter": 0.4}]
ALL = {"flip": True, "shift": 0.2, "zoom": 0.3, "jitter": 0.4}


@pytest.mark.parametrize("options", [*CHANCES, ALL], ids=str)
def test_chance_comes_in_training_alone_and_from_the_global_seed(options: dict[str, Any]) -> None:
    plain, image = Image(size=16), Image(size=16, **options)
    tokens = plain.collate([plain.load(quarters())] * 12 + [None])
    still = plain.prepare(tokens, training=False).values
    state = torch.get_rng_state()
    assert torch.equal(image.prepare(tokens, training=False).values, still)
    assert torch.equal(plain.prepare(tokens, training=True).values, still)
    assert torch.equal(torch.get_rng_state(), state)

    torch.manual_seed(1)
    first = image.prepare(tokens, training=True)
    second = image.prepare(tokens, training=True)
    torch.manual_seed(1)
    assert torch.equal(image.prepare(tokens, training=True).values, first.values)
    assert not torch.equal(first.values, second.values)
    assert len(first.values[:12].flatten(1).unique(dim=0)) > 1  # each picture on its own
    assert first.values[12].abs().max() == 0 and first.mask.equal(tokens.mask)
    assert bool(first.values.isfinite().all()) and first.values.abs().max() < 4


def test_a_flip_is_a_mirror_of_about_half() -> None:
    plain, image = Image(size=16), Image(size=16, flip=True)
    tokens = plain.collate([plain.load(quarters())] * 200)
    still = plain.prepare(tokens, training=False).values
    torch.manual_seed(0)
    changed = image.prepare(tokens, training=True).values
    same = (changed == still).flatten(1).all(1)
    mirrored = (changed == still.flip(-1)).flatten(1).all(1)
    assert bool((same ^ mirrored).all())
    assert 70 < int(mirrored.sum()) < 130


def test_a_shift_stays_within_its_share() -> None:
    dot = np.zeros((64, 64), np.uint8)
    dot[28:36, 28:36] = 255
    plain, image = Image(size=64), Image(size=64, shift=0.25)
    tokens = plain.collate([plain.load(dot)] * 100)
    torch.manual_seed(0)
    light = image.prepare(tokens, training=True).values[:, 0, 0] > 0
    places = torch.stack([each.nonzero().float().mean(0) for each in light]) - 31.5
    assert 12 < float(places.abs().max()) <= 16.5
    assert float(places.std(0).min()) > 5


def test_zoom_changes_the_size_of_things() -> None:
    dot = np.zeros((64, 64), np.uint8)
    dot[22:42, 22:42] = 255
    plain, image = Image(size=64), Image(size=64, zoom=0.4)
    tokens = plain.collate([plain.load(dot)] * 100)
    torch.manual_seed(0)
    light = image.prepare(tokens, training=True).values[:, 0, 0] > 0
    sides = light.flatten(1).sum(1).sqrt() / 20
    assert 0.59 < float(sides.min()) < 0.75 and 1.25 < float(sides.max()) < 1.41


# For people, and for the rest of the system


def test_a_report_shows_the_whole_picture(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    quarters(400, 200).save(path)
    shown = Image(size=8).show(str(path))
    head, _, data = shown["data"].partition(",")
    assert (shown["kind"], shown["text"], head) == ("image", "wide.png", "data:image/jpeg;base64")
    picture = Pillow.open(io.BytesIO(base64.b64decode(data)))
    assert picture.size == (160, 80)
    assert Image().describe(path) == ["picture"]


def test_options_travel_by_the_registry() -> None:
    image = MODALITIES.create("image", size=48, fit="pad", flip=True)
    assert image.shape == (3, 48, 48) and image.reads_files and image.encoder == "cnn"
    assert image.fit(["a.png"]) is image  # unreadable: the scale stays that of photos
    assert image.state() == {"mean": list(MEAN), "std": list(STD)}


def test_channels_are_standardised_by_the_training_pictures() -> None:
    random = np.random.default_rng(0)
    pictures = [(random.random((16, 16, 3)) * (50, 100, 200)).astype(np.uint8) for _ in range(8)]
    image = MODALITIES.create("image", size=16).fit([*pictures, "none.png"])
    tokens = image.prepare(image.collate([image.load(picture) for picture in pictures]), training=False)
    channels = tokens.values.transpose(0, 2).flatten(1)
    assert torch.allclose(channels.mean(1), torch.zeros(3), atol=1e-4)
    assert torch.allclose(channels.std(1), torch.ones(3), atol=1e-3)
    again = MODALITIES.create("image", size=16).restore(json.loads(json.dumps(image.state())))
    assert (again.mean_, again.std_) == (image.mean_, image.std_)
    flat = MODALITIES.create("image", size=16).fit([np.full((16, 16, 3), 255, dtype=np.uint8)])
    assert flat.std_ == (0.02, 0.02, 0.02)
    photos = MODALITIES.create("image", size=16, scale="imagenet").fit(pictures)
    assert photos.mean_ == MEAN
    for options in (
        {"size": 0},
        {"shift": 1.0},
        {"zoom": -0.1},
        {"jitter": 2.0},
        {"max_pixels": 0},
        {"fit": "squeeze"},
    ):
        with pytest.raises(ConfigError, match=next(iter(options))):
            MODALITIES.create("image", **options)
