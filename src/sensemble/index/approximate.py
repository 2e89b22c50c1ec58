"""The approximate index: lists or a graph find candidates, the float vectors score them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ..errors import ConfigError
from .base import INDEXES
from .embedded import Embedded
from .faiss_pass import FaissPass, Graph, Lists, Precision
from .first_pass import FirstPass, latest
from .view import View

_STRUCTURES: dict[str, type[FaissPass]] = {"lists": Lists, "graph": Graph}


@INDEXES.register("approximate")
class Approximate(Embedded):
    """Finds nearly all of the nearest, many times faster than `exact`: right from some 100,000 entries on.

    What it looks through is made by `finish` and grows with the next one; entries that came since are searched exactly,
    so that every answer is as new as the store. A filter that few entries meet is searched exactly as well.

    Args:
        place: the folder.
        run: digest of the run that makes the vectors.
        dim: their size.
        structure: `lists` (IVF) is made quickly; `graph` (HNSW) takes many times as long to make.
        effort: how much is looked at in a search, lists or neighbours; raise it where too much is missed.
        connections: of a graph, neighbours that each entry keeps (M).
        build_effort: of a graph, neighbours looked at when an entry is added.
        precision: of the copy of the vectors inside; `int8` takes a quarter of the memory.
        rescore: how many times k candidates the float vectors decide on.
        smallest: entries from which a structure is made.

    Raises:
        ConfigError: faiss is not installed, or an option is out of range.
    """

    def __init__(
        self,
        place: str,
        run: str,
        dim: int,
        *,
        structure: Literal["lists", "graph"] = "lists",
        effort: int = 96,
        connections: int = 16,
        build_effort: int = 64,
        precision: Precision = "float32",
        rescore: int = 2,
        smallest: int = 20_000,
    ) -> None:
        options = {"effort": effort, "connections": connections, "build_effort": build_effort, "rescore": rescore}
        for key, value in options.items():
            if value < 1:
                raise ConfigError(f"{key}: needs a whole number from 1, not {value}")
        self.structure = _STRUCTURES[structure]
        self.effort, self.connections, self.build_effort = effort, connections, build_effort
        self.precision, self.rescore, self.smallest = precision, rescore, smallest
        super().__init__(place, run, dim)

    @property
    def pass_name(self) -> str | None:
        return self.structure.name

    def read_pass(self, folder: Path, covered: int, generation: int) -> FaissPass:
        return self.structure.read(folder, covered, generation, effort=self.effort)

    def make_pass(self, view: View) -> FirstPass | None:
        rows, generation = view.state.rows, view.state.generation
        if len(view) < max(self.smallest, 1):
            return None
        found = latest(self.folder, self.structure.name, generation)
        kept = self.read_pass(*found, generation) if found else None
        if kept is not None and kept.covered == rows:
            return None
        if kept is not None and kept.fits(rows):
            kept.grow(view.matrix)
            return kept
        return self.structure.make(
            view.matrix,
            generation,
            effort=self.effort,
            build_effort=self.build_effort,
            connections=self.connections,
            precision=self.precision,
        )

    def widened(self, k: int) -> int:
        return k * self.rescore
