"""The agreement as files: `agreement.json` for programs, `agreement.csv` for spreadsheets, `index.html` for people."""

import csv
import dataclasses
import io
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from radmark.agree.agreement import ELLIPSE95, Agreement, MeasureAgreement, Scatter, scatter
from radmark.agree.bland_altman import BlandAltman
from radmark.core.frame import FloatArray
from radmark.io.atomic import claim_folder, write_text
from radmark.page import ACCENT, DOTS, INK, MUTED, RULE, Chart, chart, empty_chart, plain, template

REPORT_FILES = ("agreement.json", "agreement.csv", "index.html")
"""What a report's folder holds."""

_SHOWN_OUTLIERS = 15
_SHOWN_PAIRS = 3
_SHOWN_PLOTS = 12


def write_report(out: Path, found: Agreement, *, title: str, overwrite: bool = False) -> Path:
    """Write the three files into the folder `out`; returns the page's path.

    Raises:
        InputError: `out` holds something and `overwrite` is off, or it holds something radmark did not write.
    """
    page = report_page(found, title)
    claim_folder(out, overwrite=overwrite, ours=REPORT_FILES)
    write_text(out / "agreement.json", json.dumps(to_json_dict(found), indent=1, allow_nan=False) + "\n")
    write_text(out / "agreement.csv", agreement_csv(found))
    write_text(out / "index.html", page)
    return out / "index.html"


def to_json_dict(found: Agreement) -> dict[str, object]:
    """The content of `agreement.json`: plain numbers, strings, lists and None, never NaN."""
    panel = found.panel
    return {
        "readers": list(panel.readers),
        "people": list(panel.people),
        "model": found.model,
        "n_images": len(panel.images),
        "n_patients": len(set(panel.patients)),
        "landmarks": list(panel.landmarks),
        "unit": found.unit,
        "ci95_method": f"percentile bootstrap over patients, {found.draws} draws, seed {found.seed}; ICC by F; limits by t",
        "per_landmark": [dataclasses.asdict(landmark) for landmark in found.landmarks],
        "pairs": [dataclasses.asdict(pair) for pair in found.pairs],
        "model_against_readers": [dataclasses.asdict(model) for model in found.models],
        "outliers": [dataclasses.asdict(outlier) for outlier in found.outliers],
        "measurements": [
            {
                "name": measure.name,
                "unit": measure.unit,
                "reliability": measure.reliability and dataclasses.asdict(measure.reliability),
                "pairs": [
                    {
                        "first": first,
                        "second": second,
                        **{
                            field.name: getattr(plot, field.name)
                            for field in dataclasses.fields(plot)
                            if field.name not in ("means", "differences")
                        },
                    }
                    for first, second, plot in measure.pairs
                ],
            }
            for measure in found.measures
        ],
    }


_COLUMNS = (
    "kind", "first", "second", "landmark", "unit", "n", "n_patients", "n_only_one", "mean", "mean_low", "mean_high",
    "median", "p95", "sdr_2", "sdr_2.5", "sdr_3", "sdr_4", "bias_x", "bias_x_low", "bias_x_high", "bias_y", "bias_y_low",
    "bias_y_high", "cov_xx", "cov_xy", "cov_yy", "sd_along", "sd_across", "angle_deg", "ellipse95_along",
    "ellipse95_across",
)  # fmt: skip


def agreement_csv(found: Agreement) -> str:
    """A row for each landmark and pair, and one for all landmarks together ("*"), in pixels and, where known, millimetres."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_COLUMNS)
    for pair in found.pairs:
        for unit, s in (("px", pair.px), ("mm", pair.mm)):
            if s is None:
                continue
            matrix = s.covariance or ((None, None), (None, None))
            axes = [None if v is None else ELLIPSE95 * v for v in (s.sd_along, s.sd_across)]
            numbers = [
                s.mean, *_two(s.mean_ci95), s.median, s.p95, *s.sdr_percent.values(), s.bias[0], *_two(s.bias_ci95[0]),
                s.bias[1], *_two(s.bias_ci95[1]), matrix[0][0], matrix[0][1], matrix[1][1], s.sd_along, s.sd_across,
                s.angle_deg, *axes,
            ]  # fmt: skip
            cells = ["" if value is None else f"{value:.6g}" for value in numbers]
            head = [pair.kind, pair.first, pair.second, pair.landmark or "*", unit, s.n, s.n_patients, s.n_only_one]
            table.writerow([*head, *cells])
    return text.getvalue()


def _two(interval: tuple[float, float] | None) -> tuple[float | None, float | None]:
    return interval or (None, None)


class _Row(NamedTuple):
    name: str
    s: Scatter


class _PairTable(NamedTuple):
    title: str
    rows: list[_Row]


def report_page(found: Agreement, title: str) -> str:
    """The page alone, self-contained."""
    readers = [reader for reader in found.panel.readers if reader != found.model]
    pairs = [(pair, pair.mm or pair.px) for pair in found.pairs]
    whole = [(pair, s) for pair, s in pairs if pair.landmark is None]
    detailed = [pair for pair, _ in whole if pair.kind != "model"][:_SHOWN_PAIRS]
    tables = [
        _PairTable(
            f"{pair.second} minus {pair.first}",
            [
                _Row(other.landmark, s)
                for other, s in pairs
                if other.landmark is not None and (other.first, other.second) == (pair.first, pair.second)
            ],
        )
        for pair in detailed
    ]
    plots = [
        (measure, first, second, plot, _bland_altman(measure, first, second, plot))
        for measure in found.measures
        for first, second, plot in measure.pairs[:1]
    ][:_SHOWN_PLOTS]
    return template(Path(__file__).with_name("report.html.j2")).render(
        title=title,
        found=found,
        unit=found.unit,
        readers=readers,
        n_images=len(found.panel.images),
        n_patients=len(set(found.panel.patients)),
        everyone=next((row for row in found.landmarks if row.landmark is None), None),
        landmarks=[row for row in found.landmarks if row.landmark is not None],
        whole=whole,
        within_two=_within(found, "2"),
        ellipses=_ellipses(found),
        tables=tables,
        outliers=found.outliers[:_SHOWN_OUTLIERS],
        plots=plots,
    )


def _within(found: Agreement, threshold: str) -> float | None:
    """Share of all pairs' points nearer than a threshold."""
    shares = [(pair.mm or pair.px) for pair in found.pairs if pair.landmark is None and pair.kind == "readers"]
    total = sum(s.n for s in shares)
    return sum(s.n * s.sdr_percent[threshold] for s in shares) / total if total else None


