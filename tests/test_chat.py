"""Dialogues: what goes to the model, in Python and through the command line, with pipes and with mistakes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sensemble as se
from sensemble.chat import Chat
from sensemble.cli import main
from sensemble.data.turns import Turn, write_history
from sensemble.errors import ConfigError, DataError

NAMES = {"红": "红色", "蓝": "蓝色"}
LONGEST = 12
"""Tokens: one turn, and not two."""
TEXT = {"name": "text", "vocab": 300, "length": LONGEST, "truncate": "start", "encoder": {"name": "bag", "dim": 16}}


def rows(folder: Path, count: int) -> list[dict[str, Any]]:
    """What colour is the picture, and what was the answer before?"""
    random = np.random.default_rng(0)
    for name, colour in (("红", (220, 20, 20)), ("蓝", (20, 20, 220))):
        Image.new("RGB", (16, 16), colour).save(folder / f"{name}.png")
    made = []
    for _ in range(count):
        shown, before = random.choice(list(NAMES), 2)
        again = bool(random.integers(2))
        turns = [Turn("是什么颜色？", NAMES[before])] if again or random.integers(2) else []
        made.append(
            {
                "image": str(folder / f"{shown}.png"),
                "history": write_history(turns),
                "question": "你刚才说什么？" if again else "是什么颜色？",
                "answer": NAMES[before] if again else NAMES[shown],
            }
        )
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chat")


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    """A run that answers in words."""
    learner = se.Learner(
        inputs={
            "image": {"name": "image", "size": 8, "encoder": {"name": "cnn", "channels": [8]}},
            "question": TEXT,
            "history": TEXT,
        },
        task={"name": "generate", "target": "answer", "length": 8, "vocab": 300, "decoder": {"depth": 1}},
        fusion="concat",
        width=32,
        train={"epochs": 12, "lr": 1e-2, "patience": 0, "hide": 0.0, "batch": 32},
        verdict="off",
    )
    made = rows(folder, 320)
    learner.fit(made, valid=made[:40], test=made[:20], run=folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def learner(run: Path) -> se.Learner:
    return se.Learner.load(run)


def typed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    lines: str | bytes,
    *arguments: object,
    person: bool = False,
) -> tuple[int, list[str], list[str]]:
    """Runs `sensemble chat` with lines piped to it, or typed by a person."""
    content = io.BytesIO(lines if isinstance(lines, bytes) else lines.encode())
    monkeypatch.setattr(content, "isatty", lambda: person, raising=False)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(content, encoding="utf-8"))
    capsys.readouterr()
    code = main(["chat", *[str(each) for each in arguments]])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


def test_the_model_sees_picture_question_and_history(learner: se.Learner, folder: Path) -> None:
    chat = learner.chat(image=str(folder / "红.png"))
    assert chat.ask("是什么颜色？")["prediction"] == "红色"
    chat.give("image", str(folder / "蓝.png"))
    assert chat.ask("你刚才说什么？")["prediction"] == "红色"  # what was said, not what is shown
    assert chat.ask("是什么颜色？")["prediction"] == "蓝色"
    assert chat.turns[0] == Turn("是什么颜色？", "红色") and len(chat.turns) == 3
    assert chat.undo() == Turn("是什么颜色？", "蓝色")
    assert chat.ask("是什么颜色？")["prediction"] == "蓝色"
    chat.restart()
    assert chat.turns == [] and chat.undo() is None
    chat.give("image")
    assert isinstance(chat.ask("是什么颜色？")["prediction"], str)  # without a picture, too


def test_a_chat_gives_what_training_gave(learner: se.Learner, folder: Path) -> None:
    seen: list[dict[str, Any]] = []

    def answer(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
        seen.extend(asked)
        return [{"prediction": len(seen)}]

    chat = Chat(answer, learner._inputs, opening="一张图", given={"image": str(folder / "红.png")})
    chat.ask("一？")
    chat.ask("二？")
    assert [row["history"] for row in seen] == ["[C] 一张图", "[C] 一张图 [Q] 一？ [A] 1"]
    assert seen[1]["question"] == "二？" and seen[1]["image"] == str(folder / "红.png")


def test_a_long_history_keeps_its_end(learner: se.Learner, folder: Path) -> None:
    chat = learner.chat(image=str(folder / "红.png"))
    history = learner._inputs[2].modality
    [turn] = history.load_many([write_history([Turn("是什么颜色？", "红色")])])
    assert LONGEST / 2 < len(turn) <= LONGEST  # type: ignore[arg-type]
    chat.turns = [Turn("是什么颜色？", "红色")] * 60 + [Turn("是什么颜色？", "蓝色")]
    assert chat.ask("你刚才说什么？")["prediction"] == "蓝色"


def test_a_failed_question_is_no_turn(learner: se.Learner) -> None:
    def answer(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
        raise DataError("no")

    chat = Chat(answer, learner._inputs)
    with pytest.raises(DataError):
        chat.ask("一？")
    assert chat.turns == []


def test_mistakes_in_python(learner: se.Learner, folder: Path) -> None:
    with pytest.raises(ConfigError, match="unknown input 'imag': did you mean 'image'"):
        learner.chat(imag="a.png")
    with pytest.raises(DataError, match=r"image: .*no\.png: file does not exist"):
        learner.chat(image=str(folder / "no.png"))
    with pytest.raises(ConfigError, match="the dialogue itself fills 'history'"):
        learner.chat().give("history", "x")
    with pytest.raises(ConfigError, match="cannot be both"):
        learner.chat(question="history", history="history")
    with pytest.raises(ConfigError, match="takes no candidates"):
        learner.chat(candidates=["a"])
    with pytest.raises(ConfigError, match=r"which input is the question\? .*texts: none"):
        Chat(lambda asked: asked, [item for item in learner._inputs if item.name == "image"])
    with pytest.raises(se.UserError, match="not fitted yet"):
        se.Learner().chat()


def test_a_session_in_a_pipe(
    run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        "是什么颜色？", "", f"/image {folder / '蓝.png'}", "你刚才说什么？", "/undo", "/new", "是什么颜色？",
        f"/give image={folder / '红.png'}", "是什么颜色？", "/quit", "是什么颜色？",
    ]  # fmt: skip
    code, out, err = typed(monkeypatch, capsys, "\n".join(lines), run, "--image", folder / "红.png")
    assert (code, out, err) == (0, ["红色", "红色", "蓝色", "红色"], [])  # no prompt where nobody types


def test_a_person_is_asked_on_stderr(
    run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = typed(monkeypatch, capsys, "是什么颜色？\n", run, "--image", folder / "红.png", person=True)
    assert (code, out) == (0, ["红色"])  # a program may read the answers
    assert err == ["Ask, or type /help.", "> > "]


def test_mistakes_are_one_line_and_the_session_goes_on(
    run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["/image no.png", "/imge x", "/give", "/give age=3", "/undo", "/help", "是什么颜色？"]
    code, out, err = typed(monkeypatch, capsys, "\n".join(lines), run, "--give", f"image={folder / '红.png'}")
    assert code == 0 and out == ["红色"]  # the picture that was there stays
    assert "no.png: file does not exist" in err[0] and "unknown order '/imge': did you mean '/image'" in err[1]
    assert "NAME=VALUE" in err[2] and "unknown input 'age'" in err[3] and err[4] == "nothing was said yet"
    assert len(err) == 5 + 6
    code, out, _ = typed(monkeypatch, capsys, b"\xff\xfe?\n", run)
    assert code == 0 and len(out) == 1


def test_mistakes_at_the_start_end_it(
    run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, message in (
        ([folder / "nothing"], "holds no trained model"),
        ([run, "--image", "no.png"], "no.png: file does not exist"),
        ([run, "--question", "questoin"], "did you mean 'question'?"),
        ([run, "--candidates", "no.txt"], "no.txt"),
    ):
        code, out, err = typed(monkeypatch, capsys, "是什么颜色？\n", *arguments)
        assert code == 2 and out == [] and len(err) == 1 and message in err[0]


def test_json_lines(
    run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = typed(
        monkeypatch, capsys, "是什么颜色？\n/image no.png\n", run, "--json", "--image", folder / "蓝.png"
    )
    [record] = [json.loads(line) for line in out]
    assert code == 0 and record["question"] == "是什么颜色？" and record["prediction"] == "蓝色" and "score" in record


def test_other_objectives(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    table = [
        {"ask": f"colour {name} please", "label": name, "options": ["red", "blue", "green"]}
        for name in ("red", "blue", "green") for _ in range(60)
    ]  # fmt: skip
    for name, task in {
        "classify": {"name": "classify", "target": "label"},
        "choose": {"name": "choose", "target": "label", "candidates": "options", "encoder": {"name": "bag", "dim": 16}},
    }.items():
        made = se.Learner(
            inputs={"ask": TEXT}, task=task, width=16, verdict="off", train={"epochs": 8, "lr": 1e-2, "batch": 32}
        )
        made.fit(table, valid=table[::9], test=table[::9], run=folder / name)
        own = {"candidates": ["blue", "red"]} if name == "choose" else {}
        assert made.chat(**own).ask("colour blue please")["prediction"] == "blue"  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="chooses among candidates"):
        made.chat()
    (folder / "answers.txt").write_text("green\n\nblue\n", encoding="utf-8")
    code, out, _ = typed(
        monkeypatch, capsys, "colour green please", folder / "choose", "--candidates", folder / "answers.txt"
    )
    assert code == 0 and out == ["green"]
