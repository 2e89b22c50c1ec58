"""Videos: the right frames come out of every container, every broken file has a reason, and limits hold.

Clips are written by `made_media`, whose frame i has the brightness 5 i.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from made_media import clip, grey, levels, no_frames, noisy, sound_alone
from made_media import write_clip as write
from sensemble.errors import ConfigError, Unreadable
from sensemble.media import container, film, source
from sensemble.media.film import Film, read_film

X265 = {"x265-params": "log-level=none", "preset": "ultrafast"}
VPX = {"deadline": "realtime", "cpu-used": "8"}
KINDS: dict[str, tuple[str, str, dict[str, str]]] = {
    "h264.mp4": ("libx264", "yuv420p", {}),
    "mpeg4.mp4": ("mpeg4", "yuv420p", {}),
    "b_frames.mov": ("libx264", "yuv420p", {"bf": "3"}),
    "vp9.webm": ("libvpx-vp9", "yuv420p", VPX),
    "vp8.webm": ("libvpx", "yuv420p", VPX),
    "ten_bits.mkv": ("libx265", "yuv420p10le", X265),
    "ten_bits.mov": ("prores", "yuv422p10le", {}),
    "full_colour.mkv": ("libx264", "yuv444p", {}),
    "mjpeg.avi": ("mjpeg", "yuvj420p", {}),
    "mpeg4.avi": ("mpeg4", "yuv420p", {}),
    "lossless.mkv": ("ffv1", "yuv420p", {}),
    "mpeg2.mpg": ("mpeg2video", "yuv420p", {}),
    "h264.ts": ("libx264", "yuv420p", {}),
    "old.flv": ("flv", "yuv420p", {}),
}


def look(raw: Any, frames: int = 5, size: int = 16, framing: Any = "crop", **options: Any) -> Film:
    return read_film(raw, frames=frames, size=size, framing=framing, **options)


def numbers(found: Film) -> list[int]:
    """Which frames of `levels` these are."""
    return [round(float(frame.mean()) / 5) for frame in found.frames]


# What can be read


@pytest.mark.parametrize("name", KINDS)
def test_every_container_and_codec(name: str, tmp_path: Path) -> None:
    codec, pix_fmt, options = KINDS[name]
    path = tmp_path / f"影 片 {name}"
    write(str(path), levels(50), codec=codec, pix_fmt=pix_fmt, options=options)
    found = look(str(path))
    assert found.frames.shape == (5, 16, 16, 3) and found.frames.dtype == np.uint8
    assert np.abs(np.array(numbers(found)) - [5, 15, 25, 35, 45]).max() <= 1
    assert np.abs(np.array(found.times) - [0.2, 0.6, 1.0, 1.4, 1.8]).max() < 0.045
    data = path.read_bytes()
    for same in (path, data, bytearray(data), {"bytes": data, "path": None}, {"bytes": None, "path": str(path)}):
        assert np.array_equal(look(same).frames, found.frames)


def test_an_animated_gif_on_white() -> None:
    from PIL import Image

    clear = [Image.new("RGBA", (20, 20), (0, 0, 0, 0)) for _ in range(3)]
    for place, picture in enumerate(clear):
        picture.paste((200, 0, 0, 255), (0, 0, 4 + place, 20))
    file = io.BytesIO()
    clear[0].save(file, "GIF", save_all=True, append_images=clear[1:], duration=100, disposal=2)
    found = look(file.getvalue(), frames=3, size=20)
    assert found.frames[:, 10, 15].tolist() == [[255] * 3] * 3
    assert [int((frame[10, :, 1] < 100).sum()) for frame in found.frames] == [4, 5, 6]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_short_clip_gives_what_it_has(count: int) -> None:
    found = look(clip(count), frames=8)
    assert numbers(found) == list(range(count)) and found.times[0] == 0


def test_frames_are_chosen_by_time_and_not_by_number() -> None:
    """30 frames in the first half second, 5 in the four that follow."""
    times = [*range(0, 510, 17), 1000, 1500, 2000, 3000, 4000]
    for kind in ("mp4", "matroska"):
        found = look(clip(35, times=times, rate=60, kind=kind), frames=4)
        shown = [
            max(place for place, start in enumerate(times) if start <= wanted) for wanted in (500, 1500, 2500, 3500)
        ]
        assert np.abs(np.array(numbers(found)) - shown).max() <= 1
        assert np.abs(np.array(found.times) - [0.493, 1.5, 2.0, 3.0]).max() < 0.02


def test_a_rate_is_for_short_clips_and_frames_is_the_most() -> None:
    two_seconds = clip(50)
    assert len(look(two_seconds, frames=8, rate=2).times) == 4
    assert len(look(two_seconds, frames=8, rate=0.1).times) == 1
    long = look(two_seconds, frames=4, rate=10)
    assert long.times == look(two_seconds, frames=4).times


@pytest.mark.parametrize(
    ("name", "kind", "codec", "options"),
    [
        ("a.mp4", "mp4", "libx264", {"bf": "3", "preset": "ultrafast"}),
        ("b.mkv", "matroska", "libx264", {"bf": "2"}),
        ("c.webm", "webm", "libvpx", VPX),
        ("d.avi", "avi", "mpeg4", {}),
        ("e.ts", "mpegts", "mpeg2video", {"bf": "2"}),
        ("f.mpg", "mpeg", "mpeg2video", {"bf": "2"}),
        ("g.flv", "flv", "flv", {}),
    ],
)  # fmt: skip
def test_jumps_give_the_frames_that_reading_all_gives(
    name: str, kind: str, codec: str, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(0).integers(0, 255, (900, 3), dtype=np.uint8)
    pictures = [np.broadcast_to(colour, (32, 32, 3)).copy() for colour in draw]
    file = io.BytesIO()
    write(file, pictures, codec=codec, options=options, kind=kind, gop=25)
    jumps: list[float] = []
    jump = film._Clip._jump
    monkeypatch.setattr(film._Clip, "_jump", lambda self, target: (jumps.append(target), jump(self, target))[1])
    found = look(file.getvalue(), frames=3)
    assert bool(jumps) == (kind != "mpeg")
    monkeypatch.setattr(film, "SEEK_GAP", 1e9)
    monkeypatch.setattr(film, "BLIND_GAP", 1e9)
    known = len(jumps)
    whole = look(file.getvalue(), frames=3)
    assert len(jumps) == known
    assert whole.times == found.times and np.array_equal(whole.frames, found.frames)


QUARTERS = [(230, 20, 20), (20, 200, 30), (20, 30, 220), (128, 128, 128)]
TURNED = {  # where the quarters, row by row, end
    (0, False, False): [0, 1, 2, 3],
    (90, False, False): [1, 3, 0, 2],
    (180, False, False): [3, 2, 1, 0],
    (-90, False, False): [2, 0, 3, 1],
    (0, True, False): [1, 0, 3, 2],
    (0, False, True): [2, 3, 0, 1],
}


@pytest.mark.parametrize("framing", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("turn", TURNED)
def test_the_cameras_turn_is_applied(turn: tuple[float, bool, bool], framing: str) -> None:
    picture = np.zeros((80, 80, 3), np.uint8)
    for place, colour in enumerate(QUARTERS):
        picture[place // 2 * 40 :, place % 2 * 40 :] = colour
    file = io.BytesIO()
    write(file, [picture] * 2, turn=turn, kind="mp4", codec="mpeg4", options={"qscale": "2"})
    (frame, *_) = look(file.getvalue(), size=32, framing=framing).frames
    corners = [frame[y, x] for y in (8, 23) for x in (8, 23)]
    assert np.abs(np.array(corners, int) - np.array([QUARTERS[place] for place in TURNED[turn]])).max() < 25


def test_a_tall_clip_that_was_stored_lying_is_shown_whole() -> None:
    data = clip(2, (96, 32), turn=(90, False, False))
    assert look(data, size=48, framing="whole").frames.shape == (2, 48, 16, 3)


@pytest.mark.parametrize("framing", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(33, 17), (17, 33), (1, 1), (200, 3), (161, 121)])
def test_any_size(size: tuple[int, int], framing: str) -> None:
    file = io.BytesIO()
    write(file, levels(3, size), codec="ffv1", pix_fmt="yuv444p", kind="matroska")
    found = look(file.getvalue(), size=24, framing=framing)
    assert found.frames.shape == (3, 24, 24, 3)
    assert np.abs(found.frames[:, 11, 11].astype(int) - [[0], [5], [10]]).max() <= 2


def test_frames_look_like_pictures_of_the_same_framing() -> None:
    """Scaling while colours are converted gives nearly what decoding whole and resizing gives."""
    from PIL import Image

    from sensemble.media.picture import read_picture

    coarse = np.random.default_rng(0).integers(0, 255, (9, 16, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((480, 270), Image.Resampling.BICUBIC))
    file = io.BytesIO()
    write(file, [smooth], codec="ffv1", pix_fmt="yuv444p", kind="matroska")
    for framing in ("crop", "pad", "stretch"):
        for size in (64, 63, 300):
            frame = look(file.getvalue(), size=size, framing=framing).frames[0]
            expected = np.asarray(read_picture(smooth, size, framing))
            assert np.abs(frame.astype(int) - expected).mean() < 2.5, (framing, size)


def test_arrays() -> None:
    pixels = np.stack(levels(30))
    found = look(pixels, frames=5)
    assert numbers(found) == [3, 9, 15, 21, 27] and found.times == (3, 9, 15, 21, 27)
    assert numbers(look(pixels[:2], frames=8)) == [0, 1]
    assert np.array_equal(look(pixels[:, :, :, :1], frames=5).frames, found.frames)
    with pytest.raises(Unreadable, match="64 x 48 pixels, more than max_pixels"):
        look(pixels, max_pixels=100)


# What is broken


def readable(data: bytes) -> list[float]:
    """The times of all frames that can be decoded."""
    times: list[float] = []
    with av.open(io.BytesIO(data)) as opened, contextlib.suppress(av.FFmpegError):
        stream = opened.streams.video[0]
        for frame in opened.decode(stream):
            times.append(float((frame.pts - (stream.start_time or 0)) * stream.time_base))
    return times


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_clip_that_breaks_off_gives_the_frames_before_the_break(name: str, share: float) -> None:
    codec, pix_fmt, options = KINDS[name]
    file = io.BytesIO()
    kind = {"mkv": "matroska", "ts": "mpegts", "mpg": "mpeg"}.get(name[-3:].strip("."), name[-4:].strip("."))
    write(file, noisy(50), codec=codec, pix_fmt=pix_fmt, options=options, kind=kind)
    whole = file.getvalue()
    cut = whole[: int(share * len(whole))]
    if kind in ("mp4", "mov"):  # what stands where is told at the end
        with pytest.raises(Unreadable, match=r"video is damaged or cut off|frames"):
            look(cut)
        return
    found, known = look(cut), readable(cut)
    assert len(found.times) >= min(5, len(known) - 1)  # the last one may be half there
    assert sorted([0.0, *known])[-2] * 0.7 <= found.times[-1] <= max(known) + 0.01
    assert list(found.times) == sorted(found.times)


def test_an_index_may_name_key_frames_that_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "fast.mp4"
    write(str(path), noisy(1000, (32, 32)), codec="mpeg4", container_options={"movflags": "faststart"})
    cut = path.read_bytes()[: path.stat().st_size * 6 // 10]
    found, known = look(cut), readable(cut)
    assert 300 < len(known) < 700
    assert np.abs(np.array(found.times) - max(known) * (np.arange(5) + 0.5) / 5).max() < 0.1


def test_clips_that_say_no_length(tmp_path: Path) -> None:
    """As a browser's recorder writes them."""
    path = tmp_path / "live.webm"
    write(str(path), levels(50), codec="libvpx", options=VPX, container_options={"live": "1"})
    with av.open(str(path)) as opened:
        opened_length = opened.duration
    assert opened_length is None
    assert np.abs(np.array(numbers(look(path))) - [5, 15, 25, 35, 45]).max() <= 1


