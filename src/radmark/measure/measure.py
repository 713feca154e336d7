"""Marks of one film into results: a number with its unit, points, uncertainty and flags, or why there is none."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from radmark.core.finding import Finding, Severity, check, note
from radmark.core.frame import SpacingSource
from radmark.core.marks import Marks
from radmark.core.report import Result, Side
from radmark.io.dicom import FINDINGS
from radmark.measure import cup, sanity
from radmark.measure.catalog import MEASURES
from radmark.measure.entry import (
    ELLIPSE_AXIS,
    HORIZON,
    ISCHIA,
    RIM_AXIS,
    TEARDROPS,
    Line,
    Measure,
    UncomputableError,
)
from radmark.measure.geometry import Point
from radmark.measure.scatter import Computed, FloatArray, SdPx, covariance_of, drawn, propagated, scaled

Reference = Literal["inter-teardrop", "bi-ischial", "image-horizontal"]

_ENDS = ("_left", "_right")
_SAME = {"femoral_head": "prosthetic_head"}
"""Another name a scheme may have for a landmark."""

SCALE_SD_PERCENT = 2.5
"""Of millimetres, unless something better is known: what films calibrated by a ball were off by (docs/measurements.md)."""


OF_SOURCE = {
    SpacingSource.DICOM_DETECTOR: FINDINGS["spacing_at_detector"],
    SpacingSource.DICOM_GEOMETRY: FINDINGS["spacing_assumed_geometry"],
    SpacingSource.DICOM_UNKNOWN: FINDINGS["spacing_of_unknown_calibration"],
}
"""What has to be known of every length, by where its millimetres are from."""

_SQUARE = note("square_pixels_assumed", "square pixels assumed", "pixels")
_SIDE = "the film's side"
_INCONSISTENT = "the points are inconsistent (for example, left and right exchanged)"


@dataclass(frozen=True)
class _Film:
    """What all results of a film share."""

    names: tuple[str, ...]
    there: Mapping[str, Point]
    sd_px: SdPx | None
    scale: Point
    unit: str
    source: SpacingSource | None
    scale_sd_percent: float
    side: Side | None
    reference: Reference
    findings: tuple[Finding, ...]
    mm_findings: tuple[Finding, ...]
    px_findings: tuple[Finding, ...]
    seen: sanity.Seen = field(repr=False)

    @property
    def contested(self) -> Finding | None:
        """Why nobody knows its side, where two sources state two."""
        return next((f for f in self.findings if f.about == "side" and f.severity is Severity.STOP), None)


def measure(
    marks: Marks,
    *,
    sd_px: SdPx | None = None,
    side: Side | None = None,
    mirrored: bool = False,
    measures: Sequence[Measure] = MEASURES,
    reference: Reference = "inter-teardrop",
    scale_sd_percent: float = SCALE_SD_PERCENT,
    findings: Sequence[Finding] = (),
    mm_findings: Sequence[Finding] = (),
    px_findings: Sequence[Finding] = (),
) -> tuple[Result, ...]:
    """Everything of the catalog that the marks' scheme is about. `examine` calls this; nothing is doubted here.

    Args:
        marks: of one film, in its own frame. Lengths are millimetres where the frame has a spacing, else pixels.
        sd_px: standard deviation of a point along each axis, in pixels; one for all, or by name; or how they scatter together.
        side: of a film of one side whose scheme does not say it in its landmarks' names.
        mirrored: whether the patient's right is on the right of the picture.
        measures: the catalog.
        reference: the pelvis' line: that of the teardrops, or what stands for it on a film that lacks one.
        scale_sd_percent: standard deviation of the millimetres in per cent; it is passed on, not added.
        findings: of the film, for the results that rest on what they are about: pixels and display for every one, the side for
            those of a film of one side, a fact for the entries that name it. Where one stops, there is no value.
        mm_findings: of its millimetres, for every length in millimetres.
        px_findings: why there are none, for every length in pixels.

    Raises:
        InputError: a standard deviation is negative or not a number.
    """
    scale, unit = np.ones(2), "px"
    spacing = marks.frame.spacing
    if spacing is not None:
        scale, unit = np.array([spacing.x_mm, spacing.y_mm]), "mm"
    if mirrored:
        scale = scale * [-1.0, 1.0]  # x then grows towards the patient's left, as on a standard display
    there = {name: marks.points[k] * scale for k, name in enumerate(marks.scheme.names) if marks.placed[k]}
    covariance_of(sd_px, tuple(there))  # refused here, whether or not anything uses it
    common = [*findings, *([_SQUARE] if spacing is None else [])]
    film = _Film(
        marks.scheme.names, there, sd_px, scale, unit,
        spacing and spacing.source, scale_sd_percent, side, reference, tuple(common), tuple(mm_findings), tuple(px_findings),
        sanity.look(marks, there, side=side, in_mm=spacing is not None),
    )  # fmt: skip
    results = [result for entry in measures for of in _sides(entry, film) if (result := _result(entry, of, film))]
    return _with_box(results)


def _sides(entry: Measure, film: _Film) -> Sequence[Side | None]:
    if not entry.by_side:
        return [None]
    if entry.only is not None:
        return [entry.only]
    # The pelvis' own teardrops have sides on films of one hip, too.
    own = [n for n in (*entry.needs, *entry.any_of) if "{s}" in n and not n.startswith("teardrop")]
    sided = any(_replaced(n, s, film.names) for n in own for s in ("left", "right"))
    return ["right", "left"] if sided else [film.side]


def _replaced(name: str, side: str, known: Sequence[str]) -> str | None:
    """The scheme's name of a landmark with its side, by any name it has; None where it has none."""
    for stem, other in ((name, name), *((s, o) for s, o in _SAME.items() if name == f"{s}_{{s}}")):
        found = name.replace(stem, other).replace("{s}", side)
        if found in known:
            return found
    return None


