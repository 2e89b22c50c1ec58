"""Guesses for absent inputs: against scikit-learn's, from training rows alone, and the same in any batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV

import sensemble as se
from sensemble import evaluate
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


def gappy(rows: int, *, seed: int) -> pd.DataFrame:
    """`right` repeats `left` with little noise, and is missing from half of the rows; the label is in `right` alone."""
    frame = se.generate.redundant(rows, seed=seed, noise=0.3).frame
    frame.loc[frame.index[::2], "right"] = None
    return frame


def fitted(how: str, **options: Any) -> se.Learner:
    return se.Learner(
        inputs={"left": "vector", "right": {"name": "vector", "missing": "impute", "impute": how}},
        task={"target": "label"}, width=16, train={"epochs": 4, "batch": 32, "lr": 3e-3}, **options,
    )  # fmt: skip


@pytest.mark.parametrize("how", ["mean", "median", "most_frequent", "nearest", "learned"])
def test_a_model_with_guesses_learns_is_saved_and_keeps_to_its_masks(how: str, tmp_path: Path) -> None:
    learner = fitted(how, verdict="off").fit(gappy(240, seed=0), test=gappy(100, seed=1), run=tmp_path)
    assert learner.metrics_["test"]["roc_auc"]["value"] > 0.9
    new = gappy(12, seed=2)
    answers = learner.predict(new)
    assert se.Learner.load(tmp_path).predict(new) == answers
    one = learner.predict(new.iloc[[4]])[0]
    assert one["probability:1"] == pytest.approx(answers[4]["probability:1"], abs=1e-5)
    nothing = learner.predict([{"left": None, "right": None}, new.iloc[0].to_dict()])[0]
    assert nothing["probability:1"] == pytest.approx(0.5, abs=0.01)  # the prior, and no guess of a guess


def test_a_guess_is_made_from_what_a_view_shows_and_no_more() -> None:
    learner = fitted("learned", verdict="off").fit(gappy(200, seed=0), test=gappy(80, seed=1))
    task, network = learner._model()
    test = learner._job.parts["test"]  # type: ignore[union-attr]
    alone = evaluate.answer_subsets(network, task, test, [["right"]])[0]
    lacking = ~test.stores["right"].present.numpy()
    prior = np.asarray(task.trivial(1))[0]
    assert np.allclose(np.asarray(alone)[lacking], prior, atol=1e-5)  # `left` was not shown, so nothing is known
    both = evaluate.answers(network, task, test)
    assert float(np.abs(np.asarray(both)[lacking] - prior).mean()) > 0.1


def test_a_guess_is_told_from_a_value() -> None:
    learner = fitted("mean", verdict="off").fit(gappy(60, seed=0), test=gappy(40, seed=1))
    _, network = learner._model()
    mean = network.imputers["input_right"].donors  # type: ignore[union-attr]
    left = Tokens.full(torch.zeros(1, 1, 8))
    real = network.encode({"left": left, "right": Tokens.full(mean.clone())})["right"].values  # type: ignore[operator]
    guess = network.encode({"left": left})["right"].values
    flag = network.imputers["input_right"].flag.detach()  # type: ignore[union-attr]
    assert torch.allclose(guess - real, flag.view(1, 1, -1), atol=1e-5) and float(flag.abs().sum()) > 0  # type: ignore[operator, union-attr]


def test_the_verdict_and_the_command_line_know_it(tmp_path: Path) -> None:
    learner = fitted("nearest").fit(gappy(160, seed=0), test=gappy(80, seed=1))
    assert set(learner.verdict_["singles"]) == {"left", "right"}  # type: ignore[index]
    with pytest.raises(ConfigError, match="impute"):
        fitted("nearestt")
        fitted("nearestt").fit(gappy(60, seed=0))
