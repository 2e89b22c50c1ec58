"""Frames of sounds as they are heard: a stretch of them, faster or slower, some hidden, standardised one by one.

Legend: B batch, T frames, F bands.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..tokens import Tokens

HIDDEN = 2
"""Stretches of time, and of bands, that are hidden."""


def stretch(tokens: Tokens, most: int, *, place: float | None, speed: float = 0.0) -> Tokens:
    """A stretch of each row: `(B, T, F)` -> `(B, T', F)`, T' at most `most`.

    Args:
        tokens: frames in order.
        most: frames of a stretch.
        place: of longer rows, where the stretch lies: 0 at the start, 1 at the end, `None` at random.
        speed: rows are heard faster or slower at random, by up to this share: frames are interpolated.
    """
    lengths = row_lengths(tokens)  # (B,)
    if not speed and int(lengths.max()) <= most:
        return tokens
    pace = draw(tokens.values, 1 - speed, 1 + speed) if speed else torch.ones_like(lengths, dtype=torch.float32)
    sizes = (lengths / pace).floor().clamp(min=1, max=most) * (lengths > 0)  # (B,)
    spare = (lengths - 1 - (sizes - 1) * pace).clamp(min=0)
    if speed:
        starts = spare * (draw(pace, 0, 1) if place is None else place)
    else:  # whole frames, each start as likely as the others
        starts = (draw(pace, 0, 1) * (spare + 1) if place is None else spare * place).floor()
    steps = torch.arange(max(1, int(sizes.max())), device=pace.device)  # (T',)
    places = starts.unsqueeze(1) + steps * pace.unsqueeze(1)  # (B, T')
    left = places.long().clamp(max=tokens.mask.shape[1] - 1)
    mask = (steps < sizes.unsqueeze(1)) & tokens.mask.gather(1, left)
    values = _at(tokens.values, left)
    if speed:
        right = torch.minimum(left + 1, (lengths - 1).clamp(min=0).unsqueeze(1))
        values = values.lerp(_at(tokens.values, right), (places - left).clamp(0, 1).unsqueeze(2))
    return Tokens(values, mask).clean()


def hide(tokens: Tokens, *, time: float, bands: float) -> Tokens:
    """The same frames with two stretches of time and two of bands set to zero, each up to a share of its row.

    SpecAugment (Park et al. 2019, section 2) without its warping; its LD policy has two of each, too.

    Args:
        tokens: `(B, T, F)`, standardised, so that zero is the mean.
        time: longest share of a row's frames.
        bands: longest share of the bands.
    """
    values, lengths = tokens.values, row_lengths(tokens)
    for _ in range(HIDDEN if time else 0):
        values = values.masked_fill(_span(values.shape[1], lengths, time).unsqueeze(2), 0)
    for _ in range(HIDDEN if bands else 0):
        every = torch.full_like(lengths, values.shape[2])
        values = values.masked_fill(_span(values.shape[2], every, bands).unsqueeze(1), 0)
    return Tokens(values, tokens.mask)


def standardise(tokens: Tokens, smallest: float) -> Tokens:
    """Each row's bands at mean 0 and deviation 1 over its real frames; deviations below `smallest` count as that."""
    count = tokens.mask.sum(1).clamp(min=1).view(-1, 1, 1)
    apart = tokens.with_values(tokens.values - tokens.clean().values.sum(1, keepdim=True) / count)
    std = (apart.values.square().sum(1, keepdim=True) / count).sqrt()  # (B, 1, F)
    return Tokens(apart.values / std.clamp(min=smallest), tokens.mask)


def row_lengths(tokens: Tokens) -> Tensor:
    """`(B,)` frames up to each row's last real one."""
    places = torch.arange(1, tokens.mask.shape[1] + 1, device=tokens.mask.device)
    return (places * tokens.mask).amax(1)


def draw(like: Tensor, low: float, high: float) -> Tensor:
    """`(B,)` numbers at random, one a row."""
    return low + (high - low) * torch.rand(len(like), device=like.device)


def _span(size: int, lengths: Tensor, share: float) -> Tensor:
    """`(B, size)` bool: in each row one stretch at random, up to a share of its length."""
    widths = draw(lengths, 0, share) * lengths
    starts = draw(lengths, 0, 1) * (lengths - widths)
    steps = torch.arange(size, device=lengths.device) + 0.5
    return (steps > starts.unsqueeze(1)) & (steps < (starts + widths).unsqueeze(1))


def _at(values: Tensor, places: Tensor) -> Tensor:
    """`(B, T, F)` at the places `(B, T')` -> `(B, T', F)`."""
    return values.gather(1, places.unsqueeze(2).expand(-1, -1, values.shape[2]))
