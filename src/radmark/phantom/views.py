"""The six kinds of picture: what is in view, how the patient lies, and how the film is exposed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from radmark.phantom import film, soft_tissue
from radmark.phantom.femur import SHAFT_DISTAL_MM, SHAFT_PROXIMAL_MM, Femur, FemurBuild
from radmark.phantom.implant import Cup, draw_operated_femur
from radmark.phantom.knee import Knee, KneeBuild
from radmark.phantom.pelvis import SIDES, Acetabulum, HalfPelvis, draw_spine, midline_points
from radmark.phantom.pose import Pose, Shape, random_shape, turn
from radmark.phantom.raster import Canvas, Map, Points

_PELVIS_BUMPS = np.array([[x, y] for x in (20.0, 75.0, 130.0) for y in (-140.0, -80.0, -20.0, 40.0)])
_KNEE_BUMPS = np.array([[x, y] for x in (8.0, 35.0) for y in (-70.0, -30.0, 0.0, 30.0, 70.0)])

Patient = TypeVar("Patient")
Named = dict[str, Points]
"""Landmark name -> (2,) xy in pixels."""


@dataclass(frozen=True)
class View:
    """A developed picture and everything that is known about it."""

    brightness: Map
    points: Named
    spacing_mm: float


@dataclass(frozen=True)
class Framing:
    """What the film shows of the anatomy."""

    grid: tuple[int, int]
    """(H, W) in pixels."""
    px_per_mm: float
    centre_mm: tuple[float, float]
    """The point of the anatomy at the middle of the film."""
    field_radius_px: float | None = None
    """Of the round field; None on a film, where the whole grid is exposed."""

    def origin_px(self) -> tuple[float, float]:
        """Where the anatomy's origin comes to lie."""
        height, width = self.grid
        return (
            (width - 1) / 2 - self.centre_mm[0] * self.px_per_mm,
            (height - 1) / 2 - self.centre_mm[1] * self.px_per_mm,
        )

    def holds(self, points: Named) -> bool:
        """Whether every point lies well inside the exposed part of the grid."""
        xy = np.stack(list(points.values()))
        height, width = self.grid
        margin = 0.02 * max(self.grid)
        inside = bool(((xy >= margin) & (xy <= np.array([width, height]) - 1 - margin)).all())
        if self.field_radius_px is None:
            return inside
        from_middle = np.linalg.norm(xy - np.array([width - 1, height - 1]) / 2, axis=1)
        return inside and bool((from_middle <= self.field_radius_px - margin).all())


@dataclass(frozen=True)
class Hips:
    """A pelvis with both femora, posed; `cup` stands on the operated side where there is one."""

    pose: Pose
    shape: Shape
    halves: dict[str, HalfPelvis]
    femora: dict[str, Femur]
    cup: Cup | None = None

    def place(self, points_mm: Points) -> Points:
        """(N, 3) millimetres -> (N, 2) pixels."""
        return self.pose(self.shape(points_mm))

    def points(self) -> Named:
        """Every landmark of the hips, by the names that `pelvis-radiograph` gives them, and the implant's."""
        found = midline_points(self.place)
        for side, half in self.halves.items():
            femur = self.femora[side]
            here = half.points() | {
                "greater_trochanter": femur.greater_tip(),
                "lesser_trochanter": femur.lesser_tip(),
                "femoral_shaft_proximal": femur.shaft_point(SHAFT_PROXIMAL_MM),
                "femoral_shaft_distal": femur.shaft_point(SHAFT_DISTAL_MM),
            }
            found |= {f"{name}_{side}": point for name, point in here.items()}
        if self.cup is not None:
            found["cup_rim_superolateral"], found["cup_rim_inferomedial"] = self.cup.rim_ends
            found["prosthetic_head"] = self.cup.centre_px
        return found

    def draw(self, canvas: Canvas, rng: np.random.Generator) -> None:
        """Add soft tissue, spine, hip bones, femora and implant."""
        soft_tissue.add_body(canvas, self.pose, rng)
        soft_tissue.add_bowel_gas(canvas, self.pose, rng)
        draw_spine(canvas, self.place)
        for side, half in self.halves.items():
            operated = self.cup is not None and self.cup.side == half.side
            half.draw(canvas, with_socket=not operated)
            if not operated:
                self.femora[side].draw(canvas)
            elif self.cup is not None:
                draw_operated_femur(canvas, self.femora[side], float(rng.choice([14.0, 16.0, 18.0])))
                self.cup.draw(canvas)
                self.cup.draw_screws(canvas, [[], [], [18.0], [4.0, 28.0]][rng.integers(4)])


