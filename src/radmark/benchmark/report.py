"""A benchmark as files: the paper's tables for these films, paired differences, curves, and one page with all of it.

A table is described once, as numbers, and written as Markdown, LaTeX, CSV and HTML.
"""

import csv
import dataclasses
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, StrMethodFormatter

from radmark import RESEARCH_USE, __version__
from radmark.benchmark.cell import Tuned, chosen
from radmark.benchmark.grid import Arm, Source
from radmark.benchmark.results import Decoder, Results, Scores
from radmark.config import to_tree
from radmark.core.errors import InputError
from radmark.draw import overlay
from radmark.evaluation.metrics import Difference, Metrics, Summary, difference, image_means, radial, score
from radmark.evaluation.report import data_uri
from radmark.io.atomic import replacing, write_text
from radmark.stats import DRAWS, SEED, Interval


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
        intervals: columns that have columns of their own for low and high in the CSV, whether or not a row has them.
    """

    name: str
    title: str
    caption: str
    header: tuple[str, ...]
    digits: tuple[int, ...]
    rows: tuple[tuple[Any, ...], ...]
    intervals: tuple[int, ...] = ()

    def cells(self) -> list[list[str]]:
        """The rows as people read them."""
        return [[_words(v, d) for v, d in zip(row, self.digits, strict=True)] for row in self.rows]

    def to_markdown(self) -> str:
        """A Markdown table under its title, the caption below."""
        lines = [self.header, ["---"] * len(self.header), *self.cells()]
        body = "\n".join(
            "| " + " | ".join(" ".join(c.replace("|", "\\|").split()) for c in line) + " |" for line in lines
        )
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
        wide = [i in self.intervals for i in range(len(self.header))]
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


def write_benchmark_report(results: Results, out: Path) -> Path:
    """Write (or write anew) the report of what is done.

    Args:
        results: from `read_results`.
        out: the report's folder.

    Returns:
        The page's path.
    """
    size = results.grid.scored_on_px
    scored = [(s, score(s.errors, reader=_reader(results, s.data), grid_size=size)) for s in results.scores]
    differences = _differences(results)
    tables = [
        _table1(results, scored, "own"),
        _table1(results, scored, "argmax"),
        _table2(results, scored),
        _difference_table(results, differences),
        _few_table(results, scored),
        _curve_table(results),
        _arms_table(results),
        _cells_table(results),
    ]
    tables = [table for table in tables if table.rows]
    figures: dict[str, bytes] = {
        "figure1.png": _figure1(results),
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
    """ "proposed − heatmap-mse = −0.31 mm [−0.42, −0.20]: the first is nearer"."""
    verdict = _verdict(d.mean, d.mean_ci95, better=-1, words=("is nearer", "is farther"))
    return f"{reference} − {other} = {_signed(d.mean)} {d.unit}{_bracketed(d.mean_ci95, 2)}: {verdict}"


def sdr_sentence(reference: str, other: str, d: Difference) -> str:
    """ "proposed − heatmap-mse = +4.1 % of the points nearer than 2 mm [+2.0, +6.3]: the first has more"."""
    gain, interval = d.sdr_percent["2"], d.sdr_ci95["2"]
    verdict = _verdict(gain, interval, better=1, words=("has more", "has fewer"))
    words = f"{_signed(gain, 1)} % of the points nearer than 2 {d.unit}{_bracketed(interval, 1)}"
    return f"{reference} − {other} = {words}: {verdict}"


def _verdict(value: float, interval: Interval | None, *, better: int, words: tuple[str, str]) -> str:
    """Which of the two an interval speaks for; `better` is the sign of a difference in favour of the first."""
    if interval is None or interval[0] <= 0 <= interval[1]:
        return "no difference shown"
    return f"the first {words[0]}" if value * better > 0 else f"the first {words[1]}, it loses"


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


def _reader(results: Results, data: str) -> str | None:
    return results.folds[data][0].test.reader


def _extent(results: Results, data: str) -> dict[str, int]:
    """How much there is to score in a data set, each film and point once."""
    rows = [row for fold in results.folds[data] for row in fold.test.rows if row.marks.placed.any()]
    return {
        "images": len(rows),
        "patients": len({film.owner for film, _ in rows}),
        "points": sum(int(marks.placed.sum()) for _, marks in rows),
    }


def _caption(results: Results) -> str:
    grid = results.grid
    readers = {name: _reader(results, name) or "not named" for name in results.folds}
    reader = ", ".join(sorted({f"{r} ({n})" if len(set(readers.values())) > 1 else r for n, r in readers.items()}))
    size = grid.scored_on_px
    extent = "; ".join(
        "{name} {images} images of {patients} patients, {points} points".format(name=s.name, **_extent(results, s.name))
        for s in grid.data
    )
    selection = (
        "the last epoch" if grid.config.train.select == "last" else "the best epoch on the inner validation part"
    )
    return (
        f"Scored: {extent}. Pixels of the letterboxed {size} x {size} grid. Reader: {reader}. SDR: strictly nearer (<). "
        f"Kept: {selection}; the scored films choose nothing. In brackets 95 % intervals, percentile bootstrap over patients "
        f"({DRAWS} draws, seed {SEED}); several seeds are pooled, which adds no patients. Gross: off by more than 10 mm (20 px "
        "where there are no millimetres). A point not found is a miss in the SDR and is left out of means and medians."
    )


def _trained_on(results: Results) -> str:
    """On how many images the arms of Tables 1 and 2 are trained, where that is not all of them."""
    most = {s.name: results.most(s.name) for s in results.grid.data}
    sizes = ", ".join(f"{name} {n}" for name, n in most.items() if n is not None)
    return f"Training images: {sizes}. " if sizes else ""


def _unfinished(results: Results) -> str:
    """Which rows of Table 1 rest on fewer cells than the grid asks for."""
    parts: list[str] = []
    for source in results.grid.data:
        for arm in results.grid.arms:
            most = results.most(source.name)
            cells = [c for c in results.cells if (c.data, c.n_training) == (source.name, most) and arm in c.arms]
            done = sum(c.key in results.done for c in cells)
            if 0 < done < len(cells):
                parts.append(f"{source.name} {arm.name} ({done} of {len(cells)} cells)")
    return f" Not complete yet: {', '.join(parts)}." if parts else ""


def _table1(results: Results, scored: Sequence[tuple[Scores, Metrics]], decoder: Decoder) -> Table:
    rows: list[tuple[Any, ...]] = []
    for s, m in scored:
        if results.whole(s) and s.decoder == decoder:
            images = len({film.name for film, _ in s.errors.truths})
            rows.append(
                (
                    s.data, s.arm.name, images, len(s.seeds), m.paper_rmse_px, _with(m.px.mean, m.px.mean_ci95),
                    m.px.median, *(m.px.sdr_percent[t] for t in ("2", "2.5", "3", "4")),
                    None if m.mm is None else _with(m.mm.mean, m.mm.mean_ci95),
                    None if m.mm is None else m.mm.median,
                    None if m.mm is None else _with(m.mm.sdr_percent["2"], m.mm.sdr_ci95["2"]),
                    m.gross_failure_percent, 100 * m.n_not_found / m.n_points,
                )
            )  # fmt: skip
    header = (
        "data", "arm", "images", "seeds", "paper's mean RMSE px", "mean radial error px", "median px", "SDR % < 2 px", "< 2.5 px",
        "< 3 px", "< 4 px", "mean radial error mm", "median mm", "SDR % < 2 mm", "gross %",
        "not found %",
    )  # fmt: skip
    how = "each arm's own decoder" if decoder == "own" else "plain argmax, as in the paper"
    name = "table1" if decoder == "own" else "table1_argmax"
    digits = (0, 0, 0, 0, 2, 2, 2, 1, 1, 1, 1, 2, 2, 1, 2, 2)
    caption = _trained_on(results) + _caption(results) + _unfinished(results)
    return Table(name, f"Table 1: arms by data set, {how}", caption, header, digits, tuple(rows), (5, 11, 13))


def _table2(results: Results, scored: Sequence[tuple[Scores, Metrics]]) -> Table:
    """A row a landmark; where an arm's figures are in pixels, its data set has no millimetres."""
    rows: list[tuple[Any, ...]] = []
    arms = [arm.name for arm in results.grid.arms]
    published_by = sorted({s.published_by for s in results.grid.data if s.published})
    for source in results.grid.data:
        of = {s.arm.name: m for s, m in scored if (s.data, s.decoder) == (source.name, "own") and results.whole(s)}
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
    notes = [_published_note(results, source) for source in results.grid.data]
    caption = " ".join(
        ["Mean radial error of each landmark.", *filter(None, notes), _trained_on(results) + _caption(results)]
    )
    digits = (0, 0, 0, *(2,) * (len(header) - 3))
    return Table("table2", "Table 2: each landmark", caption, header, digits, tuple(rows))


