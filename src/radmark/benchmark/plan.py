"""A grid taken apart into cells: one training each, and the arms that are scored on it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from radmark.benchmark.grid import Arm, Grid


@dataclass(frozen=True)
class Cell:
    """One training: of an arm (or of several that share it) on a fold of a data set, with a seed.

    Args:
        data: name of the data set.
        arms: the arms scored on what is trained, the first gives the cell its name.
        fold: 0-based.
        n_training: how many training images; None: all.
        seed: of training, and of the draw of fewer images.
    """

    data: str
    arms: tuple[Arm, ...]
    fold: int
    n_training: int | None
    seed: int

    @property
    def key(self) -> str:
        """A name for people, and the cell's folder under `cells/`."""
        images = "all" if self.n_training is None else f"{self.n_training}"
        return f"{self.data}/{self.arms[0].name}/fold{self.fold}-images-{images}-seed{self.seed}"

    def folder(self, out: Path) -> Path:
        """Where everything of the cell is."""
        return out / "cells" / self.key

    def result(self, out: Path) -> Path:
        """The file that is written last: where it stands, the cell is done."""
        return self.folder(out) / "cell.json"

    def predictions(self, out: Path, arm: Arm, decoder: str) -> Path:
        """What `arm` placed on the fold's test images, decoder "own" or "argmax"."""
        return self.folder(out) / f"{arm.name}.{decoder}.csv"


def plan(grid: Grid, folds: dict[str, int]) -> tuple[Cell, ...]:
    """All cells of a grid, those that answer first things first: every arm once, then the other seeds, then few images.
    Where the grid has stages: stage by stage, and in each the largest number of images first, then data sets, seeds, arms.

    Args:
        grid: the grid.
        folds: data set name -> how many folds it has.
    """
    groups = _groups(grid)
    if grid.stages:
        return _staged(grid, groups, folds)
    few = grid.few_images
    cells: list[Cell] = []
    for seed in grid.seeds if grid.all_images else ():
        repeated = groups if seed == grid.seeds[0] else [_named(g, grid.repeat) for g in groups]
        cells += [
            Cell(d.name, g, f, None, seed) for d in grid.data for g in repeated if g for f in range(folds[d.name])
        ]
    chosen = [_named(g, few.arms) if few.arms else g for g in groups]
    # Largest first: should time run out, the sizes nearest to all images are there.
    for n in sorted(few.sizes, reverse=True):
        for seed in grid.seeds:
            cells += [Cell(d.name, g, f, n, seed) for d in grid.data for g in chosen if g for f in range(folds[d.name])]
    return tuple(cells)


def tuned_by(cell: Cell, cells: tuple[Cell, ...], grid: Grid) -> Cell | None:
    """The cell whose inner validation part chose this cell's tuned setting; None where it is this one, or nothing is tuned.

    Settings are chosen once for each fold of each data set: on as many training images as the grid has for the arm, and with
    the first seed of those.
    """
    if not grid.tuned(cell.arms[0]):
        return None
    alike = [c for c in cells if (c.data, c.fold) == (cell.data, cell.fold) and c.arms[0].trains_like(cell.arms[0])]
    most = max(math.inf if c.n_training is None else c.n_training for c in alike)
    largest = [c for c in alike if c.n_training == (None if most == math.inf else most)]
    tuner = min(largest, key=lambda c: grid.seeds.index(c.seed) if c.seed in grid.seeds else len(grid.seeds))
    return None if tuner == cell else tuner


def _staged(grid: Grid, groups: Sequence[tuple[Arm, ...]], folds: Mapping[str, int]) -> tuple[Cell, ...]:
    """The cells of each stage after those of the one before; a cell that two stages name belongs to the first."""
    cells: dict[str, Cell] = {}
    for stage in grid.stages:
        chosen = [g for g in (_named(g, stage.arms) for g in groups) if g]
        chosen.sort(key=lambda g: stage.arms.index(g[0].name))
        for n in sorted(stage.images, reverse=True) or (None,):
            for data in stage.data or tuple(d.name for d in grid.data):
                for seed in stage.seeds or grid.seeds:
                    for group in chosen:
                        for fold in range(folds[data]):
                            cell = Cell(data, group, fold, n, seed)
                            cells.setdefault(cell.key, cell)
    return tuple(cells.values())


def _named(group: tuple[Arm, ...], names: Sequence[str]) -> tuple[Arm, ...]:
    """The arms of a group that are named."""
    return tuple(arm for arm in group if arm.name in names)


def _groups(grid: Grid) -> list[tuple[Arm, ...]]:
    """Arms that share a training together, in the grid's order; arms that are not trained are left out."""
    groups: list[list[Arm]] = []
    for arm in grid.arms:
        if arm.predictions is None:
            home = next((g for g in groups if g[0].trains_like(arm)), None)
            if home is None:
                groups.append([arm])
            else:
                home.append(arm)
    return [tuple(g) for g in groups]