PLAYLISTS = {
    "playlist.mp4": b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "concat.mp4": b"ffconcat version 1.0\nfile 'other.mp4'\n",
    "dash.mp4": b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'></MPD>",
    "session.mp4": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
}


def test_what_is_no_video_has_a_plain_reason(tmp_path: Path) -> None:
    for name, content, reason in [
        ("empty.mp4", b"", "^file is empty$"),
        ("text.mp4", "这不是视频".encode(), r"^not a video \(text file\?\)$"),
        *[(name, content, r"^not a video \(text file\?\)$") for name, content in PLAYLISTS.items()],
        ("picture.mp4", b"\xff\xd8\xff\xe0\0\x10JFIF\0", r"^not a video \(read are MP4"),
        ("sound.mp4", b"RIFF\x24\0\0\0WAVEfmt \0\0\0", "^not a video"),
        ("head.mp4", b"\0\0\0\x18ftypisom\0\0\0\0", r"^video is damaged or cut off \(.{5,100}\)$"),
        ("head.mkv", b"\x1a\x45\xdf\xa3\0", r"^video is damaged or cut off \("),
        ("none.mp4", no_frames(), "^video has no frames$"),
        ("sound.m4a", sound_alone(), "^file has sound but no video$"),
    ]:
        (tmp_path / name).write_bytes(content)
        for raw in (tmp_path / name, str(tmp_path / name), content):
            with pytest.raises(Unreadable, match=reason):
                look(raw)
    for raw, reason in [
        (tmp_path / "nowhere.mp4", "file does not exist"),
        (tmp_path, "is a folder"),
        ("https://example.org/a.mp4", "web address"),
        ("concat:a.mp4|b.mp4", "file does not exist"),
        ("/dev/zero", "not a plain file"),
        (None, "NoneType"),
        ({}, "NoneType"),
        ([1, 2], "list"),
        (np.zeros((4, 4, 3), np.uint8), "needs uint8, frames x height"),
        (np.zeros((4, 4, 4, 3)), "float64"),
        (np.zeros((0, 4, 4, 3), np.uint8), "video has no frames"),
    ]:
        with pytest.raises(Unreadable, match=reason):
            look(raw)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(Unreadable, match="not a plain file"):
        look(tmp_path / "pipe.mp4")


