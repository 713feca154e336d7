"""What a prediction costs by an exported file, and how far its points are from torch's: file to points, each way in turn.

    python benchmarks/exported.py [--run RUN --images DIR] [--recipe cpu] [--n 8] [--calibrate 24] [--repeats 3] [--threads 2 1]

torch eager (what `radmark predict RUN` does), ONNX Runtime and OpenVINO in 32 and in 8 bit (what `radmark predict FILE` does),
and the paper's network as its released test program runs it. Without --run, a network of the recipe with random weights on
phantoms: its times are those of a trained one, its shift in 8 bit is not. With --run, a trained one on real films: the first
--calibrate of DIR calibrate, the last --n are measured. The ways take turns film by film, so that whatever else the machine does
meets all of them.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from prediction import paper_prediction
from training_step import films as phantoms

from radmark import checkpoint as store
from radmark.checkpoint import Checkpoint, load_run
from radmark.config import read_recipe
from radmark.core import Film, Scheme
from radmark.exported import ExportedPredictor
from radmark.infer import Predictor
from radmark.infer.export import Calibration, export
from radmark.io import IMAGE_SUFFIXES, open_film
from radmark.letterbox import Letterboxed
from radmark.model import build

Way = Callable[[Film], np.ndarray | object]


def untrained(to: Path, recipe: str, scheme: Scheme) -> Path:
    config = read_recipe(recipe)
    torch.manual_seed(0)
    weights = build(config.model, len(scheme)).state_dict()
    store.save(to / store.MODEL_FILE, Checkpoint(config, scheme, weights, epoch=0, radius_px=2, facts={}))
    return to


def exported(run: Path, folder: Path, calibrating: list[Film], measured: list[Film]) -> dict[str, Path]:
    """The run's four files by the way they stand for."""
    checkpoint = load_run(run)
    size = checkpoint.config.data.size
    some, others = ([Letterboxed.of(film, size) for film in films] for films in (measured, calibrating))
    files: dict[str, Path] = {}
    for engine, format_, suffix in (("ONNX Runtime", "onnx", ".onnx"), ("OpenVINO", "openvino", ".xml")):
        for bits, calibration in (("32", None), ("8", Calibration(others, some, float("inf")))):
            file = folder / f"{format_}-{bits}{suffix}"
            export(
                checkpoint,
                file,
                format_,  # pyright: ignore[reportArgumentType]
                some[:3],
                name="benchmark",
                sha256="0" * 64,
                licence="none",
                calibration=calibration,
            )
            files[f"{engine}, {bits} bit"] = file
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--recipe", default="cpu")
    parser.add_argument("--landmarks", type=int, default=19)
    parser.add_argument("--n", type=int, default=8)
    parser.add_argument("--calibrate", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1])
    parser.add_argument("--no-paper", action="store_true")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.run is None:
            rows = phantoms(folder / "films", options.n + options.calibrate, options.landmarks)
            scheme = rows[0].marks.scheme
            run = untrained(folder / "run", options.recipe, scheme)
            films = [film for film, _ in rows]
            measured, calibrating = films[: options.n], films[options.n :]
        else:
            run, scheme = options.run, load_run(options.run).scheme
            paths = sorted(p for p in options.images.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
            films = [open_film(path) for path in paths]
            measured, calibrating = films[-options.n :], films[: options.calibrate]
        files = exported(run, folder, calibrating, measured)
        paper = None if options.no_paper else paper_prediction(len(scheme))
        for threads in options.threads:
            torch.set_num_threads(threads)
            ways: dict[str, Way] = {"torch": points_by(Predictor.load(run))}
            for way, file in files.items():
                ways[way] = points_by(ExportedPredictor.load(file, threads=threads))
            if paper is not None:
                ways["paper"] = paper
            report(ways, measured, options.repeats, threads)
        sizes = ", ".join(
            f"{way} {(sum(f.stat().st_size for f in _parts(file))) / 1e6:.1f}" for way, file in files.items()
        )
        print(f"MB: {sizes}")


def points_by(predictor: Predictor | ExportedPredictor) -> Way:
    return lambda film: predictor(film).points


def report(ways: dict[str, Way], films: list[Film], repeats: int, threads: int) -> None:
    taken: dict[str, list[float]] = {way: [] for way in ways}
    apart: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(repeats + 1):
        for film in films[: None if turn else 1]:  # the first turn warms up
            reference = None
            for way, predict in ways.items():
                began = time.perf_counter()
                points = predict(film)
                if not turn:
                    continue
                taken[way].append(1000 * (time.perf_counter() - began))
                if isinstance(points, np.ndarray):
                    reference = points if reference is None else reference
                    apart[way] += np.hypot(*(points - reference).T).tolist()
    base = taken.get("paper", taken["torch"])
    print(f"file to points, {threads} threads, {len(films)} films, {repeats} times, film by film in turn")
    against = "paper / it" if "paper" in taken else "torch / it"
    print(f"{'':22} {'ms/film':>8} {'fastest':>8} {against:>11} {'shift px: mean':>15} {'p95':>7} {'most':>7}")
    for way, times in taken.items():
        # Of each film's times the ratio, then the median: a neighbour's burst of work meets both sides of one ratio.
        ratio = statistics.median(b / t for b, t in zip(base, times, strict=True))
        shift = apart[way]
        told = f"{np.mean(shift):>15.4f} {np.percentile(shift, 95):>7.3f} {max(shift):>7.2f}" if shift else ""
        print(f"{way:22} {statistics.median(times):>8.1f} {min(times):>8.1f} {ratio:>11.1f} {told}")


def _parts(file: Path) -> list[Path]:
    return [file, *([file.with_suffix(".bin")] if file.suffix == ".xml" else [])]


if __name__ == "__main__":
    main()
