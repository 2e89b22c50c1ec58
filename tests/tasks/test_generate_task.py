"""Generation: labels, loss, answers, stacking, learning a toy language, and the whole job on pictures and questions."""

from __future__ import annotations

import doctest
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from sensemble import evaluate
from sensemble.config import TrainConfig
from sensemble.data.table import Table
from sensemble.decoders.base import DECODERS, END
from sensemble.decoders.search import Search
from sensemble.errors import ConfigError, DataError
from sensemble.tasks import references
from sensemble.tasks.generate import Generate, decoder_of
from sensemble.tasks.language import foresee
from sensemble.tasks.writing import Answer, VoteStacker
from sensemble.tokens import Batch, Tokens
from sensemble.train import train

WORDS = "零一二三四五"


def table(**columns: list[Any]) -> Table:
    return Table(pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()}), name="t")


def value(task: Generate, answers: list[Answer], target: Tokens, name: str = "exact_match") -> float:
    return float(task.metrics(answers, target)[name].statistic(np.ones((1, len(target))))[0])


def said(*texts: str) -> list[Answer]:
    return [Answer(text, -1.0) for text in texts]


CAPTIONS = table(
    y=["a red cat", ["two dogs", "a pair of dogs"], None, ["a bird", None, " "]], z=["a cat", None, None, "bird"]
)


