"""Tiny data sets in the published layouts of COCO captions, VQA v2, VisDial 1.0 and Multi30k, named as the real files.

Every second picture is bright: that is all there is to say about them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

TRAIN, TEST = 40, 12
LIGHT = ("dark", "bright")


def pictures(folder: Path, names: list[str]) -> None:
    random = np.random.default_rng(len(names))
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        pixels = random.integers(0, 50, (32, 32, 3), dtype=np.uint8) + np.uint8(200 * (number % 2))
        Image.fromarray(pixels).save(folder / name)


def put(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def coco_captions(place: Path) -> None:
    for split, rows in (("train2017", TRAIN), ("val2017", TEST)):
        names = [f"{number:012d}.jpg" for number in range(rows)]
        pictures(place / split, names)
        put(place / f"captions_{split}.json", {
            "info": {"year": 2017},
            "images": [{"id": number, "file_name": name, "height": 32, "width": 32, "license": 1}
                       for number, name in enumerate(names)],
            "annotations": [{"id": 2 * number + copy, "image_id": number, "caption": f"a {LIGHT[number % 2]} picture"}
                            for number in range(rows) for copy in range(2)],
        })  # fmt: skip


def vqa_v2(place: Path) -> None:
    for split, rows in (("train2014", TRAIN), ("val2014", TEST)):
        pictures(place / split, [f"COCO_{split}_{number:012d}.jpg" for number in range(rows)])
        questions, annotations = [], []
        for number in range(rows):
            for which, word in enumerate(LIGHT):
                answer = ("no", "yes")[which == number % 2]
                own = {"image_id": number, "question_id": 10 * number + which}
                questions.append({**own, "question": f"Is it {word}?"})
                people = [answer] * 8 + ["maybe", "no"]
                annotations.append({
                    **own, "question_type": "is it", "answer_type": "yes/no", "multiple_choice_answer": answer,
                    "answers": [{"answer": each, "answer_confidence": "yes", "answer_id": person}
                                for person, each in enumerate(people, 1)],
                })  # fmt: skip
        head = {"info": {"version": "2.0"}, "data_type": "mscoco", "data_subtype": split}
        put(place / f"v2_OpenEnded_mscoco_{split}_questions.json", {**head, "questions": questions})
        put(place / f"v2_mscoco_{split}_annotations.json", {**head, "annotations": annotations})


def visdial(place: Path) -> None:
    """The training pictures are COCO's, of both its folders."""
    questions = ["is it bright", "is it dark", "are you sure"]
    answers = ["yes", "no", "yes it is", "no it is not"]
    pictures(place / "train2014", [f"COCO_train2014_{number:012d}.jpg" for number in range(0, TRAIN, 2)])
    pictures(place / "val2014", [f"COCO_val2014_{number:012d}.jpg" for number in range(1, TRAIN, 2)])
    pictures(place / "VisualDialog_val2018", [f"VisualDialog_val2018_{number:012d}.jpg" for number in range(TEST)])
    dense = []
    for split, rows in (("train", TRAIN), ("val", TEST)):
        dialogues = []
        for number in range(rows):
            turns = []
            for question in range(3):
                answer = 0 if question == 2 else int((number % 2 == 0) == (question == 0))
                options = [answer, *(each for each in range(len(answers)) if each != answer)]
                options = options[number % 4 :] + options[: number % 4]
                turns.append({"question": question, "answer": answer, "answer_options": options,
                              "gt_index": options.index(answer)})  # fmt: skip
            dialogues.append({"image_id": number, "caption": "a picture", "dialog": turns})
            if split == "val":
                grades = [{answer: 1.0, answer + 2: 0.5}.get(each, 0.0) for each in options]
                dense.append({"image_id": number, "round_id": 3, "gt_relevance": grades})
        data = {"questions": questions, "answers": answers, "dialogs": dialogues}
        subset = {"train": "train", "val": "val2018"}[split]
        put(place / f"visdial_1.0_{split}.json", {"version": "1.0", "split": subset, "data": data})
    put(place / "visdial_1.0_val_dense_annotations.json", dense)


def multi30k(place: Path) -> None:
    words = {"en": ("a dark picture", "a bright picture"), "de": ("ein dunkles Bild", "ein helles Bild")}
    for name, rows, start in (("train", TRAIN, 0), ("test_2016_flickr", TEST, 1000)):
        names = [f"{number}.jpg" for number in range(start, start + rows)]
        pictures(place / "flickr30k-images", names)
        (place / f"{name}.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
        for code, texts in words.items():
            lines = [f"{texts[number % 2]} .\n" for number in range(rows)]
            (place / f"{name}.{code}").write_text("".join(lines), encoding="utf-8")


LAYOUTS: dict[str, Callable[[Path], None]] = {
    "captions.yaml": coco_captions,
    "vqa.yaml": vqa_v2,
    "visdial.yaml": visdial,
    "multi30k.yaml": multi30k,
}
"""What writes the files that each config of the README names."""