def _random_hips(rng: np.random.Generator, framing: Framing, operated: str | None) -> Hips:
    shape = random_shape(rng, _PELVIS_BUMPS, reach_mm=55.0, bend_mm=2.5)
    pose = Pose(
        axial_deg=float(np.clip(rng.normal(0, 3.0), -7, 7)),
        tilt_deg=float(np.clip(rng.normal(0, 4.5), -10, 10)),
        oblique_deg=float(np.clip(rng.normal(0, 1.8), -5, 5)),
        px_per_mm=framing.px_per_mm,
        origin_px=framing.origin_px(),
    )
    head_scale = float(np.clip(rng.normal(1, 0.05), 0.88, 1.12))
    socket = Acetabulum(
        lateral_deg=float(np.clip(rng.normal(30, 5), 18, 42)),
        medial_deg=float(rng.normal(-36, 2)),
        gap_mm=float(np.clip(rng.normal(4.0, 0.7), 2.0, 5.5)),
        head_scale=head_scale,
    )
    femur = FemurBuild(
        scale=head_scale,
        offset_stretch=float(rng.normal(1, 0.04)),
        lesser_show=float(rng.uniform(0.85, 1.4)),
        shaft_tilt_deg=float(np.clip(rng.normal(5, 2.5), -1, 11)),
        cortex=float(rng.uniform(0.75, 1.1)),
    )
    halves: dict[str, HalfPelvis] = {}
    femora: dict[str, Femur] = {}
    cup = None
    for name, side in SIDES.items():
        half = HalfPelvis(lambda points: pose(shape(points)), side, _jittered(socket, rng), framing.px_per_mm)
        halves[name] = half
        centre = half.head_centre
        femora[name] = Femur(_leg(femur, rng), centre, side, framing.px_per_mm, pose.oblique_deg)
        if name == operated:
            cup = Cup(
                centre,
                float(rng.uniform(25, 29)) * head_scale * framing.px_per_mm,
                side,
                float(np.clip(rng.normal(42, 6), 28, 58)) - side * pose.oblique_deg,
                float(np.clip(rng.normal(16, 6), 4, 30)),
            )
    return Hips(pose, shape, halves, femora, cup)


def _jittered(socket: Acetabulum, rng: np.random.Generator) -> Acetabulum:
    """The other hip of the same patient: nearly the same."""
    return replace(
        socket, lateral_deg=socket.lateral_deg + rng.normal(0, 1.5), gap_mm=socket.gap_mm + rng.normal(0, 0.3)
    )


def _leg(femur: FemurBuild, rng: np.random.Generator) -> FemurBuild:
    """The legs do not lie quite alike."""
    return replace(
        femur,
        shaft_tilt_deg=femur.shaft_tilt_deg + rng.normal(0, 1.5),
        lesser_show=max(0.8, femur.lesser_show + rng.normal(0, 0.1)),
    )


_TRIES = 200


def _fitting(posed: Callable[[], Patient], points: Callable[[Patient], Named], framing: Framing) -> Patient:
    """A patient whose landmarks all lie in the field: one who does not fit is positioned again."""
    for _ in range(_TRIES):
        patient = posed()
        if framing.holds(points(patient)):
            return patient
    raise AssertionError(f"no pose out of {_TRIES} shows every landmark in {framing}")  # a bug of ours


