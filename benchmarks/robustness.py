"""What is left of a model of stamps as its picture, its written and its spoken name get worse.

    python benchmarks/robustness.py [FOLDER]

Fits `recipes/stamps.yaml` with frozen EfficientNet-Lite0 and MiniLM (`sensemble weights get` them first), and draws the
curves over its test rows. The run, its `robustness.json` and its report are left in FOLDER.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from sensemble import build
from sensemble import config as configs
from sensemble.data.read import read
from sensemble.data.samples import SAMPLES, get
from sensemble.files import write_json
from sensemble.learner import Learner
from sensemble.prepare import split_tables
from sensemble.report.page import write_report
from sensemble.robustness import lines

RECIPE = Path(__file__).parent.parent / "recipes" / "stamps.yaml"


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/robustness")
    source = get("stamps", say=print) / SAMPLES["stamps"].tables["train"]
    config = configs.read(RECIPE, [f"data.train={source}", "verdict=off"])
    learner = Learner.from_config(config).fit(run=folder, say=print)
    config = learner.config_
    test = split_tables({"train": read(source)}, config, build.make_task(config))["test"]
    started = time.process_time()
    found = learner.robustness(test, progress=print)
    print(f"{time.process_time() - started:.0f} s of processor time")
    write_json(folder / "robustness.json", found)
    write_report(folder)
    for line in lines(found):
        print(line)


if __name__ == "__main__":
    main()
