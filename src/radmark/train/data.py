"""The training images: decoded and letterboxed once, kept as 16-bit gray, with their points on the network's grid."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radmark.core.dataset import Case
from radmark.core.frame import FloatArray, Inset
from radmark.core.radiograph import Radiograph
from radmark.io.atomic import make_folder
from radmark.letterbox import letterbox_pixels

READERS = 8
"""At most so many threads decode at once."""

_FULL = np.float32(65535)


@dataclass(frozen=True, eq=False)
class Samples:
    """N cases on the network's grid.

    Args:
        cases: the N cases.
        pixels: (N, S, S) uint16, 0 to 65535 for [0, 1].
        points: (N, K, 2) float64 xy on the grid, NaN where a landmark has none.
        states: (N, K) int8 of `State`.
        insets: the N letterboxes.
        hashes: pixel hash of each source image, by case name.
    """

    cases: tuple[Case, ...]
    pixels: NDArray[np.uint16]
    points: FloatArray
    states: NDArray[np.int8]
    insets: tuple[Inset, ...]
    hashes: dict[str, str]

    def __len__(self) -> int:
        return len(self.cases)

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 1, S, S) float32 in [0, 1], (B, K, 2) float32 points, (B, K) int8 states."""
        chosen = list(indices)
        gray = torch.from_numpy(self.pixels[chosen].astype(np.float32) / _FULL)
        return gray[:, None], torch.from_numpy(self.points[chosen]).float(), torch.from_numpy(self.states[chosen])


def load_samples(
    cases: Sequence[Case],
    size: int,
    read: Callable[[Case], Radiograph],
    *,
    cache_in: Path | None = None,
    on_image: Callable[[int, int], None] | None = None,
) -> Samples:
    """Decode and letterbox every case.

    Args:
        cases: at least one.
        size: side of the network's grid in pixels.
        read: gives a case's radiograph; called from several threads at once.
        cache_in: keep the pixels in a nameless file in this folder instead of in memory, for data sets larger than the
            memory; the file is gone when the process is.
        on_image: called with (done, total) after each image.
    """
    shape = (len(cases), size, size)
    pixels: NDArray[Any] = np.empty(shape, np.uint16) if cache_in is None else _on_disk(cache_in, shape)
    hashes: dict[str, str] = {}
    insets = tuple(Inset.letterbox(case.landmarks.frame, size) for case in cases)

    def fill(i: int) -> str:
        radiograph = read(cases[i])
        pixels[i] = np.rint(letterbox_pixels(radiograph, insets[i]) * _FULL)
        return radiograph.pixel_hash

    # Threads, since decoders, numpy and hashlib let go of the interpreter; few, since each holds a whole film.
    readers = ThreadPoolExecutor(min(READERS, os.cpu_count() or 1), thread_name_prefix="radmark-read")
    try:
        for i, digest in enumerate(readers.map(fill, range(len(cases)))):
            hashes[cases[i].name] = digest
            if on_image is not None:
                on_image(i + 1, len(cases))
    finally:
        readers.shutdown(cancel_futures=True)
    return Samples(
        cases=tuple(cases),
        pixels=pixels,
        points=np.stack([inset.to_target(c.landmarks.points) for c, inset in zip(cases, insets, strict=True)]),
        states=np.stack([case.landmarks.states for case in cases]),
        insets=insets,
        hashes=hashes,
    )


def _on_disk(folder: Path, shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """An array that lives in a file without a name, so that nothing is left to clean up however the run ends."""
    make_folder(folder)
    with TemporaryFile(dir=folder) as file:
        return np.memmap(file, dtype=np.uint16, mode="w+", shape=shape)
