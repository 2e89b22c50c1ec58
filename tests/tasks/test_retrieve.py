"""Retrieval: who is right for whom, losses, learning, missing sides, subsets, embeddings, the whole job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

import sensemble as se
from sensemble import evaluate, verdict
from sensemble.data.table import Table
from sensemble.errors import ConfigError, DataError
from sensemble.tasks import pairs
from sensemble.tasks.contrastive import LOSSES, bpr, harden, info_nce, sampled_softmax, sigmoid
from sensemble.tasks.retrieve import Retrieve
from sensemble.tokens import Batch, Tokens
from sensemble.train import hide

DIM = 8


def table(**columns: list[Any]) -> Table:
    return Table(pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()}), name="t")


def task(**options: Any) -> Retrieve:
    made = Retrieve(**{"query": ["words", "sound"], "candidate": "thing", **options})
    made.bind({"words": "w", "sound": "s", "thing": "t"})
    return made


def rows(count: int, seed: int, *, missing: float = 0.0) -> list[dict[str, Any]]:
    """Things, and two views of each: one whole, one with noise."""
    random = np.random.default_rng(seed)
    view = np.random.default_rng(99).normal(size=(DIM, DIM))
    found: list[dict[str, Any]] = []
    for _ in range(count):
        hidden = random.normal(size=DIM)
        row: dict[str, Any] = {
            "words": (hidden[:5] @ view[:5]).tolist(),
            "sound": (hidden[3:] @ view[3:]).tolist(),
            "thing": np.tanh(hidden).tolist(),
        }
        if random.random() < missing:
            row[("words", "sound")[random.integers(2)]] = None
        found.append(row)
    return found


def learner(**settings: Any) -> se.Learner:
    options, training = settings.pop("task", {}), settings.pop("train", {})
    return se.Learner(
        inputs={"words": "vector", "sound": "vector", "thing": "vector"},
        task={"name": "retrieve", "query": ["words", "sound"], "candidate": "thing", **options},
        train={"epochs": 12, "batch": 64, "lr": 1e-2, "patience": 0, **training},
        **{"fusion": "sum", "width": 16, "verdict": "off", **settings},
    )


LABELS = table(
    w=["a cat", "a cat", None, "a dog", None, "a fox"],
    s=["x", "x", None, None, None, None],
    t=["1.png", "2.png", "2.png", "3.png", None, None],
    k=["p", "q", "r", "r", "p", "s"],
)


def test_labels_say_who_is_right_for_whom() -> None:
    target = task(same="k").collate(LABELS)
    assert target.mask.tolist() == [
        [True, True, True], [True, True, True], [False, True, True], [True, True, True], [False, False, False],
        [True, False, True],
    ]  # fmt: skip
    wanted = torch.eye(6, dtype=torch.bool)
    for one, two in [(0, 1), (1, 2), (2, 3)]:  # the same query, the same candidate, the same key
        wanted[one, two] = wanted[two, one] = True
    assert torch.equal(pairs.alike(target), wanted)
    assert not bool(pairs.alike(task().collate(LABELS))[2, 3])
    found = pairs.gallery(target, "query")
    assert found.rows.tolist() == [0, 1, 3] and found.share.tolist() == [0.5, 0.5, 0, 1, 0, 1]
    assert found.right.toarray().astype(bool).tolist() == [
        [True, True, False], [True, True, False], [False, True, True], [False, True, True], [False] * 3, [False] * 3
    ]  # fmt: skip
    assert task().truth(target)[:2] == ["0 / 1", "0 / 1"]
    reverse = pairs.gallery(target, "candidate")
    assert len(reverse.rows) == 3 and reverse.share.tolist() == [1, 0.5, 0.5, 1, 0, 0]
    counts = {"query": {"queries": 3, "entries": 3}, "candidate": {"queries": 3, "entries": 3}}
    assert task().details(task().trivial(6), target) == {"galleries": counts}


@pytest.mark.parametrize("seed", range(30))
def test_whole_gallery_scores_against_plain_loops(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(2, 25))
    values = torch.from_numpy(random.integers(0, count, (count, 3)))
    mask = torch.from_numpy(random.random((count, 3)) < 0.8)
    mask = mask & mask[:, :2].any(1, keepdim=True)
    target, vectors = Tokens(values, mask), random.normal(size=(count, 2, 4)).astype(np.float32)
    for side in (0, 1):  # rows that show the same have the same vector
        for code in values[:, side].unique().tolist():
            same = np.flatnonzero((values[:, side] == code).numpy())
            vectors[same, side] = vectors[same[0], side]
        vectors[~mask[:, side].numpy(), side] = np.nan
    found = task().metrics(vectors, target)

    def linked(one: int, two: int, column: int) -> bool:
        return bool(mask[one, column] and mask[two, column] and values[one, column] == values[two, column])

    for ask, give, prefix in ((0, 1, ""), (1, 0, "reverse_")):
        entries = {int(values[row, give]): row for row in reversed(range(count)) if mask[row, give]}
        hits: dict[int, list[float]] = {}
        for row in range(count):
            friends = [other for other in range(count) if linked(row, other, ask) or linked(row, other, 2)]
            right = {int(values[other, give]) for other in [row, *friends] if mask[other, give]}
            if not mask[row, ask] or not right:
                continue
            ranked = sorted(entries, key=lambda code: -float(vectors[row, ask] @ vectors[entries[code], give]))
            rank = 1 + min(ranked.index(code) for code in right)
            hits.setdefault(int(values[row, ask]), []).append(rank)
        if not hits:
            assert np.isnan(found[f"{prefix}mrr"].statistic(np.ones((1, count)))).all()
            continue
        sizes = {code: sum(bool(mask[row, ask]) and values[row, ask] == code for row in range(count)) for code in hits}
        total = sum(len(ranks) / sizes[code] for code, ranks in hits.items())
        wanted = sum(sum(1 / rank for rank in ranks) / sizes[code] for code, ranks in hits.items()) / total
        assert found[f"{prefix}mrr"].statistic(np.ones((1, count)))[0] == pytest.approx(wanted)


def test_sides() -> None:
    names = ["words", "sound", "thing"]
    sides = {"query": ("words", "sound"), "candidate": ("thing",)}
    for options in ({"query": ["words", "sound"]}, {"candidate": "thing"}, {"query": ["sound", "words"]}):
        assert Retrieve(**options).sides(names) == sides
    assert evaluate.subsets(task(), names) == [("words", "thing"), ("sound", "thing"), ("words", "sound", "thing")]
    assert verdict.rivals(task(), names) == {"words": ["words", "thing"], "sound": ["sound", "thing"]}
    assert verdict.rivals(Retrieve(query="words"), ["words", "thing"]) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "task: name the inputs that ask"),
        ({"query": ["words", "thing"], "candidate": "thing"}, "'sound' is on neither side"),
        ({"query": ["words", "sound", "thing"], "candidate": "thing"}, "'thing' is on both sides"),
        ({"query": ["words", "sound", "thing"]}, "task.candidate: no input is left"),
        ({"candidate": "thin"}, r"task.candidate: .*did you mean 'thing'"),
        ({"query": "words", "metric": "recall_11"}, "did you mean 'recall_1"),
        ({"query": "words", "temperature": 0.0}, "task.temperature: must be at least 0.01"),
        ({"query": "words", "hard": -1.0}, "task.hard"),
        ({"query": "words", "rerank": -1}, "task.rerank: must be at least 0, not -1"),
        ({"query": "words", "memory": -1}, "task.memory: must be at least 0, not -1"),
        ({"query": "words", "dropout": 1.0}, "task.dropout"),
        ({"query": "words", "lock": "words", "dim": 8}, "task.dim: with `lock`"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Retrieve(**options).bind({"words": "w", "sound": "s", "thing": "t"})


def test_no_pair_to_learn_from() -> None:
    with pytest.raises(DataError, match="no training row has both a query and a candidate"):
        task().fit(table(w=["a", None], s=[None, None], t=[None, "1.png"]))


def test_losses_against_their_formulas() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(5, 5, generator=generator)
    own = torch.eye(5, dtype=torch.bool)
    first, second = info_nce(scores, own, ~own)
    assert torch.allclose(first, F.cross_entropy(scores, torch.arange(5), reduction="none"), atol=1e-6)
    assert torch.allclose(second, F.cross_entropy(scores.T, torch.arange(5), reduction="none"), atol=1e-6)
    rows_lose, columns_lose = sigmoid(scores, own, ~own)
    each = -F.logsigmoid(scores * (2.0 * own - 1))
    assert torch.allclose(rows_lose, each.sum(1), atol=1e-6) and torch.allclose(columns_lose, each.sum(0), atol=1e-6)


def test_losses_that_recommend_against_their_formulas() -> None:
    generator = torch.Generator().manual_seed(0)
    scores, own = torch.randn(5, 5, generator=generator), torch.eye(5, dtype=torch.bool)
    negative = ~own
    negative[0, 3] = False
    (prefers,) = bpr(scores, own, negative)
    (plain,) = sampled_softmax(scores, own, ~own)
    assert torch.allclose(plain, F.cross_entropy(scores, torch.arange(5), reduction="none"), atol=1e-6)
    share = torch.tensor([0.5, 0.1, 0.2, 0.1, 0.1])
    (picks,) = sampled_softmax(scores, own, negative, share=share)
    for row in range(5):
        others = negative[row].nonzero().flatten()
        wanted = -F.logsigmoid(scores[row, row] - scores[row, others]).mean()
        assert prefers[row].item() == pytest.approx(wanted.item(), abs=1e-6)
        total = (
            scores[row, row].exp()
            + (scores[row, others].exp() / (len(others) * share[others] / (1 - share[row]))).sum()
        )
        assert picks[row].item() == pytest.approx((total.log() - scores[row, row]).item(), abs=1e-5)
    nobody = torch.zeros(5, 5, dtype=torch.bool)
    for loss in (bpr, sampled_softmax):
        assert torch.equal(loss(scores, nobody, ~own)[0], torch.zeros(5))


def test_the_sampled_softmax_knows_what_is_common() -> None:
    """Queries without meaning: the best scores are how likely each candidate is; InfoNCE's are not."""
    random = np.random.default_rng(0)
    chances = np.array([0.5, 0.25, 0.125, 0.0625, 0.0625])
    candidates = torch.from_numpy(random.choice(5, 4000, p=chances))
    spread = {}
    for name in ("sampled_softmax", "info_nce"):
        values = torch.zeros(5, requires_grad=True)
        optimizer = torch.optim.Adam([values], lr=0.1)
        for step in range(150):
            some = candidates[step % 20 * 200 :][:200]
            same = some.unsqueeze(0) == some.unsqueeze(1)
            told = {"share": torch.from_numpy(chances).float()[some]} if name == "sampled_softmax" else {}
            loss = LOSSES[name](values[some].expand(200, 200), torch.eye(200, dtype=torch.bool), ~same, 0.0, **told)[0]
            optimizer.zero_grad()
            torch.autograd.backward(loss.mean())
            optimizer.step()
        spread[name] = values.softmax(0).detach()
    assert torch.allclose(spread["sampled_softmax"], torch.from_numpy(chances).float(), atol=0.04)
    assert not torch.allclose(spread["info_nce"], torch.from_numpy(chances).float(), atol=0.1)


