"""Readers against each other, a reader against his own second reading, and a model against them all.

Distances are Euclidean; "nearer than 2" is strict (<). Differences are second reader minus first, x to the right, y down.
Every mean has a 95 % interval by drawing patients with replacement. Millimetres where every film has a spacing, else pixels.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from radmark.agree.bland_altman import BlandAltman, bland_altman
from radmark.agree.consensus import geometric_median, outliers
from radmark.agree.icc import Reliability, reliability
from radmark.agree.panel import Panel
from radmark.core.errors import InputError
from radmark.core.frame import FloatArray
from radmark.stats import DRAWS, SEED, THRESHOLDS, IntArray, Interval, mean_intervals

ELLIPSE95 = math.sqrt(-2 * math.log(0.05))
"""Half axes of the ellipse that holds 95 % of a normal scatter, in standard deviations: sqrt of chi-squared's quantile, df 2."""

Kind = Literal["readers", "second reading", "model"]


@dataclass(frozen=True)
class Scatter:
    """Distances and differences of two readings, over points.

    Args:
        n: points both placed.
        n_patients: whose films those are.
        n_only_one: points only one of the two placed.
        mean: distance.
        mean_ci95: by patient; None for one patient.
        median: distance.
        p95: 95th percentile of the distance.
        sdr_percent: threshold -> share of points nearer than it.
        sdr_ci95: by patient.
        bias: mean difference (x, y): what one reader does otherwise every time.
        bias_ci95: of x and of y, by patient.
        covariance: ((xx, xy), (xy, yy)) of the differences about the bias; None for fewer than three points.
        sd_along: standard deviation along the axis of widest scatter. One reader's own is that / sqrt(2), if both scatter alike.
        sd_across: across it.
        angle_deg: of the wide axis, from +x towards +y (clockwise on the picture), in (-90, 90].
    """

    n: int
    n_patients: int
    n_only_one: int
    mean: float
    mean_ci95: Interval | None
    median: float
    p95: float
    sdr_percent: Mapping[str, float]
    sdr_ci95: Mapping[str, Interval | None]
    bias: tuple[float, float]
    bias_ci95: tuple[Interval | None, Interval | None]
    covariance: tuple[tuple[float, float], tuple[float, float]] | None
    sd_along: float | None
    sd_across: float | None
    angle_deg: float | None


@dataclass(frozen=True)
class Pair:
    """Two readings, first and second by name; landmark None is all landmarks together. `mm` is None without spacing."""

    kind: Kind
    first: str
    second: str
    landmark: str | None
    px: Scatter
    mm: Scatter | None


@dataclass(frozen=True)
class LandmarkAgreement:
    """All readers on one landmark, first readings only; landmark None is all together.

    Args:
        landmark: its name.
        n: points that at least two placed.
        mean: over points, of the mean distance of all pairs of readers; in `unit`.
        mean_ci95: by patient.
        x: reliability of the x coordinate, in `unit`, over films all readers placed it on; None for all landmarks.
        y: of the y coordinate.
    """

    landmark: str | None
    n: int
    mean: float
    mean_ci95: Interval | None
    x: Reliability | None
    y: Reliability | None


@dataclass(frozen=True)
class Outlier:
    """A point far from the readers' consensus: `distance` in the unit of the agreement."""

    reader: str
    image: str
    landmark: str
    distance: float


@dataclass(frozen=True)
class ModelAgreement:
    """A model as one more reader, on points that it and at least two readers placed.

    Args:
        landmark: None for all together.
        n: points.
        model_to_readers: mean distance from the model to each reader.
        model_ci95: by patient.
        between_readers: mean distance of all pairs of readers on the same points.
        readers_ci95: by patient.
        difference: the first minus the second.
        difference_ci95: paired: both on the same resample of patients.
        verdict: "nearer", "within" (the interval holds 0: not told apart) or "farther" than readers are to each other.
        observed_rms: root mean square distance of the model from the readers' mean.
        rater_rms: of one reader about the readers' mean, unbiased (k - 1).
        model_rms: sqrt(observed^2 - rater^2 / k): the model's own part; 0 where the readers explain all. Holds where the
            model's errors are independent of these readers': not for one trained on their clicks on these films.
    """

    landmark: str | None
    n: int
    model_to_readers: float
    model_ci95: Interval | None
    between_readers: float
    readers_ci95: Interval | None
    difference: float
    difference_ci95: Interval | None
    verdict: Literal["nearer", "within", "farther"] | None
    observed_rms: float
    rater_rms: float
    model_rms: float


@dataclass(frozen=True)
class MeasureAgreement:
    """A measurement by several readers, and by each two of them."""

    name: str
    unit: str
    reliability: Reliability | None
    pairs: tuple[tuple[str, str, BlandAltman], ...]


