"""The exact index: each query is compared with every entry, in blocks; codes make the first look cheaper."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ..errors import ConfigError
from .base import INDEXES
from .embedded import Embedded
from .first_pass import FirstPass, latest
from .quantise import Binary, Codes, Int8
from .view import View

_CODES: dict[str, type[Codes]] = {"int8": Int8, "binary": Binary}


@INDEXES.register("exact")
class Exact(Embedded):
    """Finds the nearest without fail, in the time of one matrix product: right up to some 100,000 entries.

    Args:
        place: the folder.
        run: digest of the run that makes the vectors.
        dim: their size.
        codes: what is compared first: the vectors (`none`), or codes that `finish` makes, `int8` (a quarter of the
            bytes) or `binary` (a thirty-second). With codes the float vectors of the best decide, and a near
            neighbour may be missed.
        rescore: how many times k entries the float vectors decide on.
    """

    def __init__(
        self,
        place: str,
        run: str,
        dim: int,
        *,
        codes: Literal["none", "int8", "binary"] = "none",
        rescore: int = 4,
    ) -> None:
        if rescore < 1:
            raise ConfigError(f"rescore: needs a whole number from 1, not {rescore}")
        self.codes, self.rescore = _CODES.get(codes), rescore
        super().__init__(place, run, dim)

    @property
    def pass_name(self) -> str | None:
        return self.codes.name if self.codes else None

    def read_pass(self, folder: Path, covered: int, generation: int) -> FirstPass:
        assert self.codes is not None, "no codes, no structure"
        return self.codes.read(folder, covered, generation)

    def make_pass(self, view: View) -> FirstPass | None:
        if self.codes is None or not view.state.rows:
            return None
        found = latest(self.folder, self.codes.name, view.state.generation)
        if found and found[1] == view.state.rows:
            return None
        return self.codes.make(view.matrix, view.state.generation)

    def widened(self, k: int) -> int:
        return k * self.rescore
