"""Landmarks of one film into results: a number with its unit, points, uncertainty and flags, or why there is none."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from radmark.core.errors import InputError
from radmark.core.frame import SpacingSource
from radmark.core.landmarks import Landmarks
from radmark.measure import cup
from radmark.measure.catalog import MEASURES, Measure
from radmark.measure.geometry import Point

Side = Literal["left", "right"]

_ENDS = ("_left", "_right")
_STEP = 1e-3  # of a millimetre or pixel: the central difference of a smooth function


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

    @property
    def words(self) -> str:
        """ "4.2 ± 0.8 mm", or "not computable: missing [...]"."""
        if self.value is None:
            why = f"missing [{', '.join(self.missing)}]" if self.missing else "the points contradict each other"
            return f"not computable: {why}"
        spread = "" if self.sd is None else f" ± {self.sd:.1f}"
        return f"{self.value:.1f}{spread} {self.unit}".rstrip()


_MM_FLAGS = {
    SpacingSource.DICOM_DETECTOR: "millimetres on the detector; smaller in the patient",
    SpacingSource.DICOM_GEOMETRY: "millimetres by an assumed depth",
    SpacingSource.DICOM_UNKNOWN: "nobody says where these are millimetres",
}


def measure(
    landmarks: Landmarks,
    *,
    sd_px: float | Mapping[str, float] | None = None,
    side: Side | None = None,
    display: Literal["standard", "mirrored", "unknown"] = "unknown",
    measures: Sequence[Measure] = MEASURES,
) -> tuple[Result, ...]:
    """Everything of the catalog that the landmarks' scheme is about.

    Args:
        landmarks: of one film, in its own frame. Lengths are millimetres where the frame has a spacing, else pixels.
        sd_px: standard deviation of a point along each axis, in pixels; one for all, or by name.
        side: of a film of one side whose scheme does not say it in its landmarks' names.
        display: whether the patient's right is on the left of the picture (standard), on its right, or nobody said: then
            standard is assumed and flagged.
        measures: the catalog.

    Raises:
        InputError: a standard deviation is negative or not a number.
    """
    scale, unit = np.ones(2), "px"
    spacing = landmarks.frame.spacing
    if spacing is not None:
        scale, unit = np.array([spacing.x_mm, spacing.y_mm]), "mm"
    towards_left = -1.0 if display == "mirrored" else 1.0
    there = {
        name: landmarks.points[k] * scale * [towards_left, 1.0]
        for k, name in enumerate(landmarks.scheme.names)
        if landmarks.placed[k]
    }
    sds = {name: _sd(sd_px, name) for name in there}
    common = (
        () if display != "unknown" else ("orientation unknown: patient's right assumed on the left of the picture",)
    )
    if spacing is None:
        common += ("square pixels assumed",)
    results: list[Result] = []
    for entry in measures:
        sides: list[Side | None] = ["right", "left"] if entry.by_side else [None]
        if entry.by_side and not any(_sided(name, landmarks.scheme.names) for name in entry.needs if "{s}" in name):
            sides = [side]
        for of in sides:
            names = [_name(name, of, side, landmarks.scheme.names) for name in entry.needs]
            if not _about(names, landmarks.scheme.names):
                continue
            results.append(_result(entry, names, of, there, sds, scale, unit, spacing and spacing.source, common))
    return _with_box(results)


def _about(names: Sequence[str], known: Sequence[str]) -> bool:
    """Whether a scheme is about a measurement at all: it has most of its landmarks, and not teardrops alone."""
    own = [n for n in names if not n.startswith("teardrop")] or list(names)
    return 2 * sum(n in known for n in names) > len(names) and any(n in known for n in own)


def _sided(name: str, known: Sequence[str]) -> bool:
    return any(name.replace("{s}", s) in known for s in ("left", "right"))


def _name(name: str, side: Side | None, told: Side | None, known: Sequence[str]) -> str:
    """The scheme's name of a landmark: with its side, or without where the scheme has it so and was told this is the side."""
    if "{s}" not in name:
        return name
    bare = name.replace("_{s}", "")
    if side is None or (side == told and (bare in known or not any(n.endswith(_ENDS) for n in known))):
        return bare
    return name.replace("{s}", side)


def _result(
    entry: Measure,
    names: Sequence[str],
    side: Side | None,
    there: Mapping[str, Point],
    sds: Mapping[str, float | None],
    scale: Point,
    unit: str,
    source: SpacingSource | None,
    common: tuple[str, ...],
) -> Result:
    missing = [name for name in names if name not in there]
    units = {"length": unit, "angle": "deg", "percent": "%", "ratio": ""}
    flags = [*entry.notes, *common]
    value: float | None = None
    sd: float | None = None
    if not missing:
        s = -1 if side == "right" else 1
        at = np.array([there[name] for name in names])

        def compute(points: np.ndarray) -> float:
            return entry.compute(dict(zip(entry.needs, points, strict=True)), s)

        with np.errstate(invalid="ignore", divide="ignore"):
            found = compute(at)
            other_way = entry.compute(dict(zip(entry.needs, at, strict=True)), -s)
        if side is None and entry.by_side and found != other_way:
            missing = ["the film's side"]  # without it the sign would be a guess
        elif math.isfinite(found):
            value = found
            sd = _propagated(compute, at, [sds[name] for name in names], scale)
    if entry.kind != "length":
        source = None
    elif source is not None and source in _MM_FLAGS:
        flags.append(_MM_FLAGS[source])
    return Result(
        entry.key, entry.title, side, value, units[entry.kind], sd, tuple(names), entry.line, entry.sign, entry.source,
        None if source is None else str(source), tuple(flags), tuple(missing),
    )  # fmt: skip


def _propagated(
    compute: Callable[[np.ndarray], float], at: np.ndarray, sds: Sequence[float | None], scale: Point
) -> float | None:
    """First-order propagation: sqrt(sum of (derivative times standard deviation) squared), derivatives by central differences."""
    if any(sd is None for sd in sds):
        return None
    variance = 0.0
    for i, sd in enumerate(sds):
        for axis in range(2):
            step = np.zeros_like(at)
            step[i, axis] = _STEP
            slope = (compute(at + step) - compute(at - step)) / (2 * _STEP)
            variance += (slope * float(sd or 0.0) * scale[axis]) ** 2
    return math.sqrt(variance) if math.isfinite(variance) else None


def _sd(sd_px: float | Mapping[str, float] | None, name: str) -> float | None:
    sd = sd_px.get(name) if isinstance(sd_px, Mapping) else sd_px
    if sd is not None and not (math.isfinite(sd) and sd >= 0):
        raise InputError(
            f"the standard deviation of {name} is no number of pixels", value=sd, remedy="Give 0 or more pixels"
        )
    return sd


def _with_box(results: Sequence[Result]) -> tuple[Result, ...]:
    """A cup's inclination told how it lies, with the anteversion, to Lewinnek's box: in words, and never as a verdict."""
    version = {r.side: r.value for r in results if r.key == "cup_anteversion"}
    found: list[Result] = []
    for r in results:
        other = version.get(r.side)
        if r.key == "cup_inclination" and r.value is not None and other is not None:
            found.append(replace(r, flags=(*r.flags, cup.against_lewinnek(r.value, other))))
        else:
            found.append(r)
    return tuple(found)
