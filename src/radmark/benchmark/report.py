"""A benchmark as files: the paper's tables for these films, paired differences, curves, and one page with all of it.

A table is described once, as numbers, and written as Markdown, LaTeX, CSV and HTML.
"""

import base64
import csv
import dataclasses
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from radmark import RESEARCH_USE, __version__
from radmark.benchmark.grid import Arm
from radmark.benchmark.results import Decoder, Results, Scores
from radmark.config import to_tree
from radmark.core.dataset import Case
from radmark.core.radiograph import Radiograph
from radmark.draw import overlay
from radmark.evaluate.metrics import Difference, Metrics, Summary, difference, image_means, radial, score
from radmark.io.atomic import replacing, write_text


@dataclass(frozen=True)
class Table:
    """A table of numbers and words.

    Args:
        name: of its files.
        title: above it.
        caption: what the reader has to know of its figures.
        header: one word or phrase a column.
        digits: decimals of each column's numbers.
        rows: a value a column; None is printed as a dash. A number may carry an interval, (value, low, high).
    """

    name: str
    title: str
    caption: str
    header: tuple[str, ...]
    digits: tuple[int, ...]
    rows: tuple[tuple[Any, ...], ...]

    def cells(self) -> list[list[str]]:
        """The rows as people read them."""
        return [[_words(v, d) for v, d in zip(row, self.digits, strict=True)] for row in self.rows]

    def to_markdown(self) -> str:
        """A Markdown table under its title, the caption below."""
        lines = [self.header, ["---"] * len(self.header), *self.cells()]
        body = "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines)
        return f"### {self.title}\n\n{body}\n\n{self.caption}\n"

    def to_latex(self) -> str:
        """A `table` with a plain `tabular` in it."""
        columns = "".join("r" if d else "l" for d in self.digits)
        lines = [" & ".join(_tex(c) for c in line) + r" \\" for line in [self.header, *self.cells()]]
        lines[0] += r" \hline"
        body = "\n".join(lines)
        return (
            f"\\begin{{table}}\n\\caption{{{_tex(self.title)}. {_tex(self.caption)}}}\n"
            f"\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}\n\\end{{table}}\n"
        )

    def to_csv(self) -> str:
        """Plain numbers; an interval has columns of its own."""
        wide = [any(isinstance(row[i], tuple) for row in self.rows) for i in range(len(self.header))]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(
            [c for h, w in zip(self.header, wide, strict=True) for c in ((h, f"{h} low", f"{h} high") if w else (h,))]
        )
        for row in self.rows:
            flat: list[Any] = []
            for value, w in zip(row, wide, strict=True):
                flat += (value if isinstance(value, tuple) else (value, None, None)) if w else (value,)
            writer.writerow(["" if v is None else f"{v:.6g}" if isinstance(v, float) else v for v in flat])
        return text.getvalue()


def write_benchmark_report(results: Results, out: Path, read: Callable[[Case], Radiograph]) -> Path:
    """Write (or write anew) the report of what is done.

    Args:
        results: from `read_results`.
        out: the report's folder.
        read: gives the radiograph of a case; called for Figure 1.

    Returns:
        The page's path.
    """
    scored = [(s, score(s.errors, grid_size=results.grid.scored_on_px)) for s in results.scores]
    differences = _differences(results)
    tables = [
        _table1(results, scored, "own"),
        _table1(results, scored, "argmax"),
        _table2(results, scored),
        _difference_table(results, differences),
        _few_table(results, scored),
        _arms_table(results),
        _cells_table(results),
    ]
    tables = [table for table in tables if table.rows]
    figures: dict[str, bytes] = {
        "figure1.png": _figure1(results, read),
        "learning-curves.svg": _learning_curves(results),
        "few-images.svg": _few_images(results, scored),
    }
    figures = {name: data for name, data in figures.items() if data}
    for table in tables:
        for suffix, text in (("md", table.to_markdown()), ("tex", table.to_latex()), ("csv", table.to_csv())):
            write_text(out / f"{table.name}.{suffix}", text)
    for name, data in figures.items():
        with replacing(out / name) as temporary:
            temporary.write_bytes(data)
    write_text(out / "results.json", json.dumps(_json(results, scored, differences), indent=1, allow_nan=False) + "\n")
    write_text(out / "index.html", _page(results, tables, figures))
    return out / "index.html"