def _film_view(rng: np.random.Generator, size_px: int, operated: str | None) -> View:
    aspect = rng.uniform(0.80, 0.90)
    framing = Framing(
        grid=(round(size_px * aspect), size_px),
        px_per_mm=size_px / rng.uniform(395, 440),
        centre_mm=(float(rng.normal(0, 4)), float(rng.normal(-12, 5))),
    )
    hips = _fitting(lambda: _random_hips(rng, framing, operated), Hips.points, framing)
    canvas = Canvas(framing.grid, framing.px_per_mm, film.texture(framing.grid, rng))
    hips.draw(canvas, rng)
    _mark_side(canvas, rng, _either(rng))
    exposure = film.Exposure(rng.uniform(1.15, 1.5), rng.uniform(2.4, 3.2), rng.uniform(0.02, 0.05), size_px / 1000)
    brightness = exposure.develop(canvas.absorption, rng)
    return View(_collimated(brightness, rng, hips.points()), hips.points(), 1 / framing.px_per_mm)


def _mark_side(canvas: Canvas, rng: np.random.Generator, side: str) -> None:
    """A lead L or R at the edge of the film that lies to that side of the patient."""
    height, width = canvas.absorption.shape
    x = rng.uniform(0.89, 0.92) if side == "left" else rng.uniform(0.06, 0.08)
    film.add_marker(canvas, side[0].upper(), (x * width, rng.uniform(0.07, 0.3) * height), 0.035 * max(height, width))


def _collimated(brightness: Map, rng: np.random.Generator, points: Named) -> Map:
    """Shutters on some of the four sides, never over a landmark."""
    height, width = brightness.shape
    xy = np.stack(list(points.values()))
    room = np.concatenate([xy.min(axis=0), [width - 1, height - 1] - xy.max(axis=0)]) - 0.02 * width
    most = np.minimum(room.clip(0), 0.05 * width)
    left, top, right, bottom = (most * rng.uniform(-1, 1, 4)).clip(0).tolist()
    return brightness * film.shutter((height, width), (left, top, right, bottom), 1.5)


def _fluoroscopy_view(
    rng: np.random.Generator,
    size_px: int,
    *,
    radius_mm: float,
    centre_mm: tuple[float, float],
    operated: str | None = None,
    wanted: Callable[[Named], Named],
) -> View:
    # Some C-arms save the bare circle, others the monitor with black beside it.
    aspect = 1.0 if rng.random() < 0.5 else rng.uniform(0.75, 0.95)
    grid = (round(size_px * aspect), size_px)
    radius_px = rng.uniform(0.47, 0.495) * grid[0]
    framing = Framing(
        grid,
        radius_px / radius_mm,
        (centre_mm[0] + rng.normal(0, 4), centre_mm[1] + rng.normal(0, 4)),
        radius_px,
    )
    hips = _fitting(lambda: _random_hips(rng, framing, operated), lambda hips: wanted(hips.points()), framing)
    canvas = Canvas(grid, framing.px_per_mm, film.texture(grid, rng))
    hips.draw(canvas, rng)
    canvas.absorption += rng.uniform(0.2, 0.4) * film.vignette(grid, radius_px)
    exposure = film.Exposure(rng.uniform(1.35, 1.6), rng.uniform(1.5, 1.9), rng.uniform(0.09, 0.17), size_px / 420)
    brightness = exposure.develop(canvas.absorption, rng) * film.round_field(grid, radius_px)
    return View(brightness, wanted(hips.points()), 1 / framing.px_per_mm)


def knee_radiograph(rng: np.random.Generator, size_px: int) -> View:
    """An AP film of one knee, right or left, with the shafts above and below it."""
    grid = (size_px, round(size_px * rng.uniform(0.72, 0.85)))
    px_per_mm = size_px / rng.uniform(205, 245)
    framing = Framing(grid, px_per_mm, (float(rng.normal(0, 4)), float(rng.normal(0, 5))))
    knee = _fitting(lambda: _random_knee(rng, framing), Knee.points, framing)
    points = knee.points()
    canvas = Canvas(grid, px_per_mm, film.texture(grid, rng))
    knee.draw(canvas)
    _mark_side(canvas, rng, "left" if knee.side > 0 else "right")
    exposure = film.Exposure(rng.uniform(0.85, 1.05), rng.uniform(2.6, 3.2), rng.uniform(0.015, 0.035), size_px / 900)
    brightness = exposure.develop(canvas.absorption, rng)
    return View(_collimated(brightness, rng, points), points, 1 / px_per_mm)