def _name(name: str, side: Side | None, film: _Film) -> str:
    """The scheme's name of a landmark: with its side, or without where the scheme has it so and was told this is the side."""
    if "{o}" in name:
        name, side = name.replace("{o}", "{s}"), "right" if side == "left" else "left"
    if "{s}" not in name:
        return name
    bare = name.replace("_{s}", "")
    bare = _SAME[bare] if bare not in film.names and _SAME.get(bare) in film.names else bare
    if side is None or (side == film.side and (bare in film.names or not any(n.endswith(_ENDS) for n in film.names))):
        return bare
    return _replaced(name, side, film.names) or name.replace("{s}", side)


def _about(entry: Measure, names: Mapping[str, str], film: _Film) -> bool:
    """Whether a scheme is about a measurement at all: it has most of its landmarks, and not teardrops alone."""
    if entry.always:
        return True
    needs = [names[key] for key in entry.needs if key in names]
    own = [n for n in needs if not n.startswith("teardrop")] or needs
    optional = sum(names[key] in film.names for key in entry.any_of)
    return (
        (not needs or 2 * sum(n in film.names for n in needs) > len(needs))
        and (any(n in film.names for n in own) or entry.at_least > 0)
        and optional >= entry.at_least
    )


def _result(entry: Measure, side: Side | None, film: _Film) -> Result | None:
    """None where the scheme is about something else."""
    names = {key: _name(key, side, film) for key in (*entry.needs, *entry.any_of)}
    fixed: dict[str, Point] = {}
    line, found_so_far = entry.line, [note("definition", words, entry.key) for words in entry.notes]
    found_so_far += [f for f in film.findings if _concerns(f, entry, side, names, film)]
    if entry.frame and film.reference == "bi-ischial":
        names |= dict(zip(TEARDROPS, ISCHIA, strict=True))
        line = line.replace("inter-teardrop", "bi-ischial")
    elif entry.frame and film.reference == "image-horizontal":
        if entry.frame == "line":
            return None  # the film's horizontal has a direction and no place
        fixed = dict(zip(TEARDROPS, np.array([[0.0, 0.0], [1.0, 0.0]]), strict=True))
        names = {key: name for key, name in names.items() if key not in fixed}  # drawn as the horizon
        line = line.replace("inter-teardrop line", "horizontal of the film")
        found_so_far.append(
            check(
                "reference_not_anatomical",
                "reference not anatomical: the film's horizontal, which is the pelvis' only if it lay level",
                entry.key,
            )
        )
    if not _about(entry, names, film):
        return None
    used = [key for key in names if key in entry.needs or names[key] in film.there]
    points = tuple(dict.fromkeys(names[key] for key in used))
    missing = _missing(entry, names, side, film)
    value, sd, reason = None, None, ""
    swapped = next((film.seen.swapped[name] for name in points if name in film.seen.swapped), None)
    stopped = next((f for f in found_so_far if f.severity is Severity.STOP), None)
    if missing:
        pass
    elif stopped is not None:
        reason = stopped.words
    elif swapped is not None:
        reason = f"{swapped.words}; correct the names, or say how the film is displayed"
    else:
        at = np.array([film.there[name] for name in points])
        where = {key: points.index(names[key]) for key in used}

        def compute(xy: FloatArray, s: int) -> float:
            with np.errstate(invalid="ignore", divide="ignore"):
                return entry.compute({**{key: xy[i] for key, i in where.items()}, **fixed}, s)

        s = -1 if side == "right" else 1
        try:
            found = compute(at, s)
            if side is None and entry.by_side and found != compute(at, -s):
                missing = (_SIDE,)  # without it the sign would be a guess
            elif math.isfinite(found):
                value = found
            else:
                reason = _INCONSISTENT
        except UncomputableError as error:
            reason = str(error)
        if value is not None:
            sd = _sd(entry, lambda xy: compute(xy, s), at, points, film)
    if (
        _SIDE in missing and film.contested is not None
    ):  # it is missing because two of its sources contradict each other
        missing = tuple(name for name in missing if name != _SIDE)
        reason = "" if missing else film.contested.words
        found_so_far.append(film.contested)
    source = film.source if entry.kind == "length" else None
    if source is not None:
        found_so_far += [*([OF_SOURCE[source]] if source in OF_SOURCE else []), *film.mm_findings]
    elif entry.kind == "length":
        found_so_far += film.px_findings
    found_so_far += _seen_of(entry, points, film.seen)
    if swapped is not None and stopped is None:
        found_so_far.append(swapped)
    units = {"length": film.unit, "angle": "deg", "percent": "%", "ratio": ""}
    return Result(
        entry.key, entry.title, side, value, units[entry.kind], sd, points, line, entry.sign, entry.source,
        None if source is None else str(source), tuple(dict.fromkeys(found_so_far)), missing, reason, entry.published,
        None if source is None else film.scale_sd_percent, _lines(entry, names, points),
    )  # fmt: skip


