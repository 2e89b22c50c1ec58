"""Do questions about clips of StampWorld (generated, synthetic) need the frames' order, the sound, the clip at all?

    sensemble demo video_qa
    python benchmarks/video_qa.py

Beside the run of the recipe, which it trains if it is not there: the same with one frame, with one frame and no sound,
and with the question alone, on the same rows with the same settings. Exact match on the test split by type of question
and for rows that hold what training never shows, and the paired differences. 95 % bootstrap over whole clips.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from rivals import answers, arguments, exact, show_scores

from sensemble.metrics.base import resample

RIVALS: dict[str, tuple[str, ...]] = {
    "one frame and sound": ("inputs.clip.frames=1",),
    "one frame": ("inputs.clip.frames=1", "inputs.sound=null"),
    "question only": ("inputs.clip=null", "inputs.sound=null", "train.together=null"),
}


def main() -> None:
    rows, found = answers("video_qa", RIVALS, arguments(__doc__).parse_args())
    draws = resample(len(rows), groups=pd.factorize(rows["clip"])[0])
    groups = {"all": np.ones(len(rows), bool), "held out": (rows["novel"] != "").to_numpy()}
    groups |= {kind: (rows["type"] == kind).to_numpy() for kind in sorted(rows["type"].unique())}
    show_scores(exact(found, rows["answer"].astype(str).tolist()), groups, draws)


if __name__ == "__main__":
    main()
