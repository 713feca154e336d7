"""What it takes to make a data set ready for training, against the decoder's own limit.

    python benchmarks/preparation.py [--images 1000] [--size 2500] [--repeats 3]

`radmark.training.data.load_samples` reads, letterboxes to 512 px, hashes the pixels and keeps them as 16 bit. The limits: the
files' bytes read and nothing else, and libpng decoding them one after another in one thread. Phantoms, a few drawn and the
rest hard links to them. The ways take turns on a share of the images each, so that whatever else the machine does meets all.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import imagecodecs

from radmark import phantom
from radmark.core import Film, Marked
from radmark.io import open_film, read_dataset
from radmark.training import data

DRAWN = 10


def rows_of(folder: Path, n: int, size: int) -> list[Marked]:
    phantom.write(folder, "pelvis-radiograph", min(DRAWN, n), 0, size)
    drawn = read_dataset(folder / "annotations.csv", folder / "images", reader="phantom").rows
    rows: list[Marked] = []
    for i in range(n):
        film, marks = drawn[i % len(drawn)]
        link = folder / f"{i:06}.png"
        os.link(path_of(film), link)
        rows.append(Marked(open_film(link), replace(marks, film=link.name)))
    return rows


def path_of(film: Film) -> Path:
    assert film.path is not None  # these have files
    return film.path


def prepare(rows: Sequence[Marked], threads: int) -> None:
    data.READERS = threads
    data.load_samples(rows, 512)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--size", type=int, default=2500, help="of the longer side, px")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    ways: dict[str, Callable[[Sequence[Marked]], object]] = {
        "bytes read": lambda rows: [path_of(film).read_bytes() for film, _ in rows],
        "libpng alone": lambda rows: [imagecodecs.png_decode(path_of(film).read_bytes()) for film, _ in rows],
        "load_samples, 1 thread": lambda rows: prepare(rows, 1),
        "load_samples": lambda rows: prepare(rows, 8),
    }
    with tempfile.TemporaryDirectory() as folder:
        rows = rows_of(Path(folder), options.images, options.size)
        share = -(-len(rows) // options.repeats)
        clock: dict[str, list[float]] = {name: [] for name in ways}
        busy: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(options.repeats):
            part = rows[turn * share : (turn + 1) * share]
            for name, way in ways.items():
                began, cpu = time.perf_counter(), time.process_time()
                way(part)
                clock[name].append(1000 * (time.perf_counter() - began) / len(part))
                busy[name].append(1000 * (time.process_time() - cpu) / len(part))
    print(
        f"{options.images} images of {options.size} px, {os.cpu_count()} processors, median of {options.repeats} shares"
    )
    print(f"{'':24} {'ms/image':>9} {'cpu ms/image':>13} {'1000 images, s':>15} {'it / libpng':>12}")
    limit = statistics.median(clock["libpng alone"])
    for name in ways:
        ms, cpu = statistics.median(clock[name]), statistics.median(busy[name])
        print(f"{name:24} {ms:>9.1f} {cpu:>13.1f} {ms:>15.1f} {ms / limit:>12.2f}")


if __name__ == "__main__":
    main()
