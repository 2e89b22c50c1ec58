"""What the benchmarks of written text share: folds of whole groups, baselines without a network, scores with intervals.

Legend: n rows, R bootstrap resamples, D width of features.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GroupKFold, GroupShuffleSplit

import sensemble as se
from sensemble import weights
from sensemble.data.cache import load_many, user_cache
from sensemble.data.samples import SAMPLES, get
from sensemble.encoders.efficientnet import load_efficientnet_lite0
from sensemble.encoders.frozen import Frozen
from sensemble.metrics.base import Array, Metric, difference, estimate, resample
from sensemble.metrics.generation import generation_metrics
from sensemble.metrics.words import cut, rules_for

CAPTIONS = {"en": "caption", "de": "caption_de", "fr": "caption_fr", "ja": "caption_ja", "zh": "caption_zh_cn"}
"""The stamps' columns of captions, by language."""
PICTURE = {
    "name": "image", "column": "image",
    "encoder": {"name": "pretrained", "model": "efficientnet_lite0", "pool": "mean"},
}  # fmt: skip
VALID = 0.125
"""Share of a fold's other rows by which training stops."""
NOTHING = ""
"""Stands in every source for what its words do not say."""
Rows = np.ndarray[Any, np.dtype[np.int64]]


def options(text: str) -> argparse.Namespace:
    """The command line of such a benchmark."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--valid", action="store_true", help="first fold, its validation rows: to choose settings by")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of the model's config")
    return parser.parse_args()


def sample(name: str, *carried: str) -> pd.DataFrame:
    """A sample's table with the paths of its pictures, and small weights, fetched where they are not there yet."""
    table = get(name, say=print) / SAMPLES[name].tables["train"]
    for each in carried:
        weights.get(each, say=print)
    frame = pd.read_parquet(table)
    if "image" in frame:
        frame["image"] = [str(table.parent / path) for path in frame["image"]]
    return frame


def folds(frame: pd.DataFrame, given: argparse.Namespace) -> list[tuple[Rows, Rows, Rows]]:
    """Positions of training, validation and scored rows of each fold, groups whole."""
    found, groups = [], frame["group"].to_numpy()
    outer = GroupKFold(given.folds, shuffle=True, random_state=0)
    for number, (rest, test) in enumerate(outer.split(frame, groups=groups)):
        inner = GroupShuffleSplit(1, test_size=VALID, random_state=number)
        train, valid = (rest[places] for places in next(inner.split(rest, groups=groups[rest])))
        if given.valid:
            return [(train, valid, valid)]
        found.append((train, valid, test))
    return found


def by_language(frame: pd.DataFrame, languages: Sequence[str]) -> pd.DataFrame:
    """A row for each stamp and language that has a caption, in `text`; `place` is the stamp's row in the sample."""
    parts = [
        frame[["image", "caption", "group"]].assign(language=each, text=frame[CAPTIONS[each]], place=frame.index)
        for each in languages
    ]
    return pd.concat(parts).dropna(subset="text").reset_index(drop=True)


def fitted(config: Mapping[str, Any], train: pd.DataFrame, valid: pd.DataFrame, seed: int) -> se.Learner:
    """A model; its scores are made here, not by it."""
    settings = {**config, "data": {"group": "group", "test_share": 0}, "verdict": "off", "seed": seed}
    learner = se.Learner(**settings)
    learner.fit(train, valid, say=lambda line: print(line, flush=True) if line.startswith(("epoch", "Train")) else None)
    return learner


def answers(learner: se.Learner, frame: pd.DataFrame) -> list[str]:
    return [record["prediction"] for record in learner.predict(frame)]


