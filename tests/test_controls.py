"""Blind controls: what shuffling, hiding and copying say on sets whose truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sensemble import controls, evaluate
from sensemble.controls import elsewhere
from sensemble.data.generate import noise_input, xor
from sensemble.data.rows import Store
from sensemble.data.table import Table
from sensemble.learner import Learner
from sensemble.pipeline import Job
from sensemble.tasks.generate import Generate

COLOURS = ("red", "green", "blue", "black")
SHAPES = ("circle", "square")


def fit(table: Table | pd.DataFrame, **options: Any) -> Learner:
    given = {
        "task": {"name": "classify", "target": "label", "metric": "accuracy"},
        "fusion": "concat",
        "width": 16,
        "data": {"valid_share": 0.2, "test_share": 0.3},
        "train": {"epochs": 12, "batch": 32, "lr": 5e-3, "patience": 5, "device": "cpu"},
    }
    return Learner(**{**given, **options}).fit(table)


def judged(table: Table | pd.DataFrame, **options: Any) -> dict[str, Any]:
    verdict = fit(table, **options).verdict_
    assert verdict is not None
    return verdict


def scenes(rows: int, *, seed: int = 0, noise: float = 0.05) -> pd.DataFrame:
    """What is seen, as a vector of marks of colour and shape, and the text that says it."""
    random = np.random.default_rng(seed)
    colour, shape = random.integers(0, len(COLOURS), rows), random.integers(0, len(SHAPES), rows)
    marks = np.concatenate([np.eye(len(COLOURS))[colour], np.eye(len(SHAPES))[shape]], 1)
    seen = marks + noise * random.normal(size=marks.shape)
    texts = [f"a {COLOURS[one]} {SHAPES[two]}" for one, two in zip(colour, shape, strict=True)]
    return pd.DataFrame({"seen": pd.Series(list(seen.tolist())), "text": texts})


GENERATE = {
    "task": {
        "name": "generate", "target": "text", "vocab": 300, "length": 16, "metric": "cider", "valid_rows": 50,
        "decoder": {"name": "recurrent", "dropout": 0.0},
    },
    "inputs": {"seen": "vector"},
    "train": {"epochs": 10, "batch": 32, "lr": 1e-2, "patience": 0, "device": "cpu"},
}  # fmt: skip


def test_xor_needs_both_inputs_and_the_shuffles_show_it() -> None:
    found = judged(xor(800, seed=0))["controls"]
    assert set(found) == {"blind", "shuffled:left", "shuffled:right"}
    for each in found.values():
        assert 0.4 < each["value"] < 0.6 and each["gain"]["low"] > 0.3
    assert found["shuffled:left"]["changed"] == 1.0


def test_a_noise_input_may_be_shuffled_and_is_named() -> None:
    verdict = judged(noise_input(800, seed=0))
    left, right = (verdict["controls"][f"shuffled:{name}"] for name in ("left", "right"))
    assert left["gain"]["low"] > 0.1 and abs(right["gain"]["value"]) < 0.05
    assert right["gain"]["value"] == pytest.approx(verdict["fused"] - right["value"])
    assert any(note.endswith("no use is shown of: right.") for note in verdict["notes"])


def test_one_input_that_is_used() -> None:
    verdict = judged(noise_input(400, seed=0), inputs={"left": "vector"})
    assert verdict["verdict"] == "single_input" and verdict["best_single"] == "left"
    assert verdict["singles"] == {"left": verdict["fused"]} and verdict["stacking"] is None
    assert verdict["gain"]["value"] == 0 and verdict["synergy"] is False
    assert verdict["sentence"].startswith("The input left is used: +0.")


def test_one_input_that_is_noise() -> None:
    verdict = judged(noise_input(400, seed=0), inputs={"right": "vector"})
    assert verdict["sentence"].startswith("No use of right shown")


@pytest.fixture(scope="module")
def writer() -> tuple[dict[str, Any], Job]:
    learner = fit(scenes(500), **GENERATE)
    verdict, job = learner.verdict_, learner._job
    assert verdict is not None and job is not None
    return verdict, job


def test_texts_from_one_input_have_all_their_blind_baselines(writer: tuple[dict[str, Any], Job]) -> None:
    verdict, _ = writer
    found = verdict["controls"]
    assert set(found) == {"blind", "shuffled:seen", "nearest"}
    assert verdict["fused"] > 5 and found["nearest"]["value"] > 5
    assert found["shuffled:seen"]["gain"]["low"] > 2 and found["blind"]["gain"]["low"] > 2
    assert verdict["gain_over_trivial"]["low"] > 2
    assert "CIDEr" in verdict["sentence"] and "with seen from other rows it scores" in verdict["sentence"]
    assert any("seen by features made without the target" in note for note in verdict["notes"])


def test_a_row_that_was_learned_from_copies_its_own_text(writer: tuple[dict[str, Any], Job]) -> None:
    _, job = writer
    assert job.network is not None and isinstance(job.task, Generate)
    train = job.parts["train"]
    rows = np.arange(40)
    copied = controls.nearest(job.network, job.task, job.inputs, train, train.take(rows), seed=0)
    assert copied is not None and train.target is not None
    assert [each.text for each in copied.answers] == [text for (text,) in job.task.references.texts(train.target)[:40]]


def test_only_so_many_rows_are_copied_from(writer: tuple[dict[str, Any], Job], monkeypatch: pytest.MonkeyPatch) -> None:
    _, job = writer
    assert job.network is not None and job.task is not None
    monkeypatch.setattr(controls, "NEIGHBOURS", 20)
    parts = job.parts["train"], job.parts["test"]
    first, again = (controls.nearest(job.network, job.task, job.inputs, *parts, seed=1) for _ in range(2))
    assert first is not None and again is not None and list(first.answers) == list(again.answers)
    assert "among 20 of " in first.how and "drawn at random" in first.how


def test_a_row_without_inputs_is_not_copied_for(writer: tuple[dict[str, Any], Job]) -> None:
    _, job = writer
    assert job.network is not None and job.task is not None
    test = job.parts["test"].take(np.arange(4))
    store = test.stores["seen"]
    index = store.index.clone()
    index[2] = -1
    test = type(test)(test.table, {"seen": _with(store, index)}, test.target)
    copied = controls.nearest(job.network, job.task, job.inputs, job.parts["train"], test, seed=0)
    assert copied is not None and copied.answers[2] == job.task.trivial(1)[0]
    found = controls.answer(job.network, job.task, job.inputs, job.parts["train"], test, seed=0)
    plain = evaluate.answers(job.network, job.task, test)
    for other in (found["shuffled:seen"].answers[2], found["blind"].answers[2]):
        assert other.text == plain[2].text and other.score == pytest.approx(plain[2].score, abs=1e-5)


def test_controls_repeat_under_one_seed(writer: tuple[dict[str, Any], Job]) -> None:
    verdict, job = writer
    assert job.network is not None and job.task is not None and job.answers is not None
    test = job.parts["test"]
    found = controls.answer(job.network, job.task, job.inputs, job.parts["train"], test, seed=job.config.seed)
    draws = evaluate.weights(test, seed=job.config.seed)
    assert controls.measure(job.task, job.answers, found, test, draws) == verdict["controls"]


def _with(store: Store, index: torch.Tensor) -> Store:
    return Store(store.modality, index, store.lengths, store.flat, store.raws)


@given(st.lists(st.integers(-1, 5), max_size=40), st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_rows_go_elsewhere(values: list[int], seed: int) -> None:
    given = np.array(values, dtype=np.int64)
    others = elsewhere(given, seed=seed)
    real = given >= 0
    assert (others[~real] == np.flatnonzero(~real)).all(), "what is missing stays missing"
    assert sorted(others[real]) == np.flatnonzero(real).tolist(), "each row is shown once"
    if real.sum() > 1:
        assert (others[real] != np.flatnonzero(real)).all(), "no row stays where it was"
    counts = np.bincount(given[real], minlength=1)
    kept = int((given[others[real]] == given[real]).sum())
    assert kept == max(0, 2 * int(counts.max()) - int(real.sum())), "as few rows as can be keep their value"


def test_questions_of_one_picture_get_another_picture() -> None:
    pictures = np.repeat(np.arange(10), 16)
    others = elsewhere(pictures, seed=3)
    assert (pictures[others] != pictures).all()
    assert (elsewhere(pictures, seed=4) != others).any()
