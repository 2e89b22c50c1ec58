"""Does a picture help to translate a generated (synthetic) caption whose colours are left out?

    sensemble demo picture_translation
    python benchmarks/picture_translation.py

Beside the run of the recipe, which it trains if it is not there: the same without the picture, and without the
sentence. Exact match on the test split, on all rows and on those that hold what training never shows, and the paired
differences. 95 % bootstrap; a picture has one caption.
"""

from __future__ import annotations

import numpy as np
from rivals import answers, arguments, exact, show_scores

from sensemble.metrics.base import resample

RIVALS: dict[str, tuple[str, ...]] = {
    "no picture": ("inputs.picture=null",),
    "no sentence": ("inputs.sentence=null",),
}


def main() -> None:
    rows, found = answers("picture_translation", RIVALS, arguments(__doc__).parse_args())
    groups = {"all": np.ones(len(rows), bool), "held out": (rows["novel"] != "").to_numpy()}
    show_scores(exact(found, rows["translation"].tolist()), groups, resample(len(rows)))


if __name__ == "__main__":
    main()
