"""What is read back from cells' files, against files written by hand."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from radmark.benchmark.films import Fold
from radmark.benchmark.grid import Grid, read_grid
from radmark.benchmark.plan import Cell
from radmark.benchmark.results import read_results
from radmark.benchmark.run import prepare
from radmark.core import InputError, Marks
from radmark.evaluation.metrics import radial
from radmark.io import write_predictions_csv

GRID = """
arms = ["proposed", "proposed+ta", "as-released-ta", "theirs"]
seeds = [3, 5]
[settings.data]
size = 96
[[data]]
name = "knee"
phantom = "knee-radiograph"
train_images = 4
test_images = 3
size = 96
[[arm]]
name = "theirs"
asks = "Theirs?"
predictions = "{data}-theirs.csv"
"""

Prepared = tuple[Grid, Mapping[str, tuple[Fold, ...]], tuple[Cell, ...], Path]


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    (tmp_path / "grid.toml").write_text(GRID, encoding="utf-8")
    grid = read_grid(str(tmp_path / "grid.toml"))
    folds, cells = prepare(grid, tmp_path / "out")
    return grid, folds, cells, tmp_path / "out"


def write(path: Path, fold: Fold, right: float, leave_out: int = 0) -> None:
    """Predictions `right` pixels to the left of the truth, without the last `leave_out` films."""
    rows = fold.test.rows[: len(fold.test.rows) - leave_out]
    path.parent.mkdir(parents=True, exist_ok=True)
    sure = np.full(len(fold.test.scheme), 0.5)
    write_predictions_csv(
        path,
        [
            Marks.present(marks.scheme, marks.frame, marks.points - (right, 0), film=film.name, confidence=sure)
            for film, marks in rows
        ],
    )


def finish(cell: Cell, out: Path) -> None:
    cell.result(out).write_text(json.dumps({"key": cell.key}), encoding="utf-8")


def test_where_nothing_ran_there_is_nothing(prepared: Prepared) -> None:
    results = read_results(*prepared)
    assert (results.done, results.failed, results.scores) == ({}, {}, ())
    assert results.find("knee", "proposed") is None


def test_seeds_are_pooled_and_arms_of_one_training_have_scores_of_their_own(prepared: Prepared) -> None:
    grid, folds, cells, out = prepared
    fold = folds["knee"][0]
    off = {("proposed", 3): 1.0, ("proposed", 5): 2.0, ("proposed+ta", 3): 0.5, ("as-released-ta", 3): 4.0}
    for cell in cells:
        if all((arm.name, cell.seed) in off for arm in cell.arms):
            for arm in cell.arms:
                write(cell.predictions(out, arm, "own"), fold, off[arm.name, cell.seed])
                write(cell.predictions(out, arm, "argmax"), fold, 3.0)
            finish(cell, out)
    results = read_results(grid, folds, cells, out)
    both = results.find("knee", "proposed")
    assert both is not None
    assert both.runs == ((0, 3), (0, 5))
    assert both.seeds == (3, 5)
    assert radial(both.errors.offset_px).mean(axis=1) == pytest.approx([1, 1, 1, 2, 2, 2], abs=1e-3)
    for arm, distance, decoder in (
        ("proposed+ta", 0.5, "own"),
        ("as-released-ta", 4, "own"),
        ("proposed+ta", 3, "argmax"),
    ):
        scores = results.find("knee", arm, decoder="argmax" if decoder == "argmax" else "own")
        assert scores is not None
        assert radial(scores.errors.offset_px) == pytest.approx(distance, abs=1e-3)


def test_predictions_without_a_cell_json_are_of_a_cell_that_is_not_done(prepared: Prepared) -> None:
    grid, folds, cells, out = prepared
    write(cells[0].predictions(out, cells[0].arms[0], "own"), folds["knee"][0], 1.0)
    assert read_results(*prepared).scores == ()
    assert read_results(grid, folds, cells, out).done == {}


def test_a_cell_that_failed_says_why_until_it_is_done(prepared: Prepared) -> None:
    cell, out = prepared[2][0], prepared[3]
    cell.folder(out).mkdir(parents=True)
    (cell.folder(out) / "error.txt").write_text("no memory", encoding="utf-8")
    assert read_results(*prepared).failed == {cell.key: "no memory"}
    for arm in cell.arms:
        for decoder in ("own", "argmax"):
            write(cell.predictions(out, arm, decoder), prepared[1]["knee"][0], 1.0)
    finish(cell, out)
    results = read_results(*prepared)
    assert (results.failed, list(results.done)) == ({}, [cell.key])


def test_another_programs_predictions_need_no_cell_and_have_its_own_decoder_only(prepared: Prepared) -> None:
    grid, folds, _, _ = prepared
    write(grid.base / "knee-theirs.csv", folds["knee"][0], 2.5)
    (theirs,) = read_results(*prepared).scores
    assert (theirs.arm.name, theirs.decoder, theirs.runs, theirs.n_training) == ("theirs", "own", ((0, 0),), None)
    assert radial(theirs.errors.offset_px) == pytest.approx(2.5, abs=1e-3)


def test_a_film_that_is_scored_and_not_predicted_is_refused(prepared: Prepared) -> None:
    grid, folds, _, _ = prepared
    write(grid.base / "knee-theirs.csv", folds["knee"][0], 2.5, leave_out=1)
    with pytest.raises(InputError, match="no prediction for an image that is scored"):
        read_results(*prepared)
