"""Millimetres from what a reader measured on the film: a line, or the rim of a ball. `measure` computes them, for every door."""

from typing import Any

import numpy as np

from radmark.core.errors import InputError
from radmark.core.frame import Frame, Spacing
from radmark.core.marks import Marks
from radmark.core.scheme import Scheme
from radmark.measure.calibrate import calibrate
from radmark.measure.ellipse import fit_circle
from radmark.web.wire import CalibrationBody, spacing_json

_LEAST_PX = 1.0  # what is shown smaller than a pixel was not measured


def calibration_of(body: CalibrationBody, frame: Frame) -> dict[str, Any]:
    """A calibration as it is kept: what was clicked, the spacing, and how far the points are off the circle on average, in px.

    Raises:
        InputError: the points make no line or circle, or lie outside the film.
    """
    points = np.array(body.points, np.float64).reshape(-1, 2)
    line = body.kind == "line"
    if body.mm is None or not (len(points) == 2 if line else len(points) >= 3):
        what = "two points and their distance" if line else "3 points or more on the rim, and the diameter"
        raise InputError(
            f"a calibration by a {body.kind} is {what} in millimetres", value=len(points), remedy="Mark it again"
        )
    if not frame.holds(points).all():
        raise InputError(
            "a point of the calibration lies outside the image",
            value=str(points.tolist()),
            remedy="Mark it on the image",
        )
    names = [f"point_{k + 1}" for k in range(len(points))]
    text = ",".join([*names, repr(body.mm)])
    marks = Marks.present(Scheme.from_names(names, "calibration"), frame, points)
    try:
        known = calibrate(marks, known_mm=text) if line else calibrate(marks, ball_mm=text)
    except InputError:
        known = None
    spacing = None if known is None else known.marks.frame.spacing
    if spacing is None or body.mm / np.sqrt(spacing.x_mm * spacing.y_mm) < _LEAST_PX:
        raise InputError(
            "the points of the calibration lie in one place or in a row",
            value=str(points.tolist()),
            remedy="Mark it again",
        )
    return {
        "kind": body.kind,
        "mm": body.mm,
        "points": [list(point) for point in body.points],
        "spacing": spacing_json(spacing),
        "residual_px": None if line else _residual_px(points, spacing),
    }


def _residual_px(points: np.ndarray, spacing: Spacing) -> float | None:
    """Mean distance of the points from their circle, in pixels of the size between x and y where these differ."""
    shape = np.array([spacing.x_mm, spacing.y_mm])
    square = points * (shape / np.sqrt(shape.prod()))
    circle = fit_circle(square)
    if circle is None:
        return None
    centre, radius = circle
    return float(np.abs(np.hypot(*(square - centre).T) - radius).mean())
