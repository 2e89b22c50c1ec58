"""Near twins across splits: nearly the same text, or nearly the same picture, in train and in test.

Legend: n rows, S shingles of many texts, B bands, P pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .infer import RICH
from .joined import Finding, Flags, Inputs, Joined, Places
from .shallow import Look

Shingles = NDArray[np.uint64]

TEXTS = (20_000, 5_000)
"""Rows whose texts are compared: of train, and of each other split."""
PICTURES = (3_000, 1_000)
"""The same for pictures, each of which must be decoded."""
ALIKE_TEXTS = 0.7
"""Jaccard similarity of two texts' shingles from which they are twins."""
ALIKE_PICTURES = 0.995
"""Correlation of two thumbnails from which they are twins."""
FLAT = 4.0
"""Standard deviation (of 255) of a picture that shows too little to be compared."""
SHORTEST = 48
"""Bytes of a text whose likeness proves something: 48 letters, 16 Chinese characters."""
LONGEST = 1_500
WINDOW = 8
"""Bytes of a shingle, which makes it one 64-bit number."""
BANDS, IN_BAND = 10, 4
"""Texts that agree in all hashes of a band are compared: .94 of the twins with Jaccard .7, .08 of those with .3."""
MOST_OF_BAND = 8
"""Train texts that one text is compared with for one band."""
CHUNK = 500
"""Texts hashed at once, which bounds the memory."""


def near_texts(rows: Joined, inputs: Inputs, known: Flags, *, seed: int = 0) -> list[Finding]:
    """Warns of rows of a further split whose text nearly stands in the first.

    A row's text is that of all its text inputs. Pictures, sounds and the like must be equal or missing: the same
    question about another picture is no twin. Candidates come from MinHash in bands (Broder, 1997, "On the
    resemblance and containment of documents"); each is then checked on all its shingles.

    Args:
        rows: all rows.
        inputs: (kind, column) by input name.
        known: rows to leave out, as they are exact duplicates.
        seed: of the samples and the hashes.
    """
    columns = sorted({column for kind, column in inputs.values() if kind == "text"})
    if not columns or not rows.others:
        return []
    cells = zip(*(rows.column(column) for column in columns), strict=True)
    texts = [_normal(" ".join(str(cell) for cell in row if cell is not None)) for row in cells]
    usable = np.array([len(text) >= SHORTEST for text in texts], dtype=bool)
    media = sorted({column for kind, column in inputs.values() if kind in RICH - {"text"}})
    others = [(rows.keys([column]), rows.present(column)) for column in media]

    train = rows.sample(rows.first, TEXTS[0], seed, usable)
    shingles = [_shingles(texts[place]) for place in train]
    index = _Index(shingles, seed)
    found = []
    for split in rows.others:
        places = rows.sample(split, TEXTS[1], seed, usable & ~known)
        own = [_shingles(texts[place]) for place in places]
        pairs = []
        for place, mine, candidates in zip(places, own, index.near(own), strict=True):
            for candidate in candidates:
                other = train[candidate]
                same = all(not (here[place] and here[other]) or keys[place] == keys[other] for keys, here in others)
                if same and _jaccard(mine, shingles[candidate]) >= ALIKE_TEXTS:
                    pairs.append((place, other))
                    break
        found += _finding(rows, split, columns, "text", pairs, len(places), len(train))
    return found


def near_pictures(rows: Joined, inputs: Inputs, known: Flags, look: Look, *, seed: int = 0) -> list[Finding]:
    """Warns of rows of a further split whose picture, or nearly the same one, stands in the first.

    The other inputs may differ: a picture seen in training is known, whatever is asked about it. Thumbnails are
    compared by correlation, so that another name, size or compression does not hide a twin.

    Args:
        rows: all rows.
        inputs: (kind, column) by input name.
        known: rows to leave out, as they are exact duplicates.
        look: reads pictures.
        seed: of the samples.
    """
    found = []
    for column in sorted({column for kind, column in inputs.values() if kind == "image"}) if rows.others else []:
        here = rows.present(column)
        train, pixels = _standard_pictures(rows, column, rows.sample(rows.first, PICTURES[0], seed, here), look)
        for split in rows.others:
            places, own = _standard_pictures(rows, column, rows.sample(split, PICTURES[1], seed, here & ~known), look)
            pairs = []
            if len(train) and len(places):
                alike = own @ pixels.T  # (n, P) (P, m) -> (n, m)
                best = alike.argmax(1)
                pairs = [
                    (place, train[other])
                    for number, (place, other) in enumerate(zip(places, best, strict=True))
                    if alike[number, other] >= ALIKE_PICTURES
                ]
            found += _finding(rows, split, [column], "picture", pairs, len(places), len(train))
    return found


