"""The training images: decoded and letterboxed once, kept as 16-bit gray, with their points on the network's grid."""

from collections.abc import Callable, Sequence
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
        read: gives a case's radiograph.
        cache_in: keep the pixels in a nameless file in this folder instead of in memory, for data sets larger than the
            memory; the file is gone when the process is.
        on_image: called with (done, total) after each image.
    """
    shape = (len(cases), size, size)
    pixels: NDArray[Any] = np.empty(shape, np.uint16) if cache_in is None else _on_disk(cache_in, shape)
    hashes: dict[str, str] = {}
    insets = tuple(Inset.letterbox(case.landmarks.frame, size) for case in cases)
    for i, (case, inset) in enumerate(zip(cases, insets, strict=True)):
        radiograph = read(case)
        hashes[case.name] = radiograph.pixel_hash
        pixels[i] = np.rint(letterbox_pixels(radiograph, inset) * _FULL)
        if on_image is not None:
            on_image(i + 1, len(cases))
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
