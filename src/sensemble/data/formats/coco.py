"""COCO captions and VQA v2: pictures of COCO with captions, or with questions that ten people answered."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any, Literal

from ..table import Table
from .base import FORMATS, Format, Rows
from .files import JsonFile, MediaFiles, check_folder, under

_CAPTIONS = '{"images": [{"id", "file_name"}, ...], "annotations": [{"id", "image_id", "caption"}, ...]}'
_QUESTIONS = '{"data_subtype": "train2014", "questions": [{"question_id", "image_id", "question"}, ...]}'
_ANSWERS = '{"annotations": [{"question_id", "multiple_choice_answer", "answers": [{"answer"}, ...]}, ...]}'


@FORMATS.register("coco_captions")
class CocoCaptions(Format):
    """Captions of COCO (Chen et al. 2015), and whatever is laid out alike.

    Columns: `image`, `image_id`, and `caption`: all of a picture's captions, or with `rows: caption` one of them
    a row, for training, and `caption_id` (name `image_id` under `data.group`: then no picture is in two splits).

    Args:
        annotations: `captions_train2017.json`.
        images: the folder of the pictures, `train2017/`.
        rows: one row a picture, or one a caption.
    """

    def __init__(self, *, annotations: str, images: str, rows: Literal["image", "caption"] = "image") -> None:
        self.annotations, self.images, self.rows = annotations, images, rows

    def read(self, folder: Path) -> Table:
        file = JsonFile(folder, self.annotations, _CAPTIONS)
        start = check_folder(folder, self.images, "images")
        paths: dict[int | str, str] = {}
        for index, entry in enumerate(file.entries("images")):
            place = "images", index
            paths[file.get(entry, "id", (int, str), *place)] = under(start, file.get(entry, "file_name", str, *place))
        captions: dict[int | str, list[tuple[Any, str]]] = defaultdict(list)
        for index, entry in enumerate(file.get(file.data, "annotations", list, default=[])):
            place = "annotations", index
            image = file.get(entry, "image_id", (int, str), *place)
            text = file.get(entry, "caption", str, *place).strip()
            if image not in paths:
                raise file.wrong(f"belongs to image {image}, which is not among the images", *place, entry=entry)
            if text:
                captions[image].append((entry.get("id"), text))
        rows = Rows()
        for image, path in paths.items():
            if self.rows == "image":
                texts = [text for _, text in captions[image]]
                rows.add(image=path, caption=texts or None, image_id=image)
            else:
                for number, caption in captions[image]:
                    rows.add(image=path, caption=caption, image_id=image, caption_id=number)
                if not captions[image]:
                    rows.add(image=path, caption=None, image_id=image, caption_id=None)
        return rows.table(folder, file.name)


@FORMATS.register("vqa")
class Vqa(Format):
    """Open-ended questions of VQA v2 (Goyal et al. 2017), v1, OK-VQA.

    Columns: `image`, `question`, `answer` (the one most people gave), `answers` (all ten: what VQA accuracy is
    measured by), `question_id`, `image_id`, `question_type` and `answer_type`.

    Args:
        questions: `v2_OpenEnded_mscoco_train2014_questions.json`.
        images: the folder of the pictures, `train2014/`, or several folders; they are found by the twelve digits at
            the end of their names.
        annotations: `v2_mscoco_train2014_annotations.json`; without it there are no answers.
    """

    def __init__(self, *, questions: str, images: str | list[str], annotations: str | None = None) -> None:
        self.questions, self.images, self.annotations = questions, images, annotations

    def read(self, folder: Path) -> Table:
        file = JsonFile(folder, self.questions, _QUESTIONS)
        entries = file.entries("questions")
        pictures = MediaFiles(folder, self.images, "images", by_number=True)
        subset = str(file.data.get("data_subtype", "train2014")).replace("test-dev", "test")
        answered = self._answers(folder) if self.annotations else {}
        rows = Rows()
        for index, entry in enumerate(entries):
            place = "questions", index
            number = file.get(entry, "question_id", (int, str), *place)
            image = file.get(entry, "image_id", int, *place)
            if self.annotations and number not in answered:
                raise file.wrong(f"has no answers in {self.annotations}", *place, entry=entry)
            rows.add(
                image=pictures.path(image, f"COCO_{subset}_{image:012d}.jpg"),
                question=file.get(entry, "question", str, *place).strip(),
                **answered.get(number, {}),
                question_id=number,
                image_id=image,
            )
        return rows.table(folder, file.name)

    def _answers(self, folder: Path) -> dict[int | str, dict[str, Any]]:
        assert self.annotations is not None
        file = JsonFile(folder, self.annotations, _ANSWERS)
        found = {}
        for index, entry in enumerate(file.entries("annotations")):
            place = "annotations", index
            people = [
                file.get(each, "answer", str, *place, "answers", person)
                for person, each in enumerate(file.get(entry, "answers", list, *place))
            ]
            if not people:
                raise file.wrong("has no answers", *place, entry=entry)
            usual = max(people, key=people.count)  # the first of those that most people gave
            answer = file.get(entry, "multiple_choice_answer", str, *place, default=usual)
            number = file.get(entry, "question_id", (int, str), *place)
            kinds = {key: entry.get(key) for key in ("question_type", "answer_type")}
            found[number] = {"answer": answer, "answers": people, **kinds}
        return found
