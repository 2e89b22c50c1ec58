"""Does a picture help to translate a generated (synthetic) caption whose colours are left out?

    sensemble demo picture_translation
    python benchmarks/picture_translation.py

Beside the run of the recipe, which it trains if it is not there: the same without the picture, and without the
sentence. Exact match on the test split, on all rows and on those that hold what training never shows, and the paired
differences. 95 % bootstrap; a picture has one caption.
"""

from __future__ import annotations

import numpy as np
from means import show
from rivals import MODEL, answers, arguments

from sensemble.metrics.base import resample

RIVALS: dict[str, tuple[str, ...]] = {
    "no picture": ("inputs.picture=null",),
    "no sentence": ("inputs.sentence=null",),
}


def main() -> None:
    rows, found = answers("picture_translation", RIVALS, arguments(__doc__).parse_args())
    truth = rows["translation"].to_numpy()
    right = {
        name: (np.array([each["prediction"] for each in given]) == truth).astype(float) for name, given in found.items()
    }
    draws = resample(len(rows))
    for group, which in {"all": np.ones(len(rows), bool), "held out": (rows["novel"] != "").to_numpy()}.items():
        print(group)
        for name, values in right.items():
            show(name, values, which, draws)
        for name in RIVALS:
            show(f"{MODEL} minus {name}", right[MODEL] - right[name], which, draws)


if __name__ == "__main__":
    main()
