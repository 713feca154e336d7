"""The annotation table: one row per film and reading, which holds everything radmark knows.

Columns `image_name, image_width, image_height, n_landmarks`, then `<name>_x, <name>_y` for each landmark: x right,
y down, in pixels of the upright image, (0, 0) the centre of its top-left pixel, which is radmark's own convention. An
empty pair is "not annotated". Optional columns, anywhere:

- of the film: `patient_id, split`; `spacing_x_mm, spacing_y_mm` and `spacing_source` (see `SpacingSource`; a table that does
  not say is the source itself); facts of the film, a column each (`core.facts`): side, display, operated, view, date, …;
- of who marked it: `reader, session` (which reading), or `model_sha256, model_name`, or `consensus_of`;
- of a landmark: `<name>_state` (present, occluded, absent, not_annotated), `<name>_confidence`, `<name>_presence`,
  `<name>_covariance` (xx xy yy in px²), `<name>_origin` (placed, moved, accepted, imported, predicted).

Every other column is an attribute of the film.

The cells are separated by commas, or by semicolons or tabs as European spreadsheets write them, with which a decimal
comma is read as well.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radmark.core.errors import InputError
from radmark.core.film import Film
from radmark.core.frame import SpacingSource
from radmark.core.marks import Author, Mark, Marks, State
from radmark.core.scheme import Scheme
from radmark.core.study import Study
from radmark.io.atomic import write_text
from radmark.io.exchange import (
    AUTHOR_COLUMNS,
    FACT_COLUMNS,
    QUANTITIES,
    SPACING_COLUMNS,
    Context,
    FilmRow,
    author_cells,
    author_of,
    fact_cells,
    facts_in,
    film_row,
    gathered,
    of_marks,
    quantities_in,
    scheme_of,
    sized,
    spacing_cells,
    spacing_in,
)
from radmark.io.format import ALL, Content, Format
from radmark.io.sheet import Row, Sheet, read_sheet

NEEDED = ("image_name", "image_width", "image_height", "n_landmarks")
KNOWN = (*NEEDED, *SPACING_COLUMNS, "spacing_source", "patient_id", "split", *AUTHOR_COLUMNS, *FACT_COLUMNS)
"""Columns that are neither a landmark's nor an attribute."""


@dataclass(frozen=True)
class Columns:
    """What a header means.

    Args:
        scheme: the landmarks to read.
        landmarks_in_table: how many the table itself has.
        attributes: columns that nothing else explains.
    """

    scheme: Scheme
    landmarks_in_table: int
    attributes: tuple[str, ...]


def columns_of(sheet: Sheet, scheme: Scheme | None) -> Columns:
    """What the header of a table means; of a scheme only its landmarks are read, in its order.

    Raises:
        InputError: half a pair of columns, no landmark at all, or a landmark of the scheme that the table does not have.
    """
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
    ends = ("x", "y", "state", *(quantity.name for quantity in QUANTITIES))
    theirs = {f"{name}_{what}" for name in names for what in ends}
    attributes = tuple(c for c in header if c and c not in theirs and c not in KNOWN)
    return Columns(scheme, len(names), attributes)


def check_count(row: Row, columns: Columns) -> None:
    """Refuse a row that states another number of landmarks than the header has."""
    if row.whole_in("n_landmarks") != columns.landmarks_in_table:
        raise row.error(
            f"the header has columns for {columns.landmarks_in_table} landmarks",
            "n_landmarks",
            f"Write {columns.landmarks_in_table}, empty cells included, or fix the columns",
        )


def name_of(row: Row) -> str:
    """The film's name, with forward slashes."""
    return row["image_name"].replace("\\", "/")


def author_in(row: Row, names: Sequence[str]) -> Author | None:
    """Who made the marks of a row, `names` of its landmarks."""
    return author_of(row.__getitem__, sure=any(row[f"{name}_confidence"] for name in names))


def mark_in(row: Row, name: str, absent_corner_px: float | None) -> Mark:
    """One landmark of a row: its two cells, the word on its state, and what else is known of it.

    Raises:
        InputError: one coordinate alone, a state that contradicts them, or a cell that holds no such value.
    """
    x_column, y_column, state_column = f"{name}_x", f"{name}_y", f"{name}_state"
    words = {state.label: state for state in State}
    word = row[state_column].lower()
    if word and word not in words:
        raise row.error("there is no such state", state_column, f"Use one of: {', '.join(words)}")
    stated_ = words.get(word)
    empty = [column for column in (x_column, y_column) if not row[column]]
    if len(empty) == 1:
        raise row.error(
            f"{name} has one coordinate and lacks the other", empty[0], "Fill both cells or leave both empty"
        )
    if empty:
        if stated_ in (State.PRESENT, State.OCCLUDED):
            raise row.error(f"{name} has a state but no point", state_column, "Give its x and y, or the state absent")
        return Mark(State.NOT_ANNOTATED if stated_ is None else stated_, **quantities_in(row, f"{name}_"))
    if stated_ in (State.ABSENT, State.NOT_ANNOTATED):
        raise row.error(f"{name} has a point all the same", state_column, "Empty its x and y, or state it present")
    x, y = row.number_in(x_column), row.number_in(y_column)
    if stated_ is None and absent_corner_px is not None and x < absent_corner_px and y < absent_corner_px:
        return Mark(State.ABSENT)
    return Mark(State.PRESENT if stated_ is None else stated_, x, y, **quantities_in(row, f"{name}_"))


