"""What surrounds the bones of a pelvis: skin, muscle, bladder and bowel gas."""

from __future__ import annotations

import numpy as np

from radmark.phantom.pelvis import Place
from radmark.phantom.raster import Canvas, Points, circle, smooth_closed

# fmt: off
# Half outlines from the top of the picture; both run past its edges.
_BODY = np.array(
    [
        [0, -330], [140, -330], [146, -240], [150, -190], [160, -150], [172, -100], [182, -50], [186, 0],
        [182, 60], [174, 120], [166, 200], [156, 330], [0, 330],
    ]
)
_BETWEEN_THIGHS = np.array([[0, 86], [2, 92], [5, 110], [10, 150], [17, 220], [26, 330], [0, 330]])
_BUTTOCK = np.array([[0, -60], [60, -75], [120, -50], [150, 0], [140, 60], [90, 100], [30, 100], [0, 84]])
_GAS_HOMES = np.array(
    [
        [-98, -128], [-80, -100], [-112, -150], [96, -140], [88, -108], [60, -60], [10, -60], [-6, -44],
        [0, -150], [-50, -170],
    ]
)
# fmt: on


def add_body(canvas: Canvas, place: Place, rng: np.random.Generator) -> None:
    """Add the trunk and thighs, thickest in the middle, and a bladder."""
    girth = rng.uniform(0.94, 1.16)
    body = _film_outline(place, _BODY * [girth, 1])
    gap = _film_outline(place, _BETWEEN_THIGHS * [rng.uniform(0.0, 1.1), 1])
    buttock = _film_outline(place, _BUTTOCK * [girth, 1])
    bladder_middle = place(np.array([[rng.normal(0, 4), -20.0, 40.0]]))[0]
    bladder = circle((0, 0), rng.uniform(22, 36) * canvas.px_per_mm) * [1.35, 0.85] + bladder_middle
    thickness = canvas.coarse_fill(body)
    thickness *= 0.30 + 0.70 * canvas.coarse_blur(thickness, 34.0)
    thickness *= 1 - canvas.coarse_fill(gap, 3.0)
    thickness += 0.12 * canvas.coarse_fill(buttock, 12.0)
    thickness += 0.06 * canvas.coarse_fill(bladder, 3.0)
    canvas.add_coarse(thickness, rng.uniform(0.95, 1.15))


def add_bowel_gas(canvas: Canvas, place: Place, rng: np.random.Generator) -> None:
    """Take away a few lumpy pockets where the colon, the rectum and small bowel lie."""
    for home in _GAS_HOMES[rng.random(len(_GAS_HOMES)) < 0.4]:
        heading = rng.uniform(0, 2 * np.pi)
        pocket: list[Points] = []
        for bead in range(rng.integers(1, 6)):
            along = 9.0 * bead * np.array([np.cos(heading), np.sin(heading)]) + rng.normal(0, 3, 2)
            at = place(np.array([[*(home + along), 40.0]]))[0]
            pocket.append(smooth_closed(_lump(rng) * canvas.px_per_mm + at))
        canvas.add(pocket, -rng.uniform(0.06, 0.20), soft_mm=2.0)


def _lump(rng: np.random.Generator) -> Points:
    """A haustrum's worth of gas, (9, 2) control points in millimetres about its middle."""
    angle = np.linspace(0, 2 * np.pi, 9, endpoint=False)
    radius = 9.0 * np.exp(rng.normal(0, 0.25)) * (1 + rng.uniform(-0.2, 0.2, 9))
    return np.stack([1.2 * np.cos(angle), np.sin(angle)], axis=1) * radius[:, None]


def _film_outline(place: Place, half: Points) -> Points:
    whole = np.concatenate([half, half[-2:0:-1] * [-1, 1]])
    return smooth_closed(place(np.concatenate([whole, np.zeros((len(whole), 1))], axis=1)))
