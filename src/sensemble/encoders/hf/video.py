"""Clip bodies: VideoMAE, which sees time, and any picture body, frame by frame.

Legend: B batch, T frames, b rows with a clip, F frames that a model wants, G its tokens, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ...modalities.video import Video
from ...tokens import Tokens
from ..backbone import Backbone
from .bundle import Bundle
from .image import ImageBody, picture_options, settings
from .model import HubBody, build, layers, make_config, to_left

PICTURE = ("size", "scale")
"""Options of a video that its picture body decides upon."""


class ClipBody(HubBody):
    """VideoMAE (Tong et al. 2022): patches of a few frames each. Its summary is their mean.

    Args:
        bundle: the model's files.
        options: of the modality; the model decides `frames`, `size` and `scale`.
        where: the config key, for messages.
    """

    source: Video

    def __init__(self, bundle: Bundle, options: Mapping[str, Any], *, where: str = "") -> None:
        super().__init__(bundle)
        config = make_config(bundle, {}, where=where)
        self.frames = int(config.num_frames)
        if options.get("frames", self.frames) != self.frames:
            raise ConfigError(f"{where}: this model wants {self.frames} frames; leave 'frames' out")
        wanted = settings(bundle, where)
        chosen = picture_options(wanted, options, where)
        self.source = Video(size=wanted["size"], scale="imagenet", **{**chosen, "frames": self.frames})
        self.source.restore({"mean": wanted["mean"], "std": wanted["std"]})
        self.body: nn.Module = build(bundle, "VideoMAEModel", config, where=where)
        with torch.no_grad():
            _, self.places, self.dim = self._run(torch.zeros(1, self.frames, *self.source.shape)).shape

    def forward(self, tokens: Tokens) -> Tokens:
        """`(B, T, 3, H, W)` -> `(B, G, D)`. A clip of fewer frames than the model wants shows some of them twice."""
        rows = tokens.present
        values = torch.zeros(len(rows), self.places, self.dim, device=rows.device)
        if bool(rows.any()):
            clips, _ = to_left(tokens)
            steps = torch.arange(self.frames, device=rows.device) / max(self.frames - 1, 1)
            places = ((clips.mask.sum(1, keepdim=True) - 1) * steps).round().long()  # (b, F)
            chosen = clips.values[torch.arange(len(places), device=rows.device).unsqueeze(1), places]
            found = self._run(chosen)
            values = values.to(found.dtype)
            values[rows] = found
        return Tokens(values, rows.unsqueeze(1).expand(-1, self.places))

    def _run(self, clips: Tensor) -> Tensor:
        """`(b, F, 3, H, W)` -> `(b, G, D)`."""
        hidden: Tensor = self.body(pixel_values=clips).last_hidden_state
        return hidden

    def summary(self, encoded: Tokens) -> Tensor:
        return encoded.mean()

    def blocks(self) -> Sequence[nn.Module]:
        return layers(self.body)


class PerFrame(Backbone):
    """A picture body that is shown each frame: a token a frame, its summary of it. Their mean is the clip's.

    Args:
        inner: the picture body.
        options: of the modality; the picture body decides `size` and `scale`.
    """

    source: Video

    def __init__(self, inner: Backbone, options: Mapping[str, Any]) -> None:
        super().__init__()
        look: Any = inner.source  # an `Image`
        chosen = {"fit": look.framing, **{key: value for key, value in options.items() if key not in PICTURE}}
        self.source = Video(size=look.size, scale="imagenet", **chosen)
        self.source.restore(look.state())
        self.inner = inner
        self.dim, self.files = inner.dim, inner.files
        self.digest = f"{inner.digest}-frames"

    def forward(self, tokens: Tokens) -> Tokens:
        """`(B, T, 3, H, W)` -> `(B, T, D)`."""
        return tokens.apply(self._run, out=(self.dim,))

    def _run(self, pictures: Tensor) -> Tensor:
        """`(n, 3, H, W)` -> `(n, D)`."""
        return self.inner.summary(self.inner(Tokens.full(pictures.unsqueeze(1))))

    def summary(self, encoded: Tokens) -> Tensor:
        return encoded.mean()

    def blocks(self) -> Sequence[nn.Module]:
        return self.inner.blocks()

    def copy(self, folder: Path) -> bool:
        return self.inner.copy(folder)


def make_video(bundle: Bundle, options: Mapping[str, Any], *, where: str = "") -> Backbone:
    """The body that sees clips, from the files of a model of clips or of pictures."""
    if bundle.kind == "videomae":
        return ClipBody(bundle, options, where=where)
    return PerFrame(ImageBody(bundle, of_pictures(options), where=where), options)


def of_pictures(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a video that its picture body is asked about."""
    return {key: value for key, value in options.items() if key in PICTURE}