def _published_note(results: Results, source: Source) -> str:
    """What has to be known of a data set's published figures."""
    if not source.published:
        return ""
    note = (
        f"{source.name}: the figures of {source.published_by} are what was published, by that publication's own measure on its "
        "own films; no measurement of this benchmark."
    )
    names = results.folds[source.name][0].test.scheme.names
    unknown = [name for name in source.published if name not in names]
    return note + (f" Not shown, for there is no such landmark: {', '.join(unknown)}." if unknown else "")


def _difference_table(results: Results, differences: Sequence[tuple[Scores, Scores, Difference]]) -> Table:
    rows = [
        (
            a.data, _images(results, a), sentence(a.arm.name, b.arm.name, d), sdr_sentence(a.arm.name, b.arm.name, d),
            _with(d.mean, d.mean_ci95), d.unit, _with(d.sdr_percent["2"], d.sdr_ci95["2"]), d.n_points, d.n_patients,
        )
        for a, b, d in differences
    ]  # fmt: skip
    header = (
        "data", "training images", "in words", "SDR in words", "difference of the mean radial error", "unit", "of SDR % < 2",
        "points", "patients",
    )  # fmt: skip
    caption = (
        f"The first is the reference arm, {results.grid.reference}. Paired: the same points of the same films, each point's "
        "error averaged over the seeds first; a point that one of the two did not find is left out. 95 % intervals by "
        f"percentile bootstrap over patients, not over seeds ({DRAWS} draws, seed {SEED}), not corrected for how many "
        "comparisons there are. Where there are no millimetres, pixels of the letterboxed "
        f"{results.grid.scored_on_px} x {results.grid.scored_on_px} grid."
    )
    digits = (0, 0, 0, 0, 2, 0, 1, 0, 0)
    title = "Differences: the reference arm minus each other"
    return Table("differences", title, caption, header, digits, tuple(rows), (4, 6))


