"""The approximate index: a graph finds candidates, the float vectors score them."""

from __future__ import annotations

from ..errors import ConfigError
from .base import INDEXES
from .embedded import Embedded
from .first_pass import FirstPass, latest
from .graph import Graph, Precision
from .store import View


@INDEXES.register("approximate")
class Approximate(Embedded):
    """Finds nearly all of the nearest, many times faster than `exact`: right from some 100,000 entries on.

    The graph is made by `finish` and grows with the next one; entries that came since are searched exactly, so that
    every answer is as new as the store. A filter that few entries meet is searched exactly as well.

    Args:
        place: the folder.
        run: digest of the run that makes the vectors.
        dim: their size.
        connections: neighbours that each entry keeps (M); more find more and take more memory.
        build_effort: neighbours looked at when one is added.
        effort: neighbours looked at in a search; raise it where too much is missed.
        precision: of the graph's copy of the vectors; `int8` takes a quarter of the memory.
        rescore: how many times k candidates the float vectors decide on.
        smallest: entries from which a graph is made.

    Raises:
        ConfigError: faiss is not installed, or an option is out of range.
    """

    def __init__(
        self,
        place: str,
        run: str,
        dim: int,
        *,
        connections: int = 16,
        build_effort: int = 64,
        effort: int = 96,
        precision: Precision = "float32",
        rescore: int = 2,
        smallest: int = 5_000,
    ) -> None:
        options = {"connections": connections, "build_effort": build_effort, "effort": effort, "rescore": rescore}
        for key, value in options.items():
            if value < 1:
                raise ConfigError(f"{key}: needs a whole number from 1, not {value}")
        self.connections, self.build_effort, self.effort = connections, build_effort, effort
        self.precision, self.rescore, self.smallest = precision, rescore, smallest
        super().__init__(place, run, dim)

    def find_pass(self, generation: int) -> FirstPass | None:
        found = latest(self.folder, Graph.name, generation)
        return Graph.read(*found, generation, effort=self.effort) if found else None

    def make_pass(self, view: View) -> FirstPass | None:
        if len(view) < self.smallest:
            return None
        found = latest(self.folder, Graph.name, view.state.generation)
        if found and found[1] == view.state.rows:
            return None
        if found:
            graph = Graph.read(*found, view.state.generation, effort=self.effort)
        else:
            graph = Graph.make(
                self.dim,
                view.state.generation,
                connections=self.connections,
                build_effort=self.build_effort,
                effort=self.effort,
                precision=self.precision,
            )
        graph.grow(view.matrix)
        return graph

    def widened(self, k: int) -> int:
        return k * self.rescore
