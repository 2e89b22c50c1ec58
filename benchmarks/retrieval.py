"""Retrieval on stamps and emoji with frozen encoders: towers beside ridge regression on the same folds.

    python benchmarks/retrieval.py                    # stamps and emoji: pictures and texts, five folds
    python benchmarks/retrieval.py --speech fr,es,ro  # stamps: written and spoken names and pictures, in one model
    python benchmarks/retrieval.py task.hard=0.5      # the towers with other settings
    python benchmarks/retrieval.py --valid            # scores on validation rows alone: for choosing settings

Folds are of whole captions. In each, a sixth of the other captions validates: it chooses ridge's alpha, and with
`--valid` the towers' settings. Then both learn from all rows but the fold's, the towers for a fixed number of epochs.
The gallery is what the test fold holds: its distinct captions for a picture, its pictures for a caption or a voice.
Answers of all folds are pooled; intervals are bootstrap over captions. Fetches samples and weights where they are
not there yet; Whisper takes about a tenth of a second for each of some 760 clips of a language, the first time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import Ridge

from sensemble import build, evaluate, weights
from sensemble import config as configs
from sensemble.data.load import load
from sensemble.data.read import read
from sensemble.data.rows import Samples, Store
from sensemble.data.samples import SAMPLES, get
from sensemble.metrics.retrieval import NAMES, rank_scores
from sensemble.prepare import cache_of
from sensemble.train import train

FOLDS = 5
ALPHAS = (10, 30, 100, 300, 1000, 3000)
TEXT = {"stamps": "caption", "emoji": "label"}
EPOCHS = {"stamps": 60, "emoji": 30}
"""60 steps in both."""
SECONDS = 5
"""Of speech that are heard; the longest spoken names take 4.4."""
SHOWN = ("recall_1", "recall_5", "recall_10", "mrr")
Vectors = dict[str, np.ndarray[Any, Any]]
Found = dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]
"""By direction: each query's scores `(q, len(NAMES))`, and the caption it belongs to, `(q,)`."""


def make_config(name: str, speech: list[str], settings: list[str]) -> configs.Config:
    text = TEXT[name]
    inputs: dict[str, Any] = {
        text: {"name": "text", "encoder": {"name": "pretrained", "model": "minilm", "pool": "mean"}},
        "image": {
            "name": "image",
            "encoder": {"name": "pretrained", "model": "efficientnet_lite0", "pool": "mean"},
        },
    }
    for language in speech:
        inputs[f"speech_{language}"] = {
            "name": "audio",
            "seconds": SECONDS,
            "encoder": {"name": "pretrained", "model": "whisper_base", "pool": "tokens"},
        }
    mapping = {
        "inputs": inputs,
        "task": {"name": "retrieve", "candidate": "image", "lock": text, "dropout": 0.5},
        "fusion": "sum",
        "width": 384,
        "train": {"epochs": EPOCHS[name], "batch": 1024, "lr": 3e-3, "patience": 0, "hide": 0.5 if speech else 0.0},
        "data": {"max_unreadable": 0.2},
    }
    return configs.from_dict(configs.override(mapping, settings))


def pooled(store: Store) -> Store:
    """One token a clip: the mean of Whisper's. All of them would be sixty times the work."""
    assert store.flat is not None
    means = [part.mean(0, keepdim=True) for part in store.flat.split(store.lengths.tolist())]
    return replace(store, flat=torch.cat(means), lengths=torch.ones_like(store.lengths))


def standardise(store: Store, rows: Any) -> Store:
    """Features of mean 0 and deviation 1 over the rows to learn from, as the mean of speech is most of every vector."""
    assert store.flat is not None
    index = store.index[rows]
    known = store.flat[index[index >= 0]]
    return replace(store, flat=(store.flat - known.mean(0)) / known.std(0).clamp(min=1e-6))


