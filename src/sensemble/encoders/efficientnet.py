"""EfficientNet-Lite0: a small picture network with published ImageNet weights, for machines without a GPU.

Legend: B batch, T pictures a row, n pictures in all, C H W channels, height, width, G places of the grid, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from .. import weights
from ..errors import ConfigError, DataError
from ..modalities.image import Image
from ..registry import check
from ..tokens import Tokens
from .backbone import Backbone, register_backbone

STAGES = (
    (16, 1, 3, 1, 1), (24, 6, 3, 2, 2), (40, 6, 5, 2, 2), (80, 6, 3, 2, 3),
    (112, 6, 5, 1, 3), (192, 6, 5, 2, 4), (320, 6, 3, 1, 1),
)  # fmt: skip
"""Of each stage: channels, expansion, kernel, stride of its first block, blocks."""
STEM, TOP = 32, 1280
SHRINK = 32
"""A picture's side is so many times its grid's."""
MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3
"""What the published weights were trained with. Under it their batch statistics fit photos twice as well as under
ImageNet's own mean and deviation."""
PUBLISHED = {
    "_conv_stem": "stem.conv", "_bn0": "stem.norm", "_conv_head": "top.conv", "_bn1": "top.norm",
}  # fmt: skip
PUBLISHED_BLOCK = {
    "_expand_conv": "expand.conv", "_bn0": "expand.norm", "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.norm", "_project_conv": "project.conv", "_bn2": "project.norm",
}  # fmt: skip
"""Names of the published weights, and ours."""


class EfficientNetLite0(Backbone):
    """The network without its classifier: a picture becomes a grid of places; their mean is its summary.

    Lite (Google 2020) is EfficientNet-B0 (Tan & Le 2019) without squeeze-and-excitation, with ReLU6 and a stem and a
    head of fixed width, so that it also runs in eight bits. 3.4 million parameters; norms always use the statistics
    of the pretraining, so no picture changes what another one gives.

    Args:
        size: side of the pictures in pixels, a multiple of 32; it was trained at 224. The grid is size / 32 wide.
        options: further ones of the image modality (`fit`, `flip`, `shift`, ...).
    """

    dim = TOP

    def __init__(self, *, size: int = 224, **options: Any) -> None:
        super().__init__()
        if "scale" in options:
            raise ConfigError("efficientnet_lite0 standardises pictures in its own way; leave `scale` out")
        checked = check(Image, {**options, "size": size, "scale": "imagenet"}, where="efficientnet_lite0")
        if checked["size"] < SHRINK or checked["size"] % SHRINK:
            raise ConfigError(f"efficientnet_lite0: size is a multiple of {SHRINK}, such as 224, not {size}")
        self.source = Image(**checked)
        self.source.restore({"mean": MEAN, "std": STD})
        self.places = (size // SHRINK) ** 2
        self.digest = f"efficientnet_lite0 untrained {size}"
        self.stem = _Conv(3, STEM, kernel=3, stride=2)
        blocks, before = [], STEM
        for channels, expansion, kernel, stride, count in STAGES:
            for place in range(count):
                blocks.append(_Block(before, channels, expansion, kernel, 1 if place else stride))
                before = channels
        self.body = nn.ModuleList(blocks)
        self.top = _Conv(before, TOP)

    def forward(self, tokens: Tokens) -> Tokens:
        """`(B, T, 3, H, W)` -> `(B, T * G, D)`."""
        grids = tokens.apply(self._grid, out=(self.places, self.dim))  # (B, T, G, D)
        return Tokens(rearrange(grids.values, "b t g d -> b (t g) d"), grids.mask.repeat_interleave(self.places, 1))

    def _grid(self, pictures: Tensor) -> Tensor:
        """`(n, 3, H, W)` -> `(n, G, D)`."""
        values = self.stem(pictures.contiguous(memory_format=torch.channels_last))
        for block in self.body:
            values = block(values)
        grid: Tensor = rearrange(self.top(values), "n d h w -> n (h w) d")
        return grid

    def summary(self, encoded: Tokens) -> Tensor:
        return encoded.mean()

    def blocks(self) -> Sequence[nn.Module]:
        return [self.stem, *self.body, self.top]

    def train(self, mode: bool = True) -> EfficientNetLite0:
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def load_published(self, state: Mapping[str, Tensor]) -> None:
        """Takes the published weights, under their published names; all of them but the classifier's.

        Raises:
            RuntimeError: a weight is missing, left over or of another shape.
        """
        self.load_state_dict({_own_name(name): value for name, value in state.items() if not name.startswith("_fc.")})


@register_backbone("efficientnet_lite0", "image")
def load_efficientnet_lite0(**options: Any) -> EfficientNetLite0:
    """The network with the weights that `sensemble weights get efficientnet_lite0` brought.

    Raises:
        ConfigError: they are not here; names the command.
        DataError: their file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    made = EfficientNetLite0(**options)
    path = weights.find("efficientnet_lite0") / weights.TENSORS
    try:
        made.load_published(load_file(path))
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is damaged ({reason}); remove its folder and fetch it again") from error
    made.digest = f"efficientnet_lite0 1 {weights.digest(path)} {made.source.shape[-1]}"
    return made


class _Conv(nn.Module):
    """A convolution that rounds sizes up, a norm, and a ReLU that ends at six.

    Where the stride is 2 the sides are even, and the padding stands mostly below and to the right, as the published
    weights know it.
    """

    def __init__(self, before: int, after: int, *, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        near, odd = divmod(kernel - stride if kernel > 1 else 0, 2)
        self.pad = nn.ZeroPad2d((0, odd, 0, odd)) if odd else nn.Identity()
        self.conv = nn.Conv2d(before, after, kernel, stride=stride, padding=near, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(after, eps=1e-3)

    def forward(self, values: Tensor) -> Tensor:
        return functional.relu6(self.linear(values))

    def linear(self, values: Tensor) -> Tensor:
        """The same without the ReLU."""
        normed: Tensor = self.norm(self.conv(self.pad(values)))
        return normed


class _Block(nn.Module):
    """Widen, look around in each channel, narrow again (Sandler et al. 2018); with a shortcut where sizes agree."""

    def __init__(self, before: int, after: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = before * expansion
        self.expand = _Conv(before, inner) if expansion > 1 else nn.Identity()
        self.depthwise = _Conv(inner, inner, kernel=kernel, stride=stride, groups=inner)
        self.project = _Conv(inner, after)
        self.shortcut = stride == 1 and before == after

    def forward(self, values: Tensor) -> Tensor:
        result = self.project.linear(self.depthwise(self.expand(values)))
        return result + values if self.shortcut else result


def _own_name(name: str) -> str:
    """`_blocks.3._bn1.weight` -> `body.3.depthwise.norm.weight`."""
    parts = name.split(".")
    if parts[0] == "_blocks" and len(parts) == 4:
        return f"body.{parts[1]}.{PUBLISHED_BLOCK.get(parts[2], parts[2])}.{parts[3]}"
    return ".".join([PUBLISHED.get(parts[0], parts[0]), *parts[1:]])
