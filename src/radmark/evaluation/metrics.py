"""How far predicted landmarks are from where a reader put them.

The main figure is the radial error: the Euclidean distance between the two points. A success detection rate (SDR) is
the share of points strictly nearer (`<`) than a threshold, as in the literature. Only landmarks the reader placed
(present or occluded) are scored. Where the model placed nothing there is no distance: such a point counts as a miss in
every SDR, is counted in `n_not_found`, and is left out of means, medians and percentiles, which therefore flatter a
model that often places nothing. Read the three together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from radmark.core import InputError, Inset, Marked, Marks, State
from radmark.core.frame import FloatArray
from radmark.stats import (
    DRAWS,
    SEED,
    THRESHOLDS,
    IntArray,
    Interval,
    interval,
    resampled_means,
    resampled_medians,
    resamples,
)

GROSS_MM = 10.0
GROSS_PX = 20.0

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, repr=False)
class PointErrors:
    """N films x K landmarks: predicted minus truth, matched by the film's name.

    Args:
        truths: the N films, marked by a reader.
        predictions: the N predictions, in the order of `truths`.
        offset_px: (N, K, 2) dx and dy in pixels of the image file; NaN unless reader and model both placed it.
        offset_mm: the same in millimetres, x and y by their own spacing; NaN also where an image has no spacing. The
            spacing is the truth's: a header the prediction was read with does not overrule the annotation file.
        scored: (N, K) whether the reader placed the landmark.
        found: (N, K) whether it is scored and the model placed it too.
        absent: (N, K) whether the reader looked and found the landmark not in the picture.
        absent_placed: (N, K) whether it is absent and the model placed it all the same.
    """

    truths: tuple[Marked, ...]
    predictions: tuple[Marks, ...]
    offset_px: FloatArray
    offset_mm: FloatArray
    scored: BoolArray
    found: BoolArray
    absent: BoolArray
    absent_placed: BoolArray

    @property
    def confidence(self) -> FloatArray:
        """(N, K) the predictions' confidence; NaN where there is none."""
        unknown = np.full(self.scored.shape[1], np.nan)
        return np.array([unknown if marks.confidence is None else marks.confidence for marks in self.predictions])

    @property
    def has_mm(self) -> bool:
        """Whether every scored image has a spacing: only then is there a figure in millimetres."""
        return all(marks.frame.spacing is not None for _, marks in self.truths if marks.placed.any())

    def scales(self, grid_size: int | None) -> FloatArray:
        """(N,) pixels of the letterboxed `grid_size` x `grid_size` grid for a pixel of each image; 1 for None."""
        if grid_size is None:
            return np.ones(len(self.truths))
        return np.array([Inset.letterbox(marks.frame, grid_size).scale for _, marks in self.truths])

    def offset_on(self, grid_size: int | None) -> FloatArray:
        """(N, K, 2) offsets in pixels of the image file (None) or of the letterboxed `grid_size` x `grid_size` grid."""
        return self.offset_px * self.scales(grid_size)[:, None, None]

    @property
    def patients(self) -> IntArray:
        """(N,) a number for each image's patient, 0, 1, … by sorted patient name."""
        return np.unique([film.owner for film, _ in self.truths], return_inverse=True)[1].astype(np.int64)

    def rows(self, indices: Sequence[int]) -> "PointErrors":
        """Only these images, at least one."""
        rows = np.array(indices, dtype=np.int64)
        return PointErrors(
            truths=tuple(self.truths[n] for n in indices),
            predictions=tuple(self.predictions[n] for n in indices),
            offset_px=self.offset_px[rows],
            offset_mm=self.offset_mm[rows],
            scored=self.scored[rows],
            found=self.found[rows],
            absent=self.absent[rows],
            absent_placed=self.absent_placed[rows],
        )


def pooled(parts: Sequence[PointErrors]) -> PointErrors:
    """Errors of several runs on films of one scheme as one: folds, or seeds that predict the same films again.

    A patient's films stay that patient's, so an interval over patients does not count a second seed as new evidence.
    """
    return PointErrors(
        truths=tuple(row for part in parts for row in part.truths),
        predictions=tuple(prediction for part in parts for prediction in part.predictions),
        offset_px=np.concatenate([part.offset_px for part in parts]),
        offset_mm=np.concatenate([part.offset_mm for part in parts]),
        scored=np.concatenate([part.scored for part in parts]),
        found=np.concatenate([part.found for part in parts]),
        absent=np.concatenate([part.absent for part in parts]),
        absent_placed=np.concatenate([part.absent_placed for part in parts]),
    )


