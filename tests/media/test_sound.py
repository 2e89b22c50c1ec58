"""Sounds: every format, rate and number of channels comes out right, and every broken file has a reason."""

from __future__ import annotations

import io
import os
import struct
import sys
import time
import tracemalloc
import wave as wave_files
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from made_media import sound_bytes as encoded
from made_media import tone
from sensemble.errors import ConfigError, Unreadable
from sensemble.media import source
from sensemble.media.sound import duration, read_sound, windows
from sensemble.media.sound_file import MAX_CHANNELS, open_sound

av = pytest.importorskip("av")
soundfile = pytest.importorskip("soundfile")

RATE = 16_000
EXACT = [
    ("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAV", "FLOAT"), ("WAV", "DOUBLE"),
    ("WAVEX", "PCM_16"), ("RF64", "PCM_16"), ("AIFF", "PCM_16"), ("AU", "PCM_16"), ("FLAC", "PCM_16"),
]  # fmt: skip
LOSSY = [("WAV", "ULAW"), ("WAV", "IMA_ADPCM"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]
TRACKS: dict[str, tuple[str, str, str]] = {
    "m4a": ("ipod", "aac", ""),
    "aac": ("adts", "aac", ""),
    "alac": ("ipod", "alac", ""),
    "mka": ("matroska", "libopus", ""),
    "mp4": ("mp4", "aac", "mpeg4"),
    "mov": ("mov", "aac", "mpeg4"),
    "mkv": ("matroska", "aac", "mpeg4"),
    "webm": ("webm", "libopus", "libvpx"),
    "avi": ("avi", "libmp3lame", "mpeg4"),
    "mute": ("mp4", "", "mpeg4"),
}


def track(name: str, samples: np.ndarray, rate: int = 48_000) -> bytes:
    """A sound, `(n,)`, as both channels of a container's sound track, with a video where the container has one."""
    kind, codec, pictures = TRACKS[name]
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        video = container.add_stream(pictures, rate=10) if pictures else None
        sound = container.add_stream(codec, rate=rate, layout="stereo") if codec else None
        if video:
            video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
            for number in range(int(10 * len(samples) / rate)):
                frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), number, np.uint8), format="rgb24")
                frame.pts = number
                container.mux(video.encode(frame))
            container.mux(video.encode())
        if sound:
            form = sound.format.name
            resampler = av.AudioResampler(format=form, layout="stereo", rate=rate)
            size = sound.codec_context.frame_size or 1024
            for start in range(0, len(samples), size):
                part = np.ascontiguousarray(np.repeat(samples[None, start : start + size], 2, 0))
                frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
                frame.sample_rate, frame.pts = rate, start
                for ready in resampler.resample(frame):
                    container.mux(sound.encode(ready))
            container.mux(sound.encode())
    return file.getvalue()


def reason(raw: Any, **options: Any) -> str:
    with pytest.raises(Unreadable) as caught:
        read_sound(raw, RATE, **options)
    assert 0 < len(str(caught.value)) < 200 and "\n" not in str(caught.value)
    return str(caught.value)


def likeness(found: np.ndarray, hertz: float = 440.0, rate: int = RATE) -> float:
    """Share of the energy that a tone of that pitch explains."""
    angles = 2 * np.pi * hertz * np.arange(len(found)) / rate
    parts = [float(np.dot(found, wave) ** 2 / np.dot(wave, wave)) for wave in (np.sin(angles), np.cos(angles))]
    return sum(parts) / float(np.dot(found, found))


# What can be read


