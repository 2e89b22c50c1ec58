"""How fast media are decoded and encoded: ours against the bare libraries, same output, in turns.

    python benchmarks/throughput.py

Pictures against Pillow with `draft`, sounds against soundfile and soxr, clips against a plain PyAV loop that keeps the
same frames. Everything is generated: JPEGs of 640 x 480, Ogg sounds of 10 s at 44.1 kHz, MP4 clips of 5 s at 320 x 240.
The ratio is the bare loop's time over ours: 1 means that limits, checks and framing are free. Needs no download.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow

from sensemble.encoders.base import create
from sensemble.media.film import read_film
from sensemble.media.picture import read_picture
from sensemble.modalities.base import MODALITIES

try:
    from sensemble.media.sound import read_sound
except ImportError:
    read_sound = None  # type: ignore[assignment]

SIZE, RATE, FRAMES = 64, 16_000, 8


@dataclass(frozen=True)
class Row:
    """One line of the table: values as files' bytes, our reader, the bare one, and what a value counts for."""

    name: str
    unit: str
    raws: Sequence[bytes]
    ours: Callable[[bytes], Any]
    bare: Callable[[bytes], Any]
    counts: float


def smooth(height: int, width: int, seed: int, grain: int = 6) -> np.ndarray[Any, Any]:
    """Something like a photo: large forms, small forms, and a camera's noise."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 255, (height // 40 + 1, width // 40 + 1, 3), dtype=np.uint8)
    fine = random.integers(0, 60, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    layers = [
        np.asarray(Pillow.fromarray(each).resize((width, height), Pillow.Resampling.BICUBIC), dtype=float)
        for each in (coarse, fine)
    ]
    return np.clip(0.8 * layers[0] + layers[1] + random.normal(0, grain, layers[0].shape), 0, 255).astype(np.uint8)


def pictures(count: int) -> list[bytes]:
    made = []
    for seed in range(count):
        file = io.BytesIO()
        Pillow.fromarray(smooth(480, 640, seed)).save(file, "JPEG", quality=90)
        made.append(file.getvalue())
    return made


def bare_picture(data: bytes) -> np.ndarray[Any, Any]:
    image = Pillow.open(io.BytesIO(data))
    width, height = image.size
    side = min(width, height)
    least = (-(-SIZE * width // side), -(-SIZE * height // side))
    box = image.draft("RGB", least)[1]  # type: ignore[index]
    width, height = box[2:]
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    whole = (left, top, left + side, top + side)
    return np.asarray(image.resize((SIZE, SIZE), Pillow.Resampling.BILINEAR, whole, reducing_gap=2.0))


def sounds(count: int) -> list[bytes]:
    import soundfile

    made = []
    for seed in range(count):
        random = np.random.default_rng(seed)
        times = np.arange(441_000) / 44_100
        tones = sum(np.sin(2 * np.pi * pitch * times) for pitch in random.uniform(100, 4000, 5))
        samples = 0.1 * tones + random.normal(0, 0.02, len(times))
        file = io.BytesIO()
        soundfile.write(file, samples.clip(-1, 1), 44_100, format="OGG", subtype="VORBIS")
        made.append(file.getvalue())
    return made


def bare_sound(data: bytes) -> np.ndarray[Any, Any]:
    import soundfile
    import soxr

    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(1)
    resampled: np.ndarray[Any, Any] = soxr.resample(mono, rate, RATE)
    return resampled


def clips(count: int) -> list[bytes]:
    import av

    made = []
    for seed in range(count):
        scene = smooth(240, 320 + 300, seed, grain=2)
        file = io.BytesIO()
        with av.open(file, "w", format="mp4") as out:
            stream = out.add_stream("libx264", rate=30, options={"preset": "veryfast"})
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
            for place in range(150):
                picture = np.ascontiguousarray(scene[:, 2 * place : 2 * place + 320])
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            out.mux(stream.encode())
        made.append(file.getvalue())
    return made


def bare_clip(data: bytes) -> np.ndarray[Any, Any]:
    """The same frames by number, from a loop that knows rate and length beforehand."""
    import av

    wanted = {int((place + 0.5) * 150 / FRAMES) for place in range(FRAMES)}
    frames = []
    with av.open(io.BytesIO(data)) as opened:
        stream = opened.streams.video[0]
        stream.codec_context.thread_count = 1  # as ours, which decodes clips side by side
        for place, frame in enumerate(opened.decode(stream)):
            if place in wanted:
                whole = frame.reformat(86, SIZE, "rgb24", threads=1).to_ndarray()
                frames.append(whole[:, (86 - SIZE) // 2 : (86 + SIZE) // 2])
            if place >= max(wanted):
                break
    return np.stack(frames)


def compare(row: Row, repeats: int) -> tuple[float, list[float]]:
    """Units a second of ours, and the ratios bare over ours; each repeat reads every value by both, in turns."""
    ratios, rates = [], []
    for each in (row.ours, row.bare):  # warm up
        each(row.raws[0])
    for _ in range(repeats):
        spent = [0.0, 0.0]
        for raw in row.raws:
            for place, read in enumerate((row.ours, row.bare)):
                started = time.process_time()
                read(raw)
                spent[place] += time.process_time() - started
        ratios.append(spent[1] / spent[0])
        rates.append(len(row.raws) * row.counts / spent[0])
    return statistics.median(rates), ratios


def encoded(kind: str, raws: Sequence[bytes], repeats: int) -> float:
    """Rows a second through a modality's default encoder, untrained, 16 at a time, forward alone."""
    modality = MODALITIES.create(kind).fit(raws)
    encoder = create(kind, modality, {}, where="").eval()
    values = [modality.load(raw) for raw in raws]
    tokens = modality.collate([values[place % len(values)] for place in range(16)])
    rates = []
    with torch.inference_mode():
        for _ in range(repeats + 1):
            started = time.process_time()
            encoder(modality.prepare(tokens, training=False))
            rates.append(16 / (time.process_time() - started))
    return statistics.median(rates[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=12, help="of each kind")
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [
        Row(
            *("image", "pictures/s", pictures(4 * options.files)),
            lambda raw: np.asarray(read_picture(raw, SIZE, "crop")),
            bare_picture,
            1,
        ),
        Row(
            *("video", "frames/s", clips(options.files)),
            lambda raw: read_film(raw, frames=FRAMES, size=SIZE, framing="crop").frames,
            bare_clip,
            150 * (FRAMES - 0.5) / FRAMES,  # those that must be decoded
        ),
    ]
    if read_sound is None:
        print("audio: not measured, as this version has no sensemble.media.sound")
    else:
        rows.insert(
            1, Row("audio", "seconds/s", sounds(options.files), lambda raw: read_sound(raw, RATE), bare_sound, 10)
        )
    print(f"{'':6} {'decoded by ours':>24} {'bare / ours':>12} {'(lowest to highest)':>20} {'default encoder':>16}")
    for row in rows:
        one, other = (np.asarray(read(row.raws[0]), dtype=float) for read in (row.ours, row.bare))
        assert one.shape == other.shape, f"{row.name}: {one.shape} and {other.shape}"
        close = np.abs(one - other).mean() / (np.abs(other).mean() + 1e-9)
        assert close < 0.02, f"{row.name}: the outputs differ by {close:.1%}"
        rate, ratios = compare(row, options.repeats)
        spread = f"({min(ratios):.3f} to {max(ratios):.3f})"
        middle, speed = statistics.median(ratios), encoded(row.name, row.raws, options.repeats)
        print(f"{row.name:6} {rate:13,.0f} {row.unit:>10} {middle:12.3f} {spread:>20} {speed:9,.0f} rows/s")


if __name__ == "__main__":
    main()
