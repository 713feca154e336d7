"""Running a grid: cell after cell in one process, or many at once on a Ray cluster.

Start the same command twice on one machine and the two share the work: a cell belongs to who holds its lock.
"""

import json
import logging
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from filelock import FileLock, Timeout

from radmark.benchmark.cell import check_done, run_cell
from radmark.benchmark.films import Fold, draw_phantoms, read_folds
from radmark.benchmark.grid import Grid
from radmark.benchmark.plan import Cell, plan, tuned_by
from radmark.core.errors import InputError
from radmark.io.atomic import make_folder, write_text
from radmark.training.loop import Row

GRID_FILE = "grid.json"
LOOK_AGAIN_S = 3.0

Folds = Mapping[str, tuple[Fold, ...]]


class BenchmarkWatch(Protocol):
    """Whoever wants to know how a benchmark goes."""

    def begins(self, cell: Cell) -> None:
        """A cell is started."""
        ...

    def ends(self, cell: Cell, reason: str | None, left_s: float) -> None:
        """A cell is done, or failed for `reason`; about `left_s` seconds are left."""
        ...

    def epoch(self, cell: Cell, row: Row) -> None:
        """An epoch of a cell ended."""
        ...


@dataclass(frozen=True)
class RayOptions:
    """Where and how to run on Ray.

    Args:
        address: of a cluster; None: one that is started on this machine.
        cpus_per_cell: processors a cell reserves.
        gpus_per_cell: graphics cards a cell reserves; a half lets two cells share one.
    """

    address: str | None = None
    cpus_per_cell: float = 1.0
    gpus_per_cell: float = 0.0


def prepare(grid: Grid, out: Path) -> tuple[Folds, tuple[Cell, ...]]:
    """Read (or draw) the data sets, and make sure that `out` is a folder of this benchmark.

    Raises:
        InputError: a data set cannot be read, or `out` holds something else.
    """
    if out.exists() and not (out / GRID_FILE).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise InputError("the folder holds something that is no benchmark", file=out, remedy="Give another --out")
    write_text(out / GRID_FILE, json.dumps(asdict(grid), indent=1, default=str) + "\n")
    draw_phantoms(grid, out / "phantoms")
    folds = {source.name: read_folds(grid, source, out / "phantoms") for source in grid.data}
    cells = plan(grid, {name: len(of) for name, of in folds.items()})
    for cell in cells:
        if cell.result(out).is_file():
            check_done(grid, cell, folds[cell.data][cell.fold], out)
    return folds, cells


def run_here(grid: Grid, folds: Folds, cells: tuple[Cell, ...], out: Path, watch: BenchmarkWatch) -> None:
    """Do every cell that is not done, one after another. A cell that fails is noted and does not stop the rest."""
    clock = _Clock(grid, folds, cells)
    failed: set[str] = set()
    waiting = list(cells)
    while waiting:
        waiting = [cell for cell in waiting if not cell.result(out).is_file()]  # another process may have done some
        for cell in waiting:
            if not _ready(cell, cells, grid, out, failed):
                continue
            watch.begins(cell)
            try:
                reason = do_cell(grid, cell, cells, folds[cell.data][cell.fold], out, watch)
            except Timeout:
                continue
            waiting.remove(cell)
            if reason is not None:
                failed.add(cell.key)
            watch.ends(cell, reason, clock.left_s(cell, waiting))
            break  # from the front again: an earlier one may have become ready meanwhile
        else:
            if waiting:
                time.sleep(LOOK_AGAIN_S)  # all that is left is in the hands of another process


def run_on_ray(
    grid: Grid, folds: Folds, cells: tuple[Cell, ...], out: Path, watch: BenchmarkWatch, options: RayOptions
) -> None:
    """Send every cell that is not done to a Ray cluster; all its machines have to see `out` and the films.

    Raises:
        InputError: Ray is not installed, or there is no cluster at the address.
    """
    try:
        import ray
        from ray.exceptions import RayError
    except ModuleNotFoundError as error:
        raise InputError(
            "Ray is not installed", value="--engine ray", remedy='Install it with: pip install "radmark[ray]"'
        ) from error
    try:
        ray.init(address=options.address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError) as error:
        raise InputError(
            f"there is no Ray cluster to be reached ({error})",
            value=options.address,
            remedy="Give the --address that `ray start` printed, or omit it to use this machine",
        ) from error
    try:
        remote: Any = ray.remote(num_cpus=options.cpus_per_cell, num_gpus=options.gpus_per_cell)(_do_remotely)
        clock = _Clock(grid, folds, cells)
        failed: set[str] = set()
        waiting = [cell for cell in cells if not cell.result(out).is_file()]
        running: dict[Any, Cell] = {}
        while waiting or running:
            for cell in [c for c in waiting if _ready(c, cells, grid, out, failed)]:
                waiting.remove(cell)
                watch.begins(cell)
                task = remote.remote(grid, cell, cells, folds[cell.data][cell.fold], out.absolute())
                running[task] = cell
            finished, _ = ray.wait(list(running), num_returns=1)
            for task in finished:
                cell = running.pop(task)
                try:
                    reason = ray.get(task)
                except RayError as error:  # the worker died, again and again
                    reason = f"the worker was lost ({type(error).__name__})"
                    _note(cell, out, reason, str(error))
                if reason is not None:
                    failed.add(cell.key)
                left = [*waiting, *running.values()]
                watch.ends(cell, reason, clock.left_s(cell, left))
    finally:
        ray.shutdown()


