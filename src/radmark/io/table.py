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
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import ParamSpec, TypedDict, TypeVar, Unpack

import numpy as np

from radmark.core.dataset import Case, Dataset
from radmark.core.errors import InputError
from radmark.core.frame import Frame, Spacing, SpacingSource
from radmark.core.landmarks import Landmarks, State
from radmark.core.prediction import Prediction, common_scheme
from radmark.core.scheme import Scheme
from radmark.io.atomic import replacing
from radmark.io.images import IMAGE_SUFFIXES, read_size, read_spacing
from radmark.io.schemes import read_scheme, shipped_schemes

_NEEDED = ("image_name", "image_width", "image_height", "n_landmarks")
_SPACING = ("spacing_x_mm", "spacing_y_mm")
_KNOWN = (*_NEEDED, *_SPACING, "patient_id", "split")  # `reader` is an attribute as well
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")  # float() would also take "nan", "inf" and "1_000"

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
    sheet = notes.attempt("table", _read_sheet, annotations, _NEEDED)
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
    taken: dict[Path, _Row] = {}
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
    sheet = _read_sheet(annotations, _NEEDED)
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


# ------------------------------------------------------------------------------------------------- text into rows


@dataclass(frozen=True, eq=False)
class _Row:
    """Cells of one row by column, stripped. A column the table does not have reads as empty."""

    file: Path
    number: int  # 1 is the header
    cells: Mapping[str, str]
    decimal_comma: bool

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    def error(self, problem: str, column: str, remedy: str) -> InputError:
        return InputError(problem, remedy=remedy, file=self.file, row=self.number, column=column, value=self[column])

    def number_in(self, column: str) -> float:
        text = self[column]
        if self.decimal_comma and "." not in text:
            text = text.replace(",", ".", 1)
        if not _NUMBER.fullmatch(text):
            hint = "Write a number with a decimal point"
            raise self.error("this is not a number", column, f"{hint}, or leave the cell empty where nothing is known")
        return float(text)

    def whole_in(self, column: str) -> int:
        value = self.number_in(column)
        if not (value.is_integer() and value > 0):
            raise self.error("this is not a whole, positive number", column, "Write a number such as 1024")
        return int(value)


@dataclass(frozen=True)
class _Sheet:
    """A table as text. `ragged` are the rows that do not fit the header; they are not among `rows`."""

    file: Path
    header: tuple[str, ...]
    rows: tuple[_Row, ...]
    ragged: tuple[InputError, ...]


def _read_sheet(path: Path, needed: Sequence[str]) -> _Sheet:
    """The rows of a CSV file. Lines that are empty, or hold nothing but separators, are skipped."""
    text = _read_text(path)
    lines: list[list[str]] = []
    try:
        separator = _separator(text, needed)
        lines.extend(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True))
    except csv.Error as error:
        raise InputError(
            f"this is not a table: {error}",
            file=path,
            row=len(lines) + 1,
            remedy="Save it as CSV, UTF-8, with a quote at both ends of a text",
        ) from error
    header = tuple(cell.strip() for cell in lines[0]) if lines else ()
    _check_header(path, header, needed)
    rows: list[_Row] = []
    ragged: list[InputError] = []
    for number, line in enumerate(lines[1:], start=2):
        cells = [cell.strip() for cell in line]
        if not any(cells):
            continue
        if len(cells) < len(header) or any(cells[len(header) :]):
            problem = f"the row has {len(cells)} cells under a header of {len(header)}"
            remedy = (
                "Give each column a cell, empty where nothing is known, and put quotes around a cell that holds a comma"
            )
            ragged.append(InputError(problem, remedy=remedy, file=path, row=number, value=line[0]))
            continue
        rows.append(_Row(path, number, dict(zip(header, cells, strict=False)), separator != ","))
    if not rows and not ragged:
        raise InputError("the table has a header and no row", file=path, remedy="Add one row for each image")
    return _Sheet(path, header, tuple(rows), tuple(ragged))


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError("there is no such table", file=path, remedy="Check the name and the folder") from None
    except OSError as error:
        raise InputError(
            f"the table cannot be opened: {error.strerror}", file=path, remedy="Check that it is a file you may read"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            "the table is not UTF-8 text", file=path, remedy='Save it as "CSV UTF-8", not as a workbook'
        ) from error


