"""The annotation table together with its folder of films: read as training reads it, and checked on the way.

What the columns mean is in `formats.table`. Reading and checking are one path: `inspect_table` collects all that is wrong, and
`read_dataset` stops at it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ParamSpec, TypedDict, TypeVar, Unpack

import numpy as np

from radmark.core.errors import InputError
from radmark.core.facts import contradictions
from radmark.core.film import Film
from radmark.core.frame import Frame, Spacing, SpacingSource
from radmark.core.marks import Mark, Marks, Reader
from radmark.core.scheme import Scheme
from radmark.core.study import Marked, Study
from radmark.io.exchange import SPACING_COLUMNS, author_cells, facts_in, film_row, find_film, spacing_in
from radmark.io.formats.table import NEEDED, Columns, author_in, check_count, columns_of, mark_in, name_of
from radmark.io.images import with_file
from radmark.io.sheet import Row, Sheet, read_sheet

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Severity(StrEnum):
    """How bad a problem is: with an error training would fail or lie; a warning is worth a look."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or looks wrong, in a table and its films.

    Args:
        severity: error or warning.
        kind: a short word for this sort of problem, such as "outside-image", the same in every version.
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
        rows: one for each row without an error, in the table's order.
        files: the image file of each row, where there is one, with the number of the row; the header is row 1.
        problems: all that is wrong, in the table's order.
    """

    scheme: Scheme | None = None
    rows: tuple[Marked, ...] = ()
    files: Mapping[Path, int] = field(default_factory=dict[Path, int])
    problems: tuple[Problem, ...] = ()


class TableOptions(TypedDict, total=False):
    """How to read a table; each may be left out.

    Args:
        scheme: landmarks to pick from the table, by name. None takes all, with the definitions and pairs of the shipped
            scheme that has the very same names; the table's order wins.
        spacing: millimetres per pixel for all films. Wins over the table's columns, they win over `spacing_file`.
        spacing_file: a table `image_name, spacing_x_mm, spacing_y_mm`.
        absent_corner_px: points with x and y both below this many pixels mean "absent", unless `<name>_state` says
            something else: the habit of clicking an invisible landmark into the top-left corner.
        reader: takes the rows of this one in the `reader` column, or of one reading ("anna, reading 2"); without that column, a
            name for who read them all.
    """

    scheme: Scheme | None
    spacing: Spacing | None
    spacing_file: Path | None
    absent_corner_px: float | None
    reader: str | None


def read_dataset(annotations: Path, images: Path, **options: Unpack[TableOptions]) -> Study:
    """A table and its films as a study with one reading per film. Films are looked up and measured, not decoded.

    Args:
        annotations: the table, see `formats.table`.
        images: the folder that `image_name` is relative to. A name without a suffix gets the one that exists.
        options: how to read the table, see `TableOptions`.

    Raises:
        InputError: the first error of the table, and how many more there are.
    """
    inspection = inspect_table(annotations, images, **options)
    errors = [problem.cause for problem in inspection.problems if problem.severity is Severity.ERROR]
    if inspection.scheme is None or errors:
        raise errors[0] if len(errors) == 1 else _with_more(errors)
    return Study(inspection.scheme, inspection.rows)


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
    notes = _Notes()
    sheet = notes.attempt("table", read_sheet, annotations, NEEDED)
    folder = notes.attempt("missing-image", _folder, images)
    if sheet is None or folder is None:
        return Inspection(problems=tuple(notes.problems))
    columns = notes.attempt("table", columns_of, sheet, options.get("scheme"))
    spacings = notes.attempt("spacing", _spacings, options.get("spacing"), options.get("spacing_file"))
    lines = None if columns is None else notes.attempt("reader", _rows_of, sheet, columns, options.get("reader"))
    if columns is None or spacings is None or lines is None:
        return Inspection(problems=tuple(notes.problems))
    for error in sheet.ragged:
        notes.error("table", error)
    rows: list[Marked] = []
    taken: dict[Path, Row] = {}
    for line in lines:
        path = notes.attempt("missing-image", _path, line, folder)
        if path is None:
            continue
        earlier = taken.setdefault(path, line)
        if author_in(earlier, columns.scheme.names) != author_in(line, columns.scheme.names):
            notes.error("reader", _several_readings(columns, lines, earlier, line))
            break  # so it goes for the whole table, and one problem says it
        if earlier is not line:
            notes.error(
                "duplicate-name",
                line.error(
                    f"the image is in row {earlier.number} already", "image_name", "Keep one row for each image"
                ),
            )
            continue
        marked = _marked(line, path, columns, options, spacings, notes)
        if marked is not None:
            rows.append(marked)
    _warn(sheet, lines, spacings, notes)
    files = {path: line.number for path, line in taken.items()}
    return Inspection(columns.scheme, tuple(rows), files, tuple(notes.problems))


class _Notes:
    """Problems as they come."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def error(self, kind: str, cause: InputError) -> None:
        self.problems.append(Problem(Severity.ERROR, kind, cause))

    def warning(self, kind: str, cause: InputError) -> None:
        self.problems.append(Problem(Severity.WARNING, kind, cause))

    def attempt(self, kind: str, read: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T | None:
        """What `read` returns, or None and a problem of this kind where it raises an `InputError`."""
        try:
            return read(*args, **kwargs)
        except InputError as cause:
            self.error(kind, cause)
            return None


# ------------------------------------------------------------------------------------------ which rows, which spacing


@dataclass(frozen=True)
class _Spacings:
    """Millimetres per pixel for a row: one for all, else the row's own, else those of the spacing file."""

    flag: Spacing | None
    file: Path | None
    by_image: Mapping[str, Spacing]

    def of(self, line: Row) -> Spacing | None:
        return self.flag or spacing_in(line) or self.by_image.get(line["image_name"])


def _spacings(flag: Spacing | None, file: Path | None) -> _Spacings:
    if flag is not None or file is None:
        return _Spacings(flag, None, {})
    sheet = read_sheet(file, ("image_name", *SPACING_COLUMNS))
    if sheet.ragged:
        raise sheet.ragged[0]
    found = {line["image_name"]: spacing_in(line, SpacingSource.FILE) for line in sheet.rows}
    return _Spacings(None, file, {name: spacing for name, spacing in found.items() if spacing is not None})


def _rows_of(sheet: Sheet, columns: Columns, reader: str | None) -> tuple[Row, ...]:
    """The rows of one reader, or of one reading; all rows where none is asked for, or the table does not name readers."""
    if reader is None or "reader" not in sheet.header:
        return sheet.rows
    labels = {line.number: _label(line, columns) for line in sheet.rows}
    exactly = tuple(
        line for line in sheet.rows if reader in (labels[line.number], line["reader"]) and not line["session"]
    )
    exactly = exactly or tuple(line for line in sheet.rows if labels[line.number] == reader)
    of_name = tuple(line for line in sheet.rows if line["reader"] == reader)
    if not exactly and not of_name:
        known = "; ".join(sorted({label or "(empty)" for label in labels.values()}))
        raise InputError(
            "the table has no row of this reader",
            file=sheet.file,
            column="reader",
            value=reader,
            remedy=f"Use one of: {known}",
        )
    return exactly or of_name


def _label(line: Row, columns: Columns) -> str:
    """Which reader's which reading a row is, as --reader says it; "" where nobody is named."""
    author = author_in(line, columns.scheme.names)
    return str(author) if isinstance(author, Reader) else author_cells(author).get("reader", "")


def _several_readings(columns: Columns, lines: Sequence[Row], earlier: Row, line: Row) -> InputError:
    known = sorted({_label(other, columns) or "(empty)" for other in lines})
    return line.error(
        f"{line['image_name']} was marked in another reading in row {earlier.number} already",
        "reader",
        f"Choose one with --reader: {'; '.join(known)}",
    )


def _folder(images: Path) -> Path:
    if not images.is_dir():
        raise InputError("there is no such folder of films", file=images, remedy="Give the folder with --films")
    return images


def _path(line: Row, folder: Path) -> Path:
    try:
        return find_film(folder, line["image_name"])
    except InputError as error:
        raise error.at(file=line.file, row=line.number, column="image_name") from error


# ------------------------------------------------------------------------------------------------------- a row's film


def _marked(
    line: Row, path: Path, columns: Columns, options: TableOptions, spacings: _Spacings, notes: _Notes
) -> Marked | None:
    """The film of a row and the marks on it, or None and a problem for everything that is wrong with it."""
    before = len(notes.problems)
    own = notes.attempt("unreadable-image", with_file, Film(path.name), path)  # as the file alone tells of it
    spacing = notes.attempt("spacing", spacings.of, line)
    facts = notes.attempt("fact", facts_in, line)
    notes.attempt("point-count", check_count, line, columns)
    corner = options.get("absent_corner_px")
    found = {name: notes.attempt("point", mark_in, line, name, corner) for name in columns.scheme.names}
    marks = {name: mark for name, mark in found.items() if mark is not None}
    if own is None:
        return None
    notes.attempt("image-size", _check_size, line, path, own.frame)
    for name, mark in marks.items():
        notes.attempt("outside-image", _check_inside, line, name, mark, own.frame)
    if len(notes.problems) > before:
        return None
    author = author_in(line, columns.scheme.names)
    reader = options.get("reader")
    if reader is not None and "reader" not in line.cells:
        author = Reader(reader, line["session"])
    told, _, _ = film_row(
        name_of(line),
        marks,
        spacing=spacing,
        patient=line["patient_id"] or None,
        part=line["split"] or None,
        facts=facts or (),
        attributes={column: line[column] for column in columns.attributes},
    )
    film = with_file(told, path)
    _contradicted(line, film, notes)
    return Marked(film, Marks.of(columns.scheme, film.frame, marks, film=film.name, author=author))


def _contradicted(line: Row, film: Film, notes: _Notes) -> None:
    for finding in contradictions(film.facts):
        column = "patient_id" if finding.about == "patient" else finding.about
        notes.warning(
            finding.code,
            InputError(  # without the cell's value: it may be a patient's name
                finding.words, file=line.file, row=line.number, column=column, remedy="Correct whichever is wrong"
            ),
        )


def _check_size(line: Row, path: Path, frame: Frame) -> None:
    """The row has to say the size the image has, or its points are for another picture."""
    width, height = line.whole_in("image_width"), line.whole_in("image_height")
    if (width, height) == (frame.width, frame.height):
        return
    turned = ", turned by a quarter" if (height, width) == (frame.width, frame.height) else ""
    raise line.error(
        f"{path.name} is {frame.width} wide and {frame.height} high, not {width} and {height}{turned}",
        "image_width" if width != frame.width else "image_height",
        "Give the image the points were marked on: points marked on another size or turn are wrong here",
    )


def _check_inside(line: Row, name: str, mark: Mark, frame: Frame) -> None:
    if mark.placed and not frame.holds(np.array(mark.point)):
        wrong_x = not -0.5 <= mark.x <= frame.width - 0.5
        raise line.error(
            f"{name} lies outside the image, which is {frame.width} wide and {frame.height} high",
            f"{name}_{'x' if wrong_x else 'y'}",
            f"Correct the point, leave x and y empty, or state it absent in a column {name}_state",
        )


def _warn(sheet: Sheet, lines: Sequence[Row], spacings: _Spacings, notes: _Notes) -> None:
    """Gaps in a table that stop nothing and may still be a mistake."""
    if "patient_id" in sheet.header:
        without = [line for line in lines if not line["patient_id"]]
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
        without = [
            line for line in lines if not line[SPACING_COLUMNS[0]] and line["image_name"] not in spacings.by_image
        ]
        if without:
            notes.warning(
                "spacing",
                without[0].error(
                    f"{spacings.file.name} has no spacing for {len(without)} images",
                    "image_name",
                    "Write the names there as they are here, suffix included",
                ),
            )
