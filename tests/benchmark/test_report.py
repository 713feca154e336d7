"""The report against numbers worked out by hand from predictions whose errors are known."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radmark.benchmark.grid import read_grid
from radmark.benchmark.report import sentence, write_benchmark_report
from radmark.benchmark.results import Results, Scores, read_results
from radmark.benchmark.run import prepare
from radmark.core import Film, InputError, Marked, Marks
from radmark.evaluation.metrics import Difference, point_errors
from radmark.io import write_predictions_csv

GRID = """
arms = ["proposed", "baseline-weighted", "heatmap-mse", "theirs"]
seeds = [0, 1]
repeat = ["proposed"]
scored_on_px = 128
[settings.data]
size = 128
[few_images]
sizes = [2]
arms = ["proposed"]
[[data]]
name = "knee"
phantom = "knee-radiograph"
train_images = 4
test_images = 6
size = 128
published_by = "Somebody 2020"
published.tibial_plateau_medial = 9.9
published.no_such_place = 1.1
[[arm]]
name = "theirs"
asks = "And 50 % of_their program?"
predictions = "{data}.csv"
"""

MOVED = {"proposed": {0: (3.0, 4.0), 1: (0.0, 1.0)}, "baseline-weighted": {0: (0.0, 6.0)}, "theirs": {0: (1.0, 0.0)}}
"""Arm -> seed -> by how many pixels every point is off: 5 and 1 (mean 3), 6, and 1."""


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path]:
    """A benchmark whose cells were written by hand; one of them failed."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "grid.toml").write_text(GRID, encoding="utf-8")
    grid = read_grid(str(folder / "grid.toml"))
    out = folder / "out"
    folds, cells = prepare(grid, out)

    def moved(truth: Marks, offset: tuple[float, float]) -> np.ndarray:
        """Towards the film's middle, so that every point stays on the film."""
        middle = (truth.frame.width / 2, truth.frame.height / 2)
        return truth.points + np.where(truth.points > middle, -1, 1) * offset

    def write(path: Path, offset: tuple[float, float]) -> None:
        predictions = [
            Marks.present(
                marks.scheme,
                marks.frame,
                moved(marks, offset),
                film=film.name,
                confidence=np.full(len(marks.scheme), 0.5),
            )
            for film, marks in folds["knee"][0].test.rows
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_predictions_csv(path, predictions)

    row = {"epoch": 0, "radius_px": 16, "train_loss": 1.0, "val_mean_radial_error_px": 4.0, "seconds": 2.0}
    history = [row, {**row, "epoch": 1}, {**row, "epoch": 2, "radius_px": 8}]
    for cell in cells:
        arm = cell.arms[0]
        cell.folder(out).mkdir(parents=True, exist_ok=True)
        if arm.name == "heatmap-mse":
            (cell.folder(out) / "error.txt").write_text("memory | ran\nout", encoding="utf-8")
            continue
        offset = MOVED[arm.name][cell.seed] if cell.n_training is None else (0.0, 10.0)
        for decoder in ("own", "argmax"):
            write(cell.predictions(out, arm, decoder), offset)
        record = {
            "tuned": None,
            "n_training_images": 3,
            "n_validation_images": 1,
            "seconds": 2.5,
            "history": history,
        }
        cell.result(out).write_text(json.dumps(record), encoding="utf-8")
    write(folder / "knee.csv", MOVED["theirs"][0])
    results = read_results(grid, folds, cells, out)
    write_benchmark_report(results, out / "report")
    return results, out / "report"


def rows(report: Path, table: str) -> list[dict[str, str]]:
    with (report / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_table_1_pools_the_seeds_and_states_both_kinds_of_error(reported: tuple[Results, Path]) -> None:
    by_arm = {row["arm"]: row for row in rows(reported[1], "table1")}
    proposed = by_arm["proposed"]
    assert float(proposed["mean radial error px"]) == pytest.approx(3.0, abs=1e-3)
    # The paper's: root of the mean over films, seeds and both axes of dx^2, dy^2: (9 + 16 + 0 + 1) / 4.
    assert float(proposed["paper's mean RMSE px"]) == pytest.approx(np.sqrt(26 / 4), abs=1e-3)
    assert float(proposed["SDR % < 2 px"]) == 50
    assert (proposed["images"], proposed["seeds"]) == ("6", "2")
    assert float(by_arm["theirs"]["mean radial error px"]) == pytest.approx(1.0, abs=1e-3)
    assert "heatmap-mse" not in by_arm


def test_a_difference_is_the_reference_minus_the_other_and_an_arm_that_loses_is_said_to_lose(
    reported: tuple[Results, Path],
) -> None:
    results, report = reported
    spacing = results.folds["knee"][0].test.rows[0].marks.frame.spacing
    assert spacing is not None
    words = {row["in words"].split(" = ")[0]: row for row in rows(report, "differences")}
    weighted = words["proposed − baseline-weighted"]
    assert weighted["in words"].endswith("the first is nearer")
    assert words["proposed − theirs"]["in words"].endswith("the first is farther, it loses")
    # Every point of every film: 3 px minus 6 px, in millimetres of its own film; so the mean of the spacings times three.
    spacings = [c.marks.frame.spacing for c in results.folds["knee"][0].test.rows]
    expected = -3 * np.mean([s.x_mm for s in spacings if s is not None])
    assert float(weighted["difference of the mean radial error"]) == pytest.approx(expected, rel=1e-3)
    assert float(weighted["difference of the mean radial error low"]) <= expected
    assert weighted["unit"] == "mm"


def test_a_difference_in_success_has_a_verdict_of_its_own(reported: tuple[Results, Path]) -> None:
    results, report = reported
    words = {row["SDR in words"].split(" = ")[0]: row for row in rows(report, "differences")}
    theirs = words["proposed − theirs"]
    assert theirs["unit"] == "mm"
    # Nearer than 2 mm, film by film: 5 px and 1 px by the seeds of ours, 1 px by theirs.
    spacings = np.array([c.marks.frame.spacing.x_mm for c in results.folds["knee"][0].test.rows])  # type: ignore[union-attr]
    gain = 100 * ((5 * spacings < 2).astype(float) / 2 + (1 * spacings < 2) / 2 - (1 * spacings < 2)).mean()
    assert float(theirs["of SDR % < 2"]) == pytest.approx(gain, abs=1e-3)
    assert gain < 0
    assert theirs["SDR in words"].endswith("the first has fewer, it loses")


@pytest.mark.parametrize(
    ("mean", "interval", "said"),
    [
        (-0.31, (-0.42, -0.20), "a − b = −0.31 mm [−0.42, −0.20]: the first is nearer"),
        (0.31, (0.20, 0.42), "a − b = +0.31 mm [+0.20, +0.42]: the first is farther, it loses"),
        (-0.31, (-0.62, 0.0), "a − b = −0.31 mm [−0.62, +0.00]: no difference shown"),
        (-0.31, None, "a − b = −0.31 mm: no difference shown"),
    ],
)
def test_only_an_interval_without_0_is_a_verdict(mean: float, interval: tuple[float, float] | None, said: str) -> None:
    assert sentence("a", "b", Difference("mm", mean, interval, {}, {}, 3, 3)) == said


def test_error_against_training_images_has_the_few_and_all_of_them(reported: tuple[Results, Path]) -> None:
    few = {int(row["training images"]): row for row in rows(reported[1], "few-images")}
    assert float(few[2]["mean radial error px"]) == pytest.approx(10, abs=1e-3)
    assert float(few[4]["mean radial error px"]) == pytest.approx(3, abs=1e-3)
    assert (few[2]["trained on"], few[2]["validated on"]) == ("3", "1")  # what the cells say they used


def test_intervals_have_columns_of_their_own_and_csv_cells_are_plain(reported: tuple[Results, Path]) -> None:
    for table, column in (("table1", "mean radial error mm"), ("few-images", "mean radial error px")):
        for row in rows(reported[1], table):
            low, value, high = (float(row[f"{column}{end}"]) for end in (" low", "", " high"))
            assert low <= value <= high
            assert not any("[" in cell for cell in row.values())


def test_training_time_is_that_of_all_epochs_not_of_the_session_that_ended_it(reported: tuple[Results, Path]) -> None:
    done = next(row for row in rows(reported[1], "cells") if row["status"] == "done")
    assert (done["seconds"], done["seconds of training"]) == ("2.5", "6")


def test_an_erosion_is_a_line_at_the_epoch_that_begins_with_the_smaller_label(reported: tuple[Results, Path]) -> None:
    picture = (reported[1] / "learning-curves.svg").read_text(encoding="utf-8")
    assert set(re.findall(r'id="erosion-([^"]+)"', picture)) == {"proposed-2", "baseline-weighted-2"}


def test_the_same_results_make_the_same_files_and_write_over_the_old_ones(
    reported: tuple[Results, Path], tmp_path: Path
) -> None:
    results, report = reported
    for _ in range(2):
        write_benchmark_report(results, tmp_path)
    assert {f.name for f in tmp_path.iterdir()} == {f.name for f in report.iterdir()}
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (report / file.name).read_bytes(), file.name


def test_a_published_figure_stands_in_a_column_that_says_whose_it_is(reported: tuple[Results, Path]) -> None:
    table = rows(reported[1], "table2")
    name = "published on other data: Somebody 2020 (mm)"
    assert {row["landmark"]: row[name] for row in table if row[name]} == {"tibial_plateau_medial": "9.9"}
    assert all(row["unit"] == "mm" for row in table)
    landmarks = [row["landmark"] for row in table[:-1]]
    assert landmarks == list(reported[0].folds["knee"][0].train.scheme.names)
    # One that no landmark answers to is not dropped in silence.
    assert "no such landmark: no_such_place" in (reported[1] / "table2.md").read_text(encoding="utf-8")


def test_a_failed_cell_is_named_with_its_reason_and_the_rest_is_there(reported: tuple[Results, Path]) -> None:
    failed = [row for row in rows(reported[1], "cells") if row["status"] == "failed"]
    assert [row["why it failed"] for row in failed] == ["memory | ran\nout"]
    assert "memory | ran\nout" in (reported[1] / "index.html").read_text(encoding="utf-8")
    # A Markdown row is one line, and a bar in it is no column.
    line = next(x for x in (reported[1] / "cells.md").read_text(encoding="utf-8").splitlines() if "heatmap-mse" in x)
    assert line.endswith(r"| memory \| ran out |")
    header = (reported[1] / "cells.md").read_text(encoding="utf-8").splitlines()[2]
    assert len(re.findall(r"(?<!\\)\|", line)) == len(re.findall(r"\|", header))


def test_latex_is_escaped(reported: tuple[Results, Path]) -> None:
    text = (reported[1] / "arms.tex").read_text(encoding="utf-8")
    assert r"And 50 \% of\_their program?" in text
    body = text[text.index("tabular") : text.index(r"\end{tabular}")]
    lines = body.splitlines()[1:]
    assert all(len(re.findall(r"(?<!\\)&", line)) == 2 for line in lines if line)
    assert r"(\{data\}.csv)" in text


def test_figure_1_shows_the_prediction_red_and_the_truth_blue(reported: tuple[Results, Path]) -> None:
    picture = np.asarray(Image.open(reported[1] / "figure1.png").convert("RGB")).astype(int)
    red, green, blue = picture[..., 0], picture[..., 1], picture[..., 2]
    assert ((red > 200) & (green < 110) & (blue < 110)).sum() > 50
    assert ((blue > 200) & (red < 110)).sum() > 50


def test_a_film_that_is_gone_leaves_its_panel_black_and_the_tables_as_they_were(
    reported: tuple[Results, Path], tmp_path: Path
) -> None:
    results, report = reported

    def gone(film: Film) -> Film:
        raise InputError("the image is damaged", file=film.path, remedy="Copy it again")

    def without_films(scores: Scores) -> Scores:
        truths = tuple(Marked(replace(film, load=gone), marks) for film, marks in scores.errors.truths)
        return replace(scores, errors=replace(scores.errors, truths=truths))

    write_benchmark_report(replace(results, scores=tuple(map(without_films, results.scores))), tmp_path)
    with Image.open(tmp_path / "figure1.png") as figure:
        pixels = np.asarray(figure.convert("RGB")).reshape(-1, 3).astype(int)
    black = (pixels == 0).all(axis=1).mean()
    assert black > 0.5
    assert (tmp_path / "table1.csv").read_text() == (report / "table1.csv").read_text()


def test_the_page_loads_nothing_from_anywhere_and_says_grid_reader_and_rule(reported: tuple[Results, Path]) -> None:
    page = (reported[1] / "index.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:)', page)
    points = sum(int(case.marks.placed.sum()) for case in reported[0].folds["knee"][0].test.rows)
    for words in (
        f"6 images of 6 patients, {points} points",
        "bootstrap over patients",
        "table1.md",
        "128 x 128 grid",
        "Reader: phantom",
        "strictly nearer",
        "the last epoch",
        "research use only",
    ):
        assert words.lower() in page.lower()


def test_results_json_is_json_without_nan_and_holds_every_score(reported: tuple[Results, Path]) -> None:
    content = json.loads((reported[1] / "results.json").read_text(encoding="utf-8"))
    assert {(s["arm"], s["decoder"], s["training_images"]) for s in content["scores"]} == {
        ("proposed", "own", 4), ("proposed", "argmax", 4), ("proposed", "own", 2), ("proposed", "argmax", 2),
        ("baseline-weighted", "own", 4), ("baseline-weighted", "argmax", 4), ("theirs", "own", 4),
    }  # fmt: skip


def test_a_benchmark_of_which_nothing_is_done_has_a_page_that_says_so(tmp_path: Path) -> None:
    text = GRID.replace(', "theirs"]', "]")
    (tmp_path / "grid.toml").write_text(text[: text.index("[[arm]]")], encoding="utf-8")
    grid = read_grid(str(tmp_path / "grid.toml"))
    folds, cells = prepare(grid, tmp_path / "out")
    page = write_benchmark_report(read_results(grid, folds, cells, tmp_path / "out"), tmp_path / "report")
    assert "Nothing is done yet" in page.read_text(encoding="utf-8")


def test_where_some_cells_are_done_the_rest_is_named_and_pixels_stand_where_there_are_no_millimetres(
    reported: tuple[Results, Path], tmp_path: Path
) -> None:
    """One of the reference's two seeds, nothing else, and no film with a spacing."""
    results = reported[0]
    scores = results.find("knee", "proposed")
    assert scores is not None
    n = len(results.folds["knee"][0].test.rows)
    truths = [
        Marked(film, marks.framed(replace(marks.frame, spacing=None))) for film, marks in scores.errors.truths[:n]
    ]
    errors = point_errors(truths, scores.errors.predictions[:n])
    key = next(k for k in results.done if "/proposed/" in k and "all-seed0" in k)
    part = Results(
        results.grid, results.folds, results.cells, {key: results.done[key]}, {}, (replace(scores, errors=errors),)
    )
    page = write_benchmark_report(part, tmp_path).read_text(encoding="utf-8")
    (row,) = rows(tmp_path, "table1")
    assert (row["mean radial error px"][:4], row["mean radial error mm"], row["mean radial error mm low"]) == (
        "5",
        "",
        "",
    )
    assert "knee proposed (1 of 2 cells)" in page
    assert not (tmp_path / "differences.csv").exists()
    assert {r["unit"] for r in rows(tmp_path, "table2")} == {"px"}
    assert "not run" in {r["status"] for r in rows(tmp_path, "cells")}


def test_a_landmark_the_program_left_out_is_a_miss_that_is_counted(
    reported: tuple[Results, Path], tmp_path: Path
) -> None:
    results = reported[0]
    scores = results.find("knee", "theirs")
    assert scores is not None
    points = [p.points.copy() for p in scores.errors.predictions]
    for p in points:
        p[0] = np.nan
    predictions = [
        Marks.present(q.scheme, q.frame, p, film=q.film, confidence=q.confidence)
        for q, p in zip(scores.errors.predictions, points, strict=True)
    ]
    lost = replace(scores, errors=point_errors(scores.errors.truths, predictions))
    write_benchmark_report(replace(results, scores=(lost,)), tmp_path)
    (row,) = rows(tmp_path, "table1")
    landmarks = len(results.folds["knee"][0].test.scheme)
    assert float(row["not found %"]) == pytest.approx(100 / landmarks, abs=1e-3)
    assert float(row["SDR % < 2 px"]) == pytest.approx(100 - 100 / landmarks, abs=1e-3)


def test_the_error_over_the_steps_is_that_of_the_last_look_before_and_the_curves_go_by_steps(
    reported: tuple[Results, Path], tmp_path: Path
) -> None:
    results = reported[0]
    seen = {1: 8.0, 4: 6.0, 9: 5.0}  # ten epochs, of which three are looked at
    row = {"radius_px": 16, "train_loss": 1.0, "seconds": 2.0}
    history = [{**row, "epoch": e, "val_mean_radial_error_px": seen.get(e)} for e in range(10)]
    history[6:] = [{**row, "radius_px": 8} for row in history[6:]]
    done = {key: {**record, "history": history} for key, record in results.done.items()}
    # Three films in batches of two: two steps an epoch.
    config = replace(results.grid.config, train=replace(results.grid.config.train, batch_size=2))
    write_benchmark_report(replace(results, done=done, grid=replace(results.grid, config=config, steps=20)), tmp_path)
    table = [r for r in rows(tmp_path, "steps") if (r["arm"], r["training images"]) == ("proposed", "2")]
    assert [[r["runs"], r["unit"]] for r in table] == [["2", "px"]]
    values = [float(table[0][f"after {step} steps"]) for step in (4, 8, 12, 16, 18, 20)]
    assert values == [8, 8, 6, 6, 6, 5]
    picture = (tmp_path / "learning-curves.svg").read_text(encoding="utf-8")
    assert set(re.findall(r'id="erosion-([^"]+)"', picture)) == {"proposed-6", "baseline-weighted-6"}
    assert "knee, 2 images" in picture
    assert "every training has 20 steps" in (tmp_path / "few-images.md").read_text(encoding="utf-8")
    assert not (reported[1] / "steps.csv").exists()  # where epochs are held


def test_where_no_arm_is_trained_on_all_images_the_tables_of_the_arms_are_those_of_the_largest_number(
    reported: tuple[Results, Path], tmp_path: Path
) -> None:
    results = reported[0]
    cells = tuple(cell for cell in results.cells if cell.n_training == 2)
    scores = tuple(s for s in results.scores if s.n_training == 2 or s.arm.name == "theirs")
    write_benchmark_report(replace(results, cells=cells, scores=scores), tmp_path)
    errors = {row["arm"]: float(row["mean radial error px"]) for row in rows(tmp_path, "table1")}
    assert errors == pytest.approx({"proposed": 10, "theirs": 1}, abs=1e-3)
    assert "Training images: knee 2." in (tmp_path / "table1.md").read_text(encoding="utf-8")
    assert {row["unit"] for row in rows(tmp_path, "table2")} == {"mm"}


def test_a_tuned_setting_is_shown_with_what_was_tried_and_a_candidate_left_out_is_not_claimed(
    reported: tuple[Results, Path], tmp_path: Path
) -> None:
    results = reported[0]
    ((key, values),) = results.grid.arm("heatmap-mse").tune.items()
    cell = next(c for c in results.cells if c.arms[0].name == "heatmap-mse")
    record = next(iter(results.done.values()))
    for tried, claim in ((values, ""), (values[1:], " (but cells tried only or also: 16.0, 32.0)")):
        tuned = {"key": key, "value": values[-1], "errors_px": {str(v): 100 / v for v in tried}}
        write_benchmark_report(replace(results, done={cell.key: {**record, "tuned": tuned}}), tmp_path)
        row = next(r for r in rows(tmp_path, "cells") if r["cell"] == cell.key)
        assert row["tuned"] == "labels.sigma_px = 32.0"
        assert row["tried"].endswith("16.0: 6.25 px; 32.0: 3.12 px")
        arm = next(r for r in rows(tmp_path, "arms") if r["arm"] == "heatmap-mse")
        assert arm["differs from the common settings by"].endswith(f"chosen from 8.0, 16.0, 32.0{claim}")
