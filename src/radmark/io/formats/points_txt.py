"""The authors' older text file: a line per image, `name.png,<n_points>,x1,y1,x2,y2,…`; no header, no names, no size.

Convention: x right, y down, whole pixels, 0-based: a whole number is the **centre** of a pixel, as in their CSV. "0,0" is a
landmark that is not visible: their loader sets to it what was clicked into the top-left corner. So (0, 0) reads as absent, and
with `absent_corner_px` all that lies in that corner does. There is no word for "nobody looked". Source: the paper's
released annotation program and loader.
"""

import math
from pathlib import Path

from radmark.core.errors import InputError
from radmark.core.marks import ABSENT, Mark, present
from radmark.core.study import Study
from radmark.io.exchange import Context, FilmRow, film_row, gathered
from radmark.io.files import read_text
from radmark.io.format import Content, Format, Holds


def read(path: Path, context: Context) -> Study:
    """The points of all lines."""
    lines = [
        (number, line.split(",")) for number, line in enumerate(read_text(path).splitlines(), start=1) if line.strip()
    ]
    if not lines:
        raise InputError("the file is empty", file=path, remedy="Give a line for each image")
    counts: set[int] = set()
    for number, cells in lines:
        count = cells[1].strip() if len(cells) > 1 else ""
        if not (count.isascii() and count.isdigit() and len(cells) == 2 + 2 * int(count)) or int(count) < 1:
            raise InputError(
                f"the line has {len(cells)} cells, which do not fit the number of points it states",
                file=path,
                row=number,
                value=count,
                remedy="Write name,<n_points>,x1,y1,x2,y2,…",
            )
        counts.add(int(count))
        if len(counts) > 1:
            raise InputError(
                f"the lines before have {min(counts - {int(count)})} points",
                file=path,
                row=number,
                value=count,
                remedy="Landmarks are known by their order: write 0,0 for one that is not visible",
            )
    try:
        names = context.names(counts.pop())
    except InputError as error:
        raise error.at(file=path) from error
    rows: list[FilmRow] = []
    for number, cells in lines:
        values = [_number(cell, path, number) for cell in cells[2:]]
        marks = {name: _mark(values[2 * k], values[2 * k + 1], context) for k, name in enumerate(names)}
        image = cells[0].strip().replace("\\", "/")
        try:
            rows.append(film_row(image, marks, size=context.size_of(image)))
        except InputError as error:
            raise error.at(file=path, row=number) from error
    return gathered(path, rows, names=names)


def _mark(x: float, y: float, context: Context) -> Mark:
    corner = context.absent_corner_px
    gone = (x, y) == (0, 0) or (corner is not None and x < corner and y < corner)
    return ABSENT if gone else present(x, y)


def _number(text: str, path: Path, row: int) -> float:
    try:
        value = float(text)
        if math.isfinite(value):
            return value
    except ValueError:
        pass
    raise InputError("this is not a number", file=path, row=row, value=text[:60], remedy="Write a number of pixels")


def text(study: Study) -> str:
    """The file for this study; "0,0" for a landmark without a point.

    Raises:
        InputError: a name that cannot be written in a line, or a point that rounds to 0,0.
    """
    lines: list[str] = []
    for film, marks in study.rows:
        if "," in film.name or "\n" in film.name:
            raise InputError("the film's name holds a comma", value=film.name, remedy="Rename it")
        cells = [film.name, str(len(study.scheme))]
        for name in study.scheme.names:
            mark = marks.mark(name)
            x, y = (math.floor(mark.x + 0.5), math.floor(mark.y + 0.5)) if mark.placed else (0, 0)
            if mark.placed and (x, y) == (0, 0):
                raise InputError(
                    f"{name} of {film.name} lies on pixel 0,0, which means not visible in this format",
                    value=mark.point,
                    remedy="Choose another format",
                )
            cells += [str(x), str(y)]
        lines.append(",".join(cells))
    return "\n".join([*lines, ""])


def _recognised(content: Content) -> bool:
    cells = content.cells
    if len(cells) < 4 or not (cells[1].isascii() and cells[1].isdigit() and len(cells[1]) < 7):
        return False
    return len(cells) == 2 + 2 * int(cells[1])


FORMAT = Format(
    "txt", "the authors' older text", ".txt",
    Holds(absent=True, unseen=False, decimals=False, names=False, size=False),
    _recognised, read, text=text, default=True,
)  # fmt: skip
