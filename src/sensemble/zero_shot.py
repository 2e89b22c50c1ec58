"""Zero-shot classification: labels are written as texts, and each row takes the one whose vector is nearest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .data.read import read
from .errors import ConfigError, unknown

if TYPE_CHECKING:
    from .learner import Learner

PROMPT = "a picture of a {}."


def zero_shot(
    learner: Learner,
    data: Any,
    labels: Sequence[str],
    *,
    prompt: str | Sequence[str] = PROMPT,
    by: str | None = None,
    batch: int = 256,
) -> list[dict[str, Any]]:
    """Classifies rows into labels that no training row needs to have had (Radford et al. 2021, CLIP).

    Args:
        learner: fitted on a task with two sides, one of which reads text: retrieval of pictures by captions, say.
        data: rows with inputs of the other side.
        labels: two or more.
        prompt: the text about a label, `{}` standing for it; of several texts, their vectors' mean is taken. Best
            like the texts of training.
        by: the input that reads the prompts; else the first that is text.
        batch: rows at a time.

    Returns:
        One record a row: the id column if the config names one, `prediction`, and `score:LABEL`, the cosine for each
        label; all but the id `None` for rows that lack every input of their side.

    Raises:
        ConfigError: no such input, one side alone, too few labels, or a prompt without `{}`.
    """
    sides = learner.sides_
    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    if len(set(labels)) < 2:
        raise ConfigError(
            f"zero-shot: needs two or more different labels, not {', '.join(map(repr, labels)) or 'none'}"
        )
    if not prompts or not all("{}" in each for each in prompts):
        raise ConfigError("zero-shot: write {} where the label stands in a prompt, as in 'a picture of a {}.'")
    inputs = {name: item for own in sides.values() for name, item in own.items()}
    by = by or next((name for name, item in inputs.items() if item.kind == "text"), None)
    if by is None or by not in inputs:
        what = unknown("input", by, inputs) if by else "none of the model's inputs reads text"
        raise ConfigError(f"zero-shot: {what}")
    own = next(side for side, names in sides.items() if by in names)
    other = next((side for side in sides if side != own), None)
    if other is None:
        raise ConfigError("zero-shot: the model must compare two sides, as the task retrieve does")
    texts = [{inputs[by].column: each.replace("{}", label)} for label in labels for each in prompts]
    written = learner.embed(texts, side=own, batch=batch).reshape(len(labels), len(prompts), -1).mean(1)
    written /= np.linalg.norm(written, axis=1, keepdims=True)
    table = read(data)
    scores = learner.embed(table, side=other, batch=batch) @ written.T  # (n, labels)
    name = learner.config.data.id
    ids = [{name: each} for each in table.column(name)] if name in table.columns else [{} for _ in scores]
    records = []
    for key, row in zip(ids, scores, strict=True):
        known = not np.isnan(row).any()
        record: dict[str, Any] = {**key, "prediction": labels[int(row.argmax())] if known else None}
        record |= {f"score:{label}": float(each) if known else None for label, each in zip(labels, row, strict=True)}
        records.append(record)
    return records