class TestLabels:
    def test_references_of_several_columns_and_lists(self) -> None:
        task = Generate(target=["y", "z"], vocab=300).fit(CAPTIONS)
        target = task.collate(CAPTIONS)
        assert target is not None and target.present.tolist() == [True, True, False, True]
        assert task.truth(target) == ["a red cat / a cat", "two dogs / a pair of dogs", "", "a bird / bird"]
        assert task.truth(target[1:2]) == ["two dogs / a pair of dogs"]
        assert task.collate(table(x=[1])) is None

    def test_arrays_and_numbers_are_texts(self) -> None:
        rows = table(y=[np.array(["a", "b"], dtype=object), 3, 3.0, 2.5, True])
        task = Generate(target="y").fit(rows)
        target = task.collate(rows)
        assert target is not None and task.truth(target) == ["a / b", "3", "3", "2.5", "True"]

    def test_references_are_whole_though_learning_cuts_them(self) -> None:
        text = "one two three four five six seven"
        task = Generate(target="y", length=4, vocab=257).fit(table(y=[text, "abcd", "abc"]))
        target = task.collate(table(y=[text, "abcd", "abc"]))
        assert target is not None and task.truth(target)[0] == text
        wanted = task.references.one(target, draw=False)
        assert wanted.values.shape == (3, 4) and bool(wanted.mask.all())
        assert (wanted.values == END).sum(1).tolist() == [0, 0, 1]  # what is cut has no end

    def test_training_draws_every_reference_alike(self) -> None:
        rows = table(y=[["a", "bb", "ccc"], "d", None])
        task = Generate(target="y", vocab=257).fit(rows)
        target = task.collate(rows)
        assert target is not None
        torch.manual_seed(0)
        drawn = [task.references.one(target, draw=True) for _ in range(300)]
        sizes = np.array([each.mask.sum(1).tolist() for each in drawn])
        assert sorted(set(sizes[:, 0])) == [2, 3, 4] and min(np.bincount(sizes[:, 0])[2:]) > 70
        assert set(sizes[:, 1]) == {2} and set(sizes[:, 2]) == {0}
        assert task.references.one(target, draw=False).mask.sum(1).tolist() == [2, 2, 0]

    @pytest.mark.parametrize(
        ("rows", "message"),
        [([None, ""], "no training row has a text"), (["a", b"\xff"], r"row 1, column 'y': a bytes is no text")],
    )
    def test_what_cannot_be_learned(self, rows: list[Any], message: str) -> None:
        with pytest.raises(DataError, match=message):
            Generate(target="y").fit(table(y=rows))

    def test_the_example(self) -> None:
        found = doctest.testmod(references)
        assert found.attempted and not found.failed


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"decoder": "transformr"}, "task.decoder: unknown decoder 'transformr': did you mean 'transformer'"),
            ({"decoder": {"name": "recurrent", "cel": "gru"}}, "did you mean 'cell'"),
            ({"search": {"beem": 3}}, r"task.search.*did you mean 'beam'"),
            ({"search": {"beam": 0}}, "search.beam: must be at least 1"),
            ({"length": 0}, "task.length"),
            ({"blind": 1.0}, "task.blind"),
            ({"language": "english?"}, "language: needs 'auto' or a code"),
            ({"metric": "exact_mach"}, "task.metric: .*did you mean 'exact_match'"),
            ({"allowed": ["a long text that has many tokens"], "length": 3}, "task.allowed: the text 'a long"),
            ({"allowed": []}, "there must be one or more"),
        ],
    )
    def test_wrong_ones(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            Generate(target="y", **options).fit(table(y=["a", "b"]))

    def test_short_answers_that_repeat_are_judged_by_exactness(self) -> None:
        assert Generate(target="y").fit(table(y=["red", "blue"] * 9)).metric == "exact_match"
        assert Generate(target="y").fit(table(y=[f"a picture of {i} things" for i in range(9)])).metric == "cider"
        assert Generate(target="y", metric="cider").fit(table(y=["red", "blue"] * 9)).metric == "cider"

    def test_any_metric_of_texts_can_be_asked_for(self) -> None:
        rows = table(y=["red", "blue", "red"])
        task = Generate(target="y", metric="cer").fit(rows)
        target = task.collate(rows)
        assert target is not None
        metrics = task.metrics(said("red", "blue", "rod"), target)
        assert (
            not metrics["cer"].higher and metrics["exact_match"].higher and {"bleu", "chrf", "rouge_l"} < set(metrics)
        )
        assert value(task, said("red", "blue", "rod"), target, "cer") == pytest.approx(1 / 10)

    def test_the_trivial_answer(self) -> None:
        task = Generate(target="y").fit(table(y=["red", "blue", "red", None]))
        assert [each.text for each in task.trivial(2)] == ["red", "red"]
        typical = Generate(target="y").fit(table(y=["a cat sits", "a cat sits here", "seven ships", "a dog sits"]))
        assert typical.trivial(1)[0].text == "a cat sits"


@pytest.fixture
def made(built: Callable[..., Any]) -> Callable[..., Any]:
    """An untrained model over every modality whose task is `generate`."""

    def make(**options: Any) -> Any:
        spec = {"name": "generate", "target": "label", "length": 6, **options}
        return built(fusion="transformer", task=spec)[:3]

    return make


@pytest.mark.parametrize("decoder", list(DECODERS))
def test_the_loss_is_the_mean_over_tokens(made: Callable[..., Any], decoder: str) -> None:
    network, task, samples = made(decoder=decoder)
    batch = samples.batch(torch.arange(6))
    weight = torch.tensor([1.0, 0.0, 2.0, 1.0, 1.0, 0.5])
    total, count = 0.0, 0.0
    fused = network(batch.inputs)
    for row, reference in enumerate(task.references.ids(batch.target)):
        ids = torch.tensor([*reference[0], END])
        before = torch.tensor([[network.head.begin, *ids[:-1].tolist()]])
        logits = network.head.scores(network.head(fused[row : row + 1], before))[0].detach()
        total += float(weight[row] * F.cross_entropy(logits, ids, reduction="sum"))
        count += float(weight[row]) * len(ids)
    weighed = Batch(batch.inputs, batch.target, weight)
    assert float(task.loss(network, weighed).detach()) == pytest.approx(total / count, rel=1e-4)
    one = Batch(batch.inputs, batch.target, torch.eye(6)[2])
    alone = samples.batch(torch.tensor([2]))
    assert float(task.loss(network, one).detach()) == pytest.approx(float(task.loss(network, alone).detach()), rel=1e-4)


def test_learning_starts_from_the_language(made: Callable[..., Any]) -> None:
    network, task, samples = made(decoder="transformer")
    ids = torch.tensor([token for row in task.references.ids(samples.target) for token in (*row[0], END)])
    shares = torch.bincount(ids, minlength=task.references.num_tokens) / len(ids)
    bias = network.head.bias.detach().softmax(0)
    assert torch.allclose(bias, shares, atol=0.01 + 1 / len(ids))


@pytest.mark.parametrize("decoder", list(DECODERS))
@pytest.mark.parametrize("search", [{}, {"beam": 3}], ids=str)
def test_answers_hang_on_their_own_row_alone(made: Callable[..., Any], decoder: str, search: dict[str, Any]) -> None:
    network, task, samples = made(decoder=decoder, search=search)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2 if parameter.dim() > 1 else 1)
        network.head.bias[END] -= 3
    whole = evaluate.answers(network, task, samples)
    assert len({each.text for each in whole}) > 1
    for size in (1, 5):
        again = evaluate.answers(network, task, samples, batch=size)
        assert [each.text for each in again] == [each.text for each in whole]
        assert [each.score for each in again] == pytest.approx([each.score for each in whole], abs=1e-4)


