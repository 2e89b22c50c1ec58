"""A modality of letters made by the tests, and columns of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from sensemble.data.load import Input, Problem, load
from sensemble.data.rows import Samples, Store
from sensemble.data.table import Table
from sensemble.errors import Unreadable
from sensemble.modalities.base import Modality


class Letters(Modality):
    """A text as the codes of its letters; counts how often it decodes; cannot read what starts with `!`."""

    encoder = "none"
    dtype = torch.long

    def __init__(self) -> None:
        self.loads: Counter[str] = Counter()

    @property
    def shape(self) -> tuple[int, ...]:
        return ()

    def load(self, raw: Any) -> Tensor:
        self.loads[raw] += 1
        if raw.startswith("!"):
            raise Unreadable("starts with a mark")
        return torch.tensor([ord(letter) for letter in raw])


def table_of(**columns: list[Any]) -> Table:
    return Table(pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()}), None, "t")


def load_one(values: list[Any], *, memory: float = 4.0) -> tuple[Store, list[Problem], Letters]:
    modality = Letters()
    stores, problems = load(table_of(text=values), [Input("words", "text", "letters", modality, {})], memory=memory)
    return stores["words"], problems, modality


def samples_of(values: list[Any], **options: Any) -> Samples:
    store, _, _ = load_one(values)
    return Samples(table_of(text=values), {"words": store}, **options)
