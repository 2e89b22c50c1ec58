"""Do questions of a dialogue about generated (synthetic) pictures need what was said before, and the picture?

    sensemble demo dialogue
    python benchmarks/dialogue.py

Beside the run of the recipe, which it trains if it is not there: the same without history, and without the picture, on
the same rows with the same settings. All rank 20 candidates: R@1 and MRR on all rows of the test split, on those whose
question means nothing without the history (coreference; by type, too), and on those that hold what training never
shows; and the paired differences. 95 % bootstrap over whole pictures.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from rivals import answers, arguments, show_scores

from sensemble.metrics.base import resample

RIVALS: dict[str, tuple[str, ...]] = {
    "no history": ("inputs.history=null", "fusion.by=[question]"),
    "no picture": ("inputs.image=null", "fusion.by=[question]", "train.together=null"),
}


def main() -> None:
    rows, found = answers("dialogue", RIVALS, arguments(__doc__).parse_args())
    ranks = {
        name: np.array(
            [
                1.0 + each["ranking"].index(right)
                for each, right in zip(given, rows["answer_index"].astype(int), strict=True)
            ]
        )
        for name, given in found.items()
    }
    draws = resample(len(rows), groups=pd.factorize(rows["image"])[0])
    leaning = rows["coreference"].to_numpy(bool)
    groups = {"all": np.ones(len(rows), bool), "coreference": leaning, "no coreference": ~leaning}
    groups |= {"novel": (rows["novel"] != "").to_numpy()}
    groups |= {
        f"coreference, {kind}": leaning & (rows["type"] == kind).to_numpy()
        for kind in sorted(rows["type"][leaning].unique())
    }
    for score, of in (("R@1", lambda rank: (rank == 1).astype(float)), ("MRR", lambda rank: 1 / rank)):
        some = {f"{score}, {group}": which for group, which in groups.items() if which.any()}
        show_scores({name: of(rank) for name, rank in ranks.items()}, some, draws)


if __name__ == "__main__":
    main()