def _finding(
    rows: Joined,
    split: str,
    columns: Sequence[str],
    what: str,
    pairs: Sequence[tuple[np.int64, np.int64]],
    looked: int,
    compared: int,
) -> list[Finding]:
    if not pairs:
        return []
    left, right = np.array(pairs, dtype=np.int64).T
    names = " and ".join(f"`{column}`" for column in columns)
    message = (
        f"{len(pairs):,} of {looked:,} {split} rows have a near twin in {rows.first}, nearly the same {what} in "
        f"{names} ({rows.pairs(left, right)}; compared with {compared:,} {rows.first} rows): "
        f"the {split} scores will look too good; drop these rows from one side, or name twins alike in a column and "
        "split by it (data.group)"
    )
    return [{"kind": "duplicate", "columns": list(columns), "message": message}]


def _standard_pictures(rows: Joined, column: str, places: Places, look: Look) -> tuple[Places, NDArray[np.float32]]:
    """The places whose pictures can be compared, and their pixels `(n, P)` with mean 0 and length 1."""
    values = rows.column(column)
    kept, pixels = [], []
    for place in places:
        picture = look(values[place])
        if picture is not None and picture.std() >= FLAT:
            flat = picture.ravel().astype(np.float32)
            flat -= flat.mean()
            kept.append(place)
            pixels.append(flat / np.linalg.norm(flat))
    return np.array(kept, dtype=np.int64), np.array(pixels, dtype=np.float32)


def _normal(text: str) -> bytes:
    return " ".join(text.casefold().split()).encode("utf-8", "replace")[:LONGEST]


def _shingles(text: bytes) -> Shingles:
    """The set of all windows of 8 bytes, as sorted 64-bit numbers."""
    raw = np.frombuffer(text, dtype=np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(raw, WINDOW)  # (S, 8)
    return np.unique(np.ascontiguousarray(windows).view(np.uint64).ravel())


def _jaccard(left: Shingles, right: Shingles) -> float:
    common = len(np.intersect1d(left, right, assume_unique=True))
    return common / (len(left) + len(right) - common)


class _Index:
    """Finds texts that share many shingles: equal MinHash values throughout a band.

    Args:
        texts: the shingles of each text.
        seed: of the hashes.
    """

    def __init__(self, texts: Sequence[Shingles], seed: int) -> None:
        random = np.random.default_rng(seed)
        self._odd = random.integers(0, 2**31, BANDS * IN_BAND, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
        keys = self._keys(texts)
        self._orders = [np.argsort(band, kind="stable") for band in keys]
        self._sorted = [band[order] for band, order in zip(keys, self._orders, strict=True)]

    def near(self, texts: Sequence[Shingles]) -> list[list[int]]:
        """For each text, the numbers of the indexed ones that share a band with it, most bands first."""
        found: list[Counter[int]] = [Counter() for _ in texts]
        for known, order, keys in zip(self._sorted, self._orders, self._keys(texts), strict=True):
            starts, ends = np.searchsorted(known, keys, "left"), np.searchsorted(known, keys, "right")
            for number in np.flatnonzero(ends > starts):
                found[number].update(order[starts[number] : min(ends[number], starts[number] + MOST_OF_BAND)].tolist())
        return [[other for other, _ in counts.most_common()] for counts in found]

    def _keys(self, texts: Sequence[Shingles]) -> NDArray[np.uint64]:
        """`(B, n)`: for each band and text a number that is equal where all hashes of the band are."""
        keys = np.zeros((BANDS, len(texts)), dtype=np.uint64)
        for start in range(0, len(texts), CHUNK):
            chunk = texts[start : start + CHUNK]
            lengths = np.array([len(text) for text in chunk])
            starts = np.cumsum(lengths) - lengths
            mixed = (_mix(np.concatenate(chunk)) >> np.uint64(32)).astype(np.uint32)  # (S,)
            for number, odd in enumerate(self._odd):
                least = np.minimum.reduceat(mixed * odd, starts)  # (S,) -> (chunk,)
                band = keys[number // IN_BAND, start : start + CHUNK]
                band[:] = _mix(band ^ least)
        return keys


def _mix(numbers: Shingles) -> Shingles:
    """Spreads 64-bit numbers evenly, one to one (the finaliser of SplitMix64, Steele et al., 2014)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
