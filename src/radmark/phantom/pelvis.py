"""The pelvis from in front: its bones as control points, the points a surgeon measures from, and how to draw them.

Written for the patient's left half (image right) as (x, y, z) millimetres from the middle of the teardrop line, x
towards the patient's left, y towards the feet, z to the front. The right half is the mirror image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from radmark.phantom.femur import HEAD_RADIUS_MM
from radmark.phantom.raster import Canvas, Points, arc, circle, smooth_closed, smooth_open

Place = Callable[[Points], Points]
"""(N, 3) millimetres -> (N, 2) pixels: the patient's shape, then the pose."""

SIDES = {"right": -1, "left": 1}
"""The patient's sides and the sign of x there: on an AP film the patient's left is image right."""

HEAD_CENTRE = np.array([[88.0, -18.0, 0.0]])

# fmt: off
# The hip bone's outline, from the top of the symphysis round the ischium to the rim of the acetabulum, …
_LOWER_OUTLINE = np.array(
    [
        [3.2, 4, 55], [2.6, 12, 55], [2.6, 24, 53], [3.6, 36, 47], [8, 44, 40], [17, 53, 32], [28, 61, 20],
        [40, 67, 4], [50, 71.5, -10], [60, 71, -22], [69, 64, -30], [75.5, 52, -32], [77.5, 40, -30],
        [77, 28, -28], [79, 17, -25], [85, 8, -22], [93, -4, -18], [100, -18, -10],
    ]
)
# … and from there over the iliac crest, down the sacroiliac joint, the sciatic notch and the pelvic brim.
_UPPER_OUTLINE = np.array(
    [
        [108, -52, 8], [110, -63, 24], [107.5, -71, 30], [109, -80, 33], [117, -90, 40], [127, -98, 47],
        [134.5, -104, 50], [138, -110, 48], [141.5, -122, 38], [143.5, -136, 22], [140, -149, 2],
        [130, -158, -16], [114, -162.5, -32], [96, -161, -48], [78, -153, -60], [62, -143, -70],
        [51, -132, -76], [45, -120, -76], [41, -106, -74], [39, -90, -70], [40, -78, -64], [47, -73, -52],
        [57, -70, -38], [65, -60, -20], [67, -44, -6], [63, -27, 6], [55, -14, 20], [44, -7, 34],
        [32, -4, 44], [23, -3.5, 52], [16, 1, 55], [9, 1.5, 56],
    ]
)
_OBTURATOR = np.array(
    [
        [19, 20, 45], [23, 13, 42], [33, 9.5, 33], [45, 11, 20], [54, 18, 6], [58.5, 30, -6], [56, 43, -12],
        [48, 52, -6], [39, 53, 4], [29, 45, 16], [21, 33, 34],
    ]
)
_SPINE_OF_ISCHIUM = np.array(
    [
        [64, -30, -32], [57, -22, -36], [50, -14, -40], [52, -8, -38], [60, -2, -34], [66, -10, -30],
    ]
)

# Where the hip bone is thick, …
_ABOVE_THE_SOCKET = np.array(
    [
        [64, -42, 0], [84, -48, 0], [104, -46, 4], [106, -68, 20], [96, -92, 10], [74, -92, -20],
        [60, -74, -30],
    ]
)
_BODY_OF_ISCHIUM = np.array(
    [
        [60, 0, 0], [76, 4, -20], [76, 30, -28], [74, 54, -30], [58, 69, -20], [48, 68, -10], [60, 46, -12],
        [62, 22, -10],
    ]
)
_BESIDE_THE_SACRUM = np.array(
    [
        [40, -80, -66], [54, -76, -40], [66, -92, -30], [64, -124, -50], [54, -138, -70], [46, -118, -72],
    ]
)
_BODY_OF_PUBIS = np.array([[4, 6, 55], [14, 3, 55], [24, 0, 50], [20, 16, 46], [18, 34, 40], [8, 40, 42]])
_SUPERIOR_RAMUS = np.array(
    [
        [24, -2, 50], [46, -6, 32], [60, -16, 14], [62, 6, 4], [44, 8, 22], [26, 10, 42],
    ]
)
# … and thin: the middle of the iliac wing lets the rays through.
_MIDDLE_OF_WING = np.array(
    [
        [98, -96, 10], [116, -112, 20], [124, -142, 8], [104, -152, -30], [84, -140, -40], [82, -112, -30],
    ]
)
_THICKNESS: list[tuple[float, list[tuple[Points, float]]]] = [
    (6.0, [(_ABOVE_THE_SOCKET, 0.26), (_BESIDE_THE_SACRUM, 0.22), (_MIDDLE_OF_WING, -0.12)]),
    (3.0, [(_BODY_OF_ISCHIUM, 0.20), (_BODY_OF_PUBIS, 0.10), (_SUPERIOR_RAMUS, 0.10)]),
]
"""Softness in mm, and the outlines that share it with the absorption of each."""

