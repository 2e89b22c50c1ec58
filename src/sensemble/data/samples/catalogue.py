"""Every sample by name: fetched once, kept whole, listed.

A new sample is one file with its `SAMPLE`, and its entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...errors import DataError, unknown
from ..carriers import Shelf, entry, keep
from . import easy_vqa, emoji, fillets, movies, reviews, stamps
from .base import Sample

SHELF = Shelf(name="samples", what="the sample", lacks="is no sample")
SAMPLES: dict[str, Sample] = {
    sample.name: sample for sample in (each.SAMPLE for each in (reviews, easy_vqa, stamps, emoji, fillets, movies))
}
"""Every sample by name."""


def get(
    name: str,
    *,
    folder: Path | None = None,
    from_file: Path | Sequence[Path] = (),
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """The folder of a prepared sample, fetched first where it is not there yet.

    Args:
        name: one of `SAMPLES`.
        folder: where samples are kept, each in a folder of its own name; else `home() / "samples"`.
        from_file: the carriers' files, or folders that hold them, where they are already at hand or there is no
            network. Nothing is fetched then.
        say: told what happens, line by line; the licence is among the lines.

    Raises:
        DataError: an unknown name, no way to fetch a carrier, a file that is not the pinned one, or a place
            that cannot be written or holds something else.
    """
    if name not in SAMPLES:
        raise DataError(unknown("sample", name, SAMPLES))
    sample = SAMPLES[name]
    return keep(
        sample,
        SHELF,
        size=f"{sample.rows:,} rows",
        readme=sample.readme(),
        unpack=sample.unpack,
        folder=folder,
        given=[from_file] if isinstance(from_file, Path) else from_file,
        say=say,
    )


def listing(*, folder: Path | None = None) -> list[dict[str, Any]]:
    """Every sample as plain values, with whether it is already here."""
    return [entry(sample, SHELF, folder, rows=sample.rows) for sample in SAMPLES.values()]
