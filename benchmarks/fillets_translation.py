"""Translation of a game's dialogue from English to Czech, beside a dictionary and the nearest known sentence.

    python benchmarks/fillets_translation.py        # three folds of whole levels, every line tested once

1,944 lines that have both; the levels are groups and never straddle a fold. Beside the model: the translation of the
training line that is most like (TF-IDF of characters), a dictionary learned from the training pairs (IBM's model 1)
used word by word, and the commonest line. Out-of-fold answers are pooled; intervals are 95 % bootstrap over levels.
Fetches the sample `fillets` where it is not there yet.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pandas as pd
import torch
from texts import Dictionary, answers, commonest, fitted, folds, gain, nearest_text, options, report, sample

from sensemble import config as configs

CONFIG: dict[str, Any] = {
    "inputs": {"text_en": {"name": "text", "vocab": 1500, "length": 60, "encoder": {"name": "gru", "dim": 128}}},
    "width": 128,
    "fusion": {"name": "transformer", "depth": 1},
    "task": {
        "name": "generate", "target": "text_cs", "length": 32, "vocab": 1500, "metric": "chrf", "valid_rows": 100,
        "decoder": {"name": "recurrent", "dropout": 0.3}, "search": {"beam": 4, "no_repeat": 3},
    },
    "train": {"epochs": 12, "batch": 64, "lr": 3e-3, "patience": 4},
}  # fmt: skip


def main() -> None:
    given = options(str(__doc__))
    config = configs.override(CONFIG, given.set)
    frame = sample("fillets")[["group", "text_en", "text_cs"]].dropna().reset_index(drop=True)
    tested: list[pd.DataFrame] = []
    ways: dict[str, list[str]] = defaultdict(list)
    for number, parts in enumerate(folds(frame, given)):
        known, check, wanted = (frame.iloc[rows] for rows in parts)
        tested.append(wanted)
        ways["model"] += answers(fitted(config, known, check, seed=number), wanted)
        source, target, texts = known["text_en"].tolist(), known["text_cs"].tolist(), wanted["text_en"].tolist()
        ways["nearest line's"] += [target[place] for place in nearest_text(source, texts)]
        pairs = Dictionary(source, target, "cs")
        ways["dictionary"] += [pairs.translate(text) for text in texts]
        ways["commonest line"] += [commonest(target)] * len(texts)
    rows = pd.concat(tested, ignore_index=True)
    groups = rows["group"].tolist()
    found = report(ways, rows["text_cs"].tolist(), groups, "cs", ("bleu", "chrf", "exact_match"))
    for other in ("dictionary", "nearest line's"):
        print(f"  chrf, model over {other} {gain(found['model']['chrf'], found[other]['chrf'], groups)}")
    for place in range(0, len(rows), max(1, len(rows) // 12)):
        print(f"{rows['text_en'][place]!r:<50} {rows['text_cs'][place]!r:<50} {ways['model'][place]!r}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
