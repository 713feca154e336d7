"""A grid taken apart into cells: one training each, and the arms that are scored on it."""

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

    Args:
        grid: the grid.
        folds: data set name -> how many folds it has.
    """
    groups = _groups(grid)
    few = grid.few_images
    first, *others = grid.seeds
    cells = [Cell(d.name, g, f, None, first) for d in grid.data for g in groups for f in range(folds[d.name])]
    for seed in others:
        repeated = [tuple(a for a in g if a.name in grid.repeat) for g in groups]
        cells += [
            Cell(d.name, g, f, None, seed) for d in grid.data for g in repeated if g for f in range(folds[d.name])
        ]
    chosen = [tuple(a for a in g if a.name in (few.arms or [a.name for a in grid.arms])) for g in groups]
    # Largest first: should time run out, the sizes nearest to all images are there.
    for n in sorted(few.sizes, reverse=True):
        for seed in grid.seeds:
            cells += [Cell(d.name, g, f, n, seed) for d in grid.data for g in chosen if g for f in range(folds[d.name])]
    return tuple(cells)


def tuned_by(cell: Cell, cells: tuple[Cell, ...], grid: Grid) -> Cell | None:
    """The cell whose inner validation part chose this cell's tuned setting; None where it is this one, or nothing is tuned.

    A setting is chosen once for each fold of each data set, on all training images and with the first seed.
    """
    if not cell.arms[0].tune or (cell.n_training is None and cell.seed == grid.seeds[0]):
        return None
    return next(
        c
        for c in cells
        if (c.data, c.fold, c.n_training, c.seed) == (cell.data, cell.fold, None, grid.seeds[0])
        and c.arms[0].trains_like(cell.arms[0])
    )


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
