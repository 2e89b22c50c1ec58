"""The `retrieve` task as a recommender on MovieLens-100K: a history asks, a film with its words answers.

    python benchmarks/recommend_towers.py last time cold

The protocols, masks and metrics of `recommend.py`. The query is the list of a user's latest films; the candidate a
film's number, words (frozen MiniLM) and genres, of which training hides some, so that a film without a number (a new
one) has a place as well. In-batch negatives come as often as films are had, so scores tell how much likelier a film is
for this user than for all (Yi et al., 2019); for films had before, the logarithm of their count is added back, with a
weight chosen on validation. `id` sees numbers alone; `text` words and genres alone; `shuffled` both, each film with
another's words.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from recommend import COLUMNS, SPLITS, K, Question, Scores, questions

import sensemble as se
from sensemble import weights
from sensemble.data.interactions import split_interactions
from sensemble.data.samples import SAMPLES, get
from sensemble.metrics.base import Metric, difference, estimate, resample
from sensemble.metrics.recommend import recommend_metrics

INPUTS: dict[str, dict[str, Any]] = {
    "history": {"name": "items", "length": 30, "encoder": {"name": "bag", "dim": 64, "pairs": 0, "dropout": 0.2}},
    "film": {"name": "category", "encoder": {"name": "embedding", "dim": 64, "dropout": 0.05}},
    "text": {"name": "text", "length": 64, "encoder": {"name": "pretrained", "model": "minilm", "pool": "mean"}},
    "genres": {"name": "items", "separator": ", ", "encoder": {"name": "bag", "dim": 32, "pairs": 0, "dropout": 0.2}},
}
WAYS = {"id": ("film",), "text": ("text", "genres"), "id + text": ("film", "text", "genres")}
SHUFFLED = "shuffled"
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def fit(train: pd.DataFrame, names: tuple[str, ...], epochs: int) -> se.Learner:
    learner = se.Learner(
        inputs={name: INPUTS[name] for name in ("history", *names)},
        task={"name": "retrieve", "query": "history", "candidate": list(names), "dropout": 0.0},
        train={"epochs": epochs, "batch": 1024, "lr": 3e-3, "patience": 0, "hide": 0.4 if len(names) > 1 else 0.0},
        data={"valid_share": 0.01, "test_share": 0.0},
        fusion="sum",
        width=64,
        verdict="off",
    )
    return learner.fit(train)


def vectors(
    learner: se.Learner, question: Question, parts: pd.DataFrame, films: pd.DataFrame
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], float]:
    """Of each user's history, of each film, and by how much their cosines are scaled."""
    latest = parts.sort_values(COLUMNS.time, kind="stable").groupby("user")["film"].agg(list)
    users = np.zeros((question.had.shape[0], 64), np.float32)
    users[latest.index.to_numpy() - 1] = learner.embed(pd.DataFrame({"history": latest}), side="query")
    table = films[["film", "text", "genres"]].astype({"film": object})
    table.loc[question.had.sum(0) == 0, "film"] = None
    items = learner.embed(table, side="candidate")
    lonely = np.isnan(items).any(1)  # films that nobody had, to a model that knows numbers alone
    return users, np.where(lonely[:, None], 0, items), float(learner._model()[1].head.log_scale.detach().exp())


def by_towers(learner: se.Learner, films: pd.DataFrame, question: Question, rows: pd.DataFrame, share: float) -> Scores:
    asked, given, scale = vectors(learner, question, rows, films)
    known = share * np.log(np.maximum(question.had.sum(0), 1))
    return lambda some: asked[some].astype(float) @ given.T * scale + known


def ndcg(question: Question, scores: Scores) -> float:
    metrics = recommend_metrics(question.blocks(scores), k=K)
    return float(metrics[f"ndcg_{K}"].statistic(np.ones((1, len(question.users))))[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("protocols", nargs="*", default=list(SPLITS))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--ways", nargs="+", default=[*WAYS, SHUFFLED])
    options = parser.parse_args()
    folder = get("movies", say=print)
    weights.get("minilm", say=print)
    ratings, films = (pd.read_parquet(folder / SAMPLES["movies"].tables[name]) for name in ("train", "films"))
    order = np.random.default_rng(0).permutation(len(films))
    mixed = films.assign(**{name: films[name].to_numpy()[order] for name in ("text", "genres")})
    for protocol in options.protocols:
        chosen, reported = questions(ratings, films, protocol)
        users = len(reported.users)
        drawn = resample(users)
        found: dict[str, dict[str, Metric]] = {}
        for way in options.ways:
            start = time.process_time()
            facts = mixed if way == SHUFFLED else films
            parts = split_interactions(ratings, columns=COLUMNS, items=facts, **SPLITS[protocol])
            learner = fit(parts["train"], WAYS.get(way, WAYS["id + text"]), options.epochs)

            scores = partial(by_towers, learner, facts)
            best = 0.0
            if protocol != "cold":
                best = max(SHARES, key=lambda share: ndcg(chosen, scores(chosen, parts["train"], share)))
            rows = pd.concat([parts["train"], parts["valid"]])
            found[way] = recommend_metrics(reported.blocks(scores(reported, rows, best)), k=K)
            told = {name: estimate(metric, users, drawn) for name, metric in found[way].items()}
            print(protocol, f"{way:10}", *(f"{name} {value}" for name, value in told.items()), f"share {best}",
                  f"{time.process_time() - start:.0f} s", flush=True)  # fmt: skip
        for other in found:
            if "id + text" in found and other != "id + text":
                gain = difference(found["id + text"][f"ndcg_{K}"], found[other][f"ndcg_{K}"], users, drawn)
                print(f"ndcg_{K} of id + text over {other}: {gain}")


if __name__ == "__main__":
    main()