@pytest.mark.parametrize(("kind", "subtype"), [*EXACT, *LOSSY], ids=lambda each: str(each).lower())
def test_every_format_from_a_file_and_from_bytes(kind: str, subtype: str, tmp_path: Path) -> None:
    data = encoded(tone(), kind=kind, subtype=subtype)
    path = tmp_path / "声 音.raw"  # the content says what it is, not the name
    path.write_bytes(data)
    found = read_sound(str(path), RATE)
    assert found.dtype == np.float32 and found.ndim == 1
    if (kind, subtype) in EXACT:
        assert len(found) == RATE
        assert np.abs(found - tone()).max() < (0.01 if subtype == "PCM_U8" else 1e-4)
    assert abs(len(found) / RATE - 1) < 0.02 and likeness(found) > 0.98
    for same in (path, data, bytearray(data), {"bytes": data, "path": None}, {"bytes": None, "path": str(path)}):
        assert np.array_equal(read_sound(same, RATE), found)


@pytest.mark.parametrize("name", [name for name in TRACKS if name != "mute"])
def test_the_sound_of_containers_and_videos(name: str, tmp_path: Path) -> None:
    data = track(name, tone(rate=48_000))
    path = tmp_path / f"clip.{name}"
    path.write_bytes(data)
    found = read_sound(path, RATE)
    assert abs(len(found) / RATE - 1) < 0.08
    assert likeness(found[2000:14_000]) > 0.97 and 0.4 < np.abs(found).max() < 0.6
    assert np.array_equal(read_sound(data, RATE), found)
    if name in ("m4a", "alac", "mp4", "mov"):
        assert len(found) == RATE and duration(data) == 1.0  # what fills the last packet is not heard


def test_channels_are_averaged() -> None:
    for channels in (1, 2, 6, MAX_CHANNELS):
        many = np.stack([tone(loud=0.01 * (place + 1)) for place in range(channels)], 1)
        found = read_sound(encoded(many, subtype="FLOAT"), RATE)
        assert np.allclose(found, tone(loud=0.01 * (channels + 1) / 2), atol=1e-5)
    assert "channels" in reason(encoded(np.zeros((10, MAX_CHANNELS + 1)), subtype="FLOAT"))


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_any_rate_becomes_the_wanted_one(rate: int) -> None:
    found = read_sound(encoded(tone(rate=rate), rate), RATE)
    assert abs(len(found) - RATE) <= 1
    assert np.abs(found[1000:15_000] - tone()[1000:15_000]).max() < 0.01
    assert abs(len(read_sound(encoded(tone(), RATE), rate)) - rate) <= 1


def test_what_is_too_high_for_the_new_rate_is_gone() -> None:
    found = read_sound(encoded(tone(rate=44_100, hertz=10_000), 44_100), RATE)
    assert np.abs(found[1000:15_000]).max() < 1e-3


@pytest.mark.parametrize(
    ("dtype", "scale", "middle"),
    [("int16", 2**15, 0), ("int32", 2**31, 0), ("uint8", 2**7, 2**7), ("float32", 1, 0), ("float64", 1, 0)],
)
def test_arrays_of_every_type(dtype: str, scale: int, middle: int) -> None:
    array = (tone().astype(np.float64) * scale + middle).astype(dtype)
    found = read_sound({"array": array, "path": "gone.wav", "sampling_rate": RATE}, RATE)
    assert np.abs(found - tone()).max() < 2 / min(scale, 2**15) if scale > 1 else np.array_equal(found, tone())


def test_arrays_with_channels_lists_and_tensors() -> None:
    expected = tone(0.1)
    both = np.stack([expected, np.zeros_like(expected)])
    for array in (both, both.T, both.tolist(), torch.from_numpy(both)):
        assert np.allclose(read_sound({"array": array, "sampling_rate": RATE}, RATE), expected / 2)
    assert len(read_sound({"array": expected, "sampling_rate": 8_000.0}, RATE)) == 3200


# A part, and parts


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_a_part_is_what_stands_there(kind: str) -> None:
    ramp = np.linspace(-0.9, 0.9, 3 * RATE).astype(np.float32)
    data = encoded(ramp, kind=kind)
    whole = read_sound(data, RATE)
    assert np.array_equal(read_sound(data, RATE, start=1.5, seconds=0.25), whole[24_000:28_000])
    assert np.array_equal(read_sound(data, RATE, start=2.9, seconds=9), whole[46_400:])
    assert np.array_equal(read_sound(data, RATE, seconds=1e-9), whole[:1])
    assert reason(data, start=5) == "ends before 5 s"


