"""The annotation table as Parquet, for many films: its columns, typed, with those a table leaves out where they say nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from radmark import RESEARCH_USE, __version__
from radmark.core.errors import InputError
from radmark.core.report import Report
from radmark.core.scheme import Scheme
from radmark.io.atomic import replacing
from radmark.io.measurements import MEASUREMENT_COLUMNS
from radmark.outputs import csv
from radmark.outputs.output import Line, Options, Output, Row, Rows

MEASUREMENTS = ".measurements.parquet"

GROUP = 1000
"""Rows that are in memory at once."""

_WHOLE = ("image_width", "image_height", "n_landmarks")
_NUMBERS = ("spacing_x_mm", "spacing_y_mm", "value", "sd", "scale_sd_percent")


def row(report: Report, options: Options) -> Row:
    """The cells of a film, and of its measurements where they are asked for."""
    return csv.row(report, options)


def write(path: Path, lines: Callable[[], Iterable[Line]], scheme: Scheme, options: Options) -> None:
    """One row per film, of a batch also a bad one with its `problem`; the notice, the scheme and the pixels' origin are metadata.

    Raises:
        InputError: pyarrow is not installed.
    """
    usual = [
        "image_name", *_WHOLE, *(f"{name}_{axis}" for name in scheme.names for axis in "xy"),
        "spacing_x_mm", "spacing_y_mm", "spacing_source",
        *(f"{name}_{what}" for what in ("state", "confidence") for name in scheme.names),
        *(("problem", "sha256") if options.batch else ()), "model_sha256",
    ]  # fmt: skip
    told = {"scheme": scheme.name, "pixel_origin": "centre of the top-left pixel"}
    columns = dict.fromkeys(usual)
    for line in lines():
        columns |= dict.fromkeys({} if line.row is None else line.row["cells"])
    _write(path, _types(list(columns), scheme), (_cells(line) for line in lines()), told)
    if options.measure:
        results = (cells for line in lines() if line.row is not None for cells in line.row["measurements"])
        _write(path.with_suffix(MEASUREMENTS), _types(MEASUREMENT_COLUMNS, scheme), results, told)


def _cells(line: Line) -> dict[str, Any]:
    own = {"image_name": line.film, "problem": line.problem, "sha256": line.sha256}
    return own if line.row is None else {**line.row["cells"], **own}


def _types(columns: Sequence[str], scheme: Scheme) -> dict[str, type[int | float | str]]:
    """Column -> the type of its values."""
    numbers = {f"{name}_{what}" for name in scheme.names for what in ("x", "y", "confidence", "presence")}
    return {c: int if c in _WHOLE else float if c in numbers or c in _NUMBERS else str for c in columns}


def _write(
    path: Path,
    types: Mapping[str, type[int | float | str]],
    rows: Iterable[Mapping[str, Any]],
    told: Mapping[str, str],
) -> None:
    pa, pq = need_pyarrow()
    of_type = {int: pa.int32(), float: pa.float64(), str: pa.string()}
    metadata = {"notice": RESEARCH_USE, "made_by": f"radmark {__version__}", **told}
    schema = pa.schema([(name, of_type[kind]) for name, kind in types.items()], metadata=metadata)
    typed = ({c: read(row[c]) for c, read in types.items() if row.get(c) not in (None, "")} for row in rows)
    with replacing(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        while group := list(islice(typed, GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))


def need_pyarrow() -> tuple[Any, Any]:
    """pyarrow and its Parquet part.

    Raises:
        InputError: they are not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise InputError(
            "Parquet files need pyarrow, which is not installed",
            remedy='Install it with: pip install "radmark[parquet]", or end --out in .csv or .json',
        ) from error
    return pa, pq


ROWS = Rows(row, write)

OUTPUT = Output(
    "parquet",
    "points as a Parquet table",
    "application/vnd.apache.parquet",
    (".parquet",),
    ROWS.whole,
    beside=lambda options: (MEASUREMENTS,) if options.measure else (),
    rows=ROWS,
    ready=lambda _: need_pyarrow() and None,
)