def radial(offset: FloatArray) -> FloatArray:
    """(…, 2) offsets -> (…) Euclidean lengths, in the offsets' own unit."""
    return np.hypot(offset[..., 0], offset[..., 1])


def point_errors(truths: Sequence[Marked], predictions: Sequence[Marks]) -> PointErrors:
    """Match predictions to truths by image name and subtract.

    Raises:
        InputError: a prediction is missing, extra or double, is of another scheme or on another grid than its truth, or
            the truths place no landmark at all.
    """
    by_name = {prediction.film: prediction for prediction in predictions}
    _match(truths, predictions)
    ordered = tuple(by_name[film.name] for film, _ in truths)
    for (_, truth), prediction in zip(truths, ordered, strict=True):
        _comparable(truth, prediction)
    scored = np.array([truth.placed for _, truth in truths])
    if not scored.any():
        raise InputError(
            "no landmark of the truth has a position, so nothing can be scored", remedy="Give images that are annotated"
        )
    placed = np.array([prediction.placed for prediction in ordered])
    absent = np.array([truth.states == State.ABSENT for _, truth in truths])
    offset_px = np.array([guess.points - truth.points for (_, truth), guess in zip(truths, ordered, strict=True)])
    return PointErrors(
        truths=tuple(truths),
        predictions=ordered,
        offset_px=offset_px,
        offset_mm=np.array([_mm(truth, offset) for (_, truth), offset in zip(truths, offset_px, strict=True)]),
        scored=scored,
        found=scored & placed,
        absent=absent,
        absent_placed=absent & placed,
    )


@dataclass(frozen=True)
class Summary:
    """Radial errors of a group of points in one unit.

    `mean`, `median` and `p95` are over the points the model found, None where it found none; `sdr_percent` is over all
    scored points, by threshold ("2", "2.5", "3", "4"), None where there is none. Each `…_ci95` is a 95 % interval by
    bootstrap over patients, None where fewer than two patients have such points. `shift` is the mean signed dx and dy.
    """

    mean: float | None
    median: float | None
    p95: float | None
    shift: tuple[float, float] | None
    sdr_percent: Mapping[str, float | None]
    mean_ci95: Interval | None
    median_ci95: Interval | None
    sdr_ci95: Mapping[str, Interval | None]


@dataclass(frozen=True)
class LandmarkMetrics:
    """One landmark: `n` scored points, of which the model did not find `n_not_found`."""

    name: str
    n: int
    n_not_found: int
    px: Summary
    mm: Summary | None


