"""Parallel lines, as Multi30k has them: one text file a language, and a list of pictures, line by line alike."""

from __future__ import annotations

from itertools import repeat
from pathlib import Path

from ...errors import ConfigError, DataError
from ..table import Table
from .base import FORMATS, Format, Rows
from .files import check_folder, read_lines, under


@FORMATS.register("multi30k")
class Multi30k(Format):
    """Texts in several languages, and the pictures they describe (Multi30K: Elliott et al. 2016).

    Columns: one for each text, under the names given; `image`, where pictures are named; `line`, from 1.

    Args:
        texts: file by column, such as `{en: train.en, de: train.de}`; several files, as of the second task, give a
            column of lists: `{de: [train.1.de, train.2.de]}`. Files may end in `.gz`. A blank line is a missing
            text.
        image_list: `train.txt`, the name of each line's picture; what follows a `#` in it is left out.
        images: the folder of the pictures.
    """

    def __init__(
        self, *, texts: dict[str, str | list[str]], image_list: str | None = None, images: str | None = None
    ) -> None:
        if not texts or {"image", "line"} & set(texts) or not all(texts.values()):
            raise ConfigError(
                "multi30k: texts names files by column, such as {en: train.en}; none is called image or line"
            )
        if (image_list is None) != (images is None):
            raise ConfigError("multi30k: image_list (the pictures' names) and images (their folder) come together")
        self.texts, self.image_list, self.images = texts, image_list, images

    def read(self, folder: Path) -> Table:
        listed = [] if self.image_list is None else [self.image_list]
        named = [path for paths in self.texts.values() for path in ([paths] if isinstance(paths, str) else paths)]
        lines = {path: [line.strip() for line in read_lines(folder, path)] for path in [*named, *listed]}
        num = len(lines[named[0]])
        if any(len(each) != num for each in lines.values()):
            found = ", ".join(f"{path} {len(each):,}" for path, each in lines.items())
            raise DataError(f"multi30k: the files differ in their number of lines ({found}); line N of each is row N")
        start = check_folder(folder, self.images, "images") if self.images is not None else ""
        pictures = (line.partition("#")[0].strip() for line in lines[listed[0]]) if listed else repeat("", num)
        rows = Rows()
        for row, picture in enumerate(pictures):
            cells = {
                column: lines[paths][row] or None
                if isinstance(paths, str)
                else [lines[path][row] for path in paths if lines[path][row]] or None
                for column, paths in self.texts.items()
            }
            rows.add(**cells, image=under(start, picture) if picture else None, line=row + 1)
        return rows.table(folder, named[0])