def _random_knee(rng: np.random.Generator, framing: Framing) -> Knee:
    side = int(rng.choice([-1, 1]))
    lean = float(np.clip(rng.normal(0, 2.0), -5, 5))
    shape = random_shape(rng, _KNEE_BUMPS, reach_mm=22.0, bend_mm=1.0)
    origin = np.asarray(framing.origin_px())

    def place(points_mm: Points) -> Points:
        flat = np.concatenate([points_mm, np.zeros((len(points_mm), 1))], axis=1)
        return turn(shape(flat)[:, :2] * [side, 1], lean) * framing.px_per_mm + origin

    build = KneeBuild(
        femur_valgus_deg=float(np.clip(rng.normal(6, 1.5), 2, 10)),
        opening_deg=float(np.clip(rng.normal(0, 1.0), -2.5, 2.5)),
        tibia_turn_deg=float(np.clip(rng.normal(0, 1.5), -4, 4)),
        gap_mm=float(np.clip(rng.normal(-1.0, 1.0), -3.0, 1.5)),
        patella_mm=(float(rng.normal(1, 2)), float(rng.normal(0, 3))),
    )
    return Knee(build, side, place)


def _either(rng: np.random.Generator) -> str:
    return "right" if rng.random() < 0.5 else "left"


def pelvis_radiograph(rng: np.random.Generator, size_px: int) -> View:
    """An AP film of the whole pelvis with both proximal femora."""
    return _film_view(rng, size_px, None)


def pelvis_radiograph_implant(rng: np.random.Generator, size_px: int) -> View:
    """The same with a hip replaced."""
    return _film_view(rng, size_px, _either(rng))


def pelvis_fluoroscopy(rng: np.random.Generator, size_px: int) -> View:
    """Both hips in a C-arm's round field, the trochanters cut off."""
    names = ("teardrop", "ischium", "femoral_head")

    def wanted(points: Named) -> Named:
        sided = {f"{name}_{side}": points[f"{name}_{side}"] for name in names for side in SIDES}
        return sided | {name: points[name] for name in ("sacrococcygeal_junction", "pubic_symphysis")}

    return _fluoroscopy_view(rng, size_px, radius_mm=rng.uniform(122, 140), centre_mm=(0, 14), wanted=wanted)


def pelvis_fluoroscopy_implant(rng: np.random.Generator, size_px: int) -> View:
    """A replaced hip and both teardrops in the round field."""
    names = (
        "teardrop_right",
        "teardrop_left",
        "cup_rim_superolateral",
        "cup_rim_inferomedial",
        "prosthetic_head",
    )
    operated = _either(rng)
    return _fluoroscopy_view(
        rng,
        size_px,
        radius_mm=rng.uniform(118, 135),
        centre_mm=(SIDES[operated] * 38.0, 18.0),
        operated=operated,
        wanted=lambda points: {name: points[name] for name in names},
    )


def pelvis_fluoroscopy_trochanter(rng: np.random.Generator, size_px: int) -> View:
    """One hip, head to lesser trochanter, filling the round field."""
    names = (
        "teardrop",
        "ischium",
        "lesser_trochanter",
        "greater_trochanter",
        "femoral_head",
        "sourcil_lateral",
    )
    shown = _either(rng)
    return _fluoroscopy_view(
        rng,
        size_px,
        radius_mm=rng.uniform(88, 100),
        centre_mm=(SIDES[shown] * 96.0, 6.0),
        wanted=lambda points: {name: points[f"{name}_{shown}"] for name in names},
    )


VIEWS: dict[str, Callable[[np.random.Generator, int], View]] = {
    "knee-radiograph": knee_radiograph,
    "pelvis-radiograph": pelvis_radiograph,
    "pelvis-fluoroscopy": pelvis_fluoroscopy,
    "pelvis-radiograph-implant": pelvis_radiograph_implant,
    "pelvis-fluoroscopy-implant": pelvis_fluoroscopy_implant,
    "pelvis-fluoroscopy-trochanter": pelvis_fluoroscopy_trochanter,
}
