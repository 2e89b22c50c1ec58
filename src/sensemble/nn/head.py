"""The head that reads fused tokens: pool, then one linear map.

Legend: B batch, T tokens, D width, K outputs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..tokens import Tokens
from .attention import AttentionPool


class Head(nn.Module):
    """Fused tokens `(B, T, D)` -> outputs `(B, K)`.

    The pooling weights sum to one over a row's real tokens and the map is linear, so the output is a weighted
    vote of the tokens: with late fusion, of the inputs. A row without any token gives the prior.

    Args:
        width: D.
        prior: `(K,)` what is known before looking: log shares of the classes, or zeros for standardised values.
    """

    prior: Tensor

    def __init__(self, width: int, prior: Tensor, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.pool = AttentionPool(width)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, len(prior))
        with torch.no_grad():
            self.linear.bias.copy_(prior)
        self.register_buffer("prior", prior.clone())

    def forward(self, fused: Tokens) -> Tensor:
        outputs: Tensor = self.linear(self.dropout(self.pool(fused)))  # (B, K)
        return torch.where(fused.present.unsqueeze(1), outputs.float(), self.prior)