def test_a_container_opens_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if a playlist passed for a known container, what it names would stay closed."""
    (tmp_path / "a.ts").write_bytes(clip(5, kind="mpegts"))
    lines = f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{tmp_path}/a.ts\n#EXT-X-ENDLIST\n"
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(lines)
    with av.open(str(playlist)) as opened:  # the playlist is good
        assert len(list(opened.decode(video=0))) == 5
    monkeypatch.setattr(container, "_kind", lambda head: "hls")
    with pytest.raises(Unreadable):
        look(playlist)


def test_a_codec_that_is_not_listed_is_not_decoded() -> None:
    with pytest.raises(Unreadable, match="huffyuv"):
        look(clip(3, codec="huffyuv", pix_fmt="yuv422p", kind="avi"))


def test_a_cover_is_no_video() -> None:
    """Music files carry a picture as a stream of one frame."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        sound = out.add_stream("aac", rate=8000, layout="mono")
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        out.mux(cover.encode(av.VideoFrame.from_ndarray(grey(9, (32, 32)), format="rgb24")))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.rate, frame.pts = 8000, 0
        out.mux(sound.encode(frame))
        out.mux(sound.encode())
    with av.open(io.BytesIO(file.getvalue())) as opened:
        assert opened.streams.video[0].disposition & av.stream.Disposition.attached_pic
    with pytest.raises(Unreadable, match="sound but no video"):
        look(file.getvalue())


