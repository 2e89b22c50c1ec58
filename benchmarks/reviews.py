"""Clothing reviews, cross-validated: our fused model beside TF-IDF + boosted trees, late stacked.

    python benchmarks/reviews.py                      # ten folds, all columns
    python benchmarks/reviews.py --without rating     # the column that nearly is the label left out

Every row is a test row once, so nothing hangs on a lucky split. Both see the same training, validation and test rows
of each fold (80/10/10, stratified, duplicates on one side). Intervals are over folds (Student's t).
The baseline: logistic regression on TF-IDF of title and review (one and two words), histogram gradient boosting on
the other columns, and a logistic regression on both log odds, fitted on the validation rows. Fetches the data set
`reviews` where it is not there yet.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from sensemble import config as configs
from sensemble import evaluate
from sensemble.data.read import read
from sensemble.data.rows import Samples
from sensemble.data.samples import SAMPLES, get
from sensemble.data.split import split
from sensemble.data.table import Table
from sensemble.demo import recipe
from sensemble.pipeline import Job

METRICS = ("f1", "roc_auc", "pr_auc")
TEXTS = ("Title", "Review Text")


def stacked(parts: Mapping[str, Samples], columns: list[str]) -> NDArray[np.float64]:
    """The baseline's probabilities for the test rows, `(n, 2)`."""
    frames = {name: part.table.frame for name, part in parts.items()}
    labels = {name: part.target.values[:, 0].numpy() for name, part in parts.items() if part.target is not None}
    texts = {name: frame[list(TEXTS)].fillna("").astype(str).agg(" . ".join, axis=1) for name, frame in frames.items()}
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True)
    reader = LogisticRegression(C=3, max_iter=500).fit(words.fit_transform(texts["train"]), labels["train"])
    trees = HistGradientBoostingClassifier(max_iter=150, learning_rate=0.05, random_state=0)
    kinds = {column: frames["train"][column].dropna().unique().tolist() for column in columns}

    def table(frame: pd.DataFrame) -> pd.DataFrame:
        numeric = {column for column in columns if pd.api.types.is_numeric_dtype(frame[column])}
        return pd.DataFrame(
            {
                column: frame[column].astype(float)
                if column in numeric
                else frame[column].map({kind: code for code, kind in enumerate(kinds[column])})
                for column in columns
            }
        )

    trees.fit(table(frames["train"]), labels["train"])

    def odds(name: str) -> NDArray[np.float64]:
        both = [
            reader.predict_proba(words.transform(texts[name]))[:, 1],
            trees.predict_proba(table(frames[name]))[:, 1],
        ]
        clipped = np.clip(np.stack(both, 1), 1e-4, 1 - 1e-4)
        return np.asarray(np.log(clipped / (1 - clipped)))

    stacker = LogisticRegression().fit(odds("valid"), labels["valid"])
    return np.asarray(stacker.predict_proba(odds("test")))


def folds(table: Table, count: int, target: str) -> Iterator[tuple[Table, Table]]:
    """Pairs of (the rest, the fold): stratified, no row in two folds, and no duplicate in two either."""
    left, parts = table, []
    for index in range(count - 1):
        places = split(left, valid=0, test=1 / (count - index), target=[target], seed=index)
        parts.append(left.take(places["test"]))
        left = left.take(places["train"])
    parts.append(left)
    for index, part in enumerate(parts):
        rest = pd.concat([other.frame for place, other in enumerate(parts) if place != index])
        yield Table(rest, table.root, "the rest"), part


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--without", nargs="*", default=[], metavar="INPUT")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    table = read(get("reviews", say=print) / SAMPLES["reviews"].tables["train"])
    found: dict[str, list[list[float]]] = {"fused": [], "stacked": []}
    mapping = configs.read_mapping(recipe("reviews"))
    mapping["inputs"] = {name: spec for name, spec in mapping["inputs"].items() if name not in options.without}
    for fold, (rest, part) in enumerate(folds(table, options.folds, mapping["task"]["target"])):
        mapping["data"] = {"test_share": 0, "valid_share": 1 / (options.folds - 1)}
        job = Job(configs.from_dict({**mapping, "seed": fold}))
        for _ in job._prepare(rest, None, part):
            pass
        for _ in job._fit():
            pass
        assert job.network is not None and job.task is not None
        test = job.parts["test"]
        columns = [item.column for item in job.inputs if item.column not in TEXTS]
        answers = {
            "fused": evaluate.answers(job.network, job.task, test),
            "stacked": stacked(job.parts, columns),
        }
        for name, given in answers.items():
            scores = evaluate.values(job.task, given, test)
            found[name].append([scores[metric] for metric in METRICS])
            shown = "  ".join(f"{metric} {scores[metric]:.4f}" for metric in METRICS)
            print(f"fold {fold}  {name:<8} {shown}  ({len(test):,} test rows)", flush=True)
    for name, rows in found.items():
        mean, error = np.mean(rows, 0), np.std(rows, 0, ddof=1) / np.sqrt(len(rows))
        reach = float(stats.t.ppf(0.975, len(rows) - 1)) * error
        shown = "  ".join(
            f"{metric} {m:.4f} [{m - r:.4f}, {m + r:.4f}]" for metric, m, r in zip(METRICS, mean, reach, strict=True)
        )
        print(f"mean [95 %]  {name:<8} {shown}")


if __name__ == "__main__":
    main()
