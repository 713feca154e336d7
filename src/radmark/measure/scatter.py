"""How far points scatter: a covariance for each landmark, in pixels of the image."""

import csv
import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radmark.core.errors import InputError

Covariance = NDArray[np.float64]
"""(2, 2) of x and y, in square pixels."""

Scatter = float | Mapping[str, float | Covariance]
"""A standard deviation along each axis in pixels, for all landmarks or by name; or a covariance by name."""

_RAYLEIGH_MEDIAN = math.sqrt(2 * math.log(2))
_STEP = 1e-3  # of a millimetre or pixel
LOST = 5.0
"""Errors of more than so many medians are lost points, not scatter."""


def covariance_of(scatter: Scatter | None, name: str) -> Covariance | None:
    """The covariance of a landmark; None where nothing is known.

    Raises:
        InputError: a standard deviation is negative or not a number.
    """
    found = scatter.get(name) if isinstance(scatter, Mapping) else scatter
    if found is None:
        return None
    if not np.isscalar(found):
        return np.asarray(found, float)
    sd = float(np.asarray(found))
    if not (math.isfinite(sd) and sd >= 0):
        raise InputError(
            f"the standard deviation of {name} is no number of pixels", value=sd, remedy="Give 0 or more pixels"
        )
    return sd**2 * np.eye(2)


def propagated(
    compute: Callable[[NDArray[np.float64]], float], at: NDArray[np.float64], covariances: Sequence[Covariance]
) -> float | None:
    """Standard deviation of what is computed from (N, 2) points, to first order.

    The sum of slope' covariance slope over the points, slopes by central differences; None where there is no slope.
    """
    variance = 0.0
    for i, covariance in enumerate(covariances):
        slope = np.zeros(2)
        for axis in range(2):
            step = np.zeros_like(at)
            step[i, axis] = _STEP
            slope[axis] = (compute(at + step) - compute(at - step)) / (2 * _STEP)
        variance += float(slope @ covariance @ slope)
    return math.sqrt(max(variance, 0.0)) if math.isfinite(variance) else None


def scatter_of(file: Path) -> dict[str, float | Covariance]:
    """Each landmark's scatter from what `radmark evaluate` measured: its errors.csv, or its metrics.json.

    errors.csv gives covariances about zero, so that a bias counts as scatter; a point whose error is more than 5 times its
    landmark's median is lost and says nothing of the others'. metrics.json gives one number: where errors scatter alike along
    both axes and about zero, the median radial error is sqrt(2 ln 2) standard deviations (Rayleigh); lost points hardly move it.

    Raises:
        InputError: the file is neither, is of the model's grid, or scores no point.
    """
    found = _of_errors(file) if file.suffix.lower() == ".csv" else _of_metrics(file)
    if not found:
        raise InputError("no landmark is scored in this file", file=file, remedy="Evaluate on annotated radiographs")
    return found


def _of_errors(file: Path) -> dict[str, float | Covariance]:
    by_name: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                name, dx, dy = row["landmark"], row["dx_px"], row["dy_px"]
                if dx and dy:
                    by_name[name].append((float(dx), float(dy)))
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise InputError(
            "this is no errors.csv of `radmark evaluate`", file=file, remedy="Give the one in its report's folder"
        ) from error
    return {name: _covariance(np.array(errors)) for name, errors in by_name.items()}


def _covariance(errors: NDArray[np.float64]) -> Covariance:
    radial = np.hypot(*errors.T)
    kept = errors[radial <= LOST * float(np.median(radial))]
    return kept.T @ kept / len(kept)


def _of_metrics(file: Path) -> dict[str, float | Covariance]:
    try:
        tree = json.loads(file.read_text(encoding="utf-8"))
        if tree["grid"] != "source":
            raise InputError(
                "these errors are counted on the model's grid", file=file, remedy="Evaluate with --grid source"
            )
        medians = {row["name"]: row["median_radial_error_px"] for row in tree["per_landmark"]}
        return {name: float(median) / _RAYLEIGH_MEDIAN for name, median in medians.items() if median is not None}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "this is no metrics.json of `radmark evaluate`", file=file, remedy="Give the one in its report's folder"
        ) from error
