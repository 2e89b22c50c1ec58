"""Attention that keeps to masks: the only place that guards against queries with nothing to look at.

Legend: B batch, H heads, Q queries, K tokens of the context, D width.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from ..errors import ConfigError
from ..tokens import Tokens


class Attention(nn.Module):
    """Multi-head attention of queries to the real tokens of a context (Vaswani et al. 2017).

    A query that may see no real token gets zeros, and its gradients are finite. What masked tokens hold, even
    NaN, changes nothing. Dropout acts on the result rather than on the weights, which keeps torch's fused
    kernels in use.

    Args:
        width: D; `heads` must divide it.
        heads: number of attention heads.
        dropout: on the result, in training.

    Raises:
        ConfigError: the heads do not divide the width.

    >>> context = Tokens.stack([torch.ones(3, 8), None])
    >>> found = Attention(8, heads=2)(torch.ones(2, 5, 8), context)
    >>> found.shape, found[1].abs().sum().item()
    (torch.Size([2, 5, 8]), 0.0)
    """

    def __init__(self, width: int, *, heads: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ConfigError(f"attention of width {width} cannot have {heads} heads: the heads must divide the width")
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries: Tensor, context: Tokens, *, causal: bool = False) -> Tensor:
        """What each query finds.

        Args:
            queries: `(B, Q, D)`.
            context: `(B, K, D)`.
            causal: query i sees the tokens up to i alone; for decoders, where queries and context are one sequence.

        Returns:
            `(B, Q, D)`; zeros where a query sees no real token.
        """
        context = context.clean()
        seen = _seen(context.mask, queries.shape[1], causal=causal)
        return self.look(queries, *self.keys(context.values), seen, causal=causal)

    def keys(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """A context's keys and values, to be kept where it is looked at many times: `(B, K, D)` -> `(B, H, K, D/H)`."""
        key, value = rearrange(self.key_value(values), "b k (two h d) -> two b h k d", two=2, h=self.heads)
        return key, value

    def look(
        self, queries: Tensor, key: Tensor, value: Tensor, seen: Tensor | None = None, *, causal: bool = False
    ) -> Tensor:
        """What each query finds among keys and values that `keys` has made.

        Args:
            queries: `(B, Q, D)`.
            key: `(B, H, K, D/H)`.
            value: likewise.
            seen: `(B, 1, Q or 1, K)` bool, which keys each query may see; `None`: all of them, or with `causal`
                those up to the query's own place.
            causal: see above.
        """
        query = rearrange(self.query(queries), "b q (h d) -> b h q d", h=self.heads)
        if seen is None:
            found = functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
        else:
            blind = ~seen.any(-1, keepdim=True)  # (B, 1, Q or 1, 1)
            # a softmax over nothing is NaN: blind queries see everything, and what they find is then dropped
            found = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen | blind)
        found = self.dropout(self.out(rearrange(found, "b h q d -> b q (h d)")))
        result: Tensor = found if seen is None else found.masked_fill(blind.squeeze(1), 0)
        return result

    def whole(self) -> tuple[Tensor, Tensor]:
        """`(3·D, D)` and `(3·D,)`: weight and bias of queries, keys and values in one."""
        parts = self.query, self.key_value
        return torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts])

    def glance(self, query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None = None) -> Tensor:
        """`look` for one query a row or a few, as when texts are written: plain products, without dropout.

        The fused kernels pay for many queries; for one they take up to three times as long.

        Args:
            query: `(B·Q, D)` as `self.query` gives them, those of a row after each other.
            key: `(B·H, K, D/H)`: only the last two axes need lie close together.
            value: likewise.
            seen: `(B, K)` bool, which keys each row may see; `None`: all of them.

        Returns:
            `(B·Q, D)`; zeros where a row sees no key.
        """
        rows, width = len(key) // self.heads, query.shape[1]
        split = query.view(rows, -1, self.heads, width // self.heads).transpose(1, 2)  # (B, H, Q, D/H)
        scores = torch.baddbmm(  # (B·H, Q, K); nothing is added, but this product scales
            query.new_empty(1), split.reshape(len(key), -1, split.shape[3]), key.transpose(1, 2),
            beta=0, alpha=split.shape[3] ** -0.5,
        )  # fmt: skip
        if seen is None:
            weights = scores.softmax(-1)
        else:
            weights = masked_softmax(scores.view(*split.shape[:3], -1), seen[:, None, None]).view_as(scores)
        found = torch.bmm(weights, value).view(split.shape).transpose(1, 2)  # (B, Q, H, D/H)
        result: Tensor = self.out(found.reshape(query.shape))
        if seen is None:
            return result
        return result.view(rows, -1, width).masked_fill(~seen.any(1)[:, None, None], 0).view_as(result)


class AttentionPool(nn.Module):
    """A learned query weighs the real tokens of each row and adds them up.

    The weights sum to one and the tokens enter as they are, so one token passes unchanged, and a linear map
    after the pool is a weighted vote of the tokens. It starts as the mean.

    Args:
        width: D.

    >>> AttentionPool(2)(Tokens.stack([torch.tensor([[1.0, 2.0], [3.0, 2.0]]), None])).tolist()
    [[2.0, 2.0], [0.0, 0.0]]
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(width))
        self.scale = width**-0.5

    def forward(self, tokens: Tokens) -> Tensor:
        """`(B, K, D) -> (B, D)`; zeros for a row without any real token."""
        tokens = tokens.clean()
        if tokens.values.shape[1] == 1:
            return tokens.values[:, 0]  # its weight is one
        values, weights = tokens.values, self.weights(tokens)
        return (weights.to(values.dtype).unsqueeze(1) @ values).squeeze(1)  # (B, 1, K) @ (B, K, D) -> (B, D)

    def weights(self, tokens: Tokens) -> Tensor:
        """How much each token counts: `(B, K, D) -> (B, K)`, zero where masked, else summing to one in a row."""
        scores = tokens.values @ self.query.to(tokens.values.dtype) * self.scale  # (B, K)
        return masked_softmax(scores.float(), tokens.mask)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis among what the mask allows; zeros for what it does not.

    >>> masked_softmax(torch.zeros(2, 2), torch.tensor([[True, False], [False, False]])).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    lowest = float(torch.finfo(scores.dtype).min)  # not -inf: a row of those would give NaN, in gradients too
    return scores.masked_fill(~mask, lowest).softmax(-1).masked_fill(~mask, 0)


def _seen(mask: Tensor, num_queries: int, *, causal: bool) -> Tensor | None:
    """`(B, K)` mask -> `(B, 1, Q or 1, K)`, which tokens each query sees; `None` where no mask is needed."""
    if bool(mask.all()):
        return None
    seen = mask[:, None, None, :]  # (B, 1, 1, K)
    return seen & mask.new_ones(num_queries, mask.shape[1]).tril() if causal else seen
