"""Ways to make values worse, by how much: what a robustness curve is drawn over.

Each takes a value, an amount in a unit that a person understands, and a source of chance. The same chance at another
amount changes the same places, more or fewer of them, so that a curve does not jump for want of luck. Modalities say
which of them suit their values, and open a value for them.

Legend: n samples, H height, W width.
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageFilter

Random = np.random.Generator
LOUD, QUIET = 40.0, 60.0
"""Decibels of signal over noise at a level of next to nothing, and how many fewer there are at level 1."""
MOST_STDS = 4.0
"""Standard deviations of the noise on numbers at level 1."""
HAN = range(0x4E00, 0x9FA6)
REACH = 25
"""A letter is replaced by one so near to it in Unicode: any other of a to z, and of its own script."""
_WORDS = re.compile(r"\s*(?:[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+)")


@dataclass(frozen=True)
class Corruption:
    """One way to make values of a kind worse.

    Args:
        unit: what an amount counts.
        amount: the amount at a level, from above 0 (next to nothing) to 1 (all but destroyed).
        change: makes another raw value of an opened one, by an amount and by chance.
    """

    unit: str
    amount: Callable[[float], float]
    change: Callable[[Any, float, Random], Any]


# Pictures.


def pictures(side: int) -> dict[str, Corruption]:
    """Corruptions of square pictures of a side, in pixels.

    - `blur`: Gaussian, its deviation `side / 2 * level ** 2` pixels.
    - `salt_and_pepper`: a share `level` of the pixels becomes black or white.
    - `jpeg`: written as JPEG of the quality `100 ** (1 - level)`, and read again.
    """
    return {
        "blur": Corruption("px deviation", lambda level: side / 2 * level**2, blur),
        "salt_and_pepper": Corruption("share of pixels", lambda level: level, salt_and_pepper),
        "jpeg": Corruption("JPEG quality", lambda level: max(1.0, round(100 ** (1 - level))), jpeg),
    }


def clips(side: int) -> dict[str, Corruption]:
    """The corruptions of pictures, on each frame of `(T, H, W, 3)` bytes, with chance of its own."""
    return {name: Corruption(each.unit, each.amount, _framewise(each.change)) for name, each in pictures(side).items()}


def blur(picture: Pillow.Image, deviation: float, random: Random) -> Pillow.Image:
    """Gaussian blur, of a deviation in pixels."""
    return picture.filter(ImageFilter.GaussianBlur(deviation))


def salt_and_pepper(picture: Pillow.Image, share: float, random: Random) -> Pillow.Image:
    """A share of the pixels black or white, each as likely."""
    values = np.array(picture)
    hit = random.random(values.shape[:2]) < share  # (H, W)
    values[hit] = np.where(random.random(values.shape[:2]) < 0.5, 0, 255).astype(np.uint8)[hit, None]
    return Pillow.fromarray(values)


def jpeg(picture: Pillow.Image, quality: float, random: Random) -> Pillow.Image:
    """What JPEG of a quality from 1 to 100 leaves."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=int(quality))
    return Pillow.open(file).convert("RGB")


def _framewise(change: Callable[[Any, float, Random], Pillow.Image]) -> Callable[[Any, float, Random], Any]:
    def every(frames: NDArray[np.uint8], amount: float, random: Random) -> NDArray[np.uint8]:
        return np.stack([np.asarray(change(Pillow.fromarray(each), amount, random)) for each in frames])

    return every


# Sounds.


def sounds() -> dict[str, Corruption]:
    """`noise`: white noise under the sound, the signal `40 - 60 * level` decibels above it, by their mean power."""
    return {"noise": Corruption("dB signal to noise", lambda level: LOUD - QUIET * level, white_noise)}


def white_noise(sound: dict[str, Any], decibels: float, random: Random) -> dict[str, Any]:
    """Adds white noise to `(n,)` samples; silence stays silent, for nothing is so far below it."""
    samples = np.asarray(sound["array"], dtype=np.float32)
    power = float(np.square(samples, dtype=np.float64).mean()) / 10 ** (decibels / 10)
    noise = random.standard_normal(len(samples)) * np.sqrt(power)
    return {**sound, "array": (samples + noise).astype(np.float32)}


# Texts.


def texts() -> dict[str, Corruption]:
    """Corruptions of texts.

    - `typos`: a share `level` of the letters and digits becomes another one of the same script.
    - `word_drop`: a share `level` of the words is left out; of Chinese and Japanese, of the characters.
    """
    return {
        "typos": Corruption("share of letters", lambda level: level, typos),
        "word_drop": Corruption("share of words", lambda level: level, word_drop),
    }


def typos(text: str, share: float, random: Random) -> str:
    """Mistypes a share of the letters and digits."""
    places = [place for place, letter in enumerate(text) if letter.isalnum()]
    hit, drawn = random.random(len(places)) < share, random.random(len(places))
    letters = list(text)
    for place, wrong, chance in zip(places, hit, drawn, strict=True):
        others = _others(letters[place]) if wrong else ()
        if others:
            letters[place] = others[int(chance * len(others))]
    return "".join(letters)


def word_drop(text: str, share: float, random: Random) -> str:
    """Leaves out a share of the words."""
    words = _WORDS.findall(text)
    return "".join(word for word, kept in zip(words, random.random(len(words)) >= share, strict=True) if kept).strip()


@cache
def _others(letter: str) -> Sequence[str]:
    """The letters that may stand in a letter's place: of its kind, and near to it or Chinese as well."""
    place, kind = ord(letter), unicodedata.category(letter)
    near = HAN if place in HAN else range(max(place - REACH, 0), place + REACH + 1)
    return [chr(each) for each in near if each != place and unicodedata.category(chr(each)) == kind]


# Numbers, labels.


def numbers(add: Callable[[Any, NDArray[np.float64]], Any], shape: Callable[[Any], tuple[int, ...]]) -> Corruption:
    """Gaussian noise of `4 * level ** 2` of the training values' standard deviations.

    Args:
        add: adds noise, in those deviations, to a value.
        shape: of the noise that a value takes.
    """

    def change(value: Any, deviations: float, random: Random) -> Any:
        return add(value, deviations * random.standard_normal(shape(value)))

    return Corruption("standard deviations", lambda level: MOST_STDS * level**2, change)


def swaps(labels: Sequence[str]) -> dict[str, Corruption]:
    """`swap`: a label becomes another of the known ones at random, in a share `level` of the rows."""

    def change(label: str, share: float, random: Random) -> str:
        return swap(label, labels, share, random)

    return {"swap": Corruption("share of labels", lambda level: level, change)}


def swap(label: str, labels: Sequence[str], share: float, random: Random) -> str:
    """Another label, with the chance `share`; the same one where there is no other."""
    hit, drawn = random.random() < share, random.random()
    others = len(labels) - (label in labels)
    if not hit or not others:
        return label
    found = labels[int(drawn * others)]
    return labels[-1] if found == label else found