def _few_table(results: Results, scored: Sequence[tuple[Scores, Metrics]]) -> Table:
    rows = [
        (
            s.data, s.arm.name, _images(results, s), *_really(results, s), len(s.seeds), _with(m.px.mean, m.px.mean_ci95),
            None if m.mm is None else _with(m.mm.mean, m.mm.mean_ci95), None if m.mm is None else m.mm.median,
            None if m.mm is None else _with(m.mm.sdr_percent["2"], m.mm.sdr_ci95["2"]), m.gross_failure_percent,
        )
        for s, m in sorted(scored, key=lambda pair: _images(results, pair[0]))
        if s.decoder == "own" and _has_few(results, s)
    ]  # fmt: skip
    header = (
        "data", "arm", "training images", "trained on", "validated on", "seeds", "mean radial error px", "mean radial error mm",
        "median mm", "SDR % < 2 mm", "gross %",
    )  # fmt: skip
    grid = results.grid
    if grid.steps is None:
        asked = "as asked for, inner validation part included"
        often = f"Fewer images are seen more often, at most {grid.few_images.most_epochs:g} times as often."
    else:
        asked = "as asked for; all of fewer images teach, and the validation part is of other training images"
        often = f"Fewer images are seen more often: every training has {grid.steps} steps."
    caption = (
        f"Training images: {asked}; trained and validated on: in fact, mean over folds and seeds, for a patient's images stay "
        f"together. Another draw for each seed. {often} {_caption(results)}"
    )
    digits = (0, 0, 0, 1, 1, 0, 2, 2, 2, 1, 2)
    return Table(
        "few-images", "Error against the number of training images", caption, header, digits, tuple(rows), (6, 7, 9)
    )


