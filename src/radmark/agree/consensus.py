"""One point out of several readers': the geometric median, which one careless click cannot drag away."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radmark.core.frame import FloatArray

OUTLIER_FACTOR = 4.0
"""How many median distances away is an outlier. A round normal scatter exceeds it 7 times in a thousand among three readers,
2 times among four, once in ten thousand among nine or more (simulated)."""

_ROUNDS = 200
_NEWTON = 12


def geometric_median(points: FloatArray) -> FloatArray:
    """(R, ..., 2) points -> (..., 2): each has the smallest sum of distances to its R; NaN are passed over, NaN for none.

    Weiszfeld's iteration, with Vardi and Zhang's step where it lands on one of the points (PNAS 97, 2000), then Newton's. Of two
    points, and wherever a line of points leaves a choice, it is the mean that the iteration begins from.
    """
    flat = points.reshape(len(points), -1, 2)
    there: NDArray[np.bool_] = np.isfinite(flat[..., 0]) & np.isfinite(flat[..., 1])
    count: NDArray[np.int64] = there.sum(axis=0)
    flat = np.where(there[..., None], flat, 0.0)
    at = flat.sum(axis=0) / np.maximum(count, 1)[:, None]
    moving: NDArray[np.bool_] = np.greater(count, 2)
    for _ in range(_ROUNDS):
        if not moving.any():
            break
        away = flat[:, moving] - at[moving]
        distance = np.hypot(away[..., 0], away[..., 1])
        off = there[:, moving] & (distance > 1e-12)
        weights = np.where(off, 1 / np.where(off, distance, 1.0), 0.0)
        total = weights.sum(axis=0)
        pull = (weights[..., None] * away).sum(axis=0)
        here = (there[:, moving] & ~off).sum(axis=0)
        strength = np.hypot(pull[:, 0], pull[:, 1])
        held = np.where(here > 0, here / np.maximum(strength, 1e-300), 0.0)
        step = np.maximum(0.0, 1 - held)[:, None] * pull / np.maximum(total, 1e-300)[:, None]
        at[moving] += step
        moving[moving] = np.hypot(step[:, 0], step[:, 1]) > 1e-9

    def totals(place: FloatArray) -> FloatArray:
        away = flat - place
        return np.where(there, np.hypot(away[..., 0], away[..., 1]), 0.0).sum(axis=0)

    def pulls(place: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(N, 2) sum of the unit vectors to the points that lie elsewhere, and (N, 2) the move Newton's method makes of it."""
        away = flat - place
        distance = np.hypot(away[..., 0], away[..., 1])
        off = there & (distance > 1e-9)
        each = np.where(off, distance, 1.0)
        u, v = (np.where(off, away[..., k] / each, 0.0) for k in (0, 1))
        weights = np.where(off, 1 / each, 0.0)
        xx, xy, yy = ((weights * part).sum(axis=0) for part in (v * v, -u * v, u * u))
        x, y = u.sum(axis=0), v.sum(axis=0)
        determinant = xx * yy - xy * xy
        safe = np.where(determinant > 1e-12, determinant, np.inf)
        move = np.stack([yy * x - xy * y, xx * y - xy * x], axis=-1) / safe[:, None]
        return np.stack([x, y], axis=-1), move

    def kept(place: FloatArray, candidate: FloatArray) -> FloatArray:
        nearer = (count > 2) & (totals(candidate) < totals(place))
        return np.where(nearer[:, None], candidate, place)

    # Near the end the iteration creeps, above all beside a point. The sum is convex, so whatever lessens it is a step towards its
    # least: each of the points itself, from there along the pull of the others, and Newton's steps.
    for own in flat:
        at = kept(at, own)
    pull, _ = pulls(at)
    towards = pull / np.maximum(np.hypot(pull[:, 0], pull[:, 1]), 1e-300)[:, None]
    start = at
    for reach in np.geomspace(1e3, 1e-9, 60):
        at = kept(at, start + reach * towards)
    for _ in range(_NEWTON):
        pull, move = pulls(at)
        for share in (1.0, 0.3, 0.1, 0.01):
            at = kept(at, at + share * move)
        for reach in np.geomspace(1.0, 1e-6, 7):
            at = kept(at, at + reach * pull)
    at[count == 0] = np.nan
    return at.reshape(points.shape[1:])


def outliers(points: FloatArray, agreed: FloatArray, least: float = 0.0) -> NDArray[np.bool_]:
    """(R, N, K) whose point lies far from the consensus, for its landmark: more than 4 times the median distance there.

    Only where three or more placed it; two cannot outvote each other.

    Args:
        points: (R, N, K, 2) of R readers on N films.
        agreed: (N, K, 2) their consensus.
        least: nobody is far who is nearer than this, in the unit of the points.
    """
    distance = np.hypot(points[..., 0] - agreed[..., 0], points[..., 1] - agreed[..., 1])
    distance = np.where(np.isfinite(distance).sum(axis=0) >= 3, distance, np.nan)
    found = np.zeros(distance.shape, bool)
    for k in range(distance.shape[2]):
        known = distance[:, :, k][np.isfinite(distance[:, :, k])]
        if known.size:
            found[:, :, k] = distance[:, :, k] > max(OUTLIER_FACTOR * float(np.median(known)), least)
    return found


@dataclass(frozen=True, eq=False)
class Centre:
    """What several points of one landmark on one film have in common, in their unit.

    Args:
        point: (2,) the geometric median.
        distances: (N,) of each point to it.
        outliers: (N,) which of them lie far off.
        spread: the median distance.
    """

    point: FloatArray
    distances: FloatArray
    outliers: NDArray[np.bool_]
    spread: float


def centre_of(points: FloatArray, least: float = 0.0) -> Centre:
    """The consensus of (N, 2) points, N at least 1, of one landmark on one film; `least` as in `outliers`."""
    middle = geometric_median(points)
    distances = np.hypot(*(points - middle).T)
    far = outliers(points[:, None, None, :], middle[None, None, :], least)[:, 0, 0]
    return Centre(middle, distances, far, float(np.median(distances)))
