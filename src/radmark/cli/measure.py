"""`radmark measure`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from radmark.cli.common import Marked, Measuring
from radmark.core.errors import InputError

if TYPE_CHECKING:
    from radmark.cli.common import ExamineOptions
    from radmark.core.report import Report, Result


@dataclass(frozen=True)
class Measure:
    """Leg length, offset, cup, hip and knee angles from landmarks, with their uncertainty and where their millimetres come from.

    What differs from film to film (side, operated side, head size, …) stands in columns of POINTS; what is given here goes for
    all films, and before those.
    """

    marked: Marked

    out: Path
    """The file to write: .csv, one row per measurement, or .json."""

    measuring: Measuring = field(default_factory=Measuring)

    format: Literal["csv", "json"] | None = None
    """Of --out; by default its suffix says it."""

    overwrite: bool = False
    """Replace --out."""

    def run(self) -> int:
        """Read, examine film by film, write."""
        from radmark.console import counted, err, out
        from radmark.core.film import Film
        from radmark.io.atomic import claim_file
        from radmark.io.measurements import write_measurements_csv, write_measurements_json
        from radmark.measure import examine
        from radmark.measure.calibrate import object_of

        suffix = self.format or self.out.suffix.removeprefix(".").lower()
        if suffix not in ("csv", "json"):
            raise InputError(
                "the format to write is not known",
                file=self.out,
                value=suffix,
                remedy="End --out in .csv or .json, or give --format",
            )
        # What is wrong with a flag is wrong for every film: it is refused before the first.
        facts = self.marked.facts
        facts.of(Film("any"))
        how = self._how()
        claim_file(self.out, overwrite=self.overwrite)
        study = self.marked.study()
        object_of(study.scheme, known_mm=facts.known_mm, head_mm=facts.head_mm, ball_mm=facts.ball_mm)
        reports: dict[str, Report] = {}
        faults: dict[str, InputError] = {}
        for film, marks in study.rows:
            try:
                reports[film.name] = examine(self.marked.film(film), marks, **how)
            except InputError as error:
                faults[film.name] = error
        if faults and not reports:
            raise next(error if error.file else error.at(file=name) for name, error in faults.items())
        if not any(report.results for report in reports.values()):
            raise InputError(
                f"no measurement is known for landmarks such as {', '.join(study.scheme.names[:3])}",
                file=self.marked.points,
                remedy="Name the landmarks as docs/measurements.md does",
            )
        results = {n: reports[n].results if n in reports else (_not_measured(faults[n]),) for n in study.names}
        if suffix == "csv":
            write_measurements_csv(self.out, results)
        else:
            write_measurements_json(self.out, results, {name: report.findings for name, report in reports.items()})
        pixels = sum(any(f.code == "not_calibrated" for f in report.findings) for report in reports.values())
        if pixels:
            err.print(f"{pixels} of {len(results)} films cannot be calibrated as asked: their lengths are in pixels")
        if faults:
            err.print(f"{len(faults)} of {len(results)} films were not measured; the row of each says why")
        computed = sum(len(report.computed) for report in reports.values())
        total = sum(len(report.results) for report in reports.values())
        out.print(f"{computed} of {total} measurements on {counted(len(results))} computed, in {self.out}")
        return 0

    def _how(self) -> "ExamineOptions":
        """How films are measured.

        Raises:
            InputError: a number is out of range, or a file that is named cannot be used.
        """
        from radmark.measure.scatter import covariance_of

        how = self.measuring.options()
        if not 0 <= (how["scale_sd_percent"] or 0.0) <= 100:
            raise InputError(
                "--scale-sd-percent must be a percentage",
                value=how["scale_sd_percent"],
                remedy="Give per cent, such as 2.5",
            )
        covariance_of(self.measuring.sd_px, ("every landmark",))
        return how


def _not_measured(error: InputError) -> "Result":
    """What stands for the results of a film that has none, and says why."""
    from radmark.core.finding import stop
    from radmark.core.report import Result

    why = stop("not_measured", str(error))
    return Result(
        key="", title="", side=None, value=None, unit="", sd=None, points=(), line="", sign="", source="", mm_from=None,
        findings=(why,), reason=error.problem,
    )  # fmt: skip
