"""From a film and marks on it to a report: the only place where marks become results, whatever door they came through."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

from radmark.core.errors import InputError
from radmark.core.facts import Fact, FactSource, chosen
from radmark.core.film import Film
from radmark.core.finding import Finding, Severity, check, note
from radmark.core.marks import Marks
from radmark.core.report import Report, Result, Side
from radmark.measure.calibrate import Calibrated, calibrate, overridden
from radmark.measure.catalog import MEASURES
from radmark.measure.cup import ConeBeam, Definition, otherwise
from radmark.measure.entry import Measure
from radmark.measure.hip import against_other_side
from radmark.measure.measure import OF_SOURCE, SCALE_SD_PERCENT, Reference, measure
from radmark.measure.scatter import SdPx

_OBJECTS = ("known_mm", "head_mm", "ball_mm")
_CALIBRATIONS = (*_OBJECTS, "magnification")


def examine(
    film: Film,
    marks: Marks,
    *,
    measures: Sequence[Measure] = (),
    sd_px: SdPx | None = None,
    reference: Reference = "inter-teardrop",
    cup_definition: Definition = "radiographic",
    scale_sd_percent: float | None = None,
) -> Report:
    """What follows from marks on a film.

    What the film's facts say is used: its side and how it lies, the operated side, what its millimetres are calibrated by, the
    pelvis' tilt, the beam. What they contradict stands in the report's findings, and stops the numbers that rest on it. A film
    that cannot be calibrated as its facts say has lengths in pixels, which say why.

    Args:
        film: with its facts; pixels are not needed.
        marks: by anybody, on this film.
        measures: further measurements, such as a user's own (`measure.define.read_measures`); the catalog's are always there.
        sd_px: standard deviation of a point along each axis, in pixels; one for all, or by name; or how they scatter together.
        reference: the pelvis' line, for films that lack a teardrop.
        cup_definition: Murray's definition of the cup's angles, given beside the radiographic one.
        scale_sd_percent: standard deviation of the millimetres in per cent; by default what follows from the points of the
            calibration, else 2.5.

    Raises:
        InputError: the marks are on another grid than the film, its size is unknown, or a number is out of range.
    """
    marks = _on_film(film, marks)
    known, why_none = _calibrated(film, marks, sd_px)
    marks = known.marks
    used = marks.frame.spacing
    sd_percent = (known.sd_percent or SCALE_SD_PERCENT) if scale_sd_percent is None else scale_sd_percent
    if not 0 <= sd_percent <= 100:
        raise InputError(
            "the scale's uncertainty must be a percentage", value=sd_percent, remedy="Give per cent, such as 2.5"
        )
    # What the file says of its own millimetres holds only where these are the ones in use.
    of_other_mm = {f.code for source, f in OF_SOURCE.items() if used is None or used.source is not source}
    of_film = [f for f in film.findings if f.code not in of_other_mm]
    of_mm = [f for f in of_film if f.about in _CALIBRATIONS]
    of_mm += (*overridden(film.file_spacing, used), *known.findings)
    why_none += [f for f in of_film if f.about == "millimetres"]
    results = measure(
        marks,
        sd_px=sd_px,
        side=None if _contested(film, "side") else film.side,
        mirrored=film.text("display") == "mirrored",
        measures=(*MEASURES, *_asked(film, cup_definition), *measures),
        reference=reference,
        scale_sd_percent=sd_percent,
        findings=sorted(of_film, key=lambda f: f.about == "pixels"),  # how the film lies first
        mm_findings=of_mm,
        px_findings=why_none,
    )
    return Report(film, marks, results, _all((*of_film, *of_mm, *(why_none if used is None else ())), results))


def _on_film(film: Film, marks: Marks) -> Marks:
    """The marks on the film's own grid, with its millimetres."""
    if film.size is not None and marks.on is not None and film.size != (marks.on.width, marks.on.height):
        raise InputError(
            f"the marks are on a grid of {marks.on.width} x {marks.on.height} pixels, the film is another",
            value=f"{film.name}: {film.size[0]} x {film.size[1]}",
            remedy="Give the film the points were marked on",
        )
    frame = marks.frame if film.size is None else film.frame
    spacing = film.spacing or (None if marks.on is None else marks.on.spacing)
    return marks.framed(replace(frame, spacing=spacing))


def _contested(film: Film, name: str) -> bool:
    """Whether two sources state a fact differently, and none of them is the user."""
    return any(f.about == name and f.severity is Severity.STOP for f in film.findings)


def _asked(film: Film, definition: Definition) -> tuple[Measure, ...]:
    """Measurements that a film's facts, or another definition of the cup's angles, call for."""
    operated = cast("Side | None", film.text("operated"))
    cone = film.fact("cone_beam")
    return (
        *otherwise(
            definition,
            film.number("pelvic_tilt_deg") or 0.0,
            None if cone is None else ConeBeam(*cast("tuple[float, float, float, float]", cone.value)),
        ),
        *(() if operated is None else against_other_side(operated)),
    )


def _calibrated(film: Film, marks: Marks, sd_px: SdPx | None) -> tuple[Calibrated, list[Finding]]:
    """The marks with the millimetres that the film's facts give; where this film cannot be calibrated so, none, and why."""
    stated = {name: found for name in _CALIBRATIONS if (found := film.fact(name)) is not None}
    ranks = list(FactSource)
    first = min((ranks.index(stated[name].source) for name in _OBJECTS if name in stated), default=0)
    objects = {name: f for name, f in stated.items() if name in _OBJECTS and ranks.index(f.source) == first}
    not_used = [f for name, f in stated.items() if objects and name not in objects]
    before = chosen([f for f in film.facts if f.source is not FactSource.USER], "magnification")
    try:
        known = calibrate(
            marks,
            **{name: str(found.value) for name, found in objects.items()},
            magnification=None if objects else film.number("magnification"),
            divided_by=None if before is None else float(str(before.value)),
            sd_px=sd_px,
        )
    except InputError as error:
        # Lengths in pixels that say why are honest; millimetres by another rule than the one asked for are not.
        without = marks.framed(replace(marks.frame, spacing=None))
        shown = "" if error.value is None else f" ({error.value})"
        return Calibrated(without), [check("not_calibrated", f"no millimetres: {error.problem}{shown}", "millimetres")]
    return replace(known, findings=(*known.findings, *(_not_used(f, objects) for f in not_used))), []


def _not_used(found: Fact, objects: Iterable[str]) -> Finding:
    severity = (
        check if found.name in _OBJECTS else note
    )  # an object goes before a magnification; before another, by its source
    words = f"{found.name} {found.value} of the {found.source} was not used: {', '.join(objects)} goes first"
    return severity("calibration_not_used", words, "millimetres")


def _all(of_film: Sequence[Finding], results: Sequence[Result]) -> tuple[Finding, ...]:
    """What has to be known of film and marks as a whole: the film's, the millimetres', and what stops or doubts any result."""
    grave = (f for r in results for f in r.findings if f.severity is not Severity.NOTE)
    return tuple(dict.fromkeys((*of_film, *grave)))
