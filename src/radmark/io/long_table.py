"""The long table: a CSV with a row for each landmark of each image and reader, which holds everything radmark knows.

Columns `image` (or `image_name`), `landmark`, `x`, `y`; further `state` (present, occluded, absent, not_annotated), `reader`,
`session`, `patient_id`, `split`, `image_width`, `image_height`, `spacing_x_mm`, `spacing_y_mm`, `confidence`; any other column is
an attribute of the image. Convention: radmark's own: x right, y down, pixels, (0, 0) the **centre** of the top-left pixel.
An empty pair is not annotated unless the state says absent; a landmark without a row is not annotated.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from radmark.core.errors import InputError
from radmark.core.frame import Spacing, SpacingSource
from radmark.core.landmarks import State
from radmark.core.readings import Mark, Reading, Readings
from radmark.io.exchange import ALL, Context, decimals, gathered, once
from radmark.io.sheet import Row, read_sheet

HOLDS = ALL

_SIZE = ("image_width", "image_height")
_SPACING = ("spacing_x_mm", "spacing_y_mm")
_OF_IMAGE = (*_SIZE, *_SPACING, "patient_id", "split")
_OF_MARK = ("landmark", "x", "y", "state", "confidence")
_WHO = ("reader", "session")


def read(path: Path, context: Context) -> Readings:
    """The rows, gathered by image, reader and session."""
    _ = context
    sheet = read_sheet(path, ("landmark", "x", "y"))
    if sheet.ragged:
        raise sheet.ragged[0]
    name = next((column for column in ("image", "image_name") if column in sheet.header), None)
    if name is None:
        raise InputError("the header names no image", file=path, row=1, remedy="Add a column image")
    others = [c for c in sheet.header if c and c not in (name, *_WHO, *_OF_IMAGE, *_OF_MARK)]
    first: dict[tuple[str, str, str], Row] = {}
    marks: dict[tuple[str, str, str], dict[str, Mark]] = {}
    for row in sheet.rows:
        key = (row[name], row["reader"], row["session"])
        if not row["landmark"]:
            raise row.error("the row names no landmark", "landmark", "Write its name")
        head = first.setdefault(key, row)
        for column in (*_OF_IMAGE, *others):
            if row[column] != head[column]:
                raise row.error(f"row {head.number} says {head[column]!r} of the same image", column, "Make them alike")
        of_image = marks.setdefault(key, {})
        once(of_image, row["landmark"], path, f"image {row[name]}", row.number)
        of_image[row["landmark"]] = _mark(row)
    readings: list[Reading] = []
    for key, row in first.items():
        image, reader, session = key
        try:
            readings.append(
                Reading(
                    image.replace("\\", "/"),
                    marks[key],
                    size=_size(row),
                    spacing=_spacing(row),
                    reader=reader or None,
                    session=session,
                    patient=row["patient_id"] or None,
                    part=row["split"] or None,
                    attributes={column: row[column] for column in others if row[column]},
                )
            )
        except InputError as error:
            raise error.at(file=path, row=row.number) from error
    return gathered(path, readings)


def _mark(row: Row) -> Mark:
    words = {state.label: state for state in State}
    word = row["state"].lower()
    if word and word not in words:
        raise row.error("there is no such state", "state", f"Use one of: {', '.join(words)}")
    empty = [column for column in ("x", "y") if not row[column]]
    if len(empty) == 1:
        raise row.error("one coordinate is given and the other is not", empty[0], "Fill both cells or leave both empty")
    state = words[word] if word else State.NOT_ANNOTATED if empty else State.PRESENT
    if (state <= State.OCCLUDED) == bool(empty):
        raise row.error("the state and the point contradict each other", "state", "Give a point, or the state absent")
    if empty:
        return Mark(state)
    confidence = row.number_in("confidence") if row["confidence"] else None
    return Mark(state, row.number_in("x"), row.number_in("y"), confidence)


def _both(row: Row, columns: Sequence[str]) -> bool:
    given = [column for column in columns if row[column]]
    if len(given) == 1:
        raise row.error(
            f"{given[0]} is given without its partner", given[0], f"Give {' and '.join(columns)}, or neither"
        )
    return bool(given)


def _size(row: Row) -> tuple[int, int] | None:
    return (row.whole_in(_SIZE[0]), row.whole_in(_SIZE[1])) if _both(row, _SIZE) else None


def _spacing(row: Row) -> Spacing | None:
    if not _both(row, _SPACING):
        return None
    return Spacing(row.number_in(_SPACING[0]), row.number_in(_SPACING[1]), SpacingSource.TABLE)


def text(readings: Readings) -> str:
    """The file for these readings: a row for every landmark of the scheme, and only the columns something is known of."""
    rows = [_row(reading, name) for reading in readings.readings for name in readings.scheme.names]
    columns = ["image", "landmark", "x", "y", "state", *_WHO, *_OF_IMAGE, "confidence"]
    others = list(dict.fromkeys(key for reading in readings.readings for key in reading.attributes))
    taken = [name for name in others if name in (*columns, "image_name")]
    if taken:
        raise InputError("an attribute has the name of a column", value=taken[0], remedy="Rename it")
    columns = [c for c in columns if c in ("image", "landmark", "x", "y", "state") or any(row[c] for row in rows)]
    out = io.StringIO()
    table = csv.DictWriter(out, [*columns, *others], extrasaction="ignore", restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return out.getvalue()


def _row(reading: Reading, name: str) -> dict[str, str]:
    mark = reading.mark(name)
    width, height = ("", "") if reading.size is None else map(str, reading.size)
    spacing = reading.spacing
    return {
        "image": reading.image,
        "landmark": name,
        "x": f"{decimals(mark.x):.4f}" if mark.placed else "",
        "y": f"{decimals(mark.y):.4f}" if mark.placed else "",
        "state": mark.state.label,
        "reader": reading.reader or "",
        "session": reading.session,
        "image_width": width,
        "image_height": height,
        "spacing_x_mm": "" if spacing is None else repr(spacing.x_mm),
        "spacing_y_mm": "" if spacing is None else repr(spacing.y_mm),
        "patient_id": reading.patient or "",
        "split": reading.part or "",
        "confidence": "" if mark.confidence is None else f"{mark.confidence:.4f}",
        **reading.attributes,
    }
