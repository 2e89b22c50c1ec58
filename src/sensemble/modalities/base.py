"""What a modality is: how one kind of raw value becomes tokens, and what its tokens are called.

A modality is fitted on the training rows' present values (a vocabulary, a mean), loads one raw value at a
time, and says what each token of a value stands for, so that explanations can name it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..corrupt import Corruption
from ..errors import Unreadable
from ..registry import Registry
from ..tokens import Tokens


class Modality(ABC):
    """Raw values of one kind, as tensors.

    A subclass is registered with `@MODALITIES.register("name")`; its keyword-only arguments are its options.
    Fitted attributes end in `_`.
    """

    encoder: ClassVar[str]
    """Name of the encoder used where the config names none."""
    reads_files: ClassVar[bool] = False
    """Whether a string value is the path of a file (relative paths start at the table's folder)."""
    are_features: ClassVar[bool] = False
    """Whether its tokens are features, made without the target: alike values have them in like directions."""
    dtype: torch.dtype = torch.float32
    """Of what `load` returns: integers are ids, below `num_tokens`."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one loaded token, without the token axis: `()` for ids, `(C, H, W)` for images."""

    @property
    def num_tokens(self) -> int:
        """How many ids there are, where tokens are ids."""
        raise NotImplementedError(f"the tokens of {type(self).__name__} are not ids")

    def words(self) -> list[str] | None:
        """What each id stands for, from 0 on; `None` where tokens are not ids of a vocabulary of its own."""
        return None

    def fit(self, values: Sequence[Any]) -> Modality:
        """Learns what it needs from the training rows' present raw values. Returns self."""
        return self

    @abstractmethod
    def load(self, raw: Any) -> Tensor:
        """One present raw value -> `(T, *shape)` tensor, T >= 1.

        Raises:
            Unreadable: the value cannot be decoded; the message says why.
        """

    def load_many(self, raws: Sequence[Any]) -> list[Tensor | Unreadable]:
        """Several present values, each as `load` gives it, or why it cannot be read.

        Files are decoded in threads, for decoders release the interpreter's lock.
        """
        if not self.reads_files or len(raws) < 2:
            return [self._try(raw) for raw in raws]
        with ThreadPoolExecutor() as pool:
            return list(pool.map(self._try, raws))

    def _try(self, raw: Any) -> Tensor | Unreadable:
        try:
            return self.load(raw)
        except Unreadable as error:
            return error

    def fingerprint(self) -> str | None:
        """All that decides what `load` gives beside the value itself: kind, options, what was fitted, code version.

        Loaded values may be kept on disk under it. `None`: loading is so cheap that keeping does not pay.
        """
        return None

    def collate(self, values: Sequence[Tensor | None]) -> Tokens:
        """Loaded values, `None` where missing -> one padded batch."""
        return Tokens.stack(values, shape=self.shape, dtype=self.dtype)

    def prepare(self, tokens: Tokens, *, training: bool) -> Tokens:
        """On the network's device, before encoding: compact storage -> float, augmentation if training.

        Masked slots come in as zeros and must leave as zeros.
        """
        return tokens

    def describe(self, raw: Any) -> list[str]:
        """What each token of `load(raw)` stands for, in words a person understands."""
        return [str(raw)]

    def names(self, raw: Any) -> list[str]:
        """The labels that a value lists, such as the things of a history; none by default.

        Raises:
            Unreadable: as `load` says.
        """
        return []

    def show(self, raw: Any) -> dict[str, str]:
        """The value for a report: `kind` with `text`, or with `data`, a `data:` address of a picture."""
        return {"kind": "text", "text": str(raw)}

    def corruptions(self) -> dict[str, Corruption]:
        """The ways to make its values worse, by name: what robustness is measured by. None by default."""
        return {}

    def open(self, raw: Any) -> Any:
        """A raw value as its corruptions take it; decoded where it is a file. Another raw value that `load` reads.

        Raises:
            Unreadable: as `load` says.
        """
        return raw

    def corrupt(self, raw: Any, name: str, level: float, random: np.random.Generator) -> Any:
        """A present raw value made worse: another raw value that `load` reads.

        Args:
            raw: the value; itself at the level 0.
            name: of the corruption.
            level: 0 to 1; the corruption says what amount that is.
            random: the same source gives the same result.

        Raises:
            Unreadable: as `load` says.
        """
        if not level:
            return raw
        corruption = self.corruptions()[name]
        return corruption.change(self.open(raw), corruption.amount(level), random)

    def state(self) -> dict[str, Any]:
        """What `fit` learned, as plain JSON values."""
        return {}

    def restore(self, state: dict[str, Any]) -> Modality:
        """Undoes `state`: the fitted modality again. Returns self."""
        return self

    def copy_base(self, folder: Path) -> Path | None:
        """Copies the pretrained weights that a saved run needs beside its own into the run's folder.

        Returns:
            Where in there they are now; `None` where the run needs no others.

        Raises:
            ConfigError: they cannot be copied.
        """
        return None


MODALITIES: Registry[Modality] = Registry("modality", package="sensemble.modalities")
