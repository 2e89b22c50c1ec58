"""Zero-shot: into which of 13 kinds does a stamp fall, by its picture and the kinds' names as texts?

    python benchmarks/zero_shot.py

The retrieval model of `retrieval.py` learns from captions and pictures of four folds and never sees a kind; the fifth
fold's pictures take the kind whose text is nearest. Beside it the commonest kind, and the kind nearest to the caption
instead of the picture, by the frozen text encoder. 95 % bootstrap over captions.
"""

from __future__ import annotations

import numpy as np
import torch
from retrieval import folds, interval, make_config

import sensemble as se
from sensemble import weights
from sensemble.data.read import read
from sensemble.data.samples import SAMPLES, get
from sensemble.zero_shot import PROMPT, zero_shot

SETTINGS = ["data.valid_share=0", "data.test_share=0", "verdict=off"]


def main() -> None:
    for name in ("efficientnet_lite0", "minilm"):
        weights.get(name, say=print)
    table = read(get("stamps", say=print) / SAMPLES["stamps"].tables["train"])
    kinds = [str(each) for each in table.column("kind")]
    labels = sorted(set(kinds))
    texts = np.unique([str(each).casefold() for each in table.column("caption")], return_inverse=True)[1]
    truth = np.array(kinds)
    found = {name: np.empty(len(table), dtype=object) for name in ("picture", "caption")}
    for seed, (learn, valid, test) in enumerate(folds(texts)):
        learner = se.Learner.from_config(make_config("stamps", [], [*SETTINGS, f"seed={seed}"]))
        learner.fit(table.take(np.concatenate([learn, valid])))
        records = zero_shot(learner, table.take(test), labels, prompt=PROMPT)
        found["picture"][test] = [record["prediction"] for record in records]
        prompts = [PROMPT.replace("{}", each) for each in labels]
        captions = [table.column("caption")[row] for row in test]
        said, written = (
            learner.embed([{"caption": each} for each in given], side="query") for given in (captions, prompts)
        )
        found["caption"][test] = np.array(labels, dtype=object)[(said @ written.T).argmax(1)]
    random = np.random.default_rng(0)
    count = texts.max() + 1
    draws = np.stack([np.bincount(random.integers(count, size=count), minlength=count) for _ in range(2000)])[:, texts]
    commonest = max(labels, key=kinds.count)
    found["commonest kind"] = np.full(len(table), commonest, dtype=object)
    for name, given in found.items():
        right = 100 * (given == truth)
        balanced = np.stack([(draws[:, truth == each] @ right[truth == each]) for each in labels])
        sizes = np.stack([draws[:, truth == each].sum(1) for each in labels])
        mean = np.mean([right[truth == each].mean() for each in labels])
        with np.errstate(invalid="ignore"):
            shares = np.nanmean(balanced / sizes, 0)
        print(
            f"{name:<16} accuracy {right.mean():.1f} {interval(draws @ right / draws.sum(1))}"
            f"   mean over kinds {mean:.1f} {interval(shares)}"
        )
    print(f"chance {100 / len(labels):.1f}, {len(labels)} kinds: {', '.join(labels)}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