def sentence(reference: str, other: str, d: Difference) -> str:
    """ "proposed − heatmap-mse = −0.31 mm [−0.42, −0.20]: nearer"."""
    interval = "" if d.mean_ci95 is None else f" [{_signed(d.mean_ci95[0])}, {_signed(d.mean_ci95[1])}]"
    return f"{reference} − {other} = {_signed(d.mean)} {d.unit}{interval}: {_verdict(d)}"


def _verdict(d: Difference) -> str:
    if d.mean_ci95 is None or d.mean_ci95[0] <= 0 <= d.mean_ci95[1]:
        return "no difference shown"
    return "the first is nearer" if d.mean < 0 else "the first is farther, it loses"


def _differences(results: Results) -> list[tuple[Scores, Scores, Difference]]:
    """The reference against every other arm, on the same films and sizes."""
    found: list[tuple[Scores, Scores, Difference]] = []
    for other in results.scores:
        reference = results.find(other.data, results.grid.reference, other.n_training, "own")
        if reference is None or other.decoder != "own" or other.arm.name == results.grid.reference:
            continue
        d = difference(reference.errors, other.errors, grid_size=results.grid.scored_on_px)
        if d is not None:
            found.append((reference, other, d))
    return found


def _caption(results: Results) -> str:
    grid = results.grid
    readers = {name: folds[0].test.reader or "not named" for name, folds in results.folds.items()}
    reader = ", ".join(sorted({f"{r} ({n})" if len(set(readers.values())) > 1 else r for n, r in readers.items()}))
    size = grid.scored_on_px
    selection = (
        "the last epoch" if grid.config.train.select == "last" else "the best epoch on the inner validation part"
    )
    return (
        f"Pixels of the letterboxed {size} x {size} grid. Reader: {reader}. SDR: strictly nearer (<). Kept: {selection}; "
        "the scored films choose nothing. In brackets 95 % intervals, bootstrap over patients; several seeds are pooled. "
        "Gross: off by more than 10 mm (20 px where there are no millimetres)."
    )


def _table1(results: Results, scored: Sequence[tuple[Scores, Metrics]], decoder: Decoder) -> Table:
    rows: list[tuple[Any, ...]] = []
    for s, m in scored:
        if s.n_training is None and s.decoder == decoder:
            images = len({case.name for case in s.errors.cases})
            rows.append(
                (
                    s.data, s.arm.name, images, len(s.seeds), m.paper_rmse_px, _with(m.px.mean, m.px.mean_ci95),
                    m.px.median, *(m.px.sdr_percent[t] for t in ("2", "2.5", "3", "4")),
                    None if m.mm is None else _with(m.mm.mean, m.mm.mean_ci95),
                    None if m.mm is None else m.mm.median,
                    None if m.mm is None else _with(m.mm.sdr_percent["2"], m.mm.sdr_ci95["2"]),
                    m.gross_failure_percent,
                )
            )  # fmt: skip
    header = (
        "data", "arm", "images", "seeds", "paper's mean RMSE px", "mean radial error px", "median px", "SDR % < 2 px", "< 2.5 px",
        "< 3 px", "< 4 px", "mean radial error mm", "median mm", "SDR % < 2 mm", "gross %",
    )  # fmt: skip
    how = "each arm's own decoder" if decoder == "own" else "plain argmax, as in the paper"
    name = "table1" if decoder == "own" else "table1_argmax"
    digits = (0, 0, 0, 0, 2, 2, 2, 1, 1, 1, 1, 2, 2, 1, 2)
    return Table(name, f"Table 1: arms by data set, {how}", _caption(results), header, digits, tuple(rows))


def _table2(results: Results, scored: Sequence[tuple[Scores, Metrics]]) -> Table:
    """A row a landmark; where an arm's figures are in pixels, its data set has no millimetres."""
    rows: list[tuple[Any, ...]] = []
    arms = [arm.name for arm in results.grid.arms]
    published_by = sorted({s.published_by for s in results.grid.data if s.published})
    for source in results.grid.data:
        of = {s.arm.name: m for s, m in scored if (s.data, s.n_training, s.decoder) == (source.name, None, "own")}
        if not of:
            continue
        any_of = next(iter(of.values()))
        unit = "px" if any_of.mm is None else "mm"

        def figure(summary: Metrics | None, k: int | None, unit: str = unit) -> float | None:
            if summary is None:
                return None
            holder: Any = summary if k is None else summary.per_landmark[k]
            figures: Summary | None = getattr(holder, unit)
            return None if figures is None else figures.mean

        for k, name in [*enumerate(lm.name for lm in any_of.per_landmark), (None, "mean")]:
            theirs = (source.published.get(name),) if published_by else ()
            rows.append((source.name, name, unit, *(figure(of.get(arm), k) for arm in arms), *theirs))
    theirs = (f"published on other data: {', '.join(published_by)} (mm)",) if published_by else ()
    header = ("data", "landmark", "unit", *arms, *theirs)
    caption = "Mean radial error of each landmark. " + _caption(results)
    digits = (0, 0, 0, *(2,) * (len(header) - 3))
    return Table("table2", "Table 2: each landmark", caption, header, digits, tuple(rows))


