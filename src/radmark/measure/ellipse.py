"""An ellipse and a circle through points on a film."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radmark.measure.geometry import Point

Many = NDArray[np.float64]
"""(N, 2) points."""


@dataclass(frozen=True, eq=False)
class Ellipse:
    """An ellipse by its centre, its half axes long >= short, and the unit vector along the long one (either way)."""

    centre: Point
    long: float
    short: float
    along: Point

    def phases_deg(self, points: Many) -> NDArray[np.float64]:
        """(N,) where on the ellipse each point lies, 0 to 360, as on the circle that the ellipse is the shadow of."""
        x, y = np.array([self.along, [-self.along[1], self.along[0]]]) @ (points - self.centre).T
        return np.degrees(np.arctan2(y / self.short, x / self.long)) % 360


def fit_ellipse(points: Many) -> Ellipse | None:
    """The ellipse nearest to five or more points, by direct least squares.

    Halir and Flusser 1998, the numerically stable form of Fitzgibbon's fit: of all conics it takes an ellipse, also where noise
    makes a hyperbola fit better. Its distances are algebraic: with noise it comes out a little too small where only a part of the
    ellipse is seen. None where the points lie on a line or there is no ellipse.
    """
    if len(points) < 5:
        return None
    middle = points.mean(axis=0)
    size = float(np.sqrt(((points - middle) ** 2).sum(axis=1).mean()))
    if not 0 < size < math.inf:
        return None
    x, y = ((points - middle) / size).T
    squares = np.column_stack([x * x, x * y, y * y])
    lines = np.column_stack([x, y, np.ones_like(x)])
    s1, s2, s3 = squares.T @ squares, squares.T @ lines, lines.T @ lines
    try:
        t = -np.linalg.solve(s3, s2.T)
    except np.linalg.LinAlgError:
        return None
    reduced = s1 + s2 @ t
    values, vectors = np.linalg.eig(np.array([reduced[2] / 2, -reduced[1], reduced[0] / 2]))
    if not np.isfinite(values).all():
        return None
    candidates = np.real(vectors)
    condition = 4 * candidates[0] * candidates[2] - candidates[1] ** 2
    positive = np.flatnonzero((condition > 0) & (np.abs(np.imag(values)) < 1e-9))
    if not len(positive):
        return None
    quadratic = candidates[:, positive[np.abs(np.real(values[positive])).argmin()]]
    return _from_conic(quadratic, t @ quadratic, middle, size)


def _from_conic(quadratic: Many, linear: Many, middle: Point, size: float) -> Ellipse | None:
    """a x² + b xy + c y² + d x + e y + f = 0, on centred and scaled points, as centre and axes."""
    a, b, c = (float(v) for v in quadratic)
    d, e, f = (float(v) for v in linear)
    matrix = np.array([[a, b / 2], [b / 2, c]])
    centre = np.linalg.solve(2 * matrix, [-d, -e])
    at_centre = f + (d * centre[0] + e * centre[1]) / 2
    values, vectors = np.linalg.eigh(matrix)
    squared = -at_centre / values
    if not (np.isfinite(squared).all() and (squared > 0).all()):
        return None
    axes = np.sqrt(squared)
    longer = int(axes.argmax())
    return Ellipse(middle + size * centre, size * float(axes.max()), size * float(axes.min()), vectors[:, longer])


def fit_circle(points: Many) -> tuple[Point, float] | None:
    """Centre and radius of the circle nearest to three or more points (least squares of distances, Gauss-Newton).

    None where they lie on a line.
    """
    if len(points) < 3:
        return None
    middle = points.mean(axis=0)
    xy = points - middle
    if np.linalg.matrix_rank(xy, tol=1e-9 * max(1.0, float(np.abs(xy).max()))) < 2:
        return None
    # The algebraic fit, too small on short arcs, is where the geometric one starts.
    squares: Many = (xy**2).sum(axis=1)
    found = np.linalg.lstsq(np.column_stack([2 * xy, np.ones(len(xy))]), squares, rcond=None)[0]
    centre, radius = found[:2], math.sqrt(max(float(found[2] + found[:2] @ found[:2]), 0.0))
    for _ in range(50):
        away = xy - centre
        distance: Many = np.hypot(*away.T)
        if not (distance > 0).all():
            return None
        slopes = np.column_stack([away / distance[:, None], np.ones(len(xy))])
        step = np.linalg.lstsq(slopes, distance - radius, rcond=None)[0]
        centre, radius = centre + step[:2], radius + float(step[2])
        if float(np.abs(step).max()) < 1e-12 * max(radius, 1.0):
            break
    return (middle + centre, radius) if math.isfinite(radius) and radius > 0 else None
