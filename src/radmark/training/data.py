"""The training films: decoded and letterboxed once, kept as 16-bit gray, with their points on the network's grid."""

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

from radmark.core.frame import FloatArray, Inset
from radmark.core.study import Marked
from radmark.io.atomic import make_folder
from radmark.letterbox import letterbox_pixels

READERS = 8
"""At most so many threads decode at once."""

_FULL = np.float32(65535)


@dataclass(frozen=True, eq=False, repr=False)
class Samples:
    """N films on the network's grid.

    Args:
        rows: the N films, marked.
        pixels: (N, S, S) uint16, 0 to 65535 for [0, 1].
        points: (N, K, 2) float64 xy on the grid, NaN where a landmark has none.
        states: (N, K) int8 of `State`.
        insets: the N letterboxes.
        hashes: pixel hash of each film, by its name.
    """

    rows: tuple[Marked, ...]
    pixels: NDArray[np.uint16]
    points: FloatArray
    states: NDArray[np.int8]
    insets: tuple[Inset, ...]
    hashes: dict[str, str]

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 1, S, S) float32 in [0, 1], (B, K, 2) float32 points, (B, K) int8 states."""
        chosen = list(indices)
        gray = torch.from_numpy(self.pixels[chosen].astype(np.float32) / _FULL)
        return gray[:, None], torch.from_numpy(self.points[chosen]).float(), torch.from_numpy(self.states[chosen])


def load_samples(
    rows: Sequence[Marked],
    size: int,
    *,
    cache_in: Path | None = None,
    on_image: Callable[[int, int], None] | None = None,
) -> Samples:
    """Decode and letterbox every film.

    Args:
        rows: at least one; their films are loaded by several threads at once.
        size: side of the network's grid in pixels.
        cache_in: keep the pixels in a nameless file in this folder instead of in memory, for studies larger than the
            memory; the file is gone when the process is.
        on_image: called with (done, total) after each film.
    """
    shape = (len(rows), size, size)
    pixels: NDArray[Any] = np.empty(shape, np.uint16) if cache_in is None else _on_disk(cache_in, shape)
    hashes: dict[str, str] = {}
    insets = tuple(Inset.letterbox(marks.frame, size) for _, marks in rows)

    def fill(i: int) -> str:
        film = rows[i].film.loaded()
        pixels[i] = np.rint(letterbox_pixels(film, insets[i]) * _FULL)
        return film.pixel_hash

    # Threads, since decoders, numpy and hashlib let go of the interpreter; few, since each holds a whole film.
    readers = ThreadPoolExecutor(min(READERS, os.cpu_count() or 1), thread_name_prefix="radmark-read")
    try:
        for i, digest in enumerate(readers.map(fill, range(len(rows)))):
            hashes[rows[i].film.name] = digest
            if on_image is not None:
                on_image(i + 1, len(rows))
    finally:
        readers.shutdown(cancel_futures=True)
    return Samples(
        rows=tuple(rows),
        pixels=pixels,
        points=np.stack([inset.to_target(marks.points) for (_, marks), inset in zip(rows, insets, strict=True)]),
        states=np.stack([marks.states for _, marks in rows]),
        insets=insets,
        hashes=hashes,
    )


def _on_disk(folder: Path, shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """An array that lives in a file without a name, so that nothing is left to clean up however the run ends."""
    make_folder(folder)
    with TemporaryFile(dir=folder) as file:
        return np.memmap(file, dtype=np.uint16, mode="w+", shape=shape)
