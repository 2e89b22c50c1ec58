"""The recipe `recommend` on MovieLens-100K: a history asks, a film with its words answers.

    python benchmarks/recommend_towers.py last time cold

The recipe's inputs, task and training, under the protocols, masks and metrics of `recommend.py`. `id` sees films'
numbers alone; `text` words and genres alone; `shuffled` all, each film with another's words and genres. The loss
knows how common films are; whether more or less of it is wanted (the logarithm of a film's count is added with a
weight) is chosen on validation for `last` and `time`. In `cold` numbers alone tell nothing: all films score alike.
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
from sensemble import config as configs
from sensemble import weights
from sensemble.data.interactions import split_interactions
from sensemble.data.samples import SAMPLES, get
from sensemble.demo import recipe
from sensemble.metrics.base import Metric, difference, estimate, resample
from sensemble.metrics.recommend import recommend_metrics

WAYS = {"id": ("film",), "text": ("text", "genres"), "id + text": ("film", "text", "genres")}
SHUFFLED = "shuffled"
SHARES = (-0.5, -0.25, 0.0, 0.25, 0.5)


def fit(train: pd.DataFrame, names: tuple[str, ...]) -> se.Learner:
    config = configs.read(recipe("recommend"))
    config = config.replace(
        inputs={name: config.specs[name] for name in ("history", *names)},
        task={**config.task, "candidate": list(names)},
        data=configs.DataConfig(valid_share=0.001, test_share=0.0),
    )
    return se.Learner.from_config(config).fit(train)


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


def by_towers(found: tuple[Any, Any, float], question: Question, share: float) -> Scores:
    asked, given, scale = found
    known = share * np.log(np.maximum(question.had.sum(0), 1))
    return lambda some: asked[some].astype(float) @ given.T * scale + known


def ndcg(question: Question, scores: Scores) -> float:
    metrics = recommend_metrics(question.blocks(scores), k=K)
    return float(metrics[f"ndcg_{K}"].statistic(np.ones((1, len(question.users))))[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("protocols", nargs="*", default=list(SPLITS))
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
        parts = split_interactions(ratings, columns=COLUMNS, items=films[["film", "work"]], **SPLITS[protocol])
        parts = {name: part.drop(columns="work") for name, part in parts.items()}
        found: dict[str, dict[str, Metric]] = {}
        for way in options.ways:
            start = time.process_time()
            facts = mixed if way == SHUFFLED else films
            seen = parts["train"].merge(facts, on=COLUMNS.item)
            learner = fit(seen, WAYS.get(way, WAYS["id + text"]))
            best = 0.0
            if protocol != "cold":
                scores = partial(by_towers, vectors(learner, chosen, parts["train"], facts), chosen)
                best = max(SHARES, key=lambda share: ndcg(chosen, scores(share)))
            rows = pd.concat([parts["train"], parts["valid"]])
            scored = by_towers(vectors(learner, reported, rows, facts), reported, best)
            found[way] = recommend_metrics(reported.blocks(scored), k=K)
            told = {name: estimate(metric, users, drawn) for name, metric in found[way].items()}
            print(protocol, f"{way:10}", *(f"{name} {value}" for name, value in told.items()), f"share {best}",
                  f"{time.process_time() - start:.0f} s", flush=True)  # fmt: skip
        for other in found:
            if "id + text" in found and other != "id + text":
                gain = difference(found["id + text"][f"ndcg_{K}"], found[other][f"ndcg_{K}"], users, drawn)
                print(f"ndcg_{K} of id + text over {other}: {gain}")


if __name__ == "__main__":
    main()
