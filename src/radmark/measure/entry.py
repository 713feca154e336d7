"""What a measurement is: what it needs, how it is computed, and on whose word.

A landmark's name ends in _left or _right where a film shows both sides; {s} stands for the measured side, {o} for the other one.
A scheme of one side leaves the ending out. Formulas, signs and sources: docs/measurements.md, which a test compares.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from radmark.core.report import Side as Side
from radmark.measure.geometry import Pelvis, Point

Points = Mapping[str, Point]
"""Points by the names in an entry's `needs`, {s} left as it is."""

Kind = Literal["length", "angle", "percent", "ratio"]

Line = tuple[str, ...]
"""What is drawn of a measurement, by the names of landmarks: (a, b) is the line from one to the other; (p, a, b) the way from p
square onto the line through a and b, which is lengthened to where it lands. `RIM_AXIS` and `ELLIPSE_AXIS` are lines, too."""

RIM_AXIS: Line = ("rim",)
"""The long axis of a cup's ellipse, given by the rim's two ends. Drawn alone it means that ellipse itself."""

ELLIPSE_AXIS: Line = ("ellipse",)
"""The long axis of the free ellipse through a cup's rim. Drawn alone it means that ellipse itself."""

HORIZON = ("horizon_right", "horizon_left")
"""In a line, the film's own horizontal, which no landmarks make."""

TEARDROPS = ("teardrop_right", "teardrop_left")
ISCHIA = ("ischium_right", "ischium_left")
SHAFT = ("femoral_shaft_proximal_{s}", "femoral_shaft_distal_{s}")


class UncomputableError(Exception):
    """Raised by an entry's `compute`: there is no value, and the message says why, in words for the result."""


@dataclass(frozen=True)
class Measure:
    """One measurement.

    Args:
        key: its name in files; the same in every version.
        title: its name in words.
        kind: what it is, which gives its unit.
        needs: landmarks, every one.
        compute: points and the side (+1 left, -1 right) to a number; NaN where the points contradict each other.
        by_side: whether each side has one.
        line: what it is measured against.
        sign: what a positive value means.
        source: who defined or described it.
        lines: what it looks like on the film, between landmarks of `needs` and `any_of`.
        notes: what has to be known of every value.
        published: a range from the literature with its source, in words; for the reader, never a verdict.
        frame: the first two `needs` are the teardrops and serve as the pelvis' frame, by its "direction" alone or by its "line"
            itself: then another line of the pelvis can stand for it. "" where they are points like any other.
        any_of: further landmarks, of which those that are placed are used.
        at_least: how many of them there must be.
        draws: standard deviation by so many random draws; 0 by derivatives.
        only: measured on this side alone.
        always: reported even where a scheme has few of its landmarks: a user asked for it.
        facts: of the film that it rests on, beside those that every measurement rests on; where they are contradicted, so is it.

    Raises:
        ValueError: a line runs between landmarks that it does not need.
    """

    key: str
    title: str
    kind: Kind
    needs: tuple[str, ...]
    compute: Callable[[Points, int], float]
    by_side: bool
    line: str
    sign: str
    source: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    published: str = ""
    frame: Literal["", "direction", "line"] = ""
    any_of: tuple[str, ...] = ()
    at_least: int = 0
    draws: int = 0
    only: Side | None = None
    always: bool = False
    facts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        between = {name for line in self.lines if line not in (RIM_AXIS, ELLIPSE_AXIS) for name in line}
        if unknown := between - {*self.needs, *self.any_of}:
            raise ValueError(f"{self.key} has a line at {min(unknown)}, which it does not need")


def feet(line: Line, *points: str) -> tuple[Line, ...]:
    """A line, and the ways from points square onto it."""
    return (line, *((point, *line) for point in points))


def teardrops(p: Points) -> Pelvis:
    """The frame on the teardrops, or on what stands for them."""
    return Pelvis(p["teardrop_right"], p["teardrop_left"])


def ischia(p: Points) -> Pelvis:
    """The frame on the ischia."""
    return Pelvis(p["ischium_right"], p["ischium_left"])
