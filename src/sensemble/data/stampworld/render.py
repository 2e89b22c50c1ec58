"""Draws scenes: plain shapes, and cut-outs on coloured cards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .cutouts import Cutout, picture
from .sample import Random
from .scene import COLOURS, RADIUS, SHAPES, SPAN, Scene, Thing

SIDE = 96
"""Pixels of pictures and frames: one for a unit of the world."""
SHADE = 14
"""How far each part of a thing's colour may be from the colour it is called."""
Fill = tuple[int, int, int]


class Painter:
    """Draws one scene at any of its frames; ground and shades stay.

    Args:
        scene: what is drawn.
        side: of the picture, in pixels.
        cutouts: by kind; the scene's kinds are shapes or stand in here.
        wrap: whether what leaves at one edge comes in at the other, as in clips.
    """

    def __init__(
        self, scene: Scene, *, side: int, cutouts: Mapping[str, Cutout] | None = None, wrap: bool = False
    ) -> None:
        self.scene, self.side, self.wrap = scene, side, wrap
        self.cutouts = cutouts or {}
        random = np.random.default_rng(scene.look)
        self.ground = _ground(side, random)
        self.fills = [_shade(COLOURS[thing.colour], random) for thing in scene.things]

    def frame(self, number: int = 0) -> Image.Image:
        """The RGB picture of a frame."""
        image = self.ground.copy()
        draw = ImageDraw.Draw(image)
        for thing, fill in zip(self.scene.things, self.fills, strict=True):
            x, y = (part * self.side // SPAN for part in thing.at(number))
            radius = RADIUS[thing.size] * self.side // SPAN
            for left, top in self._places(x, y, radius):
                self._thing(image, draw, thing, fill, (left, top, radius))
        return image

    def _places(self, x: int, y: int, radius: int) -> list[tuple[int, int]]:
        """Where a thing is seen: beyond an edge also at the opposite one."""
        if not self.wrap:
            return [(x, y)]
        across, down = (
            [part + shift for shift in (-self.side, 0, self.side) if -radius <= part + shift <= self.side + radius]
            for part in (x, y)
        )
        return [(left, top) for left in across for top in down]

    def _thing(
        self, image: Image.Image, draw: ImageDraw.ImageDraw, thing: Thing, fill: Fill, place: tuple[int, int, int]
    ) -> None:
        x, y, radius = place
        if thing.kind in SHAPES:
            shape(draw, thing.kind, x, y, radius, fill)
            return
        draw.rectangle((x - radius, y - radius, x + radius, y + radius), fill=fill, outline=(255, 255, 255))
        cutout = picture(self.cutouts[thing.kind].image, 2 * radius - 3)
        image.paste(cutout, (x - cutout.width // 2, y - cutout.height // 2), cutout)


def draw_picture(scene: Scene, cutouts: Mapping[str, Cutout] | None = None) -> Image.Image:
    """A still scene as an RGB picture of 96 x 96 pixels."""
    return Painter(scene, side=SIDE, cutouts=cutouts).frame()


def save_picture(scene: Scene, path: Path, cutouts: Mapping[str, Cutout] | None = None) -> None:
    """Writes a still scene as PNG; the same bytes under one version of Pillow."""
    draw_picture(scene, cutouts).save(path, format="PNG", compress_level=6)


def shape(draw: ImageDraw.ImageDraw, kind: str, x: int, y: int, r: int, fill: Fill) -> None:
    """A filled shape about a centre, within `r` pixels of it on each side. The centre is filled in all of them."""
    if kind == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)
    elif kind == "square":
        draw.rectangle((x - r + 1, y - r + 1, x + r - 1, y + r - 1), fill=fill)
    elif kind == "bar":
        draw.rectangle((x - r, y - r // 3, x + r, y + r // 3), fill=fill)
    elif kind == "cross":
        draw.rectangle((x - r, y - r // 4, x + r, y + r // 4), fill=fill)
        draw.rectangle((x - r // 4, y - r, x + r // 4, y + r), fill=fill)
    elif kind == "heart":
        draw.ellipse((x - r, y - r, x, y), fill=fill)
        draw.ellipse((x, y - r, x + r, y), fill=fill)
        draw.polygon([(x - r, y - r // 2), (x + r, y - r // 2), (x, y + r)], fill=fill)
    else:
        draw.polygon([(x + r * across // 100, y + r * down // 100) for across, down in _POINTS[kind]], fill=fill)


_POINTS = {
    "triangle": ((0, -100), (100, 100), (-100, 100)),
    "diamond": ((0, -100), (75, 0), (0, 100), (-75, 0)),
    "star": (
        *((0, -100), (26, -30), (98, -30), (40, 14), (62, 85)),
        *((0, 42), (-62, 85), (-40, 14), (-98, -30), (-26, -30)),
    ),
}
"""Corners in hundredths of the radius."""


def _ground(side: int, random: Random) -> Image.Image:
    """A light ground with a lighter or darker band across, so that equal scenes are not equal pictures."""
    ground, band = (tuple(int(part) for part in random.integers(205, 256, size=3)) for _ in range(2))
    image = Image.new("RGB", (side, side), ground)
    start, end = sorted(int(place) for place in random.integers(side, size=2))
    box = (start, 0, end, side) if random.integers(2) else (0, start, side, end)
    ImageDraw.Draw(image).rectangle(box, fill=band)
    return image


def _shade(colour: Fill, random: Random) -> Fill:
    red, green, blue = (
        min(max(part + int(change), 0), 255)
        for part, change in zip(colour, random.integers(-SHADE, SHADE + 1, size=3), strict=True)
    )
    return red, green, blue
