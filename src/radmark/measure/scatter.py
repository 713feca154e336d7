"""How far points scatter: the covariance of a film's landmarks, in pixels of the image, and what follows for a measurement."""

import csv
import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radmark.core.errors import InputError

FloatArray = NDArray[np.float64]
Computed = Callable[[FloatArray], float]
"""(N, 2) points to a number."""

_RAYLEIGH_MEDIAN = math.sqrt(2 * math.log(2))
_STEP = 1e-3  # of a millimetre or pixel: the central difference of a smooth function
LOST = 5.0
"""Errors of more than so many medians are lost points, not scatter."""
FEWEST = 5
"""Errors of a landmark that say something of its scatter."""


@dataclass(frozen=True, eq=False)
class Scatter:
    """How landmarks scatter together: (2K, 2K) covariance of x and y of the first, x and y of the second, …, in square pixels."""

    names: tuple[str, ...]
    covariance: FloatArray


SdPx = float | Mapping[str, float] | Scatter
"""A standard deviation along each axis in pixels, for all landmarks or by name, each for itself; or how they scatter together."""


def covariance_of(scatter: SdPx | None, names: Sequence[str]) -> FloatArray | None:
    """(2N, 2N) covariance of these landmarks; None where that of one is not known.

    Raises:
        InputError: a standard deviation is negative or not a number.
    """
    if isinstance(scatter, Scatter):
        if not all(name in scatter.names for name in names):
            return None
        rows = [2 * scatter.names.index(name) + axis for name in names for axis in range(2)]
        return scatter.covariance[np.ix_(rows, rows)]
    sds = [scatter.get(name) if isinstance(scatter, Mapping) else scatter for name in names]
    for name, sd in zip(names, sds, strict=True):
        if sd is not None and not (math.isfinite(sd) and sd >= 0):
            raise InputError(
                f"the standard deviation of {name} is not a number of pixels", value=sd, remedy="Give 0 or more pixels"
            )
    known = [sd for sd in sds if sd is not None]
    return np.diag(np.repeat(np.square(known), 2)) if len(known) == len(names) else None


def scaled(covariance: FloatArray, scale: FloatArray) -> FloatArray:
    """The covariance of points that are multiplied by `scale` (x, y)."""
    factors = np.tile(scale, len(covariance) // 2)
    return factors[:, None] * covariance * factors


def propagated(compute: Computed, at: FloatArray, covariance: FloatArray) -> float | None:
    """Standard deviation of what is computed from (N, 2) points, to first order; None where there is no slope.

    The square root of slope' covariance slope, slopes by central differences.
    """
    slope = np.zeros(at.size)
    for i in range(at.size):
        step = np.zeros(at.size)
        step[i] = _STEP
        moved = step.reshape(at.shape)
        slope[i] = (compute(at + moved) - compute(at - moved)) / (2 * _STEP)
    variance = float(slope @ covariance @ slope)
    return math.sqrt(max(variance, 0.0)) if math.isfinite(variance) else None


def drawn(compute: Computed, at: FloatArray, covariance: FloatArray, draws: int) -> float | None:
    """The same by random draws, always the same ones; None where a tenth of them have no value."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    steps = np.random.default_rng(0).normal(size=(draws, at.size)) @ root.T
    found = np.array([compute(at + step.reshape(at.shape)) for step in steps])
    found = found[np.isfinite(found)]
    return float(np.std(found)) if len(found) > 0.9 * draws else None


def scatter_of(file: Path) -> Scatter | dict[str, float]:
    """The landmarks' scatter from what `radmark evaluate` measured: its errors.csv, or its metrics.json.

    errors.csv tells how they scatter along, across and together: second moments about zero over the images, so that a bias counts
    as scatter. A point whose error is more than 5 times its landmark's median is lost and says nothing of the others'.
    metrics.json gives one number for each: where errors scatter alike along both axes and about zero, the median radial error is
    sqrt(2 ln 2) standard deviations (Rayleigh); lost points hardly move it.

    Raises:
        InputError: the file is neither, is of the model's grid, or scores too few points.
    """
    found = _of_errors(file) if file.suffix.lower() == ".csv" else _of_metrics(file)
    if not (found.names if isinstance(found, Scatter) else found):
        raise InputError(
            f"no landmark has {FEWEST} errors in this file", file=file, remedy="Evaluate on more annotated radiographs"
        )
    return found


def _of_errors(file: Path) -> Scatter:
    by_name: defaultdict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                image, name, dx, dy = row["image_name"], row["landmark"], row["dx_px"], row["dy_px"]
                if dx and dy:
                    by_name[name][image] = (float(dx), float(dy))
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise InputError(
            "this is not the errors.csv of `radmark evaluate`", file=file, remedy="Give the one in its report's folder"
        ) from error
    names = tuple(name for name, errors in by_name.items() if len(errors) >= FEWEST)
    images = sorted({image for name in names for image in by_name[name]})
    errors = np.array([[by_name[name].get(image, (np.nan, np.nan)) for name in names] for image in images])
    errors = errors.reshape(len(images), len(names), 2)
    radial = np.hypot(errors[..., 0], errors[..., 1])
    if names:
        errors[radial > LOST * np.nanmedian(radial, axis=0)] = np.nan
    flat = errors.reshape(len(images), 2 * len(names))
    there = np.isfinite(flat).astype(float)
    products = np.nan_to_num(flat).T @ np.nan_to_num(flat)
    return Scatter(names, products / np.maximum(there.T @ there, 1.0))


def _of_metrics(file: Path) -> dict[str, float]:
    try:
        tree = json.loads(file.read_text(encoding="utf-8"))
        if tree["grid"] != "source":
            raise InputError(
                "these errors are counted on the model's grid", file=file, remedy="Evaluate with --grid source"
            )
        rows = [(row["name"], row["median_radial_error_px"], row["n"]) for row in tree["per_landmark"]]
        return {name: float(px) / _RAYLEIGH_MEDIAN for name, px, n in rows if px is not None and n >= FEWEST}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "this is not the metrics.json of `radmark evaluate`",
            file=file,
            remedy="Give the one in its report's folder",
        ) from error
