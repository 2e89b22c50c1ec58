"""VisDial 1.0 and LLaVA's conversations from tiny files in their published layout."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sensemble.data.formats.base import read_format
from sensemble.errors import DataError

Put = Callable[..., Path]

VISDIAL: dict[str, Any] = {
    "version": "1.0",
    "split": "val2018",
    "data": {
        "questions": ["is it sunny", "any people", "what colour is the dog?"],
        "answers": ["yes", "no", "brown", "2 men"],
        "dialogs": [
            {
                "image_id": 185565,
                "caption": "a dog in a park",
                "dialog": [
                    {"question": 0, "answer": 0, "answer_options": [1, 0, 3], "gt_index": 1},
                    {"question": 2, "answer": 2, "answer_options": [2, 3, 1], "gt_index": 0},
                    {"question": 1, "answer": 3, "answer_options": [0, 1, 3], "gt_index": 2},
                ],
            }
        ],
    },
}
DENSE = [{"image_id": 185565, "round_id": 2, "gt_relevance": [1.0, 0.0, 0.5]}]
OPTIONS = {"format": "visdial", "dialogues": "visdial_1.0_val.json", "images": "VisualDialog_val2018"}

LLAVA: list[dict[str, Any]] = [
    {
        "id": "000000033471",
        "image": "coco/train2017/000000033471.jpg",
        "conversations": [
            {"from": "human", "value": "<image>\nWhat are the colors of the bus?"},
            {"from": "gpt", "value": "White and red."},
            {"from": "human", "value": "Is it moving?"},
            {"from": "gpt", "value": "It is parked."},
        ],
    },
    {
        "id": "v7",
        "video": "v7.mp4",
        "conversations": [{"from": "human", "value": "Who speaks? <video>"}, {"from": "gpt", "value": "一个人。"}],
    },
    {"id": "t", "conversations": [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Hi"}]},
]


def visdial(put: Put, data: Any = VISDIAL, dense: Any = DENSE) -> Path:
    put("VisualDialog_val2018/VisualDialog_val2018_000000185565.jpg")
    put("dense.json", dense)
    return put("visdial_1.0_val.json", data)


def test_a_row_a_round_with_its_history_and_candidates(put: Put) -> None:
    table = read_format({**OPTIONS, "dense": "dense.json"}, visdial(put))
    assert table.column("image") == ["VisualDialog_val2018/VisualDialog_val2018_000000185565.jpg"] * 3
    assert table.column("question") == ["is it sunny", "what colour is the dog?", "any people"]
    assert table.column("answer") == ["yes", "brown", "2 men"]
    assert table.column("history") == [
        "[C] a dog in a park",
        "[C] a dog in a park [Q] is it sunny [A] yes",
        "[C] a dog in a park [Q] is it sunny [A] yes [Q] what colour is the dog? [A] brown",
    ]
    assert table.column("candidates") == [["no", "yes", "2 men"], ["brown", "2 men", "no"], ["yes", "no", "2 men"]]
    assert table.column("right") == [1, 0, 2]
    assert table.column("relevance") == [None, [1.0, 0.0, 0.5], None]
    assert table.column("image_id") == [185565] * 3
    assert table.column("round") == [1, 2, 3]


def test_candidates_may_be_left_out(put: Put) -> None:
    table = read_format({**OPTIONS, "candidates": False}, visdial(put))
    assert table.columns == ["image", "history", "question", "answer", "image_id", "round"]
    assert len(table) == 3


def test_the_test_split_asks_one_round_alone(put: Put) -> None:
    data = copy.deepcopy(VISDIAL)
    data["split"] = "test2018"
    rounds = data["data"]["dialogs"][0]["dialog"]
    for entry in rounds[:2]:
        del entry["answer_options"], entry["gt_index"]
    del rounds[2]["answer"], rounds[2]["gt_index"]
    table = read_format(OPTIONS, visdial(put, data))
    assert len(table) == 1
    assert table.columns == ["image", "history", "question", "candidates", "image_id", "round"]
    assert table.column("history")[0].endswith("[Q] what colour is the dog? [A] brown")
    assert table.column("round") == [3]


def test_dialogues_without_any_candidates_are_rows_throughout(put: Put) -> None:
    data = copy.deepcopy(VISDIAL)
    for entry in data["data"]["dialogs"][0]["dialog"]:
        del entry["answer_options"], entry["gt_index"]
    assert len(read_format(OPTIONS, visdial(put, data))) == 3


def test_training_pictures_are_cocos(put: Put) -> None:
    put("train2014/COCO_train2014_000000185565.jpg")
    put("val2014/COCO_val2014_000000000001.jpg")
    data = copy.deepcopy(VISDIAL)
    data["split"] = "train"
    data["data"]["dialogs"].append({**data["data"]["dialogs"][0], "image_id": 1})
    data["data"]["dialogs"].append({**data["data"]["dialogs"][0], "image_id": 2})
    folder = visdial(put, data, [{"image_id": 1, "round_id": 1, "relevance": [0, 1, 0]}])
    table = read_format({**OPTIONS, "images": ["train2014", "val2014"], "dense": "dense.json"}, folder)
    assert table.column("image")[::3] == [
        "train2014/COCO_train2014_000000185565.jpg",
        "val2014/COCO_val2014_000000000001.jpg",
        "train2014/COCO_train2014_000000000002.jpg",  # where it should be
    ]
    assert table.column("relevance")[3] == [0, 1, 0]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"question": 3}, r"data.dialogs\[0\].dialog\[1\]: points at question 3, but there are 3; expected"),
        ({"answer": "brown"}, r"dialog\[1\]: 'answer' needs a whole number, not \"brown\""),
        ({"answer_options": [2, 9, 1]}, r"dialog\[1\]: points at answer 9, but there are 4"),
        ({"answer_options": [2, -1, 1]}, r"dialog\[1\]: points at answer -1, but there are 4"),
        ({"answer_options": [2, "x", 1]}, r"dialog\[1\]: points at answer \"x\", but there are 4"),
        ({"gt_index": 5}, r"dialog\[1\]: points at candidate 5, but there are 3"),
        ({"gt_index": 1}, r"dialog\[1\]: candidate 1 \('gt_index'\) is not the answer 2"),
        ({"answer_options": [2, 3], "gt_index": 0}, r"dialog\[1\]: has 2 candidates, but 3 in dense.json"),
    ],
)
def test_wrong_rounds_are_named(put: Put, entry: dict[str, Any], message: str) -> None:
    data = copy.deepcopy(VISDIAL)
    data["data"]["dialogs"][0]["dialog"][1].update(entry)
    with pytest.raises(DataError, match=message):
        read_format({**OPTIONS, "dense": "dense.json"}, visdial(put, data))


def test_wrong_grades_are_named(put: Put) -> None:
    folder = visdial(put, dense=[{"image_id": 185565, "round_id": 2, "gt_relevance": [1.0, None, 0.5]}])
    with pytest.raises(
        DataError, match=r"dense.json, \[0\] \(image_id 185565\): 'gt_relevance' needs a list of numbers"
    ):
        read_format({**OPTIONS, "dense": "dense.json"}, folder)


def test_conversations_are_rows_of_turns(put: Put) -> None:
    table = read_format(
        {"format": "llava", "conversations": "llava.json", "images": "pictures", "videos": "clips"},
        [put("llava.json", LLAVA), put("pictures/x"), put("clips/x")][0],
    )
    assert table.column("image") == ["pictures/coco/train2017/000000033471.jpg"] * 2 + [None, None]
    assert table.column("clip") == [None, None, "clips/v7.mp4", None]
    assert table.column("question") == ["What are the colors of the bus?", "Is it moving?", "Who speaks?", "Hello"]
    assert table.column("answer") == ["White and red.", "It is parked.", "一个人。", "Hi"]
    assert table.column("history") == [None, "[Q] What are the colors of the bus? [A] White and red.", None, None]
    assert table.column("id") == ["000000033471", "000000033471", "v7", "t"]
    assert table.column("turn") == [1, 2, 1, 1]


def test_images_start_at_the_folder_unless_told(put: Put) -> None:
    table = read_format({"format": "llava", "conversations": "llava.json"}, put("llava.json", LLAVA))
    assert table.column("image")[0] == "coco/train2017/000000033471.jpg"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ([0, "conversations", 1, "from"], "bot", r"\[0\].conversations\[1\]: 'from' is 'bot', neither human nor gpt"),
        ([0, "conversations", 1, "value"], 3, r"\[0\].conversations\[1\]: 'value' needs a text, not 3"),
        ([0, "conversations"], None, r"\[0\] \(id 000000033471\): 'conversations' needs a list, not null"),
        ([0, "image"], ["a.jpg", "b.jpg"], r"\[0\] \(id 000000033471\): 'image' needs a text, not \[\"a.jpg\""),
        ([0], 5, r"\[0\]: is not an object"),
    ],
)
def test_wrong_conversations_are_named(put: Put, path: list[Any], value: Any, message: str) -> None:
    data = copy.deepcopy(LLAVA)
    inner: Any = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(DataError, match=message):
        read_format({"format": "llava", "conversations": "llava.json"}, put("llava.json", data))


def test_a_file_of_another_shape_is_refused(put: Put) -> None:
    with pytest.raises(DataError, match=r"llava.json: is not a list; expected \[{\"id\""):
        read_format({"format": "llava", "conversations": "llava.json"}, put("llava.json", {"data": LLAVA}))
