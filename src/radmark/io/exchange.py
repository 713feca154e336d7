"""What annotation formats share: what a reader may ask for that its file does not say, and from rows of a file to a study."""

import csv
import io
import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np

from radmark.core.errors import InputError
from radmark.core.facts import FACTS, Fact, FactSource, chosen, fact
from radmark.core.film import Film
from radmark.core.frame import Spacing, SpacingSource
from radmark.core.marks import Author, Consensus, Mark, Marks, Model, Origin, Reader
from radmark.core.scheme import Scheme
from radmark.core.study import Loss, Marked, Study, one_per_film
from radmark.io.images import IMAGE_SUFFIXES, open_film, read_size, with_file
from radmark.io.schemes import read_scheme, shipped_schemes
from radmark.io.sheet import Row

# ------------------------------------------------------------------------------------------------ films of a folder


class NoSuchFilmError(InputError):
    """A folder has no film of that name."""


def find_film(folder: Path, name: str) -> Path:
    """The file of a film. A name may lead into sub folders, not out of the folder, and may lack its suffix.

    Raises:
        NoSuchFilmError: there is none.
        InputError: it leads out, or several could be meant.
    """
    relative = PurePosixPath(name.replace("\\", "/"))
    if not name or relative.is_absolute() or ".." in relative.parts:
        raise InputError(
            f"this is not the name of a file under {folder}",
            value=name,
            remedy="Give names relative to the folder of images",
        )
    path = folder / relative
    for suffixes in ((), IMAGE_SUFFIXES, tuple(suffix.upper() for suffix in IMAGE_SUFFIXES)):
        tried = [path.with_name(path.name + suffix) for suffix in suffixes] or [path]
        found = [candidate for candidate in tried if _is_file(candidate)]
        if len(found) > 1:
            raise InputError(
                f"{' and '.join(file.name for file in found)} could be meant",
                value=name,
                remedy="Write the name with its suffix",
            )
        if found:
            return found[0]
    raise NoSuchFilmError(f"there is no such image in {folder}", value=name, remedy="Correct the name, or add the file")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long for the file system, or with a NUL, is the name of no file
        return False


def with_films(study: Study, folder: Path) -> Study:
    """The same study, every film with its file: path, header facts, millimetres where the study has none, pixels on demand.

    Raises:
        InputError: a film is missing, or of another size than the study says: its points are for another picture.
    """
    rows: list[Marked] = []
    for film, marks in study.rows:
        path = find_film(folder, film.name)
        there = film if film.path == path and film.load is not None else with_file(film, path)
        rows.append(Marked(there, marks.framed(there.frame)))
    return replace(study, rows=tuple(rows))


@dataclass(frozen=True)
class Context:
    """What the reader of a file may ask for that the file does not say.

    Args:
        scheme: names of the landmarks, for formats that only count them.
        films: the folder of the films.
        spacing: millimetres per pixel of all films, for formats in millimetres.
        absent_corner_px: a point with x and y both below this means "absent", where a format has that habit.
    """

    scheme: Scheme | None = None
    films: Path | None = None
    spacing: Spacing | None = None
    absent_corner_px: float | None = None

    def film(self, name: str) -> Path | None:
        """The film's file; None without a folder of films."""
        return None if self.films is None else find_film(self.films, name)

    def size_of(self, name: str) -> tuple[int, int] | None:
        """(width, height) of a film, from its file; None without a folder of films."""
        path = self.film(name)
        return None if path is None else read_size(path)

    def need_size_of(self, name: str, why: str) -> tuple[int, int]:
        """(width, height) of a film, from its file.

        Raises:
            InputError: there is no folder of films, or no such film in it.
        """
        size = self.size_of(name)
        if size is None:
            raise InputError(
                f"the size of the film is needed, because {why}",
                value=name,
                remedy="Give the folder of the films (--films)",
            )
        return size

    def spacing_of(self, name: str) -> Spacing | None:
        """Millimetres per pixel: as given, else as the film's own file says."""
        path = None if self.spacing is not None else self.film(name)
        return self.spacing if path is None else open_film(path).spacing

    def names(self, count: int) -> tuple[str, ...]:
        """Names for `count` landmarks that a file has in order but does not name.

        Raises:
            InputError: the scheme given has another number of landmarks.
        """
        if self.scheme is None:
            return tuple(f"landmark_{k}" for k in range(1, count + 1))
        if len(self.scheme) != count:
            raise InputError(
                f"scheme {self.scheme.name} has {len(self.scheme)} landmarks, and these are {count}",
                value=count,
                remedy="Give the scheme these landmarks belong to, in their order",
            )
        return self.scheme.names


