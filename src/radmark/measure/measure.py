"""Landmarks of one film into results: a number with its unit, points, uncertainty and flags, or why there is none."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from radmark.core.frame import SpacingSource
from radmark.core.landmarks import Landmarks
from radmark.measure import cup, sanity
from radmark.measure.catalog import MEASURES
from radmark.measure.entry import ISCHIA, TEARDROPS, Measure, Side, UncomputableError
from radmark.measure.geometry import Point
from radmark.measure.scatter import Computed, FloatArray, SdPx, covariance_of, drawn, propagated, scaled

Reference = Literal["inter-teardrop", "bi-ischial", "image-horizontal"]

_ENDS = ("_left", "_right")
_SAME = {"femoral_head": "prosthetic_head"}
"""Another name a scheme may have for a landmark."""

SCALE_SD_PERCENT = 2.5
"""Of millimetres, unless something better is known: what films calibrated by a ball were off by (docs/measurements.md)."""


@dataclass(frozen=True)
class Result:
    """One measurement of one film.

    Args:
        key: of the catalog.
        title: in words.
        side: of the patient; None where it concerns both.
        value: None where it could not be computed.
        unit: mm, px, deg, % or "" (a ratio).
        sd: standard deviation that follows from the points' own; None where those are not given.
        points: the landmarks used.
        line: what it is measured against.
        sign: what a positive value means.
        source: of the definition.
        mm_from: where the millimetres come from; None where there are none in it.
        flags: what has to be known of this value, in words.
        missing: landmarks that were not there.
        reason: why there is no value though all were there.
        published: a range from the literature, with its source.
        scale_sd_percent: standard deviation of the millimetres themselves, which is not in `sd`; None where there are none.
    """

    key: str
    title: str
    side: Side | None
    value: float | None
    unit: str
    sd: float | None
    points: tuple[str, ...]
    line: str
    sign: str
    source: str
    mm_from: str | None
    flags: tuple[str, ...]
    missing: tuple[str, ...] = ()
    reason: str = ""
    published: str = ""
    scale_sd_percent: float | None = None

    @property
    def words(self) -> str:
        """ "4.2 ± 0.8 mm", or "not computable: missing [...]"."""
        if self.value is None:
            why = f"missing [{', '.join(self.missing)}]" if self.missing else self.reason
            return f"not computable: {why}"
        digits = 2 if self.unit == "" and abs(self.value) < 10 else 1
        spread = "" if self.sd is None else f" ± {self.sd:.{digits}f}"
        return f"{self.value:.{digits}f}{spread} {self.unit}".rstrip()


_MM_FLAGS = {
    SpacingSource.DICOM_DETECTOR: "millimetres on the detector; smaller in the patient",
    SpacingSource.DICOM_GEOMETRY: "millimetres by an assumed depth",
    SpacingSource.DICOM_UNKNOWN: "nobody says where these are millimetres",
}
_UNORIENTED = "orientation unknown: patient's right assumed on the left of the picture"
_CONTRADICT = "the points contradict each other"


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
    flags: tuple[str, ...]
    mm_flags: tuple[str, ...]
    findings: sanity.Findings = field(repr=False)


def measure(
    landmarks: Landmarks,
    *,
    sd_px: SdPx | None = None,
    side: Side | None = None,
    display: Literal["standard", "mirrored", "unknown"] = "unknown",
    measures: Sequence[Measure] = MEASURES,
    reference: Reference = "inter-teardrop",
    scale_sd_percent: float = SCALE_SD_PERCENT,
    mm_flags: Sequence[str] = (),
) -> tuple[Result, ...]:
    """Everything of the catalog that the landmarks' scheme is about.

    Args:
        landmarks: of one film, in its own frame. Lengths are millimetres where the frame has a spacing, else pixels.
        sd_px: standard deviation of a point along each axis, in pixels; one for all, or by name; or how they scatter together.
        side: of a film of one side whose scheme does not say it in its landmarks' names.
        display: whether the patient's right is on the left of the picture (standard), on its right, or nobody said: then
            standard is assumed and flagged.
        measures: the catalog.
        reference: the pelvis' line: that of the teardrops, or what stands for it on a film that lacks one.
        scale_sd_percent: how sure the millimetres are; it is passed on, not added.
        mm_flags: what else has to be known of the millimetres; for every length.

    Raises:
        InputError: a standard deviation is negative or not a number.
    """
    scale, unit = np.ones(2), "px"
    spacing = landmarks.frame.spacing
    if spacing is not None:
        scale, unit = np.array([spacing.x_mm, spacing.y_mm]), "mm"
    if display == "mirrored":
        scale = scale * [-1.0, 1.0]  # x then grows towards the patient's left, as on a standard display
    there = {name: landmarks.points[k] * scale for k, name in enumerate(landmarks.scheme.names) if landmarks.placed[k]}
    covariance_of(sd_px, tuple(there))  # refused here, whether or not anything uses it
    common = [_UNORIENTED] if display == "unknown" else []
    if spacing is None:
        common.append("square pixels assumed")
    film = _Film(
        landmarks.scheme.names, there, sd_px, scale, unit,
        spacing and spacing.source, scale_sd_percent, side, reference, tuple(common), tuple(mm_flags),
        sanity.look(landmarks, there, side=side, in_mm=spacing is not None),
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
    needs = [names[key] for key in entry.needs]
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
    line, flags = entry.line, [*entry.notes, *film.flags]
    if entry.frame and film.reference == "bi-ischial":
        names |= dict(zip(TEARDROPS, ISCHIA, strict=True))
        line = line.replace("inter-teardrop", "bi-ischial")
    elif entry.frame and film.reference == "image-horizontal":
        if entry.frame == "line":
            return None  # the film's horizontal has a direction and no place
        fixed = dict(zip(TEARDROPS, np.array([[0.0, 0.0], [1.0, 0.0]]), strict=True))
        names = {key: name for key, name in names.items() if key not in fixed}
        line = line.replace("inter-teardrop line", "horizontal of the film")
        flags.append("reference not anatomical: the film's horizontal, which is the pelvis' only if it lay level")
    if not _about(replace(entry, needs=tuple(key for key in entry.needs if key not in fixed)), names, film):
        return None
    used = [key for key in names if key in entry.needs or names[key] in film.there]
    points = tuple(dict.fromkeys(names[key] for key in used))
    missing = _missing(entry, names, side, film)
    value, sd, reason = None, None, ""
    swapped = next((film.findings.swapped[name] for name in points if name in film.findings.swapped), None)
    if swapped is not None and not missing:
        reason = f"{swapped}; mend the names, or say how the film is displayed"
    elif not missing:
        at = np.array([film.there[name] for name in points])
        where = {key: points.index(names[key]) for key in used}

        def compute(xy: FloatArray, s: int) -> float:
            with np.errstate(invalid="ignore", divide="ignore"):
                return entry.compute({**{key: xy[i] for key, i in where.items()}, **fixed}, s)

        s = -1 if side == "right" else 1
        try:
            found = compute(at, s)
            if side is None and entry.by_side and found != compute(at, -s):
                missing = ("the film's side",)  # without it the sign would be a guess
            elif math.isfinite(found):
                value = found
            else:
                reason = _CONTRADICT
        except UncomputableError as error:
            reason = str(error)
        if value is not None:
            sd = _sd(entry, lambda xy: compute(xy, s), at, points, film)
    source = film.source if entry.kind == "length" else None
    if source is not None:
        flags += [*([_MM_FLAGS[source]] if source in _MM_FLAGS else []), *film.mm_flags]
    flags += _found(entry, points, film.findings)
    units = {"length": film.unit, "angle": "deg", "percent": "%", "ratio": ""}
    return Result(
        entry.key, entry.title, side, value, units[entry.kind], sd, points, line, entry.sign, entry.source,
        None if source is None else str(source), tuple(flags), missing, reason, entry.published,
        None if source is None else film.scale_sd_percent,
    )  # fmt: skip


def _missing(entry: Measure, names: Mapping[str, str], side: Side | None, film: _Film) -> tuple[str, ...]:
    needs = [key for key in entry.needs if key in names]
    missing = list(dict.fromkeys(names[key] for key in needs if names[key] not in film.there))
    if side is None and entry.by_side:
        # The scheme has them with a side, and nobody said which.
        sideless = [names[k] for k in needs if "{s}" in k and k.replace("{s}", "left") in film.names]
        missing = [name for name in missing if name not in sideless] + ["the film's side"] * bool(sideless)
    optional = [names[key] for key in entry.any_of]
    if sum(name in film.there for name in optional) < entry.at_least:
        missing += [name for name in optional if name in film.names and name not in film.there]
    return tuple(missing)


def _found(entry: Measure, points: Sequence[str], findings: sanity.Findings) -> list[str]:
    """The flags of geometry that concern a result, each once."""
    flags = [flag for name in points for flag in findings.of.get(name, ())]
    if entry.frame or any(name in points for name in TEARDROPS):
        flags += findings.pelvis
    if entry.key.startswith("leg_length"):
        flags += findings.legs
    return list(dict.fromkeys(flags))


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
    """A cup's inclination told how it lies, with the anteversion, to Lewinnek's box: in words, and never as a verdict."""
    values = {(r.key, r.side): r.value for r in results}
    found: list[Result] = []
    for r in results:
        other = values.get((r.key.replace("inclination", "anteversion"), r.side))
        if r.key in ("cup_inclination", "cup_inclination_ellipse") and r.value is not None and other is not None:
            found.append(replace(r, flags=(*r.flags, cup.against_lewinnek(r.value, other))))
        else:
            found.append(r)
    return tuple(found)
