"""Captions of real stamps from their pictures, in five languages, by one model.

    python benchmarks/stamp_captions.py             # three folds of whole groups, every stamp tested once

Inputs are the picture (frozen EfficientNet-Lite0) and the wanted language, the target is the caption in it; each stamp
gives a row a language. Equal captions, and captions that share a clip, are one group and never straddle a fold, so no
tested caption was ever learned. Beside the model: the caption of the training picture whose same features are nearest
(cosine), the commonest training caption, and the model on the picture of another stamp. Out-of-fold answers are pooled;
intervals are 95 % bootstrap over groups. CIDEr is CIDEr-D with one reference a stamp; Japanese and Chinese count by
character. Fetches the sample `stamps` and the weights `efficientnet_lite0` where they are not there yet.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pandas as pd
import torch
from texts import (
    CAPTIONS,
    PICTURE,
    answers,
    by_language,
    commonest,
    fitted,
    folds,
    gain,
    options,
    other_pictures,
    picture_features,
    report,
    sample,
)

from sensemble import config as configs

CONFIG: dict[str, Any] = {
    "inputs": {"picture": PICTURE, "language": "category"},
    "width": 128,
    "fusion": "concat",
    "task": {
        "name": "generate", "target": "text", "length": 24, "vocab": 1000, "metric": "chrf", "valid_rows": 150,
        "decoder": {"name": "recurrent", "dropout": 0.3}, "search": {"beam": 4},
    },
    "train": {"epochs": 10, "batch": 64, "lr": 3e-3, "hide": 0.0, "patience": 3},
}  # fmt: skip


def main() -> None:
    given = options(str(__doc__))
    config = configs.override(CONFIG, given.set)
    frame = sample("stamps", "efficientnet_lite0")
    features = picture_features(frame["image"].tolist())
    tested: list[pd.DataFrame] = []
    ways: dict[str, list[str]] = defaultdict(list)
    for number, (train, valid, test) in enumerate(folds(frame, given)):
        known, check, wanted = (by_language(frame.iloc[rows], list(CAPTIONS)) for rows in (train, valid, test))
        learner = fitted(config, known, check, seed=number)
        tested.append(wanted)
        ways["model"] += answers(learner, wanted)
        ways["model, another's picture"] += answers(learner, other_pictures(wanted, seed=number))
        for language, rows in wanted.groupby("language", sort=False):  # in the rows' order: a language after another
            own = known[known["language"] == language]
            likeness = features[own["place"].to_numpy()] @ features[rows["place"].to_numpy()].T
            ways["nearest picture's caption"] += own["text"].iloc[likeness.argmax(0)].tolist()
            ways["commonest caption"] += [commonest(own["text"].tolist())] * len(rows)
    rows = pd.concat(tested, ignore_index=True)
    for language in CAPTIONS:
        places = (rows["language"] == language).to_numpy().nonzero()[0]
        own, groups = rows.iloc[places], rows["group"].iloc[places].tolist()
        texts = {way: [written[place] for place in places] for way, written in ways.items()}
        found = report(texts, own["text"].tolist(), groups, language, ("cider", "bleu_1", "bleu", "chrf"))
        for name in ("cider", "chrf"):
            model, other = found["model"][name], found["nearest picture's caption"][name]
            print(f"  {name}, model over nearest {gain(model, other, groups)}")
    for place in range(0, len(rows), max(1, len(rows) // 12)):
        print(f"{rows['text'][place]!r:<60} {ways['model'][place]!r}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
