"""`radmark benchmark`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from radmark.cli.common import need_torch


@dataclass(frozen=True)
class Benchmark:
    """Compare ways to train on the same films: arms x data sets x folds x seeds, and the paper's tables for them.

    The same command goes on where it stopped, and twice at once it shares the work. Exit code 1 if a cell failed.
    """

    grid: Annotated[Positional[str], arg(metavar="GRID")]
    """A shipped grid (smoke, phantom-six, ceph, chest, paper, full-length) or a TOML file; docs/benchmark.md says what it
    holds."""

    out: Path
    """The benchmark's folder: cells/, and report/ with index.html and the tables as .md, .tex and .csv."""

    data: Path | None = None
    """Folder that the paths in the grid are relative to. By default that of the grid's file."""

    encoder_weights: str | None = None
    """Instead of the grid's: "imagenet", "none" or a file."""

    engine: Literal["here", "ray"] = "here"
    """here: one cell after another in this process. ray: many at once on a Ray cluster."""

    address: str | None = None
    """Of the Ray cluster; by default one is started on this machine."""

    cpus_per_cell: float = 1.0
    """Processors a cell reserves on Ray."""

    gpus_per_cell: float = 0.0
    """Graphics cards a cell reserves on Ray; 0.5 lets two cells share one."""

    report_only: bool = False
    """Train nothing; write the report of what is done."""

    def run(self) -> int:
        """Run what is missing, then report."""
        need_torch()
        from radmark.benchmark.grid import read_grid
        from radmark.benchmark.report import write_benchmark_report
        from radmark.benchmark.results import read_results
        from radmark.benchmark.run import RayOptions, prepare, run_here, run_on_ray
        from radmark.console import BenchmarkProgress, out

        changes = {} if self.encoder_weights is None else {"model": {"encoder_weights": self.encoder_weights}}
        grid = read_grid(self.grid, data=self.data, changes=changes)
        folds, cells = prepare(grid, self.out)
        stopped = False
        if not self.report_only:
            done = sum(cell.result(self.out).is_file() for cell in cells)
            progress = BenchmarkProgress(len(cells), done)
            try:
                if self.engine == "ray":
                    options = RayOptions(self.address, self.cpus_per_cell, self.gpus_per_cell)
                    run_on_ray(grid, folds, cells, self.out, progress, options)
                else:
                    run_here(grid, folds, cells, self.out, progress)
            except KeyboardInterrupt:
                stopped = True
        results = read_results(grid, folds, cells, self.out)
        page = write_benchmark_report(results, self.out / "report")
        out.print(f"{len(results.done)} of {len(cells)} cells done, {len(results.failed)} failed: {page}")
        if stopped:
            print("Stopped: the same command goes on.", file=sys.stderr)
            return 130
        return 1 if results.failed else 0
