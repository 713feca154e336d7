"""The annotation table, one row an image, into a data set; predictions into the same table.

Columns `image_name, image_width, image_height, n_landmarks`, then `<name>_x, <name>_y` for each landmark: x right,
y down, in pixels of the upright image, (0, 0) the centre of its top-left pixel, which is radmark's own convention. An
empty pair is "not annotated". Optional columns, anywhere: `patient_id, spacing_x_mm, spacing_y_mm, split, reader`,
`<name>_state` (present, occluded, absent, not_annotated) and `<name>_confidence` (written for predictions, ignored on
reading). `reader` and every column not named here become attributes of the case.

The cells are separated by commas, or by semicolons or tabs as European spreadsheets write them, with which a decimal
comma is read as well. Reading and checking are one path: `inspect_table` collects all that is wrong, and
`read_dataset` stops at it.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ParamSpec, TypedDict, TypeVar, Unpack

import numpy as np

from radmark.core.dataset import Case, Dataset
from radmark.core.errors import InputError
from radmark.core.frame import Frame, Spacing, SpacingSource
from radmark.core.landmarks import Landmarks, State
from radmark.core.prediction import Prediction
from radmark.core.readings import Mark, Reading, Readings
from radmark.core.scheme import Scheme
from radmark.io.atomic import write_text
from radmark.io.exchange import ALL, Context, find_image, gathered, of_predictions, scheme_of
from radmark.io.images import read_size, read_spacing
from radmark.io.sheet import Row, Sheet, read_sheet

_NEEDED = ("image_name", "image_width", "image_height", "n_landmarks")
_SPACING = ("spacing_x_mm", "spacing_y_mm")
_KNOWN = (*_NEEDED, *_SPACING, "patient_id", "split")  # `reader` is an attribute as well

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Severity(StrEnum):
    """How bad a finding is: with an error training would fail or lie; a warning is worth a look."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or looks wrong, in a data set.

    Args:
        severity: error or warning.
        kind: a short word for this sort of finding, such as "outside-image", the same in every version.
        cause: problem, file, row, column, value and the way out. Errors are raised as it stands.
    """

    severity: Severity
    kind: str
    cause: InputError

    def __str__(self) -> str:
        return f"{self.severity}: {self.cause}"


@dataclass(frozen=True)
class Inspection:
    """What `inspect_table` found.

    Args:
        scheme: the landmarks of the table; None where its header could not be made sense of.
        cases: one for each row without an error, in the table's order.
        files: the image file of each row, where there is one, with the number of the row; the header is row 1.
        findings: all that is wrong, in the table's order.
        reader: whose points these are, where the table or the caller says one name.
    """

    scheme: Scheme | None = None
    cases: tuple[Case, ...] = ()
    files: Mapping[Path, int] = field(default_factory=dict[Path, int])
    findings: tuple[Finding, ...] = ()
    reader: str | None = None


class TableOptions(TypedDict, total=False):
    """How to read a table; each may be left out.

    Args:
        scheme: landmarks to pick from the table, by name. None takes all, with the definitions and pairs of the shipped
            scheme that has the very same names; the table's order wins.
        spacing: millimetres a pixel for all images. Wins over the table's columns, they win over `spacing_file`.
        spacing_file: a table `image_name, spacing_x_mm, spacing_y_mm`.
        absent_corner_px: points with x and y both below this many pixels mean "absent", unless `<name>_state` says
            something else: the habit of clicking an invisible landmark into the top-left corner.
        reader: takes the rows of this one in the `reader` column; without that column, a name for who read them all.
    """

    scheme: Scheme | None
    spacing: Spacing | None
    spacing_file: Path | None
    absent_corner_px: float | None
    reader: str | None


def read_dataset(annotations: Path, images: Path, **options: Unpack[TableOptions]) -> Dataset:
    """Annotated images as a data set. Images are looked up and measured, not decoded.

    Args:
        annotations: the table, see the module.
        images: the folder that `image_name` is relative to. A name without a suffix gets the one that exists.
        options: how to read the table, see `TableOptions`.

    Raises:
        InputError: the first error of the table, and how many more there are.
    """
    inspection = inspect_table(annotations, images, **options)
    errors = [finding.cause for finding in inspection.findings if finding.severity is Severity.ERROR]
    if inspection.scheme is None or errors:
        raise errors[0] if len(errors) == 1 else _with_more(errors)
    return Dataset(inspection.scheme, inspection.cases, inspection.reader)


def _with_more(errors: Sequence[InputError]) -> InputError:
    """The first error, its remedy saying how many others there are."""
    first, more = errors[0], len(errors) - 1
    return InputError(
        first.problem,
        remedy=f"{first.remedy}. {more} more error{'s' * (more > 1)} in this data set: run radmark check to see all",
        file=first.file,
        row=first.row,
        column=first.column,
        value=first.value,
    )


def inspect_table(annotations: Path, images: Path, **options: Unpack[TableOptions]) -> Inspection:
    """Read a table as `read_dataset` does (the arguments are the same) and collect what is wrong instead of raising."""
    reader = options.get("reader")
    notes = _Notes()
    sheet = notes.attempt("table", read_sheet, annotations, _NEEDED)
    folder = notes.attempt("missing-image", _folder, images)
    if sheet is None or folder is None:
        return Inspection(findings=tuple(notes.findings))
    columns = notes.attempt("table", _columns, sheet, options.get("scheme"))
    spacings = notes.attempt("spacing", _spacings, options.get("spacing"), options.get("spacing_file"))
    rows = notes.attempt("reader", _rows_of, sheet, reader)
    if columns is None or spacings is None or rows is None:
        return Inspection(findings=tuple(notes.findings))
    for error in sheet.ragged:
        notes.error("table", error)
    cases: list[Case] = []
    taken: dict[Path, Row] = {}
    for row in rows:
        path = notes.attempt("missing-image", _image_path, row, folder)
        if path is None:
            continue
        earlier = taken.setdefault(path, row)
        if earlier["reader"] != row["reader"]:
            notes.error("reader", _several_readers(rows, earlier, row))
            break  # so it goes for the whole table, and one finding says it
        if earlier is not row:
            notes.error(
                "duplicate-name",
                row.error(
                    f"the image stands in row {earlier.number} already", "image_name", "Keep one row for each image"
                ),
            )
            continue
        case = _case(row, path, columns, spacings, options.get("absent_corner_px"), notes)
        if case is not None:
            cases.append(case)
    _warn(sheet, rows, spacings, notes)
    readers = {row["reader"] for row in rows}
    sole = readers.pop() if len(readers) == 1 else None
    files = {path: row.number for path, row in taken.items()}
    return Inspection(columns.scheme, tuple(cases), files, tuple(notes.findings), reader or sole or None)


def table_readers(annotations: Path) -> tuple[str, ...]:
    """The names in a table's `reader` column, in the table's order, "" for empty cells; none where there is no such column.

    Raises:
        InputError: this is no annotation table.
    """
    sheet = read_sheet(annotations, _NEEDED)
    return tuple(dict.fromkeys(row["reader"] for row in sheet.rows)) if "reader" in sheet.header else ()


class _Notes:
    """Findings as they come."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def error(self, kind: str, cause: InputError) -> None:
        self.findings.append(Finding(Severity.ERROR, kind, cause))

    def warning(self, kind: str, cause: InputError) -> None:
        self.findings.append(Finding(Severity.WARNING, kind, cause))

    def attempt(self, kind: str, read: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T | None:
        """What `read` returns, or None and a finding of this kind where it raises an `InputError`."""
        try:
            return read(*args, **kwargs)
        except InputError as cause:
            self.error(kind, cause)
            return None


# ------------------------------------------------------------------------------------- what the columns and rows mean


@dataclass(frozen=True)
class _Columns:
    """The scheme to read, how many landmarks the table itself has, and the columns nothing else explains."""

    scheme: Scheme
    landmarks_in_table: int
    attributes: tuple[str, ...]


def _columns(sheet: Sheet, scheme: Scheme | None) -> _Columns:
    header = sheet.header
    names = tuple(c[:-2] for c in header if c.endswith("_x") and len(c) > 2)
    for here, there in (("_x", "_y"), ("_y", "_x")):
        for column in header:
            partner = column[:-2] + there
            if column.endswith(here) and len(column) > 2 and partner not in header:
                raise InputError(
                    f"the header has {column} without {partner}",
                    file=sheet.file,
                    row=1,
                    column=column,
                    remedy=f"Add {partner}, or rename the column if it is no landmark's",
                )
    if not names:
        raise InputError(
            "the header names no landmark",
            file=sheet.file,
            row=1,
            remedy="Add a pair of columns such as femoral_head_left_x,femoral_head_left_y for each landmark",
        )
    if scheme is None:
        scheme = scheme_of(names)
    else:
        missing = [name for name in scheme.names if name not in names]
        if missing:
            raise InputError(
                f"the table has no columns for {', '.join(missing)} of scheme {scheme.name}",
                file=sheet.file,
                row=1,
                column=f"{missing[0]}_x",
                remedy="Add the columns (empty cells are allowed), or give a scheme without these landmarks",
            )
    theirs = {f"{name}_{what}" for name in names for what in ("x", "y", "state", "confidence")}
    attributes = tuple(c for c in header if c and c not in theirs and c not in _KNOWN)
    return _Columns(scheme, len(names), attributes)


@dataclass(frozen=True)
class _Spacings:
    """Millimetres a pixel for a row: one for all, else the row's own, else those of the spacing file."""

    flag: Spacing | None
    file: Path | None
    by_image: Mapping[str, Spacing]

    def of(self, row: Row) -> Spacing | None:
        return self.flag or _spacing(row, SpacingSource.TABLE) or self.by_image.get(row["image_name"])


def _spacings(flag: Spacing | None, file: Path | None) -> _Spacings:
    if flag is not None or file is None:
        return _Spacings(flag, None, {})
    sheet = read_sheet(file, ("image_name", *_SPACING))
    if sheet.ragged:
        raise sheet.ragged[0]
    found = {row["image_name"]: _spacing(row, SpacingSource.FILE) for row in sheet.rows}
    return _Spacings(None, file, {name: spacing for name, spacing in found.items() if spacing is not None})


def _spacing(row: Row, source: SpacingSource) -> Spacing | None:
    """What a row's two spacing columns say, None where both are empty or missing."""
    given = [column for column in _SPACING if row[column]]
    if not given:
        return None
    if len(given) == 1:
        missing = _SPACING[1 - _SPACING.index(given[0])]
        raise row.error(f"{given[0]} is given and {missing} is not", missing, "Give both, or neither where unknown")
    for column in _SPACING:
        if row.number_in(column) <= 0:
            raise row.error(
                "a spacing has to be above zero", column, "Give millimetres a pixel, or leave both cells empty"
            )
    return Spacing(row.number_in("spacing_x_mm"), row.number_in("spacing_y_mm"), source)


def _rows_of(sheet: Sheet, reader: str | None) -> tuple[Row, ...]:
    """The rows of one reader; all rows where none is asked for, or the table does not tell readers apart."""
    if reader is None or "reader" not in sheet.header:
        return sheet.rows
    rows = tuple(row for row in sheet.rows if row["reader"] == reader)
    if not rows:
        known = ", ".join(sorted({row["reader"] for row in sheet.rows}))
        raise InputError(
            "the table has no row of this reader",
            file=sheet.file,
            column="reader",
            value=reader,
            remedy=f"Use one of: {known}",
        )
    return rows


def _several_readers(rows: Sequence[Row], earlier: Row, row: Row) -> InputError:
    known = ", ".join(sorted({other["reader"] or "(empty)" for other in rows}))
    return row.error(
        f"{row['image_name']} was marked by another reader in row {earlier.number} already",
        "reader",
        f"Choose one with --reader: {known}",
    )


def _folder(images: Path) -> Path:
    if not images.is_dir():
        raise InputError("there is no such folder of images", file=images, remedy="Give the folder with --images")
    return images


def _image_path(row: Row, folder: Path) -> Path:
    try:
        return find_image(folder, row["image_name"])
    except InputError as error:
        raise error.at(file=row.file, row=row.number, column="image_name") from error


def _with_its_source(spacing: Spacing | None, path: Path) -> Spacing | None:
    """A table's millimetres that are the file's own, as `radmark predict` writes them, rest on what the file's rest on."""
    if spacing is not None and spacing.source is not SpacingSource.TABLE:
        return spacing
    own = read_spacing(path)
    if spacing is None or (own is not None and (own.x_mm, own.y_mm) == (spacing.x_mm, spacing.y_mm)):
        return own
    return spacing


def _case(
    row: Row, path: Path, columns: _Columns, spacings: _Spacings, absent_corner_px: float | None, notes: _Notes
) -> Case | None:
    """The case of a row, or None and a finding for everything that is wrong with it."""
    before = len(notes.findings)
    size = notes.attempt("unreadable-image", read_size, path)
    spacing = notes.attempt("spacing", spacings.of, row)
    notes.attempt("point-count", _check_count, row, columns)
    marks = [notes.attempt("point", _mark, row, name, absent_corner_px) for name in columns.scheme.names]
    if size is None:
        return None
    frame = Frame(*size, _with_its_source(spacing, path))
    notes.attempt("image-size", _check_size, row, path, frame)
    for name, mark in zip(columns.scheme.names, marks, strict=True):
        if mark is not None:
            notes.attempt("outside-image", _check_inside, row, name, mark, frame)
    if len(notes.findings) > before:
        return None
    points = np.array([mark.xy for mark in marks if mark is not None])
    states = np.array([mark.state for mark in marks if mark is not None], np.int8)
    return Case(
        name=row["image_name"],
        image=path,
        landmarks=Landmarks(columns.scheme, frame, points, states),
        patient=row["patient_id"] or row["image_name"],
        part=row["split"] or None,
        attributes={column: row[column] for column in columns.attributes},
    )


def _check_size(row: Row, path: Path, frame: Frame) -> None:
    """The row has to say the size the image has, or its points are for another picture."""
    width, height = row.whole_in("image_width"), row.whole_in("image_height")
    if (width, height) == (frame.width, frame.height):
        return
    turned = ", turned by a quarter" if (height, width) == (frame.width, frame.height) else ""
    raise row.error(
        f"{path.name} is {frame.width} wide and {frame.height} high, not {width} and {height}{turned}",
        "image_width" if width != frame.width else "image_height",
        "Give the image the points were marked on: points marked on another size or turn are wrong here",
    )


def _check_count(row: Row, columns: _Columns) -> None:
    if row.whole_in("n_landmarks") != columns.landmarks_in_table:
        raise row.error(
            f"the header has columns for {columns.landmarks_in_table} landmarks",
            "n_landmarks",
            f"Write {columns.landmarks_in_table}, empty cells included, or mend the columns",
        )


@dataclass(frozen=True, slots=True)
class _Mark:
    xy: tuple[float, float]
    state: State


def _mark(row: Row, name: str, absent_corner_px: float | None) -> _Mark:
    """One landmark of a row: its two cells and the word on its state."""
    x_column, y_column, state_column = f"{name}_x", f"{name}_y", f"{name}_state"
    words = {state.label: state for state in State}
    word = row[state_column].lower()
    if word and word not in words:
        raise row.error("there is no such state", state_column, f"Use one of: {', '.join(words)}")
    stated = words.get(word)
    empty = [column for column in (x_column, y_column) if not row[column]]
    if len(empty) == 1:
        raise row.error(
            f"{name} has one coordinate and lacks the other", empty[0], "Fill both cells or leave both empty"
        )
    if empty:
        if stated in (State.PRESENT, State.OCCLUDED):
            raise row.error(f"{name} has a state but no point", state_column, "Give its x and y, or the state absent")
        return _Mark((np.nan, np.nan), State.NOT_ANNOTATED if stated is None else stated)
    if stated in (State.ABSENT, State.NOT_ANNOTATED):
        raise row.error(f"{name} has a point all the same", state_column, "Empty its x and y, or state it present")
    x, y = row.number_in(x_column), row.number_in(y_column)
    if stated is None and absent_corner_px is not None and x < absent_corner_px and y < absent_corner_px:
        return _Mark((np.nan, np.nan), State.ABSENT)
    return _Mark((x, y), State.PRESENT if stated is None else stated)


def _check_inside(row: Row, name: str, mark: _Mark, frame: Frame) -> None:
    if mark.state <= State.OCCLUDED and not frame.holds(np.array(mark.xy)):
        wrong_x = not -0.5 <= mark.xy[0] <= frame.width - 0.5
        raise row.error(
            f"{name} lies outside the image, which is {frame.width} wide and {frame.height} high",
            f"{name}_{'x' if wrong_x else 'y'}",
            f"Correct the point, leave x and y empty, or state it absent in a column {name}_state",
        )


def _warn(sheet: Sheet, rows: Sequence[Row], spacings: _Spacings, notes: _Notes) -> None:
    """Gaps in a table that stop nothing and may still be a mistake."""
    if "patient_id" in sheet.header:
        without = [row for row in rows if not row["patient_id"]]
        if without:
            notes.warning(
                "patient",
                without[0].error(
                    f"{len(without)} rows have no patient, and each counts as a patient of its own",
                    "patient_id",
                    "Fill patient_id in every row, or a split may part one patient's films",
                ),
            )
    if spacings.file is not None:
        without = [row for row in rows if not row[_SPACING[0]] and row["image_name"] not in spacings.by_image]
        if without:
            notes.warning(
                "spacing",
                without[0].error(
                    f"{spacings.file.name} has no spacing for {len(without)} images",
                    "image_name",
                    "Write the names there as they are here, suffix included",
                ),
            )


# ------------------------------------------------------------------------------------- readings, without the images

HOLDS = ALL


def read(path: Path, context: Context) -> Readings:
    """The rows of a table as readings: images need not be at hand, and there may be several readers."""
    sheet = read_sheet(path, _NEEDED)
    if sheet.ragged:
        raise sheet.ragged[0]
    columns = _columns(sheet, None)
    readings: list[Reading] = []
    for row in sheet.rows:
        _check_count(row, columns)
        marks: dict[str, Mark] = {}
        for name in columns.scheme.names:
            mark = _mark(row, name, context.absent_corner_px)
            sure = row.number_in(f"{name}_confidence") if row[f"{name}_confidence"] else None
            marks[name] = Mark(mark.state, *mark.xy, confidence=sure)
        others = {c: row[c] for c in columns.attributes if c not in ("reader", "session") and row[c]}
        try:
            readings.append(
                Reading(
                    row["image_name"].replace("\\", "/"),
                    marks,
                    size=(row.whole_in("image_width"), row.whole_in("image_height")),
                    spacing=_spacing(row, SpacingSource.TABLE),
                    reader=row["reader"] or None,
                    session=row["session"],
                    patient=row["patient_id"] or None,
                    part=row["split"] or None,
                    attributes=others,
                )
            )
        except InputError as error:
            raise error if error.row else error.at(file=path, row=row.number) from error
    return gathered(path, readings, names=columns.scheme.names)


def text(readings: Readings) -> str:
    """The table of these readings, with the optional columns for what is known.

    Raises:
        InputError: the size of an image is unknown, or an attribute has the name of a column.
    """
    rows = readings.readings
    scheme = readings.scheme
    every = [reading.mark(name) for reading in rows for name in scheme.names]
    with_states = any(mark.state in (State.OCCLUDED, State.ABSENT) for mark in every)
    with_confidence = any(mark.confidence is not None for mark in every)
    lines: list[dict[str, str]] = []
    for reading in rows:
        if reading.size is None:
            raise InputError(
                "the table states the size of each image, and this one's is unknown",
                value=reading.image,
                remedy="Give the folder of the images (--images)",
            )
        row = dict(zip(_NEEDED, (reading.image, *map(str, reading.size), str(len(scheme))), strict=True))
        for name in scheme.names:
            x, y = reading.mark(name).point
            row |= {f"{name}_x": _decimals(x), f"{name}_y": _decimals(y)}
        spacing = reading.spacing
        optional = {
            "patient_id": reading.patient,
            "split": reading.part,
            "reader": reading.reader,
            "session": reading.session,
            _SPACING[0]: spacing and repr(float(spacing.x_mm)),
            _SPACING[1]: spacing and repr(float(spacing.y_mm)),
        }
        row |= {column: value for column, value in optional.items() if value}
        if with_states:
            row |= {f"{name}_state": reading.mark(name).state.label for name in scheme.names}
        if with_confidence:
            sure = {name: reading.mark(name).confidence for name in scheme.names}
            row |= {f"{name}_confidence": "" if c is None else f"{c:.4f}" for name, c in sure.items()}
        taken = [c for c in reading.attributes if c in row or c in optional or c.endswith(("_x", "_y"))]
        if taken:
            raise InputError("an attribute has the name of a column", value=taken[0], remedy="Rename it")
        lines.append(row | dict(reading.attributes))
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(c for row in lines for c in row)), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


# ------------------------------------------------------------------------------------------------------- writing


def write_predictions_csv(path: Path, predictions: Sequence[Prediction]) -> None:
    """Write predictions in the columns of the annotation table, so that `read_dataset` reads them back.

    Points and confidences have four decimals. `spacing_x_mm, spacing_y_mm` are there where the spacing of an image is
    known (where it came from is not; the JSON says), `<name>_state` where a landmark is absent or occluded. A point
    that lies outside its image is written as it is, and `read_dataset` will refuse it.

    Raises:
        InputError: no prediction, two of one name, or predictions of several schemes.
    """
    write_text(path, text(of_predictions(predictions)))


def _decimals(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4f}"