def do_cell(
    grid: Grid, cell: Cell, cells: tuple[Cell, ...], fold: Fold, out: Path, watch: BenchmarkWatch
) -> str | None:
    """Do a cell under its lock; returns why it failed, None if it did not.

    Raises:
        Timeout: another process has it.
    """
    folder = cell.folder(out)
    make_folder(folder)
    tuner = tuned_by(cell, cells, grid)
    with FileLock(folder / "lock", timeout=0):
        if cell.result(out).is_file():
            return None
        for left in ("error.txt", "traceback.txt"):
            (folder / left).unlink(missing_ok=True)
        try:
            if tuner is not None and not tuner.result(out).is_file():
                raise InputError(
                    f"the setting that {tuner.key} was to choose is not there", remedy="See why that cell failed"
                )
            run_cell(grid, cell, fold, out, _CellWatch(cell, watch), tuner)
        except Exception as error:  # whatever it is, the other cells go on
            reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            _note(cell, out, reason, traceback.format_exc())
            return reason
    return None


def _do_remotely(grid: Grid, cell: Cell, cells: tuple[Cell, ...], fold: Fold, out: Path) -> str | None:
    # Ray tells a worker by OMP_NUM_THREADS how many processors it reserved, torch has to be asked to follow.
    import os

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    while True:
        try:
            return do_cell(grid, cell, cells, fold, out, _Nobody())
        except Timeout:  # a process outside Ray has it
            time.sleep(LOOK_AGAIN_S)


def _note(cell: Cell, out: Path, reason: str, details: str) -> None:
    write_text(cell.folder(out) / "traceback.txt", details)
    write_text(cell.folder(out) / "error.txt", reason)


def _ready(cell: Cell, cells: tuple[Cell, ...], grid: Grid, out: Path, failed: set[str]) -> bool:
    """Whether what the cell needs is there; a cell whose tuning failed is ready too: to fail, and say so."""
    tuner = tuned_by(cell, cells, grid)
    return tuner is None or tuner.result(out).is_file() or tuner.key in failed


class _Clock:
    """How long the rest takes, from how long the cells since the start took for each image they trained on, or each step."""

    def __init__(self, grid: Grid, folds: Folds, cells: tuple[Cell, ...]) -> None:
        self._grid, self._folds, self._cells = grid, folds, cells
        self._began = time.monotonic()
        self._done = 0.0

    def left_s(self, ended: Cell, waiting: list[Cell]) -> float:
        self._done += self._work(ended)
        left = sum(map(self._work, waiting))
        return left * (time.monotonic() - self._began) / self._done

    def _work(self, cell: Cell) -> float:
        tunes = tuned_by(cell, self._cells, self._grid) is None
        candidates = [len(values) for values in self._grid.tuned(cell.arms[0]).values()] if tunes else []
        if self._grid.steps is not None and self._grid.tune_steps is not None:
            return self._grid.steps + self._grid.tune_steps * sum(candidates)
        if self._grid.steps is not None:
            return self._grid.steps * max(1, sum(candidates))
        images = len(self._folds[cell.data][cell.fold].train)
        share = 1.0
        if cell.n_training is not None:
            share = min(1.0, cell.n_training * self._grid.few_images.most_epochs / images)
        return images * share * max(1, sum(candidates))


class _CellWatch:
    """A training watch that passes on whole epochs."""

    def __init__(self, cell: Cell, watch: BenchmarkWatch) -> None:
        self._cell, self._watch = cell, watch

    def image(self, done: int, total: int) -> None: ...

    def step(self, epoch: int, epochs: int, done: int, total: int) -> None: ...

    def epoch(self, row: Row) -> None:
        self._watch.epoch(self._cell, row)


class _Nobody:
    """Nobody watches."""

    def begins(self, cell: Cell) -> None: ...

    def ends(self, cell: Cell, reason: str | None, left_s: float) -> None: ...

    def epoch(self, cell: Cell, row: Row) -> None: ...
