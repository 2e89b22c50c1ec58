"""Questions about clips: MSVD-QA and MSRVTT-QA (JSON), NExT-QA (CSV; multiple choice or open answers)."""

from __future__ import annotations

import csv
import io
from pathlib import Path, PurePath

from ...errors import DataError, unknown
from ..table import Table
from .base import FORMATS, Format, Rows
from .files import JsonFile, MediaFiles, read_lines, read_text

_MSVD = '[{"id", "video_id": a number, "question", "answer"}, ...]'
_MORE = '{"video": {"qid": an answer, ...}, ...}'
_NEXT = "the columns video, question, answer, qid and perhaps type, a0, a1, a2, a3, a4"


@FORMATS.register("msvd_qa")
class MsvdQa(Format):
    """MSVD-QA and MSRVTT-QA (Xu et al. 2017): open questions with an answer of one word.

    Columns: `clip`, `question`, `answer`, `id`, `video_id` (name it under `data.group` to split by clip).

    Args:
        annotations: `train_qa.json`.
        videos: the folder of the clips, found by name whatever their suffix.
        mapping: `youtube_mapping.txt`, whose lines hold a clip's name and its number as `vid12`; without it, clips
            are called by their numbers.
        prefix: what stands before the number in a clip's name: `vid`; for MSRVTT-QA `video`.
    """

    def __init__(self, *, annotations: str, videos: str, mapping: str | None = None, prefix: str = "vid") -> None:
        self.annotations, self.videos, self.mapping, self.prefix = annotations, videos, mapping, prefix

    def read(self, folder: Path) -> Table:
        file = JsonFile(folder, self.annotations, _MSVD)
        clips = MediaFiles(folder, self.videos, "videos", by_number=False)
        names = self._names(folder) if self.mapping else {}
        rows = Rows()
        for index, entry in enumerate(file.entries()):
            video = file.get(entry, "video_id", int, index)
            name = f"{self.prefix}{video}"
            if self.mapping:
                if name not in names:
                    raise file.wrong(f"has video_id {video}, but {self.mapping} has no {name}", index, entry=entry)
                name = names[name]
            rows.add(
                clip=clips.path(name, f"{name}.avi"),
                question=file.get(entry, "question", str, index).strip(),
                answer=file.get(entry, "answer", str, index).strip(),
                id=file.get(entry, "id", (int, str), index),
                video_id=video,
            )
        return rows.table(folder, file.name)

    def _names(self, folder: Path) -> dict[str, str]:
        assert self.mapping is not None
        found = {}
        for number, line in enumerate(read_lines(folder, self.mapping), 1):
            parts = line.split()
            if len(parts) != 2:
                raise DataError(f"{self.mapping}, line {number}: needs a clip's name and its number, not {line[:60]!r}")
            found[parts[1]] = parts[0]
        return found


@FORMATS.register("next_qa")
class NextQa(Format):
    """NExT-QA (Xiao et al. 2021): causal and temporal questions, with five candidates or open answers.

    Columns: `clip`, `question`, `answer` (a text), `candidates` and `right` (which of them, from 0) of multiple
    choice, `answers` (the two people's) where `more` is given, `type`, `id` (the video and the question's number),
    `video_id`.

    Args:
        annotations: `train.csv`.
        videos: the folder of the clips; they are found by name, however deep.
        more: `add_reference_answer_test.json`, a second answer to each open question.
    """

    def __init__(self, *, annotations: str, videos: str, more: str | None = None) -> None:
        self.annotations, self.videos, self.more = annotations, videos, more

    def read(self, folder: Path) -> Table:
        name = PurePath(self.annotations).name
        entries = csv.DictReader(io.StringIO(read_text(folder, self.annotations), newline=""))
        header = list(entries.fieldnames or [])
        for key in ("video", "question", "answer", "qid"):
            if key not in header:
                raise DataError(f"{name}: {unknown('column', key, header)}; expected {_NEXT}")
        choices = [key for key in ("a0", "a1", "a2", "a3", "a4") if key in header]
        clips = MediaFiles(folder, self.videos, "videos", by_number=False)
        others = JsonFile(folder, self.more, _MORE) if self.more else None
        rows = Rows()
        for entry in entries:
            where = f"{name}, line {entries.line_num}"
            if None in entry or None in entry.values():
                raise DataError(f"{where}: has another number of cells than the header; expected {_NEXT}")
            video, number, answer = entry["video"], entry["qid"], entry["answer"].strip()
            candidates = [entry[key].strip() for key in choices]
            right = _right(answer, candidates)
            if candidates and right is None:
                raise DataError(f"{where}: the answer {answer!r} is neither a candidate nor the number of one")
            answer = answer if right is None else candidates[right]
            second = answer
            if others is not None:
                of_video = others.get(others.data, video, dict, default={})
                second = others.get(of_video, number, str, video, default=answer).strip()
            rows.add(
                clip=clips.path(video, f"{video}.mp4"),
                question=entry["question"].strip(),
                answer=answer,
                answers=None if others is None else [answer, second],
                candidates=candidates or None,
                right=right,
                type=entry.get("type"),
                id=f"{video}_{number}",
                video_id=video,
            )
        return rows.table(folder, name)


def _right(answer: str, candidates: list[str]) -> int | None:
    """Which candidate the answer is, given as its number or its text."""
    if answer.isascii() and answer.isdigit() and int(answer) < len(candidates):
        return int(answer)
    return candidates.index(answer) if answer in candidates else None