def _missing(entry: Measure, names: Mapping[str, str], side: Side | None, film: _Film) -> tuple[str, ...]:
    needs = [key for key in entry.needs if key in names]
    missing = list(dict.fromkeys(names[key] for key in needs if names[key] not in film.there))
    if side is None and entry.by_side:
        # The scheme has them with a side, and nobody said which.
        sideless = [names[k] for k in needs if "{s}" in k and k.replace("{s}", "left") in film.names]
        missing = [name for name in missing if name not in sideless] + [_SIDE] * bool(sideless)
    optional = [names[key] for key in entry.any_of]
    if sum(name in film.there for name in optional) < entry.at_least:
        missing += [name for name in optional if name in film.names and name not in film.there]
    return tuple(missing)


def _concerns(finding: Finding, entry: Measure, side: Side | None, names: Mapping[str, str], film: _Film) -> bool:
    """Whether what a film's finding is about matters to a result."""
    if finding.about == "side":
        # It names the landmarks that have no side of their own.
        told = side is not None and side == film.side
        return told and any("{s}" in key and not name.endswith(_ENDS) for key, name in names.items())
    return finding.about in ("pixels", "display", *entry.facts)


def _lines(entry: Measure, names: Mapping[str, str], points: Sequence[str]) -> tuple[Line, ...]:
    """An entry's lines between a film's own landmarks, those of the pelvis' line being whatever stands for it."""
    horizon: Mapping[str, str] = dict(zip(TEARDROPS, HORIZON, strict=True))
    found: list[Line] = []
    for line in entry.lines:
        if line in (RIM_AXIS, ELLIPSE_AXIS):
            found.append(line)
            continue
        own = tuple(names.get(key, horizon.get(key, key)) for key in line)
        on_itself = len(own) == 3 and own[0] in own[1:]
        if not on_itself and all(name in points or name in HORIZON for name in own):
            found.append(own)
    return tuple(found)


def _seen_of(entry: Measure, points: Sequence[str], seen: sanity.Seen) -> list[Finding]:
    """What the geometry shows that concerns a result, each once."""
    found = [finding for name in points for finding in seen.of.get(name, ())]
    if entry.frame or any(name in points for name in TEARDROPS):
        found += seen.pelvis
    if entry.key.startswith("leg_length"):
        found += seen.legs
    return list(dict.fromkeys(found))


def _sd(entry: Measure, compute: Computed, at: FloatArray, points: Sequence[str], film: _Film) -> float | None:
    covariance = covariance_of(film.sd_px, points)
    if covariance is None:
        return None

    def number(xy: FloatArray) -> float:
        try:
            return compute(xy)
        except UncomputableError:
            return math.nan

    in_mm = scaled(covariance, film.scale)
    return drawn(number, at, in_mm, entry.draws) if entry.draws else propagated(number, at, in_mm)


def _with_box(results: Sequence[Result]) -> tuple[Result, ...]:
    """A cup's inclination with how it lies, with the anteversion, to Lewinnek's box: in words, and never as a verdict."""
    values = {(r.key, r.side): r.value for r in results}
    found: list[Result] = []
    for r in results:
        other = values.get((r.key.replace("inclination", "anteversion"), r.side))
        if r.key in ("cup_inclination", "cup_inclination_ellipse") and r.value is not None and other is not None:
            words = cup.against_lewinnek(r.value, other)
            found.append(replace(r, findings=(*r.findings, note("lewinnek_box", words, r.key))))
        else:
            found.append(r)
    return tuple(found)
