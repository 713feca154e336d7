"""What stands on both sides of a network: a film letterboxed, and points on its grid brought back to the film."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radmark.core.errors import InputError
from radmark.core.film import Film
from radmark.core.frame import Inset
from radmark.core.marks import Marks, Model, Origin, State
from radmark.core.scheme import Scheme

MAX_SIDE = 20_000
"""Longest side in pixels: the square around the film is made in memory (1.6 GB at this side), however narrow the film is."""


@dataclass(frozen=True, eq=False, repr=False)
class Letterboxed:
    """A film as a network sees it.

    Args:
        name: the film's.
        inset: where the film lies on the network's grid.
        gray: (S, S) float32 in [0, 1].
    """

    name: str
    inset: Inset
    gray: NDArray[np.float32]

    @classmethod
    def of(cls, film: Film, size: int) -> "Letterboxed":
        """A film on a grid of `size` x `size` pixels; its pixels are loaded if they are not, and not kept.

        Raises:
            InputError: the pixels cannot be had, or a side is longer than `MAX_SIDE`.
        """
        loaded = film.loaded()
        inset = Inset.letterbox(loaded.frame, size)
        return cls(film.name, inset, letterbox_pixels(loaded, inset))

    def marks(
        self,
        scheme: Scheme,
        points: NDArray[np.floating],
        confidence: NDArray[np.floating],
        *,
        author: Model | None = None,
        absent_below: float = 0.0,
    ) -> Marks:
        """A model's marks on the film.

        A landmark whose confidence is less than `absent_below` is absent, with no position. One that was found in the
        letterbox's padding is moved to the nearest edge of the film.

        Args:
            scheme: of K landmarks.
            points: (K, 2) xy on the network's grid.
            confidence: (K,) in [0, 1].
            author: the model.
            absent_below: see above.
        """
        k = len(scheme)
        seen = Marks(
            scheme,
            self.inset.target,
            points.astype(np.float64),
            np.full(k, State.PRESENT, np.int8),
            film=self.name,
            author=author,
            origins=(Origin.PREDICTED,) * k,
            confidence=confidence.astype(np.float64),
        ).moved(self.inset)
        frame = self.inset.source
        at = np.clip(seen.points, -0.5, np.array([frame.width - 0.5, frame.height - 0.5]))
        absent = confidence < absent_below
        at[absent] = np.nan
        return replace(seen, points=at, states=np.where(absent, State.ABSENT, State.PRESENT).astype(np.int8))


def letterbox_pixels(film: Film, inset: Inset) -> NDArray[np.float32]:
    """(S, S) float32 in [0, 1]: the film normalised, padded with zeros to a square and brought to the inset's target.

    Shrinking averages over all source pixels a target pixel covers (no aliasing); growing is bilinear. Both keep corners
    on corners, which is the map `inset.to_target` states for points.

    Raises:
        InputError: a side is longer than `MAX_SIDE`.
    """
    source = inset.source
    side = max(source.width, source.height)
    if side > MAX_SIDE:
        raise InputError(
            f"the image has a side of more than {MAX_SIDE} pixels",
            value=f"{source.width} x {source.height}",
            remedy="Crop it to the radiograph, or scale it down",
        )
    square = np.zeros((side, side), np.float32)
    square[inset.pad_y : inset.pad_y + source.height, inset.pad_x : inset.pad_x + source.width] = film.normalised()
    if side == inset.target.width:
        return square
    resized = Image.fromarray(square).resize((inset.target.width, inset.target.height), Image.Resampling.BILINEAR)
    return np.asarray(resized)