def test_shares_of_the_rows_are_told_to_the_loss_that_needs_them() -> None:
    target = task(same="k", loss="sampled_softmax").collate(LABELS)
    assert target.values.shape == (6, 4) and task(same="k").collate(LABELS).values.shape == (6, 3)
    assert torch.allclose(pairs.shares(target), torch.tensor([0.25, 0.5, 0.5, 0.25, 1, 1]))
    assert torch.equal(pairs.alike(target), pairs.alike(task(same="k").collate(LABELS)))


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_right_as_well_is_no_negative(name: str) -> None:
    scores = torch.zeros(4, 4)
    own = torch.eye(4, dtype=torch.bool)
    twins = ~own
    twins[0, 1] = twins[1, 0] = False
    before = LOSSES[name](scores, own, twins, 0.0)
    scores[0, 1] = scores[1, 0] = 50.0  # the twins are near, as they should be
    after = LOSSES[name](scores, own, twins, 0.0)
    assert len(before) == (2 if name in ("info_nce", "sigmoid") else 1)
    assert all(torch.equal(one, two) for one, two in zip(before, after, strict=True))
    assert bool((LOSSES[name](scores, own, ~own, 0.0)[0] > before[0] + 10)[:2].all())


@pytest.mark.parametrize("name", LOSSES)
def test_hard_negatives_count_more(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(6, 6, generator=generator).requires_grad_()
    own = torch.eye(6, dtype=torch.bool)
    weights = harden(scores, ~own, 1.0).exp().masked_fill(own, 0)
    assert torch.allclose(weights.sum(1), torch.full((6,), 5.0), atol=1e-4)
    hardest = scores.detach().masked_fill(own, -9).argmax(1)
    share = {}
    for hard in (0.0, 1.0):
        (gradient,) = torch.autograd.grad(LOSSES[name](scores, own, ~own, hard)[0].sum(), scores)
        pushed = gradient.masked_fill(own, 0)
        share[hard] = pushed[torch.arange(6), hardest] / pushed.sum(1)
    assert bool((share[1.0] > share[0.0]).all())


def test_hidden_inputs_never_empty_a_side() -> None:
    torch.manual_seed(0)
    inputs = {name: Tokens.full(torch.ones(200, 1, 2)) for name in ("words", "sound", "thing")}
    sides = list(task().sides(list(inputs)).values())
    hidden = hide(Batch(inputs), 0.6, sides).inputs
    assert bool(hidden["thing"].present.all())
    assert bool((hidden["words"].present | hidden["sound"].present).all())
    assert 0.3 < float(hidden["words"].present.float().mean()) < 0.9


@pytest.fixture(scope="module")
def fitted() -> se.Learner:
    return learner(verdict="full").fit(rows(300, 1, missing=0.3), valid=rows(60, 2), test=rows(120, 3, missing=0.2))


def test_it_learns_and_fusion_helps(fitted: se.Learner) -> None:
    scores = fitted.metrics_["test"]
    assert scores["recall_1"]["value"] > 0.6 and scores["reverse_recall_1"]["value"] > 0.6
    assert scores["recall_10"]["trivial"] == pytest.approx(10 / 120)
    assert scores["mrr"]["trivial"] == pytest.approx((1 / np.arange(1, 121)).mean())
    assert scores["median_rank"]["trivial"] == pytest.approx(60.5)
    assert set(fitted.metrics_["subsets"]) == {"words+thing", "sound+thing", "words+sound+thing"}
    found = fitted.verdict_
    assert found is not None and found["verdict"] == "fusion_helps" and set(found["singles"]) == {"words", "sound"}
    assert found["stacking"] > max(found["singles"].values())


def test_missing_sides_and_the_other_rows_change_nothing(fitted: se.Learner) -> None:
    given: list[dict[str, Any]] = [*rows(4, 5), {"words": rows(1, 6)[0]["words"]}, {"thing": rows(1, 6)[0]["thing"]}]
    queries, things = fitted.embed(given, side="query"), fitted.embed(given, side="candidate")
    assert np.isnan(queries[5]).all() and np.isnan(things[4]).all()
    assert np.allclose(np.linalg.norm(queries[:5], axis=1), 1, atol=1e-5)
    assert np.allclose(np.linalg.norm(np.delete(things, 4, 0), axis=1), 1, atol=1e-5)
    for row in range(5):
        assert np.allclose(fitted.embed([given[row]]), queries[row : row + 1], atol=1e-5)
    assert np.allclose(fitted.embed([{"words": given[0]["words"], "thing": [9.0] * DIM}]),
                       fitted.embed([{"words": given[0]["words"]}]), atol=1e-6)  # fmt: skip
    with pytest.raises(ConfigError, match="did you mean 'query'"):
        fitted.embed(given, side="quer")
    answers = fitted.predict(given)
    assert answers[5] == {"prediction": None, "score": None, "ranking": []}
    best = int(np.nanargmax(things @ queries[4]))
    assert answers[4]["prediction"] == best and len(answers[4]["ranking"]) == 5 and 4 not in answers[4]["ranking"]


def test_rows_without_a_side_leave_the_loss_finite(fitted: se.Learner) -> None:
    network, made = fitted._network, fitted._task
    assert network is not None and made is not None
    inputs = {name: Tokens.full(torch.randn(4, 1, DIM)) for name in ("words", "sound", "thing")}
    target = Tokens.full(torch.arange(12).view(4, 3))
    lacking = {**inputs, "thing": inputs["thing"].hide(torch.tensor([True, True, True, True]))}
    assert made.loss(network, Batch(lacking, target)).item() == 0
    whole = made.loss(network, Batch(inputs, target, torch.tensor([1.0, 1.0, 1.0, 0.0])))
    assert bool(whole.isfinite()) and whole.item() > 0


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_learns_with_duplicates_in_the_batch(loss: str) -> None:
    given = [row for row in rows(60, 1) for _ in range(4)]
    made = learner(task={"loss": loss, "hard": 0.5, "dim": 12}, train={"epochs": 15})
    made.fit(given, valid=rows(30, 2), test=rows(60, 3))
    assert made.metrics_["test"]["recall_5"]["value"] > 0.5
    assert made.embed(rows(2, 0)).shape == (2, 12)


def test_a_locked_input_is_the_space(tmp_path: Path) -> None:
    made = learner(task={"lock": "thing", "dropout": 0.3}, train={"epochs": 8}, width=70)
    given = rows(200, 1)
    made.fit(given, valid=rows(40, 2), test=rows(80, 3))
    assert made.metrics_["test"]["recall_5"]["value"] > 0.5
    network, item = made._network, made._inputs[2]
    assert network is not None
    tokens = item.modality.collate([item.modality.load(row["thing"]) for row in given])
    with torch.no_grad():
        encoded = network.encoders["input_thing"](item.modality.prepare(tokens, training=False)).values[:, 0]
        assert encoded.shape == (200, 64)
        wanted = F.normalize(F.layer_norm(F.pad(encoded, (0, 6)), (70,)), dim=1)
    assert np.allclose(made.embed(given, side="candidate"), wanted.numpy(), atol=1e-5)
    assert [any(isinstance(part, torch.nn.Dropout) for part in network.projection(name).children())
            for name in ("words", "sound", "thing")] == [True, True, False]  # fmt: skip
    made.save(tmp_path)
    assert np.array_equal(se.Learner.load(tmp_path).embed(given), made.embed(given))
    with pytest.raises(ConfigError, match="to lock 'thing', set width to 64 or more"):
        learner(task={"lock": "thing"}, width=32).fit(given)
    with pytest.raises(ConfigError, match=r"task.lock: .*did you mean 'thing'"):
        learner(task={"lock": "thin"}, width=64).fit(given)


def test_saving_keeps_vectors_and_scores(fitted: se.Learner, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    other = se.Learner.load(tmp_path)
    given = rows(20, 7)
    assert np.array_equal(other.embed(given), fitted.embed(given))
    assert other.evaluate(given)["test"] == fitted.evaluate(given)["test"]
    details = json.loads((tmp_path / "details.json").read_text())
    assert details["galleries"]["query"] == {"queries": 120, "entries": 120}


def test_a_run_keeps_the_models_of_single_queries(tmp_path: Path) -> None:
    made = learner(verdict="auto", task={"lock": "words"}, train={"epochs": 2}, width=64)
    made.fit(rows(60, 1), valid=rows(20, 2), test=rows(30, 3), run=tmp_path / "run")
    alone = se.Learner.load(tmp_path / "run" / "singles" / "sound")
    assert {side: list(own) for side, own in alone.sides_.items()} == {"query": ["sound"], "candidate": ["thing"]}
    found = json.loads((tmp_path / "run" / "verdict.json").read_text())
    given = rows(30, 3)
    assert alone.evaluate(given)["test"]["mrr"]["value"] == pytest.approx(found["singles"]["sound"])
    assert "retrieve" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_other_tasks_give_vectors_too() -> None:
    given = se.generate.xor(80, seed=0)
    made = se.Learner(task={"target": "label"}, width=8, train={"epochs": 1}, verdict="off").fit(given)
    vectors = made.embed(given.take([0, 1]))
    assert vectors.shape == (2, 8) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
