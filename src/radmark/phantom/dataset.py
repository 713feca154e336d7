"""One phantom, and a folder full of them in the layout every radmark command reads."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from zlib import Z_HUFFMAN_ONLY, crc32

import numpy as np
import numpy.typing as npt
from PIL import Image

from radmark.core.errors import InputError
from radmark.io.atomic import claim_folder, replacing
from radmark.io.schemes import read_scheme
from radmark.phantom import film
from radmark.phantom.views import VIEWS

KINDS: tuple[str, ...] = tuple(VIEWS)
"""What can be drawn: the names of six of the schemes that come with radmark."""

_SMALLEST_PX = 64
_CSV_NAME = "annotations.csv"
_PER_TASK = 4


@dataclass(frozen=True)
class Phantom:
    """A synthetic radiograph and the truth about it."""

    pixels: npt.NDArray[np.uint16]
    """(H, W); bright is dense. The longer side is the size asked for."""
    points: npt.NDArray[np.float64]
    """(K, 2) xy in pixels, in the scheme's order; (0, 0) is the centre of the top-left pixel. All lie in the image."""
    names: tuple[str, ...]
    """(K,) names of the points."""
    spacing_mm: float
    """Millimetres of the drawn anatomy that one pixel covers, the same both ways."""


def render(kind: str, seed: int, size_px: int = 512) -> Phantom:
    """Draw one phantom. It depends on nothing but its arguments.

    Args:
        kind: one of `KINDS`.
        seed: not negative; another seed is another patient.
        size_px: the longer side of the picture.

    Raises:
        InputError: there is no such kind, the seed is negative, or the size is below 64 pixels.
    """
    _check(kind, seed, size_px)
    view = VIEWS[kind](np.random.default_rng([crc32(kind.encode()), seed]), size_px)
    names = read_scheme(kind).names
    return Phantom(
        pixels=film.digitise(view.brightness),
        points=np.stack([view.points[name] for name in names]),
        names=names,
        spacing_mm=view.spacing_mm,
    )


def write(
    out: Path,
    kind: str,
    n: int,
    seed: int,
    size_px: int = 512,
    processes: int = 1,
    *,
    on_image: Callable[[int], object] | None = None,
) -> Path:
    """Write a data set: `images/<kind>_0000.png` … (16-bit grey) and `annotations.csv`.

    Image i depends on `kind`, `seed`, `size_px` and i alone, so a longer data set begins with the shorter one. Every
    phantom is a patient of its own. The table is written last: where it stands, the data set is whole.

    Args:
        out: a folder that does not exist yet or is empty.
        kind: one of `KINDS`.
        n: how many, at least 1.
        seed: not negative.
        size_px: the longer side of the pictures, at least 64.
        processes: how many to draw with; more than one needs a script that can be imported (`if __name__ == …`).
        on_image: told after each picture how many are there, to show progress.

    Returns:
        The path of `annotations.csv`.

    Raises:
        InputError: `out` holds something already, there is no such kind, or a number is out of range.
    """
    _check(kind, seed, size_px)
    if n < 1:
        raise InputError("a data set needs at least one image", value=n, remedy="Ask for 1 or more")
    out = Path(out)
    claim_folder(out)
    (out / "images").mkdir()
    job = partial(_write_image, out / "images", kind, seed, size_px)
    rows: list[list[str]] = []

    def gather(results: Iterable[list[str]]) -> None:
        for row in results:
            rows.append(row)
            if on_image is not None:
                on_image(len(rows))

    if processes > 1:
        # Spawned, not forked: a fork copies the locks of whatever threads numpy or torch have started.
        with ProcessPoolExecutor(min(processes, n), mp_context=get_context("spawn")) as pool:
            gather(pool.map(job, range(n), chunksize=_PER_TASK))
    else:
        gather(map(job, range(n)))
    table = out / _CSV_NAME
    with replacing(table) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_header(read_scheme(kind).names))
        writer.writerows(rows)
    return table


def _header(names: tuple[str, ...]) -> list[str]:
    fixed = [
        "image_name",
        "image_width",
        "image_height",
        "n_landmarks",
        "patient_id",
        "spacing_x_mm",
        "spacing_y_mm",
    ]
    return fixed + [f"{name}_{axis}" for name in names for axis in "xy"]


def _write_image(folder: Path, kind: str, seed: int, size_px: int, index: int) -> list[str]:
    """Draw and write image `index` of a data set; returns its row of the table."""
    own_seed = int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0])
    phantom = render(kind, own_seed, size_px)
    name = f"{kind}_{index:04d}"
    with replacing(folder / f"{name}.png") as temporary:
        # No two rows of noise are alike: looking for repeats takes time and makes the file larger.
        Image.fromarray(phantom.pixels).save(temporary, compress_level=1, compress_type=Z_HUFFMAN_ONLY)
    height, width = phantom.pixels.shape
    spacing = f"{phantom.spacing_mm:.6f}"
    fixed = [f"{name}.png", str(width), str(height), str(len(phantom.names)), name, spacing, spacing]
    return fixed + [f"{value:.3f}" for value in phantom.points.ravel()]


def _check(kind: str, seed: int, size_px: int) -> None:
    if kind not in KINDS:
        raise InputError("there is no such kind of phantom", value=kind, remedy=f"Use one of: {', '.join(KINDS)}")
    if seed < 0:
        raise InputError("a seed cannot be negative", value=seed, remedy="Give 0 or more")
    if size_px < _SMALLEST_PX:
        raise InputError("the picture is too small to draw in", value=size_px, remedy=f"Ask for {_SMALLEST_PX} or more")