def _difference_table(results: Results, differences: Sequence[tuple[Scores, Scores, Difference]]) -> Table:
    rows = [
        (
            a.data, _images(results, a), sentence(a.arm.name, b.arm.name, d), _with(d.mean, d.mean_ci95), d.unit,
            _with(d.sdr_percent["2"], d.sdr_ci95["2"]), d.n_points, d.n_patients,
        )
        for a, b, d in differences
    ]  # fmt: skip
    header = (
        "data", "training images", "in words", "difference of the mean radial error", "unit", "of SDR % < 2", "points",
        "patients",
    )  # fmt: skip
    caption = (
        "Paired: the same points of the same films, each point's error averaged over the seeds first; 95 % intervals by "
        "bootstrap over patients, not over seeds."
    )
    return Table(
        "differences", "Differences to the reference arm", caption, header, (0, 0, 0, 2, 0, 1, 0, 0), tuple(rows)
    )


def _few_table(results: Results, scored: Sequence[tuple[Scores, Metrics]]) -> Table:
    rows = [
        (
            s.data, s.arm.name, _images(results, s), len(s.seeds), _with(m.px.mean, m.px.mean_ci95),
            None if m.mm is None else _with(m.mm.mean, m.mm.mean_ci95), m.gross_failure_percent,
        )
        for s, m in sorted(scored, key=lambda pair: _images(results, pair[0]))
        if s.decoder == "own" and _has_few(results, s)
    ]  # fmt: skip
    header = ("data", "arm", "training images", "seeds", "mean radial error px", "mean radial error mm", "gross %")
    caption = (
        "Training images, inner validation part included; another draw for each seed. Fewer images are seen more often, at most "
        f"{results.grid.few_images.most_epochs:g} times as often. {_caption(results)}"
    )
    return Table(
        "few-images", "Error against the number of training images", caption, header, (0, 0, 0, 0, 2, 2, 2), tuple(rows)
    )


def _arms_table(results: Results) -> Table:
    rows: list[tuple[Any, ...]] = []
    common = to_tree(results.grid.config)
    for arm in results.grid.arms:
        own = {
            f"{section}.{key}": value
            for section, table in arm.settings.items()
            for key, value in table.items()
            if common.get(section, {}).get(key) != value
        }
        words = [f"{key} = {value}" for key, value in own.items()]
        words += [f"{key} chosen from {list(values)}" for key, values in arm.tune.items()]
        words += ["scored on turned films"] * (arm.scored_on == "rotated")
        words += [f"predictions of another program ({arm.predictions})"] * (arm.predictions is not None)
        rows.append((arm.name, arm.asks, "; ".join(words) or "the common settings"))
    d, m, t = results.grid.config.data, results.grid.config.model, results.grid.config.train
    caption = (
        f"Common to all: U-Net, encoder {m.encoder}, {d.size} x {d.size} px, {t.epochs} epochs, batches of {t.batch_size}, Adam "
        f"{t.learning_rate:g} ({t.decay}), decoder {results.grid.config.decode.decoder}, inner validation part "
        f"{d.validation_fraction:.0%} of the training patients. All settings are in each cell's cell.json."
    )
    return Table(
        "arms", "The arms", caption, ("arm", "asks", "differs from the common settings by"), (0, 0, 0), tuple(rows)
    )


def _cells_table(results: Results) -> Table:
    rows: list[tuple[Any, ...]] = []
    for cell in results.cells:
        record = results.done.get(cell.key)
        status = "done" if record else "failed" if cell.key in results.failed else "not run"
        tuned = record and record["tuned"]
        rows.append(
            (
                cell.key, status, record and record["n_training_images"], record and record["n_validation_images"],
                f"{tuned['key']} = {tuned['value']}" if tuned else None, record and record["seconds"],
                results.failed.get(cell.key),
            )
        )  # fmt: skip
    header = ("cell", "status", "trained on", "validated on", "tuned", "seconds", "why it failed")
    return Table("cells", "Cells", "One training each.", header, (0,) * 7, tuple(rows))


