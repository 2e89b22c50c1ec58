"""A second look: it tells what two vectors cannot, and orders the nearest alone, everywhere alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sensemble as se
from sensemble import evaluate
from sensemble.index.base import Hit
from sensemble.index.find import search_index
from sensemble.index.make import Made, build_index
from sensemble.tasks import pairs
from sensemble.tasks.pairs import Ranked
from sensemble.tasks.rerank import distinct, match_loss
from sensemble.tasks.retrieve import Retrieve, cross_of
from sensemble.tokens import Tokens

BITS = 6


def rows(count: int, seed: int) -> list[dict[str, Any]]:
    """A lock and the key that opens it, whose bits are the lock's, all turned where the lock is marked.

    Each bit is a word, so that a pair that fits is told by bits that agree, not by any of them alone.
    """
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        bits, turned = random.integers(2, size=BITS), int(random.integers(2))
        found.append({"lock": [*(2.0 * bits - 1), 2.0 * turned - 1], "key": [*(2.0 * (bits ^ turned) - 1)]})
    return found


def learner(**settings: Any) -> se.Learner:
    task, train = settings.pop("task", {}), settings.pop("train", {})
    return se.Learner(
        inputs={"lock": "vector", "key": "vector"},
        task={"name": "retrieve", "query": "lock", "dropout": 0.0, "dim": 2, "rerank": 8, **task},
        train={"epochs": 12, "batch": 64, "lr": 5e-3, "patience": 0, "hide": 0.0, **train},
        **{"fusion": "bilinear", "width": 32, "verdict": "off", **settings},
    )


@pytest.fixture(scope="module")
def fitted() -> se.Learner:
    return learner().fit(rows(1200, 0), valid=rows(60, 1), test=rows(120, 2))


def recall(found: Any, target: Tokens) -> float:
    return float(Retrieve(query="lock").metrics(found, target)["recall_1"].statistic(np.ones((1, len(target))))[0])


def test_it_tells_what_the_towers_cannot(fitted: se.Learner) -> None:
    samples = fitted._labelled(rows(120, 2))
    assert fitted._network is not None and fitted._task is not None and samples.target is not None
    found = evaluate.answers(fitted._network, fitted._task, samples)
    assert isinstance(found, Ranked)
    scores = fitted.metrics_["test"]
    assert recall(found, samples.target) == pytest.approx(scores["recall_1"]["value"])
    assert recall(np.asarray(found), samples.target) < 0.6 < 0.85 < scores["recall_1"]["value"]
    assert scores["reverse_recall_1"]["value"] > 0.85


def test_the_nearest_alone_are_ordered_anew(fitted: se.Learner) -> None:
    given = rows(40, 3)
    queries, keys = (fitted.embed(given, side=side) for side in ("query", "candidate"))
    first = distinct(np.stack([queries, keys], 1)[:, 1])
    answers = fitted.predict(given)
    for row, answer in enumerate(answers):
        near = first[np.argsort(-(keys[first] @ queries[row]), kind="stable")[:8]]
        chances = fitted.match([{"lock": given[row]["lock"], "key": given[int(each)]["key"]} for each in near])
        assert chances is not None
        order = near[np.argsort(-chances, kind="stable")]
        assert answer["ranking"] == order[:5].tolist() and answer["prediction"] == order[0]
        assert answer["score"] == pytest.approx(chances.max(), abs=1e-4)


def test_saved_missing_and_single_rows(fitted: se.Learner, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    other = se.Learner.load(tmp_path)
    given: list[dict[str, Any]] = [*rows(12, 4), {"lock": rows(1, 5)[0]["lock"]}, {"key": rows(1, 5)[0]["key"]}]
    assert other.predict(given) == fitted.predict(given)
    answers = fitted.predict(given)
    assert answers[13] == {"prediction": None, "score": None, "ranking": []}
    assert len(answers[12]["ranking"]) == 5 and 12 not in answers[12]["ranking"]
    one = fitted.predict(given[:1])[0]
    assert one["prediction"] == 0 and one["score"] == pytest.approx(float(fitted.match(given[:1])[0]), abs=1e-5)  # type: ignore[index]
    assert fitted.predict([{"lock": given[0]["lock"]}]) == [{"prediction": None, "score": None, "ranking": []}]


def test_without_it_nothing_is_read_twice() -> None:
    made = learner(task={"rerank": 0}, train={"epochs": 1}).fit(rows(60, 0), valid=rows(20, 1))
    assert made._network is not None and cross_of(made._network) is None
    assert made.match(rows(3, 0)) is None and 0 <= made.predict(rows(3, 0))[0]["score"] <= 1


def test_the_same_seed_gives_the_same_weights() -> None:
    weights = []
    for _ in range(2):
        made = learner(task={"memory": 40}, train={"epochs": 2}).fit(rows(80, 0), valid=rows(20, 1))
        assert made._network is not None
        weights.append(made._network.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert any(name.startswith("fusion.cross.") for name in weights[0])


def test_what_was_looked_at_again_comes_first() -> None:
    vectors = np.zeros((3, 2, 2), np.float32)
    found = Ranked(vectors, np.array([[[1, 3, 2], [-1, -1, -1]]] * 3), np.array([[[-5.0, 3.0, 4.0], [0, 0, 0]]] * 3))
    scores = np.array([0.9, -np.inf, 0.8, 0.1])
    found.lift(scores, 0, 0, np.array([0, 2, 3, 3]))  # rows 2 and 3 show one entry
    assert np.argsort(-scores, kind="stable").tolist() == [3, 2, 0, 1] and scores[0] == 0.9
    same = scores.copy()
    found.lift(same, 0, 1, np.array([0, 2, 3, 3]))  # none was looked at
    assert np.array_equal(same, scores)
    assert len(found) == 3 and np.asarray(found) is not None and np.array_equal(np.asarray(found), vectors)


def test_equal_candidates_are_looked_at_once() -> None:
    vectors = np.array([[1, 0], [0, 1], [1, 1e-7], [np.nan, 0], [0, 1]], np.float32)
    assert distinct(vectors).tolist() == [0, 1] and distinct(vectors[3:4]).tolist() == []


def test_the_loss_takes_the_hard_ones_and_needs_none(fitted: se.Learner) -> None:
    assert fitted._network is not None
    cross = cross_of(fitted._network)
    assert cross is not None
    asked: list[Tokens] = []
    encoded = {name: Tokens.full(torch.randn(4, 1, 32)) for name in ("lock", "key")}
    scores = torch.zeros(4, 4)
    scores[0, 2] = scores[1, 3] = 50.0  # hard, but the second is right as well
    negative = ~torch.eye(4, dtype=torch.bool)
    negative[1, 3] = negative[3, 1] = False
    handle = cross.fusion.register_forward_pre_hook(lambda _, given: asked.append(given[0]["key"]))
    whole = torch.tensor([True, True, True, False])
    lost = match_loss(cross, encoded, [["lock"], ["key"]], scores, whole, negative)
    handle.remove()
    assert lost[3] == 0 and bool((lost[:3] > 0).all())
    assert torch.equal(asked[1].values[0], encoded["key"].values[2])
    assert not any(torch.equal(row, encoded["key"].values[3]) for row in asked[1].values)
    alone = match_loss(cross, encoded, [["lock"], ["key"]], scores, whole, torch.zeros_like(negative))
    assert bool(alone.isfinite().all()) and bool((alone[:3] < lost[:3]).all())
    nobody = match_loss(cross, encoded, [["lock"], ["key"]], scores, torch.zeros_like(whole), negative)
    assert nobody.tolist() == [0, 0, 0, 0]


def test_subsets_are_looked_at_by_what_is_shown() -> None:
    given = [{**row, "note": "a lock" if place % 2 else None} for place, row in enumerate(rows(80, 0))]
    made = se.Learner(
        inputs={"lock": "vector", "note": "text", "key": "vector"},
        task={"name": "retrieve", "candidate": "key", "rerank": 3}, fusion="sum", width=8,
        train={"epochs": 1, "batch": 40}, verdict="off", data={"valid_share": 0.2, "test_share": 0.2},
    ).fit(given)  # fmt: skip
    assert set(made.metrics_["subsets"]) == {"lock+key", "note+key", "lock+note+key"}
    assert pairs.SIDES == ("query", "candidate")


def test_search_looks_again_at_what_the_index_keeps(tmp_path: Path) -> None:
    given = [{"words": f"{colour} {thing}", "id": f"{colour[0]}{thing[0]}", "name": f"{thing}, {colour}"}
             for colour in ("red", "blue", "green") for thing in ("bus", "cat", "hat", "jar")]  # fmt: skip
    made = se.Learner(
        inputs={"words": "text", "name": "text"}, task={"name": "retrieve", "query": "words", "rerank": 4},
        fusion="transformer", width=16, train={"epochs": 3, "batch": 24, "patience": 0}, verdict="off",
        data={"valid_share": 0.0, "test_share": 0.0},
    )  # fmt: skip
    made.fit(given * 4, run=tmp_path / "run")
    for place, columns in (("kept", ["name"]), ("bare", [])):
        list(build_index(made, tmp_path / "run", given, tmp_path / place, made=Made(), id="id", columns=columns))

    def search(place: str, **options: Any) -> list[Hit]:
        return search_index(made, tmp_path / "run", {"words": "red cat"}, tmp_path / place, **options)

    plain, again = search("bare", k=12), search("kept", k=12)
    assert [hit.id for hit in plain[4:]] == [hit.id for hit in again[4:]]
    assert {hit.id for hit in plain[:4]} == {hit.id for hit in again[:4]}
    chances = made.match([{"words": "red cat", "name": hit.columns["name"]} for hit in again[:4]])
    assert chances is not None and np.allclose([hit.score for hit in again[:4]], chances, atol=1e-5)
    assert chances.tolist() == sorted(chances.tolist(), reverse=True)
    assert [hit.id for hit in search("kept", k=1)] == [again[0].id]  # of the four nearest, not the nearest alone
    other = search_index(made, tmp_path / "run", {"name": "cat, red"}, tmp_path / "kept", k=3)
    assert other[0].id == "rc" and other[0].score == pytest.approx(1, abs=1e-4)  # by its own side: no pair to read