# ------------------------------------------------------------------------------------------- rows of a file to a study

FilmRow = tuple[Film, Mapping[str, Mark], Author | None]
"""A film as a file tells of it, what is said of its landmarks by name, and by whom. One that is not named is not annotated."""


def film_row(
    name: str,
    marks: Mapping[str, Mark],
    *,
    size: tuple[int, int] | None = None,
    spacing: Spacing | None = None,
    author: Author | None = None,
    patient: str | None = None,
    part: str | None = None,
    facts: Sequence[Fact] = (),
    attributes: Mapping[str, str] | None = None,
) -> FilmRow:
    """One row of a file, its arguments as in `Film` and `Marks`; `patient` is a fact that the file states.

    Raises:
        InputError: not a valid name of a film, or a size of no pixel.
    """
    own = (Fact("patient", patient, FactSource.TABLE), *facts) if patient else tuple(facts)
    return Film(name, size, spacing, part=part, facts=own, attributes=attributes or {}), marks, author


@cache
def _shipped() -> tuple[Scheme, ...]:
    return tuple(read_scheme(name) for name in shipped_schemes())


def scheme_of(names: Sequence[str]) -> Scheme:
    """The shipped scheme of exactly these landmarks, in the order given; else one made from the bare names."""
    for scheme in _shipped():
        if set(scheme.names) == set(names):
            return replace(scheme, landmarks=tuple(scheme.landmarks[scheme.index(name)] for name in names))
    return Scheme.from_names(names)


def gathered(
    file: Path, rows: Sequence[FilmRow], lost: Sequence[Loss] = (), names: Sequence[str] | None = None
) -> Study:
    """The study of one file, in the scheme of the names given or, where a format has none, of the marks there are.

    Names that only appear with the marks are in the order of a shipped scheme that has them all, else as they first appear.

    Raises:
        InputError: no film, no landmark, a landmark that is not among the names, or one author twice on one film.
    """
    if not rows:
        raise InputError("the file holds no annotated film", file=file, remedy="Give a file with at least one")
    try:
        if names is None:
            seen = list(dict.fromkeys(name for _, marks, _ in rows for name in marks))
            if not seen:
                raise InputError("the file holds no landmark", remedy="Give a file with at least one")
            for shipped in _shipped():
                if set(shipped.names) == set(seen):
                    seen = list(shipped.names)
            names = seen
        scheme = scheme_of(names)
        for film, marks, _ in rows:
            if unknown := marks.keys() - set(names):
                raise InputError(
                    f"{film.name} has a landmark that the file's own list does not name",
                    value=min(unknown),
                    remedy=f"Use one of: {', '.join(names)}",
                )
        return Study(
            scheme,
            tuple(
                Marked(film, Marks.of(scheme, film.grid, marks, film=film.name, author=author))
                for film, marks, author in rows
            ),
            tuple(lost),
        )
    except InputError as error:
        raise error.at(file=file) from error


def of_marks(marks: Sequence[Marks]) -> Study:
    """A study of marks whose films are known by name, size and millimetres only, such as a model's on pictures in memory.

    Raises:
        InputError: none, two of one film, or of several schemes.
    """
    scheme = one_per_film(marks)
    return Study(scheme, tuple(Marked(_film_of(each), each) for each in marks))


def _film_of(marks: Marks) -> Film:
    return (
        Film(marks.film) if marks.on is None else Film(marks.film, (marks.on.width, marks.on.height), marks.on.spacing)
    )


def decimals(value: float) -> float:
    """A coordinate as files hold it: a ten-thousandth of a pixel, no minus zero."""
    return float(np.round(value, 4)) + 0.0


def once(marks: Container[str], name: str, file: Path, where: str, row: int | None = None) -> None:
    """Refuse a landmark that appears twice on one film.

    Raises:
        InputError: `name` is among `marks` already.
    """
    if name in marks:
        raise InputError(
            f"a landmark appears twice on {where}",
            file=file,
            row=row,
            value=name,
            remedy="Keep one, or rename the other",
        )