# Edges the rays graze.
_CREST_LINE = np.array(
    [
        [133, -105.5, 49], [139, -122, 38], [140.8, -136, 22], [137.5, -147.5, 2], [128.5, -155.5, -16],
        [113.5, -159.5, -32], [96.5, -158, -48], [79, -150, -60], [63.5, -140.5, -70],
    ]
)
_BRIM_LINE = np.array(
    [
        [46, -98, -66], [55, -84, -50], [63.5, -70, -28], [66.5, -54, -10], [65, -38, 2], [59, -23, 12],
        [50, -12.5, 24], [36, -6.5, 40], [24, -3, 50],
    ]
)
_ILIOISCHIAL_LINE = np.array(
    [
        [66, -58, -24], [64, -40, -20], [58, -20, -12], [53.5, -4, -6], [54.5, 10, -8], [59.5, 26, -12],
        [59, 42, -14],
    ]
)
_SACROILIAC_JOINT = np.array(
    [
        [55, -126, -56], [53, -116, -54], [49, -104, -56], [46.5, -92, -60], [43, -80, -62],
    ]
)
_TEARDROP = np.array(
    [
        [63.5, -26, 0], [62.5, -16, 0], [61.2, -7, 0], [59.3, -1.6, 0], [57, 0, 0], [54.8, -1.8, 0],
        [53.6, -7, 0], [54.2, -15, 0], [57, -25, 0],
    ]
)
_ANTERIOR_WALL = np.array([[104, -43, 4], [97, -30, 16], [88, -16, 22], [76, -4, 22], [64, 4, 20]])
_POSTERIOR_WALL = np.array([[106, -42, -4], [103, -26, -10], [97, -10, -16], [89, 4, -22], [80, 16, -25]])

_GRAZED: list[tuple[Points, tuple[float, ...], float]] = [
    (_BRIM_LINE, (1.0, 2.0, 2.2, 1.8, 1.5), 0.20),
    (_ILIOISCHIAL_LINE, (1.0, 1.8, 1.8, 1.0), 0.18),
    (_SACROILIAC_JOINT, (1.0, 2.2, 2.2, 1.0), -0.22),
    (_ANTERIOR_WALL, (1.2, 1.2), 0.09),
    (_POSTERIOR_WALL, (1.4, 1.4), 0.12),
]
"""(path, widths along it in mm, absorption)."""

_SACRUM = np.array(
    [
        [0, -121, 4], [13, -122, 4], [25, -119, 2], [34, -124, -10], [46, -128, -24], [56, -124, -36],
        [56, -112, -44], [51, -98, -52], [46, -84, -60], [40, -72, -64], [31, -60, -68], [23, -49, -68],
        [17, -40, -64], [13, -33.5, -58], [8, -31, -55], [0, -31, -54],
    ]
)
_SACRAL_ENDPLATE = np.array([[-25, -119, 2], [-12, -121, 4], [0, -120.5, 4], [12, -121, 4], [25, -119, 2]])
_SACROCOCCYGEAL = np.array([[0.0, -30.0, -54.0]])
_FORAMINA = np.array([[24, -106, -40], [21, -88, -56], [18.5, -71, -66], [15, -56, -68]])
_FORAMEN_RADII_MM = (5.2, 4.8, 4.2, 3.4)
_COCCYX = [
    np.array(
        [
            [0, -29, -54], [9, -28.5, -54], [12, -26, -53], [6, -21, -50], [5, -16.5, -47], [0, -16, -46],
        ]
    ),
    np.array([[0, -15, -46], [5, -15, -46], [4.5, -10, -42], [3.5, -7.5, -39], [0, -7, -38]]),
    np.array([[0, -6, -38], [3, -6, -38], [2.5, -2, -34], [0, 1, -31]]),
]