SHARES = (0.2, 0.4, 0.6, 0.8, 0.9, 1.0)
"""Where in a run the curve over the steps is written down as numbers."""


def _curve_table(results: Results) -> Table:
    """Where steps are held: the validation error along the run, and who is still falling at its end."""
    rows: list[tuple[Any, ...]] = []
    steps = results.grid.steps or 0
    for (data, n, arm), records in _by_arm(results).items() if steps else ():
        histories = [record["history"] for record in records]
        in_mm = all(row.get("val_mean_radial_error_mm") is not None for h in histories for row in h[-1:])
        unit = "mm" if in_mm else "px"
        errors = _mean_of(histories, f"val_mean_radial_error_{unit}")
        known = np.flatnonzero(np.isfinite(errors))
        at = [known[known < max(1, round(share * len(errors)))] for share in SHARES]
        values = [float(errors[before[-1]]) if before.size else None for before in at]
        rows.append((data, arm, "all" if n is None else str(n), len(records), unit, *values))
    header = (
        "data", "arm", "training images", "runs", "unit", *(f"after {share * steps:.0f} steps" for share in SHARES),
    )  # fmt: skip
    caption = (
        "Mean radial error on the validation part, mean over the folds and seeds that are done, at the last look up to there. "
        "Where it still falls at the end, more steps would tell more. These films choose learning rates and the like; they are "
        "not the scored ones."
    )
    digits = (0, 0, 0, 0, 0, *(2,) * len(SHARES))
    return Table("steps", "The validation error over the steps", caption, header, digits, tuple(rows))


def _by_arm(results: Results) -> dict[tuple[str, int | None, str], list[Mapping[str, Any]]]:
    """(data set, number of training images, arm) -> `cell.json` of each of its folds and seeds that are done."""
    found: dict[tuple[str, int | None, str], list[Mapping[str, Any]]] = {}
    for cell in results.cells:
        if cell.key in results.done:
            found.setdefault((cell.data, cell.n_training, cell.arms[0].name), []).append(results.done[cell.key])
    return found


def _arms_table(results: Results) -> Table:
    rows: list[tuple[Any, ...]] = []
    common = to_tree(results.grid.config)
    for arm in results.grid.arms:
        own = {
            f"{section}.{key}": value
            for section, table in arm.settings.items()
            for key, value in table.items()
            if common.get(section, {}).get(key) != value and f"{section}.{key}" not in results.grid.tuned(arm)
        }
        words = [f"{key} = {value}" for key, value in own.items()]
        words += [_choice(results, arm, key, values) for key, values in results.grid.tuned(arm).items()]
        words += ["scored on turned films"] * (arm.scored_on == "rotated")
        words += [f"predictions of another program ({arm.predictions})"] * (arm.predictions is not None)
        rows.append((arm.name, arm.asks, "; ".join(words) or "the common settings"))
    grid = results.grid
    d, m, t = grid.config.data, grid.config.model, grid.config.train
    budget, watched = (
        f"{t.epochs} epochs",
        f"inner validation part {d.validation_fraction:.0%} of the training patients",
    )
    if grid.steps is not None:
        budget = f"{grid.steps} steps"
        short = f"; what is chosen is chosen by {grid.tune_steps} steps" if grid.tune_steps else ""
        others = f"validation part {grid.watch_images} other training images where fewer than all teach"
        watched = f"{others if None not in grid.sizes else f'{watched}, or {others}'}{short}"
    caption = (
        f"Common to all: U-Net, encoder {m.encoder}, {d.size} x {d.size} px, {budget}, batches of {t.batch_size}, Adam "
        f"{t.learning_rate:g} ({t.decay}), decoder {grid.config.decode.decoder}, {watched}. All settings are in each cell's "
        "cell.json."
    )
    return Table(
        "arms", "The arms", caption, ("arm", "asks", "differs from the common settings by"), (0, 0, 0), tuple(rows)
    )