@pytest.mark.parametrize("decoder", list(DECODERS))
def test_a_row_without_inputs_gets_the_prior(made: Callable[..., Any], decoder: str) -> None:
    network, task, samples = made(decoder=decoder)
    inputs = samples.batch(torch.arange(4)).inputs
    gone = {name: tokens.hide(torch.tensor([True, False, True, True])) for name, tokens in inputs.items()}
    with torch.no_grad():
        fused = network(gone)
        found = task.answer(network, fused)
        prior = task.answer(network, Tokens(torch.full((1, 1, 16), 9.0), torch.zeros(1, 1, dtype=torch.bool)))[0]
    assert found[0] == found[2] == found[3] and found[0].text == prior.text
    assert found[0].score == pytest.approx(prior.score, abs=1e-5) and np.isfinite(prior.score)


def test_blind_rows_teach_the_language(made: Callable[..., Any]) -> None:
    network, task, samples = made(blind=0.999)
    batch = samples.batch(torch.arange(8))
    torch.autograd.backward(task.loss(network.train(), batch))
    assert all(p.grad is None or not p.grad.any() for p in network.encoders.parameters())
    torch.autograd.backward(task.loss(network.eval(), batch))
    assert any(p.grad is not None and p.grad.any() for p in network.encoders.parameters())


def test_only_allowed_answers(made: Callable[..., Any]) -> None:
    network, task, samples = made(allowed="training", search={"temperature": 2.0})
    assert {each.text for each in evaluate.answers(network, task, samples)} == {"yes", "no", "maybe"}
    network, task, samples = made(allowed=["no", "perhaps not", "perhaps"], length=16)
    assert {each.text for each in evaluate.answers(network, task, samples)} <= {"no", "perhaps not", "perhaps"}


def test_a_forced_beginning_and_another_search(made: Callable[..., Any]) -> None:
    network, task, samples = made(length=12)
    with torch.no_grad():
        fused = network(samples.batch(torch.arange(3)).inputs)
    found = task.write(network, fused, prefix=["may", "n", "yes"], search=Search(beam=2))
    assert [each.text.startswith(start) for each, start in zip(found, ("may", "n", "yes"), strict=True)] == [True] * 3


def test_between_epochs_search_is_greedy(made: Callable[..., Any]) -> None:
    _, task, _ = made(search={"beam": 4, "no_repeat": 2})
    assert task.quick().search == Search(no_repeat=2) and task.search.beam == 4
    assert task.quick().references is task.references


