"""A frozen encoder is preprocessing: raw values -> features, once a value, and kept on disk by content.

Legend: T tokens of a value, T' its features, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..corrupt import Corruption
from ..errors import Unreadable
from ..modalities.base import Modality
from .backbone import Backbone, Pool, copy_body, encode

BATCH = 16
"""Values encoded together, those of like length."""


class Frozen(Modality):
    """The features `(T', D)` that a pretrained body gives for raw values of its own modality.

    It is a modality and not an encoder, so that what loads tables encodes each value once, in batches, looks it up
    in the cache first, and a saved run holds no weights that never changed.

    Args:
        backbone: the body, with the modality it reads.
        pool: which of its tokens are kept.
    """

    are_features = True
    dtype = torch.float32

    def __init__(self, backbone: Backbone, *, pool: Pool = "tokens") -> None:
        self.backbone = backbone.eval()
        self.pool: Pool = pool
        self.reads_files = backbone.source.reads_files  # type: ignore[misc]

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.backbone.dim,)

    def fit(self, values: Sequence[Any]) -> Frozen:
        self.backbone.source.fit(values)
        return self

    def load(self, raw: Any) -> Tensor:
        """One value -> `(T', D)`.

        Raises:
            Unreadable: as the body's modality says.
        """
        (found,) = self.load_many([raw])
        if isinstance(found, Unreadable):
            raise found
        return found

    def load_many(self, raws: Sequence[Any]) -> list[Tensor | Unreadable]:
        found = self.backbone.source.load_many(raws)
        readable = sorted(
            (place for place, value in enumerate(found) if isinstance(value, Tensor)),
            key=lambda place: len(found[place]),  # type: ignore[arg-type]
        )
        result: list[Tensor | Unreadable] = list(found)
        device = self._device()
        for start in range(0, len(readable), BATCH):
            places = readable[start : start + BATCH]
            values = [found[place] for place in places]
            tokens = self.backbone.source.collate(values).to(device)  # type: ignore[arg-type]
            features = encode(self.backbone, tokens, self.pool)
            for place, row, mask in zip(places, features.values.float().cpu(), features.mask.cpu(), strict=True):
                result[place] = row[mask].clone()
        return result

    def fingerprint(self) -> str:
        return f"frozen 1 {self.backbone.digest} {self.pool} {self.backbone.source.fingerprint()}"

    def describe(self, raw: Any) -> list[str]:
        """The body's own tokens by their names where it keeps them one to one, else by number."""
        count = len(self.load(raw))
        if count == 1:
            return ["all of it"]
        names = self.backbone.source.describe(raw)
        return names if len(names) == count else [f"part {number} of {count}" for number in range(1, count + 1)]

    def corruptions(self) -> dict[str, Corruption]:
        return self.backbone.source.corruptions()

    def open(self, raw: Any) -> Any:
        return self.backbone.source.open(raw)

    def show(self, raw: Any) -> dict[str, str]:
        return self.backbone.source.show(raw)

    def state(self) -> dict[str, Any]:
        return {"digest": self.backbone.digest, "source": self.backbone.source.state()}

    def restore(self, state: dict[str, Any]) -> Frozen:
        """Takes what was fitted back.

        Raises:
            ValueError: the body is another one than that of the saved run.
        """
        if state["digest"] != self.backbone.digest:
            raise ValueError("the pretrained weights are not those that the run was trained with")
        self.backbone.source.restore(state["source"])
        return self

    def copy_base(self, folder: Path) -> Path | None:
        return copy_body(self.backbone, folder)

    def _device(self) -> torch.device:
        wanted = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if next(self.backbone.parameters(), torch.zeros(0)).device.type != wanted.type:
            self.backbone.to(wanted)
        return wanted