@pytest.mark.parametrize("name", ["m4a", "mp4", "webm", "avi"])
def test_a_part_of_a_track_starts_where_it_should(name: str) -> None:
    steps = np.concatenate([tone(1, 48_000, hertz) for hertz in (300, 600, 1200)])
    data = track(name, steps)
    found = read_sound(data, RATE, start=1.1, seconds=0.8)
    assert len(found) == 12_800 and likeness(found, 600) > 0.95
    assert likeness(read_sound(data, RATE, start=2.1, seconds=0.7), 1200) > 0.95


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_windows_are_the_whole_in_pieces(rate: int) -> None:
    noise = np.random.default_rng(0).normal(size=7 * rate + 123).astype(np.float32) * 0.1
    data = encoded(noise, rate, "FLAC")
    parts = list(windows(data, RATE, 0.5))
    assert {len(part) for part in parts[:-1]} == {8000} and 0 < len(parts[-1]) <= 8000
    assert np.array_equal(np.concatenate(parts), read_sound(data, RATE))
    assert len(next(iter(windows(data, RATE, 2.0, start=6.0)))) == pytest.approx(RATE, abs=130)


def sparse(path: Path, seconds: int, rate: int = 44_100) -> Path:
    """A silent stereo WAV file of which the disk holds the header alone."""
    with wave_files.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"")
    size = seconds * rate * 4
    head = bytearray(path.read_bytes())
    head[4:8], head[40:44] = struct.pack("<I", size + 36), struct.pack("<I", size)
    path.write_bytes(head)
    os.truncate(path, len(head) + size)
    return path


def test_three_hours_of_silence_cost_no_memory_and_no_time(tmp_path: Path) -> None:
    flac = tmp_path / "long.flac"
    with soundfile.SoundFile(flac, "w", 8_000, 1, "PCM_16") as file:
        for _ in range(108):
            file.write(np.zeros(800_000, np.int16))
    wav = sparse(tmp_path / "long.wav", 3 * 3600)
    tracemalloc.start()
    started = time.perf_counter()
    for path in (flac, wav):
        assert duration(path) == 10_800
        for start in (0, 5_000):
            found = read_sound(path, RATE, start=start, seconds=30)
            assert len(found) == 30 * RATE and not found.any()
        assert reason(path) == "is longer than 600 s (10,800 or more)"
    assert sum(len(part) for part in windows(flac, 8_000, 60)) == 10_800 * 8_000
    seconds, peak = time.perf_counter() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 10 and peak < 50e6, (seconds, peak)


def test_a_header_that_hides_the_length_does_not_lift_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(encoded(tone(3)))
    data[40:44] = b"\xff\xff\xff\xff"  # as programs write that do not know it yet
    assert len(read_sound(bytes(data), RATE)) == 3 * RATE
    assert duration(bytes(data)) is None
    assert reason(bytes(data), max_seconds=2).startswith("is longer than 2 s")
    assert len(read_sound(bytes(data), RATE, max_seconds=3)) == 3 * RATE


# What cannot be read


def test_what_is_no_sound(tmp_path: Path) -> None:
    text, empty = tmp_path / "text.wav", tmp_path / "empty.wav"
    text.write_text("This is no sound.\n" * 99)
    empty.touch()
    (tmp_path / "list.mp3").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\nhttp://127.0.0.1:9/a.ts\n")
    assert reason(text) == "not a sound (text file?)"
    assert reason(tmp_path / "list.mp3") == "not a sound (text file?)"
    assert reason(empty) == reason(b"") == "file is empty"
    assert reason(tmp_path / "none.wav") == "file does not exist"
    assert reason(tmp_path) == "is a folder"
    assert reason("/dev/zero") == "not a plain file"
    assert "web address" in reason("https://example.org/a.wav")
    assert "file cannot be opened" in reason("a\0b.wav")
    assert reason(bytes(range(256)) * 9).startswith("not a sound (read are WAV")
    assert reason(None) == "not a sound but NoneType"
    assert reason({"path": None, "bytes": None}) == "not a sound but NoneType"
    assert "sampling_rate" in reason(tone())
    for mapping in ({"array": tone()}, {"array": tone(), "sampling_rate": "fast"}):
        assert "sampling_rate" in reason(mapping)


