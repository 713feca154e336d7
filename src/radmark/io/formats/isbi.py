"""The text files of the ISBI 2014 and 2015 cephalometric challenges: one file per image, `001.txt`.

Convention: 19 lines "x,y", x right, y down, whole pixels of the 1935 x 2400 image, in the order of scheme ceph-19; then lines of
one number, the classes of the second task, kept as attributes `class_1`, `class_2`, …. Taken as pixel indices, 0-based, so a
whole number is the **centre** of a pixel; the challenge does not say (Wang et al., Medical Image Analysis 31, 2016), and half a
pixel is 0.05 mm there. There is no word for a missing landmark, and the doctors' files lie in a folder each: --reader says whose.
"""

import math
from collections.abc import Mapping
from pathlib import Path

from radmark.core.errors import InputError
from radmark.core.marks import Mark, present
from radmark.core.study import Study
from radmark.io.exchange import Context, files_of, film_row, gathered
from radmark.io.files import read_text
from radmark.io.format import Content, Format, Holds
from radmark.io.schemes import read_scheme


def read(path: Path, context: Context) -> Study:
    """The landmarks of one file, or of all .txt files of a folder and its sub folders."""
    found: list[tuple[str, list[tuple[float, float]], dict[str, str]]] = []
    for file, folder in files_of(path, ".txt"):
        points, classes = _content(file)
        found.append((f"{folder}/{file.stem}".lstrip("/"), points, classes))
        if len(points) != len(found[0][1]):
            raise InputError(
                f"the first file has {len(found[0][1])} points",
                file=file,
                value=len(points),
                remedy="Landmarks are known by their order: give files of one scheme",
            )
    count = len(found[0][1])
    ceph = read_scheme("ceph-19").names
    try:
        names = ceph if context.scheme is None and count == len(ceph) else context.names(count)
        rows = [
            film_row(
                image,
                {name: present(x, y) for name, (x, y) in zip(names, points, strict=True)},
                size=context.size_of(image),
                attributes=classes,
            )
            for image, points, classes in found
        ]
    except InputError as error:
        raise error.at(file=path) from error
    return gathered(path, rows, names=names)


def _content(file: Path) -> tuple[list[tuple[float, float]], dict[str, str]]:
    points: list[tuple[float, float]] = []
    classes: dict[str, str] = {}
    for row, line in enumerate(read_text(file).splitlines(), start=1):
        parts = [part.strip() for part in line.split(",")]
        if parts == [""]:
            continue
        try:
            numbers = [float(part) for part in parts]
        except ValueError:
            numbers = []
        if len(numbers) == 2 and not classes and all(map(math.isfinite, numbers)):
            points.append((numbers[0], numbers[1]))
        elif len(numbers) == 1 and points and parts[0].isdigit():
            classes[f"class_{len(classes) + 1}"] = parts[0]
        else:
            raise InputError(
                "this is neither a point nor, after them, a class",
                file=file,
                row=row,
                value=line[:60],
                remedy='Write "x,y" in pixels for each landmark, then one whole number per line',
            )
    if not points:
        raise InputError("the file holds no point", file=file, remedy='Write "x,y" in pixels for each landmark')
    return points, classes


def files(study: Study) -> Mapping[str, str]:
    """A file per film, named after it: name -> content.

    Raises:
        InputError: a landmark is not placed, and there is no word for that; or two films would go into one file.
    """
    written: dict[str, str] = {}
    for film, marks in study.rows:
        lines: list[str] = []
        for name in study.scheme.names:
            mark = marks.mark(name)
            if not mark.placed:
                raise InputError(
                    f"{name} of {film.name} has no point, and this format has no word for that",
                    value=mark.state.label,
                    remedy="Leave the film out, or choose another format",
                )
            lines.append(_whole(mark))
        stem = film.name.rsplit(".", 1)[0] if "." in film.name.rsplit("/", 1)[-1] else film.name
        written[f"{stem}.txt"] = "\n".join([*lines, ""])
    if len(written) < len(study.rows):
        raise InputError(
            "a file is named after its film without the suffix, and two films differ in nothing else",
            remedy="Rename one of the films",
        )
    return written


def _whole(mark: Mark) -> str:
    return f"{math.floor(mark.x + 0.5)},{math.floor(mark.y + 0.5)}"


def _recognised(content: Content) -> bool:
    try:
        return len([float(cell) for cell in content.cells]) == 2
    except ValueError:
        return False


FORMAT = Format(
    "isbi", "ISBI 2015 text", ".txt", Holds(names=False, size=False, decimals=False), _recognised, read, files=files
)
