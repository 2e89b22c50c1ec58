"""Translation of real stamps' English captions into four languages: does the picture help?

    python benchmarks/stamp_translation.py          # three folds of whole groups, every stamp tested once

One model writes German, French, Japanese and Chinese: its inputs are the English caption (as pieces, and as frozen
MiniLM features), the wanted language, and in a second model the picture, too (frozen EfficientNet-Lite0). Both are
trained alike on the same rows. Equal captions, and captions that share a clip, are one group and never straddle a fold.
Beside them: the translation of the training caption that is most like (TF-IDF of characters), a dictionary learned from
the training pairs (IBM's model 1) used word by word, the source itself, and the second model on another stamp's
picture. Out-of-fold answers are pooled; intervals are 95 % bootstrap over groups, paired where two are compared.
Fetches the sample `stamps` and the weights `efficientnet_lite0` and `minilm` where they are not there yet.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pandas as pd
import torch
from texts import (
    CAPTIONS,
    PICTURE,
    Dictionary,
    answers,
    by_language,
    fitted,
    folds,
    gain,
    nearest_text,
    options,
    other_pictures,
    report,
    sample,
)

from sensemble import config as configs

TARGETS = [language for language in CAPTIONS if language != "en"]
CONFIG: dict[str, Any] = {
    "inputs": {
        "caption": {"name": "text", "vocab": 1000, "length": 40, "encoder": {"name": "gru", "dim": 128}},
        "meaning": {
            "name": "text", "column": "caption", "encoder": {"name": "pretrained", "model": "minilm", "pool": "mean"},
        },
        "language": "category",
        "picture": PICTURE,
    },
    "width": 128,
    "fusion": {"name": "transformer", "depth": 1, "dropout": 0.2},
    "task": {
        "name": "generate", "target": "text", "length": 32, "vocab": 1000, "metric": "chrf", "valid_rows": 150,
        "decoder": {"name": "recurrent", "dropout": 0.3}, "search": {"beam": 4},
    },
    "train": {"epochs": 10, "batch": 64, "lr": 3e-3, "hide": 0.0, "patience": 4},
}  # fmt: skip


def main() -> None:
    given = options(str(__doc__))
    config = configs.override(CONFIG, given.set)
    blind = configs.override(config, ["inputs.picture=null"])
    frame = sample("stamps", "efficientnet_lite0", "minilm")
    tested: list[pd.DataFrame] = []
    ways: dict[str, list[str]] = defaultdict(list)
    for number, (train, valid, test) in enumerate(folds(frame, given)):
        known, check, wanted = (by_language(frame.iloc[rows], TARGETS) for rows in (train, valid, test))
        tested.append(wanted)
        ways["caption alone"] += answers(fitted(blind, known, check, seed=number), wanted)
        learner = fitted(config, known, check, seed=number)
        ways["caption and picture"] += answers(learner, wanted)
        ways["caption, another's picture"] += answers(learner, other_pictures(wanted, seed=number))
        for language, rows in wanted.groupby("language", sort=False):  # in the rows' order: a language after another
            own, texts = known[known["language"] == language], rows["caption"].tolist()
            ways["nearest caption's"] += own["text"].iloc[nearest_text(own["caption"].tolist(), texts)].tolist()
            pairs = Dictionary(own["caption"].tolist(), own["text"].tolist(), str(language))
            ways["dictionary"] += [pairs.translate(text) for text in texts]
            ways["the source"] += texts
    rows = pd.concat(tested, ignore_index=True)
    for language in TARGETS:
        places = (rows["language"] == language).to_numpy().nonzero()[0]
        own, groups = rows.iloc[places], rows["group"].iloc[places].tolist()
        texts = {way: [written[place] for place in places] for way, written in ways.items()}
        found = report(texts, own["text"].tolist(), groups, language, ("bleu", "chrf", "exact_match"))
        for name in ("bleu", "chrf"):
            both, alone = found["caption and picture"][name], found["caption alone"][name]
            print(f"  {name}, with the picture over without {gain(both, alone, groups)}")
    for place in range(0, len(rows), max(1, len(rows) // 12)):
        print(f"{rows['caption'][place]!r:<40} {rows['text'][place]!r:<40} {ways['caption and picture'][place]!r}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
