"""The long table: a CSV with one row per landmark of each film and reading, which holds everything radmark knows.

Columns `image` (or `image_name`), `landmark`, `x`, `y`; further `state` (present, occluded, absent, not_annotated), `confidence`,
`presence`, `covariance`, `origin`; `reader` and `session`, or `model_sha256` and `model_name`, or `consensus_of`; of the film
`patient_id`, `split`, `image_width`, `image_height`, `spacing_x_mm`, `spacing_y_mm`, `spacing_source` and its facts (side,
display, …, as in the annotation table); any other column is an attribute of the film. Convention: radmark's own: x right, y down,
pixels, (0, 0) the **centre** of the top-left pixel. An empty pair is not annotated unless the state says absent; a landmark
without a row is not annotated.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from radmark.core.errors import InputError
from radmark.core.frame import SpacingSource
from radmark.core.marks import Mark, State
from radmark.core.study import Marked, Study
from radmark.io.exchange import (
    AUTHOR_COLUMNS,
    FACT_COLUMNS,
    QUANTITIES,
    SPACING_COLUMNS,
    Context,
    FilmRow,
    author_cells,
    author_of,
    decimals,
    fact_cells,
    facts_in,
    film_row,
    gathered,
    once,
    quantities_in,
    spacing_cells,
    spacing_in,
)
from radmark.io.format import ALL, Content, Format
from radmark.io.sheet import Row, read_sheet

_SIZE = ("image_width", "image_height")
_OF_FILM = (*_SIZE, *SPACING_COLUMNS, "spacing_source", "patient_id", "split", *FACT_COLUMNS)
_OF_MARK = ("landmark", "x", "y", "state", *(quantity.name for quantity in QUANTITIES))


def read(path: Path, context: Context) -> Study:
    """The rows, gathered by film and author."""
    _ = context
    sheet = read_sheet(path, ("landmark", "x", "y"))
    if sheet.ragged:
        raise sheet.ragged[0]
    name = next((column for column in ("image", "image_name") if column in sheet.header), None)
    if name is None:
        raise InputError("the header names no image", file=path, row=1, remedy="Add a column image")
    others = [c for c in sheet.header if c and c not in (name, *AUTHOR_COLUMNS, *_OF_FILM, *_OF_MARK)]
    first: dict[tuple[str, ...], Row] = {}
    marks: dict[tuple[str, ...], dict[str, Mark]] = {}
    for line in sheet.rows:
        key = (line[name], *(line[column] for column in AUTHOR_COLUMNS))
        if not line["landmark"]:
            raise line.error("the row names no landmark", "landmark", "Write its name")
        head = first.setdefault(key, line)
        for column in (*_OF_FILM, *others):
            if line[column] != head[column]:
                raise line.error(
                    f"row {head.number} says {head[column]!r} of the same image", column, "Make them alike"
                )
        of_film = marks.setdefault(key, {})
        once(of_film, line["landmark"], path, f"film {line[name]}", line.number)
        of_film[line["landmark"]] = _mark(line)
    rows: list[FilmRow] = []
    for key, line in first.items():
        sure = any(mark.confidence is not None for mark in marks[key].values())
        try:
            rows.append(
                film_row(
                    line[name].replace("\\", "/"),
                    marks[key],
                    size=_size(line),
                    spacing=spacing_in(line),
                    author=author_of(line.__getitem__, sure=sure),
                    patient=line["patient_id"] or None,
                    part=line["split"] or None,
                    facts=facts_in(line),
                    attributes={column: line[column] for column in others if line[column]},
                )
            )
        except InputError as error:
            raise error if error.row else error.at(file=path, row=line.number) from error
    return gathered(path, rows)


def _mark(line: Row) -> Mark:
    words = {state.label: state for state in State}
    word = line["state"].lower()
    if word and word not in words:
        raise line.error("there is no such state", "state", f"Use one of: {', '.join(words)}")
    empty = [column for column in ("x", "y") if not line[column]]
    if len(empty) == 1:
        raise line.error(
            "one coordinate is given and the other is not", empty[0], "Fill both cells or leave both empty"
        )
    state = words[word] if word else State.NOT_ANNOTATED if empty else State.PRESENT
    if (state <= State.OCCLUDED) == bool(empty):
        raise line.error("the state and the point contradict each other", "state", "Give a point, or the state absent")
    more = quantities_in(line)
    return Mark(state, **more) if empty else Mark(state, line.number_in("x"), line.number_in("y"), **more)


def _size(line: Row) -> tuple[int, int] | None:
    given = [column for column in _SIZE if line[column]]
    if len(given) == 1:
        raise line.error(
            f"{given[0]} is given without its partner", given[0], f"Give {' and '.join(_SIZE)}, or neither"
        )
    return (line.whole_in(_SIZE[0]), line.whole_in(_SIZE[1])) if given else None


def text(study: Study) -> str:
    """The file for a study: a row for every landmark of the scheme, and only the columns something is known of."""
    sources = {film.spacing.source for film, _ in study.rows if film.spacing is not None}
    with_source = sources != {SpacingSource.TABLE}
    rows = [line for each in study.rows for line in _lines(each, study.scheme.names, with_source)]
    needed = ("image", "landmark", "x", "y", "state")
    columns = [*needed, *AUTHOR_COLUMNS, *_OF_FILM, *(quantity.name for quantity in QUANTITIES)]
    others = list(dict.fromkeys(key for film, _ in study.rows for key in film.attributes))
    taken = [name for name in others if name in (*columns, "image_name")]
    if taken:
        raise InputError("an attribute has the name of a column", value=taken[0], remedy="Rename it")
    columns = [column for column in columns if column in needed or any(line.get(column) for line in rows)]
    out = io.StringIO()
    table = csv.DictWriter(out, [*columns, *others], extrasaction="ignore", restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return out.getvalue()


def _lines(each: Marked, names: Sequence[str], with_source: bool) -> list[dict[str, str]]:
    film, marks = each
    width, height = ("", "") if film.size is None else map(str, film.size)
    of_film = {
        **author_cells(marks.author),
        "image_width": width,
        "image_height": height,
        **spacing_cells(film.spacing, with_source=with_source),
        **fact_cells(film),
        "split": film.part or "",
        **film.attributes,
    }
    lines: list[dict[str, str]] = []
    for name in names:
        mark = marks.mark(name)
        more = {q.name: q.text(value) for q in QUANTITIES if (value := getattr(mark, q.name)) is not None}
        point = (
            {axis: f"{decimals(value):.4f}" for axis, value in zip("xy", mark.point, strict=True)}
            if mark.placed
            else {}
        )
        lines.append({"image": film.name, "landmark": name, "state": mark.state.label, **point, **of_film, **more})
    return lines


def _recognised(content: Content) -> bool:
    return {"landmark", "x", "y"} <= set(content.cells)


FORMAT = Format("long", "the long table", ".csv", ALL, _recognised, read, text=text)