@pytest.mark.parametrize(
    ("array", "rate", "message"),
    [
        ([], RATE, "has no samples"),
        (np.zeros((0, 2)), RATE, "has no samples"),
        (np.zeros((5, 0)), RATE, "has no samples"),
        (["a"], RATE, "needs numbers"),
        ([1, 2, 3], RATE, "full scale is not known"),
        ([[0.0], [0.0, 1.0]], RATE, "needs an array"),
        (np.zeros((2, 2, 2)), RATE, "3 axes"),
        (np.zeros((99, 99)), RATE, "99 channels"),
        ([0.0, np.nan], RATE, "not finite"),
        ([0.0, np.inf], RATE, "not finite"),
        ([0.0, 1e300], RATE, "not finite"),
        ([0.0, 1e9], RATE, "far beyond full scale"),
        ([0.0], 7, "sample rate of 7 Hz"),
        ([0.0], 10**9, "sample rate"),
        ([0.0], None, "sampling_rate"),
    ],
)
def test_arrays_that_are_no_sound(array: Any, rate: Any, message: str) -> None:
    assert message in reason({"array": array, "sampling_rate": rate})


def test_files_whose_samples_are_no_sound() -> None:
    assert reason(encoded(np.array([0.1, np.nan]), subtype="FLOAT")) == (
        "holds samples that are not finite (NaN or infinity)"
    )
    assert "far beyond" in reason(encoded(np.array([1e12]), subtype="DOUBLE"))
    assert reason(encoded(np.zeros(0))) == "has no samples"
    header = bytearray(encoded(tone(0.1)))
    header[22:24] = b"\0\0"
    assert reason(bytes(header)) == "has no channels"
    slow = bytearray(encoded(tone(0.1)))
    slow[24:28] = struct.pack("<I", 10)
    assert "sample rate of 10 Hz" in reason(bytes(slow))


def test_a_video_without_sound() -> None:
    assert reason(track("mute", tone(rate=48_000))) == "has no sound track"


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.95])
def test_a_cut_file_is_named(kept: float) -> None:
    noise = (np.random.default_rng(0).normal(size=10 * RATE) * 0.1).astype(np.float32)
    for kind in ("WAV", "AIFF", "FLAC", "MP3"):
        data = encoded(noise, kind=kind, subtype="MPEG_LAYER_III" if kind == "MP3" else "PCM_16")
        assert "cut off" in reason(data[: int(kept * len(data))]), kind
        part = read_sound(data[: int(kept * len(data))], RATE, seconds=0.5) if kind in ("WAV", "AIFF", "MP3") else None
        assert part is None or len(part) == RATE // 2, "what is there may be read"
    clip = track("m4a", np.repeat(noise, 3))
    assert "cut off" in reason(clip[: int(kept * len(clip))])
    wav = encoded(noise)
    assert reason(wav[: int(kept * len(wav))]) == f"sound is cut off: it ends after {10 * kept:.1f} of 10.0 s"
    assert reason(wav[:40]).endswith("cut off")


