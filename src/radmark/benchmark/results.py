"""What the finished cells of a benchmark say, read back from their files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from radmark.benchmark.films import Fold
from radmark.benchmark.grid import Arm, Grid
from radmark.benchmark.plan import Cell
from radmark.core.errors import InputError
from radmark.evaluation.metrics import PointErrors, point_errors, pooled
from radmark.io import read_dataset

Decoder = Literal["own", "argmax"]


@dataclass(frozen=True, eq=False)
class Scores:
    """One arm on one data set, trained on one number of images, read with one decoder.

    Args:
        data: name of the data set.
        arm: the arm.
        n_training: training images asked for; None: all of them.
        decoder: "own": the grid's decoder; "argmax": the paper's. An arm of another program's predictions has "own" only.
        errors: of all folds and seeds that are done, one after another.
        runs: their (fold, seed); one (0, 0) for another program's predictions.
    """

    data: str
    arm: Arm
    n_training: int | None
    decoder: Decoder
    errors: PointErrors
    runs: tuple[tuple[int, int], ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, each once."""
        return tuple(sorted({seed for _, seed in self.runs}))


@dataclass(frozen=True, eq=False)
class Results:
    """Everything there is to report.

    Args:
        grid: what was asked for.
        folds: data set name -> its folds.
        cells: all cells of the grid.
        done: key of a finished cell -> its `cell.json`: config, tuned, history (the training log's rows), n_training_images,
            n_validation_images, seconds, versions.
        failed: key of a failed cell -> why.
        scores: everything that could be scored, in the grid's order of data sets and arms.
    """

    grid: Grid
    folds: Mapping[str, tuple[Fold, ...]]
    cells: tuple[Cell, ...]
    done: Mapping[str, Mapping[str, Any]]
    failed: Mapping[str, str]
    scores: tuple[Scores, ...]

    def most(self, data: str) -> int | None:
        """The largest number of training images a data set is trained on; None: all of them."""
        sizes = {cell.n_training for cell in self.cells if cell.data == data}
        return max((n for n in sizes if n is not None), default=None) if None not in sizes else None

    def whole(self, scores: Scores) -> bool:
        """Whether scores belong in the tables of the arms: trained on as many images as any, or another program's."""
        return scores.n_training in (None, self.most(scores.data))

    def find(self, data: str, arm: str, n_training: int | None = None, decoder: Decoder = "own") -> Scores | None:
        """The scores of an arm on a data set; None where no cell of it is done."""
        for scores in self.scores:
            if (scores.data, scores.arm.name, scores.n_training, scores.decoder) == (data, arm, n_training, decoder):
                return scores
        return None


def read_results(grid: Grid, folds: Mapping[str, tuple[Fold, ...]], cells: Sequence[Cell], out: Path) -> Results:
    """Read what the cells in `out` left.

    Raises:
        InputError: a file of predictions is damaged or does not fit its data set.
    """
    done = {c.key: json.loads(c.result(out).read_text(encoding="utf-8")) for c in cells if c.result(out).is_file()}
    failed = {
        c.key: (c.folder(out) / "error.txt").read_text(encoding="utf-8")
        for c in cells
        if c.key not in done and (c.folder(out) / "error.txt").is_file()
    }
    scores: list[Scores] = []
    decoders: tuple[Decoder, ...] = ("own", "argmax")
    for source in grid.data:
        for n in dict.fromkeys((None, *grid.sizes)):
            for arm in grid.arms:
                for decoder in decoders:
                    parts = {
                        (c.fold, c.seed): _errors(c.predictions(out, arm, decoder), folds[source.name][c.fold])
                        for c in cells
                        if c.key in done and arm in c.arms and (c.data, c.n_training) == (source.name, n)
                    }
                    if arm.predictions is not None and n is None and decoder == "own":
                        everything = _together(folds[source.name])
                        file = grid.base / arm.predictions.format(data=source.name)
                        parts = {(0, 0): _errors(file, everything)} if file.is_file() else {}
                    if parts:
                        scores.append(Scores(source.name, arm, n, decoder, pooled(list(parts.values())), tuple(parts)))
    return Results(grid, folds, tuple(cells), done, failed, tuple(scores))


def _together(folds: Sequence[Fold]) -> Fold:
    """All folds as one, scored on all their images."""
    first = folds[0]
    rows = tuple(row for fold in folds for row in fold.test.rows)
    return replace(first, test=replace(first.test, rows=rows))


def _errors(file: Path, fold: Fold) -> PointErrors:
    """A file of predictions against the truth, image by image."""
    truth = fold.test
    predictions = {marks.film: marks for _, marks in read_dataset(file, fold.test_images, scheme=truth.scheme).rows}
    missing = set(truth.names) - predictions.keys()
    if missing:
        raise InputError(
            "the file has no prediction for an image that is scored",
            file=file,
            value=min(missing),
            remedy="Predict every image of the test part",
        )
    return point_errors(truth.rows, [predictions[name] for name in truth.names])
