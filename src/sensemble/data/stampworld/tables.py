"""Writes a generated world: pictures or clips, and a table a use and split."""

from __future__ import annotations

import csv
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from ... import files
from ...errors import ConfigError, DataError, unknown
from .build import FOLDER, SPLITS, TABLES, Kind, Made, Row, build
from .cutouts import Cutout, chinese_names, read_cutouts
from .render import save_picture
from .scene import SHAPES
from .video import save_clip
from .words import Language
from .words import language as find_language

SCENES = {"pictures": 6000, "clips": 3000}
"""How many scenes there are unless told otherwise: few enough to train on two cores in minutes."""
LEAST = 10
PENDING = 32
"""Most clips that wait to be drawn."""
JSON_LINES = ("dialogue", "scenes")
"""Tables whose cells hold lists; the others are CSV."""


def write(
    folder: str | Path,
    *,
    scenes: int | None = None,
    seed: int = 0,
    kind: Kind = "pictures",
    language: str = "en",
    stamps: Path | None = None,
    tables: Sequence[str] | None = None,
) -> Path:
    """Writes StampWorld, a synthetic data set: scenes drawn from graphs, and exact text about them.

    The same arguments write the same bytes, under one version of Pillow (pictures) and of PyAV (clips); tables are
    the same under all. Media are shared: a row names its picture or clip by a path that starts at the table.

    Args:
        folder: created, or made anew where an earlier call wrote it.
        scenes: how many, at least 10; by default 6,000 pictures or 3,000 clips. Eight tenths are for training, one
            for validation, one for test.
        seed: of everything random.
        kind: `pictures` gives tables for captioning, VQA, visual dialogue and classification of statements;
            `clips` for captioning or retrieval of clips and for video question answering.
        language: `en` or `zh`.
        stamps: the folder of the prepared sample `stamps`, whose cut-outs then stand beside plain shapes.
        tables: those that are wanted, with the same bytes in half the time or less; by default all.

    Returns:
        The folder, with `README.txt`, the media, and a folder a table with `train`, `valid` and `test`.

    Raises:
        ConfigError: an unknown kind, table or language, or PyAV is missing.
        DataError: too few scenes, a folder that holds something else, or one without cut-outs.
    """
    folder = Path(folder)
    if kind not in SCENES:
        raise ConfigError(f"kind: {unknown('kind of scenes', kind, SCENES)}")
    for table in tables or ():
        if table not in TABLES[kind]:
            raise ConfigError(f"tables: {unknown(f'table of {kind}', table, TABLES[kind])}")
    find_language(language)  # refuses what is none
    count = SCENES[kind] if scenes is None else scenes
    if count < LEAST:
        raise DataError(f"stampworld: needs at least {LEAST} scenes to make three splits, not {count}")
    if not files.recover(folder) and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is there but holds no generated data; choose another folder")
    cutouts = {} if stamps is None else read_cutouts(stamps)
    words, other, names = _languages(language, cutouts)
    written: dict[tuple[str, str], list[Row]] = {}
    with files.replace_folder(folder) as new:
        (new / FOLDER[kind]).mkdir()
        made = build(count, seed=seed, kind=kind, language=words, other=other, kinds=[*SHAPES, *cutouts], tables=tables)
        for each in _drawn(made, new, kind, cutouts):
            for table, rows in each.rows.items():
                written.setdefault((table, each.split), []).extend(rows)
        for table in dict.fromkeys(table for table, _ in written):
            for split in SPLITS:
                _write(new / table, split, written.get((table, split), []), lines=table in JSON_LINES)
        _write_readme(new, kind, count, seed, language, names if cutouts else None, list(cutouts), tables)
    return folder