def _choice(results: Results, arm: Arm, key: str, values: Sequence[Any]) -> str:
    """What a tuned setting is chosen from, and what was in fact tried where cells that are done tried something else."""
    asked = [str(value) for value in values]
    records = [chosen(results.done[c.key]) for c in results.cells if arm in c.arms and c.key in results.done]
    tried = [list(tuned.errors_px) for record in records for tuned in record if tuned.key == key]
    others = sorted({", ".join(names) for names in tried if set(names) != set(asked)})
    note = f" (but cells tried only or also: {'; '.join(others)})" if others else ""
    return f"{key} chosen from {', '.join(asked)}{note}"


def _cells_table(results: Results) -> Table:
    rows: list[tuple[Any, ...]] = []
    for cell in results.cells:
        record = results.done.get(cell.key)
        status = "done" if record else "failed" if cell.key in results.failed else "not run"
        tuned = chosen(record) if record else ()
        rows.append(
            (
                cell.key, status, record and record["n_training_images"], record and record["n_validation_images"],
                "; ".join(f"{t.key} = {t.value}" for t in tuned) or None, _candidates(tuned), record and record["seconds"],
                _training_seconds(record), results.failed.get(cell.key),
            )
        )  # fmt: skip
    header = (
        "cell",
        "status",
        "trained on",
        "validated on",
        "tuned",
        "tried",
        "seconds",
        "seconds of training",
        "why it failed",
    )
    caption = (
        "One training each. Seconds: of the session that finished the cell, scoring included; of training: the sum over the "
        "epochs of the log, whatever session they ran in. Tried: each candidate's mean radial error on the inner validation "
        "part, in pixels of the file."
    )
    return Table("cells", "Cells", caption, header, (0,) * len(header), tuple(rows))


def _candidates(tuned: Sequence[Tuned]) -> str | None:
    return "; ".join(f"{v}: {error:.2f} px" for t in tuned for v, error in t.errors_px.items()) or None


def _training_seconds(record: Mapping[str, Any] | None) -> float | None:
    seconds = [row.get("seconds") for row in record["history"]] if record else []
    return round(sum(seconds), 1) if seconds and None not in seconds else None


def _has_few(results: Results, s: Scores) -> bool:
    """Whether the arm was trained on fewer images too."""
    return any(o.n_training is not None and (o.data, o.arm.name) == (s.data, s.arm.name) for o in results.scores)


def _images(results: Results, s: Scores) -> int:
    """How many images the scores were trained on, the inner validation part included."""
    if s.n_training is not None:
        return s.n_training
    return round(float(np.mean([len(fold.train) for fold in results.folds[s.data]])))


def _really(results: Results, s: Scores) -> tuple[float | None, float | None]:
    """How many images were trained on, and how many the inner validation part held."""
    chosen = [c.key for c in results.cells if (c.data, c.n_training) == (s.data, s.n_training) and s.arm in c.arms]
    done = [results.done[key] for key in chosen if key in results.done]
    if not done:
        return None, None
    trained, validated = (
        float(np.mean([r[key] for r in done])) for key in ("n_training_images", "n_validation_images")
    )
    return trained, validated