def _separator(text: str, needed: Sequence[str]) -> str:
    """The separator under which the header has the most of the columns it needs; the comma where none does."""

    def found(separator: str) -> int:
        header = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True), [])
        return len(set(needed) & {cell.strip() for cell in header})

    return max((",", ";", "\t"), key=found)


def _check_header(path: Path, header: Sequence[str], needed: Sequence[str]) -> None:
    missing = [column for column in needed if column not in header]
    if missing:
        raise InputError(
            f"the header lacks {', '.join(missing)}",
            file=path,
            row=1,
            column=missing[0],
            value=", ".join(header[:6]) + (", …" if len(header) > 6 else ""),
            remedy=f"Begin the header with {','.join(needed)}",
        )
    for column in header:
        if column and header.count(column) > 1:
            raise InputError(
                "a column stands twice in the header", file=path, row=1, column=column, remedy="Rename or remove one"
            )


# ------------------------------------------------------------------------------------- what the columns and rows mean


@dataclass(frozen=True)
class _Columns:
    """The scheme to read, how many landmarks the table itself has, and the columns nothing else explains."""

    scheme: Scheme
    landmarks_in_table: int
    attributes: tuple[str, ...]


def _columns(sheet: _Sheet, scheme: Scheme | None) -> _Columns:
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
        scheme = _shipped_like(names)
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


def _shipped_like(names: Sequence[str]) -> Scheme:
    """The shipped scheme of exactly these landmarks, in the order given; else one made from the bare names."""
    for shipped in shipped_schemes():
        scheme = read_scheme(shipped)
        if set(scheme.names) == set(names):
            return replace(scheme, landmarks=tuple(scheme.landmarks[scheme.index(name)] for name in names))
    return Scheme.from_names(names)


@dataclass(frozen=True)
class _Spacings:
    """Millimetres a pixel for a row: one for all, else the row's own, else those of the spacing file."""

    flag: Spacing | None
    file: Path | None
    by_image: Mapping[str, Spacing]

    def of(self, row: _Row) -> Spacing | None:
        return self.flag or _spacing(row, SpacingSource.TABLE) or self.by_image.get(row["image_name"])


def _spacings(flag: Spacing | None, file: Path | None) -> _Spacings:
    if flag is not None or file is None:
        return _Spacings(flag, None, {})
    sheet = _read_sheet(file, ("image_name", *_SPACING))
    if sheet.ragged:
        raise sheet.ragged[0]
    found = {row["image_name"]: _spacing(row, SpacingSource.FILE) for row in sheet.rows}
    return _Spacings(None, file, {name: spacing for name, spacing in found.items() if spacing is not None})


def _spacing(row: _Row, source: SpacingSource) -> Spacing | None:
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


def _rows_of(sheet: _Sheet, reader: str | None) -> tuple[_Row, ...]:
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


def _several_readers(rows: Sequence[_Row], earlier: _Row, row: _Row) -> InputError:
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


def _image_path(row: _Row, folder: Path) -> Path:
    """The file of a row. A name may lead into sub folders, not out of the folder, and may lack its suffix."""
    name = row["image_name"]
    relative = PurePosixPath(name.replace("\\", "/"))
    if not name or relative.is_absolute() or ".." in relative.parts:
        raise row.error(
            f"this is not the name of a file under {folder}",
            "image_name",
            "Give names relative to the folder of images",
        )
    path = folder / relative
    for suffixes in ((), IMAGE_SUFFIXES, tuple(suffix.upper() for suffix in IMAGE_SUFFIXES)):
        tried = [path.with_name(path.name + suffix) for suffix in suffixes] or [path]
        found = [candidate for candidate in tried if _is_file(candidate)]
        if len(found) > 1:
            raise row.error(
                f"{' and '.join(file.name for file in found)} could be meant",
                "image_name",
                "Write the name with its suffix",
            )
        if found:
            return found[0]
    raise row.error(f"there is no such image in {folder}", "image_name", "Correct the name, or add the file")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for the file system is the name of no file
        return False


