"""Imputation: what an absent input most likely held, by the training rows; the model is told that it is a guess.

Legend: B batch, T tokens, N other inputs, n donors, F numbers that describe one value.

Guesses are made of loaded values, before any encoder, so that they serve every modality and never depend on what is
being learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from .errors import ConfigError
from .tokens import Tokens

How = Literal["mean", "median", "most_frequent", "nearest", "learned"]
FEATURES = 64
"""F."""
MOST_DONORS = 2_000
MOST_BYTES = 32 * 2**20
"""Of the donors' values: they are saved with the model."""
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)


class Imputer(nn.Module):
    """Fills the rows in which one input is absent.

    - `mean`, `median`: feature by feature; for inputs of one token of numbers.
    - `most_frequent`: the value that most training rows hold; for any input.
    - `nearest`: the value of the training row that is nearest in what both rows have of the other inputs; any input.
    - `learned`: ridge regression from the other inputs; for inputs of one token of numbers.

    Args:
        how: which of these.
        name: the input's, for messages.
        others: names of the other inputs, in the config's order.
        width: D of the network: the flag that is added to a guess's encoded tokens.

    Raises:
        ConfigError: `nearest` or `learned` with no other input.
    """

    donors: Tensor
    lengths: Tensor
    features: Tensor
    known: Tensor
    centre: Tensor
    spread: Tensor
    weights: Tensor

    def __init__(self, how: How, *, name: str, others: tuple[str, ...], width: int) -> None:
        super().__init__()
        if how in ("nearest", "learned") and not others:
            raise ConfigError(f"inputs.{name}.impute: {how} needs another input to go by; take most_frequent or mean")
        self.how, self.name, self.others = how, name, others
        self.flag = nn.Parameter(torch.randn(width) * 0.02)
        for key in ("donors", "lengths", "features", "known", "centre", "spread", "weights"):
            self.register_buffer(key, torch.zeros(0))

    @property
    def fitted(self) -> bool:
        """Whether there is anything to fill with."""
        return len(self.donors) > 0 or len(self.weights) > 0

    def fit(self, own: Tokens, others: Mapping[str, Tokens]) -> Imputer:
        """Learns from training rows. Returns self.

        Args:
            own: the input's loaded values, `(B, T, ...)`.
            others: those of the other inputs, by name.

        Raises:
            ConfigError: the input's values are not such as the way of guessing needs.
        """
        own, real = own.clean(), own.present
        numbers = own.values.shape[1] == 1 and own.values.is_floating_point()
        if self.how in ("mean", "median", "learned") and not numbers:
            raise ConfigError(
                f"inputs.{self.name}.impute: {self.how} is for numbers and single vectors; take most_frequent or "
                "nearest for values of several tokens, labels, texts and media"
            )
        if self.how in ("nearest", "learned"):
            features, known = self._describe(others)
            flat = features.view(len(features), len(self.others), FEATURES)
            count = known.sum(0).clamp(min=1)[:, None]
            self.centre = (flat * known[..., None]).sum(0) / count  # (N, F)
            variance = ((flat - self.centre) ** 2 * known[..., None]).sum(0) / count
            self.spread = variance.sqrt().clamp(min=1e-6)
            features, known = self._scaled(features, known)
        if self.how == "learned":
            self._fit_ridge(own, features, known)
            return self
        values = own.values[real]
        if self.how == "mean":
            self._give(Tokens.full(values.mean(0, keepdim=True)))
        elif self.how == "median":
            self._give(Tokens.full(values.quantile(0.5, dim=0, keepdim=True)))
        elif self.how == "most_frequent":
            marked = torch.cat([values.flatten(1).double(), own.mask[real].double()], 1)  # padding is no value
            _, first_of, counts = np.unique(marked.numpy(), axis=0, return_index=True, return_counts=True)
            first = int(first_of[counts.argmax()])
            self._give(own[real][first : first + 1])
        else:
            size = max(1, values[:1].nbytes)
            places = np.linspace(0, len(values) - 1, min(len(values), MOST_DONORS, max(1, MOST_BYTES // size)))
            chosen = torch.from_numpy(np.unique(places.astype(np.int64)))
            self.features, self.known = features[real][chosen], known[real][chosen]
            self._give(own[real][chosen])
        return self

    def forward(self, own: Tokens, others: Mapping[str, Tokens]) -> tuple[Tokens, Tensor]:
        """The values with the absent ones filled, and `(B,)` bool, which rows were.

        Args:
            own: loaded values `(B, T, ...)`.
            others: those of the other inputs; one that is not given counts as absent.
        """
        absent = ~own.present
        if not bool(absent.any()) or not self.fitted:
            return own, torch.zeros_like(absent)
        if self.how == "learned":
            features, known = self._scaled(*self._describe(others, like=own))
            inputs = torch.cat([features, known.to(features.dtype), features.new_ones(len(features), 1)], 1)
            guess = Tokens.full((inputs @ self.weights).view(len(own), 1, *own.values.shape[2:]).to(own.values.dtype))
        else:
            guess = self._donated(self._nearest(others, own) if self.how == "nearest" else absent.long() * 0)
        length = max(own.values.shape[1], guess.values.shape[1])
        own, guess = _padded(own, length), _padded(guess, length)
        chosen = absent.view(-1, 1, *[1] * (own.values.dim() - 2))
        return Tokens(
            torch.where(chosen, guess.values, own.values), torch.where(absent[:, None], guess.mask, own.mask)
        ), absent

    def _fit_ridge(self, own: Tokens, features: Tensor, known: Tensor) -> None:
        from sklearn.linear_model import RidgeCV

        real = own.present
        inputs = torch.cat([features, known.to(features.dtype)], 1)[real].numpy()
        wanted = own.values[real].flatten(1).numpy()
        found = RidgeCV(alphas=PENALTIES).fit(inputs, wanted)
        bias = np.atleast_1d(found.intercept_)
        weights = np.concatenate([np.atleast_2d(found.coef_).T, bias[None]], 0)
        self.weights = torch.from_numpy(weights.astype(np.float32))

    def _describe(self, others: Mapping[str, Tokens], like: Tokens | None = None) -> tuple[Tensor, Tensor]:
        """`(B, N·F)` what rows hold of the other inputs, and `(B, N)` which of them they have."""
        some = like if like is not None else next(iter(others.values()))
        parts, known = [], []
        for name in self.others:
            tokens = others.get(name)
            if tokens is None:
                parts.append(torch.zeros(len(some), FEATURES, device=some.mask.device))
                known.append(torch.zeros(len(some), dtype=torch.bool, device=some.mask.device))
            else:
                parts.append(features_of(tokens))
                known.append(tokens.present)
        return torch.cat(parts, 1), torch.stack(known, 1)

    def _scaled(self, features: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Features of mean 0 and deviation 1 in training; 0 where an input is absent."""
        flat = features.view(len(features), len(self.others), FEATURES)
        return (((flat - self.centre) / self.spread) * known[..., None]).flatten(1), known

    def _nearest(self, others: Mapping[str, Tokens], own: Tokens) -> Tensor:
        """`(B,)` which donor each row is nearest to: the mean distance over the inputs that both have."""
        features, known = self._scaled(*self._describe(others, like=own))
        total = features.new_zeros(len(features), len(self.features))
        shared = total.clone()
        for index in range(len(self.others)):
            part = slice(index * FEATURES, (index + 1) * FEATURES)
            both = (known[:, index, None] & self.known[None, :, index]).to(total.dtype)  # (B, n)
            total += torch.cdist(features[:, part], self.features[:, part]) ** 2 * both
            shared += both
        far = torch.where(shared > 0, total / shared.clamp(min=1), torch.inf)
        return far.argmin(1)

    def _give(self, donors: Tokens) -> None:
        self.donors, self.lengths = donors.values.clone(), donors.mask.sum(1)

    def _donated(self, which: Tensor) -> Tokens:
        steps = torch.arange(self.donors.shape[1], device=self.donors.device)
        return Tokens(self.donors[which], steps < self.lengths[which][:, None])

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        for key, _ in self.named_buffers():  # how large they are, only the training rows knew
            if prefix + key in state_dict:
                setattr(self, key, torch.empty_like(state_dict[prefix + key]))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def features_of(tokens: Tokens) -> Tensor:
    """What a loaded value is like, whatever its modality: `(B, T, ...) -> (B, F)`, zeros where absent.

    Ids are counted in F hashed bins; numbers are averaged over tokens and, where they are more than F, projected
    at random, which keeps distances nearly (Johnson & Lindenstrauss 1984).
    """
    tokens = tokens.clean()
    if not tokens.values.is_floating_point() and tokens.values.dim() == 2:
        bins = (tokens.values.long() * 2_654_435_761 >> 7) % FEATURES
        counts = torch.zeros(len(tokens), FEATURES, device=tokens.mask.device)
        counts.scatter_add_(1, bins, tokens.mask.float())
        return counts / counts.sum(1, keepdim=True).clamp(min=1)
    flat = tokens.values.float().flatten(2)  # (B, T, ...) -> (B, T, P)
    mean = flat.sum(1) / tokens.mask.sum(1, keepdim=True).clamp(min=1)
    size = mean.shape[1]
    if size <= FEATURES:
        return torch.nn.functional.pad(mean, (0, FEATURES - size))
    random = torch.randn(size, FEATURES, generator=torch.Generator().manual_seed(size)) / size**0.5
    projected: Tensor = mean @ random.to(mean.device)
    return projected


def _padded(tokens: Tokens, length: int) -> Tokens:
    short = length - tokens.values.shape[1]
    if not short:
        return tokens
    values = torch.cat([tokens.values, tokens.values.new_zeros(len(tokens), short, *tokens.values.shape[2:])], 1)
    return Tokens(values, torch.nn.functional.pad(tokens.mask, (0, short)))
