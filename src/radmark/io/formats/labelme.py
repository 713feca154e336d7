"""LabelMe: a JSON file per image, a shape of type "point" for each landmark.

Convention: x right, y down, floating pixels; (0, 0) is the **corner** of the top-left pixel, whose centre is (0.5, 0.5): the
coordinates are those of the Qt canvas on which the picture is painted from (0, 0) to (W, H). So x = x_labelme - 0.5. Source:
LabelMe's `widgets/canvas.py` (`outOfPixmap`, `transformPos`). Labels on whole pixels that some other program wrote may mean
centres instead; then they are read half a pixel to the top left.
A landmark without a shape is not annotated; nothing says absent. A shape's flag `occluded`, set, is occluded: LabelMe lets its
users name such flags (`--labelflags`). Shapes of other types are left out and counted.
"""

import json
import posixpath
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from radmark.core.errors import InputError
from radmark.core.marks import Mark, State
from radmark.core.study import Loss, Study
from radmark.io.exchange import Context, FilmRow, decimals, files_of, film_row, gathered, once, sized
from radmark.io.files import Tree, read_json
from radmark.io.format import Format, Holds


def read(path: Path, context: Context) -> Study:
    """The points of one file, or of all .json files of a folder and its sub folders."""
    _ = context
    lost: Counter[str] = Counter()
    rows = [_row(read_json(file), folder, lost) for file, folder in files_of(path, ".json")]
    why = "only points are read"
    return gathered(path, rows, [Loss(what, count, why) for what, count in sorted(lost.items())])


def _row(root: Tree, folder: str, lost: Counter[str]) -> FilmRow:
    beside = root.get("imagePath").text().replace("\\", "/")
    image = posixpath.normpath(posixpath.join(folder, beside))
    if image.startswith(("../", "/")) or ":" in image.split("/")[0]:
        image = posixpath.basename(image)  # where the picture lay on somebody's machine
    marks: dict[str, Mark] = {}
    for shape in root.get("shapes"):
        kind = shape.get("shape_type").text() if shape.has("shape_type") else "polygon"
        if kind != "point":
            lost[kind] += 1
            continue
        label = shape.get("label").text()
        once(marks, label, root.file, f"film {image}")
        corners = [list(point) for point in shape.get("points")]
        if len(corners) != 1 or len(corners[0]) != 2:
            raise shape.get("points").wrong("a point has one pair of coordinates", "Write [[610.5, 905.5]]")
        x, y = (value.number() for value in corners[0])
        hidden = shape.has("flags") and shape.get("flags").get("occluded").value is True
        marks[label] = Mark(State.OCCLUDED if hidden else State.PRESENT, x - 0.5, y - 0.5)
    size = root.size("imageWidth", "imageHeight") if root.has("imageWidth") else None
    try:
        return film_row(image, marks, size=size)
    except InputError as error:
        raise error.at(file=root.file) from error


def files(study: Study) -> Mapping[str, str]:
    """A file per film, named after it: name -> content.

    Raises:
        InputError: the size of a film is unknown, or two films would go into one file.
    """
    written: dict[str, str] = {}
    for film, marks in study.rows:
        width, height = sized(film, "LabelMe")
        content: dict[str, object] = {
            "version": "5.1.1",
            "flags": {},
            "shapes": [
                {
                    "label": name,
                    "points": [[decimals(mark.x + 0.5), decimals(mark.y + 0.5)]],
                    "group_id": None,
                    "description": "",
                    "shape_type": "point",
                    "flags": {"occluded": True} if mark.state == State.OCCLUDED else {},
                }
                for name in study.scheme.names
                if (mark := marks.mark(name)).placed
            ],
            "imagePath": posixpath.basename(film.name),
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        written[f"{posixpath.splitext(film.name)[0]}.json"] = (
            json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
        )
    if len(written) < len(study.rows):
        raise InputError(
            "LabelMe names a file after its image without the suffix, and two films differ in nothing else",
            remedy="Rename one of the films",
        )
    return written


FORMAT = Format(
    "labelme", "LabelMe", ".json", Holds(occluded=True), lambda content: content.has("shapes"), read, files=files
)
