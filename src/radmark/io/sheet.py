"""Rows of a text table, as spreadsheets of all countries write it: commas, semicolons or tabs; decimal points or commas."""

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from radmark.core.errors import InputError

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")  # float() would also take "nan", "inf" and "1_000"


@dataclass(frozen=True, eq=False)
class Row:
    """Cells of one row by column, stripped. A column the table does not have reads as empty."""

    file: Path
    number: int  # 1 is the header
    cells: Mapping[str, str]
    decimal_comma: bool

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    def error(self, problem: str, column: str, remedy: str) -> InputError:
        """An error about one cell."""
        return InputError(problem, remedy=remedy, file=self.file, row=self.number, column=column, value=self[column])

    def number_in(self, column: str) -> float:
        """A finite number."""
        text = self[column]
        if self.decimal_comma and "." not in text:
            text = text.replace(",", ".", 1)
        if not _NUMBER.fullmatch(text):
            hint = "Write a number with a decimal point"
            raise self.error("this is not a number", column, f"{hint}, or leave the cell empty where nothing is known")
        if not math.isfinite(float(text)):
            raise self.error("the number is too large", column, "Write a number of pixels")
        return float(text)

    def whole_in(self, column: str) -> int:
        """A whole, positive number."""
        value = self.number_in(column)
        if not (value.is_integer() and value > 0):
            raise self.error("this is not a whole, positive number", column, "Write a number such as 1024")
        return int(value)


@dataclass(frozen=True)
class Sheet:
    """A table as text. `ragged` are the rows that do not fit the header; they are not among `rows`."""

    file: Path
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    ragged: tuple[InputError, ...]


def read_sheet(path: Path, needed: Sequence[str]) -> Sheet:
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
    rows: list[Row] = []
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
        rows.append(Row(path, number, dict(zip(header, cells, strict=False)), separator != ","))
    if not rows and not ragged:
        raise InputError("the table has a header and no row", file=path, remedy="Add one row for each image")
    return Sheet(path, header, tuple(rows), tuple(ragged))


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
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
        header = next(lines, list[str]())
        return len(set(needed) & {cell.strip() for cell in header})

    return max((",", ";", "\t"), key=found)


def _check_header(path: Path, header: Sequence[str], needed: Sequence[str]) -> None:
    missing = [column for column in needed if column not in header]
    if missing:
        raise InputError(
            f"missing column{'s' * (len(missing) > 1)} {', '.join(missing)}",
            file=path,
            row=1,
            column=missing[0],
            value=", ".join(header[:6]) + (", …" if len(header) > 6 else ""),
            remedy=f"Begin the header with {','.join(needed)}",
        )
    for column in header:
        if column and header.count(column) > 1:
            raise InputError(
                "a column appears twice in the header", file=path, row=1, column=column, remedy="Rename or remove one"
            )
