"""Many images, file to points: one after another against `predict_each`, which reads ahead while the network works.

    python benchmarks/batch.py [--images 1000] [--size 1000] [--recipe cpu] [--workers 2] [--shares 5] [--ray]

Phantoms, a few drawn and the rest hard links to them. The network starts at random, which costs as much as a trained one. The
ways take turns on a share of the images each, so that whatever else the machine does meets all of them, and memory is printed
after each share: it must not grow. `batch` is the whole `radmark predict --engine local`, with its journal and the Parquet
file. On a busy machine the processor's time says more than the clock's.
"""

import argparse
import functools
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from radmark import phantom
from radmark.batch.pipeline import predict_each
from radmark.batch.run import Engine, run_batch
from radmark.checkpoint import MODEL_FILE, Checkpoint, save
from radmark.config import read_recipe
from radmark.core import Film
from radmark.infer import Predictor
from radmark.io import read_scheme, with_file
from radmark.model import build

DRAWN = 10


def make_run(folder: Path, recipe: str) -> None:
    torch.manual_seed(0)
    config, scheme = read_recipe(recipe), read_scheme("pelvis-radiograph")
    net = build(config.model, len(scheme))
    folder.mkdir()
    save(folder / MODEL_FILE, Checkpoint(config, scheme, net.state_dict(), epoch=0, radius_px=3, facts={}))


def make_images(folder: Path, n: int, size: int) -> None:
    phantom.write(folder / "drawn", "pelvis-radiograph", min(DRAWN, n), 0, size)
    drawn = sorted((folder / "drawn" / "images").iterdir())
    (folder / "images").mkdir()
    for i in range(n):
        os.link(drawn[i % len(drawn)], folder / "images" / f"{i:06}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--size", type=int, default=1000, help="of the longer side, px")
    parser.add_argument("--recipe", default="cpu", help="a shipped recipe or a TOML file")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--shares", type=int, default=5)
    parser.add_argument("--ray", action="store_true", help="a local Ray cluster too, its start included")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_run(folder / "run", options.recipe)
        make_images(folder, options.images, options.size)
        files = sorted((folder / "images").iterdir())
        predictor = Predictor.load(folder / "run")

        def serial(films: Sequence[Film]) -> None:
            for film in films:
                predictor(with_file(film, film.path or Path()))

        def pipeline(films: Sequence[Film], batch_size: int) -> None:
            for outcome in predict_each(films, predictor, workers=options.workers, batch_size=batch_size):
                outcome.found()

        def batch(films: Sequence[Film], engine: str) -> None:
            out = folder / f"{engine}.parquet"
            load = functools.partial(Predictor.load, folder / "run")
            how = Engine("ray" if engine == "ray" else "local", options.workers)
            run_batch(films, load, out, model="", format="parquet", settings={}, engine=how, overwrite=True)

        ways: dict[str, Callable[[Sequence[Film]], None]] = {"serial": serial}
        for b in options.batch_sizes:
            ways[f"pipeline, {b} at once"] = functools.partial(pipeline, batch_size=b)
        ways["batch"] = functools.partial(batch, engine="local")
        if options.ray:
            ways["ray"] = functools.partial(batch, engine="ray")
        serial([Film("warm-up", path=files[0])])
        clock: dict[str, list[float]] = {way: [] for way in ways}
        busy: dict[str, list[float]] = {way: [] for way in ways}
        peaks: list[float] = []
        share = -(-len(files) // options.shares)
        for turn in range(options.shares):
            films = [Film(file.name, path=file) for file in files[turn * share : (turn + 1) * share]]
            for way, work in ways.items():
                began, cpu = time.perf_counter(), time.process_time()
                work(films)
                clock[way].append((time.perf_counter() - began) / len(films))
                busy[way].append((time.process_time() - cpu) / len(films))
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(
        f"recipe {options.recipe}, {options.images} images of {options.size} px, {options.workers} workers, "
        f"{torch.get_num_threads()} threads for the network, medians of {options.shares} shares"
    )
    print(f"{'way':22} {'images/s':>9} {'ms/image':>9} {'cpu ms/image':>13} {'serial / it':>12}")
    for way in ways:
        s, cpu = statistics.median(clock[way]), statistics.median(busy[way])
        ratio = statistics.median(a / b for a, b in zip(clock["serial"], clock[way], strict=True))
        print(f"{way:22} {1 / s:>9.2f} {1000 * s:>9.1f} {1000 * cpu:>13.1f} {ratio:>12.2f}")
    print(f"peak memory after each share, MB: {' '.join(f'{peak:.0f}' for peak in peaks)}")


if __name__ == "__main__":
    main()
