"""What a label region costs: the closed form against repeated dilation.

    python benchmarks/label_regions.py

The paper's released programs dilate each landmark of each image with scipy, in every step. Both ways are checked to give the
same pixels first; then both are timed at the first radius of the paper's schedule and over the whole schedule, with memory
kept as the training loop keeps it.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from scipy import ndimage

from radmark.config import LabelConfig
from radmark.targets.regions import Regions, label_regions
from radmark.targets.schedule import radius_px
from radmark.training.loop import keep_freed_memory

SIZE = 512
BATCH = 8
EPOCHS = 350
RADII = sorted({radius_px(LabelConfig(), epoch=e, epochs=EPOCHS, size=SIZE) for e in range(EPOCHS)}, reverse=True)


def dilated(centres: np.ndarray, radius: int) -> np.ndarray:
    """(K, S, S) bool of one image, landmark by landmark."""
    maps = np.zeros((len(centres), SIZE, SIZE), bool)
    for k, (x, y) in enumerate(centres):
        point = np.zeros((SIZE, SIZE), bool)
        point[y, x] = True
        maps[k] = ndimage.binary_dilation(point, iterations=radius)
    return maps


def closed_form(centres: torch.Tensor, radius: int) -> Regions:
    return label_regions(centres, radius, height=SIZE, width=SIZE)


def lit(regions: Regions) -> np.ndarray:
    """(B, K, S, S) bool: the listed pixels on a map, which training never needs."""
    counts = torch.zeros(*regions.index.shape[:2], SIZE * SIZE, dtype=torch.uint8)
    counts.scatter_add_(2, regions.index, regions.inside.to(torch.uint8))
    return counts.view(*regions.index.shape[:2], SIZE, SIZE).numpy().astype(bool)


def milliseconds(work: Callable[[], object], repeats: int) -> float:
    """Median of several repeats."""
    taken: list[float] = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return 1000 * statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    keep_freed_memory()
    print(f"{SIZE} px, batch of {BATCH}, {torch.get_num_threads()} threads, radii {', '.join(map(str, RADII))}")
    print(f"{'landmarks':>9} {'radius':>8} {'scipy ms/image':>15} {'radmark ms/image':>17} {'ratio':>7}")
    for k in (8, 20):
        centres = torch.from_numpy(np.random.default_rng(k).integers(0, SIZE, (BATCH, k, 2)))
        for radius in RADII:
            if not np.array_equal(lit(closed_form(centres, radius))[0], dilated(centres[0].numpy(), radius)):
                raise SystemExit(f"radius {radius}: not the same pixels, so there is nothing to compare")
        slow = {r: milliseconds(partial(dilated, centres[0].numpy(), r), repeats) for r in RADII}
        fast = {r: milliseconds(partial(closed_form, centres, r), 5 * repeats) / BATCH for r in RADII}
        for name, radii in ((str(RADII[0]), RADII[:1]), ("schedule", RADII)):
            scipy_ms, radmark_ms = (statistics.fmean(times[r] for r in radii) for times in (slow, fast))
            print(f"{k:>9} {name:>8} {scipy_ms:>15.1f} {radmark_ms:>17.3f} {scipy_ms / radmark_ms:>7.0f}")


if __name__ == "__main__":
    main()
