"""Recommending films of MovieLens-100K: what is reached without learning from content, and by text alone.

    python benchmarks/recommend.py              # three protocols, every method tuned on validation

Every rating is an interaction, whatever its stars. `last` is leave-one-out; in `time` each user's last 20 % are tested;
in `cold` a fifth of the films is held out of training and ranked among themselves. Films that a user has had are not
shown. Options are chosen by NDCG@20 on the validation rows (for `cold`: on films held out of the rest in the same way),
then the method is fitted on training and validation together. Intervals are bootstrap over users. Fetches the sample
`movies` and the weights `minilm` where they are not there yet.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from sensemble import files, weights
from sensemble.data.interactions import Columns, split_interactions
from sensemble.data.samples import SAMPLES, get
from sensemble.metrics.base import Metric, difference, estimate, resample
from sensemble.metrics.recommend import Block, recommend_metrics

K = 20
BLOCK = 256
COLUMNS = Columns(item="film", same="work")
SPLITS: dict[str, dict[str, Any]] = {
    "last": {"valid": 1, "test": 1},
    "time": {"valid": 0.1, "test": 0.2},
    "cold": {"valid": 0, "test": 0, "cold": 0.2},
}
Array = NDArray[np.float64]
Scores = Callable[[NDArray[np.intp]], Array]
"""Users -> scores of all films `(b, I)`."""
Fit = Callable[..., Scores]


@dataclass
class World:
    """What is known of films: unit vectors of their texts `(I, D)` in one way or another, and their genres `(I, G)`."""

    texts: Mapping[str, Array]
    genres: Array

    def shuffled(self) -> World:
        """Each film with the text and genres of another."""
        order = np.random.default_rng(0).permutation(len(self.genres))
        return World({name: rows[order] for name, rows in self.texts.items()}, self.genres[order])


@dataclass
class Question:
    """What users had, what they had next, and what may be shown."""

    had: sparse.csr_array
    next: sparse.csr_array
    shown: NDArray[np.bool_]

    @property
    def users(self) -> NDArray[np.intp]:
        return np.flatnonzero((self.next.sum(1) > 0) & (self.had.sum(1) > 0))

    def blocks(self, scores: Scores) -> Iterator[Block]:
        for start in range(0, len(self.users), BLOCK):
            some = self.users[start : start + BLOCK]
            yield scores(some), self.next[some].toarray() > 0, (self.had[some].toarray() > 0) | ~self.shown


def popularity(had: sparse.csr_array, world: World) -> Scores:
    counts = had.sum(0)
    return lambda users: np.tile(counts, (len(users), 1))


def item_knn(had: sparse.csr_array, world: World, *, shrink: float, neighbours: int) -> Scores:
    """Cosine of two films over users, shrunk where few had them (Sarwar et al., 2001)."""
    both = (had.T @ had).toarray()
    lengths = np.sqrt(both.diagonal())
    near = both / (np.outer(lengths, lengths) + shrink + 1e-9)
    np.fill_diagonal(near, 0)
    least = np.partition(near, -neighbours, axis=0)[-neighbours]
    near[near < least] = 0
    return lambda users: had[users] @ near


def ease(had: sparse.csr_array, world: World, *, ridge: float) -> Scores:
    """A film from all others by ridge regression (Steck, "Embarrassingly Shallow Autoencoders", 2019)."""
    inverse = np.linalg.inv((had.T @ had).toarray() + ridge * np.eye(had.shape[1]))
    from_others = -inverse / inverse.diagonal()
    np.fill_diagonal(from_others, 0)
    return lambda users: had[users] @ from_others


KEPT: dict[Any, tuple[Array, Array]] = {}


def factorise(had: sparse.csr_array, **options: Any) -> tuple[Array, Array]:
    """Factors of users and films; the last ones are kept, as several methods start from them."""
    key = (had.indices.tobytes(), had.indptr.tobytes(), *options.items())
    if key not in KEPT:
        if len(KEPT) > 4:
            KEPT.clear()
        KEPT[key] = alternate(had, **options)
    return KEPT[key]


def alternate(had: sparse.csr_array, *, dim: int, ridge: float, unseen: float, rounds: int = 12) -> tuple[Array, Array]:
    """Alternating least squares where what was not had counts a little (Hu et al., 2008; Rendle et al., 2022)."""
    random = np.random.default_rng(0)
    sides = [random.normal(size=(num, dim)) * 0.1 / np.sqrt(dim) for num in had.shape]
    rows = [had, sparse.csr_array(had.T)]
    for _, side in itertools.product(range(rounds), (0, 1)):
        other, own = sides[1 - side], rows[side]
        pairs = np.einsum("nd,ne->nde", other, other).reshape(len(other), -1)
        seen = (own @ pairs).reshape(-1, dim, dim)
        weight = ridge * (own.sum(1) + unseen * own.shape[1])
        left = unseen * other.T @ other + seen + weight[:, None, None] * np.eye(dim)
        sides[side] = np.linalg.solve(left, (own @ other)[..., None])[..., 0]
    return sides[0], sides[1]


def factors(had: sparse.csr_array, world: World, *, dim: int, ridge: float, unseen: float) -> Scores:
    users, items = factorise(had, dim=dim, ridge=ridge, unseen=unseen)
    return lambda some: users[some] @ items.T


def text(had: sparse.csr_array, world: World, *, source: str, centred: bool) -> Scores:
    """Films whose texts are like the mean of those a user had. Nothing is learned."""
    rows = world.texts[source] - world.texts[source].mean(0) if centred else world.texts[source]
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return lambda users: (had[users] @ rows) @ rows.T


def factors_from_text(
    had: sparse.csr_array, world: World, *, source: tuple[str, ...], smooth: float, **options: Any
) -> Scores:
    """Factors of a film told from its text by ridge regression on those in training (as Gantner et al., 2010)."""
    users, items = factorise(had, **options)
    texts = [world.texts[name] - world.texts[name].mean(0) for name in source]
    rows = np.hstack([*texts, world.genres, np.ones((len(items), 1))])
    counts = had.sum(0)[:, None]  # films that more people had say more about the map
    solved = np.linalg.solve(
        (rows * counts).T @ rows + smooth * counts[counts > 0].mean() * np.eye(rows.shape[1]), (rows * counts).T @ items
    )
    return lambda some: users[some] @ (rows @ solved).T


def grid(**options: Sequence[Any]) -> list[dict[str, Any]]:
    return [dict(zip(options, values, strict=True)) for values in itertools.product(*options.values())]


METHODS: dict[str, tuple[Fit, list[dict[str, Any]]]] = {
    "popularity": (popularity, [{}]),
    "item-kNN": (item_knn, grid(shrink=[0, 10, 100], neighbours=[20, 50, 100, 200])),
    "factorisation": (factors, grid(dim=[32], ridge=[0.003, 0.01, 0.03], unseen=[0.05, 0.2])),
    "EASE": (ease, grid(ridge=[30, 100, 300, 1000])),
    "text alone": (text, grid(source=["minilm", "words"], centred=[False, True])),
    "factors from text": (
        factors_from_text,
        grid(
            source=[("minilm",), ("words",), ("minilm", "words")],
            smooth=[1, 3, 10, 30],
            dim=[32],
            ridge=[0.01],
            unseen=[0.2],
        ),
    ),
}
SHUFFLED = "factors from shuffled text"
CONTENT = ("text alone", "factors from text", SHUFFLED)
"""Methods that know more of a film than who had it."""


def matrix(table: pd.DataFrame, shape: tuple[int, int]) -> sparse.csr_array:
    rows, columns = table["user"].to_numpy() - 1, table["film"].to_numpy() - 1
    return sparse.csr_array((np.ones(len(table)), (rows, columns)), shape=shape)


def questions(ratings: pd.DataFrame, films: pd.DataFrame, protocol: str) -> tuple[Question, Question]:
    """What options are chosen by, and what is reported."""
    shape = (int(ratings["user"].max()), len(films))
    parts = split_interactions(ratings, columns=COLUMNS, items=films[["film", "work"]], **SPLITS[protocol])
    made = {name: matrix(part, shape) for name, part in parts.items()}
    everything = np.ones(len(films), bool)
    if protocol != "cold":
        return (
            Question(made["train"], made["valid"], everything),
            Question(sparse.csr_array(made["train"] + made["valid"]), made["test"], everything),
        )
    rest = ratings[ratings["film"].isin(parts["train"]["film"])]
    inner = split_interactions(rest, columns=COLUMNS, items=films[["film", "work"]], **SPLITS["cold"], seed=1)
    within = {name: matrix(part, shape) for name, part in inner.items()}
    return (
        Question(within["train"], within["cold"], np.asarray(within["cold"].sum(0) > 0)),
        Question(made["train"], made["cold"], np.asarray(made["cold"].sum(0) > 0)),
    )


def encode(texts: Sequence[str]) -> dict[str, Array]:
    """Unit vectors of texts, by MiniLM and by words weighted by their rarity."""
    place = files.home() / "cache" / f"recommend-{hashlib.sha256(repr(texts).encode()).hexdigest()[:16]}.npy"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        np.save(place, minilm(texts))
    words = TfidfVectorizer(min_df=2, sublinear_tf=True).fit_transform(texts)
    return {"minilm": np.load(place), "words": normalize(TruncatedSVD(256, random_state=0).fit_transform(words))}


def minilm(texts: Sequence[str]) -> Array:
    """The mean over the first 64 tokens of each text."""
    import torch
    import transformers

    folder = weights.get("minilm", say=print)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    found = np.empty((len(texts), model.config.hidden_size))
    with torch.inference_mode():
        for start in range(0, len(texts), 16):
            some = order[start : start + 16]
            batch = tokenizer(
                [texts[place] for place in some], padding=True, truncation=True, max_length=64, return_tensors="pt"
            )
            mask = batch["attention_mask"].unsqueeze(-1)
            pooled = (model(**batch).last_hidden_state * mask).sum(1) / mask.sum(1)
            found[some] = torch.nn.functional.normalize(pooled, dim=1).numpy()
    return found


def quality(chosen: Question, fit: Fit, world: World, choice: Mapping[str, Any]) -> float:
    """NDCG by which options are chosen."""
    metrics = recommend_metrics(chosen.blocks(fit(chosen.had, world, **choice)), k=K)
    return float(metrics[f"ndcg_{K}"].statistic(np.ones((1, len(chosen.users))))[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--protocols", nargs="+", default=list(SPLITS), choices=list(SPLITS))
    options = parser.parse_args()
    folder = get("movies", say=print)
    ratings, films = (pd.read_parquet(folder / SAMPLES["movies"].tables[name]) for name in ("train", "films"))
    genres = films["genres"].str.get_dummies(", ").to_numpy(float)
    world = World(encode(films["text"].tolist()), genres)
    shuffled = world.shuffled()
    for protocol in options.protocols:
        chosen, reported = questions(ratings, films, protocol)
        counts = reported.had.sum(0)
        users = len(reported.users)
        drawn = resample(users)
        print(f"\n{protocol}: {users} users, {int(reported.next[reported.users].sum())} interactions to find, "
              f"{int(reported.shown.sum())} films")  # fmt: skip
        scored: dict[str, Mapping[str, Metric]] = {}
        for name, (fit, choices) in {**METHODS, SHUFFLED: METHODS["factors from text"]}.items():
            start = time.process_time()
            known = shuffled if name == SHUFFLED else world
            if protocol == "cold" and name not in CONTENT:
                choices = choices[:1]  # all films score alike, whatever the options
            best = max(choices, key=partial(quality, chosen, fit, known)) if len(choices) > 1 else choices[0]
            blocks = reported.blocks(fit(reported.had, known, **best))
            scored[name] = recommend_metrics(blocks, k=K, features=genres, popularity=counts)
            shown = {each: estimate(metric, users, drawn) for each, metric in scored[name].items()}
            print(f"{name:28}", *(f"{each} {value}" for each, value in shown.items()), best,
                  f"{time.process_time() - start:.0f} s", flush=True)  # fmt: skip
        for name in ("EASE", "factors from text"):
            for other in ("popularity", "item-kNN", "factorisation", "text alone", SHUFFLED):
                gain = difference(scored[name][f"ndcg_{K}"], scored[other][f"ndcg_{K}"], users, drawn)
                print(f"ndcg_{K} of {name} over {other}: {gain}")


if __name__ == "__main__":
    main()
