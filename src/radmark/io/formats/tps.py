"""TPS, the text file of tpsDig, geomorph and Momocs: landmarks of many images, in order, without names.

Convention: x right, **y up**, pixels, counted from the lower left of the image: x = x_tps and y = H - y_tps, H the height of
the image, which the file does not hold (--films). tpsDig is taken to count a pixel by its index, so a point on pixel (610, 905)
of an image 2021 high is "610 1116"; its documentation does not say where in the pixel that is, and other programs (geomorph's
`digitize2d`) lie within a pixel of it. SCALE gives units per pixel, not which unit: it is kept as the attribute `tps_scale`, and
written from a spacing that is the same in x and y, in millimetres; geomorph's readland.tps multiplies by it.
Missing: "NA NA" (geomorph) or two negative numbers such as "-1 -1" (tpsDig 2.18 and later): not annotated. Written as NA, which
a program that does not know it refuses, where -1 would be read as a point. Source: geomorph, `readland.tps` (negNA).
Curves and outlines are left out and counted.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from radmark.core.errors import InputError
from radmark.core.marks import NOT_ANNOTATED, Mark, present
from radmark.core.study import Loss, Study
from radmark.io.exchange import Context, FilmRow, film_row, gathered
from radmark.io.files import read_text
from radmark.io.format import Content, Format, Holds

_KEY = re.compile(r"([A-Za-z][A-Za-z0-9]*)\s*=\s*(.*)")


@dataclass
class _Specimen:
    row: int
    points: list[tuple[int, float, float]] = field(default_factory=list[tuple[int, float, float]])  # row, x, y
    keys: dict[str, str] = field(default_factory=dict[str, str])


def read(path: Path, context: Context) -> Study:
    """The landmarks of all specimens."""
    lost: Counter[str] = Counter()
    specimens = _specimens(path, lost)
    counts = {len(specimen.points) for specimen in specimens} - {0}
    if len(counts) > 1:
        other = next(s for s in specimens if len(s.points) not in (0, len(specimens[0].points)))
        raise InputError(
            "the specimens have different numbers of landmarks",
            file=path,
            row=other.row,
            value=len(other.points),
            remedy="Landmarks are known by their order: write NA NA for one that is missing",
        )
    try:
        names = context.names(counts.pop() if counts else 1)
        rows = [_row(specimen, names, context) for specimen in specimens]
    except InputError as error:
        raise error.at(file=path) from error
    why = "only landmarks are read"
    return gathered(path, rows, [Loss(what, count, why) for what, count in sorted(lost.items())], names)


def _specimens(path: Path, lost: Counter[str]) -> list[_Specimen]:
    specimens: list[_Specimen] = []
    wanted = 0  # coordinate lines of landmarks still to come
    skipped = 0  # of a curve or an outline
    for row, line in enumerate(read_text(path).splitlines(), start=1):
        line = line.strip()
        if not line:
            continue
        match = _KEY.match(line)
        if match is None:
            if skipped:
                skipped -= 1
            elif wanted:
                wanted -= 1
                specimens[-1].points.append((row, *_pair(line, path, row)))
            else:
                raise InputError("a line of no landmark", file=path, row=row, value=line[:60], remedy="Remove it")
            continue
        key, value = match[1].upper(), match[2].strip()
        if wanted or skipped:
            break
        if key == "LM":
            specimens.append(_Specimen(row))
            wanted = _count(value, path, row)
        elif key == "LM3":
            raise InputError("the landmarks are 3-D", file=path, row=row, value=line[:60], remedy="Give 2-D ones (LM=)")
        elif not specimens:
            raise InputError("the file does not begin with LM=", file=path, row=row, value=line[:60], remedy="Add it")
        elif key == "POINTS":
            skipped = _count(value, path, row)
            lost["curve or outline"] += 1
        else:
            specimens[-1].keys.setdefault(key, value)
    if wanted or skipped:
        raise InputError(
            f"the file ends, or the next key stands, {wanted or skipped} coordinate lines too early",
            file=path,
            row=specimens[-1].row,
            remedy="Correct the number after LM= or POINTS=, or export the file again, whole",
        )
    if not specimens:
        raise InputError("the file holds no LM=", file=path, remedy="Give a TPS file")
    return specimens


def _count(value: str, path: Path, row: int) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 6):
        raise InputError("this is not a number of points", file=path, row=row, value=value[:60], remedy="Write LM=19")
    return int(value)


def _pair(line: str, path: Path, row: int) -> tuple[float, float]:
    """x and y; two NaN for a missing point."""
    parts = line.replace(",", " ").split()
    missing = [part.upper() in ("NA", "NAN") for part in parts]
    if len(parts) == 2 and all(missing):
        return math.nan, math.nan
    try:
        if len(parts) != 2 or any(missing):
            raise ValueError
        x, y = float(parts[0]), float(parts[1])
        if not (math.isfinite(x) and math.isfinite(y)):
            raise ValueError
    except ValueError:
        raise InputError(
            "this is not a point",
            file=path,
            row=row,
            value=line[:60],
            remedy="Write x and y, or NA NA where it is missing",
        ) from None
    return (math.nan, math.nan) if x < 0 and y < 0 else (x, y)


def _row(specimen: _Specimen, names: tuple[str, ...], context: Context) -> FilmRow:
    name = specimen.keys.get("IMAGE") or specimen.keys.get("ID") or ""
    if "\\" in name:
        name = name.rsplit("\\", 1)[1]  # a path on somebody's Windows machine
    marks: dict[str, Mark] = {}
    if any(math.isfinite(x) for _, x, _ in specimen.points):
        try:
            height = context.need_size_of(name, "TPS counts y from the lower edge")[1]
        except InputError as error:
            raise error.at(row=specimen.row) from error
        for landmark, (_, x, y) in zip(names, specimen.points, strict=True):
            marks[landmark] = NOT_ANNOTATED if math.isnan(x) else present(x, height - y)
    attributes = {f"tps_{key.lower()}": specimen.keys[key] for key in ("SCALE", "COMMENT") if specimen.keys.get(key)}
    try:
        return film_row(name, marks, size=context.size_of(name) if name else None, attributes=attributes)
    except InputError as error:
        raise error.at(row=specimen.row) from error


def text(study: Study) -> str:
    """The file for this study.

    Raises:
        InputError: the height of a film is unknown, or a point lies beyond the lower left corner, where it would be read
            as missing.
    """
    lines: list[str] = []
    for number, (film, marks) in enumerate(study.rows):
        lines.append(f"LM={len(study.scheme)}")
        for name in study.scheme.names:
            mark = marks.mark(name)
            if not mark.placed:
                lines.append("NA NA")
                continue
            if film.size is None:
                raise InputError(
                    "TPS counts y from the lower edge, and the size of the film is unknown",
                    value=film.name,
                    remedy="Give the folder of the films (--films)",
                )
            x, y = mark.x, film.size[1] - mark.y
            if x < 0 and y < 0:
                raise InputError(
                    f"{name} of {film.name} lies beyond the lower left corner, where TPS means a missing point",
                    value=mark.point,
                    remedy="Correct the point, or choose another format",
                )
            lines.append(f"{x:.5f} {y:.5f}")
        lines += [f"IMAGE={film.name}", f"ID={number}"]
        if film.spacing is not None and film.spacing.x_mm == film.spacing.y_mm:
            lines.append(f"SCALE={film.spacing.x_mm:.6f}")
    return "\n".join([*lines, ""])


def _recognised(content: Content) -> bool:
    return content.line.upper().startswith(("LM=", "LM3="))


FORMAT = Format("tps", "TPS", ".tps", Holds(names=False, size=False), _recognised, read, text=text, default=True)