def sized(film: Film, format: str) -> tuple[int, int]:  # noqa: A002
    """The size of a film, for a format that states it.

    Raises:
        InputError: it is unknown.
    """
    if film.size is None:
        raise InputError(
            f"{format} needs the size of each film, and this one's is unknown",
            value=film.name,
            remedy="Give the folder of the films (--films)",
        )
    return film.size


def files_of(path: Path, suffix: str) -> list[tuple[Path, str]]:
    """The file itself, or all files of a folder that end so; each with its folder, relative to the one given.

    Raises:
        InputError: the folder has no such file.
    """
    if not path.is_dir():
        return [(path, "")]
    found = sorted(file for file in path.rglob(f"*{suffix}") if file.is_file())
    if not found:
        raise InputError(f"the folder holds no {suffix} file", file=path, remedy="Check the folder")
    return [(file, file.parent.relative_to(path).as_posix().removeprefix(".")) for file in found]


# ------------------------------------------------------------------------- authors, facts, and more of each landmark

AUTHOR_COLUMNS = ("reader", "session", "model_sha256", "model_name", "consensus_of")
"""How a table says who made the marks: a person and which reading it is, or a model, or the readers of a consensus."""

UNKNOWN_MODEL = "unknown"
"""In `model_sha256`, of a model whose file nobody knows."""

CONSENSUS = "consensus"
"""In `reader`, of a consensus."""

_EARLIER_READING = re.compile(r"(.+) \(reading (\d+)\)")


def author_of(cells: Callable[[str], str], *, sure: bool = False) -> Author | None:
    """Who made the marks of a row.

    Args:
        cells: a column's cell by its name, "" where there is none. A reader's name goes before a model: the one who corrected
            a model's points and signed them. "R1 (reading 2)", as earlier versions wrote it, is R1's second reading.
        sure: whether a landmark of the row has a confidence. A row that nobody signs is then by a model that nobody names, as
            earlier versions wrote predictions.
    """
    reader, session, sha256, name, of = (cells(column) for column in AUTHOR_COLUMNS)
    if of:
        return Consensus(tuple(next(csv.reader([of], delimiter=";", skipinitialspace=True))))
    if reader or session:
        earlier = None if session else _EARLIER_READING.fullmatch(reader)
        return Reader(reader, session) if earlier is None else Reader(earlier[1], earlier[2])
    if sha256 or sure:
        return Model("" if sha256 == UNKNOWN_MODEL else sha256, name or "model")
    return None


def author_cells(author: Author | None) -> dict[str, str]:
    """The columns of `AUTHOR_COLUMNS` that there is something to say in."""
    match author:
        case Reader(name, reading):
            told = {"reader": name, "session": reading}
        case Model(sha256, name):
            told = {"model_sha256": sha256 or UNKNOWN_MODEL, "model_name": "" if name == "model" else name}
        case Consensus(of):
            line = io.StringIO()
            csv.writer(line, delimiter=";", lineterminator="").writerow(of)
            told = {"reader": CONSENSUS, "consensus_of": line.getvalue()}
        case None:
            told = {}
    return {column: text for column, text in told.items() if text}


FACT_COLUMNS = tuple(name for name in FACTS if name != "patient")
"""Columns for facts of a film; the patient's is `patient_id`."""


def stated(film: Film) -> dict[str, Fact]:
    """The facts that a person states, by name: what an annotation file holds of a film.

    What the film's own header says stays there, so no patient's name gets from a header into a table.
    """
    own = [fact for fact in film.facts if fact.source in (FactSource.USER, FactSource.TABLE)]
    return {name: found for name in FACTS if (found := chosen(own, name)) is not None}


@dataclass(frozen=True, slots=True)
class Quantity:
    """What the formats that hold everything say of a landmark beside its point and state.

    Args:
        name: the field of `Mark`; the column `<landmark>_<name>` of the table, `<name>` of the long table, the key in JSON.
        words: what may stand there.
        read: from text or from what JSON holds; raises ValueError.
        text: as a cell.
        json: as JSON takes it.
    """

    name: str
    words: str
    read: Callable[[Any], Any]
    text: Callable[[Any], str]
    json: Callable[[Any], object]

    def value(self, given: object) -> Any:
        """The value.

        Raises:
            InputError: it is none.
        """
        try:
            return self.read(given)
        except (TypeError, ValueError):
            raise InputError(f"this is not a value of {self.name}", value=given, remedy=f"Give {self.words}") from None


