"""COCO captions and VQA v2 from tiny files in their published layout."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sensemble.data.formats.base import read_format
from sensemble.errors import ConfigError, DataError

Put = Callable[..., Path]

CAPTIONS: dict[str, Any] = {
    "info": {"year": 2017, "version": "1.0"},
    "licenses": [{"id": 1, "name": "x", "url": "y"}],
    "images": [
        {"id": 9, "file_name": "000000000009.jpg", "height": 480, "width": 640, "license": 1},
        {"id": 25, "file_name": "000000000025.jpg", "height": 426, "width": 640, "license": 1},
        {"id": 30, "file_name": "000000000030.jpg", "height": 426, "width": 640, "license": 1},
    ],
    "annotations": [
        {"id": 661611, "image_id": 25, "caption": "A giraffe eats.\n"},
        {"id": 661612, "image_id": 9, "caption": "Trays of food."},
        {"id": 661613, "image_id": 25, "caption": "一只长颈鹿。"},
    ],
}
COCO = {"format": "coco_captions", "annotations": "annotations/captions_train2017.json", "images": "train2017/"}

QUESTIONS: dict[str, Any] = {
    "info": {"version": "2.0"},
    "task_type": "Open-Ended",
    "data_type": "mscoco",
    "license": {"name": "x"},
    "data_subtype": "train2014",
    "questions": [
        {"image_id": 458752, "question": "What is this photo taken looking through?", "question_id": 458752000},
        {"image_id": 262146, "question": "How many people?", "question_id": 262146000},
    ],
}
ANSWERS: dict[str, Any] = {
    "info": {"version": "2.0"},
    "data_type": "mscoco",
    "data_subtype": "train2014",
    "license": {"name": "x"},
    "annotations": [
        {
            "question_type": "how many",
            "multiple_choice_answer": "2",
            "answers": [
                {"answer": "2" if person < 7 else "two", "answer_confidence": "yes", "answer_id": person + 1}
                for person in range(10)
            ],
            "image_id": 262146,
            "answer_type": "number",
            "question_id": 262146000,
        },
        {
            "question_type": "what is this",
            "multiple_choice_answer": "net",
            "answers": [{"answer": "net", "answer_confidence": "maybe", "answer_id": 1}] * 10,
            "image_id": 458752,
            "answer_type": "other",
            "question_id": 458752000,
        },
    ],
}
VQA = {
    "format": "vqa",
    "questions": "v2_OpenEnded_mscoco_train2014_questions.json",
    "annotations": "v2_mscoco_train2014_annotations.json",
    "images": "train2014",
}


def coco(put: Put, captions: Any = CAPTIONS) -> Path:
    put("train2017/000000000009.jpg")
    return put("annotations/captions_train2017.json", captions)


def vqa(put: Put, questions: Any = QUESTIONS, answers: Any = ANSWERS) -> Path:
    put("train2014/COCO_train2014_000000262146.jpg")
    put("v2_OpenEnded_mscoco_train2014_questions.json", questions)
    return put("v2_mscoco_train2014_annotations.json", answers)


def change(data: Any, path: list[Any], value: Any) -> Any:
    """A copy with something else at a place; `...` takes the key out."""
    data = copy.deepcopy(data)
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return data


def test_captions_are_a_list_a_picture(put: Put) -> None:
    folder = coco(put)
    table = read_format(COCO, folder)
    assert (table.name, table.root) == ("captions_train2017.json", folder.resolve())
    assert table.column("image") == [f"train2017/{number:012d}.jpg" for number in (9, 25, 30)]
    assert table.column("caption") == [["Trays of food."], ["A giraffe eats.", "一只长颈鹿。"], None]
    assert table.column("image_id") == [9, 25, 30]
    assert (table.root / table.column("image")[0]).exists()


def test_or_a_row_a_caption(put: Put) -> None:
    table = read_format({**COCO, "rows": "caption"}, coco(put))
    assert table.column("caption") == ["Trays of food.", "A giraffe eats.", "一只长颈鹿。", None]
    assert table.column("image_id") == [9, 25, 25, 30]
    assert table.column("caption_id") == [661612, 661611, 661613, None]
    assert table.column("image")[1] == table.column("image")[2] == "train2017/000000000025.jpg"


def test_blank_captions_are_left_out(put: Put) -> None:
    table = read_format(COCO, coco(put, change(CAPTIONS, ["annotations", 0, "caption"], " \n")))
    assert table.column("caption") == [["Trays of food."], ["一只长颈鹿。"], None]


def test_test_splits_have_no_captions(put: Put) -> None:
    table = read_format(COCO, coco(put, {key: CAPTIONS[key] for key in ("info", "images")}))
    assert table.columns == ["image", "image_id"]


def test_questions_have_the_usual_answer_and_all_ten(put: Put) -> None:
    table = read_format(VQA, vqa(put))
    assert table.column("image") == [f"train2014/COCO_train2014_{number:012d}.jpg" for number in (458752, 262146)]
    assert table.column("question")[1] == "How many people?"
    assert table.column("answer") == ["net", "2"]
    assert table.column("answers") == [["net"] * 10, ["2"] * 7 + ["two"] * 3]
    assert table.column("question_id") == [458752000, 262146000]
    assert table.column("image_id") == [458752, 262146]
    assert table.column("question_type") == ["what is this", "how many"]
    assert table.column("answer_type") == ["other", "number"]


def test_the_answer_is_the_commonest_where_none_is_named(put: Put) -> None:
    answers = change(ANSWERS, ["annotations", 0, "multiple_choice_answer"], ...)
    assert read_format(VQA, vqa(put, answers=answers)).column("answer") == ["net", "2"]


def test_pictures_are_found_whatever_stands_before_their_number(put: Put) -> None:
    for path in ("train2017/262146.jpg", "train2017/000000262146.txt", "val2017/deep/000000458752.png"):
        put(f"coco/{path}")
    folder = vqa(put)
    images = ["coco/train2017", "coco/val2017"]
    with pytest.raises(DataError, match=r"train2017: holds no media file whose name ends in twelve digits"):
        read_format({**VQA, "images": images[:1]}, folder)
    put("coco/train2017/abstract_000000262146.jpg")
    assert read_format({**VQA, "images": images}, folder).column("image") == [
        "coco/val2017/deep/000000458752.png",
        "coco/train2017/abstract_000000262146.jpg",
    ]


def test_questions_alone_are_enough(put: Put) -> None:
    questions = {**QUESTIONS, "data_subtype": "test-dev2015"}
    table = read_format({key: VQA[key] for key in ("format", "questions", "images")}, vqa(put, questions))
    assert table.columns == ["image", "question", "question_id", "image_id"]
    assert table.column("image")[0] == "train2014/COCO_test2015_000000458752.jpg"  # where it should be


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["annotations", 1, "caption"], ..., r"json, annotations\[1\] \(id 661612\): lacks 'caption'; expected {\"ima"),
        (["annotations", 1, "caption"], 3, r"annotations\[1\] \(id 661612\): 'caption' needs a text, not 3"),
        (["annotations", 1, "image_id"], 77, r"annotations\[1\] \(id 661612\): belongs to image 77, which is not"),
        (["annotations", 1], "x", r"annotations\[1\]: is not an object"),
        (["images", 2, "file_name"], ..., r"images\[2\] \(id 30\): lacks 'file_name'"),
        (["images", 2, "id"], True, r"images\[2\].*'id' needs a number or a text, not true"),
        (["images"], ..., r"json: lacks 'images'; expected"),
        (["images"], [], r"images: holds no entries"),
        (["images"], {}, r"json: 'images' needs a list, not {}"),
    ],
)
def test_wrong_captions_are_named(put: Put, path: list[Any], value: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_format(COCO, coco(put, change(CAPTIONS, path, value)))


@pytest.mark.parametrize(
    ("questions", "answers", "message"),
    [
        ((["questions", 1, "question"], ...), None, r"questions\[1\] \(question_id 262146000\): lacks 'question'"),
        ((["questions", 1, "image_id"], "9"), None, r"\(question_id 262146000\): 'image_id' needs a whole number"),
        ((["questions", 1, "question_id"], 5), None, r"\(question_id 5\): has no answers in v2_mscoco_train2014"),
        (None, (["annotations", 0, "answers", 3], {}), r"annotations\[0\].answers\[3\]: lacks 'answer'; expected"),
        (None, (["annotations", 0, "answers"], []), r"annotations\[0\] \(question_id 262146000\): has no answers"),
        (None, (["annotations"], ...), r"annotations.json: lacks 'annotations'"),
    ],
)
def test_wrong_questions_are_named(put: Put, questions: Any, answers: Any, message: str) -> None:
    folder = vqa(
        put,
        change(QUESTIONS, *questions) if questions else QUESTIONS,
        change(ANSWERS, *answers) if answers else ANSWERS,
    )
    with pytest.raises(DataError, match=message):
        read_format(VQA, folder)


def test_wrong_files_and_options_are_named(put: Put) -> None:
    folder = coco(put)
    for options, error, message in (
        ({"annotations": "annotations/captions_train2014.json"}, DataError, "did you mean 'captions_train2017.json'"),
        ({"annotations": "nowhere/x.json"}, DataError, "no such file, nor its folder"),
        ({"annotations": "annotations"}, DataError, "cannot be read"),
        ({"images": "train2014"}, DataError, "no such folder of images .*did you mean 'train2017'"),
        ({"image": "train2017"}, ConfigError, r"key in data \(coco_captions\) 'image': did you mean 'images'"),
        ({"rows": "captions"}, ConfigError, "did you mean 'caption'"),
        ({"format": "coco-captions"}, ConfigError, "data: unknown format .*: did you mean 'coco_captions'"),
        ({"format": 3}, ConfigError, "data: needs a format. Known: coco_captions, "),
        ({"folder": "x"}, DataError, "data: no such folder .*x, where the files of 'coco_captions' should be"),
        ({"folder": 3}, ConfigError, "key 'folder': needs a path"),
    ):
        with pytest.raises(error, match=message):
            read_format({**COCO, **options}, folder)
    with pytest.raises(ConfigError, match="the key 'images' is required"):
        read_format({"format": "coco_captions", "annotations": "x"}, folder)
    put("annotations/captions_train2017.json", '{"images": [')
    with pytest.raises(DataError, match=r"captions_train2017.json: is not JSON \(.*; expected {\"images\""):
        read_format(COCO, folder)
    put("annotations/captions_train2017.json", b'{"images": "\xff"}')
    with pytest.raises(DataError, match="line 1: the byte 0xff is not UTF-8"):
        read_format(COCO, folder)