@dataclass(frozen=True)
class Agreement:
    """Everything about a panel; lengths of `landmarks`, `outliers`, `models` in `unit`."""

    panel: Panel
    unit: Literal["mm", "px"]
    pairs: tuple[Pair, ...]
    landmarks: tuple[LandmarkAgreement, ...]
    consensus: FloatArray
    outliers: tuple[Outlier, ...]
    models: tuple[ModelAgreement, ...]
    measures: tuple[MeasureAgreement, ...]
    draws: int = DRAWS
    seed: int = SEED

    @property
    def model(self) -> str | None:
        """Which of the panel's readers is a model."""
        return self.panel.model


def agreement(panel: Panel, measured: Mapping[tuple[str, str], FloatArray] | None = None) -> Agreement:
    """All figures of a panel.

    Args:
        panel: readings side by side.
        measured: (name, unit) -> (R, N) values of a measurement, NaN where a reading has none.

    Raises:
        InputError: the model is none of the readings.
    """
    model = panel.model
    if model is not None and model not in panel.readers:
        raise InputError("the model is none of the readings", value=model, remedy=f"Use {', '.join(panel.readers)}")
    scale = panel.scale if panel.has_mm else np.ones_like(panel.scale)
    own = panel.points * scale[None, :, None, :]
    people = panel.voters
    agreed = geometric_median(panel.points[people])
    return Agreement(
        panel=panel,
        unit="mm" if panel.has_mm else "px",
        pairs=tuple(_pairs(panel)),
        landmarks=tuple(_landmarks(panel, own, people)) if len(people) > 1 else (),
        consensus=agreed,
        outliers=tuple(_outliers(panel, own, people)),
        models=() if model is None else tuple(_models(panel, own, people, panel.readers.index(model))),
        measures=tuple(_measure(panel, name, unit, table, people) for (name, unit), table in (measured or {}).items()),
    )


def scatter(difference: FloatArray, owner: IntArray, n_only_one: int = 0) -> Scatter | None:
    """Figures of (M, 2) differences, none of them NaN, whose patients are (M,) `owner`; None for no point."""
    n = len(difference)
    if not n:
        return None
    distance: FloatArray = np.hypot(difference[:, 0], difference[:, 1])
    near = np.where([distance < threshold for threshold in THRESHOLDS], 100.0, 0.0).T
    intervals = mean_intervals(np.column_stack([distance, difference, near]), owner)
    covariance = along = across = angle = None
    if n >= 3:
        matrix = np.cov(difference.T)
        values, vectors = np.linalg.eigh(matrix)
        along, across = (math.sqrt(max(float(v), 0.0)) for v in values[::-1])
        x, y = (float(v) for v in vectors[:, 1])
        angle = math.degrees(math.atan2(y, x))
        angle = angle - 180 if angle > 90 else angle + 180 if angle <= -90 else angle
        covariance = ((float(matrix[0, 0]), float(matrix[0, 1])), (float(matrix[1, 0]), float(matrix[1, 1])))
    names = [f"{threshold:g}" for threshold in THRESHOLDS]
    return Scatter(
        n=n,
        n_patients=len(np.unique(owner)),
        n_only_one=n_only_one,
        mean=float(distance.mean()),
        mean_ci95=intervals[0],
        median=float(np.median(distance)),
        p95=float(np.percentile(distance, 95)),
        sdr_percent=dict(zip(names, near.mean(axis=0).tolist(), strict=True)),
        sdr_ci95=dict(zip(names, intervals[3:], strict=True)),
        bias=(float(difference[:, 0].mean()), float(difference[:, 1].mean())),
        bias_ci95=(intervals[1], intervals[2]),
        covariance=covariance,
        sd_along=along,
        sd_across=across,
        angle_deg=angle,
    )


def _pairs(panel: Panel) -> list[Pair]:
    found: list[Pair] = []
    first = set(panel.first_sessions)
    for a, b in combinations(range(len(panel.readers)), 2):
        same = panel.people[a] == panel.people[b]
        if not same and not (a in first and b in first):
            continue
        if panel.readers[a] == panel.model:
            a, b = b, a  # the difference is the model's minus the reader's, as an error is
        kind: Kind = "second reading" if same else "model" if panel.readers[b] == panel.model else "readers"
        difference = panel.points[b] - panel.points[a]
        there = np.isfinite(difference).all(axis=2)
        one = np.isfinite(panel.points[a, ..., 0]) ^ np.isfinite(panel.points[b, ..., 0])
        owner = np.broadcast_to(panel.owners[:, None], there.shape)
        parts: list[tuple[str | None, slice]] = [(None, slice(None))]
        parts += [(name, slice(k, k + 1)) for k, name in enumerate(panel.landmarks)]
        for name, columns in parts:
            chosen = there[:, columns]
            alone = int(one[:, columns].sum())
            px = scatter(difference[:, columns][chosen], owner[:, columns][chosen], alone)
            if px is None:
                continue
            mm = None
            if panel.has_mm:
                in_mm = (difference * panel.scale[:, None, :])[:, columns]
                mm = scatter(in_mm[chosen], owner[:, columns][chosen], alone)
            found.append(Pair(kind, panel.readers[a], panel.readers[b], name, px, mm))
    return found


