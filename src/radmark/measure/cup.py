"""The opening of an acetabular cup from its ellipse on the film, and the same cup by other definitions.

One film cannot tell anteversion from retroversion: angles of version come without a sign. Identities, exact for parallel rays;
the cone of a pelvis-centred film makes anteversion 3 to 3.5 degrees too small and inclination up to 1.6 too large.
"""

import math

import numpy as np

from radmark.measure.geometry import Point, cross


def anteversion_from_axes_deg(short_mm: float, long_mm: float) -> float:
    """Lewinnek 1978: radiographic anteversion from the ellipse's two axes, in any unit. NaN where the short one is the longer."""
    return _asin_deg(short_mm / long_mm)


def anteversion_from_end_angle_deg(beta_deg: float) -> float:
    """Liaw 2006: from the angle, at an end of the long axis, between it and the line to an end of the short axis."""
    return _asin_deg(math.tan(math.radians(beta_deg)))


def anteversion_from_chord_deg(one_end: Point, other_end: Point, rim: Point) -> float:
    """Hassan 1995: from the ends of the long axis and any other point of the rim; Pradhan's is the one at a fifth of the axis.

    NaN where no ellipse with that axis goes through the point.
    """
    axis = other_end - one_end
    length = float(np.hypot(*axis))
    if length == 0:
        return math.nan
    share = float((rim - one_end) @ axis) / length**2
    if not 0 < share < 1:
        return math.nan
    height = abs(cross(axis, rim - one_end)) / length
    return _asin_deg(height / length / math.sqrt(share - share**2))


def anteversion_from_total_length_deg(short_mm: float, total_mm: float) -> float:
    """Widmer 2004's two lengths, the short axis and the whole projected cup along it, for a hemisphere and parallel rays.

    Widmer's own straight line (48.05 S/TL - 0.3) is 3 to 4.5 degrees higher; it allows for the rays' cone.
    """
    ratio = short_mm / total_mm
    return _asin_deg(ratio / (2 - ratio)) if ratio < 2 else math.nan


def anatomic_deg(inclination_deg: float, anteversion_deg: float) -> tuple[float, float]:
    """Murray: radiographic inclination and anteversion to anatomic, what a CT gives."""
    ri, ra = math.radians(inclination_deg), math.radians(anteversion_deg)
    return math.degrees(math.acos(math.cos(ra) * math.cos(ri))), math.degrees(math.atan2(math.tan(ra), math.sin(ri)))


def operative_deg(inclination_deg: float, anteversion_deg: float) -> tuple[float, float]:
    """Murray: radiographic inclination and anteversion to operative."""
    ri, ra = math.radians(inclination_deg), math.radians(anteversion_deg)
    return math.degrees(math.asin(math.cos(ra) * math.sin(ri))), math.degrees(math.atan2(math.tan(ra), math.cos(ri)))


def tilted_deg(inclination_deg: float, anteversion_deg: float, posterior_tilt_deg: float) -> tuple[float, float]:
    """Radiographic inclination and anteversion after the pelvis is tilted backwards by so many degrees."""
    ri, ra, tilt = (math.radians(v) for v in (inclination_deg, anteversion_deg, posterior_tilt_deg))
    turned = math.sin(ra) * math.cos(tilt) + math.cos(ra) * math.cos(ri) * math.sin(tilt)
    down = math.cos(ra) * math.cos(ri) * math.cos(tilt) - math.sin(ra) * math.sin(tilt)
    return math.degrees(math.atan2(math.cos(ra) * math.sin(ri), down)), math.degrees(math.asin(turned))


LEWINNEK = "Lewinnek reference box (historic reference, not predictive)"


def against_lewinnek(inclination_deg: float, anteversion_deg: float) -> str:
    """Inclination 40 ± 10 and anteversion 15 ± 10 degrees. More than half of dislocated hips lay inside (Abdel 2016)."""
    inside = abs(inclination_deg - 40) <= 10 and abs(anteversion_deg - 15) <= 10
    return f"{'inside' if inside else 'outside'} the {LEWINNEK}"


def _asin_deg(sine: float) -> float:
    return math.degrees(math.asin(sine)) if 0 <= sine <= 1 else math.nan