def other_pictures(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The same rows, each stamp with the picture of another one."""
    own = frame["image"].unique()
    order = np.random.default_rng(seed).permutation(len(own))
    return frame.assign(image=frame["image"].map(dict(zip(own[order], np.roll(own[order], 1), strict=True))))


def picture_features(paths: Sequence[str]) -> Array:
    """`(n, D)` of length 1: what models here see of each picture."""
    found = load_many(Frozen(load_efficientnet_lite0(), pool="mean"), list(paths), user_cache())
    vectors = np.stack([each[0].numpy() for each in found])  # type: ignore[index]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def nearest_text(known: Sequence[str], wanted: Sequence[str]) -> Rows:
    """Which known text is most like each wanted one: cosine of TF-IDF of 1 to 5 characters within words."""
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 5), sublinear_tf=True)
    left = vectorizer.fit_transform(known)
    return np.asarray((left @ vectorizer.transform(wanted).T).argmax(0)).ravel()


class Dictionary:
    """A dictionary made from pairs of texts by IBM's model 1 (Brown et al. 1993), and translation word by word.

    Each word of a target is taken to stand for one word of its source, or for none of them; expectation maximisation
    finds how likely each pair of words is. A translation puts in each word's place what it most likely says, and
    leaves words that were never seen.

    Args:
        source: texts.
        target: their translations.
        language: of the translations.
        rounds: of expectation maximisation.
    """

    def __init__(self, source: Sequence[str], target: Sequence[str], language: str, *, rounds: int = 8) -> None:
        self.rules = rules_for([], language)
        sources = [[NOTHING, *cut(text.lower(), "13a")] for text in source]
        pairs = list(zip(sources, (cut(text, self.rules) for text in target), strict=True))
        chance: dict[str, dict[str, float]] = {}
        for _ in range(rounds):
            counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
            for words, others in pairs:
                for other in others:
                    likely = [chance[word][other] if chance else 1.0 for word in words]
                    total = sum(likely)
                    for word, each in zip(words, likely, strict=True):
                        counts[word][other] += each / total
            chance = {
                word: {other: count / sum(found.values()) for other, count in found.items()}
                for word, found in counts.items()
            }
        self.words = {word: max(found, key=lambda other: found[other]) for word, found in chance.items()}

    def translate(self, text: str) -> str:
        words = [self.words.get(word.lower(), word) for word in cut(text, "13a")]
        joined = ("" if self.rules != "13a" else " ").join(words)
        for mark in ".,!?:;":
            joined = joined.replace(f" {mark}", mark)
        return joined[:1].upper() + joined[1:]


def report(
    ways: Mapping[str, Sequence[str]],
    wanted: Sequence[str],
    groups: Sequence[Any],
    language: str,
    names: Sequence[str],
) -> dict[str, dict[str, Metric]]:
    """A line for each way of writing, with 95 % bootstrap intervals over groups. Returns the scores."""
    draws = draws_of(groups)
    found = {way: generation_metrics(texts, wanted, language=language, names=names) for way, texts in ways.items()}
    print(f"\n{language}: {len(wanted):,} rows, {len(set(groups)):,} groups")
    for way, metrics in found.items():
        cells = []
        for name in names:
            each, places = (
                estimate(metrics[name], len(wanted), draws),
                3 if name == "exact_match" else 1 + (name == "cider"),
            )
            cells.append(f"{name} {each.value:.{places}f} [{each.low:.{places}f}, {each.high:.{places}f}]")
        print(f"  {way:<28}" + "   ".join(cells), flush=True)
    return found


def gain(one: Metric, other: Metric, groups: Sequence[Any]) -> str:
    """By how much one way is better than another on the same rows, paired, and what that says."""
    found = difference(one, other, len(groups), draws_of(groups))
    said = "better" if found.low > 0 else "worse" if found.high < 0 else "no difference shown"
    return f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]  {said}"


def draws_of(groups: Sequence[Any]) -> Array:
    """`(R, n)` resamples of whole groups."""
    return resample(len(groups), groups=np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1])


def commonest(texts: Sequence[str]) -> str:
    """The text that stands most often."""
    return Counter(texts).most_common(1)[0][0]
