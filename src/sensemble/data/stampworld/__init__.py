"""StampWorld: a generated (synthetic) world of pictures and clips for captioning, VQA, dialogue and retrieval.

`write` makes a data set, `facts` reads a caption's facts for exact scoring, `held_out` tells what is kept for the
test split, `controls` measures blind baselines. The scene graph comes first (`scene.py`, `sample.py`); then what is
said about it (`questions.py`, `clip_questions.py`, `captions.py`, `dialogue.py`, in the words of `english.py` and
`chinese.py`) and how it looks and sounds (`render.py`, `video.py`, `sounds.py`).
"""

from __future__ import annotations

from .facts import facts
from .scene import held_out
from .tables import write

__all__ = ["facts", "held_out", "write"]
