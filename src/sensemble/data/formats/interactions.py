"""Who had what when, read as rows to recommend by: what somebody had before, beside what came next."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd

from ...errors import ConfigError
from ..interactions import Columns, split_interactions
from ..read import read
from ..table import Table
from .base import FORMATS, Format


@FORMATS.register("interactions")
class Interactions(Format):
    """One part of a table of interactions, such as MovieLens, that is split by time.

    Columns: those of both tables; `history`, a list of what the user had before, the latest last. Each part is read by
    itself, with the same options but for `part`: name all three, as a random split would let the future be learned
    from. In `valid` and `test` the items that are not in these rows follow as rows without a user, so that the whole
    catalogue is ranked; in `cold`, those that are held out.

    Args:
        interactions: the file of interactions.
        part: `train`, `valid`, `test`, or `cold`: items that are in no row and no history of training.
        items: the file of items, which has the column `item` as well; its other columns join the rows.
        user, item, time: columns of interactions.
        same: column of items, equal for entries that are one item under two ids.
        valid, test: how many of each user's last interactions, or which share of them: see `split_interactions`.
        cold: share of the items to hold out.
        core: leave out users and items with fewer interactions.
        longest: items that a history has at most.
        seed: which items are held out.
    """

    def __init__(
        self,
        *,
        interactions: str,
        part: Literal["train", "valid", "test", "cold"],
        items: str | None = None,
        user: str = "user",
        item: str = "item",
        time: str = "time",
        same: str | None = None,
        valid: float = 1,
        test: float = 1,
        cold: float = 0.0,
        core: int = 1,
        longest: int = 50,
        seed: int = 0,
    ) -> None:
        for key, share in (("valid", valid), ("test", test)):
            if share < 0 or (share > 1 and share != int(share)):
                raise ConfigError(f"interactions: {key} is a whole number, or a share below 1, not {share:g}")
        if not 0 <= cold < 1:
            raise ConfigError(f"interactions: cold is a share, from 0 to below 1, not {cold:g}")
        if same is not None and items is None:
            raise ConfigError("interactions: same is a column of items; name their file as `items`")
        self.files, self.part, self.cold = (interactions, items), part, cold
        self.columns = Columns(user=user, item=item, time=time, same=same)
        self.last = {key: share if 0 < share < 1 else int(share) for key, share in (("valid", valid), ("test", test))}
        self.options = {"cold": cold, "core": core, "longest": longest, "seed": seed}

    def read(self, folder: Path) -> Table:
        whole, items = (None if file is None else read(folder / file) for file in self.files)
        assert whole is not None
        frame = None if items is None else items.frame
        parts = split_interactions(whole.frame, columns=self.columns, items=frame, **self.last, **self.options)  # type: ignore[arg-type]
        rows = parts[self.part]
        if frame is not None and self.part != "train":
            rows = pd.concat([rows, self._others(frame, parts)], ignore_index=True)
        histories = [each if isinstance(each, list) and each else None for each in rows["history"]]
        rows["history"] = pd.Series(histories, index=rows.index, dtype=object)
        return Table(rows, (whole if items is None else items).root, f"{whole.name}, {self.part}")

    def _others(self, items: pd.DataFrame, parts: dict[str, pd.DataFrame]) -> pd.DataFrame:
        """The items that can be found, but are not in the rows of the part."""
        name = self.columns.item
        out = set(parts["cold"][name])
        able = items[items[name].isin(out) == (self.part == "cold")]
        return able[~able[name].isin(parts[self.part][name])]
