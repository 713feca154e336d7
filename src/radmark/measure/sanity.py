"""What geometry alone can tell of a film that is not what it is taken for: sides swapped, anatomy out of order, a cropped point.

Thresholds are not checked against a source and say so. Nothing here is a verdict on a patient.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from radmark.core.finding import Finding, check, stop
from radmark.core.marks import Marks
from radmark.core.report import Side
from radmark.measure.entry import ISCHIA, TEARDROPS
from radmark.measure.geometry import Pelvis, Point, signed_angle_deg

BORDER_PERCENT = 1.0
OBLIQUITY_DEG = 3.0
LEGS_DEG = 5.0
ROTATION_SHARE = 0.08
TIBIAL_AXIS_MM = 100.0

_SIDED = (
    "teardrop", "ischium", "lesser_trochanter", "greater_trochanter", "femoral_head", "triradiate", "femoral_shaft_proximal",
    "femoral_notch", "tibial_spines", "talus",
)  # fmt: skip
"""Each of these lies on its own side of the other on any frontal film."""

_ABOVE = (
    ("teardrop", "ischium"), ("teardrop", "lesser_trochanter"), ("femoral_head", "lesser_trochanter"),
    ("greater_trochanter", "lesser_trochanter"), ("sourcil_lateral", "femoral_head"),
    ("cup_rim_superolateral", "cup_rim_inferomedial"), ("stem_proximal", "stem_distal"),
    ("femoral_shaft_proximal", "femoral_shaft_distal"), ("sacral_endplate", "sacrococcygeal_junction"),
    ("sacrococcygeal_junction", "pubic_symphysis"), ("femoral_head", "femoral_notch"), ("tibial_spines", "talus"),
    ("tibial_shaft_proximal", "tibial_shaft_distal"),
)  # fmt: skip
"""The first lies above the second."""

_LATERAL = (
    ("femoral_head", "teardrop"), ("lesser_trochanter", "teardrop"), ("greater_trochanter", "femoral_head"),
    ("femoral_head_lateral", "femoral_head_medial"), ("sourcil_lateral", "sourcil_medial"),
    ("cup_rim_superolateral", "cup_rim_inferomedial"), ("femoral_condyle_lateral", "femoral_condyle_medial"),
    ("tibial_plateau_lateral", "tibial_plateau_medial"),
    ("obturator_foramen_lateral", "obturator_foramen_medial"),
)  # fmt: skip
"""The first lies lateral of the second."""


@dataclass(frozen=True)
class Seen:
    """What the geometry shows.

    Args:
        of: landmark -> what is odd about it; for every result that uses it.
        swapped: landmark -> why no number may rest on it: right and left look exchanged.
        pelvis: how the pelvis lies; for every result on the pelvis' frame.
        legs: how the legs lie; for leg lengths.
    """

    of: Mapping[str, tuple[Finding, ...]]
    swapped: Mapping[str, Finding]
    pelvis: tuple[Finding, ...]
    legs: tuple[Finding, ...]

    @property
    def all(self) -> tuple[Finding, ...]:
        """Each once."""
        of = (finding for findings in self.of.values() for finding in findings)
        return tuple(dict.fromkeys((*self.swapped.values(), *of, *self.pelvis, *self.legs)))


def look(marks: Marks, there: Mapping[str, Point], *, side: Side | None, in_mm: bool) -> Seen:
    """Compare the landmarks with each other and with the picture's border.

    Args:
        marks: of one film.
        there: those that are placed, in millimetres or square pixels, the patient's right on the left.
        side: of a film of one side.
        in_mm: whether these are millimetres.
    """
    odd: defaultdict[str, list[Finding]] = defaultdict(list)
    for name in _at_border(marks):
        odd[name].append(check("at_border", f"{name} lies within {BORDER_PERCENT:g} % of the picture's border", name))
    frame, swapped = _frame(there), _swapped(there)
    # An order of what is swapped as a whole says nothing new.
    order: Mapping[str, Point] = {} if len(swapped) == len(there) else there
    for upper, lower, _ in _pairs(_ABOVE, order, side):
        if frame.up(there[upper]) <= frame.up(there[lower]):
            _say(odd, upper, lower, "above")
    for outer, inner, s in _pairs(_LATERAL, order, side):
        if s is not None and frame.lateral(there[outer], s) <= frame.lateral(there[inner], s):
            _say(odd, outer, inner, "lateral of")
    axis = [there.get(f"tibial_shaft_{end}") for end in ("proximal", "distal")]
    if in_mm and axis[0] is not None and axis[1] is not None and np.hypot(*(axis[1] - axis[0])) < TIBIAL_AXIS_MM:
        words = f"the tibial axis is shorter than {TIBIAL_AXIS_MM:g} mm (sage 23259671251335982)"
        odd["tibial_plateau_posterior"].append(check("short_tibial_axis", words, "tibial_plateau_posterior"))
    return Seen({k: tuple(v) for k, v in odd.items()}, swapped, _pelvis(there), _legs(there, frame))


def _say(odd: defaultdict[str, list[Finding]], one: str, other: str, how: str) -> None:
    for name in (one, other):
        odd[name].append(check("contradicts_anatomy", f"contradicts anatomy: {one} does not lie {how} {other}", one))


def _at_border(marks: Marks) -> Iterator[str]:
    size = np.array([marks.frame.width, marks.frame.height])
    share = np.minimum(marks.points + 0.5, size - 0.5 - marks.points) / size
    for name, placed, near in zip(marks.scheme.names, marks.placed, share.min(axis=1), strict=True):
        if placed and near < BORDER_PERCENT / 100:
            yield name


def _frame(there: Mapping[str, Point]) -> Pelvis:
    """Of the pelvis where it is there, else of the film."""
    for right, left in (TEARDROPS, ISCHIA, ("femoral_head_right", "femoral_head_left")):
        if right in there and left in there and (there[left] - there[right]).any():
            return Pelvis(there[right], there[left])
    return Pelvis(np.array([0.0, 0.0]), np.array([1.0, 0.0]))


def _pairs(
    rules: tuple[tuple[str, str], ...], there: Mapping[str, Point], side: Side | None
) -> Iterator[tuple[str, str, int | None]]:
    """Two placed landmarks of a rule and their side: +1 left, -1 right, None where nobody says."""
    told = None if side is None else 1 if side == "left" else -1
    for rule in rules:
        for ending, s in (("", told), ("_right", -1), ("_left", 1)):
            # A film of one side may name its own teardrop with the side and the rest without.
            one, other = (name + ending if name + ending in there else name for name in rule)
            if one in there and other in there and (ending == "" or one.endswith(ending) or other.endswith(ending)):
                yield one, other, s


def _swapped(there: Mapping[str, Point]) -> dict[str, Finding]:
    both = [stem for stem in _SIDED if f"{stem}_right" in there and f"{stem}_left" in there]
    wrong = [stem for stem in both if there[f"{stem}_right"][0] > there[f"{stem}_left"][0]]
    stems = both if 2 * len(wrong) > len(both) else wrong
    if not stems:
        return {}
    words = f"right and left look swapped, {wrong[0]}_right lies to the patient's left of {wrong[0]}_left"
    why = stop("sides_swapped", words, "side")
    if stems is both:  # the whole film: everything with a side is in doubt
        return dict.fromkeys(there, why)
    return {f"{stem}_{side}": why for stem in stems for side in ("right", "left")}


def _pelvis(there: Mapping[str, Point]) -> tuple[Finding, ...]:
    if not all(name in there for name in TEARDROPS):
        return ()
    across = there["teardrop_left"] - there["teardrop_right"]
    found: list[Finding] = []
    slope = signed_angle_deg(np.array([1.0, 0.0]), across)
    if abs(slope) > OBLIQUITY_DEG:
        words = f"pelvic obliquity {slope:.1f} degrees, more than {OBLIQUITY_DEG:g} (unverified threshold)"
        found.append(check("pelvis_oblique", words, "pelvis"))
    ends = [there.get(name) for name in ("sacrococcygeal_junction", "pubic_symphysis")]
    if ends[0] is not None and ends[1] is not None and across.any():
        share = float((ends[0] - ends[1]) @ across / (across @ across))
        if abs(share) > ROTATION_SHARE:
            words = (
                f"pelvis looks rotated: sacrum against symphysis {share:.2f} of the inter-teardrop distance, "
                f"more than {ROTATION_SHARE:g} (unverified threshold)"
            )
            found.append(check("pelvis_rotated", words, "pelvis"))
    return tuple(found)


def _legs(there: Mapping[str, Point], frame: Pelvis) -> tuple[Finding, ...]:
    leans: list[float] = []
    for side, s in (("right", -1), ("left", 1)):
        top, bottom = (there.get(f"femoral_shaft_{end}_{side}") for end in ("proximal", "distal"))
        if top is None or bottom is None:
            return ()
        down = frame.up(top) - frame.up(bottom)
        leans.append(math.degrees(math.atan2(frame.lateral(bottom, s) - frame.lateral(top, s), down)))
    apart = abs(leans[0] - leans[1])
    if apart <= LEGS_DEG:
        return ()
    words = (
        f"the legs' abduction differs by {apart:.1f} degrees, more than {LEGS_DEG:g} (unverified threshold): "
        "leg lengths are uncertain"
    )
    return (check("legs_abducted_unequally", words, "legs"),)