def _figure1(results: Results) -> bytes:
    """One film a data set, the one whose error by the reference arm is the median: prediction red, truth blue."""
    panels: list[tuple[str, Any]] = []
    for source in results.grid.data:
        scores = results.find(source.name, results.grid.reference, results.most(source.name)) or next(
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
        truth = errors.truths[i]
        title = f"{source.name}, {scores.arm.name}: {means[i]:.2f} {'mm' if in_mm else 'px'}"
        try:
            film = truth.film.loaded()
        except InputError:  # the tables do not need the film, which may be gone by now
            panels.append((f"{title} ({truth.film.name} cannot be read)", np.zeros((1, 1, 3), np.uint8)))
            continue
        picture = overlay(film, truth.marks, errors.predictions[i], long_side=700)
        panels.append((title, picture))
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
    """Validation error and label radius by epoch, mean over folds and seeds, a column a data set.

    Where steps are held: by step, and a column for each number of training images too.
    """
    steps = results.grid.steps
    by_arm = {key: records for key, records in _by_arm(results).items() if steps is not None or key[1] is None}
    names = list(dict.fromkeys((s.name, n) for s in results.grid.data for data, n, _ in by_arm if data == s.name))
    if not names:
        return b""
    looks = _looks(results.grid.arms)
    figure = Figure(figsize=(max(7.0, 4.4 * len(names)), 6.4), layout="constrained")
    axes = figure.subplots(2, len(names), squeeze=False, sharex="col", height_ratios=(3, 1))
    handles: dict[str, Any] = {}
    for column, (name, n) in enumerate(names):
        above, below = axes[:, column]
        shown = False
        for (data, size, arm), records in by_arm.items():
            if (data, size) != (name, n):
                continue
            histories = [record["history"] for record in records]
            errors, radii = (_mean_of(histories, key) for key in ("val_mean_radial_error_px", "radius_px"))
            shown = shown or bool((errors > 0).any())
            taught = max(record["n_training_images"] for record in records)
            per_epoch = 1 if steps is None else math.ceil(taught / results.grid.config.train.batch_size)
            begins = per_epoch * np.arange(len(errors))
            known = np.isfinite(errors)  # not every epoch needs to be validated
            # An epoch's error is that at its end; without steps held both axes count epochs from 0.
            ends = begins if steps is None else begins + per_epoch
            (handles[arm],) = above.plot(ends[known], errors[known], label=arm, **looks[arm])
            below.plot(begins, radii, drawstyle="steps-post", **looks[arm])
            for epoch in np.flatnonzero(np.diff(radii) < 0) + 1:
                at = begins[epoch]
                above.axvline(at, linewidth=0.5, alpha=0.6, color=looks[arm]["color"], gid=f"erosion-{arm}-{epoch}")
        title = name if n is None else f"{name}, {n} images"
        above.set(title=title, ylabel="validation error\n(mean radial, px of the file)")
        if shown:
            above.set_yscale("log")
        else:
            above.text(0.5, 0.5, "no validation part", transform=above.transAxes, ha="center")
        below.set(xlabel="epoch" if steps is None else "step", ylabel="label radius\n(px of the network)")
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, fontsize=8)
    return _saved(figure, "svg")


def _mean_of(histories: Sequence[Sequence[Mapping[str, Any]]], key: str) -> np.ndarray:
    values = [[np.nan if row.get(key) is None else row[key] for row in h] for h in histories]
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
    looks = _looks(results.grid.arms)
    figure = Figure(figsize=(max(6.0, 4.4 * len(names)), 4), layout="constrained")
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    for axis, name in zip(axes, names, strict=True):
        _few_panel(axis, [(s, m) for s, m in chosen if s.data == name], results, looks)
        axis.set_title(name)
    return _saved(figure, "svg")


