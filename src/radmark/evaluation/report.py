"""The evaluation as files: `metrics.json` for programs, `errors.csv` for spreadsheets, `index.html` for people.

The page is one file that loads nothing from anywhere: its pictures are data URIs, and its security policy says so.
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from radmark.card import CARD_FILES
from radmark.core import Film, InputError, Marks, State, Study
from radmark.core.frame import FloatArray
from radmark.draw import Region, overlay
from radmark.evaluation.metrics import Metrics, PointErrors, image_means, point_errors, radial, worst_first
from radmark.io.atomic import claim_folder, write_text
from radmark.page import ACCENT, CARD, DOTS, INK, MUTED, Chart, chart, empty_chart, plain, template
from radmark.page import data_uri as data_uri
from radmark.stats import THRESHOLDS, spearman

WORST_POINTS = 12
SHOWN_IMAGES = 4

_IMAGE_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".svg": "image/svg+xml"}

_COLUMNS = (
    "image_name", "patient", "landmark", "truth_state", "predicted_state", "truth_x", "truth_y", "predicted_x",
    "predicted_y", "dx_px", "dy_px", "radial_error_px", "dx_mm", "dy_mm", "radial_error_mm", "confidence", "grid_scale",
)  # fmt: skip


REPORT_FILES = ("metrics.json", "errors.csv", "index.html", *CARD_FILES)
"""What a report's folder holds; the cards are `radmark evaluate`'s."""


def write_report(
    out: Path,
    study: Study,
    predictions: Sequence[Marks],
    metrics: Metrics,
    *,
    title: str,
    facts: Mapping[str, str],
    pictures: Mapping[str, Path] | None = None,
    warnings: Sequence[str] = (),
    overwrite: bool = False,
) -> Path:
    """Write `metrics.json`, `errors.csv` and `index.html` into the folder `out`; returns the page's path.

    Args:
        out: a new or empty folder.
        study: the truth; the few films that are shown are loaded.
        predictions: one for each film.
        metrics: `score` of these predictions against this truth.
        title: of the page.
        facts: what the reader of the page should know of the model: recipe, training images, versions.
        pictures: further pictures (.png, .jpg, .svg) by caption, such as training curves.
        warnings: what makes these figures worth less than they seem; on top of the page and in `metrics.json`.
        overwrite: replace what is in `out`.

    Raises:
        InputError: `out` holds something and `overwrite` is off, predictions do not match the truth, or a picture is of
            another format.
    """
    errors = point_errors(study.rows, predictions)
    page = _page(errors, study, metrics, title=title, facts=facts, pictures=pictures or {}, warnings=warnings)
    claim_folder(out, overwrite=overwrite, ours=REPORT_FILES)
    figures = {**metrics.to_json_dict(), "warnings": list(warnings)}
    write_text(out / "metrics.json", json.dumps(figures, indent=1, allow_nan=False) + "\n")
    write_text(out / "errors.csv", errors_csv(errors, metrics.grid_size))
    write_text(out / "index.html", page)
    return out / "index.html"


def errors_csv(errors: PointErrors, grid_size: int | None = None) -> str:
    """One row for each landmark the reader looked for: placed, or marked as absent. An empty cell is "there is none".

    Coordinates and `…_px` are pixels of the image file; times `grid_scale` they are pixels of the grid of the metrics.
    """
    per_image = zip(
        errors.truths, errors.predictions, errors.offset_px, errors.offset_mm, errors.scales(grid_size), strict=True
    )
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_COLUMNS)
    for (film, truth), guess, px, mm, scale in per_image:
        for k, name in enumerate(truth.scheme.names):
            if truth.states[k] == State.NOT_ANNOTATED:
                continue
            states = [State(int(marks.states[k])).label for marks in (truth, guess)]
            numbers = [
                *truth.points[k], *guess.points[k], *px[k], radial(px[k]), *mm[k], radial(mm[k]),
                np.nan if guess.confidence is None else guess.confidence[k], scale,
            ]  # fmt: skip
            cells = ["" if np.isnan(v) else f"{v:.6g}" for v in numbers]
            table.writerow([film.name, film.owner, name, *states, *cells])
    return text.getvalue()


class _Picture(NamedTuple):
    uri: str
    alt: str
    caption: str
    detail: str = ""


def _page(
    errors: PointErrors,
    study: Study,
    metrics: Metrics,
    *,
    title: str,
    facts: Mapping[str, str],
    pictures: Mapping[str, Path],
    warnings: Sequence[str],
) -> str:
    unit = "px" if metrics.mm is None else "mm"
    distance = radial(errors.offset_on(metrics.grid_size) if metrics.mm is None else errors.offset_mm)
    worst, typical = _worst_and_typical(errors, distance)
    points = _worst_points(distance)
    shown = _draw_films(errors, distance, unit, whole=[*worst, *typical], points=points)
    return template(Path(__file__).with_name("report.html.j2")).render(
        title=title,
        metrics=metrics,
        main=metrics.mm or metrics.px,
        unit=unit,
        mean_over_images=metrics.mean_over_images_px if metrics.mm is None else metrics.mean_over_images_mm,
        landmarks=[
            (definition, landmark, landmark.mm or landmark.px)
            for definition, landmark in zip(study.scheme.landmarks, metrics.per_landmark, strict=True)
        ],
        scheme=study.scheme,
        cumulative=_cumulative(distance[errors.scored], unit),
        by_landmark=_by_landmark(distance, study.scheme.names, unit),
        typical=[shown[n, None] for n in typical],
        worst=[shown[n, None] for n in worst],
        worst_points=[shown[point] for point in points],
        confidence=_confidence(distance, errors.confidence, unit),
        pictures=[_Picture(_embedded(path), caption, caption) for caption, path in pictures.items()],
        facts=facts,
        warnings=warnings,
    )


# ---- which films to show ---------------------------------------------------------------------------------------------


def _worst_and_typical(errors: PointErrors, distance: FloatArray) -> tuple[list[int], list[int]]:
    """Rows of the images to show: the worst first, and those nearest to the median image. None is in both."""
    means = image_means(distance)
    ranked = worst_first(errors, distance)
    worst = ranked[: min(SHOWN_IMAGES, len(ranked) // 2)]
    rest = [n for n in ranked[len(worst) :] if np.isfinite(means[n])]
    median = float(np.nanmedian(means)) if np.isfinite(means).any() else 0.0
    return worst, sorted(rest, key=lambda n: abs(means[n] - median))[:SHOWN_IMAGES]


def _worst_points(distance: FloatArray) -> list[tuple[int, int]]:
    """(image, landmark) of the largest errors, the largest first."""
    order = np.argsort(np.where(np.isfinite(distance), -distance, np.inf), axis=None)
    count = min(WORST_POINTS, int(np.isfinite(distance).sum()))
    return [(int(i) // distance.shape[1], int(i) % distance.shape[1]) for i in order[:count]]


def _draw_films(
    errors: PointErrors,
    distance: FloatArray,
    unit: str,
    *,
    whole: Sequence[int],
    points: Sequence[tuple[int, int]],
) -> dict[tuple[int, int | None], _Picture]:
    """A picture for each whole image (row, None) and each point (row, landmark). Each film is read once and let go."""
    wanted: dict[int, list[int | None]] = defaultdict(list)
    for n in whole:
        wanted[n].append(None)
    for n, k in points:
        wanted[n].append(k)
    drawn: dict[tuple[int, int | None], _Picture] = {}
    for n, parts in wanted.items():
        film = errors.truths[n].film.loaded()
        for k in parts:
            drawn[n, k] = (
                _image_picture(errors, n, distance[n], unit, film)
                if k is None
                else _point_picture(errors, n, k, distance[n, k], unit, film)
            )
    return drawn


def _image_picture(errors: PointErrors, n: int, distance: FloatArray, unit: str, film: Film) -> _Picture:
    truth, guess = errors.truths[n].marks, errors.predictions[n]
    found, scored = int(errors.found[n].sum()), int(errors.scored[n].sum())
    detail = f"mean error {np.nanmean(distance):.2f} {unit}" if found else "nothing found"
    if 0 < found < scored:
        detail += f", {scored - found} of {scored} landmarks not found"
    picture = overlay(film, truth, guess, long_side=800)
    alt = f"Film {film.name} with {scored} landmarks of the reader and {int(guess.placed.sum())} of the model"
    return _Picture(_jpeg(picture), f"{alt}: {detail}", film.name, detail)


def _point_picture(errors: PointErrors, n: int, k: int, distance: float, unit: str, film: Film) -> _Picture:
    truth, guess = errors.truths[n].marks, errors.predictions[n]
    there, placed = truth.points[k], guess.points[k]
    # Wide enough to hold both points, and never so narrow that the anatomy cannot be recognised.
    half_side = max(0.75 * float(radial(placed - there)), max(film.frame.width, film.frame.height) / 10)
    region = Region.square((there + placed) / 2, half_side)
    picture = overlay(film, _only(truth, k), _only(guess, k), region=region, long_side=320)
    name = plain(truth.scheme.names[k])
    sure = errors.confidence[n, k]
    detail = film.name if np.isnan(sure) else f"{film.name}, confidence {sure:.2f}"
    alt = f"Detail of film {film.name}: the model's {name} lies {distance:.1f} {unit} from the reader's"
    return _Picture(_jpeg(picture), alt, f"{name}, {distance:.1f} {unit}", detail)


def _only(marks: Marks, k: int) -> Marks:
    points = np.full_like(marks.points, np.nan)
    points[k] = marks.points[k]
    return Marks.present(marks.scheme, marks.frame, points)


def _jpeg(picture: Image.Image) -> str:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=85, optimize=True, subsampling=0)
    return data_uri("image/jpeg", data.getvalue())


def _embedded(path: Path) -> str:
    kind = _IMAGE_TYPES.get(path.suffix.lower())
    if kind is None:
        raise InputError(
            "a picture for the report is of a format a browser may not show",
            file=path,
            remedy=f"Use one of: {', '.join(_IMAGE_TYPES)}",
        )
    return data_uri(kind, path.read_bytes())


# ---- charts ----------------------------------------------------------------------------------------------------------


def _upper(values: FloatArray, least: float) -> float:
    """Where an axis of errors ends: far enough for all but the most extreme hundredth."""
    return max(least, float(np.percentile(values, 99))) if values.size else least


def _cumulative(distance: FloatArray, unit: str) -> Chart:
    """Share of all scored points nearer than x; points not found never count, so the curve may end below 100 %."""
    found = np.sort(distance[np.isfinite(distance)])
    figure, axes = empty_chart(3.3)
    end = _upper(found, 5.0)
    share = 100 * np.arange(len(found) + 1) / len(distance)
    axes.step([*found, max(end, found[-1] if len(found) else 0)], share, where="pre", color=ACCENT, linewidth=2.2)
    sdr = {threshold: 100 * float(np.mean(distance < threshold)) for threshold in THRESHOLDS}
    for threshold, percent in sdr.items():
        axes.plot([threshold] * 2, [0, percent], color=MUTED, linewidth=0.9, linestyle=(0, (3, 3)))
        axes.plot([threshold], [percent], "o", color=ACCENT, markersize=5)
    axes.set(xlim=(0, end), ylim=(0, 101), xlabel=f"radial error ({unit})", ylabel="points nearer than this (%)")
    words = ", ".join(f"{percent:.1f} % of points under {t:g} {unit}" for t, percent in sdr.items())
    return chart(figure, f"Cumulative curve of the radial error: {words}.")


def _by_landmark(distance: FloatArray, names: Sequence[str], unit: str) -> Chart:
    """Every error as a dot, with median, middle half and 5th to 95th percentile of each landmark."""
    figure, axes = empty_chart(0.9 + 0.31 * len(names))
    end = _upper(distance[np.isfinite(distance)], 4.0)
    rng = np.random.default_rng(0)
    for k, column in enumerate(distance.T):
        values = column[np.isfinite(column)]
        if not values.size:
            continue
        p5, q1, median, q3, p95 = np.minimum(np.percentile(values, (5, 25, 50, 75, 95)), end)
        height = k + rng.uniform(-0.3, 0.3, values.size)
        # The dots of thousands of points would make a page of megabytes, so they are pixels.
        axes.scatter(
            np.minimum(values, end), height, s=6, color=DOTS, alpha=0.65, linewidths=0, rasterized=True, clip_on=False
        )
        axes.hlines(k, p5, p95, color=INK, linewidth=1)
        axes.hlines(k, q1, q3, color=INK, linewidth=4)
        axes.plot([median], [k], "o", color=CARD, markeredgecolor=INK, markersize=6.5)
    axes.set(xlim=(0, end), ylim=(len(names) - 0.4, -0.6), xlabel=f"radial error ({unit})")
    axes.set_yticks(range(len(names)), [plain(name) for name in names])
    axes.grid(visible=False, axis="y")
    return chart(figure, f"Radial error of each landmark in {unit}; the numbers are in the table above.")


class _Confidence(NamedTuple):
    chart: Chart
    spearman: float
    verdict: str
    median_low: float
    median_rest: float


def _confidence(distance: FloatArray, confidence: FloatArray, unit: str) -> _Confidence | None:
    """Whether low confidence warns of large errors; None where confidence never varies."""
    known = np.isfinite(distance) & np.isfinite(confidence)
    sure, error = confidence[known], distance[known]
    correlation = spearman(sure, error)
    if correlation is None:
        return None
    rho = correlation.rho
    low = sure <= np.percentile(sure, 10)
    if low.all():
        return None
    figure, axes = empty_chart(3.3)
    end = _upper(error, 4.0)
    axes.scatter(sure, np.minimum(error, end), s=6, color=DOTS, alpha=0.55, linewidths=0, rasterized=True)
    # Medians of fifths of the points, so that the trend shows through the cloud.
    fifths = [part for part in np.array_split(np.argsort(sure, kind="stable"), 5) if part.size]
    axes.plot(
        [np.median(sure[part]) for part in fifths],
        [min(np.median(error[part]), end) for part in fifths],
        "o-", color=ACCENT, markeredgecolor=INK, linewidth=2,
    )  # fmt: skip
    axes.set(ylim=(0, end), xlabel="confidence", ylabel=f"radial error ({unit})")
    verdict = (
        "a useful warning" if rho <= -0.5 else "a weak warning" if rho <= -0.2 else "hardly a warning, if one at all"
    )
    return _Confidence(
        chart=chart(figure, f"Radial error against confidence; rank correlation {rho:.2f}."),
        spearman=rho,
        verdict=verdict,
        median_low=float(np.median(error[low])),
        median_rest=float(np.median(error[~low])),
    )
