"""Dialogues about pictures and clips: VisDial 1.0, and conversations as LLaVA has them. One row a turn."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..table import Table
from ..turns import Turn, write_history
from .base import FORMATS, Format, Rows
from .files import JsonFile, MediaFiles, check_folder, under

_DIALOGUES = (
    '{"split": "val2018", "data": {"questions": [text, ...], "answers": [text, ...], "dialogs": [{"image_id", '
    '"caption", "dialog": [{"question", "answer", "answer_options", "gt_index"}, ...]}, ...]}}, numbers for texts'
)
_DENSE = '[{"image_id", "round_id" from 1, "gt_relevance": [a number for each answer option]}, ...]'
_CONVERSATIONS = (
    '[{"id", "image" or "video": path, "conversations": [{"from": "human", "value"}, {"from": "gpt", "value"}, ...]}]'
)
_PLACEHOLDER = re.compile(r"\s*<(image|video)>\s*")
_ASKING, _ANSWERING = ("human", "user"), ("gpt", "assistant")


@FORMATS.register("visdial")
class VisDial(Format):
    """Visual dialogue (Das et al. 2017), version 1.0: ten questions a picture, a hundred candidate answers each.

    Columns: `image`, `history` (the caption and the turns before, written by `write_history`), `question`, `answer`,
    `candidates` (texts), `right` (which candidate the answer is, from 0), `relevance` (a number for each candidate,
    where people graded them), `image_id`, `round` (from 1). In the test split only one round of a dialogue has
    candidates: those before it are history alone.

    Args:
        dialogues: `visdial_1.0_val.json`.
        images: the folder of the pictures, `VisualDialog_val2018/`, or several: the training dialogues are about
            COCO's `train2014/` and `val2014/`. Pictures are found by the twelve digits at the end of their names.
        dense: `visdial_1.0_val_dense_annotations.json`, graded relevance of the candidates, which NDCG needs.
        candidates: whether to keep the candidates; of the training split they take a gigabyte.
    """

    def __init__(
        self, *, dialogues: str, images: str | list[str], dense: str | None = None, candidates: bool = True
    ) -> None:
        self.dialogues, self.images, self.dense, self.candidates = dialogues, images, dense, candidates

    def read(self, folder: Path) -> Table:
        file = JsonFile(folder, self.dialogues, _DIALOGUES)
        data = file.get(file.data, "data", dict)
        questions, answers, dialogues = (
            file.get(data, key, list, "data") for key in ("questions", "answers", "dialogs")
        )
        pictures = MediaFiles(folder, self.images, "images", by_number=True)
        split = file.data.get("split", "val2018")
        prefix = "COCO_train2014" if split == "train" else f"VisualDialog_{split}"
        graded = self._grades(folder) if self.dense else {}
        rows = Rows()
        for index, dialogue in enumerate(dialogues):
            place = "data", "dialogs", index
            image = file.get(dialogue, "image_id", int, *place)
            caption = file.get(dialogue, "caption", str, *place, default="")
            said: list[Turn] = []
            turns = file.get(dialogue, "dialog", list, *place)
            posed = any(isinstance(entry, dict) and "answer_options" in entry for entry in turns)
            for turn, entry in enumerate(turns):
                here = *place, "dialog", turn
                question = file.pick(questions, file.get(entry, "question", int, *here), "question", *here)
                number = file.get(entry, "answer", int, *here, default=-1)
                answer = None if number == -1 else file.pick(answers, number, "answer", *here)
                if "answer_options" in entry or not posed:
                    rows.add(
                        image=pictures.path(image, f"{prefix}_{image:012d}.jpg"),
                        history=write_history(said, caption),
                        question=question,
                        answer=answer,
                        **self._candidates(file, entry, answers, number, graded.get((image, turn + 1)), here),
                        image_id=image,
                        round=turn + 1,
                    )
                said.append(Turn(question, answer))
        return rows.table(folder, file.name)

    def _candidates(
        self,
        file: JsonFile,
        entry: Any,
        answers: list[str],
        answer: int,
        grades: list[float] | None,
        place: tuple[str | int, ...],
    ) -> dict[str, Any]:
        """The cells of a round's candidates, once they fit its answer and its grades."""
        options = file.get(entry, "answer_options", list, *place, default=[])
        right = file.get(entry, "gt_index", int, *place, default=-1)
        if right != -1 and file.pick(options, right, "candidate", *place) != answer:
            raise file.wrong(f"candidate {right} ('gt_index') is not the answer {answer}", *place)
        if grades is not None and len(grades) != len(options):
            raise file.wrong(f"has {len(options)} candidates, but {len(grades)} in {self.dense}", *place)
        if not self.candidates or not options:
            return {"candidates": None, "right": None, "relevance": None}
        texts = file.pick_all(answers, options, "answer", *place)
        return {"candidates": texts, "right": None if right == -1 else right, "relevance": grades}

    def _grades(self, folder: Path) -> dict[tuple[int, int], list[float]]:
        assert self.dense is not None
        file = JsonFile(folder, self.dense, _DENSE)
        found = {}
        for index, entry in enumerate(file.entries()):
            key = "relevance" if isinstance(entry, dict) and "relevance" in entry else "gt_relevance"
            grades = file.get(entry, key, list, index)  # `relevance` in the training split
            if not all(isinstance(each, int | float) for each in grades):
                raise file.wrong(f"{key!r} needs a list of numbers", index, entry=entry)
            found[file.get(entry, "image_id", int, index), file.get(entry, "round_id", int, index)] = grades
        return found


@FORMATS.register("llava")
class Llava(Format):
    """Conversations in the layout of LLaVA (Liu et al. 2023), which many instruction sets share.

    Columns: `image` and `clip` (missing where the conversation has none), `history` (the turns before, written by
    `write_history`), `question`, `answer`, `id`, `turn` (from 1). `<image>` and `<video>` are taken out of the text.

    Args:
        conversations: `llava_instruct_150k.json`.
        images: the folder where the paths of pictures start.
        videos: the folder where the paths of clips start; without it, as `images`.
    """

    def __init__(self, *, conversations: str, images: str = ".", videos: str | None = None) -> None:
        self.conversations, self.images, self.videos = conversations, images, videos

    def read(self, folder: Path) -> Table:
        file = JsonFile(folder, self.conversations, _CONVERSATIONS)
        images = check_folder(folder, self.images, "images")
        videos = images if self.videos is None else check_folder(folder, self.videos, "videos")
        rows = Rows()
        for index, entry in enumerate(file.entries()):
            image, clip = (
                under(start, path) if (path := file.get(entry, key, str, index, default="")) else None
                for key, start in (("image", images), ("video", videos))
            )
            said: list[Turn] = []
            asked = ""
            for number, each in enumerate(file.get(entry, "conversations", list, index)):
                place = index, "conversations", number
                speaker = file.get(each, "from", str, *place)
                text = _PLACEHOLDER.sub("\n", file.get(each, "value", str, *place)).strip()
                if speaker in _ANSWERING:
                    rows.add(
                        image=image,
                        clip=clip,
                        history=write_history(said),
                        question=asked or None,
                        answer=text or None,
                        id=entry.get("id", index),
                        turn=len(said) + 1,
                    )
                    said.append(Turn(asked or None, text or None))
                    asked = ""
                elif speaker in (*_ASKING, "system"):
                    asked = f"{asked}\n{text}".strip()
                else:
                    raise file.wrong(f"'from' is {speaker!r}, neither human nor gpt", *place, entry=each)
        return rows.table(folder, file.name)
