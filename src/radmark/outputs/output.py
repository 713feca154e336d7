"""What an output is, and which there are: each module of this package with an `OUTPUT`, each entry point `radmark.outputs`."""

import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from radmark.core.report import Report
from radmark.core.scheme import Scheme
from radmark.io.dicom_sr import Verified


@dataclass(frozen=True)
class Options:
    """How to write.

    Args:
        measure: also write the measurements, where an output leaves the choice.
        burned_in_ok: write pictures of films whose pixels hold text by their header's own word.
        verified_by: who says that a structured report is right.
        report_uid: SOP Instance UID of a structured report; None: a new one.
        batch: also say of each film whether it could be used, and what the sha256 of its file is.
    """

    measure: bool = False
    burned_in_ok: bool = False
    verified_by: Verified | None = None
    report_uid: str | None = None
    batch: bool = False


Row = Mapping[str, Any]
"""What a file says of one film, ready for JSON; what else it holds is the output's own."""


@dataclass(frozen=True)
class Line:
    """One film of a file of many.

    Args:
        film: its name.
        row: what the file says of it; None where it could not be used.
        problem: why, and None otherwise.
        sha256: of its file, where somebody computed it.
    """

    film: str
    row: Row | None
    problem: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Rows:
    """How a file of many films is made film by film, so that a batch of any number of them need not be in memory.

    Args:
        of: a report's row.
        write: the file, whole or not at all, of lines that may be asked for more than once.
    """

    of: Callable[[Report, Options], Row]
    write: Callable[[Path, Callable[[], Iterable[Line]], Scheme, Options], None]

    def whole(self, path: Path, reports: Sequence[Report], options: Options) -> None:
        """The file of reports that are all there."""
        lines = [Line(report.film.name, self.of(report, options)) for report in reports]
        self.write(path, lambda: lines, reports[0].marks.scheme, options)


@dataclass(frozen=True)
class Output:
    """One kind of file.

    Args:
        name: as `--format` says it.
        title: in words, for lists.
        media: its media type.
        suffixes: of --out that mean it.
        write: one file of reports: of one film where there is a file per film, else of all.
        ending: of a film's file in a folder; "" where one file holds all films.
        pixels: whether the film's pixels are needed.
        beside: further files that one of all films brings, by their names' ends.
        rows: how one of all films is made film by film; None where it is not, and no batch writes it.
        ready: raises InputError where it cannot be written so at all, before any work is done.
    """

    name: str
    title: str
    media: str
    suffixes: tuple[str, ...]
    write: Callable[[Path, Sequence[Report], Options], None]
    ending: str = ""
    pixels: bool = False
    beside: Callable[[Options], tuple[str, ...]] = lambda _: ()
    rows: Rows | None = None
    ready: Callable[[Options], None] = lambda _: None

    @property
    def per_film(self) -> bool:
        """Whether each film has a file of its own."""
        return bool(self.ending)


COMBINED: Mapping[str, tuple[str, ...]] = {"dcm-all": ("dcm", "gsps", "sc")}
"""Names that mean several outputs of each film."""


@cache
def outputs() -> Mapping[str, Output]:
    """Every output there is, by name, files of many films first: radmark's own, and those that other packages register."""
    package = import_module("radmark.outputs")
    found: dict[str, Output] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        output = getattr(import_module(f"radmark.outputs.{module}"), "OUTPUT", None)
        if isinstance(output, Output):
            found[output.name] = output
    for entry in entry_points(group="radmark.outputs"):
        output = entry.load()
        if isinstance(output, Output):
            found.setdefault(output.name, output)
    return {output.name: output for output in sorted(found.values(), key=lambda o: (o.per_film, o.name))}