def test_a_few_missing_bytes_and_a_header_without_a_promise_are_read() -> None:
    data = encoded(tone(10))
    assert len(read_sound(data[:-200], RATE)) == 10 * RATE - 100
    au = encoded(tone(10), kind="AU")
    assert len(read_sound(au[: len(au) // 2], RATE)) == pytest.approx(5 * RATE, abs=20)


def test_one_sample_is_a_sound() -> None:
    for rate in (8_000, RATE, 44_100, 192_000):
        for found in (
            read_sound(encoded(np.full(1, 0.5), rate), RATE),
            read_sound({"array": [0.5], "sampling_rate": rate}, RATE),
        ):
            assert 1 <= len(found) <= 2 and np.isfinite(found).all() and abs(found[0]) <= 0.6


def test_large_bytes_are_refused_but_large_files_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(tone())
    (tmp_path / "a.wav").write_bytes(data)
    monkeypatch.setattr(source, "MAX_BYTES", len(data) - 1)
    assert "file is larger than" in reason(data)
    assert len(read_sound(tmp_path / "a.wav", RATE)) == RATE


@pytest.mark.parametrize(
    ("name", "data", "rate", "extra"),
    [
        ("soundfile", encoded(tone(0.1)), RATE, "audio"),
        ("soxr", encoded(tone(0.1)), 8_000, "audio"),
        ("av", track("m4a", tone(0.5, 48_000)), RATE, "video"),
    ],
)
def test_a_missing_package_names_its_command(
    name: str, data: bytes, rate: int, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=rf"'{name}'; install it: pip install 'sensemble\[{extra}\]'"):
        read_sound(data, rate)


def test_without_av_a_broken_wav_is_still_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(encoded(tone(0.1)))
    data[12:16] = b"junk"
    monkeypatch.setitem(sys.modules, "av", None)
    assert "cut off" in reason(bytes(data))


@settings(deadline=None, max_examples=120, derandomize=True, database=None)
@given(st.sampled_from(range(6)), st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=6))
def test_damaged_bytes_are_read_or_named(which: int, changes: list[tuple[int, int]]) -> None:
    data = bytearray(SMALL[which])
    for place, value in changes:
        data[place % len(data)] = value
    try:
        found = read_sound(bytes(data), RATE, max_seconds=60)
        assert len(found) and np.isfinite(found).all()
    except Unreadable as error:
        assert 0 < len(str(error)) < 200


SMALL = [
    encoded(tone(0.2)),
    encoded(tone(0.2), kind="FLAC"),
    encoded(tone(0.2), kind="OGG", subtype="VORBIS"),
    encoded(tone(0.2), kind="AIFF"),
    track("m4a", tone(0.3, 48_000)),
    track("mkv", tone(0.3, 48_000)),
]


def test_threads_agree(tmp_path: Path) -> None:
    raws: list[Any] = list(SMALL)
    for number, data in enumerate(SMALL):
        (tmp_path / str(number)).write_bytes(data)
        raws.append(tmp_path / str(number))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda raw: read_sound(raw, RATE), raws * 4))
    for result, raw in zip(found, raws * 4, strict=True):
        assert np.array_equal(result, read_sound(raw, RATE))


def test_files_are_closed(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(encoded(tone(0.1)))
    with open_sound(tmp_path / "a.wav") as sound:
        assert (sound.rate, sound.frames) == (RATE, 1600)
    handles = Path("/proc/self/fd")
    before = len(list(handles.iterdir())) if handles.exists() else 0
    for _ in range(20):
        read_sound(tmp_path / "a.wav", RATE, seconds=0.01)
        assert len(next(windows(tmp_path / "a.wav", RATE, 0.01))) == 160
    assert (len(list(handles.iterdir())) if handles.exists() else 0) == before


# Its digest


def test_arrays_are_told_apart_by_samples_and_rate() -> None:
    one = {"array": tone(0.1), "sampling_rate": RATE, "path": "a.wav"}
    known = source.digest(one, is_file=True)
    assert known is not None and known == source.digest({**one, "path": "b.wav"}, is_file=True)
    for other in ({**one, "sampling_rate": 8_000}, {**one, "array": tone(0.2)}):
        assert source.digest(other, is_file=True) not in (None, known)
    assert source.digest({**one, "array": [[1.0], [1.0, 2.0]]}, is_file=True) is None
