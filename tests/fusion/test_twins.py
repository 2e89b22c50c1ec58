"""Tokens that rows share are read once by `film`, and nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sensemble.fusion.base import FUSIONS
from sensemble.tokens import Tokens


@pytest.mark.parametrize("lacking", [None, 1])
def test_film_gives_the_same_for_shared_pictures_and_learns_the_same(lacking: int | None) -> None:
    torch.manual_seed(0)
    fusion = FUSIONS.create("film", ["image", "question"], 16, by=("question",))
    rows = torch.arange(2).repeat_interleave(4)
    pictures, question = torch.randn(2, 9, 16), Tokens.full(torch.randn(8, 5, 16))
    mask = torch.ones(8, 9, dtype=torch.bool)
    if lacking is not None:
        mask[lacking] = False

    def run(twins: torch.Tensor | None) -> tuple[Any, ...]:
        shared = pictures.clone().requires_grad_()
        fusion.zero_grad()
        fused = fusion({"image": Tokens(shared[rows], mask, twins), "question": question})
        (fused.values * torch.linspace(0, 1, 16)).sum().backward()
        return fused.values, shared.grad, *[each.grad.clone() for each in fusion.parameters() if each.grad is not None]

    apart, together = run(None), run(rows)
    assert len(apart) == len(together)
    for one, other in zip(apart, together, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_the_first_block_runs_once_for_each_picture() -> None:
    fusion = FUSIONS.create("film", ["image", "question"], 16, by=("question",), depth=2)
    seen: list[int] = []
    for block in fusion.blocks:
        block.up.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    rows = torch.arange(2).repeat_interleave(4)
    image = Tokens(torch.randn(2, 9, 16)[rows], torch.ones(8, 9, dtype=torch.bool), rows)
    fusion({"image": image, "question": Tokens.full(torch.randn(8, 5, 16))})
    assert seen == [2, 8]


def test_rows_that_share_a_clip_and_its_sound_are_read_once_and_learn_the_same() -> None:
    torch.manual_seed(0)
    fusion = FUSIONS.create("film", ["clip", "sound", "question"], 16, by=("question",), depth=2)
    clips, sounds, question = torch.randn(2, 9, 16), torch.randn(3, 4, 16), Tokens.full(torch.randn(8, 5, 16))
    clip, sound = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]), torch.tensor([0, 0, 1, 1, 1, 2, 2, 2])
    seen: list[int] = []
    fusion.blocks[0].up.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))

    def run(twins: bool) -> tuple[Any, ...]:
        fusion.zero_grad()
        shared = {
            name: Tokens(values[rows], torch.ones(8, values.shape[1], dtype=torch.bool), rows if twins else None)
            for name, values, rows in (("clip", clips, clip), ("sound", sounds, sound))
        }
        fused = fusion({**shared, "question": question})
        (fused.values * torch.linspace(0, 1, 16)).sum().backward()
        return fused.values, *[each.grad.clone() for each in fusion.parameters() if each.grad is not None]

    for one, other in zip(run(False), run(True), strict=True):
        assert torch.allclose(one, other, atol=1e-4)
    assert seen == [8, 4]  # four pairs of clip and sound