def _has_few(results: Results, s: Scores) -> bool:
    """Whether the arm was trained on fewer images too."""
    return any(o.n_training is not None and (o.data, o.arm.name) == (s.data, s.arm.name) for o in results.scores)


def _images(results: Results, s: Scores) -> int:
    """How many images the scores were trained on, the inner validation part included."""
    if s.n_training is not None:
        return s.n_training
    return round(float(np.mean([len(fold.train) for fold in results.folds[s.data]])))


def _figure1(results: Results, read: Callable[[Case], Radiograph]) -> bytes:
    """One film a data set, the one whose error by the reference arm is the median: prediction red, truth blue."""
    panels: list[tuple[str, Any]] = []
    for source in results.grid.data:
        scores = results.find(source.name, results.grid.reference) or next(
            (s for s in results.scores if s.data == source.name), None
        )
        if scores is None:
            continue
        errors = scores.errors
        in_mm = errors.has_mm
        means = image_means(radial(errors.offset_mm if in_mm else errors.offset_on(results.grid.scored_on_px)))
        known = np.flatnonzero(np.isfinite(means))
        if not known.size:
            continue
        i = int(known[np.argsort(means[known])[known.size // 2]])
        picture = overlay(
            read(errors.cases[i]), errors.cases[i].landmarks, errors.predictions[i].landmarks, long_side=700
        )
        panels.append((f"{source.name}, {scores.arm.name}: {means[i]:.2f} {'mm' if in_mm else 'px'}", picture))
    if not panels:
        return b""
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns, 4.6 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, (title, picture) in zip(axes, panels, strict=False):
        axis.imshow(picture)
        axis.set_title(title, fontsize=9)
    return _saved(figure, "png")


def _learning_curves(results: Results) -> bytes:
    """Inner validation error and label radius by epoch, mean over folds and seeds, a column a data set."""
    by_arm: dict[tuple[str, str], list[Sequence[Mapping[str, Any]]]] = {}
    for cell in results.cells:
        if cell.n_training is None and cell.key in results.done:
            by_arm.setdefault((cell.data, cell.arms[0].name), []).append(results.done[cell.key]["history"])
    names = [s.name for s in results.grid.data if any(data == s.name for data, _ in by_arm)]
    if not names:
        return b""
    colours = _colours(results.grid.arms)
    figure = Figure(figsize=(max(7.0, 4.4 * len(names)), 6), layout="constrained")
    axes = figure.subplots(2, len(names), squeeze=False, sharex="col", height_ratios=(3, 1))
    for column, name in enumerate(names):
        for (data, arm), histories in by_arm.items():
            if data != name:
                continue
            errors = _mean_of(histories, "val_mean_radial_error_px")
            if np.isfinite(errors).any():
                axes[0, column].plot(errors, label=arm, color=colours[arm])
            axes[1, column].plot(_mean_of(histories, "radius_px"), color=colours[arm], drawstyle="steps-post")
        axes[0, column].set(title=name, yscale="log", ylabel="inner validation error\n(mean radial, px of the file)")
        axes[1, column].set(xlabel="epoch", ylabel="label radius\n(px of the network)")
    handles = {label: h for axis in axes[0] for h, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, fontsize=8)
    return _saved(figure, "svg")


def _mean_of(histories: Sequence[Sequence[Mapping[str, Any]]], key: str) -> np.ndarray:
    values = [[np.nan if row[key] is None else row[key] for row in h] for h in histories]
    longest = max(map(len, values))
    padded = np.array([[*v, *[np.nan] * (longest - len(v))] for v in values], np.float64)
    there = np.isfinite(padded).sum(axis=0)
    return np.where(there > 0, np.nansum(padded, axis=0) / np.maximum(there, 1), np.nan)


def _few_images(results: Results, scored: Sequence[tuple[Scores, Metrics]]) -> bytes:
    """Mean radial error against the number of training images, with intervals."""
    chosen = [(s, m) for s, m in scored if s.decoder == "own" and _has_few(results, s)]
    names = [source.name for source in results.grid.data if any(s.data == source.name for s, _ in chosen)]
    if not names:
        return b""
    colours = _colours(results.grid.arms)
    figure = Figure(figsize=(max(6.0, 4.4 * len(names)), 4), layout="constrained")
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    for axis, name in zip(axes, names, strict=True):
        _few_panel(axis, [(s, m) for s, m in chosen if s.data == name], results, colours)
        axis.set_title(name)
    return _saved(figure, "svg")


def _few_panel(
    axis: Axes, chosen: Sequence[tuple[Scores, Metrics]], results: Results, colours: Mapping[str, str]
) -> None:
    unit = "mm" if all(m.mm is not None for _, m in chosen) else "px"
    for arm in dict.fromkeys(s.arm.name for s, _ in chosen):
        points: list[tuple[int, float, float, float]] = []
        for s, m in chosen:
            summary: Summary = getattr(m, unit)
            if s.arm.name == arm and summary.mean is not None:
                low, high = summary.mean_ci95 or (summary.mean, summary.mean)
                points.append((_images(results, s), summary.mean, low, high))
        x, y, low, high = np.array(sorted(points)).T
        whiskers = np.maximum([y - low, high - y], 0)  # the mean of a skewed sample may lie outside its interval
        axis.errorbar(x, y, yerr=whiskers, label=arm, color=colours[arm], marker="o", capsize=3)
    axis.set(xscale="log", yscale="log", xlabel="training images", ylabel=f"mean radial error ({unit})")
    axis.legend(fontsize=8)
    axis.grid(alpha=0.3)


def _colours(arms: Sequence[Arm]) -> dict[str, str]:
    """A colour of its own for each arm, the same in every figure."""
    return {arm.name: f"C{i % 10}" if i < 10 else "black" for i, arm in enumerate(arms)}


def _saved(figure: Figure, kind: str) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format=kind, dpi=130)
    return data.getvalue()


def _json(
    results: Results, scored: Sequence[tuple[Scores, Metrics]], differences: Sequence[tuple[Scores, Scores, Difference]]
) -> dict[str, Any]:
    return {
        "grid": results.grid.name,
        "radmark": __version__,
        "settings": to_tree(results.grid.config),
        "cells": {"all": len(results.cells), "done": len(results.done), "failed": dict(results.failed)},
        "scores": [
            {
                "data": s.data,
                "arm": s.arm.name,
                "decoder": s.decoder,
                "training_images": _images(results, s),
                "runs": [{"fold": fold, "seed": seed} for fold, seed in s.runs],
                **m.to_json_dict(),
                "n_images": len({case.name for case in s.errors.cases}),
            }
            for s, m in scored
        ],
        "differences": [
            {"data": a.data, "training_images": _images(results, a), "first": a.arm.name, "second": b.arm.name}
            | dataclasses.asdict(d)
            for a, b, d in differences
        ],
    }


def _page(results: Results, tables: Sequence[Table], figures: Mapping[str, bytes]) -> str:
    captions = {
        "figure1.png": "Figure 1. Prediction red, truth blue: of each data set the film whose error by the reference arm is the "
        "median.",
        "learning-curves.svg": "Learning curves against the erosion schedule: error on the inner validation part, mean over "
        "folds and seeds.",
        "few-images.svg": "Error against the number of training images, with 95 % intervals over patients.",
    }
    kinds = {"png": "image/png", "svg": "image/svg+xml"}
    source = (resources.files("radmark.benchmark") / "report.html.j2").read_text(encoding="utf-8")
    page = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    return page.render(
        title=results.grid.title,
        research=RESEARCH_USE,
        version=__version__,
        done=len(results.done),
        total=len(results.cells),
        failed=results.failed,
        tables={table.name: table for table in tables},
        figures=[
            (f"data:{kinds[name.rsplit('.')[-1]]};base64,{base64.b64encode(data).decode()}", captions[name])
            for name, data in figures.items()
        ],
    )


def _with(value: float | None, interval: tuple[float, float] | None) -> Any:
    return value if value is None or interval is None else (value, *interval)


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")  # a minus sign, not a hyphen


def _words(value: Any, digits: int) -> str:
    if value is None:
        return "–"
    if isinstance(value, tuple):
        middle, low, high = (f"{v:.{digits}f}" for v in value)  # pyright: ignore[reportUnknownVariableType]
        return f"{middle} [{low}, {high}]"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def _tex(text: str) -> str:
    for plain, escaped in (("\\", r"\textbackslash "), ("_", r"\_"), ("%", r"\%"), ("&", r"\&"), ("#", r"\#")):
        text = text.replace(plain, escaped)
    return text.replace("<", "$<$").replace("−", "$-$").replace("–", "--")
