"""How the network learns, as a config says it: for the whole run, and changed by its stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How the network learns. One step sees `batch` x `accumulate` rows."""

    epochs: int = 10
    batch: int = 64
    lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.1
    """Share of all steps in which the learning rate rises; then it falls along a cosine."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    accumulate: int = 1
    hide: float | dict[str, float] = 0.1
    """Chance that a present input is hidden from a training row; never all of a row's. `{from: 0.0, to: 0.3}` goes in
    a straight line from the first step to the last."""
    together: str | None = None
    """Input whose equal values come into one batch, such as a picture for all its questions: it is encoded once."""
    sampler: Literal["shuffle", "balanced"] = "shuffle"
    """`balanced`: an epoch of the same length shows each class equally often, rows of rare ones again and again; the
    class of a row with several labels is the rarest of them."""
    alone: float = 0.0
    """Weight of the mean loss of each input by itself, added to the loss of all together. See `balance.py`."""
    modulate: float = 0.0
    """How much an input that is ahead of the others is slowed down; 0 not at all, 1 clearly. See `balance.py`."""
    patience: int = 3
    """Epochs without a better validation score before stopping; 0 trains to the end."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto`: bfloat16 on a GPU, float32 on a CPU, where runs are repeatable bit for bit."""
    device: str = "auto"
    checkpoint: float = 30.0
    """Seconds between checkpoints within an epoch; each epoch's end makes one anyway."""

    def __post_init__(self) -> None:
        for key in ("epochs", "batch", "accumulate"):
            if getattr(self, key) < 1:
                raise ConfigError(f"train.{key}: must be at least 1, not {getattr(self, key)}")
        if isinstance(self.hide, dict) and set(self.hide) != {"from", "to"}:
            raise ConfigError(f"train.hide: needs a share, or both ends as {{from: 0.0, to: 0.3}}, not {self.hide}")
        shares = self.hide.values() if isinstance(self.hide, dict) else [self.hide]
        for key, share in [*(("hide", share) for share in shares), ("warmup", self.warmup)]:
            if not 0 <= share < 1:
                raise ConfigError(f"train.{key}: is a share, from 0 to below 1, not {share:g}")
        for key in ("lr", "weight_decay", "patience", "checkpoint", "alone", "modulate"):
            if getattr(self, key) < 0:
                raise ConfigError(f"train.{key}: cannot be negative, as {getattr(self, key):g} is")