def _case(
    row: _Row, path: Path, columns: _Columns, spacings: _Spacings, absent_corner_px: float | None, notes: _Notes
) -> Case | None:
    """The case of a row, or None and a finding for everything that is wrong with it."""
    before = len(notes.findings)
    size = notes.attempt("unreadable-image", read_size, path)
    spacing = notes.attempt("spacing", spacings.of, row)
    notes.attempt("point-count", _check_count, row, columns)
    marks = [notes.attempt("point", _mark, row, name, absent_corner_px) for name in columns.scheme.names]
    if size is None:
        return None
    frame = Frame(*size, spacing or read_spacing(path))
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


def _check_size(row: _Row, path: Path, frame: Frame) -> None:
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


def _check_count(row: _Row, columns: _Columns) -> None:
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


def _mark(row: _Row, name: str, absent_corner_px: float | None) -> _Mark:
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


def _check_inside(row: _Row, name: str, mark: _Mark, frame: Frame) -> None:
    if mark.state <= State.OCCLUDED and not frame.holds(np.array(mark.xy)):
        wrong_x = not -0.5 <= mark.xy[0] <= frame.width - 0.5
        raise row.error(
            f"{name} lies outside the image, which is {frame.width} wide and {frame.height} high",
            f"{name}_{'x' if wrong_x else 'y'}",
            f"Correct the point, leave x and y empty, or state it absent in a column {name}_state",
        )


def _warn(sheet: _Sheet, rows: Sequence[_Row], spacings: _Spacings, notes: _Notes) -> None:
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


# ------------------------------------------------------------------------------------------------------- writing


def write_predictions_csv(path: Path, predictions: Sequence[Prediction]) -> None:
    """Write predictions in the columns of the annotation table, so that `read_dataset` reads them back.

    Points and confidences have four decimals. `spacing_x_mm, spacing_y_mm` are there where the spacing of an image is
    known (where it came from is not; the JSON says), `<name>_state` where a landmark is absent or occluded. A point
    that lies outside its image is written as it is, and `read_dataset` will refuse it.

    Raises:
        InputError: no prediction, two of one name, or predictions of several schemes.
    """
    scheme = common_scheme(predictions)
    with_spacing = any(p.landmarks.frame.spacing for p in predictions)
    with_states = any(np.isin(p.landmarks.states, (State.OCCLUDED, State.ABSENT)).any() for p in predictions)
    rows: list[dict[str, str]] = []
    for prediction in predictions:
        landmarks = prediction.landmarks
        frame = landmarks.frame
        row = dict(zip(_NEEDED, (prediction.name, str(frame.width), str(frame.height), str(len(scheme))), strict=True))
        for name, (x, y) in zip(scheme.names, landmarks.points, strict=True):
            row |= {f"{name}_x": _decimals(x), f"{name}_y": _decimals(y)}
        if with_spacing:
            spacing = frame.spacing
            values = ("", "") if spacing is None else (repr(float(spacing.x_mm)), repr(float(spacing.y_mm)))
            row |= dict(zip(_SPACING, values, strict=True))
        if with_states:
            row |= {f"{n}_state": State(int(s)).label for n, s in zip(scheme.names, landmarks.states, strict=True)}
        row |= {f"{n}_confidence": _decimals(c) for n, c in zip(scheme.names, prediction.confidence, strict=True)}
        rows.append(row)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _decimals(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4f}"
