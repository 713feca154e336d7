"""3D Slicer's markups, `<image>.mrk.json`: one file per image, a control point for each landmark.

Convention: **millimetres** in patient space, LPS (x towards the patient's left, y towards the back) unless the file says RAS
(both negated). A picture that Slicer loads lies with the **centre** of its top-left pixel at the origin, columns along +x and
rows along +y of LPS, at the image's spacing, which is 1 mm for a PNG or JPEG. So x_px = x_LPS / spacing_x, z is 0. Source:
slicer.readthedocs.io, "Markups json file format"; the origin at a pixel's centre is ITK's (ITK Software Guide, "Image"). A
DICOM film whose header gives a position or an orientation lies elsewhere: that is not handled.
The file does not know the spacing, so radmark writes it into each point's description and reads it from there; for a file that
Slicer alone wrote it has to be given, or is that of the DICOM image.
`positionStatus`: "defined" (placed; so is one without a status), "missing" (absent), "undefined" (not annotated). It is always
written, because a version of Slicer took its absence for undefined (discourse.slicer.org/t/22754).
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from radmark.core.errors import InputError
from radmark.core.frame import Spacing, SpacingSource
from radmark.core.marks import ABSENT, NOT_ANNOTATED, Mark, State
from radmark.core.study import Loss, Study
from radmark.io.exchange import Context, FilmRow, files_of, film_row, gathered, once
from radmark.io.files import Tree, read_json
from radmark.io.format import Format, Holds

SUFFIX = ".mrk.json"

_SCHEMA = "https://raw.githubusercontent.com/Slicer/Slicer/main/Modules/Loadable/Markups/Resources/Schema/markups-schema-v1.0.3.json#"
_NOTE = re.compile(r"radmark: (\S+) x (\S+) mm a pixel( \(spacing unknown\))?")


def read(path: Path, context: Context) -> Study:
    """The control points of one file, or of all .mrk.json files of a folder and its sub folders."""
    lost: Counter[str] = Counter()
    rows = [
        _row(read_json(file), f"{folder}/{file.name}".lstrip("/").removesuffix(SUFFIX), context, lost)
        for file, folder in files_of(path, SUFFIX)
    ]
    why = "only point lists are read"
    return gathered(path, rows, [Loss(what, count, why) for what, count in sorted(lost.items())])


def _row(root: Tree, image: str, context: Context, lost: Counter[str]) -> FilmRow:
    marks: dict[str, Mark] = {}
    spacing: Spacing | None = None
    stated = True
    for markup in root.get("markups"):
        if markup.get("type").text() != "Fiducial":
            lost[f"markup {markup.get('type').text()}"] += 1
            continue
        system = markup.get("coordinateSystem").value
        if system not in ("LPS", "RAS"):
            raise markup.get("coordinateSystem").wrong("the coordinate system is neither LPS nor RAS", "Write LPS")
        units = markup.get("coordinateUnits").value if markup.has("coordinateUnits") else "mm"
        if units not in ("mm", ["mm", "mm", "mm"]):
            raise markup.get("coordinateUnits").wrong("the unit is not millimetres", "Save it in mm")
        for point in markup.get("controlPoints"):
            label = point.get("label").text()
            once(marks, label, root.file, f"film {image}")
            status = point.get("positionStatus").value if point.has("positionStatus") else "defined"
            if spacing is None and (status == "defined" or _NOTE.search(str(point.get("description").value))):
                spacing, stated = _spacing(point, image, context)
            if status == "missing":
                marks[label] = ABSENT
            elif status == "undefined":
                marks[label] = NOT_ANNOTATED
            elif status == "defined" and spacing is not None:
                marks[label] = _mark(point, -1.0 if system == "RAS" else 1.0, spacing)
            else:
                raise point.get("positionStatus").wrong(
                    "there is no such status", "Write defined, missing or undefined"
                )
    try:
        return film_row(image, marks, size=context.size_of(image), spacing=spacing if stated else None)
    except InputError as error:
        raise error.at(file=root.file) from error


def _spacing(point: Tree, image: str, context: Context) -> tuple[Spacing, bool]:
    """Millimetres per pixel of these coordinates, and whether they are those of the film."""
    note = _NOTE.search(str(point.get("description").value))
    try:
        if note is not None:
            return Spacing(float(note[1]), float(note[2]), SpacingSource.TABLE), note[3] is None
        given = context.spacing_of(image)
    except (ValueError, InputError) as error:
        raise InputError(str(error), file=point.file, column=point.where, remedy="Correct the spacing") from error
    if given is None:
        raise InputError(
            "the points are in millimetres, and nothing states how many a pixel covers",
            file=point.file,
            value=image,
            remedy="Give --spacing-mm: 1 for a PNG or JPEG as Slicer loads it, or the spacing the volume had in Slicer",
        )
    return given, True


def _mark(point: Tree, sign: float, spacing: Spacing) -> Mark:
    position = [value.number() for value in point.get("position")]
    if len(position) != 3:
        raise point.get("position").wrong("a position has three numbers", "Write [x, y, z]")
    if abs(position[2]) > 0.5:
        raise point.get("position").wrong(
            f"the point lies {position[2]:g} mm away from the plane of the picture", "Mark it in the slice view"
        )
    return Mark(State.PRESENT, sign * position[0] / spacing.x_mm, sign * position[1] / spacing.y_mm)


def files(study: Study) -> Mapping[str, str]:
    """A file per film, its name with .mrk.json: name -> content."""
    written: dict[str, str] = {}
    for film, marks in study.rows:
        spacing = film.spacing
        x_mm, y_mm = (1.0, 1.0) if spacing is None else (spacing.x_mm, spacing.y_mm)
        note = f"radmark: {x_mm!r} x {y_mm!r} mm a pixel{' (spacing unknown)' if spacing is None else ''}"
        points: list[object] = []
        for number, name in enumerate(study.scheme.names, start=1):
            mark = marks.mark(name)
            status = "defined" if mark.placed else "missing" if mark.state == State.ABSENT else "undefined"
            position = [mark.x * x_mm + 0.0, mark.y * y_mm + 0.0, 0.0] if mark.placed else [0.0, 0.0, 0.0]
            points.append(
                {
                    "id": str(number),
                    "label": name,
                    "description": note,
                    "position": position,
                    "positionStatus": status,
                }
            )
        markup = {
            "type": "Fiducial",
            "coordinateSystem": "LPS",
            "coordinateUnits": "mm",
            "controlPoints": points,
        }
        content = {"@schema": _SCHEMA, "markups": [markup]}
        written[f"{film.name}{SUFFIX}"] = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    return written


FORMAT = Format(
    "slicer", "3D Slicer markups", SUFFIX, Holds(absent=True, spacing=True, size=False),
    lambda content: content.has("markups"), read, files=files, default=True,
)  # fmt: skip