def scores(vectors: Vectors, texts: np.ndarray[Any, Any]) -> Found:
    """Pictures against distinct captions, and everything else against the pictures."""
    kinds, first = np.unique(texts, return_index=True)
    found: Found = {}
    for name, queries in vectors.items():
        there = ~np.isnan(queries).any(1)
        if name == "image":
            ranked, right = queries @ vectors["text"][first].T, texts[:, None] == kinds[None]
        else:
            if name == "text":  # a caption that stands twice asks once
                there = np.isin(np.arange(len(texts)), first)
            ranked, right = queries @ vectors["image"].T, texts[:, None] == texts[None]
        found[name] = rank_scores(ranked[there], right[there]), texts[there]
    return found


def towers(config: configs.Config, table: Any, inputs: Any, stores: Any, text: str) -> Callable[..., Vectors]:
    """Trains on some rows and gives the vectors of others."""

    def run(learn: Any, valid: Any, test: Any, seed: int) -> Vectors:
        learn = learn if test is valid else np.concatenate([learn, valid])
        own = config.replace(seed=seed)
        task = build.make_task(own).fit(table.take(learn))
        given = {each: standardise(store, learn) if "speech" in each else store for each, store in stores.items()}
        samples = Samples(table, given, task.collate(table))
        network = build.make_network(own, inputs, task)
        for _ in train(network, task, samples.take(learn), None, own.train, seed=seed):
            pass
        rows = samples.take(test)
        found = {
            "text" if name == text else name: evaluate.embed(network, task, rows.only([name]), side)
            for side, names in task.sides(list(stores)).items()
            for name in names
        }
        spoken = [name for name in stores if "speech" in name]
        both = {f"text + {name}": [text, name] for name in spoken}
        both |= {"all speech": spoken, "text + all speech": [text, *spoken]} if len(spoken) > 1 else {}
        found |= {each: evaluate.embed(network, task, rows.only(names), "query") for each, names in both.items()}
        return found

    return run


def ridge(features: Vectors, texts: np.ndarray[Any, Any], *, centred: bool) -> Callable[..., Vectors]:
    """Ridge regression from each kind of feature to the text's vectors; the one alpha that validates best.

    Args:
        features: by name, `(n, D)`, NaN where missing.
        texts: `(n,)` the number of each row's caption.
        centred: compare vectors after the mean of the training texts is taken off.
    """

    def apply(learn: Any, test: Any, alpha: float) -> Vectors:
        target = features["text"]
        middle = target[learn].mean(0) if centred else 0
        found = {"text": target[test] - middle}
        for name in features.keys() - {"text"}:
            given = features[name]
            rows = learn[~np.isnan(given[learn]).any(1)]
            mean = given[rows].mean(0)
            model = Ridge(alpha=alpha).fit(given[rows] - mean, target[rows])
            gone = np.isnan(given[test]).any(1)
            found[name] = model.predict(np.nan_to_num(given[test] - mean)) - middle
            found[name][gone] = np.nan
        return {name: each / np.linalg.norm(each, axis=1, keepdims=True) for name, each in found.items()}

    def run(learn: Any, valid: Any, test: Any, seed: int) -> Vectors:
        place = NAMES.index("mrr")

        def quality(alpha: float) -> float:
            found = scores(apply(learn, valid, alpha), texts[valid])
            return float(sum(found[name][0][:, place].mean() for name in ("image", "text")))

        best = max(ALPHAS, key=quality)
        return apply(learn if test is valid else np.concatenate([learn, valid]), test, best)

    return run