def _share(given: Any) -> float:
    value = float(given)
    if not 0 <= value <= 1:
        raise ValueError
    return value


def _matrix(given: Any) -> tuple[float, float, float]:
    parts = given.split() if isinstance(given, str) else cast("list[Any]", given)
    xx, xy, yy = (float(part) for part in parts)
    if not (xx > 0 and yy > 0 and np.isfinite([xx, xy, yy]).all()):
        raise ValueError
    return xx, xy, yy


QUANTITIES = (
    Quantity("confidence", "a number from 0 to 1", _share, "{:.4f}".format, decimals),
    Quantity("presence", "a probability from 0 to 1", _share, "{:.4f}".format, decimals),
    Quantity(
        "covariance", "xx, xy and yy in px², in this order, with a space between them", _matrix,
        lambda v: " ".join(f"{number:.6g}" for number in v), lambda v: [float(f"{number:.6g}") for number in v],
    ),
    Quantity("origin", f"one of: {', '.join(Origin)}", Origin, str, str),
)  # fmt: skip
"""What may be known of a landmark beside its point and state; each in the formats that hold everything, where it is known."""


# ----------------------------------------------------------------------------------- what the two tables share of a row

SPACING_COLUMNS = ("spacing_x_mm", "spacing_y_mm")

_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def spacing_in(row: Row, source: SpacingSource = SpacingSource.TABLE) -> Spacing | None:
    """What a row's spacing columns say, None where both are empty or missing; `source` where the row itself says none.

    Raises:
        InputError: half of it, no positive numbers, or no such source.
    """
    given = [column for column in SPACING_COLUMNS if row[column]]
    word = row["spacing_source"]
    if word and word not in list(SpacingSource):
        known = ", ".join(SpacingSource)
        raise row.error("there is no such source of a spacing", "spacing_source", f"Use one of: {known}")
    if not given:
        return None
    if len(given) == 1:
        missing = SPACING_COLUMNS[1 - SPACING_COLUMNS.index(given[0])]
        raise row.error(f"{given[0]} is given and {missing} is not", missing, "Give both, or neither where unknown")
    for column in SPACING_COLUMNS:
        if row.number_in(column) <= 0:
            raise row.error(
                "a spacing has to be above zero", column, "Give millimetres per pixel, or leave both cells empty"
            )
    x_mm, y_mm = (row.number_in(column) for column in SPACING_COLUMNS)
    return Spacing(x_mm, y_mm, SpacingSource(word) if word else source)


def spacing_cells(spacing: Spacing | None, *, with_source: bool) -> dict[str, str]:
    """The columns that `spacing_in` reads."""
    if spacing is None:
        return {}
    cells = dict(zip(SPACING_COLUMNS, (repr(float(spacing.x_mm)), repr(float(spacing.y_mm))), strict=True))
    return cells | ({"spacing_source": spacing.source.value} if with_source else {})


def facts_in(row: Row) -> tuple[Fact, ...]:
    """The facts of its film that a row's columns state, the patient's apart.

    Raises:
        InputError: a cell holds no value of that fact.
    """
    found: list[Fact] = []
    for name in FACT_COLUMNS:
        text = row[name]
        if row.decimal_comma and _DECIMAL_COMMA.fullmatch(text):
            text = text.replace(",", ".")
        if text:
            try:
                found.append(fact(name, text, FactSource.TABLE))
            except InputError as error:
                raise row.error(error.problem, name, error.remedy) from error
    return tuple(found)


def fact_cells(film: Film) -> dict[str, str]:
    """The columns of the facts that a person states of a film."""
    return {"patient_id" if name == "patient" else name: found.text for name, found in stated(film).items()}


def quantities_in(row: Row, prefix: str = "") -> dict[str, Any]:
    """What a row says of a landmark beside point and state, by the field of `Mark`.

    Raises:
        InputError: a cell holds no such value.
    """
    found: dict[str, Any] = {}
    for quantity in QUANTITIES:
        column = prefix + quantity.name
        if text := row[column]:
            try:
                found[quantity.name] = quantity.value(text.replace(",", ".") if row.decimal_comma else text)
            except InputError as error:
                raise row.error(error.problem, column, error.remedy) from error
    return found
