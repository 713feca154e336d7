"""Many images, file to points: one after another against `predict_each`, which reads ahead while the network works.

    python benchmarks/batch.py [--images 1000] [--size 1000] [--recipe cpu] [--workers 2] [--ray]

Phantoms, a few drawn and the rest hard links to them. The network starts at random, which costs as much as a trained one. Each
way runs in a process of its own, over a fifth of the images and then over all of them, so that growing memory would show.
`batch` is the whole `radmark predict --engine local`, with its journal and the Parquet file. On a busy machine the processor's
time says more than the clock's.
"""

import argparse
import functools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from radmark import phantom

DRAWN = 10


def make_run(folder: Path, recipe: str) -> None:
    import torch

    from radmark.checkpoint import MODEL_FILE, Checkpoint, save
    from radmark.config import read_recipe
    from radmark.io import read_scheme
    from radmark.model import build

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


def one_way(way: str, run: Path, images: Path, n: int, workers: int, batch_size: int) -> None:
    """Run one way over n images, in this process, and print what it took as JSON."""
    from radmark.batch.pipeline import Job, predict_each
    from radmark.batch.run import Engine, run_batch
    from radmark.infer import Predictor
    from radmark.io import read_image

    files = sorted(images.iterdir())[:n]
    jobs = [Job(file.name, file) for file in files]
    predictor = Predictor.load(run)
    predictor("warm-up", read_image(files[0]))
    began, busy = time.perf_counter(), time.process_time()
    if way == "serial":
        for file in files:
            predictor(file.name, read_image(file))
    elif way == "pipeline":
        for outcome in predict_each(jobs, predictor, workers=workers, batch_size=batch_size):
            outcome.found()
    else:
        out = images.parent / f"{way}-{n}.parquet"
        load = functools.partial(Predictor.load, run)
        engine = Engine("ray" if way == "ray" else "local", workers)
        run_batch(jobs, load, out, model="", suffix="parquet", settings={}, engine=engine, overwrite=True)
    taken, busy = time.perf_counter() - began, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"s": taken, "cpu_s": busy, "peak_mb": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--size", type=int, default=1000, help="of the longer side, px")
    parser.add_argument("--recipe", default="cpu")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--ray", action="store_true", help="a local Ray cluster too")
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        way, run, images, n, batch_size = options.one
        one_way(way, Path(run), Path(images), int(n), options.workers, int(batch_size))
        return
    ways = [("serial", 1), *(("pipeline", b) for b in options.batch_sizes), ("batch", 1)]
    ways += [("ray", 1)] if options.ray else []
    with tempfile.TemporaryDirectory() as folder:
        make_run(Path(folder) / "run", options.recipe)
        make_images(Path(folder), options.images, options.size)
        print(f"recipe {options.recipe}, images of {options.size} px, {options.workers} workers")
        print(f"{'way':22} {'images':>7} {'images/s':>9} {'cpu ms/image':>13} {'peak MB':>8}", flush=True)
        for way, batch_size in ways:
            for n in (max(1, options.images // 5), options.images):
                words = [way, f"{folder}/run", f"{folder}/images", str(n), str(batch_size)]
                command = [sys.executable, __file__, "--workers", str(options.workers), "--one", *words]
                told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                name = f"{way}, {batch_size} at once" if way == "pipeline" else way
                rate, cpu = n / told["s"], 1000 * told["cpu_s"] / n
                print(f"{name:22} {n:>7} {rate:>9.2f} {cpu:>13.1f} {told['peak_mb']:>8.0f}", flush=True)


if __name__ == "__main__":
    main()
