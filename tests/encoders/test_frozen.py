"""A frozen body as preprocessing: the same features however values are batched, kept by content and by weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sensemble.data.cache import Cache, load_many
from sensemble.encoders.backbone import Backbone, encode, pool
from sensemble.encoders.frozen import Frozen
from sensemble.errors import Unreadable
from sensemble.modalities.text import Text
from sensemble.testing import check_modality
from sensemble.tokens import Tokens

TEXTS = ["good tea", "bad", "今天的茶很好", "so so, not bad at all", "good"]


class Body(Backbone):
    """A table of words and a Transformer layer, counting the rows it encodes."""

    dim = 8

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.source = Text(vocab=300).fit(TEXTS)
        self.digest = f"body {seed}"
        self.table = nn.Embedding(self.source.num_tokens, 8)
        self.rows = 0

    def forward(self, tokens: Tokens) -> Tokens:
        self.rows += len(tokens)
        values = self.table(tokens.values)
        return tokens.with_values(values - tokens.with_values(values).mean().unsqueeze(1))


@pytest.mark.parametrize("how", ["tokens", "cls", "mean"])
def test_it_is_a_modality_like_any_other(how: Any) -> None:
    frozen = Frozen(Body(), pool=how)
    check_modality(frozen, TEXTS)
    assert frozen.shape == (8,)
    assert not frozen.load(TEXTS[0]).requires_grad


def test_features_do_not_depend_on_what_they_were_batched_with() -> None:
    frozen = Frozen(Body())
    for together, text in zip(frozen.load_many(TEXTS), TEXTS, strict=True):
        assert isinstance(together, torch.Tensor)
        assert torch.allclose(together, frozen.load(text), atol=1e-6)
        assert len(together) == len(frozen.backbone.source.load(text))


def test_pooling() -> None:
    body = Body()
    tokens = body.source.collate([body.source.load(text) for text in TEXTS] + [None])
    encoded = encode(body, tokens, "tokens")
    assert torch.equal(pool(body, encoded, "cls").values[:5, 0], encoded.values[:5, 0])
    assert torch.allclose(pool(body, encoded, "mean").values[:, 0], encoded.mean())
    for how in ("cls", "mean"):
        one = pool(body, encoded, how)  # type: ignore[arg-type]
        assert one.present.tolist() == [True] * 5 + [False] and not bool(one.values[5].any())


def test_unreadable_values_keep_their_reason_and_place() -> None:
    found = Frozen(Body()).load_many(["good", b"\xff\xfe", "bad"])
    assert [isinstance(each, Unreadable) for each in found] == [False, True, False]
    with pytest.raises(Unreadable):
        Frozen(Body()).load(b"\xff\xfe")


def test_the_second_time_comes_from_the_cache_and_equals_the_first(tmp_path: Path) -> None:
    cache, frozen = Cache(tmp_path), Frozen(Body())
    first = load_many(frozen, TEXTS, cache)
    assert frozen.backbone.rows == 5
    again = load_many(frozen, [*TEXTS[:4], "new one"], cache)
    assert frozen.backbone.rows == 6
    for one, other in zip(first[:4], again[:4], strict=True):
        assert torch.equal(one, other)  # type: ignore[arg-type]
    other = Frozen(Body(seed=1))
    load_many(other, TEXTS, cache)
    assert other.backbone.rows == 5, "other weights are other features"
    mean = Frozen(Body(), pool="mean")
    load_many(mean, TEXTS, cache)
    assert mean.backbone.rows == 5, "another pooling is another entry"


def test_a_run_made_with_other_weights_is_refused() -> None:
    state = Frozen(Body()).state()
    with pytest.raises(ValueError, match="not those that the run was trained with"):
        Frozen(Body(seed=1)).restore(state)