def _between(points: FloatArray) -> FloatArray:
    """(R, N, K, 2) -> (N, K) mean distance over the pairs of readings that placed it; NaN for fewer than two."""
    total = np.zeros(points.shape[1:3])
    count = np.zeros(points.shape[1:3], int)
    for a, b in combinations(range(len(points)), 2):
        distance = np.hypot(*np.moveaxis(points[a] - points[b], -1, 0))
        known = np.isfinite(distance)
        total += np.where(known, distance, 0.0)
        count += known
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _landmarks(panel: Panel, own: FloatArray, people: list[int]) -> list[LandmarkAgreement]:
    between = _between(own[people])
    found: list[LandmarkAgreement] = []
    parts: list[tuple[str | None, slice]] = [(None, slice(None))]
    parts += [(name, slice(k, k + 1)) for k, name in enumerate(panel.landmarks)]
    for name, columns in parts:
        known = np.isfinite(between[:, columns])
        if not known.any():
            continue
        values = between[:, columns][known]
        owner = np.broadcast_to(panel.owners[:, None], known.shape)[known]
        of_axes: list[Reliability | None] = [None, None]
        if name is not None:
            of_axes = [reliability(own[people, :, columns.start, axis].T) for axis in (0, 1)]
        interval = mean_intervals(values[:, None], owner)[0]
        found.append(LandmarkAgreement(name, len(values), float(values.mean()), interval, *of_axes))
    return found


def _outliers(panel: Panel, own: FloatArray, people: list[int]) -> list[Outlier]:
    agreed = geometric_median(own[people])
    far = outliers(own[people], agreed)
    found: list[Outlier] = []
    for r, n, k in np.argwhere(far).tolist():
        distance = float(np.hypot(*(own[people[r], n, k] - agreed[n, k])))
        found.append(Outlier(panel.readers[people[r]], panel.images[n], panel.landmarks[k], distance))
    return sorted(found, key=lambda outlier: -outlier.distance)


def _models(panel: Panel, own: FloatArray, people: list[int], model: int) -> list[ModelAgreement]:
    readers = own[people]
    distances = np.hypot(*np.moveaxis(readers - own[model], -1, 0))
    placed = np.isfinite(distances)
    count = placed.sum(axis=0)
    usable = count >= 2
    to_readers = np.where(placed, distances, 0.0).sum(axis=0) / np.maximum(count, 1)
    between = _between(readers)
    there = np.isfinite(readers)
    mean = np.where(there, readers, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    observed = ((own[model] - mean) ** 2).sum(axis=-1)
    deviations = np.where(there, (readers - mean) ** 2, 0.0).sum(axis=(0, -1))
    rater = deviations / np.maximum(count - 1, 1)
    found: list[ModelAgreement] = []
    parts: list[tuple[str | None, slice]] = [(None, slice(None))]
    parts += [(name, slice(k, k + 1)) for k, name in enumerate(panel.landmarks)]
    for name, columns in parts:
        chosen = usable[:, columns]
        if not chosen.any():
            continue
        owner = np.broadcast_to(panel.owners[:, None], chosen.shape)[chosen]
        a, b = to_readers[:, columns][chosen], between[:, columns][chosen]
        intervals = mean_intervals(np.column_stack([a, b, a - b]), owner)
        var_observed = float(observed[:, columns][chosen].mean())
        var_rater = float(rater[:, columns][chosen].mean())
        of_mean = float((rater / np.maximum(count, 1))[:, columns][chosen].mean())
        apart = intervals[2]
        found.append(
            ModelAgreement(
                landmark=name,
                n=len(a),
                model_to_readers=float(a.mean()),
                model_ci95=intervals[0],
                between_readers=float(b.mean()),
                readers_ci95=intervals[1],
                difference=float((a - b).mean()),
                difference_ci95=apart,
                verdict=None
                if apart is None
                else "nearer"
                if apart[1] < 0
                else "farther"
                if apart[0] > 0
                else "within",
                observed_rms=math.sqrt(var_observed),
                rater_rms=math.sqrt(var_rater),
                model_rms=math.sqrt(max(0.0, var_observed - of_mean)),
            )
        )
    return found


def _measure(panel: Panel, name: str, unit: str, table: FloatArray, people: list[int]) -> MeasureAgreement:
    pairs: list[tuple[str, str, BlandAltman]] = []
    for a, b in combinations(range(len(panel.readers)), 2):
        found = bland_altman(table[a], table[b], panel.owners)
        if found is not None:
            pairs.append((panel.readers[a], panel.readers[b], found))
    return MeasureAgreement(name, unit, reliability(table[people].T), tuple(pairs))
