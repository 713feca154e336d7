"""What a measurement is: what it needs, how it is computed, and on whose word.

A landmark's name ends in _left or _right where a film shows both sides; {s} stands for the measured side, {o} for the other one.
A scheme of one side leaves the ending out. Formulas, signs and sources: docs/measurements.md, which a test compares.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from radmark.measure.geometry import Pelvis, Point

Points = Mapping[str, Point]
"""Points by the names in an entry's `needs`, {s} left as it is."""

Kind = Literal["length", "angle", "percent", "ratio"]
Side = Literal["left", "right"]

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
        notes: what has to be known of every value.
        published: a range from the literature with its source, in words; for the reader, never a verdict.
        frame: the first two `needs` are the teardrops and serve as the pelvis' frame, by its "direction" alone or by its "line"
            itself: then another line of the pelvis can stand for it. "" where they are points like any other.
        any_of: further landmarks, of which those that are placed are used.
        at_least: how many of them there must be.
        draws: standard deviation by so many random draws; 0 by derivatives.
        only: measured on this side alone.
        always: told of even where a scheme has few of its landmarks: a user asked for it.
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
    notes: tuple[str, ...] = ()
    published: str = ""
    frame: Literal["", "direction", "line"] = ""
    any_of: tuple[str, ...] = ()
    at_least: int = 0
    draws: int = 0
    only: Side | None = None
    always: bool = False


def teardrops(p: Points) -> Pelvis:
    """The frame on the teardrops, or on what stands for them."""
    return Pelvis(p["teardrop_right"], p["teardrop_left"])


def ischia(p: Points) -> Pelvis:
    """The frame on the ischia."""
    return Pelvis(p["ischium_right"], p["ischium_left"])
