"""The knee from in front: femur, patella, tibia and fibula as control points, the points measured from, the drawing.

Written for the patient's left knee (image right is lateral) as (x, y) millimetres from the middle of the joint, y
towards the feet. A right knee is its mirror image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from radmark.phantom.pose import turn
from radmark.phantom.raster import Canvas, Points, curve_span, smooth_closed, smooth_open

Place = Callable[[Points], Points]
"""(N, 2) millimetres -> (N, 2) pixels."""

_END_MM = 190.0
_CONDYLES_TOP_MM = -30.0
# fmt: off
_FEMUR = np.array(
    [
        [-15, -_END_MM], [-15, -_END_MM], [-15, -120], [-15.5, -88], [-17.5, -70], [-23, -55], [-32, -45],
        [-38, -39], [-41, -32], [-42, -23], [-40.5, -12], [-36, -4.5], [-29, -1.2], [-22, -0.6],
        [-15.5, -3.5], [-11, -9.5], [-8.5, -16], [-4.5, -21], [0, -22.5], [4.5, -21], [8.5, -16],
        [11, -9.5], [16, -4.5], [23, -2.2], [30, -3], [36.5, -7], [40, -15], [40.5, -25], [38.5, -34],
        [33, -43], [25, -54], [19, -68], [16, -88], [15, -120], [15, -_END_MM], [15, -_END_MM],
    ]
)
_MEDIAL_CONDYLE, _NOTCH, _LATERAL_CONDYLE = slice(9, 16), slice(15, 22), slice(21, 28)
_TIBIA = np.array(
    [
        [-39, 7.2], [-39, 7.2], [-34, 5.6], [-26, 5.8], [-17, 5.4], [-10.5, 3], [-6.5, -2], [-4.5, -3.8],
        [-2.6, -1.5], [0.5, 1.2], [3.6, -0.6], [5.4, -2.6], [7.4, -0.6], [11, 3.4], [18, 4.6], [27, 4.4],
        [34, 5], [38.5, 7.4], [38.5, 7.4], [39.5, 13], [37.5, 21], [32, 31], [25, 42], [19.5, 56],
        [16.2, 76], [14.5, 110], [13.5, _END_MM], [13.5, _END_MM], [-13, _END_MM], [-13, _END_MM],
        [-13.5, 110], [-15.5, 78], [-20, 54], [-28, 37], [-35, 25], [-39.5, 16],
    ]
)
_FIBULA = np.array(
    [
        [31, 15.5], [35, 15.2], [41, 20], [44.5, 28], [43, 37], [39, 46], [37.5, 62], [38, 110],
        [38, _END_MM], [38, _END_MM], [28, _END_MM], [28, _END_MM], [27.5, 110], [28, 62], [27.5, 48],
        [26.5, 38], [26, 28], [28.5, 20],
    ]
)
_PATELLA = np.array(
    [
        [0, -59], [11, -57.5], [19.5, -50], [22.5, -40], [19.5, -29], [11, -19.5], [3, -14.5], [-6, -18],
        [-15, -27], [-20, -38], [-18.5, -49], [-10, -57],
    ]
)
_TIBIAL_TUBEROSITY = np.array([[-6, 30], [6, 28], [12, 40], [8, 56], [2, 66], [-5, 54], [-9, 42]])

# The thick walls of the shafts, medial and lateral, from the shaft's end towards the joint.
_WALL_WIDTHS_MM = (6.0, 5.5, 4.5, 3.0, 2.0, 1.0)
_FEMUR_WALLS = [
    np.array([[-12.2, -_END_MM], [-12.2, -120], [-13.5, -88], [-16.5, -70], [-22, -56], [-31, -46]]),
    np.array([[12.2, -_END_MM], [12.2, -120], [13.6, -88], [17.2, -68], [23.5, -54], [32, -43]]),
]
_TIBIA_WALLS = [
    np.array([[-10, _END_MM], [-10.6, 110], [-13.2, 78], [-18.2, 54], [-27, 37], [-34, 25]]),
    np.array([[10.5, _END_MM], [11.6, 110], [14, 76], [18, 56], [24, 42], [31.5, 31]]),
]
_PLATEAUS = [
    np.array([[-38, 7.8], [-33, 6.8], [-26, 7], [-17, 6.6], [-11, 4.5]]),
    np.array([[11, 4.8], [18, 5.8], [27, 5.6], [33, 6.2], [37.5, 8]]),
]
_FAR_RIMS = [
    np.array([[-37, 9], [-28, 11.5], [-18, 10.5], [-12, 7]]),
    np.array([[12, 7], [19, 9.5], [28, 10], [36, 9]]),
]
"""The plateaus slope down to the back: their rear rims project below the front ones."""
_FEMORAL_SCAR = np.array([[-36, -36], [-24, -33], [-12, -37], [0, -39], [12, -36], [24, -32], [33, -35]])
_TIBIAL_SCAR = np.array([[-34, 20], [-22, 18], [-8, 21], [6, 21], [20, 18], [33, 20]])
"""Where the growth plates closed."""
_LEG = np.array(
    [
        [-70, -220], [-66, -120], [-60, -60], [-56, -20], [-54, 10], [-57, 50], [-62, 90], [-62, 220],
        [66, 220], [66, 100], [60, 50], [56, 10], [57, -20], [62, -60], [70, -120], [76, -220],
    ]
)
# fmt: on


@dataclass(frozen=True)
class KneeBuild:
    """How one patient's knee stands."""

    femur_valgus_deg: float = 5.0
    """How far the femoral shaft leans laterally as it rises; the condyles stay level."""
    opening_deg: float = 0.0
    """Between the condyles and the plateau; positive opens the medial side."""
    tibia_turn_deg: float = 0.0
    gap_mm: float = 0.0
    """Extra joint space; below zero it is worn."""
    patella_mm: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Knee:
    """A knee on the film: its outlines and points in pixels."""

    build: KneeBuild
    side: int
    """+1 for a left knee, whose lateral side is image right; -1 for a right one."""
    place: Place
    """Mirrors a right knee."""

    def _on_femur(self, points_mm: Points) -> Points:
        leaning = points_mm - np.array([0, self.build.gap_mm / 2])
        above_condyles_mm = np.maximum(_CONDYLES_TOP_MM - points_mm[:, 1], 0)
        leaning[:, 0] += np.tan(np.radians(self.build.femur_valgus_deg)) * above_condyles_mm
        return self.place(turn(leaning, self.build.opening_deg, (0.0, -5.0)))

    def _on_tibia(self, points_mm: Points) -> Points:
        return self.place(turn(points_mm + np.array([0, self.build.gap_mm / 2]), self.build.tibia_turn_deg, (0.0, 5.0)))

    @cached_property
    def femur(self) -> Points:
        """The outline of the femur."""
        return smooth_closed(self._on_femur(_FEMUR))

    @cached_property
    def tibia(self) -> Points:
        """The outline of the tibia."""
        return smooth_closed(self._on_tibia(_TIBIA))

    def points(self) -> dict[str, Points]:
        """The landmarks, (2,) each."""
        femur = self.femur
        notch, medial, lateral = (femur[curve_span(part)] for part in (_NOTCH, _MEDIAL_CONDYLE, _LATERAL_CONDYLE))
        tips = self._on_tibia(_TIBIA[[7, 11]])
        edges = self._on_tibia(_TIBIA[[0, 17]])
        width_mm = float(np.linalg.norm(_TIBIA[17] - _TIBIA[0]))
        return {
            "femoral_shaft": self._on_femur(np.array([[0.1, -width_mm]]))[0],
            "femoral_notch": notch[np.argmin(notch[:, 1])],
            "femoral_condyle_medial": medial[np.argmax(medial[:, 1])],
            "femoral_condyle_lateral": lateral[np.argmax(lateral[:, 1])],
            "tibial_plateau_medial": edges[0],
            "tibial_plateau_lateral": edges[1],
            "tibial_spines": tips.mean(axis=0),
            "tibial_shaft": self._on_tibia(np.array([[0.35, width_mm]]))[0],
        }

    def draw(self, canvas: Canvas) -> None:
        """Add the bones."""
        self._draw_soft_tissue(canvas)
        fibula = smooth_closed(self._on_tibia(_FIBULA))
        canvas.add_bone(fibula, 0.22, 0.22, cortex_mm=1.2, round_mm=2.5)
        canvas.add_bone(self.tibia, 0.50, 0.18, cortex_mm=0.8, round_mm=6.0, grain=0.07)
        canvas.add_bone(self.femur, 0.50, 0.18, cortex_mm=0.8, round_mm=6.0, grain=0.07)
        patella = smooth_closed(self._on_femur(_PATELLA + np.asarray(self.build.patella_mm)))
        canvas.add_bone(patella, 0.15, 0.14, cortex_mm=0.8, round_mm=3.5)
        lines = [(self._on_femur(path), _WALL_WIDTHS_MM, 0.30) for path in _FEMUR_WALLS]
        lines += [(self._on_tibia(path), _WALL_WIDTHS_MM, 0.30) for path in _TIBIA_WALLS]
        lines += [(self._on_tibia(path), (1.2, 2.6, 3.0, 2.6, 1.2), 0.28) for path in _PLATEAUS]
        lines += [(self._on_tibia(path), (0.9, 0.9), 0.12) for path in _FAR_RIMS]
        lines += [
            (self._on_femur(_FEMUR[_NOTCH]), (0.6, 1.4, 1.8, 1.4, 0.6), 0.20),
            (self._on_femur(_FEMORAL_SCAR), (1.4, 1.4), 0.06),
            (self._on_tibia(_TIBIAL_SCAR), (1.4, 1.4), 0.06),
        ]
        canvas.add_each(
            [(canvas.pen(smooth_open(path), widths), amount) for path, widths, amount in lines], soft_mm=0.5
        )
        canvas.add(smooth_closed(self._on_tibia(_TIBIAL_TUBEROSITY)), 0.08, soft_mm=3.0)

    def _draw_soft_tissue(self, canvas: Canvas) -> None:
        leg = canvas.coarse_fill(smooth_closed(self.place(_LEG)))
        leg *= 0.25 + 0.75 * canvas.coarse_blur(leg, 14.0)
        canvas.add_coarse(leg, 0.85)