def _few_panel(
    axis: Axes, chosen: Sequence[tuple[Scores, Metrics]], results: Results, looks: Mapping[str, Any]
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
        axis.errorbar(x, y, yerr=whiskers, label=arm, **looks[arm], marker="o", capsize=3)
    axis.set(xscale="log", yscale="log", xlabel="training images", ylabel=f"mean radial error ({unit})")
    axis.set_xticks(sorted({_images(results, s) for s, _ in chosen}), minor=False)
    axis.xaxis.set_minor_locator(NullLocator())
    for ruler, which in ((axis.xaxis, "major"), (axis.yaxis, "major"), (axis.yaxis, "minor")):
        getattr(ruler, f"set_{which}_formatter")(StrMethodFormatter("{x:g}"))  # 60, not 6 x 10^1
    axis.legend(fontsize=8)
    axis.grid(alpha=0.3)


def _looks(arms: Sequence[Arm]) -> dict[str, dict[str, Any]]:
    """Colour and line of each arm, the same in every figure: ten colours, and another line for the next ten."""
    lines = ("-", "--", ":", "-.")
    return {arm.name: {"color": f"C{i % 10}", "linestyle": lines[i // 10 % len(lines)]} for i, arm in enumerate(arms)}


def _saved(figure: Figure, kind: str) -> bytes:
    """The file's bytes: the same for the same figure, whenever it is drawn."""
    data = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "radmark"}):
        figure.savefig(data, format=kind, dpi=130, metadata={"Date": None} if kind == "svg" else None)
    return data.getvalue()


def _json(
    results: Results, scored: Sequence[tuple[Scores, Metrics]], differences: Sequence[tuple[Scores, Scores, Difference]]
) -> dict[str, Any]:
    return {
        "grid": results.grid.name,
        "radmark": __version__,
        "settings": to_tree(results.grid.config),
        "cells": {"all": len(results.cells), "done": len(results.done), "failed": dict(results.failed)},
        "data": [
            {"name": s.name, "reader": _reader(results, s.name), **_extent(results, s.name)} for s in results.grid.data
        ],
        "scores": [
            {
                "data": s.data,
                "arm": s.arm.name,
                "decoder": s.decoder,
                "n_training": s.n_training,
                "training_images": _images(results, s),
                "runs": [{"fold": fold, "seed": seed} for fold, seed in s.runs],
                **m.to_json_dict(),
                "n_images": len({film.name for film, _ in s.errors.truths}),
            }
            for s, m in scored
        ],
        "differences": [
            {
                "data": a.data,
                "n_training": a.n_training,
                "training_images": _images(results, a),
                "first": a.arm.name,
                "second": b.arm.name,
                "in_words": sentence(a.arm.name, b.arm.name, d),
                "sdr_in_words": sdr_sentence(a.arm.name, b.arm.name, d),
                **dataclasses.asdict(d),
            }
            for a, b, d in differences
        ],
    }


def _page(results: Results, tables: Sequence[Table], figures: Mapping[str, bytes]) -> str:
    captions = {
        "figure1.png": "Figure 1. Marks red, truth blue: of each data set the film whose mean error is the median, by "
        f"{results.grid.reference} or, where none of its cells is done yet, by the arm the title names.",
        "learning-curves.svg": "Learning curves against the erosion schedule: error on the validation part, mean over "
        "folds and seeds that are done. A thin vertical line is an erosion of the arm of its colour; below, the label radius.",
        "few-images.svg": "Error against the number of training images, with 95 % intervals over patients.",
    }
    kinds = {"png": "image/png", "svg": "image/svg+xml"}
    source = (resources.files("radmark.benchmark") / "report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source).render(
        title=results.grid.title,
        research=RESEARCH_USE,
        version=__version__,
        done=len(results.done),
        total=len(results.cells),
        failed=results.failed,
        tables={table.name: table for table in tables},
        figures=[(data_uri(kinds[name.rsplit(".", 1)[-1]], data), captions[name]) for name, data in figures.items()],
    )


def _with(value: float | None, interval: tuple[float, float] | None) -> Any:
    return value if value is None or interval is None else (value, *interval)


def _signed(value: float, digits: int = 2) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")  # a minus sign, not a hyphen


def _bracketed(interval: Interval | None, digits: int) -> str:
    return "" if interval is None else f" [{_signed(interval[0], digits)}, {_signed(interval[1], digits)}]"


def _words(value: Any, digits: int) -> str:
    if value is None:
        return "–"
    if isinstance(value, tuple):
        middle, low, high = (_words(v, digits) for v in value)
        return f"{middle} [{low}, {high}]"
    return f"{value:.{digits}f}".replace("-", "−") if isinstance(value, float) else str(value)


_TEX = str.maketrans(
    {c: f"\\{c}" for c in "_%&#${}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": "$<$", ">": "$>$", "−": "$-$", "–": "--"}
)


def _tex(text: str) -> str:
    return " ".join(text.split()).translate(_TEX)
