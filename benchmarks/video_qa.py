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
from means import show
from rivals import MODEL, answers, arguments

from sensemble.metrics.base import resample

RIVALS: dict[str, tuple[str, ...]] = {
    "one frame and sound": ("inputs.clip.frames=1",),
    "one frame": ("inputs.clip.frames=1", "inputs.sound=null"),
    "question only": ("inputs.clip=null", "inputs.sound=null", "train.together=null"),
}


def main() -> None:
    rows, found = answers("video_qa", RIVALS, arguments(__doc__).parse_args())
    truth = rows["answer"].astype(str).to_numpy()
    right = {
        name: (np.array([each["prediction"] for each in given]) == truth).astype(float) for name, given in found.items()
    }
    draws = resample(len(rows), groups=pd.factorize(rows["clip"])[0])
    groups = {"all": np.ones(len(rows), bool), "held out": (rows["novel"] != "").to_numpy()}
    groups |= {kind: (rows["type"] == kind).to_numpy() for kind in sorted(rows["type"].unique())}
    for group, which in groups.items():
        print(group)
        for name, values in right.items():
            show(name, values, which, draws)
        for name in RIVALS:
            show(f"{MODEL} minus {name}", right[MODEL] - right[name], which, draws)


if __name__ == "__main__":
    main()
