"""Scenes and everything said about them, split by split, before anything is drawn."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .asking import Ask, Balance
from .captions import caption_clip, caption_picture, lay_out, relate, tell, translate_caption
from .clip_questions import NEEDS_SOUND, NEEDS_TIME, ask_clip
from .dialogue import talk, teach
from .questions import ask_picture, state_picture
from .sample import Random, clip, pick, picture
from .scene import NOVELTIES, SHAPES, Scene, held_out
from .words import Language

Kind = Literal["pictures", "clips"]
Row = dict[str, Any]
SPLITS = ("train", "valid", "test")
SUFFIX = {"pictures": ".png", "clips": ".mp4"}
FOLDER = {"pictures": "images", "clips": "clips"}
TABLES = {"pictures": ("captions", "vqa", "classify", "dialogue", "translation"), "clips": ("captions", "video_qa")}
"""Tables of what is said about scenes, beside that of the scenes themselves."""
QUESTION_SETS = 4
"""Sets of four questions that a picture is asked: as many as are needed to learn to look, at no picture's cost."""
CLIP_SETS = 2
"""Sets of five questions that a training clip is asked; those of the other splits are asked one."""
DIALOGUES = 3
"""Of the pictures that are not for training, one in so many has a dialogue."""
DESCRIBE = "describe"
"""The type of a training row that asks for all there is, and so needs all of it."""
THING = "thing"
"""The type of a training row that asks for all there is to say of one thing."""


@dataclass(frozen=True)
class Made:
    """A scene with its rows.

    Args:
        split: one of `SPLITS`.
        file: where its picture or clip goes, from the data's folder on.
        scene: what is drawn.
        rows: by table.
    """

    split: str
    file: str
    scene: Scene
    rows: Mapping[str, Sequence[Row]]