def test_damaged_bytes_are_read_or_named() -> None:
    draw = np.random.default_rng(0)
    for name in ("h264.mp4", "vp8.webm", "mjpeg.avi", "h264.ts"):
        codec, pix_fmt, options = KINDS[name]
        kind = {"ts": "mpegts"}.get(name[-3:].strip("."), name[-4:].strip("."))
        whole = clip(12, (32, 32), codec=codec, pix_fmt=pix_fmt, options=options, kind=kind)
        for _ in range(25):
            data = bytearray(whole)
            for place in draw.integers(0, len(data), 12):
                data[place] = draw.integers(256)
            try:
                assert look(bytes(data), frames=4, max_pixels=10**6, max_seconds=1e6).frames.shape[1:] == (16, 16, 3)
            except Unreadable as error:
                assert 0 < len(str(error)) < 200


# Limits


told = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="this system does not tell a process's peak memory"
)
PEAK = """
import sys
from pathlib import Path
from sensemble.media.film import read_film
from sensemble.errors import Unreadable
import av
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
before = peak()
try:
    print(read_film(sys.argv[1], frames=8, size=32, framing="crop").frames.shape)
except Unreadable as error:
    print(error)
print(peak() - before)
"""


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = clip(50)
    assert len(look(data, max_pixels=64 * 48, max_seconds=2.01).times) == 5
    with pytest.raises(Unreadable, match="frames of 64 x 48 pixels, more than max_pixels allows"):
        look(data, max_pixels=64 * 48 - 1)
    with pytest.raises(Unreadable, match="video lasts 2 s, more than max_seconds allows"):
        look(data, max_seconds=1.9)
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    monkeypatch.setattr(source, "MAX_BYTES", 100)
    with pytest.raises(Unreadable, match="file is larger"):
        look(data)
    assert len(look(path).times) == 5  # a file is read piece by piece and may be large
    monkeypatch.setattr(container, "MAX_FILE", 100)
    with pytest.raises(Unreadable, match="file is larger"):
        look(path)


