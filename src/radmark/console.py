"""What the command line prints. The library itself is silent."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from radmark.benchmark.plan import Cell
    from radmark.training.loop import Row

out = Console(highlight=False, markup=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

LINE_EVERY_S = 10.0
"""How often a run that is not on a terminal (a log file) says a line; every epoch would drown the rest of the log."""

BENCHMARK_LINE_EVERY_S = 60.0
"""The same for a benchmark, which may take days."""


def counted(number: int, thing: str = "film") -> str:
    """ "1 film", "2 films"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


class TrainingProgress:
    """A bar with the time left on a terminal, a line now and then anywhere else. Use it in a `with` block."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=out,
            transient=True,
            disable=not sys.stdout.isatty(),
        )
        self._task = self._bar.add_task("reading images", total=None)
        self._training = False
        self._first_epoch = 0
        self._spoke_at = self._began_at = time.monotonic()
        self._total_epochs = 0

    def __enter__(self) -> "TrainingProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def image(self, done: int, total: int) -> None:
        """An image was decoded."""
        self._bar.update(self._task, total=total, completed=done)

    def step(self, epoch: int, epochs: int, done: int, total: int) -> None:
        """A batch was trained."""
        if not self._training:
            self._training, self._first_epoch, self._total_epochs = True, epoch, epochs
            self._began_at = time.monotonic()
            self._bar.reset(self._task, total=(epochs - epoch) * total, description="training")
        self._bar.update(self._task, completed=(epoch - self._first_epoch) * total + done)

    def epoch(self, row: "Row") -> None:
        """An epoch ended."""
        words = epoch_words(row)
        self._bar.update(self._task, description=words)
        now = time.monotonic()
        epoch = int(row["epoch"] or 0)
        last = epoch + 1 == self._total_epochs
        if not self._bar.disable and not last:
            return
        if last or now - self._spoke_at > LINE_EVERY_S:
            done = epoch + 1 - self._first_epoch
            left = (self._total_epochs - epoch - 1) * (now - self._began_at) / done
            out.print(f"{words}, {left / 60:.1f} minutes left" if left else words)
            self._spoke_at = now


class BenchmarkProgress:
    """A line when a cell of a benchmark starts, now and then while it trains, and when it ends."""

    def __init__(self, cells: int, done: int) -> None:
        self._cells, self._done = cells, done
        self._spoke_at = time.monotonic()
        if done:
            out.print(f"{done} of {cells} cells were done already")

    def begins(self, cell: "Cell") -> None:
        """A cell is started."""
        out.print(f"{cell.key} …")

    def ends(self, cell: "Cell", reason: str | None, left_s: float) -> None:
        """A cell is done, or failed for `reason`."""
        self._done += 1
        left = f", about {left_s / 60:.0f} minutes left" if self._done < self._cells else ""
        out.print(f"[{self._done}/{self._cells}] {cell.key} {'done' if reason is None else f'FAILED: {reason}'}{left}")

    def epoch(self, cell: "Cell", row: "Row") -> None:
        """An epoch of a cell ended."""
        if time.monotonic() - self._spoke_at > BENCHMARK_LINE_EVERY_S:
            out.print(f"    {cell.key}: {epoch_words(row)}")
            self._spoke_at = time.monotonic()


class BatchProgress:
    """A line now and then on how far a batch is."""

    def __init__(self) -> None:
        self._began: tuple[float, int] | None = None
        self._spoke_at = time.monotonic()

    def __call__(self, done: int, images: int, bad: int) -> None:
        """So many images are done, and so many of those this process did are bad."""
        now = time.monotonic()
        self._began = self._began or (now, done)
        if now - self._spoke_at > LINE_EVERY_S and done > self._began[1]:
            rate = (done - self._began[1]) / (now - self._began[0])
            out.print(
                f"{done} of {images}, {bad} bad, {rate:.1f} a second, {(images - done) / rate / 60:.1f} minutes left"
            )
            self._spoke_at = now


def epoch_words(row: "Row") -> str:
    """A row of the training log in a few words."""
    words = f"epoch {row['epoch']}, label radius {row['radius_px']} px, loss {row['train_loss']:.4g}"
    if row["val_mean_radial_error_px"] is not None:
        words += f", validation {row['val_mean_radial_error_px']:.2f} px"
    if row["val_mean_radial_error_mm"] is not None:
        words += f" ({row['val_mean_radial_error_mm']:.2f} mm)"
    return words