def build(
    scenes: int,
    *,
    seed: int,
    kind: Kind,
    language: Language,
    other: Language | None = None,
    kinds: Sequence[str] = SHAPES,
    tables: Collection[str] | None = None,
) -> Iterator[Made]:
    """Makes scenes, the training ones first.

    Scene number n depends on the seed and n alone; which questions it is asked depends on those before it in its
    split, whose answers they balance.

    Args:
        scenes: eight tenths of them for training, one for validation, one for test. Every other test scene holds
            something that training never shows.
        seed: of everything random.
        kind: `pictures` or `clips`.
        language: of all that is said.
        other: into which captions of pictures are translated, if they are.
        kinds: what may stand in a scene, at least four.
        tables: those that are wanted, which are the same without the others; by default all.
    """
    wanted = TABLES[kind] if tables is None else tables
    seen = [each for each in kinds if not held_out((each,))]
    new = NOVELTIES if len(seen) < len(kinds) else NOVELTIES[:2]
    balances = {split: (Balance(), Balance(), Balance()) for split in SPLITS}
    for number in range(scenes):
        split = SPLITS[0 if number < scenes * 8 // 10 else 1 if number < scenes * 9 // 10 else 2]
        novel = new[number // 2 % len(new)] if split == "test" and number % 2 else ""
        random = np.random.default_rng([seed, len(kind), number])
        some = kinds if novel == "identity" else seen
        file = f"{FOLDER[kind]}/{number:05d}{SUFFIX[kind]}"
        if kind == "pictures":
            scene = picture(random, kinds=some, novel=novel)
            talks = split == "train" or number % DIALOGUES == 0
            rows = _picture(
                scene, f"../{file}", balances[split], language, random, some, talks, split == "train", wanted
            )
            if other is not None and "translation" in wanted:
                said = translate_caption(scene, language, other, seed=[seed, len(kind), number, 1])
                rows["translation"] = [{"image": f"../{file}", **said, "novel": scene.novel}]
            if "captions" in wanted:
                related = relate(scene, language, np.random.default_rng([seed, len(kind), number, 2]))
                rows["captions"] = [{**row, **_numbered("relations", related)} for row in rows["captions"]]
        else:
            scene = clip(random, kinds=some, novel=novel)
            sets = CLIP_SETS if split == "train" else 1
            rows = _clip(scene, f"../{file}", balances[split][0], language, random, some, sets, split == "train")
        rows = {table: rows[table] for table in rows if table in wanted}
        rows["scenes"] = [{FOLDER[kind][:-1]: f"../{file}", **scene.to_json()}]
        yield Made(split, file, scene, rows)


def _picture(
    scene: Scene,
    file: str,
    balances: tuple[Balance, Balance, Balance],
    language: Language,
    random: Random,
    kinds: Sequence[str],
    talks: bool,
    describes: bool,
    wanted: Collection[str],
) -> dict[str, list[Row]]:
    """Rows by table, those of the wanted ones among them: each goes on with the chances that the one before it left."""
    asked, stated, talked = balances
    captions, layout = caption_picture(scene, language, random), lay_out(scene, language)
    rows: dict[str, list[Row]] = {
        "captions": [{"image": file, **_numbered("caption", captions), "novel": scene.novel, "layout": layout}]
    }
    if not {"vqa", "classify", "dialogue"} & set(wanted):
        return rows
    rows["vqa"] = [
        {"image": file, **_question(ask, language, random)}
        for ask in ask_picture(scene, asked, random, kinds=kinds, sets=QUESTION_SETS)
    ]
    if describes:
        whole = _describe("describe", layout, scene, language, random)
        rows["vqa"].append({"image": file, **whole})
    if not {"classify", "dialogue"} & set(wanted):
        return rows
    rows["classify"] = [
        {
            "image": file,
            "statement": ask.text(language, random),
            "label": "right" if ask.answer == "yes" else "wrong",
            "type": ask.type,
            "novel": ask.novel,
        }
        for ask in state_picture(scene, stated, random, kinds=kinds)
    ]
    if talks and "dialogue" in wanted:
        said = talk(scene, talked, language, random, kinds=kinds)
        rows["dialogue"] = [{"image": file, "round": place, **vars(each)} for place, each in enumerate(said, 1)]
        if describes:  # whoever is to talk about a picture must first learn to look at one
            plain = {**dict.fromkeys(rows["dialogue"][0]), "image": file, "novel": scene.novel}
            answer = lay_out(scene, language, sizes=True)
            rows["dialogue"].append({**plain, **whole, "answer": answer, "coreference": False})
            for question, answer, history in teach(scene, language, random):
                told = {"question": question, "answer": answer, "type": THING, "coreference": history is not None}
                rows["dialogue"].append({**plain, **told, "history": history})
    return rows


def _clip(
    scene: Scene,
    file: str,
    balance: Balance,
    language: Language,
    random: Random,
    kinds: Sequence[str],
    sets: int,
    describes: bool,
) -> dict[str, list[Row]]:
    captions = caption_clip(scene, language, random)
    rows: dict[str, list[Row]] = {"captions": [{"clip": file, **_numbered("caption", captions), "novel": scene.novel}]}
    asked = [_question(ask, language, random) for ask in ask_clip(scene, balance, random, kinds=kinds, sets=sets)]
    if describes:
        asked.append(_describe("tell", tell(scene, language), scene, language, random))
    rows["video_qa"] = [
        {
            "clip": file,
            **row,
            "needs_time": row["type"] in (*NEEDS_TIME, DESCRIBE),
            "needs_sound": row["type"] in (*NEEDS_SOUND, DESCRIBE),
        }
        for row in asked
    ]
    return rows


def _question(ask: Ask, language: Language, random: Random) -> Row:
    return {
        "question": ask.text(language, random),
        "answer": language.word(ask.answer),
        "type": ask.type,
        "novel": ask.novel,
    }


def _describe(key: str, answer: str, scene: Scene, language: Language, random: Random) -> Row:
    """A row that asks for all there is: one of them teaches more about looking than many questions do."""
    question = pick(random, language.templates[key])
    return {"question": question, "answer": answer, "type": DESCRIBE, "novel": scene.novel}


def _numbered(name: str, texts: Sequence[str]) -> Row:
    return {name if place == 1 else f"{name}_{place}": text for place, text in enumerate(texts, 1)}
