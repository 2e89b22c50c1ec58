"""Picture bodies: vision Transformers (ViT, DINOv2, the picture halves of CLIP and SigLIP) and residual networks.

Legend: B batch, T pictures a row, n pictures in all, G tokens of a picture, D width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from einops import rearrange
from torch import Tensor, nn

from ...errors import ConfigError, unknown
from ...media.picture import Resample
from ...modalities.image import Image
from ...tokens import Tokens
from .bundle import Bundle
from .model import HubBody, build, layers, make_config

MODELS: dict[str, str] = {
    "beit": "BeitModel",
    "clip": "CLIPVisionModel",
    "clip_vision_model": "CLIPVisionModel",
    "convnext": "ConvNextModel",
    "deit": "DeiTModel",
    "dinov2": "Dinov2Model",
    "dinov2_with_registers": "Dinov2WithRegistersModel",
    "resnet": "ResNetModel",
    "siglip": "SiglipVisionModel",
    "siglip_vision_model": "SiglipVisionModel",
    "swin": "SwinModel",
    "vit": "ViTModel",
}
"""Kinds of model, and the class that is used of each."""
NO_SUMMARY = ("convnext", "resnet", "swin")
"""Kinds without a token of the whole picture: the mean stands for it."""
FIXED = {"scale": "standardises pictures in its own way", "size": "wants pictures of {side} pixels"}
"""Options of the modality that a model decides, and why."""


class Picture(Image):
    """A picture as a pretrained model wants it.

    Args:
        resample: how its pixels are made.
        size: side of the square, in pixels.
        options: of the modality, but for its scale, which the model brings.
    """

    def __init__(self, resample: Resample, size: int, options: Mapping[str, Any]) -> None:
        super().__init__(size=size, scale="imagenet", **options)
        self.resample = resample

    def fingerprint(self) -> str:
        return f"{super().fingerprint()} {int(self.resample)}"


class ImageBody(HubBody):
    """A network over pictures, fed with the size, framing, resampling and scale that it was trained with.

    Where it was shown a part of each picture in training (224 of 256 pixels), it is shown the whole of the square here.

    Args:
        bundle: the model's files.
        options: of the modality; the model decides `size` and `scale`.
        where: the config key, for messages.
    """

    source: Image

    def __init__(self, bundle: Bundle, options: Mapping[str, Any], *, where: str = "") -> None:
        super().__init__(bundle)
        if bundle.kind not in MODELS:
            raise ConfigError(f"{where}: {bundle.folder}: {unknown('kind of picture model', bundle.kind, MODELS)}")
        wanted = settings(bundle, where)
        self.source = Picture(Resample(wanted["resample"]), wanted["size"], picture_options(wanted, options, where))
        self.source.restore({"mean": wanted["mean"], "std": wanted["std"]})
        config = make_config(bundle, {}, part="vision_config", where=where)
        body = build(bundle, MODELS[bundle.kind], config, where=where)
        head = None
        if bundle.kind.startswith("siglip"):  # its summary, which attends to all places, is worked out here
            head, body.head, body.use_head = body.head, None, False
        self.body: nn.Module = body
        self.head: nn.Module | None = head
        with torch.no_grad():
            _, self.places, self.dim = self._run(torch.zeros(1, *self.source.shape)).shape

    def forward(self, tokens: Tokens) -> Tokens:
        """`(B, T, 3, H, W)` -> `(B, T * G, D)`."""
        grids = tokens.apply(self._run, out=(self.places, self.dim))  # (B, T, G, D)
        return Tokens(rearrange(grids.values, "b t g d -> b (t g) d"), grids.mask.repeat_interleave(self.places, 1))

    def _run(self, pictures: Tensor) -> Tensor:
        """`(n, 3, H, W)` -> `(n, G, D)`."""
        hidden = self.body(pixel_values=pictures).last_hidden_state
        if hidden.dim() == 4:
            hidden = rearrange(hidden, "n d h w -> n (h w) d")
        if self.bundle.kind.startswith("clip"):  # which norms its summary alone
            hidden = self.body.post_layernorm(hidden)  # type: ignore[operator]
        places: Tensor = hidden
        return places

    def summary(self, encoded: Tokens) -> Tensor:
        """Of a row's first picture."""
        if self.bundle.kind in NO_SUMMARY:
            return encoded.mean()
        first = encoded.mask.long().argmax(1, keepdim=True)  # (B, 1)
        if self.head is None:
            return encoded.values.take_along_dim(first.unsqueeze(-1), 1).squeeze(1)
        places = first + torch.arange(self.places, device=first.device)  # (B, G)
        joined: Tensor = self.head(encoded.values.take_along_dim(places.unsqueeze(-1), 1))
        return joined

    def summary_parameters(self) -> Iterable[nn.Parameter]:
        return [] if self.head is None else self.head.parameters()

    def blocks(self) -> Sequence[nn.Module]:
        return layers(self.body)


def settings(bundle: Bundle, where: str) -> dict[str, Any]:
    """What a model of pictures or clips wants to be shown: `size`, `fit`, `mean`, `std` and `resample`."""
    given = bundle.json("preprocessor_config.json") or bundle.json("video_preprocessor_config.json")
    if "image_mean" not in given:
        parts = bundle.json("processor_config.json")
        given = next((parts[key] for key in ("image_processor", "video_processor") if key in parts), given)
    size = (given.get("crop_size") if given.get("do_center_crop") else None) or given.get("size")
    if isinstance(size, Mapping):
        sides = {size[key] for key in ("height", "width", "shortest_edge") if key in size}
        size = sides.pop() if len(sides) == 1 else None
    resample = given.get("resample", 2)
    if not isinstance(size, int) or size < 1 or resample not in list(Resample):
        raise ConfigError(
            f"{where}: {bundle.folder} says in no preprocessor_config.json which square size its pictures need, "
            "or in one that cannot be"
        )
    plain = given.get("do_normalize") is False
    named: Any = given["size"] if isinstance(given.get("size"), Mapping) else {}
    cut = given.get("do_center_crop") or "shortest_edge" in named or "crop_pct" in given
    return {
        "size": size,
        "fit": "crop" if cut else "stretch",
        "mean": [0.0] * 3 if plain else [float(each) for each in given.get("image_mean", [0.5] * 3)],
        "std": [1.0] * 3 if plain else [float(each) for each in given.get("image_std", [0.5] * 3)],
        "resample": resample,
    }


def picture_options(wanted: Mapping[str, Any], options: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The options that the user may choose, on top of the model's framing.

    Raises:
        ConfigError: one that the model decides otherwise.
    """
    for key, reason in FIXED.items():
        if key in options and options[key] != wanted.get(key):
            raise ConfigError(f"{where}: the pretrained model {reason.format(side=wanted['size'])}; leave {key!r} out")
    framing: Literal["crop", "pad", "stretch"] = wanted["fit"]
    return {"fit": framing, **{key: value for key, value in options.items() if key not in FIXED}}
