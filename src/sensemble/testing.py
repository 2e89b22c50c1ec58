"""The battery that every modality, encoder, fusion and decoder must pass; for plugin authors as for us.

Each check raises AssertionError with what went wrong. No test framework is needed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .decoders.base import Decoder
from .encoders.base import Encoder
from .fusion.base import Fusion
from .modalities.base import Modality
from .tokens import Tokens

CLOSE = 1e-5
"""Largest difference that padding or the other rows of a batch may make, in float32."""


def check_modality(modality: Modality, values: Sequence[Any]) -> None:
    """A fitted modality: shapes, kinds, labels of tokens, collation, and a round trip of its state through JSON.

    Args:
        values: present raw values, all readable.
    """
    loaded = [modality.load(value) for value in values]
    for value, tensor in zip(values, loaded, strict=True):
        assert tensor.shape[1:] == modality.shape, f"load gave {tuple(tensor.shape)}, shape says {modality.shape}"
        assert tensor.dtype == modality.dtype, f"load gave {tensor.dtype}, dtype says {modality.dtype}"
        assert len(tensor) >= 1, "a present value gave no token"
        labels = modality.describe(value)
        assert len(labels) == len(tensor), f"describe gave {len(labels)} labels for {len(tensor)} tokens"
        assert "kind" in modality.show(value), "show names no kind"
    tokens = modality.collate([*loaded, None])
    assert tokens.present.tolist() == [True] * len(loaded) + [False], "collate masks the wrong rows"
    assert not bool(modality.collate([None, None]).mask.any()), "collate of missing rows alone is not masked"
    state = json.loads(json.dumps(modality.state()))
    before = [tensor.clone() for tensor in loaded]
    modality.restore(state)
    for value, expected in zip(values, before, strict=True):
        assert torch.equal(modality.load(value), expected), f"after restore, {value!r} loads differently"


def check_encoder(make: Callable[[], Encoder], modality: Modality, values: Sequence[Any]) -> None:
    """An encoder: masks, padding, other rows, missing rows, gradients, saving.

    Args:
        make: builds the encoder anew.
        modality: the fitted modality that it reads.
        values: three or more present raw values, of different lengths where the modality has lengths.
    """
    encoder = make().eval()
    loaded = [modality.load(value) for value in values]
    tokens = modality.prepare(modality.collate([*loaded, None]).clean(), training=False)
    with torch.no_grad():
        encoded = encoder(tokens)
        assert encoded.values.shape[-1] == encoder.dim, f"width {encoded.values.shape[-1]}, dim says {encoder.dim}"
        assert encoded.present.tolist() == tokens.present.tolist(), "presence of rows is not kept"
        assert bool((encoded.values[~encoded.mask] == 0).all()), "masked slots are not zero"
        assert bool(encoded.values.isfinite().all()), "values are not finite"
        assert torch.equal(encoder(_soil(tokens)).values, encoded.values), "what a masked slot holds changes the result"
        _same(encoded, encoder(_pad(tokens)), "padding changes the result")
        for row in range(len(values)):
            alone = modality.prepare(modality.collate([loaded[row]]), training=False)
            _same(encoded[row : row + 1], encoder(alone), "the other rows of the batch change the result")
        missing = encoder(Tokens(tokens.values, torch.zeros_like(tokens.mask)))
        assert not bool(missing.mask.any()) and bool((missing.values == 0).all()), "missing rows are not zero"
    _gradients(encoder, lambda: encoder.train()(tokens).values.square().sum())
    _saved(make, encoder, lambda module: module(tokens).values)


def check_fusion(make: Callable[[], Fusion], *, batch: int = 6) -> None:
    """A fusion: any subset of names, absent content, other rows, missing rows, gradients, saving.

    Args:
        make: builds the fusion anew, with two or more names.
        batch: rows of random input.
    """
    fusion = make().eval()
    generator = torch.Generator().manual_seed(0)
    inputs = {
        name: Tokens(
            torch.randn(batch, 3, fusion.width, generator=generator),
            torch.ones(batch, 3, dtype=torch.bool).tril(diagonal=place % 3 + 1).roll(place, 0),
        )
        for place, name in enumerate(fusion.names)
    }
    absent = torch.arange(batch) == batch - 1
    first = fusion.names[0]
    inputs[first] = inputs[first].hide(torch.arange(batch) == 1)
    inputs = {name: tokens.hide(absent).clean() for name, tokens in inputs.items()}
    with torch.no_grad():
        fused = fusion(inputs)
        assert fused.values.shape[-1] == fusion.width, "the width is not kept"
        assert bool(fused.values.isfinite().all()), "values are not finite"
        assert fused.present.tolist() == (~absent).tolist(), "a row is present that has no input, or the reverse"
        dirty = fusion({name: _soil(tokens) for name, tokens in inputs.items()})
        assert torch.equal(dirty.clean().values, fused.clean().values), "what an absent slot holds changes the result"
        order = torch.arange(batch).roll(1)
        turned = fusion({name: tokens[order] for name, tokens in inputs.items()})
        _same(fused[order], turned, "the order of the rows changes the result")
        for row in range(batch - 1):
            alone = fusion({name: tokens[row : row + 1] for name, tokens in inputs.items()})
            _same(fused[row : row + 1], alone, "the other rows of the batch change the result")
        _same(fused, fusion({name: _pad(tokens) for name, tokens in inputs.items()}), "padding changes the result")
        for name in fusion.names:
            some = fusion({name: inputs[name]})
            assert bool(some.values.isfinite().all()), f"with {name} alone, values are not finite"
            assert torch.equal(some.present, inputs[name].present), f"with {name} alone, presence is wrong"
    leaves = {name: tokens.values.clone().requires_grad_() for name, tokens in inputs.items()}
    given = {name: Tokens(leaves[name], inputs[name].mask) for name in leaves}
    torch.autograd.backward(fusion(given).clean().values.square().sum())
    for name, leaf in leaves.items():
        assert leaf.grad is not None and bool(leaf.grad.isfinite().all()), f"gradients of {name} are not finite"
        assert bool((leaf.grad != 0).any()), f"no gradient reaches {name}"
    _saved(make, fusion, lambda module: module(inputs).values)


def check_decoder(make: Callable[[], Decoder], *, batch: int = 6) -> None:
    """A decoder: that reading a text whole or token by token is the same, masks, other rows, missing rows, the rest.

    Args:
        make: builds the decoder anew.
        batch: rows of random fused tokens; the last one is missing.
    """
    decoder = make().eval()
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(batch, 3, decoder.width, generator=generator)
    mask = torch.ones(batch, 3, dtype=torch.bool).tril(diagonal=1).roll(1, 0)
    mask[-1] = False
    fused = Tokens(values, mask).clean()
    ids = torch.randint(1, decoder.num_tokens, (batch, 5), generator=generator)
    ids[:, 0] = decoder.begin
    with torch.no_grad():
        whole = decoder.scores(decoder(fused, ids))
        assert whole.shape == (batch, 5, decoder.num_tokens), f"scores are {tuple(whole.shape)}"
        assert bool(whole.isfinite().all()), "scores are not finite"
        leaning = decoder.bias.detach().clone()
        decoder.bias.add_(0.1 * torch.randn(len(decoder.bias), generator=generator))
        moved = decoder.scores(decoder(fused, ids)) - whole
        assert _near(moved, (decoder.bias - leaning).expand_as(moved)), "the bias is no part of the scores"
        decoder.bias.copy_(leaning)

        assert torch.equal(decoder(_soil(fused), ids), decoder(fused, ids)), "what a masked slot holds changes scores"
        assert _near(decoder.scores(decoder(_pad(fused), ids)), whole), "padding changes the scores"
        early = decoder.scores(decoder(fused, ids[:, :3]))
        assert _near(early, whole[:, :3]), "what comes later changes the scores"
        for row in range(batch):
            alone = decoder.scores(decoder(fused[row : row + 1], ids[row : row + 1]))
            assert _near(alone, whole[row : row + 1]), "the other rows of the batch change the scores"
        other = Tokens(fused.values.roll(1, 0), torch.zeros_like(mask))
        nothing = decoder.scores(decoder(other, ids[-1:].expand(batch, -1)))
        assert _near(nothing, whole[-1:].expand_as(nothing)), "rows without any input do not all get the same scores"

        state = decoder.start(fused)
        for step in range(5):
            features, state = decoder.read(state, ids[:, step])
            assert _near(decoder.scores(features), whole[:, step]), f"token by token, scores differ at token {step}"
        rows, places = torch.tensor([4, 1]), torch.arange(batch).repeat_interleave(2)
        state = decoder.start(fused).reorder(places)  # two hypotheses a row
        pairs = torch.stack([ids, ids.flip(1)], 1).flatten(0, 1)
        wanted = decoder.scores(decoder(fused[places], pairs))
        for step in range(3):
            features, state = decoder.read(state, pairs[:, step])
            assert _near(decoder.scores(features), wanted[:, step]), "several hypotheses of a row get wrong scores"
        state = state.reorder(places * 2 + torch.tensor([1, 0] * batch)).keep(rows)  # the two change places
        kept = torch.stack([rows * 2 + 1, rows * 2], 1).flatten()
        for step in (3, 4):
            features, state = decoder.read(state, pairs[kept, step])
            assert _near(decoder.scores(features), wanted[kept, step]), "after reorder and keep, scores are wrong"
    leaf = fused.values.clone().requires_grad_()
    _gradients(decoder, lambda: decoder.train().scores(decoder(Tokens(leaf, mask), ids)).square().sum())
    assert leaf.grad is not None and bool(leaf.grad.isfinite().all()), "gradients of the fused tokens are not finite"
    assert leaf.grad[mask].abs().sum(-1).min() > 0, "no gradient reaches some of the fused tokens"
    assert not bool(leaf.grad[~mask].any()), "masked slots get gradients"
    _saved(make, decoder, lambda module: module.scores(module(fused, ids)))


def _near(first: Tensor, second: Tensor) -> bool:
    return float((first - second).abs().max()) <= CLOSE


def _soil(tokens: Tokens) -> Tokens:
    """The same tokens with nonsense in the masked slots: 1e3, or the id 1."""
    gone = ~tokens.mask.view(*tokens.mask.shape, *[1] * (tokens.values.dim() - 2))
    return Tokens(tokens.values.masked_fill(gone, 1e3 if tokens.values.is_floating_point() else 1), tokens.mask)


def _pad(tokens: Tokens) -> Tokens:
    """Two more slots, filled with nonsense (small, for ids are looked up) and masked."""
    extra = torch.ones_like(tokens.values[:, :1]).repeat(1, 2, *[1] * (tokens.values.dim() - 2))
    return Tokens.cat([tokens, Tokens(extra, tokens.mask.new_zeros(len(tokens), 2))])


def _same(first: Tokens, second: Tokens, message: str) -> None:
    """Whether the real tokens agree, row by row, whatever the padding."""
    for row in range(len(first)):
        a, b = first.values[row][first.mask[row]], second.values[row][second.mask[row]]
        assert a.shape == b.shape, f"{message}: {len(a)} and {len(b)} real tokens in row {row}"
        difference = float((a - b).abs().max()) if len(a) else 0.0
        assert difference <= CLOSE, f"{message}: by {difference:.1e} in row {row}"


def _gradients(module: nn.Module, loss: Callable[[], Tensor]) -> None:
    learning = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    if not learning:  # a frozen encoder did its work before
        return
    module.zero_grad()
    torch.manual_seed(0)
    torch.autograd.backward(loss())
    for name, parameter in learning.items():
        assert parameter.grad is not None, f"no gradient reaches {name}"
        assert bool(parameter.grad.isfinite().all()), f"the gradient of {name} is not finite"


def _saved(make: Callable[[], Any], module: nn.Module, run: Callable[[Any], Tensor]) -> None:
    other = make().eval()
    other.load_state_dict(module.state_dict())
    with torch.no_grad():
        assert torch.equal(run(other), run(module.eval())), "after saving and loading, the result differs"
