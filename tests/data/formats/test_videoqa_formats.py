"""MSVD-QA and NExT-QA from tiny files in their published layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sensemble.data.formats.base import read_format
from sensemble.errors import DataError

Put = Callable[..., Path]

MSVD = [
    {"answer": "chew", "id": 0, "question": "what does a dog do to something?", "video_id": 1},
    {"answer": "man", "id": 1, "question": "who rides?", "video_id": 1202},
]
MAPPING = "-4wsuPCjDBc_5_15 vid1\n-7KMZQEsJW4_205_208 vid1202\n"
MULTI = """video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4
4010069381,369,640,480,how do the two man play the instrument,0,6,CH,roll the handle,tap,strum,hit,pat
4882821564,2697,640,480,why did the boy sit,playing with toy,1,CW,share,approach,unwrap it,playing with toy,x
"""
OPEN = """video,frame_count,width,height,question,answer,qid,type
3233088823,462,640,480,how is the bulldozer controlled,from the cabin,3,CH
4189100053,874,640,360,"why, then",in case food fall,4,CW
"""


def test_clips_by_number(put: Put) -> None:
    put("video/vid1.avi")
    folder = put("train_qa.json", MSVD)
    table = read_format({"format": "msvd_qa", "annotations": "train_qa.json", "videos": "video"}, folder)
    assert table.columns == ["clip", "question", "answer", "id", "video_id"]
    assert table.column("clip") == ["video/vid1.avi", "video/vid1202.avi"]  # the second is not there
    assert table.column("answer") == ["chew", "man"]
    assert table.column("video_id") == [1, 1202]


def test_clips_by_youtubes_name(put: Put) -> None:
    put("YouTubeClips/-4wsuPCjDBc_5_15.avi")
    put("YouTubeClips/-7KMZQEsJW4_205_208.mp4")
    put("youtube_mapping.txt", MAPPING)
    options = {"annotations": "train_qa.json", "videos": "YouTubeClips", "mapping": "youtube_mapping.txt"}
    table = read_format({"format": "msvd_qa", **options}, put("train_qa.json", MSVD))
    assert table.column("clip") == ["YouTubeClips/-4wsuPCjDBc_5_15.avi", "YouTubeClips/-7KMZQEsJW4_205_208.mp4"]
    folder = put("train_qa.json", [*MSVD, {**MSVD[0], "video_id": 5}])
    with pytest.raises(
        DataError, match=r"train_qa.json, \[2\] \(id 0\): has video_id 5, but youtube_mapping.txt has no"
    ):
        read_format({"format": "msvd_qa", **options}, folder)
    put("youtube_mapping.txt", "a vid1\nb\n")
    with pytest.raises(DataError, match=r"youtube_mapping.txt, line 2: needs a clip's name and its number, not 'b'"):
        read_format({"format": "msvd_qa", **options}, folder)


def test_msrvtt_has_another_prefix(put: Put) -> None:
    put("clips/video1202.mp4")
    options = {"annotations": "train_qa.json", "videos": "clips", "prefix": "video"}
    table = read_format({"format": "msvd_qa", **options}, put("train_qa.json", MSVD[1:]))
    assert table.column("clip") == ["clips/video1202.mp4"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"video_id": "1"}, r"\[1\] \(id 1\): 'video_id' needs a whole number, not \"1\""),
        ({"question": None}, r"\[1\] \(id 1\): 'question' needs a text, not null"),
    ],
)
def test_wrong_questions_are_named(put: Put, change: dict[str, Any], message: str) -> None:
    put("video/vid1.avi")
    with pytest.raises(DataError, match=message):
        read_format(
            {"format": "msvd_qa", "annotations": "train_qa.json", "videos": "video"},
            put("train_qa.json", [MSVD[0], {**MSVD[1], **change}]),
        )


def test_multiple_choice(put: Put) -> None:
    put("NExTVideo/1164/4010069381.mp4")
    folder = put("val.csv", MULTI)
    table = read_format({"format": "next_qa", "annotations": "val.csv", "videos": "NExTVideo"}, folder)
    assert table.column("clip") == ["NExTVideo/1164/4010069381.mp4", "NExTVideo/4882821564.mp4"]
    assert table.column("answer") == ["roll the handle", "playing with toy"]
    assert table.column("right") == [0, 3]
    assert table.column("candidates")[0] == ["roll the handle", "tap", "strum", "hit", "pat"]
    assert table.column("id") == ["4010069381_6", "4882821564_1"]
    assert table.column("video_id") == ["4010069381", "4882821564"]
    assert table.column("type") == ["CH", "CW"]
    assert "answers" not in table.columns


def test_open_answers_may_have_a_second_one(put: Put) -> None:
    put("videos/3233088823.mp4")
    put("more.json", {"3233088823": {"3": "by a driver "}, "1": {"0": "x"}})
    folder = put("test.csv", OPEN)
    options = {"format": "next_qa", "annotations": "test.csv", "videos": "videos"}
    table = read_format({**options, "more": "more.json"}, folder)
    assert table.column("question")[1] == "why, then"
    assert table.column("answer") == ["from the cabin", "in case food fall"]
    assert table.column("answers") == [["from the cabin", "by a driver"], ["in case food fall", "in case food fall"]]
    assert {"right", "candidates"}.isdisjoint(table.columns)
    assert "answers" not in read_format(options, folder).columns


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (MULTI.replace(",0,6,", ",5,6,"), r"val.csv, line 2: the answer '5' is neither a candidate nor the number of"),
        (OPEN.replace("answer,qid", "answers,qid"), r"val.csv: unknown column 'answer': did you mean 'answers'"),
        (OPEN + "1,2\n", r"val.csv, line 4: has another number of cells"),
        (OPEN + "1,2,3,4,a,b,c,d,e\n", r"val.csv, line 4: has another number of cells"),
        (OPEN.splitlines()[0] + "\n", r"val.csv: has no"),
    ],
)
def test_wrong_tables_are_named(put: Put, content: str, message: str) -> None:
    put("videos/3233088823.mp4")
    with pytest.raises(DataError, match=message):
        read_format({"format": "next_qa", "annotations": "val.csv", "videos": "videos"}, put("val.csv", content))
