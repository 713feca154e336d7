"""The annotation table: points, one row per film; with measurements in a second table beside it."""

import csv
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from radmark.core.report import Report
from radmark.core.scheme import Scheme
from radmark.io.atomic import replacing
from radmark.io.formats import table
from radmark.io.measurements import MEASUREMENT_COLUMNS, measurement_cells
from radmark.outputs.output import Line, Options, Output, Row, Rows
from radmark.outputs.studies import marked

MEASUREMENTS = ".measurements.csv"
PROBLEMS = ".problems.csv"


def row(report: Report, options: Options) -> Row:
    """The cells of a film, and of its measurements where they are asked for."""
    measured = measurement_cells(report.film.name, report.results) if options.measure else []
    return {"cells": table.cells(*marked(report)), "measurements": measured}


def write(path: Path, lines: Callable[[], Iterable[Line]], scheme: Scheme, options: Options) -> None:
    """Points, and in `<path>.measurements.csv` what was measured, where that is asked for.

    A table that is read back cannot hold films of unknown size, so a batch's bad ones go to `<path>.problems.csv`, which is there
    only if it is needed.
    """
    columns = table.columns((line.row["cells"] for line in lines() if line.row is not None), scheme)
    if options.batch:
        columns = [*columns, "sha256"]
    good = ({**line.row["cells"], "sha256": line.sha256} for line in lines() if line.row is not None)
    _write(path, columns, good)
    if options.measure:
        results = (cells for line in lines() if line.row is not None for cells in line.row["measurements"])
        _write(path.with_suffix(MEASUREMENTS), MEASUREMENT_COLUMNS, results)
    if options.batch:
        bad = [line for line in lines() if line.row is None]
        beside = path.with_suffix(PROBLEMS)
        beside.unlink(missing_ok=True)
        if bad:
            told = ({"image_name": b.film, "problem": b.problem, "sha256": b.sha256} for b in bad)
            _write(beside, ("image_name", "problem", "sha256"), told)


def _write(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, object]]) -> None:
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(columns), restval="", lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


ROWS = Rows(row, write)

OUTPUT = Output(
    "csv",
    "points as a table",
    "text/csv; charset=utf-8",
    (".csv",),
    ROWS.whole,
    beside=lambda options: (MEASUREMENTS,) if options.measure else (),
    rows=ROWS,
)