_VERTEBRA = np.array(
    [
        [0, -14.5, 14], [13, -14.5, 14], [24, -16, 10], [25, -13, 8], [21.5, 0, 10], [25, 12, 8],
        [24, 14.5, 10], [13, 13.5, 14], [0, 13.5, 14],
    ]
)
_TRANSVERSE_PROCESS = np.array(
    [
        [18, -8, -10], [30, -11, -14], [44, -13, -18], [47, -9, -18], [42, -4, -17], [30, -1, -14],
        [20, 3, -10],
    ]
)
_PEDICLE = np.array([[16.0, -5.0, -10.0]])
_SPINOUS_PROCESS = np.array([[0, 0, -50], [3, 3, -52], [4, 12, -56], [2.5, 20, -58], [0, 21, -58]])
_VERTEBRAE_AT = np.array([[0, -142, 12], [0, -181, 20]])
"""Centres of L5 and L4."""
# fmt: on


@dataclass(frozen=True)
class Acetabulum:
    """The roof of one hip socket as angles about the head, from straight up, positive laterally."""

    lateral_deg: float = 31.0
    """The lateral centre-edge angle."""
    medial_deg: float = -36.0
    gap_mm: float = 4.2
    """Joint space between head and roof."""
    head_scale: float = 1.0

    @property
    def radius_mm(self) -> float:
        """From the head's centre to the middle of the roof's dense line."""
        return HEAD_RADIUS_MM * self.head_scale + self.gap_mm + 0.8


@dataclass(frozen=True)
class HalfPelvis:
    """One side of a pelvis on the film: its outlines and points in pixels."""

    place: Place
    side: int
    socket: Acetabulum
    px_per_mm: float

    def on_film(self, points_mm: Points) -> Points:
        """(N, 3) millimetres of the left half -> (N, 2) pixels on this side."""
        return self.place(points_mm * [self.side, 1, 1])

    @cached_property
    def head_centre(self) -> Points:
        """(2,) the centre of the femoral head."""
        return self.on_film(HEAD_CENTRE)[0]

    @cached_property
    def sourcil(self) -> Points:
        """(24, 2) the dense roof of the socket, from its medial to its lateral end."""
        s = self.socket
        return arc(
            self.head_centre,
            s.radius_mm * self.px_per_mm,
            self.side * s.medial_deg,
            self.side * s.lateral_deg,
        )

    @cached_property
    def outline(self) -> Points:
        """The outline of the hip bone."""
        rim = self.sourcil[-1:]
        return smooth_closed(np.concatenate([self.on_film(_LOWER_OUTLINE), rim, rim, self.on_film(_UPPER_OUTLINE)]))

    @cached_property
    def teardrop(self) -> Points:
        """The teardrop's U, an open line."""
        return smooth_open(self.on_film(_TEARDROP))

    def points(self) -> dict[str, Points]:
        """The landmarks of this half, (2,) each, without their side."""
        outline, teardrop, sourcil = self.outline, self.teardrop, self.sourcil
        return {
            "teardrop": teardrop[np.argmax(teardrop[:, 1])],
            "ischium": outline[np.argmax(outline[:, 1])],
            "femoral_head": self.head_centre,
            "sourcil_medial": sourcil[0],
            "sourcil_lateral": sourcil[-1],
        }

    def draw(self, canvas: Canvas, *, with_socket: bool = True) -> None:
        """Add the hip bone; without the socket's roof and joint space where a cup has been reamed into it."""
        canvas.add_bone(
            self.outline,
            0.34,
            0.20,
            holes=[smooth_closed(self.on_film(_OBTURATOR))],
            cortex_mm=1.2,
            round_mm=5.0,
        )
        for soft_mm, parts in _THICKNESS:
            canvas.add_each([(smooth_closed(self.on_film(part)), amount) for part, amount in parts], soft_mm=soft_mm)
        canvas.add_bone(smooth_closed(self.on_film(_SPINE_OF_ISCHIUM)), 0.14, 0.10, cortex_mm=1.0, round_mm=2.0)
        crest = canvas.pen(smooth_open(self.on_film(_CREST_LINE)), [3.0, 6.0, 7.0, 6.0, 3.0])
        canvas.add(crest, 0.16, soft_mm=1.2)
        lines = [(canvas.pen(smooth_open(self.on_film(p)), widths_mm), amount) for p, widths_mm, amount in _GRAZED]
        lines.append((canvas.pen(self.teardrop, [0.8, 1.6, 2.0, 1.6, 0.8]), 0.34))
        if with_socket:
            lines += self._socket_lines(canvas)
        canvas.add_each(lines, soft_mm=0.5)

    def _socket_lines(self, canvas: Canvas) -> list[tuple[Points, float]]:
        s, centre = self.socket, self.head_centre
        # The joint space shows dark because cartilage stops the rays no more than muscle does.
        space_px = (s.radius_mm - s.gap_mm / 2 - 0.8) * self.px_per_mm
        space = arc(centre, space_px, self.side * -95, self.side * 34, 48)
        floor = arc(centre, s.radius_mm * self.px_per_mm, self.side * -108, self.side * s.medial_deg)
        return [
            (canvas.pen(space, s.gap_mm * 0.9), -0.20),
            (canvas.pen(self.sourcil, [2.2, 3.6, 4.0, 3.2]), 0.34),
            (canvas.pen(floor, 1.2), 0.12),
        ]