def _drawn(scenes: Iterable[Made], folder: Path, kind: Kind, cutouts: Mapping[str, Cutout]) -> Iterator[Made]:
    """The same scenes; when the last has come, all are drawn. Clips are so on all cores, as encoding needs no lock."""
    if kind == "pictures":  # drawn as quickly as handed over
        for made in scenes:
            save_picture(made.scene, folder / made.file, cutouts)
            yield made
        return
    with ThreadPoolExecutor() as pool:
        pending: deque[Future[None]] = deque()
        for made in scenes:
            pending.append(pool.submit(save_clip, made.scene, folder / made.file, cutouts))
            if len(pending) > PENDING:
                pending.popleft().result()
            yield made
        for each in pending:
            each.result()


def _languages(code: str, cutouts: Mapping[str, Cutout]) -> tuple[Language, Language, Mapping[str, str]]:
    """The world's language, that of the translations, and what cut-outs are called in the first."""
    names = {"en": {}, "zh": chinese_names(cutouts)}
    (second,) = (each for each in names if each != code)
    return find_language(code, names[code]), find_language(second, names[second]), names[code]


def _write(folder: Path, split: str, rows: Sequence[Row], *, lines: bool) -> None:
    """Writes one table; a split without rows gets no file."""
    if not rows:
        return
    folder.mkdir(exist_ok=True)
    suffix = "jsonl" if lines else "csv"
    with (folder / f"{split}.{suffix}").open("w", encoding="utf-8", newline="") as file:
        if lines:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            return
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(rows[0])
        writer.writerows(
            [str(cell).lower() if isinstance(cell, bool) else cell for cell in row.values()] for row in rows
        )


def _write_readme(
    folder: Path,
    kind: Kind,
    scenes: int,
    seed: int,
    language: str,
    names: Mapping[str, str] | None,
    kinds: list[str],
    tables: Sequence[str] | None,
) -> None:
    text = _README.format(kind=kind, scenes=scenes, seed=seed, language=language) + _ABOUT[kind]
    if tables is not None:
        text += f"\nOf these, this folder holds {', '.join(tables) or 'no table'} alone.\n"
    if names is not None:
        text += _CUTOUTS
        files.write_json(folder / "kinds.json", {"kinds": kinds, "names": dict(names)})
    files.write(folder / "README.txt", text)


_README = """\
StampWorld: generated (synthetic) data, no real {kind}.

{scenes} {kind} made by sensemble with seed {seed}, language {language}: eight tenths for training, one for validation,
one for test. Every other test scene holds something that training never shows; the column novel says what a row has
of it: combination (a colour and a kind), relation (two kinds together), identity (a cut-out), or nothing.
scenes/ holds the graph behind each file.
"""
_ABOUT = {
    "pictures": """
captions/   three captions a picture: all counts of colour and kind, a relation, and one place. Beside them, to be
            learned first, what stands in each place (layout) and where several things stand (relations)
translation/  one such caption, the same without its colours (uncoloured), which only the picture tells then, and its
            translation into the other language, zh or en, with them
vqa/        16 questions a picture, in fours with four different answers: exists, relation and same (yes or no), count,
            colour, compare, where, kind_at and colour_at (what stands where); for training also one that asks for
            what stands in each place (type describe)
classify/   two statements a picture, one right and one wrong
dialogue/   5 to 10 rounds about each training picture and each third other one: history, question, 20 candidates;
            coreference is true where the question means nothing without the history. For training also rows without
            candidates: what stands in each place, with its size (type describe), and all there is to say of each
            thing that has a name (type thing), asked by that name and, after a round about it, as "it"
""",
    "clips": """
captions/   two captions a clip: what moves, in order, what stays, what is heard
video_qa/   five questions a clip with five different answers, up to twice as many for training: exists, moved,
            before and sound_order (yes or no), direction, order, moves, colour, kind, sound and sound_colour;
            needs_time is true where no single frame tells, needs_sound where no silent clip does. For training also
            one that asks what each thing does (type describe)
""",
}
_CUTOUTS = """
The cut-outs belong to the sample that they were taken from, and so does its licence. The colour of a cut-out is that
of the card under it. kinds.json lists them.
"""