@told
def test_frames_that_only_claim_to_be_huge(tmp_path: Path) -> None:
    """60,000 x 60,000 pixels in the headers of a small file: refused, and no room made for them."""
    data = clip(3, codec="mjpeg", pix_fmt="yuvj420p", kind="avi")
    size = b"\xff\xc0\x00\x11\x08" + (48).to_bytes(2, "big") + (64).to_bytes(2, "big")
    assert data.count(size) == 3
    for sides in (b"\xea\x60\xea\x60", b"\x27\x10\x27\x10"):
        path = tmp_path / "huge.avi"
        path.write_bytes(data.replace(size, size[:5] + sides))
        done = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
        answer, grown = done.stdout.splitlines()
        assert answer == "none of the video's frames can be decoded"
        assert float(grown) < 60


def test_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = clip(100, gop=1000)
    monkeypatch.setattr(film, "MOST_DECODED", 64 * 48 * 80)
    with pytest.raises(Unreadable, match="too few key frames"):
        look(data)


def test_three_hours_are_read_in_a_moment(tmp_path: Path) -> None:
    few = clip(3, times=[0, 1000, 3 * 3_600_000 - 1000])
    started = time.perf_counter()
    assert numbers(look(few, frames=4)) == [1]
    # and three hours that are really there, a frame a second
    many = tmp_path / "day.mp4"
    write(str(many), levels(100, (32, 32)) * 108, codec="mpeg4", times=range(0, 108 * 100 * 1000, 1000), gop=50)
    written = time.perf_counter()
    found = look(many, frames=8)
    assert time.perf_counter() - written < 1 and written - started < 20
    assert found.times == (674, 2024, 3374, 4724, 6074, 7424, 8774, 10124)  # the last frame is short
    assert numbers(found) == [24] * 8


@told
def test_memory_is_bounded(tmp_path: Path) -> None:
    """Neither a large file nor large frames are held whole: 300 MB of padding, and 60 frames of 720p."""
    large = tmp_path / "large.mp4"
    frames = [np.full((720, 1280, 3), level, np.uint8) for level in range(60)]
    write(str(large), frames, codec="mpeg4")
    with large.open("ab") as file:
        file.write((2**31 - 8).to_bytes(4, "big") + b"free")
        file.truncate(large.stat().st_size + 300 * 2**20)
    done = subprocess.run([sys.executable, "-c", PEAK, str(large)], capture_output=True, text=True, check=True)
    answer, grown = done.stdout.splitlines()
    assert answer == "(8, 32, 32, 3)"
    assert float(grown) < 60


def test_without_pyav_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data = clip(2)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ConfigError, match=r"pip install 'sensemble\[video\]'"):
        look(data)
    assert len(look(np.stack(levels(3))).times) == 3  # arrays need it not
