"""What stands on both sides of a network: a radiograph letterboxed, and points on its grid brought back to the radiograph."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radmark.core.errors import InputError
from radmark.core.frame import Frame, Inset
from radmark.core.landmarks import Landmarks, State
from radmark.core.prediction import Prediction
from radmark.core.radiograph import Radiograph
from radmark.core.scheme import Scheme

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


def to_prediction(
    name: str, scheme: Scheme, inset: Inset, points: np.ndarray, confidence: np.ndarray, absent_below: float = 0.0
) -> Prediction:
    """A prediction in the source frame from (K, 2) points on the network's grid and (K,) confidence; see `stated`."""
    native = inset.to_source(points.astype(np.float64))
    return stated(name, scheme, inset.source, native, confidence, absent_below)


def stated(
    name: str, scheme: Scheme, frame: Frame, native: np.ndarray, confidence: np.ndarray, absent_below: float = 0.0
) -> Prediction:
    """A prediction from (K, 2) points in the source frame and (K,) confidence.

    A landmark whose confidence is less than `absent_below` is stated absent, with no position. One that was found in the
    letterbox's padding is moved to the nearest edge of the image.
    """
    native = np.clip(native.astype(np.float64), -0.5, np.array([frame.width - 0.5, frame.height - 0.5]))
    absent = confidence < absent_below
    native[absent] = np.nan
    states = np.where(absent, State.ABSENT, State.PRESENT).astype(np.int8)
    return Prediction(name, Landmarks(scheme, frame, native, states), confidence.astype(np.float64))