@dataclass(frozen=True, repr=False)
class Metrics:
    """What `metrics.json` says. Pixels are those of `grid`; millimetres do not depend on it.

    Args:
        n_images: images with at least one scored point.
        n_patients: whose images those are.
        n_points: scored points, those not found included.
        n_not_found: scored points where the model placed nothing.
        n_absent: landmarks the reader marked as not in the picture; not scored.
        n_absent_placed: how many of those the model placed all the same.
        grid_size: None for pixels of the image file, S for those of the letterboxed S x S grid of the model.
        reader: who made the truth.
        px: radial error over all points, in pixels.
        mm: the same in millimetres; None unless every scored image has a spacing.
        mean_over_images_px: mean over images of each image's mean, which weighs an image with few points as much as one
            with many; `px.mean` weighs points alike.
        mean_over_images_mm: the same in millimetres.
        paper_rmse_px: the score of the paper's programs: `paper_rmse`.
        gross_failure_percent: share of scored points placed more than 10 mm away, or 20 px of `grid` where there are no
            millimetres.
        per_landmark: in scheme order.
        draws: bootstrap resamples behind each interval.
        seed: of the bootstrap.
    """

    n_images: int
    n_patients: int
    n_points: int
    n_not_found: int
    n_absent: int
    n_absent_placed: int
    grid_size: int | None
    reader: str | None
    px: Summary
    mm: Summary | None
    mean_over_images_px: float | None
    mean_over_images_mm: float | None
    paper_rmse_px: float | None
    gross_failure_percent: float
    per_landmark: tuple[LandmarkMetrics, ...]
    draws: int
    seed: int

    @property
    def grid(self) -> str:
        """The grid of the pixels: "source" or "model 512x512"."""
        return "source" if self.grid_size is None else f"model {self.grid_size}x{self.grid_size}"

    @property
    def gross_failure_limit(self) -> str:
        """Beyond which distance a placed point is a gross failure."""
        return f"{GROSS_PX:g} px" if self.mm is None else f"{GROSS_MM:g} mm"

    def __repr__(self) -> str:
        return "\n".join(self.headline())

    def headline(self) -> tuple[str, ...]:
        """The main figures in a few lines of plain words, millimetres first where they are known."""
        lines = [f"{self.n_images} images, {self.n_points} points, reader {self.reader or 'not named'}"]
        for unit, summary in (("mm", self.mm), (f"px ({self.grid} grid)", self.px)):
            if summary is None or summary.mean is None or summary.median is None or summary.p95 is None:
                continue
            interval = "" if summary.mean_ci95 is None else " [{:.2f}, {:.2f}]".format(*summary.mean_ci95)
            near = ", ".join(f"{v:.1f} % < {t}" for t, v in summary.sdr_percent.items() if v is not None)
            lines.append(
                f"mean radial error {summary.mean:.2f}{interval}, median {summary.median:.2f}, "
                f"95 % within {summary.p95:.2f}; {near} {unit}"
            )
        if self.n_not_found:
            lines.append(f"{self.n_not_found} points not found")
        return tuple(lines)

    def to_json_dict(self) -> dict[str, object]:
        """The content of `metrics.json`: plain numbers, strings, lists and None, never NaN."""
        return {
            "n_images": self.n_images,
            "n_patients": self.n_patients,
            "n_points": self.n_points,
            "n_not_found": self.n_not_found,
            "n_absent": self.n_absent,
            "n_absent_placed": self.n_absent_placed,
            "grid": self.grid,
            "reader": self.reader,
            **_figures(self.px, self.mm),
            "mean_over_images_px": self.mean_over_images_px,
            "mean_over_images_mm": self.mean_over_images_mm,
            "paper_rmse_px": self.paper_rmse_px,
            "gross_failure_percent": self.gross_failure_percent,
            "gross_failure_limit": self.gross_failure_limit,
            "per_landmark": [
                {
                    "name": landmark.name,
                    "n": landmark.n,
                    "n_not_found": landmark.n_not_found,
                    **_figures(landmark.px, landmark.mm),
                    "mean_offset_px": _list(landmark.px.shift),
                    "mean_offset_mm": landmark.mm and _list(landmark.mm.shift),
                    "ci95": _intervals(landmark.px, landmark.mm),
                }
                for landmark in self.per_landmark
            ],
            "ci95": _intervals(self.px, self.mm),
            "ci95_method": f"percentile bootstrap over patients, {self.draws} draws, seed {self.seed}",
        }


