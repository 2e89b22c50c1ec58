"""A network seen otherwise: the same encoders, with another fusion, head or way to read, and parts that stand still."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from torch import nn

from ..fusion.base import Fusion
from ..modalities.base import Modality
from ..network import Network


class View(Network):
    """Shares the modules of a network; made by `view`. `still` are those that stay out of training."""

    still: tuple[nn.Module, ...]

    def train(self, mode: bool = True) -> View:
        super().train(mode)
        for module in self.still:
            module.eval()
        return self


def view(
    network: Network,
    *,
    fusion: Fusion | None = None,
    head: nn.Module | None = None,
    modalities: Mapping[str, Modality] | None = None,
    still: Sequence[nn.Module] = (),
    impute: bool = True,
) -> View:
    """A view of a network, with some of its parts replaced.

    Args:
        network: whose modules are shared, not copied.
        fusion: instead of its own.
        head: instead of its own.
        modalities: instead of some of its own.
        still: modules that stay in evaluation mode.
        impute: whether absent inputs are guessed where the network does so.
    """
    result = View.__new__(View)
    vars(result).update({**vars(network), "_modules": dict(network._modules), "still": tuple(still)})
    result.modalities = {**network.modalities, **(modalities or {})}
    if not impute:
        result.imputers = nn.ModuleDict()
    if fusion is not None:
        result.fusion = fusion
    if head is not None:
        result.head = head
    return result


@contextmanager
def frozen(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Within it, the parameters of some modules do not learn."""
    changed = [p for module in modules for p in module.parameters() if p.requires_grad]
    for parameter in changed:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in changed:
            parameter.requires_grad_(True)
