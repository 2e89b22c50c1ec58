"""Guesses for absent inputs: against scikit-learn's, from training rows alone, and the same in any batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV

from sensemble.errors import ConfigError
from sensemble.impute import FEATURES, PENALTIES, Imputer, features_of
from sensemble.tokens import Tokens


def vectors(rows: int = 40, width: int = 3, *, seed: int = 0) -> Tokens:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(rows, 1, width, generator=generator)
    return Tokens(values, torch.rand(rows, 1, generator=generator) < 0.7)


def made(how: str, others: tuple[str, ...] = ("b",)) -> Imputer:
    torch.manual_seed(0)
    return Imputer(how, name="a", others=others, width=4)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["mean", "median"])
def test_columns_are_filled_as_scikit_learn_fills_them(how: str) -> None:
    own = vectors()
    filled, guessed = made(how).fit(own, {})(own, {})
    array = torch.where(own.mask[..., None], own.values, torch.nan)[:, 0].numpy()
    expected = SimpleImputer(strategy=how).fit_transform(array)
    assert np.allclose(filled.values[:, 0].numpy(), expected, atol=1e-6)
    assert guessed.tolist() == (~own.present).tolist() and bool(filled.present.all())


def test_the_most_frequent_value_is_a_whole_one_and_padding_does_not_count() -> None:
    rows = [torch.tensor(ids) for ids in ([5, 7], [5, 7, 0], [5], [5, 7], [9, 9, 9])]
    own = Tokens.stack([*rows, None])
    filled, _ = made("most_frequent").fit(own, {})(own, {})
    assert filled.values[5][filled.mask[5]].tolist() == [5, 7]


def test_the_nearest_row_that_has_it_gives_its_value() -> None:
    other = Tokens.full(torch.tensor([[[0.0]], [[1.0]], [[10.0]], [[11.0]]]))
    own = Tokens.stack([torch.tensor([1]), torch.tensor([2, 2]), torch.tensor([3]), None])
    imputer = made("nearest").fit(own, {"b": other})
    filled, _ = imputer(own, {"b": other})
    assert filled.values[3][filled.mask[3]].tolist() == [3]
    asked = Tokens.full(torch.tensor([[[0.9]]]))
    filled, _ = imputer(Tokens.stack([None], shape=(), dtype=torch.long), {"b": asked})
    assert filled.values[0][filled.mask[0]].tolist() == [2, 2]


def test_the_regression_is_ridge_on_the_other_inputs() -> None:
    other, own = vectors(60, 3, seed=1), vectors(60, 2, seed=2)
    own = Tokens(own.values * 0.1 + other.clean().values[:, :, :2] * 2, own.mask)
    imputer = made("learned").fit(own, {"b": other})
    filled, guessed = imputer(own, {"b": other})
    features, known = imputer._scaled(*imputer._describe({"b": other}))
    inputs = torch.cat([features, known.float()], 1).numpy()
    real = own.present.numpy()
    expected = RidgeCV(alphas=PENALTIES).fit(inputs[real], own.values[:, 0].numpy()[real]).predict(inputs[~real])
    assert np.allclose(filled.values[guessed][:, 0].numpy(), expected, atol=1e-4)
    both = guessed & other.present
    error = (filled.values - own.values)[both].abs().mean()
    mean = own.values[own.present].mean(0)
    assert float(error) < 0.3 * float((mean - own.values[both]).abs().mean())  # far better than the mean


@pytest.mark.parametrize("how", ["mean", "median", "most_frequent", "nearest", "learned"])
def test_other_rows_of_the_batch_and_absent_content_change_nothing(how: str) -> None:
    own, other = vectors(30, seed=3), vectors(30, seed=4)
    imputer = made(how).fit(own, {"b": other})
    dirty = Tokens(own.values.masked_fill(~own.mask[..., None], torch.nan), own.mask)
    filled, _ = imputer(own, {"b": other})
    again, _ = imputer(dirty, {"b": other})
    assert torch.equal(filled.clean().values, again.clean().values)
    for row in range(0, 30, 7):
        alone, _ = imputer(own[row : row + 1], {"b": other[row : row + 1]})
        assert torch.allclose(alone.values, filled.values[row : row + 1], atol=1e-6)


@pytest.mark.parametrize("how", ["most_frequent", "nearest", "learned"])
def test_what_was_fitted_is_saved_with_the_weights(how: str) -> None:
    own, other = vectors(30, seed=3), vectors(30, seed=4)
    imputer = made(how).fit(own, {"b": other})
    fresh = made(how)
    fresh.load_state_dict(imputer.state_dict())
    assert torch.equal(fresh(own, {"b": other})[0].values, imputer(own, {"b": other})[0].values)


def test_a_row_without_any_other_input_gets_some_real_value() -> None:
    own, other = vectors(30, seed=3), vectors(30, seed=4)
    for how in ("nearest", "learned"):
        filled, guessed = made(how).fit(own, {"b": other})(own, {})
        assert bool(filled.values.isfinite().all()) and bool(filled.present.all()) and bool(guessed.any())


@pytest.mark.parametrize("how", ["mean", "median", "learned"])
def test_what_is_not_numbers_is_refused_with_a_remedy(how: str) -> None:
    texts = Tokens.stack([torch.tensor([1, 2]), torch.tensor([3])])
    with pytest.raises(ConfigError, match=r"inputs\.a\.impute: .* take most_frequent or nearest"):
        made(how).fit(texts, {"b": vectors(2)})
    with pytest.raises(ConfigError, match="needs another input"):
        made("nearest", ())


def test_descriptions_have_one_size_and_are_zero_where_absent() -> None:
    for tokens in (
        Tokens.stack([torch.tensor([1, 2, 2]), None]),
        Tokens.stack([torch.randint(0, 255, (1, 3, 8, 8), dtype=torch.uint8), None]),
        Tokens.stack([torch.randn(4, 5), None]),
    ):
        found = features_of(tokens)
        assert found.shape == (2, FEATURES) and bool(found[0].any()) and not bool(found[1].any())