def read(path: Path, context: Context) -> Study:
    """The rows of a table: films need not be at hand, and there may be several readers."""
    sheet = read_sheet(path, NEEDED)
    if sheet.ragged:
        raise sheet.ragged[0]
    columns = columns_of(sheet, None)
    rows: list[FilmRow] = []
    for line in sheet.rows:
        check_count(line, columns)
        try:
            rows.append(
                film_row(
                    name_of(line),
                    {name: mark_in(line, name, context.absent_corner_px) for name in columns.scheme.names},
                    size=(line.whole_in("image_width"), line.whole_in("image_height")),
                    spacing=spacing_in(line),
                    author=author_in(line, columns.scheme.names),
                    patient=line["patient_id"] or None,
                    part=line["split"] or None,
                    facts=facts_in(line),
                    attributes={column: line[column] for column in columns.attributes if line[column]},
                )
            )
        except InputError as error:
            raise error if error.row else error.at(file=path, row=line.number) from error
    return gathered(path, rows, names=columns.scheme.names)


def text(study: Study) -> str:
    """The table of a study, with the optional columns for what is known.

    Raises:
        InputError: the size of a film is unknown, or an attribute has the name of a column.
    """
    lines = [cells(film, marks) for film, marks in study.rows]
    out = io.StringIO()
    shown = columns(lines, study.scheme)
    writer = csv.DictWriter(out, shown, restval="", lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def cells(film: Film, marks: Marks) -> dict[str, str]:
    """One row of the table, with everything that is known; which columns a table has, `columns` tells.

    Raises:
        InputError: the size of the film is unknown, or an attribute has the name of a column.
    """
    names = marks.scheme.names
    each = [marks.mark(name) for name in names]
    line = dict(zip(NEEDED, (film.name, *map(str, sized(film, "the table")), str(len(names))), strict=True))
    for name, mark in zip(names, each, strict=True):
        line |= {f"{name}_x": _decimals(mark.x), f"{name}_y": _decimals(mark.y)}
    line |= {
        **fact_cells(film),
        **({"split": film.part} if film.part else {}),
        **author_cells(marks.author),
        **spacing_cells(film.spacing, with_source=True),
        **{f"{name}_state": mark.state.label for name, mark in zip(names, each, strict=True)},
    }
    for quantity in QUANTITIES:
        values = [getattr(mark, quantity.name) for mark in each]
        if any(value is not None for value in values):
            told = ("" if value is None else quantity.text(value) for value in values)
            line |= zip((f"{name}_{quantity.name}" for name in names), told, strict=True)
    taken = [c for c in film.attributes if c in line or c in KNOWN or c.endswith(("_x", "_y"))]
    if taken:
        raise InputError("an attribute has the name of a column", value=taken[0], remedy="Rename it")
    return line | dict(film.attributes)


def columns(lines: Iterable[Mapping[str, str]], scheme: Scheme) -> list[str]:
    """The columns of a table of these rows: those that say something; states only where one is neither present nor unseen."""
    states = [f"{name}_state" for name in scheme.names]
    usual = (State.PRESENT.label, State.NOT_ANNOTATED.label)
    seen: dict[str, None] = {}
    with_states, sources = False, {SpacingSource.TABLE.value}
    for line in lines:
        seen |= dict.fromkeys(line)
        with_states = with_states or any(line[column] not in usual for column in states)
        sources.add(line.get("spacing_source", SpacingSource.TABLE.value))
    left = {*(() if with_states else states), *(() if len(sources) > 1 else ("spacing_source",))}
    quantities = [f"{name}_{quantity.name}" for quantity in QUANTITIES for name in scheme.names]
    ranks = {column: rank for rank, column in enumerate((*states, *quantities))}
    # Rows may lack what others have, so the order is told and not that of the first row.
    own = [column for column in seen if column not in ranks and column not in left]
    at = max((own.index(c) for c in own if c in KNOWN or c.endswith(("_x", "_y"))), default=-1) + 1
    more = sorted((c for c in seen if c in ranks and c not in left), key=ranks.__getitem__)
    return [*own[:at], *more, *own[at:]]


def write_predictions_csv(path: Path, predictions: Sequence[Marks]) -> None:
    """Write a model's marks in the columns of the annotation table, so that `read_dataset` reads them back.

    Points and confidences have four decimals. A point that lies outside its film is written as it is, and `read_dataset` will
    refuse it.

    Raises:
        InputError: nothing to write, two of one film, or marks of several schemes.
    """
    write_text(path, text(of_marks(predictions)))


def _decimals(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4f}"


def _recognised(content: Content) -> bool:
    cells = content.cells
    named = "n_landmarks" in cells or set(NEEDED[:3]) <= set(cells)
    return named and "landmark" not in cells


FORMAT = Format("csv", "the annotation table", ".csv", ALL, _recognised, read, text=text, default=True)
