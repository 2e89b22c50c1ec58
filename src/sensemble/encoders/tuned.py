"""A pretrained body that learns: its own modality, from which each network takes a copy of the body."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..corrupt import Corruption
from ..errors import Unreadable
from ..modalities.base import Modality
from ..tokens import Tokens
from .backbone import Backbone, copy_body


class Tuned(Modality):
    """What a pretrained body reads, and the body as it was before training.

    The body is loaded when it is first needed, so that a saved run which holds all its weights needs no other copy.

    Args:
        load: makes the body from its name.
        rebuild: makes it without weights from its small files; `None` where a saved run holds only what was learned,
            so that it needs the original body again.
    """

    def __init__(
        self, load: Callable[[], Backbone], *, rebuild: Callable[[Mapping[str, str], str], Backbone] | None = None
    ) -> None:
        self._load = load
        self._rebuild = rebuild
        self._body: Backbone | None = None

    @property
    def backbone(self) -> Backbone:
        """The body, untouched."""
        if self._body is None:
            self._body = self._load()
        return self._body

    def body(self) -> Backbone:
        """A copy of the body to train; its modality is shared."""
        source = self.backbone.source
        return copy.deepcopy(self.backbone, {id(source): source})

    def state(self) -> dict[str, Any]:
        whole = self._rebuild is not None and self.backbone.files is not None
        return {
            "digest": self.backbone.digest,
            "source": self.backbone.source.state(),
            "files": dict(self.backbone.files or {}) if whole else None,
        }

    def restore(self, state: dict[str, Any]) -> Tuned:
        """Takes what was fitted back, and rebuilds the body where the run holds it whole.

        Raises:
            ValueError: the body is another one than that of the saved run.
        """
        if state["files"] is not None and self._rebuild is not None:
            self._body = self._rebuild(state["files"], state["digest"])
        elif state["digest"] != self.backbone.digest:
            raise ValueError("the pretrained weights are not those that the run was trained with")
        self.backbone.source.restore(state["source"])
        return self

    def copy_base(self, folder: Path) -> Path | None:
        if self._rebuild is not None and self.backbone.files is not None:
            return None
        return copy_body(self.backbone, folder)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.backbone.source.shape

    @property
    def num_tokens(self) -> int:
        return self.backbone.source.num_tokens

    @property
    def dtype(self) -> torch.dtype:  # type: ignore[override]
        return self.backbone.source.dtype

    @property
    def reads_files(self) -> bool:  # type: ignore[override]
        return self.backbone.source.reads_files

    def fit(self, values: Sequence[Any]) -> Tuned:
        self.backbone.source.fit(values)
        return self

    def load(self, raw: Any) -> Tensor:
        return self.backbone.source.load(raw)

    def load_many(self, raws: Sequence[Any]) -> list[Tensor | Unreadable]:
        return self.backbone.source.load_many(raws)

    def fingerprint(self) -> str | None:
        """Media are worth keeping; ids of text are made again as quickly."""
        return self.backbone.source.fingerprint() if self.reads_files else None

    def collate(self, values: Sequence[Tensor | None]) -> Tokens:
        return self.backbone.source.collate(values)

    def prepare(self, tokens: Tokens, *, training: bool) -> Tokens:
        return self.backbone.source.prepare(tokens, training=training)

    def describe(self, raw: Any) -> list[str]:
        return self.backbone.source.describe(raw)

    def corruptions(self) -> dict[str, Corruption]:
        return self.backbone.source.corruptions()

    def open(self, raw: Any) -> Any:
        return self.backbone.source.open(raw)

    def show(self, raw: Any) -> dict[str, str]:
        return self.backbone.source.show(raw)