def folds(texts: np.ndarray[Any, Any]) -> list[tuple[Any, Any, Any]]:
    """Rows to learn, to validate and to test by, of whole captions."""
    random = np.random.default_rng(0)
    fold = (random.permutation(texts.max() + 1) % FOLDS)[texts]
    result = []
    for number in range(FOLDS):
        rest = np.unique(texts[fold != number])
        held = random.permutation(rest)[: len(rest) // 6]
        valid = np.isin(texts, held)
        result.append(tuple(map(np.flatnonzero, ((fold != number) & ~valid, valid, fold == number))))
    return result


def report(title: str, ways: Mapping[str, list[Found]], sizes: str) -> None:
    """Scores of each direction with intervals, and by how much the first way is better than each other one."""
    print(f"\n{title}: {sizes}")
    first = next(iter(ways))
    for direction in ways[first][0]:
        pooled = {}
        for way, parts in ways.items():
            known = [part[direction] for part in parts if direction in part]
            if known:
                pooled[way] = np.concatenate([each for each, _ in known])
                groups = np.unique(np.concatenate([each for _, each in known]), return_inverse=True)[1]
        random = np.random.default_rng(0)
        count = groups.max() + 1
        draws = np.stack([np.bincount(random.integers(count, size=count), minlength=count) for _ in range(2000)])
        draws = draws[:, groups] / draws[:, groups].sum(1, keepdims=True)
        arrow = f"{direction} -> {'text' if direction == 'image' else 'image'}"
        for way, values in pooled.items():
            cells = []
            for name in SHOWN:
                column = 100 * values[:, NAMES.index(name)]
                cells.append(f"{name} {column.mean():.1f} {interval(draws @ column)}")
                if way != first:
                    gain = 100 * pooled[first][:, NAMES.index(name)] - column
                    cells[-1] += (
                        f" ({first} {gain.mean():+.1f} {interval(draws @ gain)})" if name == "recall_10" else ""
                    )
            print(f"{arrow:<20} {way:<14} {'  '.join(cells)}", flush=True)


def interval(values: np.ndarray[Any, Any]) -> str:
    low, high = np.percentile(values, [2.5, 97.5])
    return f"[{low:.1f}, {high:.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", nargs="*", help="of the towers, such as train.lr=1e-3")
    parser.add_argument("--sets", default="stamps,emoji")
    parser.add_argument("--speech", default="", help="stamps, with spoken names in these languages among the queries")
    parser.add_argument("--valid", action="store_true", help="test on the validation rows instead")
    options = parser.parse_args()
    speech = options.speech.split(",") if options.speech else []
    for name in ("efficientnet_lite0", "minilm", *(["whisper_base"] if speech else [])):
        weights.get(name, say=print)
    for name in ["stamps"] if speech else options.sets.split(","):
        text = TEXT[name]
        table = read(get(name, say=print) / SAMPLES[name].tables["train"])
        config = make_config(name, speech, options.settings)
        inputs = build.make_inputs(config, table.columns)
        stores, _ = load(table, inputs, memory=8.0, cache=cache_of(config))
        texts = np.unique([str(each).casefold() for each in table.column(text)], return_inverse=True)[1]
        stores = {each: pooled(store) if "speech" in each else store for each, store in stores.items()}
        features = {}
        for each, store in stores.items():
            tokens = store.tokens(torch.arange(len(table)))
            mean = tokens.mean().masked_fill(~tokens.present.unsqueeze(1), float("nan"))
            features["text" if each == text else each] = mean.double().numpy()
        ways = {
            "towers": towers(config, table, inputs, stores, text),
            "ridge": ridge(features, texts, centred=False),
            "ridge, centred": ridge(features, texts, centred=True),
        }
        found: dict[str, list[Found]] = {way: [] for way in ways}
        sizes = []
        for seed, (learn, valid, test) in enumerate(folds(texts)):
            test = valid if options.valid else test
            sizes.append((len(np.unique(texts[test])), len(test)))
            for way, run in ways.items():
                found[way].append(scores(run(learn, valid, test, seed), texts[test]))
            print(f"fold {seed} done", flush=True)
        counts = f"{np.mean([a for a, _ in sizes]):.0f} captions, {np.mean([b for _, b in sizes]):.0f} pictures a fold"
        report(name, found, counts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
