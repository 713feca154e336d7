"""What it takes to make a data set ready for training, against the decoder's own limit.

    python benchmarks/preparation.py [--images 1000] [--size 2500] [--repeats 3]

`radmark.train.data.load_samples` reads, letterboxes to 512 px, hashes the pixels and keeps them as 16 bit. The limits: the
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
from radmark.core import Case
from radmark.io import read_dataset, read_image
from radmark.train import data

DRAWN = 10


def cases_of(folder: Path, n: int, size: int) -> list[Case]:
    phantom.write(folder, "pelvis-radiograph", min(DRAWN, n), 0, size)
    drawn = read_dataset(folder / "annotations.csv", folder / "images", reader="phantom").cases
    cases: list[Case] = []
    for i in range(n):
        case = drawn[i % len(drawn)]
        link = folder / f"{i:06}.png"
        os.link(case.image, link)
        cases.append(replace(case, name=link.name, image=link))
    return cases


def prepare(cases: Sequence[Case], threads: int) -> None:
    data.READERS = threads
    data.load_samples(cases, 512, lambda case: read_image(case.image))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--size", type=int, default=2500, help="of the longer side, px")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    ways: dict[str, Callable[[Sequence[Case]], object]] = {
        "bytes read": lambda cases: [case.image.read_bytes() for case in cases],
        "libpng alone": lambda cases: [imagecodecs.png_decode(case.image.read_bytes()) for case in cases],
        "load_samples, 1 thread": lambda cases: prepare(cases, 1),
        "load_samples": lambda cases: prepare(cases, 8),
    }
    with tempfile.TemporaryDirectory() as folder:
        cases = cases_of(Path(folder), options.images, options.size)
        share = -(-len(cases) // options.repeats)
        clock: dict[str, list[float]] = {name: [] for name in ways}
        busy: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(options.repeats):
            part = cases[turn * share : (turn + 1) * share]
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