def test_between_epochs_some_rows_are_scored(made: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    network, task, samples = made(valid_rows=5)
    scored = []
    answers = evaluate.answers

    def watch(network: Any, task: Any, samples: Any, **options: Any) -> Any:
        scored.append([samples.table.row(place) for place in range(len(samples))])
        return answers(network, task, samples, **options)

    monkeypatch.setattr(evaluate, "answers", watch)
    for _ in train(network, task, samples, samples, TrainConfig(epochs=2, batch=8, device="cpu")):
        pass
    assert scored == [[0, 5, 11, 17, 23]] * 2


def test_state_round_trip(made: Callable[..., Any]) -> None:
    network, task, samples = made(allowed="training")
    state = json.loads(json.dumps(task.state()))
    again = Generate(target="label", length=6, allowed="training").restore(state)
    assert again.metric == task.metric and again.trivial(1) == task.trivial(1)
    assert evaluate.answers(network, again, samples) == evaluate.answers(network, task, samples)
    assert again.head(16).num_tokens == network.head.num_tokens


def test_scores_surprise_and_details() -> None:
    rows = table(y=[["a red cat", "a cat"], "two dogs", "a bird"])
    task = Generate(target="y", vocab=300).fit(rows)
    target = task.collate(rows)
    assert target is not None
    answers = [Answer("a cat", -0.1), Answer("two cats", -3.0), Answer("seven ships", -0.1)]
    assert value(task, answers, target) == pytest.approx(1 / 3)
    assert value(task, said("a red cat", "two dogs", "a bird"), target) == 1
    surprise = task.surprise(answers, target)
    assert surprise.argmin() == 0 and surprise.argmax() == 2
    details = json.loads(json.dumps(task.details(answers, target)))
    assert details["examples"][0] == {"truth": "a red cat / a cat", "prediction": "a cat", "score": -0.1}
    assert (
        sum(each["written"] for each in details["lengths"]) == sum(each["wanted"] for each in details["lengths"]) == 3
    )
    assert task.records(answers)[1] == {"prediction": "two cats", "score": -3.0}


def test_stacking_believes_the_model_that_is_sure_where_it_is_right() -> None:
    random = np.random.default_rng(0)
    truth = [str(number) for number in random.integers(0, 5, 400)]
    rows = table(y=truth)
    task = Generate(target="y").fit(rows)
    target = task.collate(rows)
    assert target is not None
    half = random.random(400) < 0.5

    def model(knows: np.ndarray[Any, Any]) -> list[Answer]:
        return [
            Answer(text if known else "7", -0.1 if known else -2.0) for text, known in zip(truth, knows, strict=True)
        ]

    liar = [Answer("8", -0.01) for _ in truth]
    models = [model(half), model(~half), liar]
    stacked = task.stack(models, target)(models)
    assert [value(task, each, target) for each in models] == pytest.approx([half.mean(), 1 - half.mean(), 0])
    assert value(task, stacked, target) == 1.0


def test_stacking_counts_votes() -> None:
    models = [said("a"), said("b"), said("b")]
    seen = [said("a", "a", "a", "a"), said(*"axxx"), said(*"xaxx")]  # right in 4, 1 and 1 of 4
    assert VoteStacker(seen, [["a"]] * 4)(models)[0].text == "a"
    seen = [said("a", "a", "a", "x"), said(*"aaxx"), said(*"xxaa")]  # right in 3, 2 and 2 of 4
    assert VoteStacker(seen, [["a"]] * 4)(models)[0].text == "b"
    assert VoteStacker([[], []], [])([said("a"), said("b")])[0].text in "ab"


def test_short_and_long_answers_of_a_batch_give_the_scores_that_each_gives_alone(made: Callable[..., Any]) -> None:
    network, task, samples = made(length=40)
    texts = ["yes", "no", "a long tale of many words, told slowly", "yes", "a few words", "yes", "some words", "yes"]
    target = task.references.collate(table(label=texts))
    batch = samples.batch(torch.arange(8))
    wanted, decoder = task.references.one(target, draw=False), decoder_of(network)
    fused = network(batch.inputs)
    logits = foresee(decoder, fused, wanted)
    assert int(wanted.mask.sum(1).max()) > 6 * int(wanted.mask.sum(1).min())
    sizes = wanted.mask.sum(1).tolist()
    for row, part in enumerate(logits.split(sizes)):
        alone = foresee(decoder, fused[row : row + 1], wanted[row : row + 1])
        assert torch.allclose(part, alone, atol=1e-5)