def deviations(found: Agreement, landmark: int) -> FloatArray:
    """(M, 2) of one landmark, in the agreement's unit: of two readers second minus first, of more each minus their consensus."""
    panel = found.panel
    people = panel.voters
    if len(people) < 2:
        people = [r for r in range(len(panel.readers)) if panel.readers[r] != found.model][:2]
    points = panel.points[people][:, :, landmark]
    away = points[1:] - points[:1] if len(people) == 2 else points - found.consensus[:, landmark]
    if found.unit == "mm":
        away = away * panel.scale
    away = away.reshape(-1, 2)
    return away[np.isfinite(away).all(axis=1)]


def _ellipses(found: Agreement) -> Chart:
    """A square for each landmark: every deviation as a dot, their mean, and the ellipse that holds 95 % if they are normal."""
    drawn = {name: deviations(found, k) for k, name in enumerate(found.panel.landmarks)}
    drawn = {name: away for name, away in drawn.items() if len(away)}
    landmarks = list(drawn)
    columns = max(1, min(5, len(landmarks)))
    rows = -(-len(landmarks) // columns)
    figure = Figure(figsize=(7.6, 1.75 * rows + 0.2), layout="constrained")
    figure.patch.set_alpha(0)
    far = np.concatenate([np.abs(away).max(axis=1) for away in drawn.values()] or [np.ones(1)])
    end = max(2.0, float(np.percentile(far, 99)))
    for k, away in enumerate(drawn.values()):
        axes = figure.add_subplot(rows, columns, k + 1)
        axes.patch.set_alpha(0)
        axes.set_aspect("equal")
        axes.set(xlim=(-end, end), ylim=(end, -end))
        axes.set_title(plain(landmarks[k]), fontsize=8.5, color=INK)
        axes.spines[:].set_color(RULE)
        axes.tick_params(colors=MUTED, labelsize=7, length=2)
        if k % columns:
            axes.set_yticklabels([])
        if k + columns < len(landmarks):
            axes.set_xticklabels([])
        axes.axhline(0, color=RULE, linewidth=0.7)
        axes.axvline(0, color=RULE, linewidth=0.7)
        axes.scatter(*np.clip(away, -end, end).T, s=4, color=DOTS, alpha=0.5, linewidths=0, rasterized=True)
        s = scatter(away, np.zeros(len(away), np.int64))
        if s is not None and s.sd_along is not None and s.sd_across is not None and s.angle_deg is not None:
            axes.add_patch(
                Ellipse(
                    s.bias, 2 * ELLIPSE95 * s.sd_along, 2 * ELLIPSE95 * s.sd_across, angle=s.angle_deg, fill=False,
                    edgecolor=ACCENT, linewidth=1.6,
                )
            )  # fmt: skip
        axes.plot(*away.mean(axis=0), "+", color=INK, markersize=8, markeredgewidth=1.5)
    return chart(
        figure, f"Deviations of the readers in {found.unit}, landmark by landmark; the numbers are in the tables."
    )


def _bland_altman(measure: MeasureAgreement, first: str, second: str, plot: BlandAltman) -> Chart:
    bias, limits = plot.bias, plot.limits
    figure, axes = empty_chart(2.9)
    axes.scatter(plot.means, plot.differences, s=14, color=DOTS, alpha=0.7, linewidths=0)
    for value, word, style in (
        (bias, "bias", "-"),
        (limits[0], "\N{MINUS SIGN}1.96 sd", (0, (4, 3))),
        (limits[1], "+1.96 sd", (0, (4, 3))),
    ):
        axes.axhline(value, color=ACCENT, linewidth=1.5, linestyle=style)
        axes.annotate(
            f"{word} {value:.2f}".replace("-", "\N{MINUS SIGN}"),
            (1, value), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8.5, color=INK,
        )  # fmt: skip
    unit = f" ({measure.unit})" if measure.unit else ""
    axes.set(xlabel=f"mean of {first} and {second}{unit}", ylabel=f"{second} minus {first}{unit}")
    return chart(
        figure, f"Bland-Altman plot of {measure.name}: bias {bias:.2f}, limits {limits[0]:.2f} to {limits[1]:.2f}."
    )
