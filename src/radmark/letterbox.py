"""A radiograph's pixels, letterboxed: the pixel side of `core.Inset`, one resampling for both axes."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radmark.core.errors import InputError
from radmark.core.frame import Inset
from radmark.core.radiograph import Radiograph

MAX_SIDE = 20_000
"""Longest side in pixels: the square around the image is made in memory (1.6 GB at this side), however narrow the image is."""


def letterbox_pixels(radiograph: Radiograph, inset: Inset) -> NDArray[np.float32]:
    """(S, S) float32 in [0, 1]: the radiograph normalised, padded with zeros to a square and brought to the inset's target.

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
    square[inset.pad_y : inset.pad_y + source.height, inset.pad_x : inset.pad_x + source.width] = (
        radiograph.normalised()
    )
    if side == inset.target.width:
        return square
    resized = Image.fromarray(square).resize((inset.target.width, inset.target.height), Image.Resampling.BILINEAR)
    return np.asarray(resized)