def midline_points(place: Place) -> dict[str, Points]:
    """The two landmarks without a side, (2,) each."""
    top = place(_LOWER_OUTLINE[:1]), place(_LOWER_OUTLINE[:1] * [-1, 1, 1])
    return {
        "sacrococcygeal_junction": place(_SACROCOCCYGEAL)[0],
        "pubic_symphysis": (top[0][0] + top[1][0]) / 2,
    }


def _both_sides(half: Points) -> Points:
    """A half outline that starts and ends on the midline -> the whole, closed outline."""
    return np.concatenate([half, half[-2:0:-1] * [-1, 1, 1]])


def draw_spine(canvas: Canvas, place: Place) -> None:
    """Add the lower lumbar vertebrae, the sacrum and the coccyx."""
    _draw_vertebrae(canvas, place)
    _draw_sacrum(canvas, place)
    coccyx = [smooth_closed(place(_both_sides(segment))) for segment in _COCCYX]
    canvas.add_bone(coccyx, 0.18, 0.14, cortex_mm=1.0, round_mm=2.0)


def _draw_vertebrae(canvas: Canvas, place: Place) -> None:
    def at_each(part: Points) -> list[Points]:
        return [smooth_closed(place(part + centre)) for centre in _VERTEBRAE_AT]

    mirror = np.array([-1, 1, 1])
    canvas.add_bone(at_each(_both_sides(_VERTEBRA)), 0.34, 0.22, cortex_mm=1.1, round_mm=5.0)
    canvas.add_bone(at_each(_both_sides(_SPINOUS_PROCESS)), 0.16, 0.20, cortex_mm=1.0, round_mm=2.0)
    wings = at_each(_TRANSVERSE_PROCESS) + at_each(_TRANSVERSE_PROCESS * mirror)
    canvas.add_bone(wings, 0.16, 0.08, cortex_mm=1.0, round_mm=2.5)
    middles = place(np.concatenate([_VERTEBRAE_AT + _PEDICLE, _VERTEBRAE_AT + _PEDICLE * mirror]))
    pedicles = [circle(middle, 4.6 * canvas.px_per_mm) for middle in middles]
    canvas.add_bone(pedicles, 0.06, 0.20, cortex_mm=0.9, round_mm=2.0)


def _draw_sacrum(canvas: Canvas, place: Place) -> None:
    canvas.add_bone(smooth_closed(place(_both_sides(_SACRUM))), 0.32, 0.12, cortex_mm=1.3, round_mm=9.0)
    middles = place(np.concatenate([_FORAMINA, _FORAMINA * [-1, 1, 1]]))
    radii_px = [radius_mm * canvas.px_per_mm for radius_mm in _FORAMEN_RADII_MM * 2]
    foramina = [
        circle((0, 0), radius) * [1.15, 0.85] + middle for middle, radius in zip(middles, radii_px, strict=True)
    ]
    canvas.add(foramina, -0.15, soft_mm=1.5)
    lines = [(canvas.pen(smooth_open(place(_SACRAL_ENDPLATE)), 1.8), 0.18)]
    for middle, radius in zip(middles, radii_px, strict=True):
        roof = arc(middle + np.array([0, 0.4 * radius]), 1.5 * radius, -68, 68)
        lines.append((canvas.pen(roof, [0.6, 1.6, 0.6]), 0.18))
    for x, y, z in _FORAMINA:
        fused_disc = np.array([[8 - x, y + 9, z], [0, y + 10.5, z], [x - 8, y + 9, z]])
        lines.append((canvas.pen(smooth_open(place(fused_disc)), 1.6), 0.06))
        crest = np.array([[0, y - 6, z - 15], [0.6, y, z - 15], [0, y + 5, z - 15]])
        lines.append((canvas.pen(place(crest), [2.0, 4.0, 2.0]), 0.13))
    canvas.add_each(lines, soft_mm=0.6)