def score(
    errors: PointErrors,
    *,
    reader: str | None = None,
    grid_size: int | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Metrics:
    """All figures of a set of point errors.

    Args:
        errors: from `point_errors`.
        reader: who made the truth.
        grid_size: None for pixels of the image file, S for those of the letterboxed S x S grid.
        draws: bootstrap resamples.
        seed: of the bootstrap.
    """
    offset_px = errors.offset_on(grid_size)
    offset_mm = errors.offset_mm if errors.has_mm else None
    radial_px = radial(offset_px)
    radial_mm = None if offset_mm is None else radial(offset_mm)
    seen = errors.scored.any(axis=1)
    patients, patient = np.unique(errors.patients[seen], return_inverse=True)
    # One set of resamples for every figure: how often each patient is drawn, with all of the patient's images at once.
    drawn = resamples(len(patients), draws=draws, seed=seed)

    def summary(offset: FloatArray, landmarks: slice) -> Summary:
        scored = errors.scored[seen, landmarks]
        owner = np.broadcast_to(patient[:, None], scored.shape)[scored]
        return _summary(offset[seen, landmarks][scored], owner, drawn)

    def landmark(k: int, name: str) -> LandmarkMetrics:
        only = slice(k, k + 1)
        return LandmarkMetrics(
            name=name,
            n=int(errors.scored[:, k].sum()),
            n_not_found=int((errors.scored & ~errors.found)[:, k].sum()),
            px=summary(offset_px, only),
            mm=None if offset_mm is None else summary(offset_mm, only),
        )

    gross = radial_px > GROSS_PX if radial_mm is None else radial_mm > GROSS_MM
    return Metrics(
        n_images=int(seen.sum()),
        n_patients=len(patients),
        n_points=int(errors.scored.sum()),
        n_not_found=int((errors.scored & ~errors.found).sum()),
        n_absent=int(errors.absent.sum()),
        n_absent_placed=int(errors.absent_placed.sum()),
        grid_size=grid_size,
        reader=reader,
        px=summary(offset_px, slice(None)),
        mm=None if offset_mm is None else summary(offset_mm, slice(None)),
        mean_over_images_px=_mean(image_means(radial_px)),
        mean_over_images_mm=None if radial_mm is None else _mean(image_means(radial_mm)),
        paper_rmse_px=paper_rmse(offset_px),
        gross_failure_percent=100 * int(gross.sum()) / int(errors.scored.sum()),
        per_landmark=tuple(landmark(k, name) for k, name in enumerate(errors.truths[0].marks.scheme.names)),
        draws=draws,
        seed=seed,
    )


@dataclass(frozen=True)
class Difference:
    """How much larger one method's errors are than another's, on the same points.

    Args:
        unit: "mm", or "px" of the grid asked for.
        mean: of the radial errors of the first minus those of the second; negative: the first is nearer.
        mean_ci95: by bootstrap over patients, both methods on the same resample; None for fewer than two patients.
        sdr_percent: threshold -> share of points nearer than it by the first, minus that by the second.
        sdr_ci95: likewise.
        n_points: compared, a point counted once however many seeds placed it.
        n_patients: whose points those are.
    """

    unit: Literal["mm", "px"]
    mean: float
    mean_ci95: Interval | None
    sdr_percent: Mapping[str, float]
    sdr_ci95: Mapping[str, Interval | None]
    n_points: int
    n_patients: int


def difference(
    first: PointErrors, second: PointErrors, *, grid_size: int | None = None, draws: int = DRAWS, seed: int = SEED
) -> Difference | None:
    """Paired: point by point on the films both methods predicted, each point's errors averaged over the seeds first.

    Seeds are averaged, not resampled: the interval is about other patients, not about other seeds. Only points that both
    methods placed are compared; None where there is no such point.

    Args:
        first: errors of one method, of one or several seeds (`pooled`).
        second: errors of the other.
        grid_size: as in `score`; used where not every image has a spacing.
        draws: bootstrap resamples.
        seed: of the bootstrap.
    """
    in_mm = first.has_mm and second.has_mm
    ours, theirs = (_by_point(errors, None if in_mm else grid_size, in_mm) for errors in (first, second))
    points = sorted(ours.keys() & theirs.keys())
    if not points:
        return None
    a, b = (np.array([errors[point][0] for point in points]) for errors in (ours, theirs))
    near = np.array([[ours[point][1], theirs[point][1]] for point in points])
    patients, owner = np.unique([ours[point][2] for point in points], return_inverse=True)
    owner = owner.astype(np.int64)
    drawn = resamples(len(patients), draws=draws, seed=seed)

    def ci95(values: FloatArray) -> Interval | None:
        return interval(resampled_means(values, owner, drawn), owner)

    gain = 100 * (near[:, 0] - near[:, 1])
    return Difference(
        unit="mm" if in_mm else "px",
        mean=float((a - b).mean()),
        mean_ci95=ci95(a - b),
        sdr_percent={f"{t:g}": float(gain[:, i].mean()) for i, t in enumerate(THRESHOLDS)},
        sdr_ci95={f"{t:g}": ci95(gain[:, i]) for i, t in enumerate(THRESHOLDS)},
        n_points=len(points),
        n_patients=len(patients),
    )


def _by_point(
    errors: PointErrors, grid_size: int | None, in_mm: bool
) -> dict[tuple[str, int], tuple[float, FloatArray, str]]:
    """(image name, landmark) -> radial error and share under each threshold, both averaged over seeds, and the patient."""
    distance = radial(errors.offset_mm if in_mm else errors.offset_on(grid_size))
    seen: dict[tuple[str, int], list[float]] = {}
    patient: dict[str, str] = {}
    for (film, _), row in zip(errors.truths, distance, strict=True):
        patient[film.name] = film.owner
        for k in np.flatnonzero(np.isfinite(row)):
            seen.setdefault((film.name, int(k)), []).append(float(row[k]))
    return {
        point: (
            float(np.mean(v)),
            np.array([np.mean(np.array(v) < t) for t in THRESHOLDS], np.float64),
            patient[point[0]],
        )
        for point, v in seen.items()
    }


def image_means(errors: FloatArray) -> FloatArray:
    """(N, K) radial errors with NaN gaps -> (N,) mean of each image; NaN where an image has none."""
    there = np.isfinite(errors)
    count = there.sum(axis=1)
    total = np.where(there, errors, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def worst_first(errors: PointErrors, distance: FloatArray) -> list[int]:
    """Rows of the images with scored points, the worst first: a landmark that was not found at all is worse than any distance.

    Args:
        errors: the images.
        distance: their (N, K) radial errors.
    """
    means = image_means(distance)
    lost = (errors.scored & ~errors.found).sum(axis=1)
    scored = np.flatnonzero(errors.scored.any(axis=1)).tolist()
    return sorted(scored, key=lambda n: (-lost[n], -np.nan_to_num(means[n], nan=np.inf)))


def paper_rmse(offset: FloatArray) -> float | None:
    """The paper's "RMSE" as its released programs compute it; None where no point was found.

    Per landmark the root of the mean over images **and over both axes** of (dx², dy²), then the mean over landmarks.
    For one point that is the Euclidean distance divided by the square root of 2: not comparable with a radial error.

    Args:
        offset: (N, K, 2) in pixels, NaN where there is no error.
    """
    squared = [column[np.isfinite(column)] ** 2 for column in np.moveaxis(offset, 1, 0)]
    return _mean(np.array([np.sqrt(values.mean()) for values in squared if values.size]))


def _match(truths: Sequence[Marked], predictions: Sequence[Marks]) -> None:
    names = [prediction.film for prediction in predictions]
    wanted = {film.name for film, _ in truths}
    for problem, culprits, remedy in (
        ("an image is predicted twice", {n for n in names if names.count(n) > 1}, "Keep one prediction for each image"),
        ("an image of the truth has no prediction", wanted - set(names), "Predict every image that is to be scored"),
        (
            "a prediction is of an image the truth does not have",
            set(names) - wanted,
            "Leave it out or annotate the image",
        ),
    ):
        if culprits:
            more = f" and {len(culprits) - 1} more" if len(culprits) > 1 else ""
            raise InputError(problem, value=f"{min(culprits)}{more}", remedy=remedy)


def _comparable(truth: Marks, guess: Marks) -> None:
    if truth.scheme.names != guess.scheme.names:
        raise InputError(
            f"{truth.film} is marked in scheme {truth.scheme.name} and predicted in scheme {guess.scheme.name}",
            remedy="Evaluate a model against annotations of its own scheme",
        )
    if (truth.frame.width, truth.frame.height) != (guess.frame.width, guess.frame.height):
        raise InputError(
            f"{truth.film} is annotated at {truth.frame.width} x {truth.frame.height} pixels, not predicted so",
            value=f"{guess.frame.width} x {guess.frame.height}",
            remedy="Predict on the very image file that was annotated",
        )


def _mm(truth: Marks, offset_px: FloatArray) -> FloatArray:
    return np.full_like(offset_px, np.nan) if truth.frame.spacing is None else truth.frame.to_mm(offset_px)


def _summary(offset: FloatArray, patient: IntArray, drawn: IntArray) -> Summary:
    """Figures over (M, 2) offsets, NaN where not found, of points whose patients are the columns of `drawn`."""
    distance = radial(offset)
    there = np.isfinite(distance)
    found, owner = distance[there], patient[there]
    hits = {f"{threshold:g}": distance < threshold for threshold in THRESHOLDS}
    return Summary(
        mean=_mean(found),
        median=float(np.median(found)) if found.size else None,
        p95=float(np.percentile(found, 95)) if found.size else None,
        shift=(float(offset[there, 0].mean()), float(offset[there, 1].mean())) if found.size else None,
        sdr_percent={name: 100 * float(hit.mean()) if hit.size else None for name, hit in hits.items()},
        mean_ci95=interval(resampled_means(found, owner, drawn), owner),
        median_ci95=interval(resampled_medians(found, owner, drawn), owner),
        sdr_ci95={
            name: interval(100 * resampled_means(hit.astype(float), patient, drawn), patient)
            for name, hit in hits.items()
        },
    )


def _mean(values: FloatArray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else None


def _figures(px: Summary, mm: Summary | None) -> dict[str, object]:
    return {
        "mean_radial_error_px": px.mean,
        "mean_radial_error_mm": mm and mm.mean,
        "median_radial_error_px": px.median,
        "median_radial_error_mm": mm and mm.median,
        "p95_radial_error_px": px.p95,
        "p95_radial_error_mm": mm and mm.p95,
        "sdr_percent_px": dict(px.sdr_percent),
        "sdr_percent_mm": mm and dict(mm.sdr_percent),
    }


def _intervals(px: Summary, mm: Summary | None) -> dict[str, object]:
    return {
        "mean_radial_error_px": _list(px.mean_ci95),
        "mean_radial_error_mm": mm and _list(mm.mean_ci95),
        "median_radial_error_px": _list(px.median_ci95),
        "median_radial_error_mm": mm and _list(mm.median_ci95),
        "sdr_percent_px": {name: _list(pair) for name, pair in px.sdr_ci95.items()},
        "sdr_percent_mm": mm and {name: _list(pair) for name, pair in mm.sdr_ci95.items()},
    }


def _list(pair: tuple[float, float] | None) -> list[float] | None:
    return None if pair is None else list(pair)
