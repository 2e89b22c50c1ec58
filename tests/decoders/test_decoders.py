"""Every registered decoder passes the battery; what is particular to each."""

from __future__ import annotations

import doctest
from typing import Any

import pytest
import torch

from sensemble.decoders import ngram, rules
from sensemble.decoders.base import DECODERS, Decoder
from sensemble.errors import ConfigError
from sensemble.testing import check_decoder
from sensemble.tokens import Tokens

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "transformer": [{"depth": 1, "heads": 2}, {"dim": 12, "depth": 2, "heads": 3, "dropout": 0.0}],
    "recurrent": [{}, {"cell": "gru"}, {"depth": 2, "dim": 12, "heads": 2}, {"cell": "gru", "depth": 2}],
}
CASES = [(name, options) for name in DECODERS for options in OPTIONS.get(name, [{}])]


def make(name: str, options: dict[str, Any], num_tokens: int = 20) -> Decoder:
    torch.manual_seed(0)
    return DECODERS.create(name, 16, num_tokens, **options)


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_battery(name: str, options: dict[str, Any]) -> None:
    check_decoder(lambda: make(name, options))


def test_a_cache_grows_beyond_its_first_room() -> None:
    decoder = make("transformer", {"depth": 1, "heads": 2}).eval()
    fused = _fused(2)
    ids = torch.randint(1, 20, (2, 150), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole, state = decoder(fused, ids), decoder.start(fused)
        for step in range(150):
            features, state = decoder.read(state, ids[:, step])
            assert torch.allclose(features, whole[:, step], atol=1e-5)


def test_one_table_reads_and_writes() -> None:
    for name in DECODERS:
        decoder = make(name, {}, num_tokens=500)
        tables = [p for p in decoder.parameters() if p.dim() == 2 and 500 <= max(p.shape) <= 501]
        assert len(tables) == 1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("transfomer", {}, "did you mean 'transformer'"),
        ("recurrent", {"cell": "rnn"}, "unknown value 'rnn'"),
        ("transformer", {"heads": 5}, "the heads must divide the width"),
    ],
)
def test_wrong_options(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(name, options)


def _fused(rows: int) -> Tokens:
    return Tokens.full(torch.randn(rows, 3, 16, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("module", [ngram, rules])
def test_examples(module: Any) -> None:
    found = doctest.testmod(module)
    assert found.attempted and not found.failed
